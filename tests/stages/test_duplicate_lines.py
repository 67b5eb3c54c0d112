"""Line deduplication: keys against the plain statement of the rule, the mask by hand, and cc_net's own output."""

from __future__ import annotations

import gzip
import hashlib
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from stages.document import Document, Origin, Rejected
from stages.duplicate_lines import CONTROLS, PUNCTUATION, duplicated_lines, keep_lines, line_hashes
from stages.length import KeepLength
from stages.sources.common_crawl import CommonCrawl


def plain_key(line: str) -> int:
    key = "".join("0" if unicodedata.category(c) == "Nd" else c for c in line.strip().lower())
    key = "".join(c for c in key if c not in PUNCTUATION and c not in CONTROLS)
    return int.from_bytes(hashlib.sha1(key.encode()).digest()[:8], "little")


LINES = [
    "", " Hello, World 2024! ", "a\tb", "ab", "— a", "…", "“quoted” text’s", "ΟΔΥΣΣΕΥΣ", "İstanbul", "٣ and ३ and ²",
    "\u3000wide\u00a0", "１", "Ärger\x85", "🎉 party", "ẞ", "\u200bzero",
]  # fmt: skip


def document(text: str) -> Document:
    return Document("1", "commoncrawl", text, Origin("f"))


def numbers(*values: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, dtype=np.uint64)


def test_there_are_34_signs() -> None:
    assert len(set(PUNCTUATION)) == len(PUNCTUATION) == 34


def test_keys_equal_the_plain_statement_of_the_rule() -> None:
    for text in ("\n".join(LINES), *LINES, "one\ntwo", "α\nb\n"):
        assert line_hashes(text).tolist() == [plain_key(line) for line in text.split("\n")]


def test_lines_of_listed_signs_have_the_key_of_the_blank_line() -> None:
    blank, sign, spaced = line_hashes("\n…\n— a").tolist()
    assert blank == sign == int.from_bytes(hashlib.sha1(b"").digest()[:8], "little")
    assert spaced == int.from_bytes(hashlib.sha1(b" a").digest()[:8], "little")


def test_a_line_in_two_documents_loses_both_copies() -> None:
    mask = duplicated_lines(numbers(7, 8, 7, 9), numbers(1, 1, 2, 2))
    assert mask.tolist() == [True, False, True, False]


def test_a_line_twice_in_one_document_keeps_the_first() -> None:
    assert duplicated_lines(numbers(7, 8, 7), numbers(1, 1, 1)).tolist() == [False, False, True]


def test_keep_first_keeps_the_first_copy_of_all() -> None:
    mask = duplicated_lines(numbers(7, 8, 7, 7, 8), numbers(1, 1, 1, 2, 2), keep="first")
    assert mask.tolist() == [False, False, True, True, True]


def test_no_lines_give_no_mask_and_unequal_lengths_an_error() -> None:
    assert duplicated_lines(numbers(), numbers()).tolist() == []
    with pytest.raises(ValueError, match="one document number a line: 2 keys but 1 document numbers"):
        duplicated_lines(numbers(1, 2), numbers(1))


def test_keeps_the_lines_that_the_mask_leaves() -> None:
    kept = keep_lines(document("a\n\n b \nc"), np.array([False, True, False, True]))
    assert isinstance(kept, Document)
    assert kept.text == "a\n b "
    assert kept.scores == {"original_lines": 4.0, "kept_lines": 2.0}


def test_drops_a_document_without_a_line_left() -> None:
    for text, mask in (("a\nb", [True, True]), ("a\n \n", [True, False, True])):
        dropped = keep_lines(document(text), np.array(mask))
        assert isinstance(dropped, Rejected)
        assert dropped.reason == "duplicate_lines_only"
        assert dropped.document.text == text


def test_a_mask_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="document 1 has 2 lines but the mask has 1; hash it again"):
        keep_lines(document("a\nb"), np.array([True]))


def test_the_shared_pages_lose_the_lines_that_cc_net_removes(shared_data: Path) -> None:
    texts: dict[tuple[str, int], Document | Rejected] = {}
    keys: dict[tuple[str, int], np.ndarray[tuple[int], np.dtype[np.uint64]]] = {}
    for path in sorted((shared_data / "commoncrawl" / "repacked").glob("*/wet/*.gz")):
        segment = str(path.relative_to(shared_data / "commoncrawl"))
        with path.open("rb") as stream:
            pages = [d for d in CommonCrawl().read(stream, segment) if isinstance(d, Document)]
        for number, page in enumerate(pages):
            texts[segment, number] = outcome = KeepLength()(page)
            if isinstance(outcome, Document):
                keys[segment, number] = line_hashes(outcome.text)
    assert len(texts) == 2852
    for window, left in (("all", 166_191), ("snapshot", 185_065), ("file", 232_979)):
        parts = {"all": 0, "snapshot": 2, "file": 4}[window]
        groups: dict[tuple[str, ...], list[tuple[str, int]]] = {}
        for place in keys:
            groups.setdefault(tuple(place[0].split("/")[:parts]), []).append(place)
        masks = {}
        for places in groups.values():
            owners = [np.full(keys[place].size, n, dtype=np.uint64) for n, place in enumerate(places)]
            mask = duplicated_lines(np.concatenate([keys[p] for p in places]), np.concatenate(owners))
            at = np.cumsum([0] + [keys[p].size for p in places])
            masks.update({p: mask[at[n] : at[n + 1]] for n, p in enumerate(places)})
        assert sum(int((~mask).sum()) for mask in masks.values()) == left
        checked = 0
        with gzip.open(shared_data / "goldens" / "ccnet" / f"window-{window}.jsonl.gz", "rt") as golden:
            for row in map(json.loads, golden):
                place = (row["cc_segment"], row["doc"])
                checked += 1
                if row["fate"] == "too_short":
                    assert isinstance(texts[place], Rejected)
                    continue
                outcome = texts[place]
                assert isinstance(outcome, Document)
                assert len(outcome.text) == row["input_length"]
                assert (outcome.title or "") == row.get("title", outcome.title or "")
                assert np.flatnonzero(~masks[place]).tolist() == row.get("line_ids", [])
                result = keep_lines(outcome, masks[place])
                assert isinstance(result, Rejected) == (row["fate"] == "no_line_left")
                if isinstance(result, Document):
                    assert hashlib.sha1(result.text.encode()).hexdigest() == row["sha1"]
        assert checked == 2852
