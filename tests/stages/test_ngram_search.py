"""The n-gram search against a slow search by lists of words."""

from __future__ import annotations

import random
import time
import unicodedata

import numpy as np
import pytest

from stages.ngram_kernels import LEFT_OUT, SEPARATES, WORDS, _end_of_match, equal_spans
from stages.ngram_search import (
    MAX_ITEMS,
    KnownText,
    NgramIndex,
    Overlap,
    _table,
    composed,
    folded_character,
    words_of,
)

THIRTEEN = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"]


def index(*texts: str, short: bool = False) -> NgramIndex:
    return NgramIndex([KnownText(words_of(text), number, short) for number, text in enumerate(texts)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The CAT, sat.", ["the", "cat", "sat"]),
        ("don't don’t", ["dont", "dont"]),
        ("3 + 4 = $7,000", ["3", "4", "7000"]),
        ("a\u00a0b\u3000c\u2028d\x1ce", ["a", "b", "c", "d", "e"]),
        ("soft\u00adhyphen zero\u200bwidth\x00", ["softhyphen", "zerowidth"]),
        ("ÄRGER Ölfarbe İ", ["ärger", "ölfarbe", "i"]),
        ("… — !", []),
        ("\U00020001 \U0001f600", ["\U00020001"]),
    ],
)
def test_words_are_lower_case_divided_by_white_space_and_without_punctuation(
    text: str, words: list[str]
) -> None:
    assert words_of(text) == words


def test_folding_twice_is_folding_once() -> None:
    for code in range(0x20000):
        folded = folded_character(code)
        if folded > LEFT_OUT:
            assert folded_character(folded) == folded, hex(code)


def test_an_accent_is_the_same_however_it_is_written() -> None:
    words = ["crème", "Ångström", "ế", "한국", *THIRTEEN[4:]]
    whole, apart = (unicodedata.normalize(form, " ".join(words)) for form in ("NFC", "NFD"))
    assert len(apart) > len(whole)
    for known, document in ((whole, apart), (apart, whole), (apart, apart)):
        assert index(known).find(f"“{document}”") == [Overlap(0, 1.0, 1, 1 + len(whole))]
    assert index(whole).find(apart.replace("\u030a", "")) == []


def test_composes_what_may_be_composed_and_only_that() -> None:
    """Held against `unicodedata`, which looks at every character."""
    generator = random.Random(5)
    pool = [
        chr(c) for c in range(0x20000) if unicodedata.decomposition(chr(c)) or unicodedata.combining(chr(c))
    ]
    pool += [
        "e",
        "a",
        "A",
        " ",
        "\n",
        "\u1100",
        "\u1161",
        "\u11a8",
        "가",
        "각",
        "\u09c7",
        "\u09be",
        "\U0002f800",
    ]
    for _ in range(20_000):
        text = "".join(generator.choice(pool) for _ in range(generator.randrange(1, 8)))
        assert composed(text) == unicodedata.normalize("NFC", text), ascii(text)
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000:
            assert composed(chr(code)) == unicodedata.normalize("NFC", chr(code)), hex(code)


@pytest.mark.parametrize("marks", ["\u0316\u0301", "\u0f73"])
def test_marks_without_end_are_not_sorted(marks: str) -> None:
    text = "e\u0301 " + marks * 500_000
    started = time.process_time()
    assert composed(text) is text
    assert time.process_time() - started < 2  # Sorting them takes many minutes.
    assert composed("e" + "\u0301" * 30) == "é" + "\u0301" * 29


def test_thirteen_words_are_found_and_twelve_are_not() -> None:
    known = index(" ".join(THIRTEEN))
    assert known.find("x " + " ".join(THIRTEEN) + " y") == [Overlap(0, 1.0, 2, 27)]
    assert known.find(" ".join(THIRTEEN[:12])) == []
    assert known.find(" ".join([*THIRTEEN[:12], "mm"])) == []
    assert known.find(" ".join(["aa", *THIRTEEN[1:]])) == []
    assert known.find("") == []


def test_case_punctuation_and_line_ends_do_not_hide_a_match() -> None:
    known = index(" ".join(THIRTEEN))
    text = "«A,  b\n\nC d ... e-f"  # e-f is one word
    assert known.find(text + " g h i j k l m") == []
    assert known.find('"A", b\n\nC\td ... e F. (G) h i -- j k l m!') == [Overlap(0, 1.0, 1, 39)]


def test_the_covered_fraction_is_of_the_words_of_the_text() -> None:
    text = " ".join(f"w{n}" for n in range(26))
    words = text.split()
    assert index(text).find(" ".join(words[:13])) == [Overlap(0, 0.5, 0, len(" ".join(words[:13])))]
    assert index(text).find(" ".join(words[:14]) + " and " + " ".join(words[13:]))[0].covered == 1.0


def test_overlapping_matches_are_one_passage_and_the_first_is_told() -> None:
    words = [f"w{n}" for n in range(40)]
    document = " ".join(words[:20]) + " otherwise " + " ".join(words[20:])
    (found,) = index(" ".join(words)).find(document)
    assert document[found.start : found.end] == " ".join(words[:20])
    assert found.covered == 1.0


def test_a_short_text_is_found_whole_where_it_is_searched_for() -> None:
    text = "one two three four five six seven eight nine"
    known = index(text, short=True)
    assert known.find(f"So, {text}.") == [Overlap(0, 1.0, 4, 4 + len(text))]
    assert known.find(text.removesuffix(" nine")) == []
    assert known.find(text + "s") == []
    assert index(text).find(text) == []
    assert (
        index("one two three four five six seven", short=True).find("one two three four five six seven") == []
    )


