"""Is a page like those that Wikipedia cites? A linear fastText classifier, trained and applied.

In: texts of pages used as references in Wikipedia (positives) and of other pages (negatives), each with its host. Out:
a model file, and the probability in 0..1 that a text is like a reference. LLaMA (Touvron et al. 2023, section 2.1)
names such a classifier and no detail; the settings are those of RedPajama v1: fastText's supervised defaults over
single words, newlines read as blanks.

The result depends on the set of pages only, not on their order: samples, the held-out hosts and the order of training
are chosen by hashes. One thread trains, so equal pages give equal bytes. A host is in training or held out, never both.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

import fasttext
import numpy as np
import xxhash

REFERENCE, RANDOM = "__label__reference", "__label__random"
_REDPAJAMA_REFERENCE = "__label__wiki"  # RedPajama v1's published model: __label__wiki, __label__cc
_BINS = 20
# Own: 5 epochs at rate 0.1 are fastText's defaults and RedPajama's for 600,000 pages. On a few hundred pages they leave
# every score near 0.5 (held-out AUC 0.74 on 558 pages); 20,000 visits at rate 0.5 spread the scores (0.81).
_LEAST_VISITS = 20_000
_RATE, _RATE_OF_FEW = 0.1, 0.5
_MOST_EPOCHS = 100

Page = tuple[str, str]


class ReferenceReport(TypedDict):
    """Pages trained on and held out (as many of each class), and how the held-out ones were told apart.

    `precision` and `recall` are of references at `threshold`; `auc` is the chance that a random reference scores higher
    than a random other page; the histograms count scores in 20 equal bins of 0..1.
    """

    positives: int
    negatives: int
    trained: int
    held_out: int
    epochs: int
    threshold: float
    precision: float
    recall: float
    auc: float
    positive_histogram: list[int]
    negative_histogram: list[int]


def flatten(text: str) -> str:
    """One line without fastText's own marks: a page must not bring its label or end its own line."""
    return " ".join(text.replace("__label__", " ").replace("</s>", " ").replace("\0", " ").split())


def _key(page: Page, seed: int) -> bytes:
    return xxhash.xxh3_128_digest("\n".join(page).encode("utf-8"), seed=seed)


def _sample(pages: Iterable[Page], seed: int, max_characters: int, max_pages: int) -> list[Page]:
    """The `max_pages` distinct texts with the smallest hashes, in order of hash; holds twice as many at most."""
    chosen: dict[bytes, Page] = {}
    for host, text in pages:
        page = (host.lower(), flatten(text[:max_characters]))
        if page[1]:
            chosen[_key(page, seed)] = page
        if len(chosen) >= 2 * max_pages:
            chosen = dict(sorted(chosen.items())[:max_pages])
    return [page for _, page in sorted(chosen.items())[:max_pages]]


def _held_out_hosts(positives: list[Page], negatives: list[Page], seed: int, fraction: float) -> set[str]:
    """Hosts by order of hash until `fraction` of each class is held out; none that would take over half of a class."""
    classes = (positives, negatives)
    counts: dict[str, list[int]] = {}
    for side, pages in enumerate(classes):
        for host, _ in pages:
            counts.setdefault(host, [0, 0])[side] += 1
    wanted = [math.ceil(fraction * len(pages)) for pages in classes]
    taken, chosen = [0, 0], set()
    for host in sorted(
        counts, key=lambda host: (xxhash.xxh3_128_digest(host.encode("utf-8"), seed=seed), host)
    ):
        missing = any(counts[host][side] and taken[side] < wanted[side] for side in (0, 1))
        fits = all(2 * (taken[side] + counts[host][side]) <= len(classes[side]) for side in (0, 1))
        if missing and fits:
            chosen.add(host)
            taken = [taken[side] + counts[host][side] for side in (0, 1)]
    if not all(taken):
        raise ValueError(
            "reference classifier needs pages of at least two hosts in each class; give more hosts"
        )
    return chosen


def area_under_curve(positives: Iterable[float], negatives: Iterable[float]) -> float:
    """Chance that a random positive scores above a random negative, ties half (Mann-Whitney); both non-empty."""
    high, low = np.fromiter(positives, np.float64), np.sort(np.fromiter(negatives, np.float64))
    below = np.searchsorted(low, high, side="left")
    not_above = np.searchsorted(low, high, side="right")
    return float((below + not_above).mean() / (2 * len(low)))


