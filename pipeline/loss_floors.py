"""Whether the parsers of a run keep what they kept when they were measured: the gate over the loss meters.

In: the loss meters of the sources (`pipeline.loss_meter`). Out: a gate that needs a look when a share is under its
floor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mixtures.report_data import Gate
from mixtures.report_text import share as per_cent

MIN_DOCUMENTS = 30  # with fewer a share is that of some odd documents; the measured papers are 34; our choice

# The first decile of the shares of single documents, measured with recipe llama1 on the real excerpts that
# examples/shared-data.yaml names (of GitHub the archives): a tenth of the documents keep less, so that a source which
# as a whole is under it is parsed unlike what was measured. Rounded down to a twentieth, 0.9 at most. Beside it the
# documents measured (of at least 1,000 characters, 20 digits, 5 formulas, 50 characters of code) and the share of all
# of them together. No floor: the decile is under a twentieth, or fewer than 20 documents have the quantity.
FLOORS: Mapping[str, Mapping[str, float]] = {
    "github": {
        "characters": 0.9,  # 74 files, 0.999 together: a licence header is all that goes
        "digits": 0.9,  # 42 files, 0.998
    },
    "wikipedia": {
        "characters": 0.35,  # 788 articles in 16 languages, 0.543: tables, references and templates go
        "digits": 0.05,  # 833 articles, 0.260: most digits are in tables and references
        "formulas": 0.9,  # 24 articles, 0.963
    },
    "books": {
        "characters": 0.8,  # 73 books, 0.964: the licence weighs in a short one
    },
    "arxiv": {
        "characters": 0.65,  # 34 papers, 1.002: expanded macros make some longer
        "digits": 0.5,  # 34 papers, 0.873
        "formulas": 0.75,  # 34 papers, 0.984: those before the first section and in macros go
    },
    "stackexchange": {
        "characters": 0.65,  # 1,844 questions, 0.842: tags and addresses of links go
        "formulas": 0.9,  # 140 questions, 1.000
        "code_characters": 0.9,  # 85 questions, 1.000
    },
}


def loss_gate(sources: Mapping[str, Mapping[str, Any]]) -> Gate | None:
    """The gate over the accounts of all sources; None when no quantity has a floor and documents enough."""
    judged = list(_judged(sources))
    if not judged:
        return None
    under = [
        f"{source} keeps {per_cent(share)} of its {quantity.replace('_', ' ')}, under {per_cent(floor)}"
        for source, quantity, share, floor in judged
        if share < floor
    ]
    names = sorted({source for source, *_ in judged}, key=list(FLOORS).index)
    return {
        "name": "Parsers",
        "state": "amber" if under else "green",
        "detail": "; ".join(under)
        or f"of the sources with {MIN_DOCUMENTS} documents to judge by ({', '.join(names)}) "
        "no share of raw text is under its floor",
    }


def _judged(sources: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, float, float]]:
    """(source, quantity, share, floor) of what was seen in enough documents."""
    for source, floors in FLOORS.items():
        total = sources.get(source, {}).get("loss", {}).get("total", {})
        for quantity, floor in floors.items():
            counts = total.get(quantity)
            if counts and counts["documents"] >= MIN_DOCUMENTS and counts["raw"]:
                yield source, quantity, counts["kept"] / counts["raw"], floor
