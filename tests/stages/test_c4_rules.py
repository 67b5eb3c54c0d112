"""The rules one by one, and all of them against the verdicts of TensorFlow Datasets' own code on real pages."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import md5, sha1
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.bad_words import DropBadWords
from stages.c4_language import KeepC4English
from stages.c4_rules import (
    KEPT,
    PAGE_ENDS,
    CleanC4Page,
    TakeC4Lines,
    c4_line_keys,
    c4_owner_tag,
    c4_split,
    c4_url_key,
    keep_owned_lines,
    normalize_c4_url,
    owned_lines,
)
from stages.document import Document, Origin, Rejected
from stages.length import KeepLength
from stages.sentences import english_sentences
from stages.sources.common_crawl import CommonCrawl
from stages.stage import Transform


def page(text: str, title: str | None = None) -> Document:
    created = datetime(2019, 4, 20, tzinfo=UTC)
    return Document(
        "a", "commoncrawl", text, Origin("f"), "https://www.example.org/x/", title, created=created
    )


def test_normalises_addresses_as_coded() -> None:
    assert normalize_c4_url("https://www.example.org/a/") == "example.org/a"
    assert normalize_c4_url("http://example.org/a?utm_source=x&b=1") == "example.org/a"
    assert normalize_c4_url("http://example.org/a?b=1&utm_source=x") == "example.org/a?b=1&utm_source=x"
    assert normalize_c4_url("http://example.org/?reference=1") == "example.org"
    assert normalize_c4_url("http://a.org/?u=http://www.b.org/c") == "a.org/?u=b.org/c"
    assert c4_url_key("http://www.a.org//") == c4_url_key("https://a.org") != c4_url_key("https://b.org")


def test_one_address_in_a_thousand_is_for_validation() -> None:
    urls = [f"http://example.org/{number}" for number in range(5000)]
    chosen = [url for url in urls if c4_split(url) == "validation"]
    assert chosen == [u for u in urls if int(md5(u[7:].encode()).hexdigest(), 16) % 1000 == 0]
    assert len(chosen) == 6


def test_takes_stripped_lines_without_blank_and_header_like_ones() -> None:
    taken = TakeC4Lines()(
        page(" first \n\n\t\nWARC-like\nContent-Type: x\nCONTENT-x\ncontent-y\nlast", "Title")
    )
    assert isinstance(taken, Document)
    assert taken.text == "Title\nfirst\ncontent-y\nlast"
    assert (taken.title, taken.metadata) == ("Title", {"c4_split": "train"})


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (replace(page("a"), url=None), "no_url"),
        (replace(page("a"), created=None), "no_timestamp"),
        (page(" \nWARC\n"), "no_text"),
    ],
)
def test_drops_pages_that_lack_something(document: Document, reason: str) -> None:
    dropped = TakeC4Lines()(document)
    assert isinstance(dropped, Rejected) and dropped.reason == reason


@pytest.mark.parametrize(
    ("line", "fate"),
    [
        ("One two three four five.", KEPT),
        ('One two three four "five"', KEPT),
        ("One two three four five!", KEPT),
        ("One two three four five?", KEPT),
        ("One two three four.", "too_few_words"),
        ("One two three four five", "no_end_mark"),
        ("One two three four five...", "no_end_mark"),
        ("One two three four five;", "no_end_mark"),
        ("x" * 1000 + " two three four five.", KEPT),
        ("x" * 1001 + " two three four five.", "word_too_long"),
        ("x" * 1001, "word_too_long"),
        ("One two Lorem Ipsum five.", "lorem_ipsum"),
        ("Please enable JavaScript lorem ipsum now.", "lorem_ipsum"),
        ("Please enable JavaScript { right now.", "javascript"),
        ("One two three four { five.", "curly_bracket"),
        ("Lorem ipsum {.", "too_few_words"),
        ("Read our Privacy Policy before you go.", "policy"),
        ("This site Uses Cookies for many things.", "policy"),
        ("One two three four five. [3]", "no_end_mark"),
    ],
)
def test_judges_lines_in_the_order_of_the_code(line: str, fate: str) -> None:
    assert CleanC4Page().line_fate(line)[0] == fate


def test_deletes_citation_marks() -> None:
    line = "[1]One[23] two[edit] three[citation needed] four[] five[a]."
    assert CleanC4Page().line_fate(line) == (KEPT, "One two three four five[a].")


def test_keeps_the_lines_that_look_like_sentences() -> None:
    text = "Menu\nThe first line has five words.\nHome | About\nThe second has many words. And another one.\x0cTail"
    cleaned = CleanC4Page()(page(text))
    assert isinstance(cleaned, Document)
    assert cleaned.text == "The first line has five words.\nThe second has many words. And another one."
    assert cleaned.scores == {"original_lines": 5.0, "kept_lines": 2.0}


def test_drops_pages_by_their_lines() -> None:
    good = "This is one good line. It has two sentences."
    for text, reason, score in (
        (good, "too_few_sentences", 2.0),
        ("no sentence", "too_few_sentences", 0.0),
        (f"{good}\n{good}\nBut then there is a { {} }.", "curly_bracket", None),
        (f"{good}\n{good}\nAnd here is lorem ipsum dolor.", "lorem_ipsum", None),
    ):
        dropped = CleanC4Page()(page(text))
        assert isinstance(dropped, Rejected)
        assert (dropped.reason, dropped.score, dropped.document.text) == (reason, score, text)


def test_line_keys_ignore_case_and_outer_blanks() -> None:
    keys = c4_line_keys("One line\n ONE LINE \nother").tolist()
    assert keys[0] == keys[1] != keys[2]
    assert keys[0] == int.from_bytes(md5(b"one line").digest()[:8], "little")
    assert c4_owner_tag("http://a.org/") == int(md5(b"http://a.org/").hexdigest()[:8], 16)


def test_a_line_stays_once_in_the_page_with_the_smallest_tag() -> None:
    keys = np.array([7, 8, 7, 7, 8, 7, 9], dtype=np.uint64)
    owners = np.array([5, 5, 3, 3, 5, 4, 4], dtype=np.uint32)
    assert owned_lines(keys, owners).tolist() == [True, False, False, True, True, True, False]
    assert owned_lines(keys[:0], owners[:0]).tolist() == []
    with pytest.raises(ValueError, match="7 keys but 1 tags"):
        owned_lines(keys, owners[:1])


def test_ownership_equals_a_plain_search_on_random_lines() -> None:
    choice = random.Random(3)
    for _ in range(200):
        pages = [(choice.randrange(4), choice.randrange(6)) for _ in range(choice.randint(1, 12))]
        lines = [(choice.randrange(5), tag) for tag, count in pages for _ in range(count)]
        expected = []
        for position, (key, tag) in enumerate(lines):
            best = min((t, p) for p, (k, t) in enumerate(lines) if k == key)
            expected.append((tag, position) != best)
        dropped = owned_lines(
            np.array([k for k, _ in lines], dtype=np.uint64), np.array([t for _, t in lines], dtype=np.uint32)
        )
        assert dropped.tolist() == expected


def test_drops_lines_that_another_page_owns() -> None:
    document = page("One is here. Two is here.\nThree.\nFour.")
    kept = keep_owned_lines(document, np.array([False, True, False]))
    assert isinstance(kept, Document)
    assert (kept.text, kept.scores) == ("One is here. Two is here.\nFour.", {"kept_lines": 2.0})
    few = keep_owned_lines(document, np.array([True, False, False]))
    assert isinstance(few, Rejected)
    assert (few.reason, few.score, few.document.text) == ("too_few_sentences", 2.0, document.text)
    none = keep_owned_lines(document, np.array([True, True, True]))
    assert isinstance(none, Rejected) and (none.reason, none.score) == ("duplicate_lines_only", 0.0)
    with pytest.raises(ValueError, match="3 lines but the mask has 2"):
        keep_owned_lines(document, np.array([True, True]))


# The real pages. What the fields mean: goldens/c4/README.md in the shared data.
VERDICTS = {
    None: "passed",
    "too_few_sentences": "filtered:too_few_sentences",
    "curly_bracket": "filtered:squigglybracket",
    "lorem_ipsum": "filtered:loremipsum",
    "duplicate_lines_only": "filtered:empty",
    "language_not_english": "filtered:ignored_language",
    "language_score_too_low": "filtered:low_confidence",
}
FATES = {
    KEPT: "K",
    "word_too_long": "W",
    "no_end_mark": "E",
    "too_few_words": "S",
    "javascript": "J",
    "policy": "P",
    "lorem_ipsum": "L",
    "curly_bracket": "B",
}


def sha(text: str) -> str:
    return sha1(text.encode()).hexdigest()


def run_lengths(fates: Iterable[str]) -> str:
    runs = [(fate, len(list(run))) for fate, run in groupby(fates)]
    return "".join(fate + (str(length) if length > 1 else "") for fate, length in runs)


def reason_of(outcome: Document | Rejected) -> str | None:
    return outcome.reason if isinstance(outcome, Rejected) else None


def newest(pages: list[tuple[Document, dict[str, Any]]]) -> set[int]:
    best: dict[int, int] = {}
    for number, (document, _) in enumerate(pages):
        assert document.url is not None and document.created is not None
        other = best.setdefault(c4_url_key(document.url), number)
        if document.created > pages[other][0].created:  # type: ignore[operator]
            best[c4_url_key(document.url)] = number
    return set(best.values())


@pytest.fixture(scope="module")
def english() -> Transform:
    return KeepC4English().prepare()


@pytest.fixture(scope="module")
def pages(shared_data: Path) -> list[tuple[Document, dict[str, Any]]]:
    """Every WET page after `TakeC4Lines`, with the reference's verdicts."""
    with gzip.open(shared_data / "goldens" / "c4" / "tfds.jsonl.gz", "rt", encoding="utf-8") as stream:
        golden = [json.loads(line) for line in stream]
    found: list[Document] = []
    for wet in dict.fromkeys(row["wet"] for row in golden):
        (path,) = (shared_data / "commoncrawl" / "repacked").glob(f"*/wet/{wet}")
        with path.open("rb") as stream_of_wet:
            for outcome in CommonCrawl(first_line_is_title=False).read(stream_of_wet, str(path)):
                if isinstance(outcome, Document):
                    taken = TakeC4Lines()(outcome)
                    assert isinstance(taken, Document)
                    found.append(taken)
    assert len(golden) == 2852
    return list(zip(found, golden, strict=True))


