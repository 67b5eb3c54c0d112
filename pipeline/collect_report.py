"""Collects what the mixture report shows from a finished run: manifest, samples, score histograms, training curve.

Samples are read from at most `MAX_PARTS` parts of a folder, spread evenly; they are the documents with the smallest
hash, so that two people see the same ones.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from mixtures.report import write_report
from mixtures.report_data import (
    DecontaminationData,
    Histogram,
    KeptSample,
    RemovedSample,
    ReportData,
    Threshold,
    TokenizerData,
    Training,
)
from pipeline import files
from pipeline.decontamination_figures import overlap_samples
from pipeline.finished_run import read_manifest
from pipeline.make_tokenizer import FERTILITY_PATH
from pipeline.manifest import CONFIG
from pipeline.parts import read_documents
from pipeline.reference_figures import reference_report, reference_threshold, with_curves
from pipeline.report_gates import gates
from pipeline.score_histograms import EDGES
from stages.document import SOURCES

MAX_PARTS = 64
SAMPLES_PER_REASON = 6
KEPT_SAMPLES_PER_SOURCE = 5
SAMPLE_CHARACTERS = 1_500


def collect_report(folder: str) -> str:
    """Writes the report of a run and returns the path of its page. Raises as `read_manifest`."""
    manifest = read_manifest(folder)
    with files.open_binary(files.join(folder, CONFIG)) as stream:
        config = yaml.safe_load(stream.read())
    training = _training(folder, manifest["tokenizer"]["sha256"])
    threshold = reference_threshold(folder, config)
    data: ReportData = {
        "run": {
            "name": os.path.basename(os.path.normpath(folder)),
            "recipe": manifest["recipe"],
            "seed": manifest["seed"],
            "tokens_budget": config["tokens"],
            "created": None,
            "versions": manifest["versions"],
            "config_sha256": manifest["config_sha256"],
        },
        "sources": manifest["sources"],
        "absent_sources": [s for s in SOURCES if s not in manifest["sources"]],
        "mixture": manifest["mixture"],
        "mixture_warnings": manifest.get("mixture_warnings", []),
        "gates": gates(manifest),
        "models": _models(manifest["models"], reference_report(folder), threshold),
        "tokenizer": _tokenizer(folder, manifest["tokenizer"]),
        "histograms": _histograms(manifest, config, threshold),
        "samples": list(_removed_samples(folder)),
        "kept_samples": [s for source in manifest["sources"] for s in _kept_samples(folder, source)],
        "decontamination": _decontamination(folder, manifest),
        "training": training,
    }
    page = files.join(folder, "report")
    with tempfile.TemporaryDirectory(prefix="llama-corpus-") as local:
        write_report(data, Path(local))
        for path in sorted(p for p in Path(local).rglob("*") if p.is_file()):
            files.put(str(path), files.join(page, str(path.relative_to(local))))
    return files.join(page, "index.html")


def _decontamination(folder: str, manifest: dict[str, Any]) -> DecontaminationData | None:
    """What the manifest says of it, with hits to show; None for a run of a version that did not know it."""
    found: DecontaminationData | None = manifest.get("decontamination")
    return None if found is None else {**found, "samples": overlap_samples(folder)}


def _models(models: dict[str, Any], report: dict[str, Any], threshold: float | None) -> Any:
    """The models as the report shows them: plain figures, and the classifier's figures at the threshold of the run."""
    shown = dict(models)
    if "lm" in shown:
        shown["lm"] = {
            language: {k: v for k, v in facts.items() if not isinstance(v, list)}
            for language, facts in shown["lm"].items()
        }
    if "reference" in shown:
        shown["reference"] = with_curves(shown["reference"], report, threshold)
    return shown


def _tokenizer(folder: str, facts: dict[str, Any]) -> TokenizerData:
    """The tokenizer with what was measured of its fit."""
    shown: TokenizerData = {"sha256": facts["sha256"], "vocabulary": facts["vocabulary"]}
    if "given" in facts:
        shown["given"] = facts["given"]
    if "sample" in facts:
        shown["sample"] = facts["sample"]
    if files.exists(path := files.join(folder, FERTILITY_PATH)):
        shown["fertility"] = files.read_json(path)
    return shown


def _spread(paths: Sequence[str]) -> list[str]:
    """At most `MAX_PARTS` of the paths, evenly spread."""
    if len(paths) <= MAX_PARTS:
        return list(paths)
    return [paths[i * len(paths) // MAX_PARTS] for i in range(MAX_PARTS)]


def _rank(*names: str) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(names).encode(), digest_size=8).digest(), "big")


def _removed_folders(folder: str) -> Iterator[tuple[str, str, list[str]]]:
    """(source, step, paths) of what was removed, in order."""
    for source in SOURCES:
        by_step: dict[str, list[str]] = {}
        for path in files.match(files.join(folder, "removed", source), "*/*.parquet"):
            by_step.setdefault(path.split("/")[-2], []).append(path)
        for step, paths in sorted(by_step.items()):
            yield source, step, _spread(paths)


