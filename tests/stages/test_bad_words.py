from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from stages.bad_words import MAX_LIST_BYTES, BadWords, DropBadWords, read_bad_words
from stages.document import Document, Origin, Rejected

WORDS = ("darn", "darn it", "blast & co", "s&m", "☠", "two  blanks")


def document(text: str) -> Document:
    return Document("a", "c4", text, Origin("f"), language="en")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Darn.", "darn"),
        ("well, DARN", "darn"),
        ("darned", None),
        ("undarn", None),
        ("darn_it", None),
        ("darn2", None),
        ("darn\nit", "darn"),
        ("«darn»", "darn"),
        ("A blast & co. party", "blast & co"),
        ("a blast & cob", None),
        ("a blast", None),
        ("plain s&m shop", "s&m"),
        ("s&ms", None),
        ("☠ ahead", "☠"),
        ("x☠", None),
        ("", None),
    ],
)
def test_finds_entries_between_signs_that_belong_to_no_word(text: str, found: str | None) -> None:
    assert BadWords(WORDS, unspaced=False).find(text) == found


def test_finds_entries_inside_words_of_languages_without_blanks() -> None:
    assert BadWords(("悪い",), unspaced=True).find("とても悪い言葉") == "悪い"
    assert BadWords(("悪い",), unspaced=False).find("とても悪い言葉") is None


def test_equals_one_plain_search_on_random_texts() -> None:
    # The slow oracle: an entry with a character of no word, or nothing, on each side.
    oracle = re.compile(r"(?:\W|^)({})(?:\W|$)".format("|".join(map(re.escape, WORDS))))
    words = BadWords(WORDS, unspaced=False)
    pieces = [*WORDS, "darn", "blast", "co", "s", "&", " ", " ", "-", "_", "x", "\n", "é", "☠"]
    choice = random.Random(11)
    hits = 0
    for _ in range(4000):
        text = "".join(choice.choices(pieces, k=choice.randint(1, 6)))
        expected = oracle.search(text) is not None
        assert (words.find(text) is not None) == expected, repr(text)
        hits += expected
    assert 1000 < hits < 3500


def test_drops_a_page_with_an_entry_and_says_which(tmp_path: Path) -> None:
    path = tmp_path / "en"
    path.write_text("darn\n\n  Darn It \ndarn\n", encoding="utf-8")
    assert read_bad_words(str(path)) == ("darn", "darn it")
    drop = DropBadWords(str(path)).prepare()
    dropped = drop(document("Well, darn it."))
    assert isinstance(dropped, Rejected)
    assert (dropped.reason, dropped.detail) == ("bad_word", "darn")
    clean = document("Nothing here.")
    assert drop(clean) is clean


def test_passes_pages_in_another_language(tmp_path: Path) -> None:
    path = tmp_path / "en"
    path.write_text("darn\n", encoding="utf-8")
    german = replace(document("darn"), language="de")
    assert DropBadWords(str(path)).prepare()(german) is german


def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    missing, empty, binary, large = (tmp_path / name for name in ("missing", "empty", "binary", "large"))
    empty.write_text("\n \n")
    binary.write_bytes(b"\xff\xfe\x00")
    large.write_bytes(b"a" * (MAX_LIST_BYTES + 1))
    for path, message in (
        (missing, "no list of bad words can be read"),
        (empty, "is empty"),
        (binary, "no list of bad words can be read"),
        (large, "over 1048576 bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            DropBadWords(str(path)).prepare()
