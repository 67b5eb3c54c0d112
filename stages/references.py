"""Keeps pages that are like those which Wikipedia cites.

In: a document. Out: the document with score `reference`, or a rejection. LLaMA (section 2.1) drops pages that a linear
classifier does not take for references and names no threshold; 0.25 is RedPajama v1's.
"""

from __future__ import annotations

from dataclasses import dataclass

from classifiers.references import ReferenceClassifier
from stages.document import Document, Rejected
from stages.stage import Outcome, Transform


@dataclass(frozen=True)
class KeepReferences:
    """Keep documents whose probability of being like a reference is at least `min_probability`. `model` is a path."""

    model: str = ""
    min_probability: float = 0.25  # RedPajama v1

    def prepare(self) -> Transform:
        """Load the model. ValueError when none is named or it cannot be loaded."""
        if not self.model:
            raise ValueError("no reference classifier; set `models: reference` to a model, or to train")
        classifier = ReferenceClassifier(self.model)

        def keep(document: Document) -> Outcome:
            score = classifier.score(document.text)
            document = document.with_scores(reference=score)
            if score < self.min_probability:
                return Rejected(document, "not_reference_like", score=score)
            return document

        return keep
