"""The mixture report: is it the mix that was asked for, what was removed and why, and can it be rebuilt?

In: `ReportData` (its shape is in `mixtures.report_data`), which the pipeline collects. Out, in one folder:
`index.html` (one file, no script, nothing from the network), `report.md` for a pull request, `report.json`
for machines, and `tables/*.csv` behind the plots. The same data gives the same bytes.

The mix table has the columns of the LLaMA paper (2302.13971, Table 1: share, epochs) and of The Pile
(2101.00027, Table 1); the funnel answers what RedPajama's users asked for first (its issue 50): what is left
after each step of each source.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mixtures import report_figures as figures
from mixtures import report_text as text
from mixtures.conservation import conservation_problems, removed_amount
from mixtures.report_data import (
    Amount,
    Gate,
    KeptSample,
    Models,
    RemovedSample,
    ReportData,
    Scalar,
    SourceData,
    State,
    StepData,
)
from mixtures.report_tables import cluster_sizes, tables

MAX_SAMPLES_PER_REASON = 20  # what one person reads before deciding about a rule
MAX_KEPT_PER_SOURCE = 20
MAX_SAMPLE_CHARACTERS = 2_000
MAX_CONTENT_ROWS = 12
MAX_REMOVALS = 12

COLORS = 7

Sample = TypeVar("Sample", RemovedSample, KeptSample)


@dataclass(frozen=True, slots=True)
class _Reason:
    name: str
    amount: Amount
    samples: Sequence[RemovedSample]


@dataclass(frozen=True, slots=True)
class _Step:
    facts: StepData
    removed: Amount
    edited: int
    reasons: Sequence[_Reason]


@dataclass(frozen=True, slots=True)
class _Clusters:
    """Clusters that a search for near-duplicates found: (smallest, largest size, clusters) in rising order."""

    step: str
    dropped: int
    sizes: Sequence[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    color: str
    facts: SourceData
    steps: Sequence[_Step]
    raw: Amount
    widest: Amount
    problems: Sequence[str]
    clusters: Sequence[_Clusters]
    kept_samples: Sequence[KeptSample]


@dataclass(frozen=True, slots=True)
class _Removal:
    source: str
    color: str
    step: str
    reason: str
    amount: Amount


def source_order(data: ReportData) -> list[str]:
    """Sources that are present, in the order of the mixture, then those outside it by name."""
    planned = [row["source"] for row in data["mixture"] if row["source"] in data["sources"]]
    return [*planned, *sorted(set(data["sources"]) - set(planned))]


def _colors(data: ReportData) -> dict[str, str]:
    names = [row["source"] for row in data["mixture"]]
    names += sorted((set(data["sources"]) | set(data["absent_sources"])) - set(names))
    return {name: f"s{index % COLORS}" for index, name in enumerate(names)}


def _source(data: ReportData, name: str, color: str) -> _Source:
    facts = data["sources"][name]
    samples: dict[tuple[str, str], list[RemovedSample]] = {}
    for sample in data.get("samples", ()):
        if sample["source"] == name:
            samples.setdefault((sample["step"], sample["reason"]), []).append(sample)
    steps: list[_Step] = []
    for step in facts["steps"]:
        removed = removed_amount(step)
        reasons = [
            _Reason(reason, amount, samples.get((step["step"], reason), [])[:MAX_SAMPLES_PER_REASON])
            for reason, amount in sorted(
                step["removed"].items(), key=lambda item: (-item[1]["documents"], item[0])
            )
        ]
        steps.append(_Step(step, removed, step["bytes_in"] - step["bytes_kept"] - removed["bytes"], reasons))
    first = facts["steps"][0] if facts["steps"] else None
    return _Source(
        name=name,
        color=color,
        facts=facts,
        steps=steps,
        raw={
            "documents": first["documents_in"] if first else facts["documents"],
            "bytes": first["bytes_in"] if first else facts["bytes"],
        },
        widest={
            "documents": max((step["documents_in"] for step in facts["steps"]), default=0),
            "bytes": max((max(step["bytes_in"], step["bytes_kept"]) for step in facts["steps"]), default=0),
        },
        problems=conservation_problems(facts),
        clusters=[
            _Clusters(step, found["dropped"], cluster_sizes(found))
            for step, found in sorted(facts.get("duplicates", {}).items())
            if "cluster_sizes" in found
        ],
        kept_samples=[s for s in data.get("kept_samples", ()) if s["source"] == name][:MAX_KEPT_PER_SOURCE],
    )


def _removals(sources: Iterable[_Source]) -> list[_Removal]:
    """The reasons that removed most, over all sources, by documents."""
    removals = [
        _Removal(source.name, source.color, step.facts["step"], reason.name, reason.amount)
        for source in sources
        for step in source.steps
        for reason in step.reasons
    ]
    return sorted(removals, key=lambda r: (-r.amount["documents"], r.source, r.step, r.reason))


def _gates(data: ReportData, sources: Sequence[_Source]) -> list[Gate]:
    """The gates of the run, worst first, with one more in front for any funnel that does not add up."""
    rank: Mapping[State, int] = {"red": 0, "amber": 1, "green": 2}
    broken: list[Gate] = [
        {"name": f"{source.name} funnel adds up", "state": "red", "detail": "; ".join(source.problems)}
        for source in sources
        if source.problems
    ]
    return sorted([*broken, *data["gates"]], key=lambda gate: rank[gate["state"]])


def _masked(sample: Sample) -> Sample:
    """The sample with personal data masked in every text of it."""
    masked = {key: text.masked(value) if isinstance(value, str) else value for key, value in sample.items()}
    return cast(Sample, masked)


def _finite(value: object) -> object:
    """The value with every number that JSON cannot hold (a diverged loss) as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return value


