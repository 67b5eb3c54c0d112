"""Ids of texts by gigatoken: exactly SentencePiece's, about ten times as fast.

gigatoken reads the model in the form of Hugging Face's `tokenizer.json` (`tokenizer.export`). What it does otherwise
than SentencePiece, or not at all, is dealt with here:

- It takes a literal `<s>` in a text for the control piece when that is among the added tokens: none are given to it,
  and no merge leads to a piece that is not made of text.
- It ends the process on bytes that are not UTF-8: only `str` is passed, where it refuses lone surrogates.
- Its table of words grows without bound, by up to ten bytes a character of words never seen before: it is loaded anew
  after `TABLE_CHARACTERS`, and long texts are passed in pieces, so that no single one outgrows that.
- It is young: at loading, its ids of a text of all pieces are compared with SentencePiece's.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import numpy as np
from gigatoken import Tokenizer

from tokenizer.export import tokenizer_json
from tokenizer.sentencepiece_model import NORMAL, SPACE, Model
from tokenizer.shards import Tokens

TABLE_CHARACTERS = 32 << 20  # of text to one table: 0.1 GB of ordinary text, 0.3 GB of random words
PIECE_CHARACTERS = 2 << 20  # of a long text, up to the next border between two words
LONGEST_WORD = (
    2 * PIECE_CHARACTERS
)  # a longer piece is one word, for which SentencePiece is faster: 10 MB of one letter
# take it 4 s, gigatoken 6
# The space or line end between two words; something follows, because an empty piece would get no space.
WORD_BORDER = re.compile(f"(?<=[^ {SPACE}])[ \n](?=.)", re.DOTALL)
MAX_SPACES_PROBED = 130  # runs of spaces in the text of all pieces: beyond the longest piece of spaces


class GigatokenEncoder:
    """It cannot be pickled: make it where it is used."""

    def __init__(self, model: Model) -> None:
        """ValueError when gigatoken does not give SentencePiece's ids for this model."""
        self._sentencepiece = model.processor
        self._json = tokenizer_json(model, control_pieces=False)
        self._load()
        probe = probe_text(model)
        if self._tokenizer.encode(probe).tolist() != model.processor.encode(probe):
            raise ValueError(
                "gigatoken does not give SentencePiece's ids for this tokenizer.model: uninstall gigatoken "
                "(the slower word table takes its place), or use a model that `llama-corpus run` trained"
            )

    def ids(self, text: str) -> Tokens:
        """The ids of a text that is not empty. TypeError when it holds a lone surrogate."""
        if len(text) <= PIECE_CHARACTERS:
            return self._encode(text)
        return np.concatenate([self._encode_piece(piece)[skipped:] for piece, skipped in pieces_of(text)])

    def _encode_piece(self, piece: str) -> Tokens:
        if len(piece) > LONGEST_WORD:
            return np.array(self._sentencepiece.encode(piece), np.uint32)
        return self._encode(piece)

    def _encode(self, text: str) -> Tokens:
        self._characters += len(text)
        if self._characters > TABLE_CHARACTERS:
            self._load()
        return self._tokenizer.encode(text)

    def _load(self) -> None:
        """A new gigatoken with an empty table."""
        self._tokenizer = Tokenizer.from_json(self._json)
        self._characters = 0


def pieces_of(text: str) -> Iterator[tuple[str, int]]:
    """A long text in pieces of about `PIECE_CHARACTERS`, each with the number of its first ids to leave out; what is
    left, one piece after the other, is the ids of the text.

    No merge crosses a border between two words (`tokenizer.word_table`). SentencePiece puts a space before whatever
    it encodes: at a space it stands for that one, which is left out of the piece; at a line end its id is left out.
    A text without a border is one piece.
    """
    start = skipped = 0
    while border := WORD_BORDER.search(text, start + PIECE_CHARACTERS):
        yield text[start : border.start()], skipped
        start, skipped = (border.end(), 0) if border[0] == " " else (border.start(), 1)
    yield text[start:], skipped


def probe_text(model: Model) -> str:
    """All pieces of text in a fixed random order, so that many merges overlap, and runs of spaces of all lengths."""
    pieces = [piece for piece, kind in zip(model.pieces, model.kinds, strict=True) if kind == NORMAL]
    pieces += ["x" + " " * count for count in range(MAX_SPACES_PROBED)]
    random.Random(0).shuffle(pieces)
    return "".join(pieces)
