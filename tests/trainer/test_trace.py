"""Tracing from training to documents and back."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from tokenizer import shard_writer
from tokenizer.order import SPLITS, shuffle_key
from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex, read_index
from tokenizer.shard_writer import write_shard
from trainer.trace import Traced, Tracer, readings, training_order
from trainer.trace_command import _show, trace
from trainer.train import train

MakeRun = Callable[..., Path]
ORIGIN = pa.struct([("file", pa.string()), ("offset", pa.int64()), ("length", pa.int64())])


SEED = 42


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record batches of some documents."""
    monkeypatch.setattr(shard_writer, "TOKENS_PER_BATCH", 500)


def in_order(run: Path) -> None:
    """Brings the documents of the shards into the order that a run writes them in."""
    for folder in (run / "shards").iterdir():
        index, splits = read_index(folder), {}
        for split in SPLITS:
            path = folder / index.splits[split][0].name
            table = pa.ipc.open_file(path.read_bytes()).read_all()
            keys = [(shuffle_key(SEED, folder.name, id), id) for id in table["id"].to_pylist()]
            rows = table.take(sorted(range(len(keys)), key=keys.__getitem__)).combine_chunks().to_batches()
            with path.open("wb") as stream:
                batches = write_shard(stream, rows, index.metadata(split))
            splits[split] = (ShardEntry(path.name, path.stat().st_size, batches),)
        (folder / INDEX_NAME).write_bytes(ShardIndex(folder.name, index.tokenizer, splits).encoded())
    with (run / "config.yaml").open("a", encoding="utf-8") as config:
        config.write(f"seed: {SEED}\n")


def with_documents(run: Path) -> Path:
    """Brings the shards in order and puts the documents table of books beside them: twelve training documents and one
    held out."""
    in_order(run)
    ids = [f"train-{n}" for n in range(12)] + ["validation-0"]
    table = pa.table(
        {
            "id": ids,
            "url": [f"https://example.org/{id}" for id in ids],
            "title": [None] * 13,
            "origin": pa.array(
                [{"file": "books.tar", "offset": 100 * n, "length": 9} for n in range(13)], ORIGIN
            ),
        }
    )
    (run / "documents" / "books").mkdir(parents=True)
    pq.write_table(table, run / "documents" / "books" / "part-00000-of-00001.parquet", row_group_size=5)
    return run


def test_a_step_is_traced_to_all_its_tokens(make_run: MakeRun) -> None:
    run = with_documents(make_run())
    data, steps = training_order(run, {})
    assert steps == 10
    found = list(Tracer(run).step(data, 3))
    batch = data.batch(2)
    for sequence in range(4):
        pieces = [one for one in found if one.sequence == sequence]
        name = data.sources[int(batch.sources[sequence])]
        assert {(one.source, one.step) for one in pieces} == {(name, 3)}
        stream = data.streams[data.sources.index(name)]
        read = [token for one in pieces for token in stream.slice(one.start, one.stop).tolist()]
        assert read == batch.tokens[sequence].tolist()
        for one in pieces:
            assert one.document_start <= one.start < one.stop <= one.document_stop
            assert one.id == f"train-{one.row}"
            assert one.url == (f"https://example.org/{one.id}" if name == "books" else None)
            assert one.origin == (
                {"file": "books.tar", "offset": 100 * one.row, "length": 9} if name == "books" else None
            )
    assert list(Tracer(run).step(data, 3, 2)) == [one for one in found if one.sequence == 2]


def test_a_position_is_traced_to_its_document(make_run: MakeRun) -> None:
    run = with_documents(make_run())
    data, _ = training_order(run, {})
    stream = data.streams[data.sources.index("books")]
    second = stream.document_at(stream.document_at(0).stop)
    at = second.start + 20
    found = Tracer(run).position("books", at, 5)
    assert (found.start, found.stop) == (at - 5, at + 6)
    assert (found.id, found.row, found.url) == (
        second.id,
        second.row,
        f"https://example.org/train-{second.row}",
    )
    assert found.text in "she said nothing, and he said nothing, and so the evening passed. " * 6
    with pytest.raises(ValueError, match=r"books:999999: the source has training tokens 0 to \d+"):
        Tracer(run).position("books", 999_999, 5)
    with pytest.raises(ValueError, match=r"c4: no such source in .*; it has books, wikipedia"):
        Tracer(run).position("c4", 0, 5)