def _removed_samples(folder: str) -> Iterator[RemovedSample]:
    columns = ["id", "reason", "score", "detail", "url", "language", "text"]
    for source, step, paths in _removed_folders(folder):
        best: dict[str, list[tuple[int, int, dict[str, Any]]]] = {}
        number = 0
        for path in paths:
            for batch in read_documents(path, columns):
                for row in batch.to_pylist():
                    number += 1
                    heap = best.setdefault(row["reason"], [])
                    item = (-_rank(source, row["id"], str(number)), -number, row)
                    if len(heap) < SAMPLES_PER_REASON:
                        heapq.heappush(heap, item)
                    else:
                        heapq.heappushpop(heap, item)
        for reason, heap in sorted(best.items()):
            for _, _, row in sorted(heap, key=lambda item: -item[0]):
                yield {
                    "source": source,
                    "step": step,
                    "reason": reason,
                    "id": row["id"],
                    "url": row["url"],
                    "language": row["language"],
                    "score": row["score"],
                    "text": row["text"][:SAMPLE_CHARACTERS],
                    "detail": row["detail"][:SAMPLE_CHARACTERS],
                }


def _document_paths(folder: str, source: str) -> list[str]:
    return _spread(files.match(files.join(folder, "documents", source), "*.parquet"))


def _kept_samples(folder: str, source: str) -> Iterator[KeptSample]:
    chosen: list[tuple[int, str]] = []
    for path in _document_paths(folder, source):
        for batch in read_documents(path, ["id"]):
            chosen = heapq.nsmallest(
                KEPT_SAMPLES_PER_SOURCE, [*chosen, *((_rank(source, i), i) for i in batch["id"].to_pylist())]
            )
    wanted = {id for _, id in chosen}
    found: dict[str, KeptSample] = {}
    columns = ["id", "url", "title", "language", "text", "scores"]
    for path in _document_paths(folder, source):
        for batch in read_documents(path, columns):
            for index, id in enumerate(batch["id"].to_pylist()):
                if id in wanted:
                    (row,) = batch.slice(index, 1).to_pylist()
                    found[id] = {
                        "source": source,
                        "id": id,
                        "url": row["url"],
                        "title": row["title"],
                        "language": row["language"],
                        "text": row["text"][:SAMPLE_CHARACTERS],
                        "scores": dict(row["scores"]),
                    }
    yield from (found[id] for _, id in chosen)


def _histograms(
    manifest: dict[str, Any], config: dict[str, Any], threshold: float | None
) -> dict[str, Histogram]:
    """The scores of the crawled pages with the thresholds that were set on them."""
    steps = config["sources"].get("commoncrawl", {}).get("steps", {})
    histograms: dict[str, Histogram] = {}
    for name, counts in manifest["sources"].get("commoncrawl", {}).get("histograms", {}).items():
        edges = EDGES[name]
        thresholds: list[Threshold] = []
        kept: tuple[float | None, float | None] = (None, None)
        if name == "language_score":
            kept = (steps["keep_language"]["min_score"], None)
            thresholds = [_threshold("threshold", steps["keep_language"]["min_score"])]
        elif name == "reference":
            kept = (threshold, None)
            thresholds = [] if threshold is None else [_threshold("threshold", threshold)]
        else:
            used = [i for i, count in enumerate(counts) if count]
            edges, counts = edges[used[0] : used[-1] + 2], counts[used[0] : used[-1] + 1]
            models = list(manifest["models"].get("lm", {}).values())
            if len(models) == 1 and "p30" in models[0]:
                p30, p60 = models[0]["p30"], models[0]["p60"]
                thresholds = [_threshold("head", p30), _threshold("middle", p60)]
                kept = _kept_perplexities(steps["keep_perplexity"]["keep"], p30, p60)
        title = f"{name.replace('_', ' ').capitalize()} of crawled pages"
        histograms[name] = {
            "edges": edges,
            "counts": counts,
            "title": title,
            "thresholds": thresholds,
            "kept": kept,
        }
        if name == "perplexity":
            histograms[name]["logarithmic"] = True
    return histograms


def _kept_perplexities(buckets: Sequence[str], p30: float, p60: float) -> tuple[float | None, float | None]:
    """The interval that these buckets make; open on both sides when they leave a hole in the middle."""
    if set(buckets) == {"head", "tail"}:
        return None, None
    low = None if "head" in buckets else p30 if "middle" in buckets else p60
    high = None if "tail" in buckets else p60 if "middle" in buckets else p30
    return low, high


def _threshold(label: str, value: float) -> Threshold:
    return {"label": label, "value": value}


def _training(folder: str, tokenizer_sha256: str) -> Training | None:
    """The training curve of RUN/train, or None when nothing was trained yet."""
    metrics, summary = (files.join(folder, "train", name) for name in ("metrics.jsonl", "summary.json"))
    if not files.exists(metrics) or not files.exists(summary):
        return None
    found = files.read_json(summary)
    if found["tokenizer_sha256"] != tokenizer_sha256:  # trained on an earlier state of this run
        return None
    steps: list[int] = []
    losses: list[float | None] = []
    validation: dict[str, list[list[float | None]]] = {}
    bits: dict[str, list[list[float | None]]] = {}
    with files.open_binary(metrics) as stream:
        rows = [json.loads(line) for line in stream.read().splitlines()]
    for row in rows:
        if "loss" in row:
            steps.append(row["step"])
            losses.append(row["loss"])
        for into, key in ((validation, "validation"), (bits, "validation_bits_per_byte")):
            for source, value in (row.get(key) or {}).items():
                into.setdefault(source, []).append([row["step"], value])
    return {
        "steps": steps,
        "loss": losses,
        "validation": validation,
        "bits_per_byte": bits,
        "unigram": found.get("unigram_loss", {}),
        "preset": found["preset"],
        "parameters": found["parameters"],
    }
