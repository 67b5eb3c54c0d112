"""Line deduplication: keys against the plain statement of the rule, the mask by hand, and cc_net's own output."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import unicodedata
from itertools import compress
from pathlib import Path

import numpy as np
import pytest
import xxhash

from stages.document import Document, Origin, Rejected
from stages.duplicate_lines import CONTROLS, PUNCTUATION, duplicated_lines, keep_lines, line_hashes
from stages.length import KeepLength
from stages.line_hashing import Algorithm
from stages.sources.common_crawl import CommonCrawl


def plain_key(line: str, algorithm: Algorithm = "sha1") -> int:
    key = "".join("0" if unicodedata.category(c) == "Nd" else c for c in line.strip().lower())
    key = "".join(c for c in key if c not in PUNCTUATION and c not in CONTROLS)
    if algorithm == "xxh64":
        return int(xxhash.xxh64_intdigest(key.encode()))
    return int.from_bytes(hashlib.sha1(key.encode()).digest()[:8], "little")


LINES = [
    "", " Hello, World 2024! ", "a\tb", "ab", "— a", "…", "“quoted” text’s", "ΟΔΥΣΣΕΥΣ", "İstanbul", "٣ and ३ and ²",
    "\u3000wide\u00a0", "１", "Ärger\x85", "🎉 party", "ẞ", "\u200bzero", "del\x7feted",
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


@pytest.mark.parametrize("algorithm", ["sha1", "xxh64"])
def test_keys_of_random_texts_equal_the_plain_statement(algorithm: Algorithm) -> None:
    rng = random.Random(3)
    characters = "aZ09 \t\u00a0\u3000\x85\u2028\x0b\x0c" + "İßẞΣσςΑ'" + "Ä٣३１𝟗…’，►" + "漢🎉\n\n\n"
    for _ in range(300):
        text = "".join(rng.choices([*rng.sample(characters, 12), "\n"], k=rng.randrange(200)))
        text += "".join(chr(c) for c in rng.choices(range(0xD800), k=20)) + "\nΛΌΓΟΣ\n"
        found = line_hashes(text, algorithm).tolist()
        assert found == [plain_key(line, algorithm) for line in text.split("\n")], text


@pytest.mark.parametrize("length", [0, 54, 55, 56, 63, 64, 65, 119, 120, 128, 1000])
def test_keys_of_lines_around_the_blocks_of_sha1(length: int) -> None:
    for line in ("x" * length, "é" * (length // 2), "Σ" * (length // 2), "x" * length + "İ"):
        assert line_hashes(line + "\n" + line).tolist() == [plain_key(line)] * 2


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


def test_masks_of_random_windows_equal_the_plain_statement_of_the_rule() -> None:
    rng = np.random.default_rng(5)
    for size in (1, 2, 10, 100, 1000):
        for keys in (2, size, 10 * size):
            hashes = rng.choice(rng.integers(0, 2**64, keys, dtype=np.uint64), size)
            owners = np.sort(rng.integers(0, max(size // 5, 1), size)).astype(np.uint64)
            found: dict[int, list[int]] = {}
            for hashed, owner in zip(hashes.tolist(), owners.tolist(), strict=True):
                found.setdefault(hashed, []).append(owner)
            places = {h: n for n, h in reversed([*enumerate(hashes.tolist())])}
            first = [places[h] != n for n, h in enumerate(hashes.tolist())]
            shared = [len(set(found[h])) > 1 for h in hashes.tolist()]
            none = [repeat or both for repeat, both in zip(first, shared, strict=True)]
            assert duplicated_lines(hashes, owners, "first").tolist() == first
            assert duplicated_lines(hashes, owners).tolist() == none


def test_no_lines_give_no_mask_and_unequal_lengths_an_error() -> None:
    assert duplicated_lines(numbers(), numbers()).tolist() == []
    with pytest.raises(ValueError, match="one document number a line: 2 keys but 1 document numbers"):
        duplicated_lines(numbers(1, 2), numbers(1))


def test_keeps_the_lines_that_the_mask_leaves() -> None:
    kept = keep_lines(document("a\n\n b \nc"), np.array([False, True, False, True]))
    assert isinstance(kept, Document)
    assert kept.text == "a\n b "
    assert kept.scores == {"original_lines": 4.0, "kept_lines": 2.0}


def test_kept_lines_of_random_masks_are_those_of_a_plain_split() -> None:
    rng = random.Random(7)
    for _ in range(500):
        text = "".join(rng.choices("aé漢🎉\n\n \x0b\u2028", k=rng.randrange(1, 60))) + "z\nz"
        lines = text.split("\n")
        few = rng.choice([0.0, 0.1, 0.5, 0.9])
        mask = [rng.random() < few for _ in lines]
        kept = keep_lines(document(text), np.array(mask))
        plain = "\n".join(compress(lines, [not gone for gone in mask]))
        if plain.strip():
            assert isinstance(kept, Document)
            assert kept.text == plain
            assert kept.scores == {"original_lines": len(lines), "kept_lines": len(lines) - sum(mask)}
        else:
            assert isinstance(kept, Rejected)
            assert kept.document.text == text
            assert kept.score == len(lines) - sum(mask)


def test_a_text_that_loses_nothing_stays_the_same_object() -> None:
    kept = keep_lines(document(text := "a\n\nb é"), np.zeros(3, dtype=np.bool_))
    assert isinstance(kept, Document)
    assert kept.text is text
    assert kept.scores == {"original_lines": 3.0, "kept_lines": 3.0}


def test_a_blank_document_is_dropped_though_no_line_is() -> None:
    dropped = keep_lines(document(" \n"), np.zeros(2, dtype=np.bool_))
    assert isinstance(dropped, Rejected)
    assert (dropped.reason, dropped.score) == ("duplicate_lines_only", 2.0)


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
