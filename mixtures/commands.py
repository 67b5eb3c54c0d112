"""What `plan` says of a mixture: what it reads of each source within a budget, beside the figures of LLaMA-1.

In: the unique tokens of a finished run (its manifest), typed numbers, or the published ones of another corpus. Out: a
Markdown table for each budget on stdout, or JSON. Reads two small files of a run, no shards; needs no engine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import click

from mixtures.mixture import SOURCES, Mixture, load_mixture, parse_count, plan_mixture
from mixtures.outside_yaml import parse_yaml, shown
from mixtures.planner import MixturePlan, PlannedSource
from mixtures.published import (
    LLAMA1,
    LLAMA1_BUDGET,
    LLAMA1_SMALLEST_BUDGET,
    REFERENCES,
    TOKENIZERS,
    llama1_table,
    published_tokens,
)
from mixtures.report_text import ABSENT, count, decimal
from mixtures.report_text import share as per_cent

DEFAULT_BUDGETS = (
    "1.0T",
    "1.4T",
)  # of LLaMA-1's 7B and 13B, and of its 33B and 65B: arXiv:2302.13971, Table 2
COLUMNS = (
    "Source",
    "Asked",
    "Planned",
    "Unique tokens",
    "Tokens read",
    "Epochs",
    "Bytes/token",
    "LLaMA-1 share",
    "LLaMA-1 unique",
)
MAX_FILE_BYTES = 1 << 30  # of a run's manifest, which names every file of the run


Function = TypeVar("Function", bound=Callable[..., object])


@dataclass(frozen=True)
class Measured:
    """Unique tokens by source, whose tokens they are where that is known, and bytes of text where they are."""

    tokens: Mapping[str, int]
    tokenizers: Mapping[str, str]
    text_bytes: Mapping[str, int]

    def or_else(self, other: Measured) -> Measured:
        """These, and those of `other` for the sources that are not here."""
        more = {source: tokens for source, tokens in other.tokens.items() if source not in self.tokens}
        return Measured(
            {**self.tokens, **more},
            {**{s: t for s, t in other.tokenizers.items() if s in more}, **self.tokenizers},
            {**{s: b for s, b in other.text_bytes.items() if s in more}, **self.text_bytes},
        )

    def warnings(self) -> list[str]:
        """A line when tokens of different tokenizers are put together."""
        found = sorted(set(self.tokenizers.values()))
        if len(found) < 2:
            return []
        parts = (
            f"{', '.join(s for s, t in self.tokenizers.items() if t == tokenizer)} in {tokenizer}"
            for tokenizer in found
        )
        return [f"the tokens are of different tokenizers, shares and epochs are rough: {'; '.join(parts)}"]


@dataclass(frozen=True)
class MixturePlans:
    """The plans of one mixture for several budgets, and what holds for all of them."""

    plans: tuple[MixturePlan, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {"warnings": list(self.warnings), "plans": [_as_json(one) for one in self.plans]}

    def markdown(self) -> str:
        """A table for each budget, with its warnings below."""
        return "\n\n".join(_markdown(one, list(self.warnings)) for one in self.plans)


def mixture_options(command: Function) -> Function:
    """The argument and options that say of which tokens a mixture is planned: those of `plan_mixtures`."""
    for add in (
        click.option(
            "--published",
            type=click.Choice(REFERENCES),
            help="Take what this corpus had of the sources that are not given otherwise.",
        ),
        click.option(
            "--unique",
            "typed",
            multiple=True,
            metavar="SOURCE=N",
            help="Unique tokens of a source, as books=28B.",
        ),
        click.option(
            "--tokens", "budgets", multiple=True, metavar="N", help="Budget, as 1.4T; may be repeated."
        ),
        click.option(
            "--mixture",
            metavar="NAME|FILE",
            help="llama1, redpajama, slimpajama or a YAML file; default RUN's.",
        ),
        click.argument("run", required=False, metavar="[RUN]"),
    ):
        command = add(command)
    return command


def plan_mixtures(
    run: str | None, mixture: str | None, budgets: Sequence[str], typed: Sequence[str], published: str | None
) -> MixturePlans:
    """Plans a mixture for each budget, by default the run's or LLaMA-1's two.

    The unique tokens are those of a finished `run`, `typed` as SOURCE=N, or another corpus's (`published`), in this
    order. click.UsageError for wrong usage, ValueError for a run that cannot be read.
    """
    measured = _typed(tuple(typed))
    if run is not None:
        measured = measured.or_else(_of_run(Path(run)))
    config = _config(Path(run)) if run is not None else {}
    chosen = _mixture(mixture, config)
    if published is not None:
        measured = measured.or_else(_of_publication(published, chosen))
    asked = budgets or ((str(config["tokens"]),) if "tokens" in config else DEFAULT_BUDGETS)
    plans = [plan_mixture(chosen, measured.tokens, budget_tokens(b), measured.text_bytes) for b in asked]
    return MixturePlans(tuple(plans), tuple(measured.warnings()))


def budget_tokens(written: str) -> int:
    """The number that `--tokens` was given; click.UsageError when it is none, or 0."""
    tokens = _count(written, "--tokens")
    if not tokens:
        raise click.UsageError(f"--tokens {written}: plan for at least one")
    return tokens


def _mixture(name: str | None, config: Mapping[str, object]) -> Mixture:
    given = name if name is not None else config.get("mixture", LLAMA1)
    if not isinstance(given, str | Mapping):
        raise ValueError(
            f"mixture: {shown(given)} is neither a name nor a table: correct config.yaml of the run"
        )
    try:
        return load_mixture(given)
    except ValueError as error:
        if name is None:
            raise
        raise click.UsageError(f"--mixture: {error}") from error


def _typed(given: tuple[str, ...]) -> Measured:
    tokens = {}
    for pair in given:
        source, equals, number = pair.partition("=")
        if not equals or source not in SOURCES:
            known = ", ".join(SOURCES)
            raise click.UsageError(f"--unique {pair}: write SOURCE=N, for example books=28B; one of {known}")
        if source in tokens:
            raise click.UsageError(f"--unique {pair}: {source} is given twice")
        tokens[source] = _count(number, f"--unique {source}")
    return Measured(tokens, {}, {})


def _count(written: str, option: str) -> int:
    try:
        return parse_count(written)
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from error


def _of_publication(name: str, mixture: Mixture) -> Measured:
    """What a published corpus had of the sources of a mixture."""
    tokens = {s: n for s, n in published_tokens(name).items() if s in mixture.sources}
    disk = {source: llama1_table()[source].disk for source in tokens} if name == LLAMA1 else {}
    return Measured(tokens, dict.fromkeys(tokens, TOKENIZERS[name]), disk)


def _of_run(run: Path) -> Measured:
    """The training tokens and the text of a finished run; click.UsageError when there is none, ValueError when its
    manifest cannot be read."""
    path = run / "manifest.json"
    if not path.is_file():
        raise click.UsageError(
            f"{run} is no finished run (no manifest.json in it): make one with llama-corpus run, "
            "or plan with --unique or --published"
        )
    try:
        manifest = json.loads(_read(path))
        sources = manifest["sources"]
        tokens = {source: int(account["tokens"]["train"]) for source, account in sources.items()}
        # Bytes are counted with the held-out documents, so they are brought down to the part that is trained on.
        sizes = {
            source: account["bytes"] * tokens[source] // max(1, sum(account["tokens"].values()))
            for source, account in sources.items()
        }
        tokenizer = f"those of {run.name or run}'s tokenizer {manifest['tokenizer']['sha256'][:12]}"
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not the manifest of a run ({error!r}): run it again") from error
    return Measured(tokens, dict.fromkeys(tokens, tokenizer), sizes)


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"over {MAX_FILE_BYTES} bytes")
    return content


def _config(run: Path) -> Mapping[str, object]:
    path = run / "config.yaml"
    try:
        found = parse_yaml(_read(path))
    except ValueError as error:
        raise ValueError(f"{path}: not YAML ({error}): run it again") from error
    return found if isinstance(found, dict) else {}


def _as_json(one: MixturePlan) -> dict[str, object]:
    rows = [
        {**asdict(row), "llama1_epochs_at_budget": row.llama1_epochs_at(one.budget_tokens)}
        for row in one.rows
    ]
    return {
        "budget_tokens": one.budget_tokens,
        "planned_tokens": one.planned_tokens,
        "sources": rows,
        "absent": one.absent,
        "unplanned": one.unplanned,
        "warnings": one.warnings,
    }


def _markdown(one: MixturePlan, warnings: list[str]) -> str:
    """A plan as a table with its sum, and its warnings below.

    LLaMA-1's epochs are shown for the same budget, below its smallest budget for its largest, as published.
    """
    compared = one.budget_tokens if one.budget_tokens >= LLAMA1_SMALLEST_BUDGET else LLAMA1_BUDGET
    rows = [_cells(row, compared) for row in one.rows]
    unique = sum(row.tokens_unique for row in one.rows)
    known = [llama1_table()[row.source] for row in one.rows if row.source in llama1_table()]
    rows.append(
        (
            "**all**",
            _sum(row.share for row in one.rows),
            _sum(row.share_present for row in one.rows),
            count(unique),
            count(one.planned_tokens),
            decimal(one.planned_tokens / unique),
            ABSENT,
            _sum(row.share for row in known),
            count(sum(row.unique_tokens for row in known)),
            ABSENT,
        )
    )
    header = (*COLUMNS, f"LLaMA-1 epochs at {count(compared)}")
    lines = [f"**Budget {count(one.budget_tokens)} tokens**", ""]
    lines += [f"| {' | '.join(cells)} |" for cells in (header, ["---", *["---:"] * len(COLUMNS)], *rows)]
    notes = [*warnings, *one.warnings]
    notes += [f"{row.source}: {warning}" for row in one.rows for warning in row.warnings]
    notes += [f"{source}: has tokens but no share, it is not read" for source in one.unplanned]
    lines += ["", *(f"- {note}" for note in notes)] if notes else []
    return "\n".join(lines)


def _sum(shares: Iterable[float]) -> str:
    return per_cent(round(math.fsum(shares), 9))


def _cells(row: PlannedSource, compared_tokens: int) -> tuple[str, ...]:
    known = llama1_table().get(row.source)
    return (
        row.source,
        per_cent(row.share),
        per_cent(row.share_present),
        count(row.tokens_unique),
        count(row.tokens_at_budget),
        decimal(row.epochs),
        decimal(row.bytes_per_token),
        per_cent(row.llama1_share),
        count(known.unique_tokens if known else None),
        decimal(row.llama1_epochs_at(compared_tokens)),
    )
