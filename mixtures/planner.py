"""The planner: what a budget of tokens reads of each source, how often, and what speaks against it.

In: weights by source (of any sum), how many unique tokens each has, a budget, and how often each may be read at most.
Out: tokens, share and epochs by source, with the published figures of LLaMA-1 beside, and warnings: a source read too
often, one that is not there, a share or a budget that the caps keep out of reach. All sums are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction

from mixtures.published import LLAMA1_BUDGET, llama1_table

# Up to four epochs repeated tokens are about as good as new ones: Muennighoff et al. 2023, Scaling Data-Constrained
# Language Models, arXiv:2305.16264.
MAX_EPOCHS_WITHOUT_WARNING = 4.0


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """A source of the mixture within a budget.

    `share` is the one asked for, `share_present` the planned one: over the sources that are there, after the caps.
    `tokens_unique` is what is there, `tokens_at_budget` what is read. `epochs` and `bytes_per_token` are None where
    there are no tokens or no byte counts, `max_epochs` where there is no cap; the LLaMA-1 figures (of 1.4T tokens) are
    None for a source that it did not have.
    """

    source: str
    share: float
    share_present: float
    tokens_unique: int
    tokens_at_budget: int
    epochs: float | None
    max_epochs: float | None
    llama1_share: float | None
    llama1_epochs: float | None
    bytes_per_token: float | None
    warnings: tuple[str, ...]

    def llama1_epochs_at(self, budget_tokens: int) -> float | None:
        """LLaMA-1's epochs at another budget and the same shares: at 1.0T its 7B and 13B models read 0.71 of them."""
        return None if self.llama1_epochs is None else self.llama1_epochs * budget_tokens / LLAMA1_BUDGET


@dataclass(frozen=True, slots=True)
class MixturePlan:
    """The sources of a mixture in its order; `absent` have no tokens, `unplanned` have tokens but no share.

    The rows read `planned_tokens`, which is the budget unless the caps allow only less. `warnings` are those of the
    plan as a whole.
    """

    budget_tokens: int
    planned_tokens: int
    rows: tuple[PlannedSource, ...]
    absent: tuple[str, ...]
    unplanned: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def shares(self) -> dict[str, float]:
        """The planned shares of the sources that are there; they sum to 1."""
        return {row.source: row.share_present for row in self.rows if row.share_present}

    def as_json(self) -> list[dict[str, object]]:
        """The rows as plain values."""
        return [{**asdict(row), "warnings": list(row.warnings)} for row in self.rows]


def plan_sources(
    weights: Mapping[str, float],
    unique_tokens: Mapping[str, int],
    budget_tokens: int,
    max_epochs: Mapping[str, float] | None = None,
    text_bytes: Mapping[str, int] | None = None,
) -> MixturePlan:
    """What a budget of tokens reads of each source: epochs = share * budget / unique tokens.

    Shares of absent sources go to those that are there, in proportion; so does what a source cannot read within its
    `max_epochs`. `tokens_at_budget` sum to the budget (largest remainder), or to all that the caps allow when that is
    less, and a warning says so. ValueError when no source of the mixture has tokens, or there is no budget.
    """
    if budget_tokens < 1:
        raise ValueError(f"tokens {budget_tokens}: plan for at least one")
    unique = {source: unique_tokens.get(source, 0) for source in weights}
    there = {source: Fraction(weight) for source, weight in weights.items() if unique[source] > 0}
    if not sum(there.values()):
        raise ValueError(f"mixture: nothing is there of any of its sources ({', '.join(weights)}): add one")
    most = {
        source: Fraction(cap) * unique[source]
        for source, cap in (max_epochs or {}).items()
        if source in there
    }
    exact, capped = _fill(there, most, budget_tokens)
    planned = min(budget_tokens, int(sum(exact.values())))
    read = _whole(exact, planned)
    asked_total = sum(Fraction(weight) for weight in weights.values())
    rows = []
    for source, weight in weights.items():
        known = llama1_table().get(source)
        size = (text_bytes or {}).get(source)
        epochs = float(exact[source] / unique[source]) if source in exact else None
        cap = (max_epochs or {}).get(source)
        asked = float(Fraction(weight) / asked_total)
        share = float(exact[source] / sum(exact.values())) if source in exact else 0.0
        warnings = []
        if not unique[source]:
            warnings.append(f"not there: its {_per_cent(asked)} go to the others" if asked else "not there")
        if source in capped:
            assert cap is not None
            wanted = float(there[source] / sum(there.values()))
            warnings.append(
                f"share out of reach: {cap:g} epochs are {_per_cent(share)} of the tokens, not {_per_cent(wanted)}"
                if share < wanted
                else f"held at {cap:g} epochs"
            )
        if epochs is not None and epochs > MAX_EPOCHS_WITHOUT_WARNING:
            warnings.append(
                f"read {_times(epochs)} times: "
                f"above {MAX_EPOCHS_WITHOUT_WARNING:g} epochs repeated tokens teach less"
            )
        rows.append(
            PlannedSource(
                source=source,
                share=asked,
                share_present=share,
                tokens_unique=unique[source],
                tokens_at_budget=read.get(source, 0),
                epochs=epochs,
                max_epochs=cap,
                llama1_share=known.share if known else None,
                llama1_epochs=known.epochs if known else None,
                bytes_per_token=size / unique[source] if size is not None and unique[source] else None,
                warnings=tuple(warnings),
            )
        )
    return MixturePlan(
        budget_tokens=budget_tokens,
        planned_tokens=planned,
        rows=tuple(rows),
        absent=tuple(source for source, tokens in unique.items() if not tokens),
        unplanned=tuple(sorted(s for s, tokens in unique_tokens.items() if tokens and s not in weights)),
        warnings=_warnings(planned, budget_tokens),
    )


def _warnings(planned: int, budget: int) -> tuple[str, ...]:
    if planned == budget:
        return ()
    return (
        f"budget out of reach: max_epochs allow {planned:,} of {budget:,} tokens: "
        "lower the budget, raise max_epochs or add text",
    )


def _fill(
    weights: Mapping[str, Fraction], most: Mapping[str, Fraction], budget: int
) -> tuple[dict[str, Fraction], set[str]]:
    """Tokens by source in proportion to weights, none above its most; and the sources that are held there.

    What a capped source gives up goes to the others in proportion, until none is above: the order does not matter,
    since what the others get only grows.
    """
    capped: set[str] = set()
    while True:
        free = {source: weight for source, weight in weights.items() if source not in capped}
        left = budget - sum((most[source] for source in capped), Fraction(0))
        total = sum(free.values(), Fraction(0))
        over = {s for s, weight in free.items() if s in most and weight * left / total > most[s]}
        if not over:
            return {s: most[s] if s in capped else free[s] * left / total for s in weights}, capped
        capped |= over


def _whole(exact: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """The tokens in whole numbers with this sum: what is left after rounding down goes to the largest rests."""
    whole = {source: int(value) for source, value in exact.items()}
    left = total - sum(whole.values())
    for source in sorted(exact, key=lambda s: (whole[s] - exact[s], s))[:left]:
        whole[source] += 1
    return whole


def _times(epochs: float) -> str:
    """Three digits, or all of a large number; never rounded down to the limit that was passed."""
    return f"{epochs:,.0f}" if epochs >= 100 else f"{max(epochs, MAX_EPOCHS_WITHOUT_WARNING + 0.01):.3g}"


def _per_cent(share: float) -> str:
    return f"{100 * share:.2f} %"
