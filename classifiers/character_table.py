"""The text that SentencePiece segments, made from a raw text through one table of characters.

In: a raw text. Out: the UTF-8 that SentencePiece's normaliser makes of `lm_text.normalize(text)`, byte for byte:
CCNet's normalisation, then the model's own table of characters, one blank in front, none doubled and none at the end.
Only that a blank stays a blank here, where SentencePiece writes U+2581.

Both are, for nearly all characters, a replacement of one character by a few whatever stands beside it. That is looked
up once a character and kept; one pass over the code points then does for all steps. Where neighbours count the text
goes the plain way: marks that NFD puts in order and CCNet keeps, and characters that the model's table joins with the
one before (Hangul letters, half-width kana marks, some Indic vowels).

Memory: 5.5 MB of address space of which the pages of the characters met are used, and some 10 bytes a character met.
"""

from __future__ import annotations

import unicodedata
from array import array

import numba
import numpy as np
import numpy.typing as npt
import sentencepiece

from classifiers.lm_text import normalize

ByteArray = npt.NDArray[np.uint8]

META = "\u2581".encode()  # what SentencePiece writes for a blank
BLANK = 0x20
_CODE_POINTS = 0x110000
_LONGEST_KEY = 256  # bytes; those of the trainer's tables have 72 at most
_MOST_KEYS = (
    10_000_000  # and prefixes of keys; those of the trainer's tables have 0.5 M. Equal ends share their nodes
)
_FRAME = "|"  # a sign on which no step looks at its neighbours; checked for each model
# Where a character stands in the sequences that a model joins; _DELETED: CCNet deletes it, so its neighbours meet.
_BEFORE, _AFTER, _DELETED = 1, 2, 4
# What the table says of a character instead of an entry, and a pass of a text instead of a length.
_NOT_MET, _NEIGHBOURS_COUNT = 0, -1
_MEETS_NEW = -2


@numba.njit(cache=True)
def _replace(
    codes: npt.NDArray[np.uint32],
    entries: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int32],
    sides: ByteArray,
    pool: ByteArray,
    out: ByteArray,
) -> int:
    """Write the replacements of all code points, blanks in a row as one; how many bytes, or a reason."""
    out[0] = BLANK
    size = 1
    after_blank = True
    before = 0
    for code in codes:
        entry = entries[code]
        if entry <= 0:
            return _MEETS_NEW if entry == _NOT_MET else _NEIGHBOURS_COUNT
        side = sides[entry]
        if not side & _DELETED:
            if before & _BEFORE and side & _AFTER:
                return _NEIGHBOURS_COUNT
            before = side
        for place in range(starts[entry], starts[entry + 1]):
            byte = pool[place]
            if byte != BLANK or not after_blank:
                out[size] = byte
                size += 1
            after_blank = byte == BLANK
    return size - 1 if after_blank else size


@numba.njit(cache=True)
def _mark_sequences(units: npt.NDArray[np.uint32], places: ByteArray) -> bool:
    """Walk the double array of a compiled table (darts-clone) and mark the characters of all keys that are sequences.

    A unit holds the label of the byte that leads to it (bits 0-7), whether a key ends here (8) and where its children
    are (10-30, times 256 when bit 9 is set); a child's place is that of its unit's offset, XOR the byte.
    """
    most_open = 256 * _LONGEST_KEY
    nodes = np.zeros(most_open, dtype=np.int64)
    depths = np.zeros(most_open, dtype=np.int64)
    last_bytes = np.zeros(most_open, dtype=np.uint8)
    key = np.zeros(_LONGEST_KEY, dtype=np.uint8)
    open_nodes, seen = 1, 0
    while open_nodes:
        open_nodes -= 1
        node, depth = nodes[open_nodes], depths[open_nodes]
        seen += 1
        if seen > _MOST_KEYS or depth >= _LONGEST_KEY:
            return False
        if depth:
            key[depth - 1] = last_bytes[open_nodes]
        unit = np.int64(units[node])
        if unit >> 8 & 1:
            code, characters = 0, 0
            for place in range(depth + 1):
                byte = np.int64(key[place]) if place < depth else np.int64(0)
                if byte & 0xC0 == 0x80:
                    code = code << 6 | int(byte & 0x3F)
                    continue
                if characters > 1 or (characters == 1 and place < depth):
                    if code >= _CODE_POINTS:
                        return False
                    places[code] |= _AFTER | _BEFORE if characters > 1 else _BEFORE
                characters += 1
                lead_bits = 0x7F if byte < 0x80 else 0x1F if byte < 0xE0 else 0x0F if byte < 0xF0 else 7
                code = int(byte & lead_bits)
        offset = node ^ (unit >> 10 << ((unit & 0x200) >> 6))
        for label in range(1, 256):
            child = offset ^ label
            if child < len(units) and units[child] & 0x800000FF == label:
                nodes[open_nodes], depths[open_nodes] = child, depth + 1
                last_bytes[open_nodes] = label
                open_nodes += 1
    return True