def _prepared(data: ReportData) -> ReportData:
    """The data as the report shows it: finite, samples in a fixed order and masked."""
    clean = cast(ReportData, _finite(data))
    clean["samples"] = sorted(
        map(_masked, clean.get("samples", ())), key=lambda s: (s["source"], s["step"], s["reason"], s["id"])
    )
    clean["kept_samples"] = sorted(
        map(_masked, clean.get("kept_samples", ())), key=lambda s: (s["source"], s["id"])
    )
    return clean


def _loss_curves(
    data: ReportData, colors: Mapping[str, str]
) -> list[tuple[str, str, list[tuple[float, float]]]]:
    training = data.get("training")
    if not training:
        return []

    def finite(pairs: Iterable[Sequence[float | None]]) -> list[tuple[float, float]]:
        return [(pair[0], pair[1]) for pair in pairs if pair[0] is not None and pair[1] is not None]

    series = [("training", "loss", finite(list(zip(training["steps"], training["loss"], strict=True))))]
    validation = training["validation"]
    for source in [*(name for name in colors if name in validation), *sorted(set(validation) - set(colors))]:
        series.append((source, colors.get(source, "s0"), finite(validation[source])))
    return series


def _lm_columns(models: Models) -> list[str]:
    """Columns of the table of language models: the cuts first, then whatever else was recorded."""
    names = {key for facts in models.get("lm", {}).values() for key in facts}
    return [*(key for key in ("p30", "p60") if key in names), *sorted(names - {"p30", "p60"})]


def _facts(mapping: Mapping[str, object]) -> list[tuple[str, Scalar]]:
    """The scalar entries of a model's description: its measures first, the rest by name."""
    measures = ("auc", "auc_low", "auc_high", "threshold", "precision", "recall", "brier", "ece")
    first = [key for key in measures if key in mapping]
    entries = ((key, mapping[key]) for key in [*first, *sorted(set(mapping) - set(first))])
    return [(key, value) for key, value in entries if isinstance(value, Scalar)]


