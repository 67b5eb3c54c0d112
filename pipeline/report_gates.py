"""The gates of the mixture report: what must hold, or needs a look, before anyone trains on a run.

In: the manifest of a finished run. Out: one gate a question, each with the figures that decided. A run whose accounts
do not add up, or of which a source is empty, has ended in an error before and has no report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mixtures.planner import MAX_EPOCHS_WITHOUT_WARNING
from mixtures.report_data import Gate, SourceSampleData
from mixtures.report_text import share as per_cent
from mixtures.report_tokenizer import sample_shares
from pipeline.decontamination_figures import decontamination_gate
from pipeline.loss_floors import loss_gate
from pipeline.reference_figures import reference_gate
from stages.document import SOURCES

DAMAGED = (
    "damaged_record",
    "truncated_file",
    "http_header_damaged",
)  # reasons of readers for bytes that are wrong
MAX_DAMAGED_FRACTION = 0.001  # users' gate: more than 0.1 % of records set aside needs a look
MAX_SAMPLE_RATIO = 2.0  # of a source in the tokenizer's sample to its share of the mixture


def gates(manifest: dict[str, Any]) -> list[Gate]:
    """What a lead looks at before signing off."""
    absent = [s for s in SOURCES if s not in manifest["sources"]]
    found: list[Gate] = [
        {
            "name": "Accounts",
            "state": "green",
            "detail": "every step of every source: in = kept + removed, in documents and bytes",
        },
        {
            "name": "Sources",
            "state": "amber" if absent else "green",
            "detail": f"not in this run: {', '.join(absent)}" if absent else "all sources are there",
        },
    ]
    repeated = [
        row["source"] for row in manifest["mixture"] if (row["epochs"] or 0) > MAX_EPOCHS_WITHOUT_WARNING
    ]
    found.append(
        {
            "name": "Repetition",
            "state": "amber" if repeated else "green",
            "detail": f"more than 4 epochs at this budget: {', '.join(repeated)}"
            if repeated
            else "no source is read more than 4 times at this budget",
        }
    )
    found.append(_damage_gate(manifest["sources"].values()))
    unmeasured = [
        name for name, account in manifest["sources"].items() if not account["tokens"]["validation"]
    ]
    found.append(
        {
            "name": "Validation",
            "state": "amber" if unmeasured else "green",
            "detail": f"no validation tokens: {', '.join(unmeasured)}; raise shards.validation_fraction"
            if unmeasured
            else "every source has documents held out",
        }
    )
    if sample := manifest["tokenizer"].get("sample"):
        found.append(_sample_gate(sample["sources"]))
    if parsers := loss_gate(manifest["sources"]):
        found.append(parsers)
    if decontamination := manifest.get("decontamination"):
        found.append(decontamination_gate(manifest["recipe"], decontamination, manifest["sources"]))
    reference = manifest["models"].get("reference", {})
    if "auc" in reference:
        found.append(reference_gate(reference))
    return found


def _damage_gate(sources: Iterable[dict[str, Any]]) -> Gate:
    read = [step for source in sources for step in source["steps"] if step["step"] == "read"]
    records = sum(step["documents_in"] for step in read)
    damaged = sum(
        step["removed"].get(reason, {"documents": 0})["documents"] for step in read for reason in DAMAGED
    )
    much = damaged > MAX_DAMAGED_FRACTION * records
    return {
        "name": "Damaged records",
        "state": "amber" if much else "green",
        "detail": f"{damaged:,} of {records:,} records set aside as damaged",
    }


def _sample_gate(sources: Mapping[str, SourceSampleData]) -> Gate:
    """Where other sources have less than is wanted of them, a large one can make up most of the tokenizer's sample."""
    much = [
        f"{name} is {per_cent(share)} of its sample and {per_cent(wanted)} of the mixture"
        for name, (share, wanted) in sample_shares(sources).items()
        if share > MAX_SAMPLE_RATIO * wanted
    ]
    return {
        "name": "Tokenizer",
        "state": "amber" if much else "green",
        "detail": f"{', '.join(much)}; set tokenizer.sample_bytes to what every source can fill"
        if much
        else "no source has more than twice its share of the mixture in the sample it was trained on",
    }