def _sequences(charsmap: bytes) -> ByteArray:
    """For each code point whether it begins or goes on a sequence of characters that the model's table replaces."""
    places = np.zeros(_CODE_POINTS, dtype=np.uint8)
    if charsmap:
        size = int.from_bytes(charsmap[:4], "little")  # of the double array; the replacements follow
        if size % 4 or not 4 <= size <= len(charsmap) - 4:
            raise ValueError("the SentencePiece model's table of characters is damaged; get the file again")
        if not _mark_sequences(np.frombuffer(charsmap, dtype="<u4", count=size // 4, offset=4), places):
            raise ValueError("the SentencePiece model's table of characters is damaged; get the file again")
    return places


class CharacterTable:
    """The replacements of one model. Raises ValueError when its table of characters is damaged."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor, charsmap: bytes) -> None:
        self._processor = processor
        self._place_in_sequences = _sequences(charsmap)
        if self._place_in_sequences[ord(_FRAME)]:
            raise ValueError(
                f"a SentencePiece model that joins {_FRAME!r} with other characters is not known"
            )
        self._entry = np.zeros(_CODE_POINTS, dtype=np.int32)
        self._starts = array("i", (0, 0))  # entry 0 stands for no entry
        self._sides = bytearray(1)
        self._pool = bytearray()
        self._longest = 1
        self._freeze()

    def normalize(self, text: str) -> ByteArray:
        """The bytes that SentencePiece segments; empty when nothing is left of the text."""
        text = text.strip()
        if "Σ" in text:  # the one letter whose lower case depends on its neighbours
            text = text.lower()
        codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        for _ in range(2):
            out = np.empty(len(codes) * self._longest + 1, dtype=np.uint8)
            size = int(
                _replace(codes, self._entry, self._starts_array, self._sides_array, self._pool_array, out)
            )
            if size >= 0:
                return out[:size]
            if size == _NEIGHBOURS_COUNT:
                break
            self._learn(text)
        plain: str = self._processor.normalize(normalize(text))
        return np.frombuffer(plain.encode().replace(META, b" "), dtype=np.uint8)

    def _learn(self, text: str) -> None:
        for character in sorted(set(text)):
            if self._entry[ord(character)] == _NOT_MET:
                self._entry[ord(character)] = self._new_entry(character)
        self._freeze()

    def _new_entry(self, character: str) -> int:
        # A blank would be stripped by itself, so each character is normalised between two others.
        plain = normalize(f"{_FRAME}{character}{_FRAME}")[1:-1]
        framed: bytes = self._processor.normalize(f"{_FRAME}{plain}{_FRAME}").encode().replace(META, b" ")
        kept_marks = any(unicodedata.combining(c) for c in plain)
        if kept_marks or META.decode() in plain or b"  " in framed:
            return _NEIGHBOURS_COUNT
        replacement = framed[len(f" {_FRAME}") : -len(_FRAME)]
        first = self._place_in_sequences[ord(plain[0])] if plain else 0
        last = self._place_in_sequences[ord(plain[-1])] if plain else 0
        self._sides.append((_BEFORE if last else 0) | (first & _AFTER) | (0 if plain else _DELETED))
        self._pool += replacement
        self._starts.append(len(self._pool))
        self._longest = max(self._longest, len(replacement))
        return len(self._sides) - 1

    def _freeze(self) -> None:
        self._starts_array = np.array(self._starts, dtype=np.int32)
        self._sides_array = np.frombuffer(bytes(self._sides), dtype=np.uint8)
        self._pool_array = np.frombuffer(bytes(self._pool) + b"\0", dtype=np.uint8)
