"""Keeps pages that are like those which Wikipedia cites.

In: a document. Out: the document with score `reference`, or a rejection. LLaMA (section 2.1) drops pages that a linear
classifier does not take for references and names no threshold; 0.25 is RedPajama v1's. The threshold may also be given
as the share to keep of the pages that reach this step: training counts the scores of a sample of these, pages that
passed the steps between training and this one, and writes them beside the model.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from classifiers.references import ReferenceClassifier
from stages.document import Document, Rejected
from stages.stage import Outcome, Transform

MAX_REPORT_BYTES = 16 << 20  # a report has about 100 kB


@dataclass(frozen=True)
class KeepReferences:
    """Keep documents whose probability of being like a reference is at least `min_probability`. `model` is a path.

    `keep_fraction` takes the place of `min_probability` when it is set: the probability that keeps this share of the
    pages that reach the step, in steps of 0.001, as counted when the model was trained. A model from elsewhere has no
    such count.
    """

    model: str = ""
    min_probability: float = 0.25  # RedPajama v1
    keep_fraction: float | None = None  # share of the pages that reach the classifier; LLaMA names none

    def __post_init__(self) -> None:
        if not 0 <= self.min_probability <= 1:
            raise ValueError(f"min_probability must be in 0..1, not {self.min_probability}")
        if self.keep_fraction is not None and not 0 < self.keep_fraction <= 1:
            raise ValueError(f"keep_fraction must be above 0 and at most 1, not {self.keep_fraction}")

    def prepare(self) -> Transform:
        """Load the model. ValueError when none is named, it cannot be loaded, or the wanted share is not known."""
        if not self.model:
            raise ValueError("no reference classifier; set `models: reference` to a model, or to train")
        classifier = ReferenceClassifier(self.model)
        threshold = self.min_probability
        if self.keep_fraction is not None:
            threshold = threshold_that_keeps(self.keep_fraction, _read_report(self.model))

        def keep(document: Document) -> Outcome:
            score = classifier.score(document.text)
            document = document.with_scores(reference=score)
            if score < threshold:
                return Rejected(document, "not_reference_like", score=score)
            return document

        return keep


def report_path(model: str) -> str:
    """Where the training report of a model lies: beside it, `reference.json` for `reference.bin`."""
    return os.path.splitext(model)[0] + ".json"


def threshold_that_keeps(fraction: float, report: Mapping[str, object]) -> float:
    """The score that keeps a share of the pages that reach the classifier, from its training report; the share is
    rounded up to the next step of the table. ValueError when the report has no such table, or it counts no page."""
    table = report.get("thresholds_by_kept_fraction")
    if table == []:
        raise ValueError(
            "no page of the sample reached the reference classifier, so no threshold is known to keep a share; "
            "set min_probability, or raise sample_pages of train_references"
        )
    if not isinstance(table, list) or not all(isinstance(score, float) for score in table):
        raise ValueError(
            "the report of the reference classifier has no thresholds by kept share; train it again"
        )
    threshold: float = table[max(1, math.ceil(round(fraction * len(table), 6))) - 1]
    return threshold


def _read_report(model: str) -> Mapping[str, object]:
    path = Path(report_path(model))
    if not path.is_file():
        raise ValueError(
            f"keep_fraction needs the counts that training writes to {path}, and they are not there; "
            "set min_probability instead, or `models: reference` to train"
        )
    if path.stat().st_size > MAX_REPORT_BYTES:
        raise ValueError(f"{path} is too large for a training report; train the classifier again")
    try:
        report = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not readable ({error}); train the classifier again") from error
    if not isinstance(report, dict):
        raise ValueError(f"{path} is not a training report; train the classifier again")
    return report
