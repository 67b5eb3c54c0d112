"""From documents to the tokenizer: sample, train or take over, export, and measure how well it fits.

RUN/tokenizer holds the model, its files for Hugging Face, `report.json` (what it was trained on, with a digest of it)
and `fertility.json` (bytes per token, tokens per word and byte fallback, by source and language).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import files
from pipeline.files import Written
from pipeline.parts import read_documents
from pipeline.tasks import OUTSIDE, Result
from tokenizer.encoding import Encoder
from tokenizer.export import as_json, exported
from tokenizer.fertility import Fertility, FertilityMeter
from tokenizer.sampling import sampled_blocks
from tokenizer.sentencepiece_model import load_model
from tokenizer.training import MEMORY_PER_BYTE, train_tokenizer

FOLDER = "tokenizer"
TOKENIZER_PATH = f"{FOLDER}/tokenizer.model"
REPORT_PATH = f"{FOLDER}/report.json"
FERTILITY_PATH = f"{FOLDER}/fertility.json"

TRAINING_SAMPLE, FERTILITY_SAMPLE = (
    "tokenizer sample",
    "tokenizer fertility",
)  # the purposes of the two samples
SAMPLE_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string())])


@dataclass(frozen=True)
class SampleTexts:
    """The blocks of one part whose hash falls under `fraction`, for training the tokenizer."""

    source: str
    part: str
    output: str
    fraction: float
    seed: int


def sample_texts(run: str, work: SampleTexts) -> Result:
    documents = size = 0
    with (
        files.create(files.join(run, work.output)) as stream,
        pq.ParquetWriter(pa.PythonFile(stream, mode="w"), SAMPLE_SCHEMA, compression="zstd") as writer,
    ):
        for batch in read_documents(files.join(run, work.part), ["id", "text"]):
            ids, texts = [], []
            for id, text in zip(batch["id"].to_pylist(), batch["text"].to_pylist(), strict=True):
                blocks = list(
                    sampled_blocks(TRAINING_SAMPLE, work.seed, work.source, id, text, work.fraction)
                )
                documents += bool(blocks)
                texts += blocks
                ids += [id] * len(blocks)
            size += sum(len(text.encode()) for text in texts)
            writer.write_table(pa.table([ids, texts], schema=SAMPLE_SCHEMA))
    return Result({work.output: stream.written()}, {"documents": documents, "bytes": size})


@dataclass(frozen=True)
class SourceSample:
    """The samples of one source: its share of the budget, in bytes, what was found for it, and where."""

    wanted_bytes: int
    documents: int
    bytes: int
    paths: tuple[str, ...]


@dataclass(frozen=True)
class TrainTokenizer:
    sources: Mapping[str, SourceSample]
    vocabulary: int


def train_tokenizer_on_samples(run: str, work: TrainTokenizer) -> Result:
    """Trains on the samples of all sources. ValueError when the memory that is free is too little for them."""
    _refuse_too_much(sum(sample.bytes for sample in work.sources.values()))

    def texts() -> Iterator[str]:
        for sample in work.sources.values():
            for path in sample.paths:
                for batch in read_documents(files.join(run, path), ["text"]):
                    yield from batch["text"].to_pylist()

    with tempfile.TemporaryDirectory(prefix="llama-corpus-") as folder:
        local = os.path.join(folder, "tokenizer.model")
        report = train_tokenizer(texts(), local, vocabulary=work.vocabulary)
        report["sample"]["blocks"] = report["sample"].pop("documents")
        report["sample"]["sources"] = {
            source: {"wanted_bytes": s.wanted_bytes, "bytes": s.bytes, "documents": s.documents}
            for source, s in work.sources.items()
        }
        return _finished(run, local, report)


def _refuse_too_much(size: int) -> None:
    available = psutil.virtual_memory().available
    if size * MEMORY_PER_BYTE > available:
        raise ValueError(
            f"training on {size} bytes needs about {size * MEMORY_PER_BYTE / 1e9:.1f} GB of memory, "
            f"{available / 1e9:.1f} GB are free: set tokenizer.sample_bytes to "
            f"{int(available / MEMORY_PER_BYTE * 0.9)} or less"
        )


@dataclass(frozen=True)
class GivenTokenizer:
    """A model that the configuration names."""

    path: str = field(metadata=OUTSIDE)


def take_tokenizer(run: str, work: GivenTokenizer) -> Result:
    """Copies a given model into the run, with the same files beside it as a trained one has."""
    with files.local_copy(work.path) as local:
        identity = load_model(local).identity
        report = {
            "vocabulary": identity.vocabulary_size,
            "sha256": identity.sha256,
            "given": os.path.basename(work.path),
        }
        return _finished(run, local, report)


def _finished(run: str, local: str, report: dict[str, Any]) -> Result:
    """Writes a model on this machine, its files for Hugging Face and its report into the run."""
    outputs = {TOKENIZER_PATH: files.put(local, files.join(run, TOKENIZER_PATH))}
    for name, content in exported(load_model(local)).items():
        outputs[f"{FOLDER}/{name}"] = _written(run, f"{FOLDER}/{name}", content)
    outputs[REPORT_PATH] = _written(run, REPORT_PATH, as_json(report))
    return Result(outputs, report)


@dataclass(frozen=True)
class FertilityPart:
    """A part that is looked into, and which fraction of it."""

    path: str
    fraction: float


@dataclass(frozen=True)
class MeasureFertility:
    """`reference` is another model to compare with, None for none."""

    sources: Mapping[str, tuple[FertilityPart, ...]]
    seed: int
    reference: str | None = field(default=None, metadata=OUTSIDE)


def measure_fertility(run: str, work: MeasureFertility) -> Result:
    """Measures the run's tokenizer, and the reference, on a sample of each source."""
    with files.local_copy(files.join(run, TOKENIZER_PATH)) as local:
        encoders = {"tokenizer": Encoder(local)}
    if work.reference is not None:
        with files.local_copy(work.reference) as local:
            encoders["reference"] = Encoder(local)
    meters = {name: FertilityMeter(encoder) for name, encoder in encoders.items()}
    sources: dict[str, Any] = {}
    everything = dict.fromkeys(meters, Fertility())
    for source, parts in work.sources.items():
        languages: dict[str, dict[str, Fertility]] = {}
        for language, text in _fertility_texts(run, source, parts, work.seed):
            found = languages.setdefault(language, dict.fromkeys(meters, Fertility()))
            for name, meter in meters.items():
                found[name] += meter.measure(text)
        total = {name: sum((of[name] for of in languages.values()), Fertility()) for name in meters}
        everything = {name: everything[name] + total[name] for name in meters}
        by_size = sorted(languages, key=lambda of: (-languages[of]["tokenizer"].bytes, of))
        sources[source] = {
            **_ratios(total),
            "languages": {language: _ratios(languages[language]) for language in by_size},
        }
    report = {
        "models": {
            name: {"sha256": encoder.sha256, "vocabulary": encoder.vocabulary_size}
            for name, encoder in encoders.items()
        },
        "total": _ratios(everything),
        "sources": sources,
    }
    return Result({FERTILITY_PATH: _written(run, FERTILITY_PATH, as_json(report))}, report)


def _fertility_texts(
    run: str, source: str, parts: tuple[FertilityPart, ...], seed: int
) -> Iterator[tuple[str, str]]:
    """(language, block of text) of a sample."""
    for part in parts:
        for batch in read_documents(files.join(run, part.path), ["id", "text", "language"]):
            columns = (batch[name].to_pylist() for name in ("id", "text", "language"))
            for id, text, language in zip(*columns, strict=True):
                for block in sampled_blocks(FERTILITY_SAMPLE, seed, source, id, text, part.fraction):
                    yield language or "unknown", block


def _ratios(found: Mapping[str, Fertility]) -> dict[str, Any]:
    """The figures of the tokenizer, and those of the reference beside them when there is one."""
    figures: dict[str, Any] = found["tokenizer"].as_json()
    if "reference" in found:
        figures["reference"] = found["reference"].as_json()
    return figures


def _written(run: str, path: str, content: bytes) -> Written:
    with files.create(files.join(run, path)) as stream:
        stream.write(content)
    return stream.written()
