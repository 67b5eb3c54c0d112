"""Validation holds no near copy of a training document of any source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import validation_split
from pipeline.parts import PartWriter
from pipeline.validation_split import (
    CandidateKeys,
    CollectCandidates,
    DecideValidation,
    JoinCandidates,
    SearchTraining,
    Splitter,
    collect_candidates,
    decide_validation,
    join_candidates,
    search_training,
)
from stages.document import Document, Origin

WORDS = np.random.default_rng(5).permutation([a + b for a in "bdfgklmnprst" for b in "aeiou"]).tolist()


def text(seed: int, words: int = 200) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words).tolist())


NEAR = text(1) + " and a few words more"
TEXTS = {
    "books": {"train-a": text(1), "hold-near": NEAR, "hold-own": text(2), "train-b": text(3)},
    "c4": {
        "hold-copy": text(3),  # of a training document of books
        "hold-twin-1": text(4),
        "hold-twin-2": text(4) + " again",  # near copies of each other only
        "hold-nearer": NEAR + " still more",  # near a candidate that is near a training document
        "hold-empty": "?!",
        "train-c": text(6),
    },
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sources in parts of two documents; ids that begin with `hold` are candidates."""

    def by_name(source: str, id: str, fraction: float) -> str:
        return "validation" if id.startswith("hold") else "train"

    monkeypatch.setattr(validation_split, "split_of", by_name)
    for source, documents in TEXTS.items():
        rows = list(documents.items())
        for number in range(0, len(rows), 2):
            writer = PartWriter(str(tmp_path), source, f"documents/{source}", f"part-{number // 2}", None)
            for id, content in rows[number : number + 2]:
                writer.keep(Document(id, source, content, Origin("x")), len(content))
            writer.close()
    return tmp_path


def decide(run: Path, parts: dict[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
    """The candidates that stay held out, and the counts."""
    candidates: dict[str, tuple[str, ...]] = {}
    for source, paths in parts.items():
        outputs = [path.replace("documents", "candidates") for path in paths]
        for path, output in zip(paths, outputs, strict=True):
            collect_candidates(str(run), CollectCandidates(source, path, output, 0.5))
        candidates[source] = tuple(outputs)
    clusters = {source: f"clusters-{source}" for source in parts}
    join_candidates(str(run), JoinCandidates(candidates, "keys", clusters))
    found = []
    for source, paths in parts.items():
        for path in paths:
            found.append(path.replace("documents", "found"))
            search_training(str(run), SearchTraining(source, path, "keys", found[-1], 0.5))
    moved = {source: f"moved-{source}" for source in parts}
    result = decide_validation(str(run), DecideValidation(clusters, tuple(found), moved))
    stay = {}
    for source, documents in TEXTS.items():
        splitter = Splitter(str(run), source, moved[source], 0.5)
        assert all(splitter.split_of(id) == "train" for id in documents if id.startswith("train"))
        stay[source] = [id for id in documents if splitter.split_of(id) == "validation"]
    return stay, result.statistics["sources"]


def parts_of(run: Path) -> dict[str, list[str]]:
    return {
        source: [str(path.relative_to(run)) for path in sorted((run / "documents" / source).iterdir())]
        for source in TEXTS
    }


def test_near_copies_of_training_documents_go_to_training(run: Path) -> None:
    stay, counts = decide(run, parts_of(run))
    assert stay == {"books": ["hold-own"], "c4": ["hold-twin-1", "hold-twin-2", "hold-empty"]}
    assert counts == {
        "books": {"candidates": 2, "near_copies_of_training": 1},
        "c4": {"candidates": 5, "near_copies_of_training": 2},
    }


def test_the_verdict_does_not_depend_on_the_order_of_parts(run: Path) -> None:
    parts = parts_of(run)
    backwards = {source: paths[::-1] for source, paths in reversed(parts.items())}
    assert decide(run, backwards) == decide(run, parts)


def test_a_run_may_hold_nothing_out(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_split, "split_of", lambda source, id, fraction: "train")
    stay, counts = decide(run, parts_of(run))
    assert stay == {"books": [], "c4": []}
    assert counts["c4"] == {"candidates": 0, "near_copies_of_training": 0}


def test_looks_up_keys_as_a_dictionary_would() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        size = int(random.integers(0, 30))
        table = dict(
            zip(random.permutation(60)[:size].tolist(), random.integers(0, 9, size).tolist(), strict=True)
        )
        keys = np.array(sorted(table), np.uint64)
        found = CandidateKeys(keys, np.array([table[int(key)] for key in keys], np.uint64))
        asked = random.integers(0, 60, 10).astype(np.uint64)
        assert found.clusters_of(asked).tolist() == sorted({table[int(k)] for k in asked if int(k) in table})