def test_pages_addresses_and_split_are_those_of_tfds(pages: list[tuple[Document, dict[str, Any]]]) -> None:
    keep_length = KeepLength(min_characters=0, max_characters=190_000)
    for document, row in pages:
        assert document.url is not None and document.url == row["url"]
        assert normalize_c4_url(document.url) == row["norm_url"]
        assert document.metadata["c4_split"] == row["split"]
        assert (len(document.text), sha(document.text)) == (row["text_chars"], row["text_sha1"])
        assert isinstance(keep_length(document), Document) == row["length_ok"]


def test_every_line_and_page_has_the_verdict_of_tfds(pages: list[tuple[Document, dict[str, Any]]]) -> None:
    clean = CleanC4Page()
    passed = 0
    for document, row in pages:
        fates, sentences = [], 0
        for raw in document.text.splitlines():
            fate, line = clean.line_fate(raw.strip())
            fates.append(FATES[fate])
            sentences += english_sentences().count(line) if fate == KEPT else 0
            if fate in PAGE_ENDS:
                break
        assert run_lengths(fates) == row["clean_lines"]
        assert sentences == row["clean_sentences"]
        outcome = clean(document)
        assert VERDICTS[reason_of(outcome)] == row["clean"]
        if isinstance(outcome, Document):
            passed += 1
            assert (len(outcome.text), sha(outcome.text)) == (row["clean_text_chars"], row["clean_text_sha1"])
    assert passed == 2519


