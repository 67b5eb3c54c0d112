"""What the report shows of the loss meters: for each source what its parsers kept of the raw texts.

In: `LossData` of the sources. Out: rows for the templates, quantities and languages in a fixed order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mixtures.report_data import LossAmount, LossData, LostDocument
from mixtures.report_text import scalar

QUANTITIES = ("characters", "digits", "formulas", "code_characters")  # in this order, then others by name
MAX_LANGUAGES = 30  # Wikipedia's are 20


@dataclass(frozen=True, slots=True)
class LossOfSource:
    """`languages` are the largest by raw text, each with what it has of every quantity of the source (None: nothing);
    empty where there is but one."""

    name: str
    color: str
    quantities: Sequence[tuple[str, LossAmount]]
    languages: Sequence[tuple[str, Sequence[LossAmount | None]]]
    languages_left_out: int
    most_lost: Sequence[LostDocument]


def losses(sources: Iterable[tuple[str, str, LossData | None]]) -> list[LossOfSource]:
    """(name, colour, meter) of each source to what is shown of it; sources whose parsers reported nothing are not."""
    return [_loss(name, color, meter) for name, color, meter in sources if meter and meter["total"]]


def _loss(name: str, color: str, meter: LossData) -> LossOfSource:
    total, by_language = meter["total"], meter["languages"]
    ordered = [q for q in QUANTITIES if q in total]
    ordered += sorted(set(total) - set(ordered))
    languages = sorted(by_language, key=lambda language: (-_raw(by_language[language], ordered[0]), language))
    if len(languages) == 1:
        languages = []
    return LossOfSource(
        name=name,
        color=color,
        quantities=[(quantity, total[quantity]) for quantity in ordered],
        languages=[
            (language, [by_language[language].get(quantity) for quantity in ordered])
            for language in languages[:MAX_LANGUAGES]
        ],
        languages_left_out=max(len(languages) - MAX_LANGUAGES, 0),
        most_lost=meter["most_lost"],
    )


def _raw(sums: Mapping[str, LossAmount], quantity: str) -> int:
    return sums[quantity]["raw"] if quantity in sums else 0


def shown_scores(scores: Mapping[str, float]) -> list[tuple[str, str]]:
    """The scores of a document by name; `raw_...` and `kept_...` as one, `802 of 1,319`, whole as they are."""
    pairs = {name.removeprefix("raw_"): raw for name, raw in scores.items() if name.startswith("raw_")}
    shown = []
    for name, score in scores.items():
        quantity = name.removeprefix("kept_")
        if name.startswith("kept_") and quantity in pairs:
            shown.append((quantity.replace("_", " "), f"{score:,.0f} of {pairs[quantity]:,.0f}"))
        elif not (name.startswith("raw_") and f"kept_{name.removeprefix('raw_')}" in scores):
            shown.append((name, scalar(score)))
    return sorted(shown)
