"""Exact search for the word n-grams of known texts: an index of texts once, then a document in, what it shares out.

Words follow GPT-3 (arXiv 2005.14165, appendix C): "lowercase, whitespace delimited", without punctuation, here in NFC
on both sides. One compiled walk over a document rolls a hash over its last 13 words; what the hash finds is compared
character by character before it counts, so there are no false hits, and time is linear.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from stages.ngram_kernels import (
    COMBINING,
    LEFT_OUT,
    MIN_WORDS,
    SEPARATES,
    SETTLED,
    UNSETTLED,
    WORDS,
    Characters,
    Codes,
    Keys,
    Numbers,
    equal_spans,
    find_ngrams,
    may_compose,
    ngrams_of,
    word_hashes,
)

# GPT-3 ignores 13-grams of more than 10 training documents as common phrases. That needs counts over the whole corpus;
# an n-gram of more than 10 items ("which of the following ...") is such a phrase and needs none. The number is GPT-3's.
MAX_ITEMS = 10

_TABLE_END = 0x20000  # characters above are Han and rarities: they stay as they are
_FILTER_BITS_PER_KEY = 32  # 3 words in 100 pass by chance


def folded_character(code: int) -> int:
    """What a code point adds to a word: its lower case, nothing (`LEFT_OUT`), or the word's end (`SEPARATES`).

    Left out are punctuation with symbols (ASCII's punctuation is of both kinds), controls and invisible formats.
    """
    character = chr(code)
    if character.isspace():
        return SEPARATES
    category = unicodedata.category(character)
    return LEFT_OUT if category[0] in "PS" or category in ("Cc", "Cf") else ord(character.lower()[0])


class _Folding(dict[int, str | None]):
    """`folded_character` in the form of str.translate."""

    def __missing__(self, code: int) -> str | None:
        folded = folded_character(code) if code < _TABLE_END else code
        self[code] = {SEPARATES: " ", LEFT_OUT: None}.get(folded, chr(folded))
        return self[code]


_FOLDING = _Folding()


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared."""
    return composed(text).translate(_FOLDING).split()


def composed(text: str) -> str:
    """A text in NFC, in which e with an accent is one character, however it was written."""
    if text.isascii() or not may_compose(_codes_of(text), _settling()):
        return text
    return _normalized(text)


def _normalized(text: str) -> str:
    """By lines, which NFC never joins: it is quick where a line needs nothing, and most need nothing."""
    return "\n".join(unicodedata.normalize("NFC", line) for line in text.split("\n"))


def _codes_of(text: str) -> Codes:
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


@cache
def _settling() -> npt.NDArray[np.uint8]:
    """For each code point, and one for all beyond the table, what `may_compose` asks of it."""
    settling = np.full(_TABLE_END + 1, UNSETTLED, dtype=np.uint8)
    settling[:_TABLE_END] = SETTLED
    for code in range(_TABLE_END):
        character = chr(code)
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            settling[int(parts[1], 16)] = UNSETTLED  # it may join what stands before it
        if not unicodedata.is_normalized("NFC", character):
            settling[code] = UNSETTLED
    # Vowels and final consonants of Hangul join what is before them by rule (Unicode, section 3.12).
    settling[0x1161:0x1200] = UNSETTLED
    for code in range(_TABLE_END):
        # U+0F73 and two others are no combining marks, but written as two.
        if unicodedata.combining(unicodedata.normalize("NFD", chr(code))[0]):
            settling[code] = COMBINING
    return settling


@cache
def _table() -> Codes:
    return np.array([folded_character(code) for code in range(_TABLE_END)], dtype=np.uint32)


@dataclass(frozen=True, slots=True)
class KnownText:
    """A text to search for, as words. `item` numbers what it belongs to. `short`: fewer than 13 words say enough to be
    searched for, if they are at least 8."""

    words: Sequence[str]
    item: int
    short: bool

    @property
    def searched(self) -> bool:
        return len(self.words) >= (MIN_WORDS if self.short else WORDS)


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a document shares with a text: the text's number, the fraction (0..1) of its words that lie in shared
    n-grams, and where in the document (characters) the first shared passage starts and ends."""

    text: int
    covered: float
    start: int
    end: int


class NgramIndex:
    """The n-grams of texts: all runs of 13 words, or the whole of a text that is shorter and searched for.

    `common` counts n-grams left out because they stand in more than `MAX_ITEMS` items. Memory: about 80 bytes
    an n-gram. Not for several threads at once.
    """

    def __init__(self, texts: Sequence[KnownText]) -> None:
        searched = [(number, text) for number, text in enumerate(texts) if text.searched]
        self._numbers = [number for number, _ in searched]
        self._lengths = [len(text.words) for _, text in searched]
        joined = " ".join(" ".join(text.words) for _, text in searched)
        self._codes = np.frombuffer(joined.encode("utf-32-le"), dtype="<u4")
        lengths = np.array(self._lengths, dtype=np.int64)
        firsts = np.cumsum(lengths) - lengths
        # Without a text there is one empty word, which no n-gram names.
        hashes, starts, ends = word_hashes(self._codes, max(sum(self._lengths), 1))
        count = int(np.maximum(lengths - WORDS + 1, 1).sum())
        keys, wholes, of_text, offsets = ngrams_of(hashes, firsts, lengths, count)
        order = np.lexsort((wholes, keys))
        keys, wholes, of_text, offsets = keys[order], wholes[order], of_text[order], offsets[order]
        first_words = firsts[of_text] + offsets
        last_words = first_words + np.minimum(lengths, WORDS)[of_text] - 1
        items = np.array([text.item for _, text in searched], dtype=np.int64)
        self._of_text, self._offsets = of_text, offsets
        self._group(keys, wholes, starts[first_words], ends[last_words], items[of_text])

    def _group(self, keys: Keys, wholes: Keys, begins: Numbers, ends: Numbers, items: Numbers) -> None:
        """Gives equal n-grams, which are neighbours, one number, and leaves out the common ones."""
        new = np.ones(len(keys), dtype=np.bool_)
        new[1:] = (keys[1:] != keys[:-1]) | (wholes[1:] != wholes[:-1])
        lows = np.flatnonzero(new)
        highs = np.append(lows[1:], len(keys))
        assert equal_spans(self._codes, begins, ends, lows[np.cumsum(new) - 1]), "two n-grams have one hash"
        kept = highs - lows <= MAX_ITEMS
        for index in np.flatnonzero(~kept):
            kept[index] = len(np.unique(items[lows[index] : highs[index]])) <= MAX_ITEMS
        self.common = len(kept) - int(kept.sum())
        self._lows, self._highs = lows[kept], highs[kept]
        self._keys, self._begins, self._ends = keys[self._lows], begins[self._lows], ends[self._lows]
        bits = max((len(self._keys) * _FILTER_BITS_PER_KEY - 1).bit_length(), 10)
        self._shift = 64 - bits
        places = self._keys >> np.uint64(self._shift)
        self._bits = np.zeros(1 << (bits - 3), dtype=np.uint8)
        masks = np.uint8(1) << (places & np.uint64(7)).astype(np.uint8)
        np.bitwise_or.at(self._bits, (places >> np.uint64(3)).astype(np.int64), masks)
        bits = max(len(self._keys).bit_length(), 1)
        self._first_shift = 64 - bits
        tops = (self._keys >> np.uint64(self._first_shift)).astype(np.int64)
        before = np.cumsum(np.bincount(tops, minlength=1 << bits))
        self._firsts = np.concatenate([[0], before[:-1]]).astype(np.int32)
        self._seen = np.zeros(len(self._keys), dtype=np.uint8)
        self._found = np.empty((len(self._keys), 3), dtype=np.int64)

    def find(self, text: str) -> list[Overlap]:
        """What a text shares with each of the known texts, in their order; places are those in `composed(text)`."""
        if text.isascii():
            characters: Characters = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
        else:
            characters = _codes_of(text)
            if may_compose(characters, _settling()):
                characters = _codes_of(_normalized(text))
        count = find_ngrams(
            characters,
            _table(),
            self._codes,
            self._keys,
            self._begins,
            self._ends,
            self._bits,
            self._shift,
            self._firsts,
            self._first_shift,
            self._seen,
            self._found,
        )
        if not count:
            return []
        rows = self._found[:count].tolist()
        self._seen[self._found[:count, 0]] = 0
        covered: dict[int, bytearray] = {}
        places: dict[int, list[tuple[int, int]]] = {}
        for ngram, start, end in rows:
            low, high = self._lows[ngram], self._highs[ngram]
            of_text, offsets = self._of_text[low:high].tolist(), self._offsets[low:high].tolist()
            for known, offset in zip(of_text, offsets, strict=True):
                length = min(WORDS, self._lengths[known])
                marks = covered.setdefault(known, bytearray(self._lengths[known]))
                marks[offset : offset + length] = b"\1" * length
                places.setdefault(known, []).append((start, end))
        return [
            Overlap(self._numbers[known], sum(marks) / len(marks), *_first_passage(places[known]))
            for known, marks in sorted(covered.items())
        ]


def _first_passage(places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The first of the places, which are in the order of the text, with those that overlap it."""
    start, end = places[0]
    for next_start, next_end in places[1:]:
        if next_start > end:
            break
        end = max(end, next_end)
    return start, end