def train_references(
    positives: Iterable[Page],
    negatives: Iterable[Page],
    path: str | os.PathLike[str],
    seed: int,
    min_positives: int = 20,
    max_characters: int = 20_000,
    max_pages: int = 300_000,  # RedPajama v1: 300,000 references
    held_out_fraction: float = 0.1,
    threshold: float = 0.25,  # RedPajama v1
    epochs: int | None = None,
) -> ReferenceReport:
    """Train on (host, text) pages, write the model to `path`, and report on held-out hosts.

    A text is cut to `max_characters`; a class has at most `max_pages`, and both are cut to the size of the smaller.
    `epochs` is by default fastText's 5; when fewer than 4,000 pages train it is up to 100, at a higher rate. ValueError
    when a class has fewer than `min_positives` distinct pages, or pages of a single host.
    """
    samples = [_sample(pages, seed, max_characters, max_pages) for pages in (positives, negatives)]
    for name, pages in zip(("reference", "other"), samples, strict=True):
        if len(pages) < min_positives:
            raise ValueError(
                f"{len(pages)} {name} pages are too few to train the reference classifier (min_positives is "
                f"{min_positives}); set `models: reference` to a published model, or match references by host"
            )
    hosts = _held_out_hosts(samples[0], samples[1], seed, held_out_fraction)
    sides = [[[p for p in pages if (p[0] in hosts) is held] for pages in samples] for held in (False, True)]
    (train_yes, train_no), (test_yes, test_no) = [
        [pages[: min(map(len, side))] for pages in side] for side in sides
    ]
    rows = [(page, REFERENCE) for page in train_yes] + [(page, RANDOM) for page in train_no]
    rows.sort(key=lambda row: (_key(row[0], seed), row[1]))
    rounds = epochs or min(_MOST_EPOCHS, max(5, math.ceil(_LEAST_VISITS / len(rows))))
    rate = _RATE if 5 * len(rows) >= _LEAST_VISITS else _RATE_OF_FEW
    destination = Path(path)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
        text, model_path = Path(folder, "train.txt"), Path(folder, "model.bin")
        text.write_text(
            "".join(f"{label} {page[1]}\n" for page, label in rows), encoding="utf-8", newline="\n"
        )
        model = fasttext.train_supervised(
            str(text), dim=100, lr=rate, epoch=rounds, wordNgrams=1, minCount=1, loss="softmax", thread=1, verbose=0,
            seed=seed % 2**31,
        )  # fmt: skip
        model.save_model(str(model_path))
        os.replace(model_path, destination)
    classifier = ReferenceClassifier(str(destination))
    yes = [classifier.score(page[1]) for page in test_yes]
    no = [classifier.score(page[1]) for page in test_no]
    right, wrong = sum(s >= threshold for s in yes), sum(s >= threshold for s in no)
    return ReferenceReport(
        positives=len(samples[0]),
        negatives=len(samples[1]),
        trained=len(rows),
        held_out=len(yes) + len(no),
        epochs=rounds,
        threshold=threshold,
        precision=right / (right + wrong) if right + wrong else 0.0,
        recall=right / len(yes),
        auc=area_under_curve(yes, no),
        positive_histogram=np.histogram(yes, bins=_BINS, range=(0.0, 1.0))[0].tolist(),
        negative_histogram=np.histogram(no, bins=_BINS, range=(0.0, 1.0))[0].tolist(),
    )


class ReferenceClassifier:
    """A loaded model of ours or RedPajama v1's. Raises ValueError when it cannot be loaded or lacks the label."""

    def __init__(self, path: str) -> None:
        if not Path(path).is_file():
            raise ValueError(
                f"reference classifier {path} is not a file; correct `models: reference` or train one"
            )
        try:
            self._model = fasttext.load_model(path)
        except (ValueError, RuntimeError, MemoryError) as error:
            raise ValueError(
                f"cannot load reference classifier {path} ({error}); get or train it again"
            ) from error
        labels = self._model.get_labels()
        found = [label for label in (REFERENCE, _REDPAJAMA_REFERENCE) if label in labels]
        if not found:
            raise ValueError(
                f"reference classifier {path} has no label {REFERENCE}; give a model with that label"
            )
        self._label = found[0]

    def score(self, text: str) -> float:
        """Probability in 0..1 that the text is like a reference of Wikipedia; 0 for a text without any known word."""
        labels, scores = self._model.predict(flatten(text), k=-1)
        return min(1.0, float(dict(zip(labels, scores, strict=True)).get(self._label, 0.0)))
