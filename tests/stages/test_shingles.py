"""Word 5-grams against a slow oracle that splits words one character at a time."""

from __future__ import annotations

import random
import unicodedata

import numpy as np
import pytest

from stages.shingles import shingle_keys

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def fmix64(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return value ^ value >> 33


def oracle_words(text: str) -> list[list[int]]:
    """Each word as its characters, a Han or kana character with bit 31 set; split as the docstring says."""
    words: list[list[int]] = [[]]
    for character in text:
        kind = unicodedata.category(character)
        if kind in ("Mn", "Me", "Cf") and ord(character) < 0x34000:
            continue
        if (kind[0] not in "LN" and kind != "Mc") or ord(character) >= 0x34000:
            words.append([])
            continue
        base = unicodedata.normalize("NFD", character.lower())
        base = "".join(c for c in base if unicodedata.category(c) != "Mn")
        if len(base) > 1:
            base = character.lower()[0]
        if unicodedata.name(base, "").startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA")):
            words += [[ord(base) | 1 << 31], []]
        else:
            words[-1].append(ord(base))
    return [word for word in words if word]


def oracle_keys(text: str) -> list[int]:
    keys = []
    for word in oracle_words(text):
        key = 0x243F6A8885A308D3
        for character in word:
            key = (key ^ character) * GOLDEN & MASK
        keys.append(fmix64(key))
    length = min(5, len(keys))
    shingles = []
    for start in range(len(keys) - length + 1 if keys else 0):
        total = sum(key * GOLDEN ** (length - 1 - i) for i, key in enumerate(keys[start : start + length]))
        shingles.append(fmix64(total & MASK))
    return shingles


def same(first: str, second: str) -> bool:
    return np.array_equal(shingle_keys(first), shingle_keys(second))


@pytest.mark.parametrize(
    "alphabet",
    [
        "abC D1, .\n'_-",
        "aé È\u0301 ßẞ İıſ ΣΑςσ жЙё \u00ad\u200d½Ⅷ٣ ",
        "漢字かがカ・ーﾊ한국어 的𠀀\U00033333 a ",
        "हिन्दी ไทย العَرَبِيَّة 😀\U000e0100\U0010ffff x",
    ],
    ids=["ascii", "accents", "han_kana_hangul", "marks_and_symbols"],
)
def test_keys_are_those_of_the_slow_way(alphabet: str) -> None:
    generator = random.Random(alphabet)
    for _ in range(200):
        text = "".join(generator.choices(alphabet, k=generator.randrange(60)))
        assert shingle_keys(text).tolist() == oracle_keys(text), repr(text)


def test_keys_never_change() -> None:
    assert [hex(key) for key in shingle_keys("one two three four five").tolist()] == ["0xae3b0d35305c6008"]


def test_case_punctuation_accents_and_invisible_characters_do_not_matter() -> None:
    assert same("One, TWO three -- «four» five!", "one two three four five")
    assert same("un café noisette très serré", "UN CAFE\u0301 noisette tres serre")
    assert same("co\u00adop\u200dera\ufefftion is what we want", "cooperation is what we want")
    assert same("don't do that again", "don t do that again")
    assert same("snake_case_is_four words", "snake case is four words")


def test_order_and_numbers_matter() -> None:
    assert not same("one two three four five", "two one three four five")
    assert not same("in 2019 it rained a lot", "in 2020 it rained a lot")
    assert not same("ab c d e f", "a bc d e f")


def test_a_run_of_five_words_is_one_shingle_and_a_shorter_text_is_one_too() -> None:
    counts = {"": 0, "?! -- 😀": 0, "one": 1, "one two three four": 1, "a b c d e": 1, "a b c d e f": 2}
    assert {text: len(shingle_keys(text)) for text in counts} == counts
    assert shingle_keys("one two").tolist() != shingle_keys("one").tolist()


def test_repeats_stay_in_order_of_the_text() -> None:
    keys = shingle_keys("a b c d e a b c d e").tolist()
    assert len(keys) == 6 and keys[0] == keys[5] and len(set(keys)) == 5


def test_each_han_and_kana_character_is_a_word() -> None:
    assert len(shingle_keys("我們在這裡看書")) == 3
    assert same("我們在這裡,看 書", "我們在這裡看書")
    assert len(shingle_keys("iPhone手機のアプリ")) == 3
    assert len(shingle_keys("나는 책을 읽는다")) == 1  # three words with spaces


def test_ascii_and_other_texts_have_the_same_keys() -> None:
    assert (
        shingle_keys("one two three four five").tolist() == shingle_keys("ône two three four five").tolist()
    )
