"""Mixtures: which share of the training tokens comes from which source, and what that means for a budget of tokens.

In: the name of a mixture that ships (`llama1`), a YAML file, or a table of shares; and how many tokens each source has.
Out: checked shares, and a plan: tokens and epochs of each source within the budget, with a warning where a source would
be read too often. The published figures of LLaMA-1 stand in `llama1.yaml` and are shown beside.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, DecimalException
from fractions import Fraction
from functools import cache
from pathlib import Path

import yaml

SHIPPED = Path(__file__).parent
LLAMA1 = "llama1"
SUM_TOLERANCE = 1e-6
MAX_FILE_BYTES = 1 << 20
MAX_COUNT = 10**18
# Up to four epochs repeated tokens are about as good as new ones: Muennighoff et al. 2023, Scaling Data-Constrained
# Language Models, arXiv:2305.16264.
MAX_EPOCHS_WITHOUT_WARNING = 4.0
SUFFIXES = {"": 0, "K": 3, "M": 6, "B": 9, "G": 9, "T": 12}


@dataclass(frozen=True, slots=True)
class PublishedSource:
    """A row of LLaMA-1's Table 1 (`disk` in bytes), and the tokens that RedPajama-1T has of the source."""

    share: float
    epochs: float
    disk: int
    reference_tokens: int


@dataclass(frozen=True, slots=True)
class Mixture:
    """Shares by source, in the order they were written; they are positive and sum to 1.

    `message` says what was done to the shares to get there, if anything.
    """

    shares: Mapping[str, float]
    message: str = ""

    def present(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """Shares renormalised over the sources of `sizes` that are not empty; 0 for the others in `sizes`.

        ValueError when no source of the mixture is among them.
        """
        total = math.fsum(share for source, share in self.shares.items() if sizes.get(source, 0) > 0)
        if total == 0:
            raise ValueError(
                f"mixture: nothing is there of any of its sources ({', '.join(self.shares)}): add one"
            )
        return {
            source: self.shares.get(source, 0.0) / total if size > 0 else 0.0
            for source, size in sizes.items()
        }


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """A source of the mixture within a budget.

    `share` is as written, `share_present` as renormalised over the sources that are there, `tokens_unique` what is
    there, `tokens_at_budget` what is read. `epochs` and `bytes_per_token` are None where there are no tokens or no
    byte counts; the LLaMA-1 figures (of 1.4T tokens) are None for a source that it did not have.
    """

    source: str
    share: float
    share_present: float
    tokens_unique: int
    tokens_at_budget: int
    epochs: float | None
    llama1_share: float | None
    llama1_epochs: float | None
    bytes_per_token: float | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MixturePlan:
    """The sources of a mixture in its order; `absent` have no tokens, `unplanned` have tokens but no share."""

    budget_tokens: int
    rows: tuple[PlannedSource, ...]
    absent: tuple[str, ...]
    unplanned: tuple[str, ...]

    def as_json(self) -> list[dict[str, object]]:
        """The rows as plain values."""
        return [{**asdict(row), "warnings": list(row.warnings)} for row in self.rows]


@cache
def llama1_table() -> Mapping[str, PublishedSource]:
    """LLaMA-1's published mixture by source; its keys are the sources that this project knows."""
    rows = _read_yaml(SHIPPED / f"{LLAMA1}.yaml")["sources"]
    assert isinstance(rows, dict)
    return {
        source: PublishedSource(
            share=row["share"],
            epochs=row["epochs"],
            disk=parse_count(row["disk"]),
            reference_tokens=parse_count(row["reference_tokens"]),
        )
        for source, row in rows.items()
    }


def load_mixture(
    given: str | os.PathLike[str] | Mapping[str, object],
    folder: str | os.PathLike[str] = ".",
    normalize: bool = False,
) -> Mixture:
    """A mixture by its name (`llama1`), from a YAML file (relative to `folder`), or from a table of shares.

    A table, in a file or not, is {source: share} or {sources: {source: {share: ...}}} as in `llama1.yaml`. Shares must
    sum to 1 within 1e-6; with `normalize`, shares of any sum are divided by it and the mixture's message says so.
    ValueError naming file and key for an unknown source, a share that is not positive, or a wrong sum.
    """
    where = "mixture"
    if not isinstance(given, Mapping):
        path = SHIPPED / f"{given}.yaml"
        if given not in {shipped.stem for shipped in SHIPPED.glob("*.yaml")}:
            path = Path(folder, given)
            if not path.is_file():
                names = ", ".join(sorted(shipped.stem for shipped in SHIPPED.glob("*.yaml")))
                raise ValueError(
                    f"mixture {given}: neither a file nor one of {names}: correct the name or the path"
                )
        where = str(given)
        given = _read_yaml(path)
    table = given.get("sources", given)
    if not isinstance(table, Mapping) or not table:
        raise ValueError(f"{where}: sources: expected a table of shares, for example commoncrawl: 0.67")
    shares = {_known(source, where): _share(row, f"{where}: {source}") for source, row in table.items()}
    total = math.fsum(shares.values())
    if abs(total - 1.0) <= SUM_TOLERANCE:
        return Mixture(shares)
    if not normalize:
        raise ValueError(
            f"{where}: the shares sum to {total:.7g}: make them sum to 1, or divide each by {total:.7g}"
        )
    message = f"{where}: the shares sum to {total:.7g} and were divided by it"
    return Mixture({source: share / total for source, share in shares.items()}, message)


def _known(source: object, where: str) -> str:
    known = list(llama1_table())
    if source in known:
        return str(source)
    near = difflib.get_close_matches(str(source), known, 1)
    advice = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known)}"
    raise ValueError(f"{where}: unknown source {source!r}: {advice}")