@pytest.mark.parametrize(
    ("prefix", "snapshot", "kept"),
    [("", "", 867), ("snap_", "a", 291), ("snap_", "b", 312), ("snap_", "c", 280)],
)
def test_the_dump_that_remains_is_that_of_tfds(
    prefix: str,
    snapshot: str,
    kept: int,
    pages: list[tuple[Document, dict[str, Any]]],
    english: Transform,
    tmp_path: Path,
) -> None:
    # The list itself is not there; every entry that the reference met is.
    entries = {row["clean_badword"] for _, row in pages if row.get("clean_badword")}
    (tmp_path / "en").write_text("\n".join(sorted(entries)), encoding="utf-8")
    clean, drop_bad_words = CleanC4Page(), DropBadWords(str(tmp_path / "en")).prepare()
    dump = [(d, row) for d, row in pages if row["wet"].startswith(f"snapshot-{snapshot}")]
    of_dump = newest(dump)
    assert of_dump == {number for number, (_, row) in enumerate(dump) if row[prefix + "newest"]}
    cleaned = [(clean(document), row) for n, (document, row) in enumerate(dump) if n in of_dump]
    survivors = [(document, row) for document, row in cleaned if isinstance(document, Document)]
    assert all(prefix + "dedup" in row for _, row in survivors)
    keys = [c4_line_keys(document.text) for document, _ in survivors]
    counts = [len(of_page) for of_page in keys]
    tags = np.array([c4_owner_tag(row["url"]) for _, row in survivors], dtype=np.uint32)
    dropped = owned_lines(np.concatenate(keys), np.repeat(tags, counts))
    masks = np.split(dropped, np.cumsum(counts)[:-1])
    remaining = 0
    for (document, row), mask, of_page in zip(survivors, masks, keys, strict=True):
        own = of_page[~mask]
        fates = [
            "K" if not gone else "D" if key in own else "G" for key, gone in zip(of_page, mask, strict=True)
        ]
        assert run_lengths(fates) == row[prefix + "dedup_lines"]
        outcome = keep_owned_lines(document, mask)
        assert VERDICTS[reason_of(outcome)] == row[prefix + "dedup"]
        if isinstance(outcome, Document):
            assert sha(outcome.text) == row[prefix + "dedup_text_sha1"]
            judged = english(outcome)
            found = judged.document if isinstance(judged, Rejected) else judged
            assert found.language_score is not None
            assert [found.language, round(found.language_score, 6)] == row[prefix + "langdetect"]
            assert VERDICTS[reason_of(judged)] == row[prefix + "english"].removesuffix(f"-{found.language}")
            outcome = judged if isinstance(judged, Rejected) else drop_bad_words(judged)
            if isinstance(judged, Document):
                assert isinstance(outcome, Document) == row[prefix + "badwords_pass"]
        remaining += isinstance(outcome, Document)
        assert isinstance(outcome, Document) == row[prefix + "kept"]
    assert remaining == kept