def _context(data: ReportData) -> dict[str, object]:
    colors = _colors(data)
    sources = [_source(data, name, colors[name]) for name in source_order(data)]
    gates = _gates(data, sources)
    tokens_unique = sum(row["tokens_unique"] for row in data["mixture"])
    kept: Amount = {
        "documents": sum(source.facts["documents"] for source in sources),
        "bytes": sum(source.facts["bytes"] for source in sources),
    }
    states = [gate["state"] for gate in gates]
    models = data.get("models", {})
    return {
        "data": data,
        "run": data["run"],
        "sources": sources,
        "by_name": {source.name: source for source in sources},
        "colors": colors,
        "absent": [name for name in colors if name in data["absent_sources"]],
        "gates": gates,
        "verdict": "red" if "red" in states else "amber" if "amber" in states or not states else "green",
        "states": {state: states.count(state) for state in ("red", "amber", "green")},
        "kept": kept,
        "raw_documents": sum(source.raw["documents"] for source in sources),
        "tokens": {
            split: sum(source.facts["tokens"][split] for source in sources)
            for split in ("train", "validation")
        },
        "tokens_unique": tokens_unique,
        "llama1": any(row["llama1_share"] is not None for row in data["mixture"]),
        "natural_bar": [
            (r["source"], colors[r["source"]], float(r["tokens_unique"])) for r in data["mixture"]
        ],
        "target_bar": [(r["source"], colors[r["source"]], r["share"]) for r in data["mixture"]],
        "removals": _removals(sources)[:MAX_REMOVALS],
        "histograms": sorted(data.get("histograms", {}).items()),
        "models": models,
        "lm_columns": _lm_columns(models),
        "training": data.get("training"),
        "curves": _loss_curves(data, colors),
        "kept_sources": [source for source in sources if source.kept_samples],
        "max_characters": MAX_SAMPLE_CHARACTERS,
        "max_rows": MAX_CONTENT_ROWS,
    }


def _percent(part: float, whole: float) -> Markup:
    """A percentage that tells its numerator and denominator when pointed at."""
    return Markup('<span class="pct" title="{} / {}">{}</span>').format(
        f"{part:,}", f"{whole:,}", text.ratio(part, whole)
    )


def _exact(written: Callable[[int | None], str]) -> Callable[[int | None], Markup]:
    """A short figure that tells the exact one when pointed at."""

    def figure(number: int | None) -> Markup:
        exact = "none" if number is None else f"{number:,}"
        return Markup('<span title="{}">{}</span>').format(exact, written(number))

    return figure


def _visible(value: object) -> object:
    return text.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _cell(value: object) -> object:
    return text.markdown_cell(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _largest(amounts: Mapping[str, Amount], limit: int) -> list[tuple[str, Amount]]:
    return sorted(amounts.items(), key=lambda item: (-item[1]["bytes"], item[0]))[:limit]


def _environment(autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=autoescape,
        finalize=_visible if autoescape else _cell,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        count=_exact(text.count) if autoescape else text.count,
        size=_exact(text.size) if autoescape else text.size,
        share=text.share,
        decimal=text.decimal,
        scalar=text.scalar,
        facts=_facts,
        largest=_largest,
    )
    environment.globals.update(
        percent=_percent if autoescape else text.ratio,
        funnel_bar=figures.funnel_bar,
        share_bar=figures.share_bar,
        stacked_shares=figures.stacked_shares,
        histogram=figures.histogram,
        separation=figures.separation,
        threshold_yield=figures.threshold_yield,
        reliability=figures.reliability,
        curves_plot=figures.curves,
        count_unit=lambda number: f"{number:,} documents",
        size_unit=text.size,
    )
    return environment


def _write(path: Path, content: str) -> None:
    """The file whole or not at all; a lone surrogate in foreign text becomes a question mark."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_bytes(content.encode("utf-8", errors="replace"))
    os.replace(unfinished, path)


def write_report(data: ReportData, folder: Path) -> None:
    """Writes index.html, report.md, report.json and tables/*.csv into `folder`, which is made if need be.

    Numbers are taken as they come: a funnel that does not add up is shown as a red gate, not refused.
    """
    shown = _prepared(data)
    context = _context(shown)
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for name, table in tables(shown, source_order(shown)).items():
        _write(folder / "tables" / name, table)
    _write(folder / "report.json", json.dumps(shown, sort_keys=True, indent=1, allow_nan=False) + "\n")
    _write(folder / "report.md", _environment(False).get_template("report.md.j2").render(context))
    _write(folder / "index.html", _environment(True).get_template("report.html.j2").render(context))