def test_an_id_is_traced_to_every_step_that_reads_it(make_run: MakeRun) -> None:
    run = with_documents(make_run())
    data, _ = training_order(run, {})
    documents = list(Tracer(run).id("train-4", 16))
    assert [(one.source, one.split, one.row) for one in documents] == [
        ("books", "train", 4),
        ("wikipedia", "train", 4),
    ]
    books = documents[0]
    found = {
        (r.step, r.sequence) for r in readings(data, 40, "books", books.document_start, books.document_stop)
    }
    expected = {
        (one.step, one.sequence)
        for step in range(1, 41)
        for one in Tracer(run).step(data, step)
        if (one.source, one.id) == ("books", "train-4")
    }
    assert found == expected and len(found) > 2
    assert [one.split for one in Tracer(run).id("validation-0", 16)] == ["validation", "validation"]
    for stream in data.streams:
        assert stream.record_batches > 1
    for number in range(12):
        assert [one.row for one in Tracer(run).id(f"train-{number}", 1)] == [number, number]
    assert [list(Tracer(run).id(id, 1)) for id in ("train-12", "", "zzz")] == [[], [], []]
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(f"seed: {SEED}\n", "seed: 1\n"))
    with pytest.raises(ValueError, match=r"books: not in the order of seed 1: config.yaml is of another run"):
        list(Tracer(run).id("train-4", 16))


def test_follows_the_settings_that_the_run_was_trained_with(make_run: MakeRun) -> None:
    run = make_run()
    train(run, {"steps": 3, "batch_sequences": 2, "checkpoint_every": 0}, lambda record: None)
    data, steps = training_order(run, {})
    assert (data.batch_sequences, steps) == (2, 3)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("0.75", "0.5").replace("0.25", "0.5"))
    with pytest.raises(ValueError, match=r"step-000003: made on other data"):
        training_order(run, {})


def test_refuses_documents_of_another_run(make_run: MakeRun) -> None:
    run = with_documents(make_run())
    path = run / "documents" / "books" / "part-00000-of-00001.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(ValueError, match=r"row \d+ is not train-\d+: documents and shards are of two"):
        Tracer(run).position("books", 0, 5)


def test_the_command_prints_lines_of_json(make_run: MakeRun) -> None:
    run = with_documents(make_run())

    def called(*arguments: str) -> list[dict[str, object]]:
        result = CliRunner().invoke(trace, [str(run), *arguments, "--json"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.output.splitlines()]

    assert {line["sequence"] for line in called("--step", "1")} == {0, 1, 2, 3}
    assert str(called("--position", "books:0")[0]["id"]).startswith("train-")
    assert called("--id", "train-0", "--set", "steps=80")[0]["read"]
    assert called("--id", "validation-0")[0]["read"] == []
    assert CliRunner().invoke(trace, [str(run)]).exit_code == 2
    with pytest.raises(ValueError, match=r"--step 11: the training of .* has 10 steps"):
        called("--step", "11")
    with pytest.raises(ValueError, match=r"nobody: no document of .* has this id"):
        called("--id", "nobody")


def test_the_command_says_which_updates_were_left_out(make_run: MakeRun) -> None:
    run = with_documents(make_run())
    (run / "train").mkdir()
    (run / "train" / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "left_out": "loss 9.1"}\n')

    def called(*arguments: str) -> str:
        return CliRunner().invoke(trace, [str(run), *arguments], catch_exceptions=False).output

    said = "the update of step 2 was left out: loss 9.1\n"
    assert said in called("--step", "2", "--sequence", "0")
    assert "left out" not in called("--step", "1", "--sequence", "0")
    everything = [line for n in range(12) for line in called("--id", f"train-{n}").splitlines()]
    second = [line for line in everything if ", step 2, " in line]
    assert second and all(line.endswith(", whose update was left out for a spike") for line in second)
    assert not any("left out" in line for line in everything if line not in second)


def test_the_command_shows_no_text_that_steers_a_terminal() -> None:
    found = Traced(
        "c4", "train", "i\x1b", 0, 2, 0, 9, 0, 0, "https://e.example/\x07", None, None, "a\x1b[2J\nb\u202e"
    )
    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        _show(found, 64, as_json=False)
    assert stream.getvalue() == (
        "c4:0-2  i\ufffd  https://e.example/\ufffd\n  part 0 row 0, tokens 0-9\n  a\ufffd[2J b\ufffd\n"
    )


def test_the_order_is_that_of_the_training_that_was(make_run: MakeRun) -> None:
    run = with_documents(make_run())
    train(run, {"steps": 6, "batch_sequences": 8}, lambda record: None)
    expected = training_order(run, {})[0]
    assert (expected.batch_sequences, training_order(run, {})[1]) == (8, 6)
    assert training_order(run, {"steps": 9})[0].batch_sequences == 8  # the rest stays what it was
    shutil.rmtree(run / "train" / "checkpoints")
    assert training_order(run, {})[0].fingerprint == expected.fingerprint
    shutil.rmtree(run / "train")
    assert training_order(run, {})[0].batch_sequences == 4
