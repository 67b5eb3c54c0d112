"""What the templates of the mixture report are given: the sources with their funnels, gates, colours, samples.

In: `ReportData`. Out: the data as it may be shown (finite numbers, samples in a fixed order with personal data masked),
and one mapping of names for the templates. Nothing is drawn or written here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from mixtures import report_text as text
from mixtures.conservation import conservation_problems, removed_amount
from mixtures.report_data import (
    Amount,
    Gate,
    KeptSample,
    LostDocument,
    Models,
    OverlapSample,
    RemovedSample,
    ReportData,
    Scalar,
    SourceData,
    State,
    StepData,
)
from mixtures.report_decontamination import benchmark_rows
from mixtures.report_loss import losses
from mixtures.report_tables import cluster_sizes
from mixtures.report_tokenizer import shown_tokenizer
from mixtures.report_training import curves, ends

MAX_SAMPLES_PER_REASON = 20  # what one person reads before deciding about a rule
MAX_KEPT_PER_SOURCE = 20
MAX_SAMPLE_CHARACTERS = 2_000
MAX_CONTENT_ROWS = 12
MAX_REMOVALS = 12

COLORS = 7

# What the figures of the reference classifier (`classifiers.references`) are; others are called by their keys.
FACT_NAMES = {
    "auc": "AUC: how often a reference scores above a random page",
    "auc_low": "AUC, lower end of its 95 % interval",
    "auc_high": "AUC, upper end of its 95 % interval",
    "auc_trained": "AUC on pages that it was trained on",
    "threshold": "threshold of the run",
    "precision": "precision: references among the pages kept, of as many of each kind",
    "recall": "recall: references kept",
    "brier": "Brier score: mean squared error of the scores (always 0.5 has 0.25)",
    "ece": "expected calibration error: mean distance of a score from the share of references",
    "positives": "references to choose from",
    "negatives": "random pages to choose from",
    "trained": "pages trained on",
    "held_out": "pages held out",
    "epochs": "training epochs",
    "rate": "learning rate",
    "sample_pages": "pages of the crawl in the sample",
    "sample_trained_fraction": "fraction of the sample that it was trained on",
}

Sample = TypeVar("Sample", RemovedSample, KeptSample, LostDocument, OverlapSample)


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


def as_shown(data: ReportData) -> ReportData:
    """The data as the report shows it: finite, samples in a fixed order and masked."""
    clean = cast(ReportData, _finite(data))
    clean["samples"] = sorted(
        map(_masked, clean.get("samples", ())), key=lambda s: (s["source"], s["step"], s["reason"], s["id"])
    )
    clean["kept_samples"] = sorted(
        map(_masked, clean.get("kept_samples", ())), key=lambda s: (s["source"], s["id"])
    )
    if decontamination := clean.get("decontamination"):
        decontamination["samples"] = list(map(_masked, decontamination["samples"]))
    for source in clean["sources"].values():
        if "loss" in source:
            source["loss"]["most_lost"] = list(map(_masked, source["loss"]["most_lost"]))
    return clean


def _lm_columns(models: Models) -> list[str]:
    """Columns of the table of language models: the cuts first, then whatever else was recorded of them."""
    names = {key for facts in models.get("lm", {}).values() for key in facts} - {"language"}
    return [*(key for key in ("p30", "p60") if key in names), *sorted(names - {"p30", "p60"})]


def scalar_facts(mapping: Mapping[str, object]) -> list[tuple[str, Scalar]]:
    """The scalar entries of a model's description under names for people: its measures first, the rest by key."""
    measures = ("auc", "auc_low", "auc_high", "threshold", "precision", "recall", "brier", "ece")
    first = [key for key in measures if key in mapping]
    entries = ((key, mapping[key]) for key in [*first, *sorted(set(mapping) - set(first))])
    return [
        (FACT_NAMES.get(key, key.replace("_", " ")), value)
        for key, value in entries
        if isinstance(value, Scalar)
    ]


def template_context(data: ReportData) -> dict[str, object]:
    """Every name that the templates use, of data that `as_shown` made."""
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
        "losses": losses((source.name, source.color, source.facts.get("loss")) for source in sources),
        "decontamination": data.get("decontamination"),
        "benchmarks": benchmark_rows(data.get("decontamination")),
        "removals": _removals(sources)[:MAX_REMOVALS],
        "histograms": sorted(data.get("histograms", {}).items()),
        "models": models,
        "lm_columns": _lm_columns(models),
        "training": data.get("training"),
        "curves": curves(data.get("training"), colors),
        "ends": ends(data.get("training"), colors),
        "held_out": [source for source in sources if "validation" in source.facts],
        "tokenizer": shown_tokenizer(data.get("tokenizer"), colors),
        "capped": any(row.get("max_epochs") is not None for row in data["mixture"]),
        "kept_sources": [source for source in sources if source.kept_samples],
        "max_characters": MAX_SAMPLE_CHARACTERS,
        "max_rows": MAX_CONTENT_ROWS,
    }
