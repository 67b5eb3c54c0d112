from __future__ import annotations

import json
from pathlib import Path

import fasttext
import pytest

from classifiers.references import ReferenceClassifier
from stages.document import Document, Origin, Rejected
from stages.references import KeepReferences, report_path, threshold_that_keeps


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models")
    (folder / "train.txt").write_text(
        "".join(
            f"__label__reference journal of research volume w{i}\n__label__random cheap casino click w{i}\n"
            for i in range(30)
        )
    )
    trained = fasttext.train_supervised(str(folder / "train.txt"), thread=1, verbose=0, epoch=50, lr=0.5)
    trained.save_model(str(folder / "reference.bin"))
    return str(folder / "reference.bin")


def page(text: str) -> Document:
    return Document("1", "commoncrawl", text, Origin("f"))


def test_keeps_what_is_like_a_reference_and_rejects_what_is_not(model: str) -> None:
    keep = KeepReferences(model).prepare()
    kept, rejected = keep(page("journal of\nresearch")), keep(page("cheap casino click"))
    assert isinstance(kept, Document)
    assert kept.scores["reference"] > 0.9
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "not_reference_like"
    assert rejected.score == rejected.document.scores["reference"] < 0.1


@pytest.mark.parametrize(("score", "kept"), [(0.25, True), (0.2499, False)])
def test_the_threshold_itself_is_kept(
    model: str, monkeypatch: pytest.MonkeyPatch, score: float, kept: bool
) -> None:
    monkeypatch.setattr(ReferenceClassifier, "score", lambda self, text: score)
    assert isinstance(KeepReferences(model).prepare()(page("a")), Document) is kept


@pytest.mark.parametrize(
    ("fraction", "score", "kept"), [(0.3, 0.7, True), (0.3, 0.69, False), (1.0, 0.0, True)]
)
def test_a_share_to_keep_is_a_threshold_of_the_training_report(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fraction: float, score: float, kept: bool
) -> None:
    beside = tmp_path / "reference.bin"
    beside.write_bytes(Path(model).read_bytes())
    table = [1 - i / 10 for i in range(1, 11)]  # keeps 10 %, 20 % ... 100 %
    (tmp_path / "reference.json").write_text(json.dumps({"thresholds_by_kept_fraction": table}))
    monkeypatch.setattr(ReferenceClassifier, "score", lambda self, text: score)
    keep = KeepReferences(str(beside), min_probability=0.99, keep_fraction=fraction).prepare()
    assert isinstance(keep(page("a")), Document) is kept


def test_a_share_between_two_steps_keeps_the_larger_one() -> None:
    report = {"thresholds_by_kept_fraction": [0.9, 0.8, 0.7, 0.6]}
    assert [threshold_that_keeps(f, report) for f in (0.01, 0.25, 0.26, 0.75, 1.0)] == [
        0.9,
        0.9,
        0.8,
        0.7,
        0.6,
    ]
    thousand = {"thresholds_by_kept_fraction": [1 - i / 1000 for i in range(1000)]}
    assert (
        threshold_that_keeps(0.29, thousand) == 1 - 289 / 1000
    )  # 0.29 * 1000 is 290.00000000000006 at times


def test_a_share_needs_the_report_of_the_training(model: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"keep_fraction needs .*reference\.json.*min_probability instead"):
        KeepReferences(model, keep_fraction=0.3).prepare()
    with pytest.raises(ValueError, match=r"no page of the sample.*raise sample_pages"):
        threshold_that_keeps(0.3, {"thresholds_by_kept_fraction": []})
    for unknown in ({}, {"thresholds_by_kept_fraction": ["0.3"]}):
        with pytest.raises(ValueError, match="train it again"):
            threshold_that_keeps(0.3, unknown)
    beside = tmp_path / "reference.bin"
    beside.write_bytes(Path(model).read_bytes())
    for broken in ("{", "[" * 100_000, "[]"):
        (tmp_path / "reference.json").write_text(broken)
        with pytest.raises(ValueError, match=r"reference\.json is not"):
            KeepReferences(str(beside), keep_fraction=0.3).prepare()


@pytest.mark.parametrize("wrong", [{"min_probability": 1.5}, {"keep_fraction": 0.0}, {"keep_fraction": 2.0}])
def test_shares_and_probabilities_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        KeepReferences(**wrong)  # type: ignore[arg-type]


def test_the_report_lies_beside_the_model() -> None:
    assert report_path("models/reference.bin") == "models/reference.json"


def test_a_model_must_be_named() -> None:
    with pytest.raises(ValueError, match="no reference classifier"):
        KeepReferences().prepare()
