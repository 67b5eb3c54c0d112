"""Is a page like those that Wikipedia cites? A linear fastText classifier, trained, measured and applied.

In: pages used as references in Wikipedia (positives) and other pages of the same crawl (negatives). Out: a model file,
the probability in 0..1 that a text is like a reference, and a report on pages of hosts that it has not seen. LLaMA
(Touvron et al. 2023, section 2.1) names such a classifier and no detail; the settings are those of RedPajama v1:
fastText's supervised defaults over single words, newlines read as blanks.

One thread trains, and hashes choose the pages and their order, so equal pages give equal bytes.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple, TypedDict

import fasttext
import numpy as np
import xxhash

from classifiers.evaluation import (
    Calibration,
    ThresholdRow,
    area_interval,
    area_under_curve,
    calibration,
    threshold_curve,
    thresholds_by_kept_fraction,
)
from classifiers.reference_pages import Candidate, choose_pages

REFERENCE, RANDOM = "__label__reference", "__label__random"
_REDPAJAMA_REFERENCE = "__label__wiki"  # RedPajama v1's published model: __label__wiki, __label__cc
REDPAJAMA_THRESHOLD = 0.25
_BINS = 20
# Own: fastText's defaults, RedPajama's for 600,000 pages, are 5 epochs at rate 0.1. On few pages that leaves every
# score near 0.5 and keeps all (Brier score on held-out hosts 0.250). 8,000 visits at rate 0.5 have 0.214; twice as
# many learn the pages by heart, 0.230 (docs/reference_classifier.md). RedPajama's rate takes over where its 5 epochs
# reach the same product of rate and visits, at 8,000 pages.
_LEAST_VISITS = 8_000
_FEW_PAGES = 8_000
_RATE, _RATE_OF_FEW = 0.1, 0.5
_MOST_EPOCHS = 100

# Gives (digest, text) of the pages that are asked for; a digest may come more than once.
ReadTexts = Callable[[AbstractSet[int]], Iterable[tuple[int, str]]]


class ReferenceReport(TypedDict):
    """What was trained on and held out, and how the held-out pages were told apart.

    `positives` and `negatives` are the candidates; `trained` and `held_out` count pages of both classes, half each.
    `auc` is the chance that a random reference scores above a random other page of the same lengths, with its 95 %
    interval over hosts; `auc_trained` the same for pages that were trained on, which shows what was learned by heart.
    `precision` and `recall` are of references at `threshold`, among as many references as others. `brier` and `ece`:
    see `classifiers.evaluation`. The histograms count scores of held-out pages in 20 equal bins of 0..1. `sample_pages`
    are pages as they reach the classifier when it is applied; `sample_trained_fraction` of them were trained on.
    """

    positives: int
    negatives: int
    trained: int
    held_out: int
    epochs: int
    rate: float
    auc: float
    auc_low: float
    auc_high: float
    auc_trained: float
    threshold: float
    precision: float
    recall: float
    brier: float
    ece: float
    sample_pages: int
    sample_trained_fraction: float
    positive_histogram: list[int]
    negative_histogram: list[int]
    curve: list[ThresholdRow]
    calibration: Calibration
    thresholds_by_kept_fraction: list[float]


class TrainingSettings(NamedTuple):
    """How pages are chosen and trained on; `epochs` and `rate` None: 5 at 0.1, or up to 100 at
    0.5 when fewer than 8,000 pages train."""

    min_positives: int = 20  # under this a classifier is noise; our choice
    max_pages: int = 300_000  # of each class; RedPajama v1 aimed at 300,000 references
    max_pages_per_host: int = 100  # of each class: a big site must not be the class; our choice
    held_out_fraction: float = 0.1  # and 200 pages at least; our choice
    word_ngrams: int = 1  # RedPajama v1
    dimension: int = 100  # RedPajama v1: fastText's default
    min_count: int = 1  # RedPajama v1: fastText's default
    epochs: int | None = None
    rate: float | None = None


def flatten(text: str) -> str:
    """One line without fastText's own marks: a page must not bring its label or end its own line."""
    return text.replace("\n", " ").replace("__label__", " ").replace("</s>", " ")


def candidate(order: int, cited: bool, host: str, text: str) -> Candidate:
    """A page of the crawl as one to choose from."""
    digest: int = xxhash.xxh3_64_intdigest(text.encode("utf-8"))
    return Candidate(order, digest, cited, host, len(text))


