"""Thresholds that can be applied again to documents that were kept: which they are, and what a stored number says.

In: a step with its old and its new parameters, and a kept document with its scores. Out: whether the new parameters
only remove more, and the verdict that the step itself would have given. Scores are stored as 32-bit floats, most steps
compare 64-bit ones. Rounding keeps order, so a stored score tells which side of a threshold the exact one is on, unless
both round to the same number: then nothing is said, and the step must look at the text again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pipeline.settings import UsageError
from stages.bad_words import DropBadWords
from stages.c4_language import KeepC4English
from stages.decontamination import HITS, REASON, SCORE, Decontaminate
from stages.document import Document, Rejected
from stages.fineweb import REASONS as FINEWEB_REASONS
from stages.fineweb import KeepFineweb, MeasureFineweb
from stages.gopher import REASONS as GOPHER_REASONS
from stages.gopher import KeepGopher, MeasureGopher
from stages.language import KeepLanguage
from stages.length import KeepLength
from stages.perplexity import KeepPerplexity
from stages.references import KeepReferences, threshold_that_keeps
from stages.score_limits import as_float32
from stages.stage import Outcome

# Whether a larger value keeps less (min) or more (max), or the value is a set of what is kept (null: everything).
Direction = Literal["min", "max", "set"]


def _limits(names: Mapping[str, str]) -> dict[str, Direction]:
    return {name: "min" if name.startswith("min_") else "max" for name in names}


THRESHOLDS: Mapping[type, Mapping[str, Direction]] = {
    KeepLength: {"min_characters": "min", "max_characters": "max"},
    KeepLanguage: {"min_score": "min", "languages": "set"},
    KeepGopher: _limits(GOPHER_REASONS),
    KeepFineweb: _limits(FINEWEB_REASONS),
    KeepPerplexity: {"keep": "set"},
    KeepReferences: {"min_probability": "min", "keep_fraction": "max"},
    KeepC4English: {"min_probability": "min"},
    Decontaminate: {"max_covered_fraction": "max"},
}

# Steps that look at one document and leave its text as it is: what comes before them can be decided after them.
TEXT_STAYS = (*THRESHOLDS, MeasureGopher, MeasureFineweb, DropBadWords)


def with_probability(step: Any, report: Mapping[str, object]) -> Any:
    """`KeepReferences` with the probability that its `keep_fraction` means by the training report; else the step."""
    if isinstance(step, KeepReferences) and step.keep_fraction is not None:
        return replace(
            step, keep_fraction=None, min_probability=threshold_that_keeps(step.keep_fraction, report)
        )
    return step


def refuse_looser(old: object, new: object, where: str, way_out: str) -> None:
    """UsageError when the new parameters may keep what the old ones removed."""
    for name, direction in THRESHOLDS[type(new)].items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after and not _tighter(before, after, direction):
            raise UsageError(
                f"{where}.{name}: {_shown(after)} keeps what {_shown(before)} removed, and that is not in documents/; "
                f"{way_out}"
            )


def _tighter(before: Any, after: Any, direction: Direction) -> bool:
    if before is None or after is None:  # no limit
        return before is None
    if direction == "set":
        return set(after) <= set(before)
    return bool(after >= before) if direction == "min" else bool(after <= before)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "null" if value is None else str(value)


def stored_verdict(step: Any, document: Document) -> Outcome | None:
    """What the step says of a kept document by what is stored with it; None when the stored score is too coarse.

    ValueError when the document does not have the score.
    """
    if isinstance(step, KeepLength | KeepGopher | KeepFineweb):  # compare what is stored, as stored
        return step(document)
    if isinstance(step, KeepPerplexity):
        bucket = document.metadata.get("bucket")
        if bucket is None:
            raise ValueError(f"document {document.id} has no bucket of perplexity; run the step on it first")
        if bucket == "all" or bucket in step.keep:
            return document
        return Rejected(document, f"perplexity_{bucket}", document.scores["perplexity"])
    if isinstance(step, KeepLanguage):
        score = round(_score(document, document.language_score, "language_score"), 2)  # as it was compared
        if score < step.min_score:
            return Rejected(document, "language_score_too_low", score)
        if step.languages is not None and document.language not in step.languages:
            return Rejected(document, "language_not_wanted", score, document.language or "")
        return document
    if isinstance(step, Decontaminate):
        covered, most = document.scores.get(SCORE, 0.0), as_float32(step.max_covered_fraction)
        if step.mode == "flag" or SCORE not in document.scores or covered < most:
            return document
        return None if covered == most else Rejected(document, REASON, covered, document.metadata[HITS])
    assert isinstance(step, KeepReferences | KeepC4English), type(step)
    if isinstance(step, KeepReferences):
        score, reason = _score(document, document.scores.get("reference"), "reference"), "not_reference_like"
        detail = ""
    else:
        score, reason = _score(document, document.language_score, "language_score"), "language_score_too_low"
        detail = document.language or ""
    limit = as_float32(step.min_probability)
    if score == limit:
        return None
    return Rejected(document, reason, score, detail) if score < limit else document


def _score(document: Document, score: float | None, name: str) -> float:
    if score is None:
        raise ValueError(f"document {document.id} has no score {name}; run the step on it first")
    return score
