"""Bands, edges and clusters against slow oracles, and the found share of pairs against the S-curve."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from stages import near_duplicates
from stages.document import Document
from stages.minhash import minhash
from stages.near_duplicates import (
    BANDS,
    ROWS,
    Numbers,
    band_keys,
    cluster_sizes,
    clusters,
    clusters_of_batches,
    edges,
    signature,
)
from stages.sources.common_crawl import CommonCrawl

MASK = (1 << 64) - 1


def fmix64(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & MASK
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return value ^ value >> 33


def numbers(*values: int) -> Numbers:
    return np.array(values, dtype=np.uint64)


def pairs(*values: tuple[int, int]) -> Numbers:
    return np.array(values, dtype=np.uint64).reshape(-1, 2)


def test_a_signature_has_112_values_unless_told_otherwise() -> None:
    assert signature("one two three four five six").shape == (112,)
    assert signature("one two three four five six", 260).shape == (260,)


def test_band_keys_mix_the_number_of_the_band_and_each_value_in_order() -> None:
    values = np.random.default_rng(3).integers(0, 2**32, 12, dtype=np.uint32)
    expected = []
    for band in range(3):
        key = fmix64(band + 1)
        for value in values[4 * band : 4 * band + 4].tolist():
            key = fmix64(key ^ value)
        expected.append(key)
    assert band_keys(values, 3, 4).tolist() == expected


def test_bands_of_different_number_do_not_meet() -> None:
    values = np.tile(np.arange(8, dtype=np.uint32), 14)
    assert len(set(band_keys(values).tolist())) == 14


def test_one_other_value_changes_the_key_of_its_band_only() -> None:
    values = signature("one two three four five six seven")
    other = values.copy()
    other[17] += 1
    assert np.flatnonzero(band_keys(values) != band_keys(other)).tolist() == [2]


def test_texts_without_words_have_no_keys_and_never_meet() -> None:
    assert band_keys(signature("")).tolist() == []
    assert band_keys(signature("*** -- 😀")).tolist() == []
    assert len(band_keys(signature("one"))) == 14


@pytest.mark.parametrize(("bands", "rows"), [(0, 8), (14, 0), (15, 8), (14, 9)])
def test_bands_have_to_fit_the_signature(bands: int, rows: int) -> None:
    with pytest.raises(ValueError, match=f"{bands} bands of {rows} rows do not fit 112 hashes"):
        band_keys(signature("one two"), bands, rows)


def test_documents_with_one_key_are_linked_with_the_smallest() -> None:
    found = edges(numbers(5, 9, 5, 7, 5, 9), numbers(30, 40, 10, 50, 20, 10))
    assert found.tolist() == [[10, 20], [10, 30], [10, 40]]


def test_an_edge_that_two_keys_give_is_there_once() -> None:
    assert edges(numbers(5, 5, 6, 6), numbers(1, 2, 2, 1)).tolist() == [[1, 2]]
    assert edges(numbers(5, 5), numbers(3, 3)).tolist() == []


def test_no_shared_key_gives_no_edge() -> None:
    for keys in (numbers(), numbers(1), numbers(1, 2, 3)):
        found = edges(keys, np.arange(len(keys), dtype=np.uint64))
        assert found.shape == (0, 2) and found.dtype == np.uint64


def test_each_key_needs_a_document() -> None:
    with pytest.raises(ValueError, match="2 keys but 1 document numbers"):
        edges(numbers(1, 2), numbers(1))


def test_edges_are_those_of_the_slow_way_in_any_order() -> None:
    generator = np.random.default_rng(11)
    for _ in range(100):
        count = int(generator.integers(0, 40))
        keys = generator.integers(0, 12, count).astype(np.uint64) << np.uint64(60)
        documents = generator.integers(0, 15, count).astype(np.uint64) | np.uint64(1 << 33)
        members = defaultdict(set)
        for key, document in zip(keys.tolist(), documents.tolist(), strict=True):
            members[key].add(document)
        expected = {(min(m), other) for m in members.values() for other in m - {min(m)}}
        order = generator.permutation(count)
        assert edges(keys, documents).tolist() == [list(pair) for pair in sorted(expected)]
        assert np.array_equal(edges(keys[order], documents[order]), edges(keys, documents))


def oracle_clusters(links: list[tuple[int, int]]) -> dict[int, int]:
    """The smallest document reachable from each, by walking."""
    near = defaultdict(set)
    for a, b in links:
        near[a].add(b)
        near[b].add(a)
    smallest: dict[int, int] = {}
    for start in sorted(near):
        todo = [start]
        while todo:
            document = todo.pop()
            if document not in smallest:
                smallest[document] = start
                todo += near[document]
    return dict(sorted(smallest.items()))


def as_dict(found: tuple[Numbers, Numbers]) -> dict[int, int]:
    return dict(zip(found[0].tolist(), found[1].tolist(), strict=True))


def test_linked_documents_are_one_cluster_under_the_smallest() -> None:
    documents, representatives = clusters(pairs((7, 9), (3, 9), (20, 21)))
    assert documents.tolist() == [3, 7, 9, 20, 21]
    assert representatives.tolist() == [3, 3, 3, 20, 20]
    assert documents[documents != representatives].tolist() == [7, 9, 21]


def test_no_edges_give_no_clusters() -> None:
    assert as_dict(clusters(pairs())) == {}
    assert as_dict(clusters_of_batches([])) == {}
    assert as_dict(clusters_of_batches([pairs(), pairs()])) == {}


def test_a_long_chain_is_one_cluster_from_any_end() -> None:
    order = np.random.default_rng(5).permutation(10_000).astype(np.uint64)
    for chain in (np.arange(10_000, dtype=np.uint64), np.arange(10_000, dtype=np.uint64)[::-1], order):
        documents, representatives = clusters(np.stack([chain[:-1], chain[1:]], axis=1))
        assert len(documents) == 10_000 and not representatives.any()


def test_clusters_are_those_of_the_slow_way_for_any_order_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "EDGES_AT_ONCE", 5)
    generator = random.Random(2)
    for _ in range(100):
        size = generator.randrange(2, 60)
        links = [
            (generator.randrange(size) << 32, generator.randrange(size) << 32)
            for _ in range(generator.randrange(40))
        ]
        expected = oracle_clusters(links)
        assert as_dict(clusters(pairs(*links))) == expected
        generator.shuffle(links)
        cuts = sorted(generator.choices(range(len(links) + 1), k=4))
        batches = [pairs(*links[a:b]) for a, b in zip([0, *cuts], [*cuts, len(links)], strict=True)]
        assert as_dict(clusters_of_batches(batches)) == expected


def test_sizes_are_counted_in_powers_of_two() -> None:
    representatives = np.repeat(np.arange(6, dtype=np.uint64), [2, 3, 4, 7, 8, 2])
    assert cluster_sizes(representatives) == {2: 3, 4: 2, 8: 1}
    assert cluster_sizes(numbers()) == {}


def match_probability(jaccard: float, bands: int = BANDS, rows: int = ROWS) -> float:
    """Probability that two documents of this Jaccard similarity share a band."""
    return 1 - (1 - jaccard**rows) ** bands


def test_the_curve_of_the_defaults_is_fineweb_s_own() -> None:
    found = [match_probability(jaccard) for jaccard in (0.7, 0.75, 0.8, 0.85)]
    assert found == pytest.approx([0.56, 0.77, 0.92, 0.988], abs=0.005)  # arXiv 2406.17557


def test_the_table_of_the_documentation_is_the_curve() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "deduplication.md").read_text("utf-8")
    rows = re.findall(r"^\| \**(\d+) x (\d+)\** \|[^|]*\|(.*)\|$", page, re.MULTILINE)
    assert len(rows) == 5
    for bands, rows_of_band, cells in rows:
        for jaccard, cell in zip((0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95), cells.split("|"), strict=True):
            found = match_probability(jaccard, int(bands), int(rows_of_band))
            assert float(cell.strip(" <>")) == pytest.approx(
                found, abs=0.0011 if "<" in cell or ">" in cell else 0.0005
            )


@pytest.mark.parametrize(("bands", "rows"), [(14, 8), (20, 13), (9, 13)])
def test_the_found_share_of_pairs_is_that_of_the_curve(bands: int, rows: int) -> None:
    generator = np.random.default_rng(bands)
    trials, size = 600, 240
    for shared in (120, 160, 190, 205, 220, 230):
        found = 0
        for _ in range(trials):
            keys = generator.integers(0, 2**64, 2 * size - shared, dtype=np.uint64)
            a, b = (
                band_keys(minhash(part, bands * rows), bands, rows) for part in (keys[:size], keys[-size:])
            )
            found += bool((a == b).any())
        expected = match_probability(shared / (2 * size - shared), bands, rows)
        error = (trials * expected * (1 - expected)) ** 0.5
        assert abs(found - trials * expected) <= 3.5 * error + 1, (shared, found / trials, expected)


def test_near_copies_of_a_text_meet_and_other_texts_do_not() -> None:
    generator = random.Random(4)
    sentences = [" ".join(generator.choices([f"w{i}" for i in range(400)], k=12)) for _ in range(120)]
    page, other = sentences[:60], sentences[60:]
    texts = [page, [*page[:30], *page[32:]], other, ["Menu Home", *page, "Footer"], [*page[:20], *other[:40]]]
    found = [band_keys(signature(". ".join(text))) for text in texts]
    links = edges(np.concatenate(found), np.repeat(np.arange(5, dtype=np.uint64), 14))
    assert as_dict(clusters(links)) == {0: 0, 1: 0, 3: 0}


def test_pages_crawled_twice_go_and_their_first_copy_stays(shared_data: Path) -> None:
    texts: list[str] = []
    for snapshot, files in (("b", 4), ("c", 2)):
        for number in range(files):
            name = f"snapshot-{snapshot}/wet/snapshot-{snapshot}-{number:05}.warc.wet.gz"
            path = shared_data / "commoncrawl" / "repacked" / name
            with path.open("rb") as stream:
                records = CommonCrawl().read(stream, str(path))
                texts += [record.text for record in records if isinstance(record, Document)]
    keys = [band_keys(signature(text)) for text in texts]
    owners = np.repeat(np.arange(len(texts)), [len(k) for k in keys]).astype(np.uint64)
    representatives = as_dict(clusters(edges(np.concatenate(keys), owners)))
    first: dict[str, int] = {}
    copies = {i: first[text] for i, text in enumerate(texts) if first.setdefault(text, i) != i}
    assert len(copies) == 82
    assert all(representatives[copy] == representatives[original] < copy for copy, original in copies.items())
    gone = [i for i, kept in representatives.items() if kept != i]
    assert (len(texts), len(gone)) == (1669, 85)  # and a page of an archive, and two of one site's frame
    assert cluster_sizes(np.array(list(representatives.values()), dtype=np.uint64)) == {2: 85}