def train_references(
    candidates: Iterable[Candidate],
    read_texts: ReadTexts,
    path: str | os.PathLike[str],
    seed: int,
    settings: TrainingSettings | None = None,
    sample: Sequence[int] = (),
) -> ReferenceReport:
    """Train on the pages that are chosen among the candidates, write the model to `path`, and report on the others.

    `sample` names pages drawn at random from those that the classifier will judge (digests, which `read_texts` must
    know): what each threshold keeps of these is counted on them. `read_texts` gives whole texts; a candidate with fewer
    `characters` is cut to them, the sample is judged whole. Texts lie on disk while training, and are read twice.
    ValueError when a class has fewer than `min_positives` distinct pages, or pages of a single host.
    """
    settings = settings or TrainingSettings()
    pages = list(candidates)
    chosen = choose_pages(
        pages,
        seed,
        settings.min_positives,
        settings.max_pages,
        settings.max_pages_per_host,
        settings.held_out_fraction,
    )
    trained = {page.digest for side in chosen.train for page in side}
    epochs = settings.epochs or min(_MOST_EPOCHS, max(5, math.ceil(_LEAST_VISITS / len(trained))))
    rate = settings.rate or (_RATE if len(trained) >= _FEW_PAGES else _RATE_OF_FEW)
    destination = Path(path)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        lines, model_path = Path(folder, "train.txt"), Path(folder, "model.bin")
        _write_shuffled(lines, chosen.train, read_texts, seed)
        model = fasttext.train_supervised(
            str(lines), dim=settings.dimension, lr=rate, epoch=epochs, wordNgrams=settings.word_ngrams,
            minCount=settings.min_count, loss="softmax", thread=1, verbose=0, seed=seed % 2**31,
        )  # fmt: skip
        model.save_model(str(model_path))
        os.replace(model_path, destination)

    # As many trained pages as there are held out, to see what was learned by heart.
    again = [side[: len(chosen.held_out[0])] for side in chosen.train]
    lengths = {page.digest: page.characters for side in (*chosen.held_out, *again) for page in side}
    in_sample = set(sample)
    classifier = ReferenceClassifier(str(destination))
    scores: dict[int, float] = {}
    sample_scores: dict[int, float] = {}  # of whole texts, as they are scored when the model is applied
    for digest, text in _once(read_texts, lengths.keys() | in_sample):
        if digest in lengths:
            scores[digest] = classifier.score(text[: lengths[digest]])
        if digest in in_sample:
            sample_scores[digest] = classifier.score(text)
    yes, no = ([scores[page.digest] for page in side] for side in chosen.held_out)
    yes_hosts, no_hosts = ([page.host for page in side] for side in chosen.held_out)
    low, high = area_interval(yes, no, yes_hosts, no_hosts, seed)
    sampled = [sample_scores[digest] for digest in sample]
    curve = threshold_curve(yes, no, sampled)
    at = curve[round(REDPAJAMA_THRESHOLD * (len(curve) - 1))]
    reliability = calibration(yes, no)
    return ReferenceReport(
        positives=len({page.digest for page in pages if page.cited}),
        negatives=len({page.digest for page in pages if not page.cited}),
        trained=len(trained),
        held_out=len(yes) + len(no),
        epochs=epochs,
        rate=rate,
        auc=area_under_curve(yes, no),
        auc_low=low,
        auc_high=high,
        auc_trained=area_under_curve(*([scores[page.digest] for page in side] for side in again)),
        threshold=at["threshold"],
        precision=at["precision"] or 0.0,
        recall=at["recall"],
        brier=reliability["brier"],
        ece=reliability["ece"],
        sample_pages=len(sampled),
        sample_trained_fraction=sum(digest in trained for digest in sample) / max(len(sampled), 1),
        positive_histogram=np.histogram(yes, bins=_BINS, range=(0.0, 1.0))[0].tolist(),
        negative_histogram=np.histogram(no, bins=_BINS, range=(0.0, 1.0))[0].tolist(),
        curve=curve,
        calibration=reliability,
        thresholds_by_kept_fraction=thresholds_by_kept_fraction(sampled),
    )


def _once(read_texts: ReadTexts, wanted: AbstractSet[int]) -> Iterator[tuple[int, str]]:
    """Each wanted text once. A text that is not there is a fault of the caller."""
    missing = set(wanted)
    for digest, text in read_texts(wanted):
        if digest in missing:
            missing.remove(digest)
            yield digest, text
    assert not missing, f"{len(missing)} texts were not given"


def _write_shuffled(
    path: Path, train: tuple[list[Candidate], list[Candidate]], read_texts: ReadTexts, seed: int
) -> None:
    """Labelled lines in order of a hash (one class after the other trains badly), whatever order texts come in."""
    wanted = {
        page.digest: (label, page.characters)
        for label, side in zip((REFERENCE, RANDOM), train, strict=True)
        for page in side
    }
    unordered = path.with_suffix(".unordered")
    spans: dict[int, tuple[int, int]] = {}
    with unordered.open("wb") as stream:
        for digest, text in _once(read_texts, wanted.keys()):
            start = stream.tell()
            label, length = wanted[digest]
            stream.write(f"{label} {flatten(text[:length])}\n".encode())
            spans[digest] = start, stream.tell()

    def order(digest: int) -> tuple[int, int]:
        return xxhash.xxh3_64_intdigest(digest.to_bytes(8, "little"), seed=seed), digest

    with (
        unordered.open("rb") as source,
        mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as lines,
        path.open("wb") as stream,
    ):
        for digest in sorted(spans, key=order):
            stream.write(lines[slice(*spans[digest])])
    unordered.unlink()


class ReferenceClassifier:
    """A loaded model of ours or RedPajama v1's. Raises ValueError when it cannot be loaded or lacks the label."""

    def __init__(self, path: str) -> None:
        if not Path(path).is_file():
            raise ValueError(
                f"reference classifier {path} is not a file; correct `models: reference` or train one"
            )
        try:
            model = fasttext.load_model(path)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ValueError(
                f"cannot load reference classifier {path} ({error}); get or train it again"
            ) from error
        labels = model.get_labels()
        found = [label for label in (REFERENCE, _REDPAJAMA_REFERENCE) if label in labels]
        if not found:
            raise ValueError(
                f"reference classifier {path} has no label {REFERENCE}; give a model with that label"
            )
        self._label = found[0]
        self._labels = len(labels)
        # The binding's own method: the wrapper around it copies into NumPy arrays, a cost that a short page feels.
        self._predict: Callable[[str, int, float, str], list[tuple[float, str]]] = model.f.predict

    def score(self, text: str) -> float:
        """Probability in 0..1 that the text is like a reference of Wikipedia; 0 for a text without any known word."""
        for probability, label in self._predict(flatten(text) + "\n", self._labels, 0.0, "strict"):
            if label == self._label:
                return min(1.0, probability)  # fastText's own rounding can exceed 1 a little
        return 0.0
