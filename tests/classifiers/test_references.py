from __future__ import annotations

import random
from pathlib import Path

import fasttext
import pytest

from classifiers.references import (
    ReferenceClassifier,
    ReferenceReport,
    area_under_curve,
    flatten,
    train_references,
)

GOOD = [
    "study",
    "journal",
    "university",
    "research",
    "history",
    "published",
    "evidence",
    "analysis",
    "museum",
    "report",
]
BAD = ["cheap", "buy", "discount", "casino", "click", "login", "cart", "free", "shipping", "offer"]


def pages(words: list[str], hosts: str, count: int) -> list[tuple[str, str]]:
    choose = random.Random(hosts)
    return [
        (f"{hosts}{i % 12}.org", " ".join(choose.choices([*words, "the", "of"], k=30))) for i in range(count)
    ]


POSITIVES, NEGATIVES = pages(GOOD, "good", 60), pages(BAD, "bad", 90)


def trained(folder: Path, name: str = "reference.bin") -> ReferenceReport:
    return train_references(POSITIVES, NEGATIVES, folder / name, seed=1)


def test_learns_to_tell_references_on_hosts_it_has_not_seen(tmp_path: Path) -> None:
    report = trained(tmp_path)
    assert (report["positives"], report["negatives"]) == (60, 90)
    assert report["auc"] == 1.0
    assert report["recall"] == 1.0
    assert report["precision"] == 1.0
    assert report["held_out"] == sum(report["positive_histogram"]) + sum(report["negative_histogram"])
    classifier = ReferenceClassifier(str(tmp_path / "reference.bin"))
    assert classifier.score("a journal of university\nresearch") > 0.9
    assert classifier.score("click to buy cheap, free shipping") < 0.1


def test_model_bytes_are_equal_in_any_order_of_the_pages(tmp_path: Path) -> None:
    trained(tmp_path, "one.bin")
    train_references(reversed(POSITIVES), NEGATIVES[::-1], tmp_path / "two.bin", seed=1)
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "two.bin").read_bytes()


def test_classes_are_equal_and_no_host_is_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    train = fasttext.train_supervised

    def spy(path: str, **settings: object) -> object:
        lines.extend(Path(path).read_text(encoding="utf-8").splitlines())
        return train(path, **settings)

    monkeypatch.setattr(fasttext, "train_supervised", spy)
    marked = [(host, f"{host} {text}") for host, text in [*POSITIVES, *NEGATIVES]]
    scored: list[str] = []
    score = ReferenceClassifier.score

    def listen(self: ReferenceClassifier, text: str) -> float:
        scored.append(text)
        return score(self, text)

    monkeypatch.setattr(ReferenceClassifier, "score", listen)
    report = train_references(marked[:60], marked[60:], tmp_path / "m.bin", seed=1)
    labels = [line.split()[0] for line in lines]
    assert labels.count("__label__reference") == labels.count("__label__random") == report["trained"] // 2
    assert labels not in (
        sorted(labels),
        sorted(labels, reverse=True),
    )  # one class after the other trains badly
    held_out = {text.split()[0] for text in scored}
    assert held_out
    assert held_out.isdisjoint(line.split()[1] for line in lines)


def test_a_page_cannot_bring_its_own_label_or_end_its_line() -> None:
    assert flatten("a\n__label__reference </s> b\0c") == "a reference b c"


def test_too_few_references_say_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"19 reference pages are too few.*models: reference"):
        train_references(POSITIVES[:19], NEGATIVES, tmp_path / "m.bin", seed=1)


def test_copies_of_a_page_count_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 reference pages are too few"):
        train_references(POSITIVES[:1] * 30, NEGATIVES, tmp_path / "m.bin", seed=1)


def test_one_host_cannot_be_held_out(tmp_path: Path) -> None:
    single = [("a.org", text) for _, text in POSITIVES]
    with pytest.raises(ValueError, match="at least two hosts"):
        train_references(single, NEGATIVES, tmp_path / "m.bin", seed=1)


def test_area_under_curve_counts_ties_half() -> None:
    assert area_under_curve([0.9, 0.5], [0.5, 0.1]) == 0.875
    assert area_under_curve([0.1], [0.9]) == 0.0


def test_a_model_without_the_label_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("__label__x a\n__label__y b\n")
    fasttext.train_supervised(str(tmp_path / "t.txt"), thread=1, verbose=0).save_model(
        str(tmp_path / "m.bin")
    )
    with pytest.raises(ValueError, match="has no label"):
        ReferenceClassifier(str(tmp_path / "m.bin"))


def test_an_absent_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="models: reference"):
        ReferenceClassifier(str(tmp_path / "absent.bin"))
