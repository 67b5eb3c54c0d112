"""Near-duplicate search through files: who stays, and the same verdict for any number of search tasks."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from pipeline import files, plan_duplicates
from pipeline.near_duplicates import DropNearDuplicates
from pipeline.plan import Done
from pipeline.plan_duplicates import DuplicateSearch
from pipeline.tasks import execute
from stages.document import Document, Origin, Rejected

WORDS = [f"word{number}" for number in range(500)]


def text(seed: int, changed: int = 0) -> str:
    """300 random words, some of them replaced at the end."""
    chosen = random.Random(seed).choices(WORDS, k=300)
    return " ".join(chosen[: 300 - changed] + ["new"] * changed)


def document(id: str, body: str) -> Document:
    return Document(id, "commoncrawl", body, Origin("f"))


PARTS = [
    [document("a", text(1)), document("b", text(2))],
    [document("empty", ""), document("a-near", text(1, 3)), document("c", text(3))],
    [document("b-same", text(2)), document("a-nearer", text(1, 6)), document("d", text(4))],
    [document("signs", "* * *"), document("signs-again", "* * *")],
]


def search(run: Path, monkeypatch: pytest.MonkeyPatch, key_bytes: int) -> tuple[list[str], dict[str, object]]:
    """(ids that go, statistics of the join)."""
    monkeypatch.setattr(plan_duplicates, "KEY_BYTES_PER_SEARCH", key_bytes)
    rule, done, markers = DropNearDuplicates(), Done(str(run)), []
    for number, part in enumerate(PARTS):
        collector = rule.collector()
        for d in part:
            collector.add(d)
        path = f"work/commoncrawl/near/keys/part-{number:05d}.bin"
        with files.create(str(run / path)) as stream:
            collector.write(stream)
        markers.append({"outputs": {path: dataclasses.asdict(stream.written())}, "statistics": {}})
    done.markers["commoncrawl/read"] = markers
    found = DuplicateSearch("commoncrawl", "near", rule, "commoncrawl/read", len(PARTS), done)
    for node in found.nodes():
        made = node.make()
        for task in made:
            execute(str(run), task)
        done.record(node, made)
    gone = []
    for part, (drops, _) in zip(PARTS, found.drops(), strict=True):
        transform = rule.transform(str(run), drops)
        for outcome in map(transform, part):
            if isinstance(outcome, Rejected):
                assert outcome.reason == "near_duplicate"
                gone.append(outcome.document.id)
    return gone, done.statistics("commoncrawl/near/join")[0]


def test_the_first_of_each_cluster_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, statistics = search(tmp_path / "one", monkeypatch, 256 << 20)
    assert gone == ["a-near", "b-same", "a-nearer", "signs-again"]
    assert statistics == {"dropped": 4, "clusters": 3, "cluster_sizes": {"2": 3}}
    assert search(tmp_path / "many", monkeypatch, 100) == (gone, statistics)


def test_bands_that_make_no_signature_are_refused() -> None:
    with pytest.raises(ValueError, match="bands and rows must be at least 1"):
        DropNearDuplicates(bands=0)