def _share(row: object, where: str) -> float:
    share = row.get("share") if isinstance(row, Mapping) else row
    if isinstance(share, bool) or not isinstance(share, int | float) or not (0 < share < math.inf):
        raise ValueError(f"{where}: share {share!r}: give a positive number, or leave the source out")
    return float(share)


def _read_yaml(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise ValueError(f"{path}: over {MAX_FILE_BYTES} bytes: not a mixture")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())}): correct it") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a table of shares, for example commoncrawl: 0.67")
    return content


def plan_mixture(
    mixture: Mixture,
    unique_tokens: Mapping[str, int],
    budget_tokens: int,
    text_bytes: Mapping[str, int] | None = None,
) -> MixturePlan:
    """What a budget of tokens reads of each source: epochs = share * budget / unique tokens.

    Shares of absent sources go to those that are there, in proportion. `tokens_at_budget` sum to the budget (largest
    remainder). A row warns above four epochs. ValueError when no source of the mixture has tokens, or there is no
    budget.
    """
    if budget_tokens < 1:
        raise ValueError(f"tokens {budget_tokens}: plan for at least one")
    sizes = {source: unique_tokens.get(source, 0) for source in mixture.shares}
    present = mixture.present(sizes)
    read = _apportion(present, budget_tokens)
    published = llama1_table()
    rows = []
    for source, unique in sizes.items():
        epochs = present[source] * budget_tokens / unique if unique else None
        row = published.get(source)
        size = (text_bytes or {}).get(source)
        rows.append(
            PlannedSource(
                source=source,
                share=mixture.shares[source],
                share_present=present[source],
                tokens_unique=unique,
                tokens_at_budget=read[source],
                epochs=epochs,
                llama1_share=row.share if row else None,
                llama1_epochs=row.epochs if row else None,
                bytes_per_token=size / unique if size is not None and unique else None,
                warnings=_warnings(epochs),
            )
        )
    absent = tuple(source for source, unique in sizes.items() if not unique)
    unplanned = tuple(sorted(s for s, unique in unique_tokens.items() if unique and s not in mixture.shares))
    return MixturePlan(budget_tokens, tuple(rows), absent, unplanned)


def _warnings(epochs: float | None) -> tuple[str, ...]:
    if epochs is not None and epochs > MAX_EPOCHS_WITHOUT_WARNING:
        return (
            f"read {epochs:.1f} times: above {MAX_EPOCHS_WITHOUT_WARNING:g} epochs repeated tokens teach less",
        )
    return ()


def _apportion(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """`total` in whole numbers by shares: what is left after rounding down goes to the largest rest."""
    exact = {source: Fraction(share) for source, share in shares.items()}
    exact = {source: share * total / sum(exact.values()) for source, share in exact.items()}
    whole = {source: int(value) for source, value in exact.items()}
    left = total - sum(whole.values())
    for source in sorted(exact, key=lambda s: (whole[s] - exact[s], s))[:left]:
        whole[source] += 1
    return whole


def parse_count(given: object) -> int:
    """A count written as 1.4T, 20M, 1_000_000 or 1.4e12, or a number; K M B (or G) T are 10^3, 6, 9, 12.

    ValueError when it is not a whole number from 0 to 10^18.
    """
    text = str(given).strip().replace("_", "")
    suffix = text[-1:].upper() if text[-1:].isalpha() else ""
    try:
        value = Decimal(text[: len(text) - len(suffix)]).scaleb(SUFFIXES[suffix])
        if 0 <= value <= MAX_COUNT and value == value.to_integral_value():
            return int(value)
    except (DecimalException, KeyError):
        pass
    raise ValueError(f"{given!r} is not a whole number up to 10^18: write 20M, 1.4T or 1000000, for example")
