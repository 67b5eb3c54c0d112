"""The models that a run trains on its own documents: n-gram language models and the Wikipedia-reference classifier.

The language models read the run's Wikipedia documents; their cut-offs are percentiles of the perplexity of crawled
pages, which they have not seen. The classifier learns crawled pages that Wikipedia cites against pages drawn from the
same crawl by a hash of their id; what its thresholds keep is counted on pages that pass the steps before it.
"""

from __future__ import annotations

import heapq
import json
import os
import tempfile
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from classifiers.ngram_counts import MAX_ORDER
from classifiers.perplexity import train_language_model
from classifiers.reference_pages import Candidate
from classifiers.references import TrainingSettings, train_references
from pipeline import files
from pipeline.model_files import LM_FOLDER, REFERENCE_PATH, localized
from pipeline.parts import read_documents
from pipeline.tasks import Result
from stages.document import Rejected, from_batch
from stages.references import report_path
from stages.stage import ModelStage, Stage, prepared


@dataclass(frozen=True)
class TrainPerplexity:
    """An n-gram model per language, from the run's Wikipedia documents."""

    order: int = 5  # cc_net Makefile: lmplz -o 5
    vocabulary: int = 65_536  # cc_net Makefile: SentencePiece vocabulary; less when the text is too small
    max_articles: int = (
        1_000_000  # cc_net Makefile: the first million articles; here those with the smallest hash
    )
    max_text_bytes: int = 32_000_000  # of normalised text: 8 M tokens, 0.9 GB of memory, 2.5 minutes
    held_out_pages: int = (
        10_000  # crawled; their perplexities give the cut-offs, 10,000 fix a percentile to 1 %
    )
    # Our choice: a model must not depend on what else a machine has. `auto` becomes one of the others in the plan.
    trainer: Literal["numpy", "lmplz", "auto"] = "numpy"
    kenlm_programs: str = ""  # folder of lmplz and build_binary; empty: PATH

    def __post_init__(self) -> None:
        if not 2 <= self.order <= MAX_ORDER:  # KenLM, which reads the model, takes none of single words
            raise ValueError(f"order must be 2 to {MAX_ORDER}, not {self.order}")
        if min(self.vocabulary, self.max_articles, self.max_text_bytes, self.held_out_pages) < 1:
            raise ValueError("counts of pieces, articles, bytes and pages must be at least 1")


@dataclass(frozen=True)
class TrainReferences:
    """The linear classifier "used as a reference in Wikipedia" (LLaMA paper 2.1)."""

    match: Literal["url", "host"] = "url"  # a page is positive when Wikipedia cites its URL, or only its host
    min_positives: int = 20  # under this a classifier is noise; our choice
    max_pages: int = 300_000  # of each kind; RedPajama v1 aimed at 300,000 references
    max_pages_per_host: int = 100  # of each kind: a big site must not be the class; our choice
    max_characters: int = 20_000  # of one page: a few giant pages must not be the model
    held_out_fraction: float = 0.1  # of each kind, by host, and 200 pages at least; our choice
    # Of the whole crawl, to count what a threshold keeps of those that reach the classifier: 10,000 fix a share to 1 %.
    sample_pages: int = 10_000

    def __post_init__(self) -> None:
        pages = (self.min_positives, self.max_pages, self.max_pages_per_host, self.sample_pages)
        if min(*pages, self.max_characters) < 1:
            raise ValueError("counts of pages and characters must be at least 1")
        if not 0 < self.held_out_fraction <= 0.5:
            raise ValueError(
                f"held_out_fraction must be above 0 and at most 0.5, not {self.held_out_fraction}"
            )


REFERENCE_REPORT_PATH = report_path(REFERENCE_PATH)
MAX_HELD_OUT_BYTES = 1 << 30


def hash_order(seed: int, purpose: str, id: str) -> int:
    """A 64-bit hash that orders or samples documents for one purpose."""
    return int(xxhash.xxh3_64_intdigest(f"{purpose}\0{id}".encode(), seed=seed))


def _smallest(
    paths: list[str], language: str, count: int, max_bytes: int, seed: int, purpose: str
) -> Iterator[tuple[str, str]]:
    """(id, text) of the documents of a language with the smallest hashes, in the order of the parts: at most `count`,
    and as many as fit into `max_bytes` of text.

    Two readings: ids and sizes first, so that no more texts are in memory than one row group.
    """
    heap: list[tuple[int, str, int]] = []
    for path in paths:
        for batch in read_documents(path, ["id", "language", "text"]):
            columns = (batch["id"], batch["language"], pc.binary_length(batch["text"]))
            for id, found, size in zip(*(column.to_pylist() for column in columns), strict=True):
                if found == language:
                    item = (-hash_order(seed, purpose, id), id, size)
                    (heapq.heappush if len(heap) < count else heapq.heappushpop)(heap, item)
    chosen: set[str] = set()
    total = 0
    for _, id, size in sorted(heap, reverse=True):
        total += size
        if total > max_bytes:
            break
        chosen.add(id)
    for path in paths:
        for batch in read_documents(path, ["id", "language", "text"]):
            columns = (batch["id"], batch["language"], batch["text"])
            for id, found, text in zip(*(column.to_pylist() for column in columns), strict=True):
                if found == language and id in chosen:
                    yield id, text


