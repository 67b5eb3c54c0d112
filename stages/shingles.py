"""Word shingles: a text in, one 64-bit key for each run of five words out, for comparing documents by their sets.

Words are those of a simplified text, after the text that FineWeb compares (datatrove's MinHash: lower case, no
punctuation, no accents), with four differences: punctuation and `_` part words where datatrove closes them up ("don't"
is two words); marks within a word such as Indic vowel signs belong to it; invisible format characters (soft hyphen,
joiners) are left out; each Han or kana character is a word, as those scripts are written without spaces and a clause
would otherwise be one word. Numbers stay: newer versions of datatrove write each as 0, but then all tables of numbers
are one document.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

Keys = npt.NDArray[np.uint64]
Characters = npt.NDArray[np.uint8] | npt.NDArray[np.uint32]  # code points

WORDS_PER_SHINGLE = 5  # FineWeb (arXiv 2406.17557 section 3.4): "5-grams"

# What a character does to the word before it; any other value is the character that joins the word.
_PARTS, _LEFT_OUT = 0, 1
_ALONE = 1 << 31  # the character is a word
_TABLE_END = 0x34000  # no character above is a letter up to Unicode 17: all of them part words

FIRST_WORD_STATE = np.uint64(0x243F6A8885A308D3)  # first 64 bits of the fraction of pi
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: multiplicative hashing's usual odd one
_SHIFT = np.uint64(33)  # the three constants of MurmurHash3's 64-bit finaliser (fmix64)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)


@njit(cache=True)
def mixed(value: np.uint64) -> np.uint64:
    """MurmurHash3's 64-bit finaliser: a bijection in which each bit of the value moves each bit of the result."""
    value ^= value >> _SHIFT
    value *= _MIX_1
    value ^= value >> _SHIFT
    value *= _MIX_2
    return value ^ (value >> _SHIFT)


@njit(cache=True)
def _word_keys(characters: Characters, table: npt.NDArray[np.uint32]) -> Keys:
    """One key a word, in order: a multiplicative hash over its characters, mixed once at its end."""
    keys = np.empty(len(characters), dtype=np.uint64)  # pages that no word reaches are never touched
    count = 0
    word = FIRST_WORD_STATE
    inside = False
    for position in range(len(characters)):
        character = characters[position]
        folded = table[character] if character < len(table) else np.uint32(_PARTS)
        if folded == _LEFT_OUT:
            continue
        alone = folded >= _ALONE
        if inside and (alone or folded == _PARTS):
            keys[count] = mixed(word)
            count += 1
            word = FIRST_WORD_STATE
            inside = False
        if alone:
            keys[count] = mixed((FIRST_WORD_STATE ^ np.uint64(folded)) * MULTIPLIER)
            count += 1
        elif folded != _PARTS:
            word = (word ^ np.uint64(folded)) * MULTIPLIER
            inside = True
    if inside:
        keys[count] = mixed(word)
        count += 1
    return keys[:count].copy()


@njit(cache=True)
def _shingle_keys(words: Keys, length: int) -> Keys:
    """Keys of all runs of `length` words: a polynomial in the words' keys, rolled from one run to the next, mixed."""
    highest = np.uint64(1)
    for _ in range(length):
        highest *= MULTIPLIER
    keys = np.empty(len(words) - length + 1, dtype=np.uint64)
    rolling = np.uint64(0)
    for position in range(len(words)):
        rolling = rolling * MULTIPLIER + words[position]
        if position >= length:
            rolling -= highest * words[position - length]
        if position >= length - 1:
            keys[position - length + 1] = mixed(rolling)
    return keys


def shingle_keys(text: str) -> Keys:
    """64-bit keys of the word 5-grams of a text, in order and with repeats.

    A text of one to four words is one shingle, a text without words has none. Time and memory are linear: 8 bytes a
    shingle, and while it works 12 bytes a character (4 in ASCII text, of which most are never touched). The keys are
    those of the Unicode version of the running Python.
    """
    if text.isascii():
        characters: Characters = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
    else:
        characters = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    words = _word_keys(characters, _table())
    return _shingle_keys(words, min(WORDS_PER_SHINGLE, len(words))) if len(words) else words


def folded_character(character: str) -> int:
    """What a character adds to a word: its lower-case base letter, or one of the values above."""
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):
        return _LEFT_OUT
    if category[0] not in "LN" and category != "Mc":
        return _PARTS
    lower = character.lower()
    base = [c for c in unicodedata.normalize("NFD", lower) if unicodedata.category(c) != "Mn"]
    # A Hangul syllable comes apart into letters: it stays whole, like the few others that are not one letter.
    folded = ord(base[0]) if len(base) == 1 else ord(lower[0])
    return folded | _ALONE if _is_written_without_spaces(folded) else folded


def _is_written_without_spaces(codepoint: int) -> bool:
    """Han (Unicode blocks CJK Unified Ideographs and their extensions) and kana."""
    return (
        0x3040 <= codepoint <= 0x30FF
        or 0x3400 <= codepoint <= 0x4DBF
        or 0x4E00 <= codepoint <= 0x9FFF
        or 0x20000 <= codepoint < _TABLE_END
    )


@cache
def _table() -> npt.NDArray[np.uint32]:
    """`folded_character` of every code point below `_TABLE_END`; 0.9 MB, built in 0.2 s once a process."""
    return np.array([folded_character(chr(c)) for c in range(_TABLE_END)], dtype=np.uint32)
