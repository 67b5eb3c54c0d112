from __future__ import annotations

import random
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import fasttext
import pytest

from classifiers.reference_pages import Candidate
from classifiers.references import (
    ReferenceClassifier,
    ReferenceReport,
    TrainingSettings,
    candidate,
    flatten,
    train_references,
)

GOOD = ["study", "journal", "university", "research", "history", "published", "evidence", "analysis"]
BAD = ["cheap", "buy", "discount", "casino", "click", "login", "cart", "shipping", "offer"]


class Crawl:
    """Candidates and their texts: 60 pages of good words that are cited, 90 of bad words that are not."""

    def __init__(self, changed: str = "{}") -> None:
        self.candidates: list[Candidate] = []
        self.texts: dict[int, str] = {}
        for cited, words, count in ((True, GOOD, 60), (False, BAD, 90)):
            choose = random.Random(count)
            for number in range(count):
                host = f"{words[0]}{number % 12}.org"
                text = " ".join(choose.choices([*words, "the", "of"], k=choose.randint(20, 60)))
                page = candidate(choose.getrandbits(64), cited, host, changed.format(f"{host} {text}"))
                self.candidates.append(page)
                self.texts[page.digest] = changed.format(f"{host} {text}")

    def read(self, wanted: AbstractSet[int]) -> Iterator[tuple[int, str]]:
        return ((digest, text) for digest, text in self.texts.items() if digest in wanted)

    def train(self, path: Path, settings: TrainingSettings | None = None) -> ReferenceReport:
        sample = [page.digest for page in self.candidates]
        return train_references(self.candidates, self.read, path, 1, settings, sample)


def test_learns_to_tell_references_on_hosts_it_has_not_seen(tmp_path: Path) -> None:
    report = Crawl().train(tmp_path / "reference.bin")
    assert (report["positives"], report["negatives"]) == (60, 90)
    assert report["trained"] + report["held_out"] == 120
    assert report["auc"] == report["auc_low"] == report["auc_high"] == report["auc_trained"] == 1.0
    assert (report["threshold"], report["recall"], report["precision"]) == (0.25, 1.0, 1.0)
    assert report["held_out"] == sum(report["positive_histogram"]) + sum(report["negative_histogram"])
    assert report["brier"] < 0.05 and report["ece"] < 0.2
    classifier = ReferenceClassifier(str(tmp_path / "reference.bin"))
    assert classifier.score("a journal of university\nresearch") > 0.9
    assert classifier.score("click to buy cheap, shipping discount") < 0.1


def test_the_report_counts_what_thresholds_keep_of_the_crawl(tmp_path: Path) -> None:
    crawl = Crawl()
    report = crawl.train(tmp_path / "reference.bin")
    classifier = ReferenceClassifier(str(tmp_path / "reference.bin"))
    scores = [classifier.score(text) for text in crawl.texts.values()]
    assert report["sample_pages"] == 150
    assert report["sample_trained_fraction"] == report["trained"] / 150
    assert report["curve"][25]["kept"] == pytest.approx(sum(s >= 0.25 for s in scores) / 150)
    threshold = report["thresholds_by_kept_fraction"][199]  # keeps a fifth
    assert sum(score >= threshold for score in scores) == 30


def test_model_and_report_are_equal_in_any_order_of_the_pages(tmp_path: Path) -> None:
    crawl = Crawl()
    first = crawl.train(tmp_path / "one.bin")
    random.Random(4).shuffle(crawl.candidates)
    crawl.texts = dict(reversed(crawl.texts.items()))
    assert crawl.train(tmp_path / "two.bin") == first
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "two.bin").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.bin", "two.bin"]


def test_trains_on_equal_mixed_classes_of_hosts_that_are_not_held_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    train = fasttext.train_supervised

    def spy(path: str, **settings: object) -> object:
        lines.extend(Path(path).read_text(encoding="utf-8").splitlines())
        return train(path, **settings)

    monkeypatch.setattr(fasttext, "train_supervised", spy)
    report = Crawl().train(tmp_path / "m.bin")
    labels = [line.split()[0] for line in lines]
    assert labels.count("__label__reference") == labels.count("__label__random") == report["trained"] // 2
    # One class after the other trains badly.
    assert labels not in (sorted(labels), sorted(labels, reverse=True))
    lengths: dict[str, list[int]] = {"__label__reference": [], "__label__random": []}
    for line in lines:
        label, text = line.split(" ", 1)
        lengths[label].append(len(text))
    assert sorted(lengths["__label__reference"]) == sorted(lengths["__label__random"])
    hosts = {line.split()[1] for line in lines}
    assert 12 < len(hosts) < 24


def test_few_pages_are_trained_on_longer(tmp_path: Path) -> None:
    assert Crawl().train(tmp_path / "m.bin")["epochs"] == 100
    fixed = Crawl().train(tmp_path / "m.bin", TrainingSettings(epochs=3, rate=0.2))
    assert (fixed["epochs"], fixed["rate"]) == (3, 0.2)


def test_a_page_cannot_bring_its_own_label_or_end_its_line(tmp_path: Path) -> None:
    assert flatten("a\n__label__reference</s>b").split() == ["a", "reference", "b"]
    plain = Crawl().train(tmp_path / "plain.bin")
    hostile = Crawl("{}\n__label__random __label__reference x</s>\n").train(tmp_path / "hostile.bin")
    assert hostile["trained"] == plain["trained"]
    assert fasttext.load_model(str(tmp_path / "hostile.bin")).get_labels() == [
        "__label__reference",
        "__label__random",
    ]


def test_a_published_model_with_redpajamas_labels_works(tmp_path: Path) -> None:
    rows = [
        f"__label__{label} {' '.join(words)}\n"
        for _ in range(50)
        for label, words in (("cc", BAD), ("wiki", GOOD))
    ]
    (tmp_path / "t.txt").write_text("".join(rows))
    model = fasttext.train_supervised(str(tmp_path / "t.txt"), thread=1, verbose=0, epoch=20)
    model.save_model(str(tmp_path / "m.bin"))
    classifier = ReferenceClassifier(str(tmp_path / "m.bin"))
    assert classifier.score("journal\nresearch") > 0.9
    assert classifier.score("casino") < 0.1


def test_scores_are_those_of_fasttexts_own_interface(tmp_path: Path) -> None:
    crawl = Crawl()
    crawl.train(tmp_path / "m.bin")
    classifier, model = (
        ReferenceClassifier(str(tmp_path / "m.bin")),
        fasttext.load_model(str(tmp_path / "m.bin")),
    )
    for text in [*list(crawl.texts.values())[::10], "journal casino", "unknown", ""]:
        labels, scores = model.predict(text, k=-1)
        assert classifier.score(text) == min(
            1.0, dict(zip(labels, scores, strict=True)).get("__label__reference", 0.0)
        )


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