def test_short_texts_that_begin_alike_are_told_apart() -> None:
    begin = "one two three four five six seven eight"
    known = index(f"{begin} nine", f"{begin} ten", begin, short=True)
    assert [found.text for found in known.find(f"{begin} ten")] == [1, 2]


def test_an_ngram_of_more_than_ten_items_is_a_common_phrase() -> None:
    phrase = " ".join(THIRTEEN)
    few, many = index(*[phrase] * MAX_ITEMS), index(*[phrase] * (MAX_ITEMS + 1), " ".join(THIRTEEN[::-1]))
    assert (few.common, len(few.find(phrase))) == (0, MAX_ITEMS)
    assert (many.common, many.find(phrase)) == (1, [])
    assert [found.text for found in many.find(" ".join(THIRTEEN[::-1]))] == [MAX_ITEMS + 1]
    of_one_item = NgramIndex([KnownText(THIRTEEN, 5, False)] * (MAX_ITEMS + 1))
    assert len(of_one_item.find(phrase)) == MAX_ITEMS + 1


def test_no_texts_find_nothing() -> None:
    assert NgramIndex([]).find("a b c " * 20) == []


def test_a_search_leaves_nothing_behind_for_the_next() -> None:
    known = index(" ".join(THIRTEEN))
    for _ in range(2):
        assert known.find(" ".join(THIRTEEN)) == [Overlap(0, 1.0, 0, 25)]
        assert known.find("nothing of it") == []


def test_a_match_of_the_hash_alone_is_no_match() -> None:
    """Two texts whose words were given one another's hash are told apart by their characters."""
    known = index(" ".join(THIRTEEN))
    known._codes = np.frombuffer(" ".join([*THIRTEEN[:12], "q"]).encode("utf-32-le"), dtype="<u4")
    assert known.find(" ".join(THIRTEEN)) == []
    codes = np.frombuffer(b"abcabd", dtype=np.uint8).astype(np.uint32)
    begins, ends = np.array([0, 3]), np.array([3, 6])
    assert equal_spans(codes, begins, ends, np.array([0, 1]))
    assert not equal_spans(codes, begins, ends, np.array([0, 0]))
    assert not equal_spans(codes, begins, np.array([3, 5]), np.array([0, 0]))


@pytest.mark.parametrize(
    ("text", "known", "end"),
    [
        ("ab c", "ab c", 4),
        ("a b c", "ab c", -1),
        ("ab c", "a b c", -1),
        ("abc", "ab c", -1),
        ("a-B \n c. d", "ab c", 7),
    ],
)
def test_words_are_compared_with_their_borders(text: str, known: str, end: int) -> None:
    characters = np.frombuffer(text.encode(), dtype=np.uint8)
    codes = np.frombuffer(known.encode("utf-32-le"), dtype="<u4")
    assert _end_of_match(characters, 0, _table(), codes, 0, len(codes)) == end


def word_spans(text: str) -> list[tuple[str, int, int]]:
    """Each word with the place of its first character and the end of its last, character by character."""
    found: list[tuple[str, int, int]] = []
    word, start, end = "", 0, 0
    for position, character in enumerate(text + " "):
        folded = folded_character(ord(character)) if ord(character) < 0x20000 else ord(character)
        if folded == SEPARATES:
            if word:
                found.append((word, start, end))
            word = ""
        elif folded != LEFT_OUT:
            start = start if word else position
            word, end = word + chr(folded), position + 1
    return found


def slow_find(texts: list[KnownText], document: str) -> list[Overlap]:
    """The overlaps by comparing lists of words."""
    spans = word_spans(document)
    words = [word for word, _, _ in spans]
    found = []
    for number, text in enumerate(texts):
        length = min(len(text.words), WORDS)
        if not text.searched:
            continue
        marks, places = [False] * len(text.words), []
        for offset in range(len(text.words) - length + 1):
            ngram = list(text.words[offset : offset + length])
            at = next((i for i in range(len(words)) if words[i : i + length] == ngram), None)
            if at is not None:
                marks[offset : offset + length] = [True] * length
                places.append((spans[at][1], spans[at + length - 1][2]))
        if places:
            start, end = sorted(places)[0]
            for low, high in sorted(places):
                end = max(end, high) if low <= end else end
                if low > end:
                    break
            found.append(Overlap(number, sum(marks) / len(marks), start, end))
    return found


def test_equals_the_slow_search_on_random_texts() -> None:
    generator = random.Random(11)
    vocabulary = ["a", "b", "ab", "Ab", "é", "É", "’a", "x-y", "\U00020001", "1", "..."]
    blanks = [" ", " ", " ", "\n", "  ", " — ", "\u00a0"]

    def words(count: int) -> str:
        return "".join(generator.choice(vocabulary) + generator.choice(blanks) for _ in range(count))

    hits = 0
    for _ in range(150):
        sources = [words(generator.randrange(1, 40)) for _ in range(4)]
        texts = [
            KnownText(words_of(source), number, generator.random() < 0.7)
            for number, source in enumerate(sources)
        ]
        pieces = []
        for _ in range(generator.randrange(1, 8)):
            piece = generator.choice(sources)
            low = generator.randrange(len(piece))
            pieces.append(piece[low : low + generator.randrange(120)])
            pieces.append(generator.choice(["", " ", " ", words(3)]))
        document = "".join(pieces)
        found = NgramIndex(texts).find(document)
        assert found == slow_find(texts, document), document
        hits += len(found)
    assert hits > 80
