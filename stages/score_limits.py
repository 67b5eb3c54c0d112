"""Keeps a document whose scores are within limits: the comparison that all filters by numbers of the text share.

In: a document with scores, a filter whose fields are the limits. Out: the document, or a rejection with the first rule
that failed. Scores are stored as 32-bit floats, so scores and limits are rounded to these before they are compared:
a filter gives the same verdict on a document in memory and on one read back from a file.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from stages.document import Document, Rejected
from stages.stage import step_name

MAX_LIMIT = 3.4e38  # about the largest 32-bit float

_FLOAT32 = struct.Struct("<f")


def as_float32(value: float) -> float:
    """The nearest number that a 32-bit float can hold."""
    rounded: float = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    return rounded


def scores_as_float32(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: as_float32(value) for name, value in scores.items()}


def check_limits(limits: object, reasons: Mapping[str, str]) -> None:
    """ValueError for a fraction that is not in 0..1, another limit that is no number of at least 0 that a score can
    have, and a minimum above its maximum: nothing would be kept."""
    for name in reasons:
        value = getattr(limits, name)
        if name.endswith("_fraction") and not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; a fraction is between 0 and 1")
        if not 0 <= value <= MAX_LIMIT:
            raise ValueError(f"{name} is {value}; a limit is a number from 0 to {MAX_LIMIT:g}")
        opposite = "max_" + name.removeprefix("min_")
        if opposite in reasons and value > getattr(limits, opposite):
            raise ValueError(f"{name} is {value}, above {opposite}, {getattr(limits, opposite)}")


def keep_within_limits(
    document: Document, limits: object, reasons: Mapping[str, str], prefix: str
) -> Document | Rejected:
    """The document if each score is within its limit, else a rejection for the first rule in `reasons` that fails.

    `reasons` maps the fields of `limits` to reasons. The field `min_x` or `max_x` limits the score `<prefix>_x`; a
    score equal to its limit passes. `detail` names the other rules that fail. ValueError when a score is missing.
    """
    failed: list[tuple[str, float]] = []
    for name, reason in reasons.items():
        score_name = f"{prefix}_{name[4:]}"
        score = document.scores.get(score_name)
        if score is None:
            step = step_name(limits)
            raise ValueError(
                f"document {document.id} has no score {score_name}; "
                f"put {step.replace('keep', 'measure', 1)} before {step}"
            )
        score, limit = as_float32(score), as_float32(getattr(limits, name))
        if score < limit if name.startswith("min_") else score > limit:
            failed.append((reason, score))
    if not failed:
        return document
    detail = "also " + ", ".join(reason for reason, _ in failed[1:]) if failed[1:] else ""
    return Rejected(document, failed[0][0], failed[0][1], detail)
