from __future__ import annotations

import pytest

from classifiers.references import ReferenceClassifier, train_references
from stages.document import Document, Origin, Rejected
from stages.references import KeepReferences


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "reference.bin"
    good = [(f"g{i}.org", f"journal of research volume w{i}") for i in range(30)]
    bad = [(f"b{i}.com", f"cheap casino offer click w{i}") for i in range(30)]
    train_references(good, bad, path, seed=1)
    return str(path)


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


def test_a_model_must_be_named() -> None:
    with pytest.raises(ValueError, match="no reference classifier"):
        KeepReferences().prepare()
