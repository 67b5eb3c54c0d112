"""What a parser keeps of a raw text, counted, so that one that starts to lose text is seen in the report.

In: the raw text of a document (wikitext, LaTeX, HTML of posts, a source file, a book with its frame) and the text made
of it. Out: scores of the document named `raw_...` and `kept_...`, whose sums over a source the report divides. The
counts are the same on both sides; what is dropped on purpose (tables, references, comments) is in `raw_...`, so a share
is judged against what it was before, not against 1. The rule is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

RAW, KEPT = "raw_", "kept_"


@dataclass(frozen=True, slots=True)
class Content:
    """Counts of one text; a field is None where a source has no such thing."""

    characters: int  # without blanks, tabs and line ends
    digits: int  # ASCII digits
    formulas: int | None = None
    code_characters: int | None = None


_NAMES = tuple(field.name for field in fields(Content))


def content_of(text: str, formulas: int | None = None, code_characters: int | None = None) -> Content:
    """Counts of `text`; formulas and code are counted by the caller, who knows how they are written."""
    blanks = text.count(" ") + text.count("\n") + text.count("\t")
    digits = sum(map(text.count, "0123456789"))
    return Content(len(text) - blanks, digits, formulas, code_characters)


def loss_scores(raw: Content, kept: Content) -> Mapping[str, float]:
    """Both counts as scores of a document: `raw_characters`, `kept_characters`, `raw_digits` and so on."""
    return {
        prefix + name: float(count)
        for prefix, content in ((RAW, raw), (KEPT, kept))
        for name in _NAMES
        if (count := getattr(content, name)) is not None
    }
