"""The tables behind the plots of the mixture report, as CSV.

Every table is written on every run, with its header alone when there is nothing to say, so that no table of an
earlier report is left beside a newer one. Cells that a spreadsheet would take for a formula get an apostrophe
in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from mixtures.report_data import DuplicatesData, ReportData, Scalar
from mixtures.report_decontamination import DECONTAMINATION_COLUMNS, decontamination_table
from mixtures.report_tokenizer import fertility_table
from mixtures.report_training import training_table

Row = Sequence[Scalar]


def _cell(value: Scalar) -> Scalar:
    # OWASP, "CSV Injection": the characters that make a cell a formula.
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )


def _csv(header: Sequence[str], rows: Iterable[Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _funnel(data: ReportData, order: Sequence[str]) -> Iterator[Row]:
    for source in order:
        for position, step in enumerate(data["sources"][source]["steps"]):
            yield (
                source,
                position,
                step["step"],
                step["documents_in"],
                step["documents_kept"],
                step["bytes_in"],
                step["bytes_kept"],
            )


def _removed(data: ReportData, order: Sequence[str]) -> Iterator[Row]:
    for source in order:
        for step in data["sources"][source]["steps"]:
            for reason, amount in sorted(step["removed"].items()):
                yield source, step["step"], reason, amount["documents"], amount["bytes"]


def cluster_sizes(found: DuplicatesData) -> list[tuple[int, int, int]]:
    """(smallest size, largest size, clusters) by rising size."""
    sizes = sorted((int(size), clusters) for size, clusters in found.get("cluster_sizes", {}).items())
    return [(size, 2 * size - 1, clusters) for size, clusters in sizes]


def _clusters(data: ReportData, order: Sequence[str]) -> Iterator[Row]:
    for source in order:
        for step, found in sorted(data["sources"][source].get("duplicates", {}).items()):
            for low, high, clusters in cluster_sizes(found):
                yield source, step, low, high, clusters


def _content(data: ReportData, order: Sequence[str]) -> Iterator[Row]:
    for source in order:
        facts = data["sources"][source]
        for kind, amounts in (
            ("language", facts["languages"]),
            ("license", facts["licenses"]),
            ("domain", facts["domains"]),
        ):
            for name, amount in sorted(amounts.items(), key=lambda item: (-item[1]["bytes"], item[0])):
                yield source, kind, name, amount["documents"], amount["bytes"]


def _loss(data: ReportData, order: Sequence[str]) -> Iterator[Row]:
    for source in order:
        if loss := data["sources"][source].get("loss"):
            for language, sums in [("", loss["total"]), *sorted(loss["languages"].items())]:
                for quantity, found in sorted(sums.items()):
                    yield source, language, quantity, found["documents"], found["raw"], found["kept"]


def _most_lost(data: ReportData, order: Sequence[str]) -> Iterator[Row]:
    for source in order:
        if loss := data["sources"][source].get("loss"):
            for lost in loss["most_lost"]:
                yield source, lost["id"], lost["url"], lost["raw"], lost["kept"]


def _mixture(data: ReportData) -> Iterator[Row]:
    for row in data["mixture"]:
        yield (
            row["source"],
            row["share"],
            row["share_present"],
            row["tokens_unique"],
            row["tokens_at_budget"],
            row["epochs"],
            row.get("max_epochs"),
            row["llama1_share"],
            row["llama1_epochs"],
            row["bytes_per_token"],
        )


def _histograms(data: ReportData) -> Iterator[Row]:
    for name, histogram in sorted(data.get("histograms", {}).items()):
        edges = histogram["edges"]
        for low, high, documents in zip(edges[:-1], edges[1:], histogram["counts"], strict=True):
            yield name, low, high, documents


def _reference(data: ReportData) -> Iterator[Row]:
    histogram = data.get("models", {}).get("reference", {}).get("histogram")
    if histogram:
        edges = histogram["edges"]
        yield from zip(edges[:-1], edges[1:], histogram["positives"], histogram["negatives"], strict=True)


def _reference_thresholds(data: ReportData) -> Iterator[Row]:
    for row in data.get("models", {}).get("reference", {}).get("curve", ()):
        yield row["threshold"], row["kept"], row["recall"], row["false_positive_rate"], row["precision"]


def _reference_reliability(data: ReportData) -> Iterator[Row]:
    for row in data.get("models", {}).get("reference", {}).get("reliability", ()):
        yield row["low"], row["high"], row["pages"], row["mean_score"], row["positive_fraction"]


def _held_out(data: ReportData, order: Sequence[str]) -> Iterator[Row]:
    for source in order:
        facts = data["sources"][source]
        if found := facts.get("validation"):
            moved = found["near_copies_of_training"]
            yield (
                source,
                found["candidates"],
                moved,
                found["candidates"] - moved,
                facts["tokens"]["validation"],
            )


def tables(data: ReportData, order: Sequence[str]) -> dict[str, str]:
    """File name to CSV text, for each plot and table of the report; sources in the given order."""
    return {
        "funnel.csv": _csv(
            (
                "source",
                "position",
                "step",
                "documents_in",
                "documents_kept",
                "bytes_in",
                "bytes_kept",
            ),
            _funnel(data, order),
        ),
        "removed.csv": _csv(("source", "step", "reason", "documents", "bytes"), _removed(data, order)),
        "mixture.csv": _csv(
            (
                "source",
                "share",
                "share_present",
                "tokens_unique",
                "tokens_at_budget",
                "epochs",
                "max_epochs",
                "llama1_share",
                "llama1_epochs",
                "bytes_per_token",
            ),
            _mixture(data),
        ),
        "content.csv": _csv(("source", "kind", "name", "documents", "bytes"), _content(data, order)),
        "clusters.csv": _csv(
            ("source", "step", "from_documents", "to_documents", "clusters"), _clusters(data, order)
        ),
        "loss.csv": _csv(("source", "language", "quantity", "documents", "raw", "kept"), _loss(data, order)),
        "most_lost.csv": _csv(
            ("source", "id", "url", "raw_characters", "kept_characters"), _most_lost(data, order)
        ),
        "decontamination.csv": _csv(
            DECONTAMINATION_COLUMNS, decontamination_table(data.get("decontamination"))
        ),
        "histograms.csv": _csv(("score", "low", "high", "documents"), _histograms(data)),
        "reference.csv": _csv(("low", "high", "positives", "negatives"), _reference(data)),
        "reference_thresholds.csv": _csv(
            ("threshold", "kept", "recall", "false_positive_rate", "precision"), _reference_thresholds(data)
        ),
        "reference_reliability.csv": _csv(
            ("low", "high", "pages", "mean_score", "positive_fraction"), _reference_reliability(data)
        ),
        "fertility.csv": _csv(
            (
                "source",
                "language",
                "model",
                "bytes",
                "words",
                "tokens",
                "byte_tokens",
                "bytes_per_token",
                "tokens_per_word",
                "byte_fallback_fraction",
            ),
            fertility_table(data.get("tokenizer")),
        ),
        "validation.csv": _csv(
            ("source", "candidates", "near_copies_of_training", "documents", "tokens"), _held_out(data, order)
        ),
        "training.csv": _csv(("series", "step", "loss"), training_table(data.get("training"))),
    }
