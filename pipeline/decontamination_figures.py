"""What manifest and report say of decontamination: what was searched for, what was found, and why it was off."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mixtures.report_data import Gate, OverlapSample
from pipeline import files
from pipeline.decontamination import FOLDER
from pipeline.model_files import BENCHMARKS_PATH, MODELS_NODE
from pipeline.plan import Done
from pipeline.recipes import DECONTAMINATED, SourceRecipe
from pipeline.settings import NONE, Settings
from stages.decontamination import Decontaminate

SAMPLES_PER_BENCHMARK = 5  # hits that the report shows with both texts
MAX_SAMPLED_FILES = 1_000  # read for them; the hits themselves are few

VERDICTS = ("kept", "dropped")


def summary(settings: Settings, recipes: Mapping[str, SourceRecipe], done: Done) -> dict[str, Any]:
    """What the manifest says: `modes` of the sources that were searched (`off`: why none was), and of each benchmark
    its items, those found, and by source the documents with a hit that were kept and dropped."""
    modes = {
        source: step.mode
        for source, recipe in recipes.items()
        for step in recipe.steps
        if isinstance(step, Decontaminate)
    }
    if not modes:
        return {"modes": {}, "benchmarks": {}, "documents": {}, "off": _why_off(settings)}
    gathered = next(m for m in done.markers[MODELS_NODE] if BENCHMARKS_PATH in m["outputs"])["statistics"]
    benchmarks = {
        name: {**counts, "found": 0, "passages_found": 0, "documents": {}}
        for name, counts in gathered["benchmarks"].items()
    }
    items: dict[str, set[int]] = {name: set() for name in benchmarks}
    passages: dict[str, set[int]] = {name: set() for name in benchmarks}
    documents: dict[str, dict[str, int]] = {}
    for source in modes:
        parts = done.statistics(f"{source}/{FOLDER}")
        documents[source] = {verdict: sum(part[verdict] for part in parts) for verdict in VERDICTS}
        for name, seen in _benchmarks_of(parts):
            items[name].update(seen["items"])
            passages[name].update(seen["passage_items"])
            counts = benchmarks[name]["documents"].setdefault(source, dict.fromkeys(VERDICTS, 0))
            for verdict in VERDICTS:
                counts[verdict] += seen[verdict]
    for name, facts in benchmarks.items():
        facts["found"] = len(items[name])
        facts["passages_found"] = len(passages[name] - items[name])
    return {
        "modes": modes,
        "benchmarks": benchmarks,
        "documents": documents,
        "off": "",
        "common_ngrams": gathered["common_ngrams"],
    }


def _benchmarks_of(parts: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for part in parts:
        yield from part["benchmarks"].items()


def _why_off(settings: Settings) -> str:
    if settings.decontaminate == NONE:
        return "switched off by decontaminate: none"
    if settings.recipe in DECONTAMINATED and not settings.benchmarks:
        return f"recipe {settings.recipe} searches for benchmarks, and none is named; set benchmarks"
    if settings.benchmarks:
        return "the step is left out of every source"
    return f"recipe {settings.recipe} does not search for benchmarks; set benchmarks and decontaminate"


def decontamination_gate(recipe: str, found: Mapping[str, Any], sources: Iterable[str]) -> Gate:
    """Red where the recipe decontaminates and nothing was searched for; amber where it is off, for some sources or all,
    or where documents with items were kept."""
    if found["off"]:
        return _gate("red" if recipe in DECONTAMINATED else "amber", f"not done: {found['off']}")
    benchmarks = found["benchmarks"].values()
    hit = sum(facts["found"] for facts in benchmarks)
    kept, dropped = (sum(of[verdict] for of in found["documents"].values()) for verdict in VERDICTS)
    unsearched = [source for source in sources if source not in found["modes"]]
    detail = (
        f"{hit:,} of {sum(facts['items'] for facts in benchmarks):,} items of {len(benchmarks)} benchmarks found; "
        f"{dropped:,} documents with an overlap dropped, {kept:,} kept"
    )
    if unsearched:
        detail += f"; not searched: {', '.join(unsearched)}"
    return _gate("amber" if kept or unsearched else "green", detail)


def _gate(state: Any, detail: str) -> Gate:
    return {"name": "Decontamination", "state": state, "detail": detail}


def overlap_samples(run: str) -> list[OverlapSample]:
    """Hits with both texts, of each benchmark those with the smallest hash, so that two people see the same ones."""
    paths = files.match(files.join(run, FOLDER), "*/*.jsonl")
    if len(paths) > MAX_SAMPLED_FILES:
        paths = [paths[i * len(paths) // MAX_SAMPLED_FILES] for i in range(MAX_SAMPLED_FILES)]
    best: dict[str, list[tuple[int, int, OverlapSample]]] = {}
    number = 0
    for path in paths:
        with files.open_binary(path) as stream:
            for line in stream:
                hit: OverlapSample = json.loads(line)
                if not hit["passage"]:
                    continue
                number += 1
                names = "\0".join((hit["source"], hit["id"], hit["benchmark"], str(hit["item"])))
                rank = int.from_bytes(hashlib.blake2b(names.encode(), digest_size=8).digest(), "big")
                heap = best.setdefault(hit["benchmark"], [])
                if len(heap) < SAMPLES_PER_BENCHMARK:
                    heapq.heappush(heap, (-rank, -number, hit))
                else:
                    heapq.heappushpop(heap, (-rank, -number, hit))
    return [hit for _, heap in sorted(best.items()) for _, _, hit in sorted(heap, key=lambda row: -row[0])]