@dataclass(frozen=True)
class TrainLanguageModel:
    """One language's model: `articles` are parts to learn from, `pages` parts whose perplexity gives the cut-offs."""

    step: TrainPerplexity
    language: str
    articles: tuple[str, ...]
    pages: tuple[str, ...]
    seed: int


def train_one_language(run: str, work: TrainLanguageModel) -> Result:
    articles = [files.join(run, part) for part in work.articles]
    pages = [files.join(run, part) for part in work.pages]
    step, language = work.step, work.language
    learned = _smallest(articles, language, step.max_articles, step.max_text_bytes, work.seed, "lm")
    held_out = _smallest(pages, language, step.held_out_pages, MAX_HELD_OUT_BYTES, work.seed, "cutoffs")
    with tempfile.TemporaryDirectory(prefix="llama-corpus-") as folder:
        report = train_language_model(
            (text for _, text in learned),
            folder,
            language,
            order=step.order,
            vocabulary=step.vocabulary,
            max_bytes=2
            * step.max_text_bytes,  # normalising can lengthen a text; all that was chosen is learned
            held_out=(text for _, text in held_out),
            trainer=step.trainer,
            programs_folder=step.kenlm_programs,
        )
        outputs = {}
        for name in sorted(os.listdir(folder)):
            path = f"{LM_FOLDER}/{name}"
            outputs[path] = files.put(os.path.join(folder, name), files.join(run, path))
    assert report["cutoffs"] is not None
    p30, p60 = report["cutoffs"]
    return Result(outputs, {**report, "p30": p30, "p60": p60})


@dataclass(frozen=True)
class TrainClassifier:
    """The classifier, from the candidates of all parts; `before` are the steps that a page passes before it."""

    step: TrainReferences
    candidates: tuple[str, ...]
    before: tuple[Stage | ModelStage, ...]
    seed: int


def train_classifier(run: str, work: TrainClassifier) -> Result:
    """Writes the model and, beside it, its report as JSON; the plain figures of the report are the statistics.

    The candidates are read four times (to choose, to see who of the sample reaches the classifier, to train, to
    measure), so that their texts are never in memory.
    """
    paths = [files.join(run, path) for path in work.candidates]
    step = work.step
    found: list[Candidate] = []
    sampled: list[tuple[int, int]] = []
    for path in paths:
        for batch in read_documents(path, ["order", "digest", "cited", "host", "characters", "sample"]):
            for row in batch.to_pylist():
                if row["sample"] is not None:
                    sampled.append((row["sample"], row["digest"]))
                if row["order"] is not None:
                    found.append(Candidate(*(row[name] for name in Candidate._fields)))

    def read_texts(wanted: AbstractSet[int]) -> Iterator[tuple[int, str]]:
        for path in paths:
            for batch in read_documents(path, ["digest", "text"]):
                for digest, text in zip(batch["digest"].to_pylist(), batch["text"], strict=True):
                    if digest in wanted:
                        yield digest, text.as_py()

    settings = TrainingSettings(
        min_positives=step.min_positives,
        max_pages=step.max_pages,
        max_pages_per_host=step.max_pages_per_host,
        held_out_fraction=step.held_out_fraction,
    )
    chosen = [hash for hash, _ in heapq.nsmallest(step.sample_pages, sampled)]
    sample = _reaching(run, work, chosen)
    with tempfile.TemporaryDirectory(prefix="llama-corpus-") as folder:
        local = os.path.join(folder, "reference.bin")
        report = train_references(found, read_texts, local, work.seed, settings, sample)
        written = {REFERENCE_PATH: files.put(local, files.join(run, REFERENCE_PATH))}
    with files.create(files.join(run, REFERENCE_REPORT_PATH)) as stream:
        stream.write(json.dumps(report, indent=1, sort_keys=True).encode("utf-8") + b"\n")
    written[REFERENCE_REPORT_PATH] = stream.written()
    figures = {name: value for name, value in report.items() if not isinstance(value, list | dict)}
    return Result(written, figures)


def _reaching(run: str, work: TrainClassifier, sample: list[int]) -> list[int]:
    """The digests of the texts of the sampled pages that reach the classifier; `sample` are their hashes."""
    if not sample:
        return []
    transforms = [prepared(localized(run, stage)) for stage in work.before]
    wanted, reached = pa.array(sample, pa.uint64()), []
    for path in work.candidates:
        for batch in read_documents(files.join(run, path)):
            rows = batch.filter(pc.is_in(batch["sample"], value_set=wanted))
            for document, digest in zip(from_batch(rows), rows["digest"].to_pylist(), strict=True):
                for transform in transforms:
                    outcome = transform(document)
                    if isinstance(outcome, Rejected):
                        break
                    assert outcome.text == document.text, "a text was edited between training and classifier"
                    document = outcome
                else:
                    reached.append(digest)
    return reached
