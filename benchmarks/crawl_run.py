"""The real pipeline on crawl files: its models, its configuration, and the command that runs CommonCrawl alone.

The models are small and given, so that runs are equal: language id as installed, the English language model of the
shared goldens with the cut-offs that belong to it, and a reference classifier trained once on the shared pages
(positives: pages of hosts that Wikipedia cites).
"""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fasttext
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from mixtures.mixture import load_mixture
from pipeline import inputs
from pipeline.inputs import Input
from pipeline.plan import Done
from pipeline.plan_run import RunPlanner
from pipeline.resolve_recipes import resolve
from pipeline.settings import Settings, load_settings
from stages.document import Document
from stages.sources.common_crawl import CommonCrawl

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"
LANGUAGE = "en"
CUTOFFS = {"p30": 265.7, "p60": 295.4}  # goldens/ccnet/README.md: run cut-offs of English, window `all`
WINDOW = "drop_duplicate_lines"
MAX_CHARACTERS = 20_000  # of a page that the classifier learns from


@dataclass(frozen=True)
class Models:
    """The folder of language models and the reference classifier's file."""

    lm: Path
    reference: Path


def prepare_models(data: Path, work: Path) -> Models:
    """The models under a work folder, made when they are not there."""
    models = Models(work / "models" / "lm", work / "models" / "reference.bin")
    if not models.lm.is_dir():
        unfinished = work / "models" / "lm.tmp"
        unfinished.mkdir(parents=True, exist_ok=True)
        for name in (f"{LANGUAGE}.arpa.bin", f"{LANGUAGE}.sp.model"):
            shutil.copyfile(data / "goldens" / "ccnet" / "models" / name, unfinished / name)
        (unfinished / f"{LANGUAGE}.json").write_text(json.dumps({"language": LANGUAGE, **CUTOFFS}))
        unfinished.rename(models.lm)
    if not models.reference.is_file():
        _train_reference(data, models.reference)
    return models


def shared_pages(data: Path) -> list[Document]:
    """The documents of the shared WET files, in the order of the files."""
    pages = []
    for path in sorted((data / "commoncrawl" / "repacked").rglob("*.warc.wet.gz")):
        with path.open("rb") as stream:
            pages += [page for page in CommonCrawl().read(stream, path.name) if isinstance(page, Document)]
    if not pages:
        raise ValueError(f"no shared WET files in {data}; name the data folder with --data")
    return pages


def _train_reference(data: Path, path: Path) -> None:
    """A fastText model with the labels of RedPajama v1's published one, which the pipeline takes as it is."""
    cited, text = _cited_hosts(data), path.with_suffix(".txt")
    wiki: list[str] = []
    others: list[str] = []
    for page in shared_pages(data):
        (wiki if page.metadata.get("domain") in cited else others).append(page.text[:MAX_CHARACTERS])
    others = others[:: max(1, len(others) // len(wiki))]
    with text.open("w", encoding="utf-8", newline="\n") as lines:
        for label, texts in (("__label__wiki", wiki), ("__label__cc", others)):
            lines.writelines(f"{label} {' '.join(one.split())}\n" for one in texts)
    model = fasttext.train_supervised(str(text), epoch=25, lr=0.5, thread=1, seed=42, verbose=0)
    text.unlink()
    model.save_model(str(path.with_suffix(".tmp")))
    path.with_suffix(".tmp").rename(path)


def _cited_hosts(data: Path) -> set[str]:
    table = data / "commoncrawl" / "wikipedia-host-overlap.tsv.gz"
    with gzip.open(table, "rt", encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {host for _, host, urls, _ in rows if int(urls) > 0}


def write_config(
    path: Path, crawl_files: Sequence[Path], models: Models | None, window_files: int | None = None
) -> Path:
    """A configuration with nothing but CommonCrawl in English, its models given.

    `models` is None for a recipe that reads none, `window_files`, of line deduplication, for one without it.
    """
    crawl: dict[str, object] = {"inputs": [str(file) for file in crawl_files], "languages": [LANGUAGE]}
    if window_files is not None:
        crawl["steps"] = {WINDOW: {"window_files": window_files}}
    config: dict[str, object] = {"recipe": "llama1", "sources": {"commoncrawl": crawl}}
    if models is not None:
        config["models"] = {"lm": str(models.lm), "reference": str(models.reference)}
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def last_step(settings: Settings) -> str:
    """The node that writes the final documents of CommonCrawl: `run --only` it leaves tokenizer and shards out."""
    recipes = resolve(settings)
    given = {
        "commoncrawl": [Input(path, name, 0, "") for path, name in inputs.expand(settings, "commoncrawl")]
    }
    mixture = load_mixture(settings.mixture, settings.folder)
    plan = RunPlanner(settings, recipes, given, mixture, Done("")).plan()
    return plan.sources["commoncrawl"].final


def command(config: Path, run: Path, workers: int = 1) -> list[str]:
    """`llama-corpus run` to the final documents, in a process of its own."""
    console, only = str(Path(sys.executable).parent / "llama-corpus"), last_step(load_settings(str(config)))
    return [
        console,
        "run",
        str(config),
        "--out",
        str(run),
        "--only",
        only,
        "--workers",
        str(workers),
        "--quiet",
    ]


def documents(run: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of the final documents of a run, in the order of its parts."""
    parts = sorted((run / "documents" / "commoncrawl").glob("*.parquet"))
    return pa.concat_tables([pq.read_table(part, columns=list(columns)) for part in parts])
