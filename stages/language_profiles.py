"""Language by langdetect's profiles and its procedure: a text in, the best language and its probability out.

The method is Shuyo's (language-detection, 2010): naive Bayes over 1- to 3-grams of 55 languages, drawn at random from
the text, seven times over with another smoothing. This is langdetect 1.0.9's procedure, number for number, for the seed
0 that C4 sets: the same profiles, n-grams, random numbers (Python's Mersenne Twister) and order of every sum; only that
the inner loops are compiled. Languages stand in the order of their names; langdetect takes them in the order in which
the file system lists them, which can change the last bits of a probability.
"""

from __future__ import annotations

import json
import math
import random
import re
from importlib.resources import files
from itertools import chain

import numpy as np
from langdetect.utils.ngram import NGram
from numba import njit
from numpy.typing import NDArray

SEED = 0  # C4 (TFDS 3.1.0) sets it before each text
TRIALS = 7  # these six: langdetect 1.0.9, detector.py
MAX_CHARACTERS = 10_000
ALPHA, ALPHA_WIDTH = 0.5, 0.05
BASE_FREQUENCY = 10_000
MIN_PROBABILITY = 0.1  # languages below are not named
LONGEST_GRAM = 3

_URL = re.compile(r"https?://[-_.?&~;+=/#0-9A-Za-z]{1,2076}")
_MAIL = re.compile(r"[-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z]{1,255}[-_.0-9A-Za-z]{1,255}")
_SPACE = 32
_UPPER = 1 << 24  # marks an upper-case letter in the table of characters; code points need 21 bits
_UNSEEN = 0xFFFFFFFF
_HASH = 0x9E3779B97F4A7C15  # 2**64 / golden ratio


@njit(cache=True)
def _slot_of(gram: np.uint64, slots: NDArray[np.uint64]) -> int:
    """Where a packed gram stands in the table of slots (a power of 2, 0 is free), or the free slot for it."""
    mask = np.uint64(len(slots) - 1)
    mixed = gram * np.uint64(_HASH)
    slot = (mixed ^ (mixed >> np.uint64(32))) & mask
    while slots[slot] != np.uint64(0) and slots[slot] != gram:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)  # type: ignore[return-value]


@njit(cache=True)
def _insert(grams: NDArray[np.uint64], slots: NDArray[np.uint64], rows: NDArray[np.int32]) -> None:
    for row in range(len(grams)):
        slot = _slot_of(grams[row], slots)
        slots[slot] = grams[row]
        rows[slot] = row


