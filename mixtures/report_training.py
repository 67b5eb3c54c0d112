"""What the report shows of a training: its curves, and for each source how it ends beside a unigram model.

In: `Training`. Out: curves and rows in the order and colours of the sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mixtures.report_data import Training

Points = list[tuple[float, float]]


class Curve(NamedTuple):
    """(step, loss) points under a name; `dotted` ones are something to compare with."""

    name: str
    color: str
    points: Points
    dotted: bool = False


@dataclass(frozen=True, slots=True)
class SourceEnd:
    """The last validation of a source: nats a token, those of the unigram model, bits a byte; None where not known."""

    source: str
    color: str
    loss: float | None
    unigram: float | None
    bits_per_byte: float | None


def _finite(pairs: Iterable[Sequence[float | None]]) -> Points:
    return [(pair[0], pair[1]) for pair in pairs if pair[0] is not None and pair[1] is not None]


def _sources(training: Training, colors: Mapping[str, str]) -> list[str]:
    validation = training["validation"]
    return [*(name for name in colors if name in validation), *sorted(set(validation) - set(colors))]


def curves(training: Training | None, colors: Mapping[str, str]) -> list[Curve]:
    """The training loss, then of each source its validation loss and, dotted, what a unigram model has."""
    if not training:
        return []
    drawn = [Curve("training", "loss", _finite(zip(training["steps"], training["loss"], strict=True)))]
    steps = [step for step, _ in drawn[0].points]
    unigram = training.get("unigram", {})
    for source in _sources(training, colors):
        color = colors.get(source, "s0")
        drawn.append(Curve(source, color, _finite(training["validation"][source])))
        loss = unigram.get(source)
        if loss is not None and steps:
            drawn.append(Curve(f"{source}, unigram", color, [(min(steps), loss), (max(steps), loss)], True))
    return drawn


def ends(training: Training | None, colors: Mapping[str, str]) -> list[SourceEnd]:
    """How each source ends."""
    if not training:
        return []

    def last(points: Sequence[Sequence[float | None]]) -> float | None:
        return points[-1][1] if points else None

    bits, unigram = training.get("bits_per_byte", {}), training.get("unigram", {})
    return [
        SourceEnd(
            source,
            colors.get(source, "s0"),
            last(training["validation"][source]),
            unigram.get(source),
            last(bits.get(source, ())),
        )
        for source in _sources(training, colors)
    ]


def training_table(training: Training | None) -> Iterator[tuple[str, float | None, float | None]]:
    """(series, step, loss) of every point; a unigram model has no step."""
    if not training:
        return
    for step, loss in zip(training["steps"], training["loss"], strict=True):
        yield "train", step, loss
    for kind, found in (
        ("validation", training["validation"]),
        ("bits_per_byte", training.get("bits_per_byte", {})),
    ):
        for source, points in sorted(found.items()):
            for point in points:
                yield f"{kind}/{source}", point[0], point[1]
    for source, loss in sorted(training.get("unigram", {}).items()):
        yield f"unigram/{source}", None, loss
