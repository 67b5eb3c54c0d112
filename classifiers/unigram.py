"""Segmentation into SentencePiece's unigram pieces: the same pieces as SentencePiece, several times as fast.

In: a raw text. Out: its pieces joined by blanks, as KenLM reads them, and their number. The text becomes what
`character_table` says; its pieces are the best path over all of it, found as in SentencePiece
(`unigram::Model::EncodeOptimized`, version 0.2.3).

SentencePiece adds up the scores of a whole text in 32 bits, so that far into it equal and nearly equal paths ("000" +
"00" and "00" + "000") are told apart by rounding. Hence no memory of words: the best path of a word depends, in the
last bits, on where it stands. The same sums are made here, in the same order and width.

Memory: 16 bytes for each prefix of a piece (4 MB for 65,536 pieces), and 13 bytes a byte of text.
"""

from __future__ import annotations

import numba
import numpy as np
import sentencepiece

from classifiers import double_array
from classifiers.character_table import BLANK, META, CharacterTable
from classifiers.double_array import ByteArray, Float32Array, Int32Array, NodeArray
from classifiers.unigram_model import UnigramModel, read_unigram_model

_UNKNOWN_PENALTY = 10.0  # SentencePiece: an unknown character scores this much below the worst piece
_RESET_SCORE = np.float32(100_000.0)  # SentencePiece: past this sum of scores a text is added up anew


@numba.njit(cache=True)
def _best_path(
    text: ByteArray,
    table: NodeArray,
    unknown_score: np.float32,
    longest: int,
    best: Float32Array,
    begins: Int32Array,
) -> None:
    """Fill `best[i]`, the score of the best path that ends before byte i, and `begins[i]`, where its last piece begins.

    It is ~begin when that piece is an unknown character; `longest` is the number of bytes of the longest piece.
    """
    size = np.uint64(len(text))  # unsigned: an index that cannot be negative is not tested for it
    never = np.float32(-np.inf)
    best[:] = never
    best[0] = 0.0
    start = np.uint64(0)
    while start < size:
        so_far = best[start]
        if abs(so_far) > _RESET_SCORE:
            for place in range(start, min(start + np.uint64(longest), size) + np.uint64(1)):
                best[place] -= so_far
            so_far = np.float32(0.0)
        lead = text[start]
        width = np.uint64(1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4)
        one_character = never
        node = np.uint32(0)
        base = table[0]["base"]
        end = start
        while end < size:
            child = base + text[end]
            row = table[child]
            if row["parent"] != node:
                break
            node, base, value = np.uint32(child), row["base"], row["value"]
            end += np.uint64(1)
            # No branches: a string that is no piece has the value -inf, and no sum with it is better.
            score = np.float32(value + so_far)
            is_better = score > best[end]
            begins[end] = np.int32(start) if is_better else begins[end]
            best[end] = score if is_better else best[end]
            one_character = value if end - start == width else one_character
        if one_character == never:
            end = start + width
            score = np.float32(unknown_score + so_far)
            if score > best[end]:
                best[end] = score
                begins[end] = ~np.int32(start)
        start += width


@numba.njit(cache=True)
def _write_pieces(text: ByteArray, begins: Int32Array, out: ByteArray) -> tuple[int, int]:
    """Write the pieces into `out` with a blank between two and U+2581 for each blank of the text; (bytes, pieces)."""
    size = len(text)
    # The links go back, from the end of a piece to where it begins; turn them round along the path.
    end, link = size, begins[size]
    while end:
        start = ~link if link < 0 else link
        following = begins[start]
        begins[start] = ~end if link < 0 else end
        end, link = start, following
    written, pieces = 0, 0
    after_unknown = False
    start = 0
    while start < size:
        unknown = begins[start] < 0
        end = ~begins[start] if unknown else begins[start]
        if not (unknown and after_unknown):  # SentencePiece joins unknown characters in a row to one piece
            if pieces:
                out[written] = BLANK
                written += 1
            pieces += 1
        for place in range(start, end):
            if text[place] == BLANK:
                out[written], out[written + 1], out[written + 2] = 0xE2, 0x96, 0x81
                written += 3
            else:
                out[written] = text[place]
                written += 1
        after_unknown = unknown
        start = end
    return written, pieces


class UnigramSegmenter:
    """The segmentation of one model."""

    def __init__(self, table: CharacterTable, model: UnigramModel) -> None:
        self._table = table
        scores = {
            piece.replace(META, b" "): score for piece, score in zip(model.pieces, model.scores, strict=True)
        }
        pieces = sorted(scores)
        self._trie = double_array.build(pieces, [scores[piece] for piece in pieces])
        self._longest = max(4, *map(len, pieces))  # 4: an unknown character
        self._unknown = np.float32(np.float32(min(model.scores)) - np.float32(_UNKNOWN_PENALTY))

    @staticmethod
    def of(processor: sentencepiece.SentencePieceProcessor) -> UnigramSegmenter | None:
        """The segmenter of a loaded model; None when the model is not of the kind that `read_unigram_model` takes."""
        model = read_unigram_model(processor.serialized_model_proto())
        return None if model is None else UnigramSegmenter(CharacterTable(processor, model.charsmap), model)

    def segment(self, text: str) -> tuple[bytes, int]:
        """The pieces of the text as CCNet normalises it, UTF-8 joined by blanks, and how many they are."""
        normal = self._table.normalize(text)
        if not len(normal):
            return b"", 0
        best = np.empty(len(normal) + 1, dtype=np.float32)
        begins = np.empty(len(normal) + 1, dtype=np.int32)
        _best_path(normal, self._trie, self._unknown, self._longest, best, begins)
        out = np.empty(4 * len(normal), dtype=np.uint8)
        written, pieces = _write_pieces(normal, begins, out)
        return out[:written].tobytes(), int(pieces)
