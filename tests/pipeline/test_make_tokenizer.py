"""Making the tokenizer: the sample by shares, the files beside the model, and how well it fits."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixtures.mixture import load_mixture
from pipeline.make_tokenizer import (
    FertilityPart,
    GivenTokenizer,
    MeasureFertility,
    SampleTexts,
    SourceSample,
    TrainTokenizer,
    measure_fertility,
    sample_texts,
    take_tokenizer,
    train_tokenizer_on_samples,
)
from pipeline.plan import Done
from pipeline.plan_tokenizer import SAMPLE, TOKENIZER, TokenizerMaking
from pipeline.settings import Settings, UsageError, parse_settings
from pipeline.tasks import execute

FILES = [
    "fertility.json",
    "report.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
]


def part(run: Path, name: str, rows: list[tuple[str, str, str | None]]) -> str:
    """A part with (id, text, language) of documents; its path in the run."""
    columns = dict(zip(("id", "text", "language"), zip(*rows, strict=True), strict=True))
    path = run / "documents" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({k: list(v) for k, v in columns.items()}), path)
    return f"documents/{name}"


def books(run: Path) -> str:
    return part(
        run, "books/a.parquet", [(f"b{n}", "The cat sat on the mat.\n" * 800, "en") for n in range(50)]
    )


def wiki(run: Path) -> str:
    rows = [(f"w{n}", "Der Hund saß auf dem Weg 45.\n" * 40, ("de", "en", None)[n % 3]) for n in range(50)]
    return part(run, "wikipedia/a.parquet", rows)


def samples(run: Path, fraction: float) -> dict[str, SourceSample]:
    found = {}
    for source, path in (("books", books(run)), ("wikipedia", wiki(run))):
        result = sample_texts(str(run), SampleTexts(source, path, f"work/s/{source}.parquet", fraction, 1))
        found[source] = SourceSample(
            1000, result.statistics["documents"], result.statistics["bytes"], tuple(result.outputs)
        )
    return found


def test_samples_blocks_by_fraction_and_counts_them(tmp_path: Path) -> None:
    sampled = samples(tmp_path, 0.3)["books"]
    rows = pq.read_table(tmp_path / sampled.paths[0]).to_pylist()
    assert sum(len(row["text"]) for row in rows) == sampled.bytes
    assert len({row["id"] for row in rows}) == sampled.documents
    assert 0.2 < sampled.bytes / (50 * 800 * 24) < 0.4
    assert samples(tmp_path, 1.0)["books"].bytes == 50 * 800 * 24


def test_trains_on_the_samples_and_says_on_what(tmp_path: Path) -> None:
    sources = samples(tmp_path, 0.5)
    result = train_tokenizer_on_samples(str(tmp_path), TrainTokenizer(sources, 300))
    report = json.loads((tmp_path / "tokenizer/report.json").read_text(encoding="utf-8"))
    assert report == result.statistics
    assert report["sample"]["lines_skipped"] == 0
    assert report["sample"]["sources"]["wikipedia"] == {
        "wanted_bytes": 1000,
        "bytes": sources["wikipedia"].bytes,
        "documents": sources["wikipedia"].documents,
    }
    fed = hashlib.sha256()
    for source in ("books", "wikipedia"):
        for text in pq.read_table(tmp_path / sources[source].paths[0])["text"].to_pylist():
            fed.update(b"".join(line.encode() + b"\n" for line in text.split("\n") if line))
    assert report["sample"]["sha256"] == fed.hexdigest()
    model = (tmp_path / "tokenizer/tokenizer.model").read_bytes()
    assert report["sha256"] == hashlib.sha256(model).hexdigest()
    assert sorted(result.outputs) == [f"tokenizer/{name}" for name in FILES if name != "fertility.json"]


def test_a_given_model_gets_the_same_files(tmp_path: Path) -> None:
    trained = train_tokenizer_on_samples(
        str(tmp_path / "a"), TrainTokenizer(samples(tmp_path / "a", 1.0), 300)
    )
    path = tmp_path / "a/tokenizer/tokenizer.model"
    taken = take_tokenizer(str(tmp_path / "b"), GivenTokenizer(str(path)))
    assert taken.statistics == {
        "vocabulary": 300,
        "sha256": trained.statistics["sha256"],
        "given": "tokenizer.model",
    }
    assert {p: w for p, w in taken.outputs.items() if "report" not in p} == {
        p: w for p, w in trained.outputs.items() if "report" not in p
    }


def test_refuses_to_train_on_more_than_fits_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Memory:
        available = 1_000_000

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    work = TrainTokenizer({"books": SourceSample(10**6, 1, 10**6, ())}, 300)
    with pytest.raises(ValueError, match=r"set tokenizer\.sample_bytes to 97826 or less"):
        train_tokenizer_on_samples(str(tmp_path), work)


def test_measures_each_source_and_language_and_a_reference(tmp_path: Path) -> None:
    run = str(tmp_path)
    train_tokenizer_on_samples(run, TrainTokenizer(samples(tmp_path, 1.0), 300))
    train_tokenizer_on_samples(str(tmp_path / "other"), TrainTokenizer(samples(tmp_path / "other", 1.0), 284))
    parts = {"wikipedia": (FertilityPart("documents/wikipedia/a.parquet", 1.0),)}
    alone = measure_fertility(run, MeasureFertility(parts, 1)).statistics
    wikipedia = alone["sources"]["wikipedia"]
    assert list(wikipedia["languages"]) == ["de", "en", "unknown"]
    assert wikipedia["bytes"] == 50 * 40 * 30 and wikipedia["words"] == 50 * 40 * 7
    assert wikipedia["tokens"] == sum(found["tokens"] for found in wikipedia["languages"].values())
    assert wikipedia["bytes_per_token"] == wikipedia["bytes"] / wikipedia["tokens"]
    assert alone["total"] == {name: value for name, value in wikipedia.items() if name != "languages"}
    reference = str(tmp_path / "other/tokenizer/tokenizer.model")
    both = measure_fertility(run, MeasureFertility(parts, 1, reference)).statistics
    assert both["models"]["reference"]["vocabulary"] == 284
    compared = both["sources"]["wikipedia"]
    assert compared["reference"]["tokens"] > compared["tokens"]
    assert {**compared, "languages": 0, "reference": 0} == {**wikipedia, "languages": 0, "reference": 0}
    assert compared["languages"]["de"]["reference"]["bytes"] == compared["languages"]["de"]["bytes"]


class Finished(Done):
    """The markers of passes and samples as a run would have recorded them."""

    def __init__(self, markers: dict[str, list[dict[str, Any]]]) -> None:
        self.markers = markers


def settings(given: dict[str, Any]) -> Settings:
    return parse_settings(
        {"sources": {s: {"inputs": ["x"]} for s in ("books", "wikipedia")}, "tokenizer": given}, "/", "c.yaml"
    )


def making(run: Path, given: dict[str, Any]) -> tuple[TokenizerMaking, Finished]:
    paths = {"books": books(run), "wikipedia": wiki(run)}
    sizes = {"books": 960_000, "wikipedia": 60_000}
    done = Finished(
        {source: [{"statistics": {"bytes": size}, "outputs": {}}] for source, size in sizes.items()}
    )
    mixture = load_mixture({"books": 0.5, "wikipedia": 0.5}, "/")
    finals = {source: source for source in paths}
    return TokenizerMaking(settings(given), mixture, finals, done, lambda s, _: [(paths[s], "sha")]), done


def test_the_sample_follows_the_shares_and_takes_no_more_than_there_is(tmp_path: Path) -> None:
    plan, done = making(tmp_path, {"sample_bytes": 200_000, "vocabulary": 300})
    nodes = {node.name: node for node in plan.nodes()}
    work = {task.descriptor.source: task.descriptor for task in nodes[SAMPLE].make()}
    assert work["books"].fraction == 100_000 / 960_000
    assert work["wikipedia"].fraction == 1.0
    done.markers[SAMPLE] = [
        json.loads((tmp_path / execute(str(tmp_path), task)).read_text()) for task in nodes[SAMPLE].make()
    ]
    (train,) = nodes[TOKENIZER].make()
    assert {s: x.wanted_bytes for s, x in train.descriptor.sources.items()} == {
        "books": 100_000,
        "wikipedia": 100_000,
    }
    done.markers[TOKENIZER] = [json.loads((tmp_path / execute(str(tmp_path), train)).read_text())]
    (fertility,) = nodes["tokenizer/fertility"].make()
    assert set(fertility.reads) == {
        "tokenizer/tokenizer.model",
        "documents/books/a.parquet",
        "documents/wikipedia/a.parquet",
    }
    execute(str(tmp_path), fertility)
    assert sorted(path.name for path in (tmp_path / "tokenizer").iterdir()) == FILES


def test_a_given_model_is_looked_at_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there; leave it out to train one"):
        making(tmp_path, {"model": str(tmp_path / "none.model")})[0].nodes()
    (tmp_path / "bad.model").write_bytes(b"no model")
    with pytest.raises(UsageError, match=r"tokenizer.model: .*bad.model: not a SentencePiece model"):
        making(tmp_path, {"model": str(tmp_path / "bad.model")})[0].nodes()


def test_another_model_named_as_reference_is_measured_beside(tmp_path: Path) -> None:
    given = tmp_path / "other"
    train_tokenizer_on_samples(str(given), TrainTokenizer(samples(given, 1.0), 284))
    reference = given / "tokenizer/tokenizer.model"
    run = tmp_path / "run"
    train_tokenizer_on_samples(str(run), TrainTokenizer(samples(run, 1.0), 300))
    plan, done = making(run, {"reference": str(reference), "vocabulary": 300})
    model = run / "tokenizer/tokenizer.model"
    sha = hashlib.sha256(model.read_bytes()).hexdigest()
    done.markers[TOKENIZER] = [{"outputs": {"tokenizer/tokenizer.model": {"sha256": sha}}, "statistics": {}}]
    (fertility,) = {node.name: node for node in plan.nodes()}["tokenizer/fertility"].make()
    other = hashlib.sha256(reference.read_bytes()).hexdigest()
    assert fertility.reads["tokenizer.model"] == other  # part of what the task depends on
    execute(str(run), fertility)
    found = json.loads((run / "tokenizer/fertility.json").read_text(encoding="utf-8"))
    assert found["models"]["reference"] == {"sha256": other, "vocabulary": 284}
    for source in ("books", "wikipedia"):
        assert found["sources"][source]["reference"]["bytes"] == found["sources"][source]["bytes"]
    with pytest.raises(UsageError, match=r"tokenizer\.reference: .*none\.model is not there; leave it out"):
        making(run, {"reference": str(tmp_path / "none.model")})[0].nodes()
    (tmp_path / "bad.model").write_bytes(b"no model")
    with pytest.raises(UsageError, match=r"tokenizer\.reference: .*bad\.model: not a SentencePiece model"):
        making(run, {"reference": str(tmp_path / "bad.model")})[0].nodes()
