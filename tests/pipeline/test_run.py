"""Whole runs: seven sources end to end, the same bytes for any workers, after a kill, under bundle replay; bad input.

The runs are on the bundled sample, packed into its true containers, without the volume that the demo adds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.plan import Node
from pipeline.plan_run import RunPlan
from pipeline.plan_source import SourcePlan
from pipeline.run import only_run
from pipeline.settings import UsageError
from pipeline.verify import problems_of
from stages.document import SCHEMA, SOURCES
from tests.pipeline.whole_runs import COMMAND, ROOT, llama_corpus


def digests(run: Path) -> Mapping[str, str]:
    """SHA-256 of everything whose bytes are promised."""
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("documents", "shards", "removed", "models", "tokenizer")
        for path in sorted((run / folder).rglob("*"))
        if path.is_file()
    }


def test_all_seven_sources_come_through_and_add_up(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["sources"]) == set(SOURCES)
    for source, account in manifest["sources"].items():
        assert account["documents"] > 0 and account["tokens"]["train"] > 0, source
        for step in account["steps"]:
            removed = step["removed"].values()
            assert step["documents_in"] == step["documents_kept"] + sum(r["documents"] for r in removed)
            assert step["bytes_in"] == step["bytes_kept"] + step["bytes_edited"] + sum(
                r["bytes"] for r in removed
            )
    assert problems_of(str(finished)) == {name: [] for name in problems_of(str(finished))}


def test_documents_have_the_schema_and_their_source(finished: Path) -> None:
    for source in SOURCES:
        for path in sorted((finished / "documents" / source).glob("*.parquet")):
            table = pq.read_table(path)
            assert table.schema.names == SCHEMA.names
            assert set(table["source"].to_pylist()) <= {source}


def test_the_damaged_record_is_set_aside_and_the_rest_of_its_file_is_read(finished: Path) -> None:
    rows = [
        row
        for path in sorted((finished / "removed/commoncrawl/read").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]
    (damaged,) = [row for row in rows if row["reason"] == "damaged_record"]
    later = [row for row in rows if row["origin"]["file"] == damaged["origin"]["file"]]
    assert max(row["origin"]["offset"] for row in later) > damaged["origin"]["offset"]


def test_the_reprint_of_a_book_is_a_near_duplicate(finished: Path) -> None:
    (path,) = (finished / "removed/books/drop_near_duplicate_books").glob("*.parquet")
    (row,) = pq.read_table(path).to_pylist()
    assert row["reason"] == "near_duplicate" and row["score"] > 0.9


def test_the_same_command_again_runs_nothing(finished: Path, sample: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sorted((finished / "documents").rglob("*.parquet"))}
    result = llama_corpus("run", sample / "sample.yaml", "--out", finished)
    assert result.returncode == 0, result.stderr
    assert "parts/s" not in result.stderr
    assert before == {
        path: path.stat().st_mtime_ns for path in sorted((finished / "documents").rglob("*.parquet"))
    }


def test_two_workers_and_bundle_replay_give_the_same_bytes(
    finished: Path, sample: Path, tmp_path: Path
) -> None:
    flags = ("--workers", "2", "--quiet", "--", "--direct_runner_bundle_repeat=1")
    result = llama_corpus("run", sample / "sample.yaml", "--out", tmp_path / "two", *flags)
    assert result.returncode == 0, result.stderr
    assert digests(tmp_path / "two") == digests(finished)


def test_a_killed_run_goes_on_to_the_same_bytes(finished: Path, sample: Path, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    arguments = ["run", str(sample / "sample.yaml"), "--out", str(run), "--workers", "2", "--quiet"]
    process = subprocess.Popen(
        [*COMMAND, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(list(run.rglob("*.done.json"))) < 25 and process.poll() is None:
        assert time.monotonic() < deadline, "the run wrote no markers"
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "workers outlive the run that they work for"
    assert not (run / "manifest.json").exists(), "the run was over before it could be killed"
    result = llama_corpus("status", run)
    assert result.stdout.splitlines()[-1].startswith("stopped")
    result = llama_corpus(*arguments)
    assert result.returncode == 0, result.stderr
    assert digests(run) == digests(finished)
    assert not list(run.rglob("*.tmp"))


def test_an_interrupted_run_ends_with_130_and_goes_on(sample: Path, tmp_path: Path) -> None:
    run = tmp_path / "interrupted"
    arguments = ["run", str(sample / "sample.yaml"), "--out", str(run), "--workers", "2", "--quiet"]
    process = subprocess.Popen(
        [*COMMAND, *arguments], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while len(list(run.rglob("*.done.json"))) < 3 and process.poll() is None:
        assert time.monotonic() < deadline, "the run wrote no markers"
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.split("\n")[-2:] == ["interrupted; the same command continues from here", ""]
    assert "Traceback" not in errors


def test_going_back_to_an_earlier_setting_gives_the_earlier_bytes(finished: Path, sample: Path) -> None:
    before = digests(finished)
    result = llama_corpus(
        "run", sample / "sample.yaml", "--out", finished, "--quiet", "--set", "models.lm=none"
    )
    assert result.returncode == 0, result.stderr
    assert digests(finished) != before
    assert llama_corpus("run", sample / "sample.yaml", "--out", finished, "--quiet").returncode == 0
    assert digests(finished) == before


def test_a_given_language_model_is_used_as_it_is(finished: Path, sample: Path, tmp_path: Path) -> None:
    models = tmp_path / "lm"
    shutil.copytree(finished / "models/lm", models)
    (models / "en.json").write_text('{"p30": 1.0, "p60": 2.0}', encoding="utf-8")
    overrides = ("--set", f"models.lm={models}", "--set", "models.reference=none")
    result = llama_corpus(
        "run", sample / "sample.yaml", "--out", tmp_path / "run", "--quiet", "--only", "commoncrawl/keep_language",
        *overrides,
    )  # fmt: skip
    assert result.returncode == 2 and "no such step" in result.stderr
    result = llama_corpus("run", sample / "sample.yaml", "--out", tmp_path / "run", "--quiet", *overrides)
    assert result.returncode == 1
    assert "commoncrawl: no document is left after keep_perplexity" in result.stderr


def test_an_account_that_does_not_add_up_is_an_error(finished: Path, sample: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished, run, copy_function=shutil.copy2)
    marker = next(iter(sorted((run / "work/c4/read").glob("*.done.json"))))
    written = marker.stat()
    account = json.loads(marker.read_text(encoding="utf-8"))
    account["statistics"]["steps"][0]["documents_kept"] -= 1
    marker.write_text(json.dumps(account), encoding="utf-8")
    os.utime(marker, ns=(written.st_atime_ns, written.st_mtime_ns))
    result = llama_corpus("run", sample / "sample.yaml", "--out", run, "--quiet")
    assert result.returncode == 1
    assert "c4: documents were lost or doubled: read: 1 of" in result.stderr


def test_a_changed_setting_runs_again_only_what_depends_on_it(finished: Path, sample: Path) -> None:
    result = llama_corpus(
        "run", sample / "sample.yaml", "--out", finished, "--set", "tokens=1M", "--set", "mixture=llama1"
    )
    assert result.returncode == 0 and "parts/s" not in result.stderr
    manifest = json.loads((finished / "manifest.json").read_text(encoding="utf-8"))
    assert sum(row["tokens_at_budget"] for row in manifest["mixture"]) == 1_000_000
    assert llama_corpus("run", sample / "sample.yaml", "--out", finished).returncode == 0


@pytest.mark.parametrize(
    ("overrides", "code", "message"),
    [
        (["sources.books.inputs=[nothing/*.txt]"], 2, "sources.books.inputs: nothing/*.txt matches no file"),
        (["recepy=llama1"], 2, "unknown key 'recepy'; did you mean recipe?"),
        (["models.language_id=missing.ftz"], 2, "missing.ftz"),
        (["models.reference=missing.bin"], 2, "missing.bin is not there"),
        (["sources={books: {inputs: [a]}}", "mixture={c4: 1}"], 2, "mixture: nothing is there of any of its"),
        (["train.stepz=20"], 2, "sample.yaml: train.stepz: no such setting (did you mean steps?)"),
        (["train.preset=tiny"], 2, "sample.yaml: train.preset: no model 'tiny'"),
        (["sources.wikipedia.inputs=[sample.yaml]"], 1, "wikipedia/read part-00000: sample.yaml"),
        (
            ["sources.commoncrawl.inputs=[sample.yaml]"],
            1,
            "commoncrawl/read part-00000: sample.yaml",
        ),
        (
            [
                "models={lm: none, reference: none}",
                "sources.commoncrawl.steps={keep_length: {min_characters: 1000000}}",
            ],
            1,
            "commoncrawl: no document is left after keep_length",
        ),
    ],
)
def test_bad_input_ends_in_one_clear_line(
    sample: Path, tmp_path: Path, overrides: list[str], code: int, message: str
) -> None:
    sets = [part for override in overrides for part in ("--set", override)]
    result = llama_corpus("run", sample / "sample.yaml", "--out", tmp_path / "run", "--quiet", *sets)
    assert result.returncode == code, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_mistyped_beam_flag_is_refused_and_nothing_runs(sample: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = llama_corpus("run", sample / "sample.yaml", "--out", run, "--", "--runnr=DataflowRunner")
    assert result.returncode == 2
    assert result.stderr == "error: Beam knows no --runnr=DataflowRunner; did you mean --runner?\n"
    assert not run.exists()


def test_a_folder_that_cannot_be_made_is_wrong_usage(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, why in (("file", "File exists"), ("file/run", "Not a directory")):
        with (
            pytest.raises(
                UsageError, match=rf"--out .*/{name}: no folder to write to \({why}\); choose another"
            ),
            only_run(str(tmp_path / name)),
        ):
            pass


def node(name: str, *after: str) -> Node:
    return Node(name, after, list)


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ("book", "did you mean books"),
        ("books/keep_lenght", "did you mean books/keep_length"),
        ("qqqq", "known: books, documents, models, and their steps as llama-corpus status lists them"),
    ],
)
def test_an_unknown_step_is_answered_with_the_nearest(only: str, message: str) -> None:
    nodes = (node("models"), node("books/read", "models"), node("books/keep_length", "books/read"))
    plan = RunPlan(nodes, {"books": SourcePlan(nodes[1:], ("books/read", "books/keep_length"), ())})
    with pytest.raises(UsageError, match=f"--only {only}: no such step; {message}") as error:
        plan.needed_for(only)
    assert len(str(error.value)) < 200


def test_two_runs_into_one_folder_are_refused(sample: Path, tmp_path: Path) -> None:
    import fcntl

    with open(tmp_path / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = llama_corpus("run", sample / "sample.yaml", "--out", tmp_path)
    assert result.returncode == 1 and "another run is writing to" in result.stderr


def test_a_folder_that_is_no_run_says_how_to_make_one(tmp_path: Path) -> None:
    for command in ("status", "report", "verify"):
        result = llama_corpus(command, tmp_path)
        assert result.returncode == 2
        assert "llama-corpus run CONFIG --out" in result.stderr


def test_parts_of_the_real_sources_add_up(shared_data: Path, tmp_path: Path) -> None:
    """The five sources that train nothing, on a few of their real files."""
    data = str(shared_data)
    config = {
        "sources": {
            "c4": {"inputs": [f"{data}/c4/en/*"]},
            "github": {"inputs": [f"{data}/github/bigquery-export/*", f"{data}/github/repos/docopt*"]},
            "wikipedia": {"inputs": [f"{data}/wikipedia/*minidump*"]},
            "arxiv": {"inputs": [f"{data}/arxiv/src/arXiv_src_9*.tar"]},
            "stackexchange": {"inputs": [f"{data}/stackexchange/beer*.7z"]},
        },
        "tokenizer": {"vocabulary": 2000, "sample_bytes": 2_000_000},
    }
    (tmp_path / "real.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    result = llama_corpus("run", tmp_path / "real.yaml", "--out", tmp_path / "run", "--quiet", "--json")
    assert result.returncode == 0, result.stderr
    totals = json.loads(result.stdout)
    assert set(totals["sources"]) == set(config["sources"])
    assert totals["sources"]["c4"]["documents"] == 730  # of 735 rows, five are also in another file
    assert problems_of(str(tmp_path / "run")) == {name: [] for name in problems_of(str(tmp_path / "run"))}