@njit(cache=True)
def _gram_rows(
    characters: NDArray[np.uint32], slots: NDArray[np.uint64], rows: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The row of each known 1- to 3-gram of normalised characters, in order.

    A gram begins at a word's leading blank at the earliest; none is taken within a word after two upper-case letters.
    """
    found = np.empty(3 * len(characters), np.int32)
    count = 0
    first = second = np.uint64(0)  # the two characters before the last one, as far as they are in the window
    last = np.uint64(_SPACE)
    length = 1
    last_upper = capital_word = False
    for character in characters:
        upper = (character & np.uint32(_UPPER)) != 0
        code = np.uint64(character & np.uint32(_UPPER - 1))
        if last == _SPACE:
            length = 1
            capital_word = False
            if code == _SPACE:
                last_upper = False
                continue
        first, second, last = second, last, code
        length = min(length + 1, 3)
        if not upper:
            capital_word = False
        elif last_upper:
            capital_word = True
        last_upper = upper
        if capital_word:
            continue
        gram = last
        for size in range(1, length + 1):
            if size == 2:
                gram |= second << np.uint64(21)
            elif size == 3:
                gram |= first << np.uint64(42)
            if gram == _SPACE:
                continue
            slot = _slot_of(gram, slots)
            if slots[slot] == gram:
                found[count] = rows[slot]
                count += 1
    return found[:count]


@njit(cache=True)
def _trial(
    grams: NDArray[np.int32],
    table: NDArray[np.float64],
    alpha: float,
    draws: NDArray[np.uint32],
    position: int,
    probabilities: NDArray[np.float64],
) -> int:
    """Multiplies the probabilities by those of randomly drawn grams until one language is certain or 1,000 are drawn.

    `draws` are 32-bit outputs of the generator, read from `position` on. Returns the position after the last one read,
    or -1 when there were too few.
    """
    languages = len(probabilities)
    bits = 0
    while len(grams) >> bits:
        bits += 1
    weight = alpha / BASE_FREQUENCY
    probabilities[:] = 1.0 / languages
    drawn = 0
    while True:
        while True:
            if position >= len(draws):
                return -1
            choice = draws[position] >> np.uint32(32 - bits)
            position += 1
            if choice < len(grams):
                break
        row = grams[choice]
        for language in range(languages):
            probabilities[language] *= weight + table[row, language]
        if drawn % 5 == 0:
            total = 0.0
            for language in range(languages):
                total += probabilities[language]
            best = 0.0
            for language in range(languages):
                probabilities[language] /= total
                best = max(best, probabilities[language])
            if best > 0.99999 or drawn >= 1000:
                return position
        drawn += 1


class ProfileDetector:
    """The 55 profiles of langdetect as arrays, about 45 MB. No verdict depends on an earlier text: there is no lock."""

    def __init__(self) -> None:
        folder = files("langdetect") / "profiles"
        profiles = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.iterdir()}
        self.languages: tuple[str, ...] = tuple(sorted(profiles))
        row_of: dict[str, int] = {}
        for gram in chain.from_iterable(profiles[name]["freq"] for name in self.languages):
            row_of.setdefault(gram, len(row_of))
        self._table = np.zeros((len(row_of), len(self.languages)))
        for column, name in enumerate(self.languages):
            counts = profiles[name]["n_words"]
            for gram, frequency in profiles[name]["freq"].items():
                assert profiles[name]["name"] == name and 1 <= len(gram) <= LONGEST_GRAM
                self._table[row_of[gram], column] = 1.0 * frequency / counts[len(gram) - 1]
        packed = np.array([_packed(gram) for gram in row_of], dtype=np.uint64)
        self._slots = np.zeros(1 << (2 * len(packed)).bit_length(), dtype=np.uint64)
        self._rows = np.zeros(len(self._slots), dtype=np.int32)
        _insert(packed, self._slots, self._rows)
        self._characters = np.full(0x110000, _UNSEEN, dtype=np.uint32)  # filled when a character is first met
        self._draws = _draws(1 << 16)

    def detect(self, text: str) -> tuple[str, float] | None:
        """The best language and its probability (over 0.1), or None for a text without a known letter."""
        grams = self._grams(text)
        if not len(grams):
            return None
        while (probabilities := self._probabilities(grams)) is None:
            self._draws = _draws(2 * len(self._draws))
        best = int(np.argmax(probabilities))
        probability = float(probabilities[best])
        return (self.languages[best], probability) if probability > MIN_PROBABILITY else None

    def _grams(self, text: str) -> NDArray[np.int32]:
        if "://" in text:
            text = _URL.sub(" ", text)
        if "@" in text:
            text = _MAIL.sub(" ", text)
        if any(mark in text for mark in NGram.DMARK_CLASS):
            text = NGram.normalize_vi(text)  # a letter and a Vietnamese tone mark become one character
        codes = np.frombuffer(text[:MAX_CHARACTERS].encode("utf-32-le", "replace"), dtype="<u4")
        is_latin = (codes >= ord("A")) & (codes <= ord("z"))
        if 2 * np.count_nonzero(is_latin) < np.count_nonzero(codes >= 0x300):
            codes = codes[~is_latin]
        characters = self._characters[codes]
        if (characters == _UNSEEN).any():
            for code in np.unique(codes[characters == _UNSEEN]).tolist():
                normal = NGram.normalize(chr(code))
                self._characters[code] = ord(normal) | (_UPPER if normal.isupper() else 0)
            characters = self._characters[codes]
        return _gram_rows(characters, self._slots, self._rows)

    def _probabilities(self, grams: NDArray[np.int32]) -> NDArray[np.float64] | None:
        """The mean of all trials; None when the random numbers do not suffice."""
        mean = np.zeros(len(self.languages))
        probabilities = np.zeros(len(self.languages))
        position = 0
        second_normal = 0.0
        for trial in range(TRIALS):
            if trial % 2 == 0:  # Python's random.gauss makes two normal numbers of two uniform ones
                if position + 4 > len(self._draws):
                    return None
                angle = self._uniform(position) * 2.0 * math.pi
                radius = math.sqrt(-2.0 * math.log(1.0 - self._uniform(position + 2)))
                position += 4
                normal, second_normal = math.cos(angle) * radius, math.sin(angle) * radius
            else:
                normal = second_normal
            alpha = ALPHA + normal * ALPHA_WIDTH
            position = _trial(grams, self._table, alpha, self._draws, position, probabilities)
            if position < 0:
                return None
            mean += probabilities / TRIALS
        return mean

    def _uniform(self, position: int) -> float:
        """Python's random.random: 53 bits of two 32-bit outputs."""
        high, low = int(self._draws[position]) >> 5, int(self._draws[position + 1]) >> 6
        return (high * 67108864.0 + low) / 9007199254740992.0


def _draws(count: int) -> NDArray[np.uint32]:
    """The first 32-bit outputs of Python's generator for the seed."""
    generator = random.Random(SEED)
    return np.frombuffer(generator.randbytes(4 * count), dtype="<u4").astype(np.uint32)


def _packed(gram: str) -> int:
    """A gram as a number: 21 bits a character, the last one lowest."""
    number = 0
    for character in gram:
        number = number << 21 | ord(character)
    return number
