"""Mixtures: which share of the training tokens comes from which source.

In: the name of a mixture that ships (`llama1`, `redpajama`, `slimpajama`), a small YAML file, or a table. A mixture
says one of three things of each source, and how often it may be read:

    shares: {commoncrawl: 0.67, books: 0.33}       of the tokens; they sum to 1. A bare table is read as shares
    weights: {commoncrawl: 878, books: 26}         shares of any sum
    epochs: {commoncrawl: 1, books: 2.5}           how often; shares follow from the tokens that are there
    max_epochs: 4                                  for all, or {books: 3}; may be left out

Out: a checked `Mixture`, and with `plan_mixture` what it means for a budget of tokens (`mixtures.planner`).
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, DecimalException
from fractions import Fraction
from pathlib import Path
from typing import Literal

from mixtures.outside_yaml import parse_yaml, shown
from mixtures.planner import MixturePlan, plan_sources

Kind = Literal["shares", "weights", "epochs"]

# The sources that the pipeline reads, in the same order as its own list (stages/document.py); a test compares them.
SOURCES = ("commoncrawl", "c4", "github", "wikipedia", "books", "arxiv", "stackexchange")
SHIPPED = Path(__file__).parent
KINDS: tuple[Kind, ...] = ("shares", "weights", "epochs")
CAPS = "max_epochs"
EXAMPLE = "shares: {commoncrawl: 0.67, books: 0.33}"
SUM_TOLERANCE = 1e-6
SAME_EPOCHS = 0.005  # a budget that reads as often as asked, to half a per cent, is not worth a warning
MAX_FILE_BYTES = 1 << 20
MAX_COUNT = 10**18
MAX_COUNT_CHARACTERS = 100  # of a count as text
SUFFIXES = {"": 0, "K": 3, "M": 6, "B": 9, "G": 9, "T": 12}


@dataclass(frozen=True, slots=True)
class Mixture:
    """What is asked of each source, in the order it was written: `numbers` are positive and of one `kind`.

    `max_epochs`: how often a source may be read at most; a source that is not in it as often as it takes.
    """

    numbers: Mapping[str, float]
    kind: Kind = "shares"
    max_epochs: Mapping[str, float] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources, in the order they were written."""
        return tuple(self.numbers)

    @property
    def shares(self) -> dict[str, float]:
        """Shares that sum to 1, without looking at data; ValueError when they follow from the data and a budget."""
        if self.kind == "epochs" or self.max_epochs:
            given = CAPS if self.max_epochs else self.kind
            raise ValueError(
                f"mixture: with {given} its shares follow from the tokens that are there and the budget: "
                "plan it with llama-corpus plan and write down the shares"
            )
        total = math.fsum(self.numbers.values())
        return {
            source: number if self.kind == "shares" else number / total
            for source, number in self.numbers.items()
        }

    def present(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """Shares of the sources of `sizes` that are not empty, which sum to 1; 0 for the others in `sizes`.

        `sizes` are tokens, or bytes as an estimate; only `epochs` look at how large they are. Caps are not looked at:
        they need a budget (`plan_mixture`). ValueError when no source of the mixture is there.
        """
        weights = self._weights({source: size for source, size in sizes.items() if size > 0})
        total = math.fsum(weights.values())
        if not total:
            raise ValueError(
                f"mixture: nothing is there of any of its sources ({', '.join(self.numbers)}): add one"
            )
        return {source: weights.get(source, 0.0) / total for source in sizes}

    def as_table(self) -> dict[str, object]:
        """The mixture as `load_mixture` reads it."""
        if self.kind == "shares" and not self.max_epochs:
            return dict(self.numbers)
        table: dict[str, object] = {self.kind: dict(self.numbers)}
        return {**table, CAPS: dict(self.max_epochs)} if self.max_epochs else table

    def _weights(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """What shares are in proportion to, for the sources of `sizes`."""
        return {
            source: number * sizes[source] if self.kind == "epochs" else number
            for source, number in self.numbers.items()
            if source in sizes
        }


def load_mixture(
    given: str | os.PathLike[str] | Mapping[str, object], folder: str | os.PathLike[str] = "."
) -> Mixture:
    """A mixture by its name (`llama1`), from a YAML file (relative to `folder`), or from a table.

    Shares must sum to 1 within 1e-6. ValueError naming file and key for an unknown source or key, a number that is not
    positive, a wrong sum, or a cap for a source without a share.
    """
    if isinstance(given, Mapping):
        return _mixture(given, "mixture")
    names = sorted(shipped.stem for shipped in SHIPPED.glob("*.yaml"))
    path = SHIPPED / f"{given}.yaml" if given in names else Path(folder, given)
    if not path.is_file():
        raise ValueError(
            f"mixture {given}: neither a file nor one of {', '.join(names)}: correct the name or the path"
        )
    return _mixture(_read_yaml(path), str(given))


def plan_mixture(
    mixture: Mixture,
    unique_tokens: Mapping[str, int],
    budget_tokens: int,
    text_bytes: Mapping[str, int] | None = None,
) -> MixturePlan:
    """What a budget of tokens reads of each source of a mixture; `plan_sources` says how and when it raises.

    A mixture of epochs is scaled to the budget, with a warning when that reads each source more or less often than it
    asks for.
    """
    sizes = {source: unique_tokens.get(source, 0) for source in mixture.sources}
    weights = mixture._weights(sizes)
    plan = plan_sources(weights, unique_tokens, budget_tokens, mixture.max_epochs, text_bytes)
    asked = sum(Fraction(weight) for weight in weights.values())
    factor = float(budget_tokens / asked)
    if mixture.kind == "epochs" and abs(factor - 1) > SAME_EPOCHS:
        warning = (
            f"the epochs make {float(asked):,.0f} tokens: "
            f"the budget of {budget_tokens:,} reads {factor:.3g} times as often"
        )
        return replace(plan, warnings=(warning, *plan.warnings))
    return plan


def _mixture(table: Mapping[str, object], where: str) -> Mixture:
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) > 1:
        raise ValueError(f"{where}: {' and '.join(kinds)}: give one of them for all sources")
    kind = kinds[0] if kinds else "shares"
    rows = table[kind] if kinds else {key: value for key, value in table.items() if key != CAPS}
    if kinds:
        for key in table:
            if key not in (kind, CAPS):
                near = difflib.get_close_matches(shown(key).strip("'"), [*KINDS, CAPS], 1)
                advice = f"did you mean {near[0]}?" if near else f"only {kind} and {CAPS} may stand here"
                raise ValueError(f"{where}: unknown key {shown(key)}: {advice}")
    if not isinstance(rows, Mapping) or not rows:
        raise ValueError(f"{where}: {kind}: expected a table, for example {EXAMPLE}")
    numbers = {
        (name := _known(source, where)): _positive(number, f"{where}: {name}: {kind}")
        for source, number in rows.items()
    }
    total = math.fsum(numbers.values())
    if kind == "shares" and abs(total - 1.0) > SUM_TOLERANCE:
        raise ValueError(
            f"{where}: the shares sum to {total:.7g}: make them sum to 1, or write them as weights: {{...}}"
        )
    return Mixture(numbers, kind, _caps(table.get(CAPS), numbers, where))


def _caps(given: object, sources: Mapping[str, float], where: str) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(sources, _positive(given, f"{where}: {CAPS}"))
    caps = {_known(s, where): _positive(cap, f"{where}: {s}: {CAPS}") for s, cap in given.items()}
    for source in caps:
        if source not in sources:
            raise ValueError(f"{where}: {CAPS}: {source} has no share: give it one, or leave the cap out")
    return caps


def _known(source: object, where: str) -> str:
    if source in SOURCES:
        return str(source)
    near = difflib.get_close_matches(shown(source).strip("'"), SOURCES, 1)
    advice = f"did you mean {near[0]}?" if near else f"use one of {', '.join(SOURCES)}"
    raise ValueError(f"{where}: unknown source {shown(source)}: {advice}")


def _positive(number: object, where: str) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= MAX_COUNT:
        raise ValueError(f"{where} {shown(number)}: give a positive number, or leave it out")
    return float(number)


def _read_yaml(path: Path) -> Mapping[str, object]:
    with path.open("rb") as stream:
        text = stream.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise ValueError(f"{path}: over {MAX_FILE_BYTES} bytes: not a mixture")
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"{path}: not YAML ({error}): correct it") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a table, for example {EXAMPLE}")
    return content


def parse_count(given: object) -> int:
    """A count written as 1.4T, 20M, 1_000_000 or 1.4e12, or a number; K M B (or G) T are 10^3, 6, 9, 12.

    ValueError when it is not a whole number from 0 to 10^18.
    """
    if isinstance(given, int | float | str) and not _over(given):
        text = str(given).strip().replace("_", "")
        suffix = text[-1:].upper() if text[-1:].isalpha() else ""
        try:
            value = Decimal(text[: len(text) - len(suffix)]).scaleb(SUFFIXES[suffix])
            if 0 <= value <= MAX_COUNT and value == value.to_integral_value():
                return int(value)
        except (DecimalException, KeyError):
            pass
    raise ValueError(
        f"{shown(given)} is not a whole number up to 10^18: write 20M, 1.4T or 1000000, for example"
    )


def _over(given: int | float | str) -> bool:
    """Whether it is not even worth reading: Python refuses to write out a number of thousands of digits."""
    return len(given) > MAX_COUNT_CHARACTERS if isinstance(given, str) else abs(given) > MAX_COUNT
