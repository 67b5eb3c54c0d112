"""Decontamination in a run: what is named, what is searched, the record of hits, and what the report says."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.decontamination import (
    GatherBenchmarks,
    RecordHits,
    benchmark_paths,
    gather_benchmarks,
    gather_task,
    record_hits,
)
from pipeline.decontamination_figures import decontamination_gate, overlap_samples
from pipeline.parts import documents_of
from pipeline.resolve_recipes import resolve
from pipeline.run import Options, run_pipeline
from pipeline.settings import Settings, UsageError, load_settings
from stages.decontamination import Decontaminate
from stages.document import to_batch

QUESTION = "A robe takes two bolts of blue fiber and half that much white fiber. How many bolts in total?"
PASSAGE = (
    "Iron is a chemical element with symbol Fe and atomic number twenty six, a metal of the first series."
)
FILLER = "Plain words of a page that nobody asks about, number {}, and then some more of them to make a text."
PAGES = {
    "https://a.org/asked": f"Homework. {QUESTION} Answer it.",
    "https://a.org/half": " ".join(QUESTION.split()[:13]) + " is not on sale.",  # 13 of 19 words
    "https://a.org/less": " ".join(QUESTION.split()[:12]) + " is not on sale.",
    "https://a.org/iron": f"As they say: {PASSAGE}",
    "https://a.org/plain": "Nothing else.",
}


def write_inputs(folder: Path) -> None:
    """A file of C4 and two benchmarks."""
    rows = [
        {"url": url, "text": f"{FILLER.format(number)}\n{text}", "timestamp": "2019-04-25T12:57:54Z"}
        for number, (url, text) in enumerate(PAGES.items())
    ]
    with gzip.open(folder / "c4-train.00000-of-00001.json.gz", "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    lines = [{"question": "Too short?", "answer": "Yes."}, {"question": QUESTION, "answer": "Three."}]
    (folder / "robes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    query = f"Passage: {PASSAGE}\nQuestion: is iron a metal?\n"
    (folder / "iron.jsonl").write_text(json.dumps({"query": query, "choices": ["no", "yes"]}) + "\n")


def settings(folder: Path, more: str = "benchmarks: ['*.jsonl']\n", *overrides: str) -> Settings:
    path = folder / "run.yaml"
    text = "sources: {c4: {inputs: ['*.json.gz']}, books: {inputs: [a.txt]}}\nrecipe: plus\n"
    path.write_text(text + more, encoding="utf-8")
    return load_settings(str(path), overrides)


def modes(found: Settings) -> dict[str, str]:
    """The mode of the last step of each source, of those that decontaminate."""
    last = {source: recipe.steps[-1] for source, recipe in resolve(found).items()}
    return {source: step.mode for source, step in last.items() if isinstance(step, Decontaminate)}


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ([], {"c4": "drop", "books": "flag"}),
        (["decontaminate=drop"], {"c4": "drop", "books": "drop"}),
        (["decontaminate=flag"], {"c4": "flag", "books": "flag"}),
        (["decontaminate=none"], {}),
        (["benchmarks=[]"], {}),
        (["recipe=llama1", "decontaminate=drop"], {"c4": "drop", "books": "drop"}),
        (["recipe=llama1", "benchmarks=[]"], {}),
        (["sources.books.steps.decontaminate.mode=drop"], {"c4": "drop", "books": "drop"}),
        (["sources.c4.steps.decontaminate=none"], {"books": "flag"}),
        (["sources.c4.inputs=[x]", "sources.c4.variant=crawl"], {"c4": "drop", "books": "flag"}),
    ],
)
def test_the_last_step_of_each_source_is_what_recipe_and_settings_say(
    tmp_path: Path, overrides: list[str], wanted: dict[str, str]
) -> None:
    assert modes(settings(tmp_path, "benchmarks: [a.jsonl]\n", *overrides)) == wanted


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["decontaminate=drop", "benchmarks=[]"], "no benchmark is named; name files in benchmarks"),
        (["recipe=llama1"], "recipe llama1 does not search for them; set decontaminate: flag, drop or none"),
        (["decontaminate=delete"], "decontaminate: expected one of none, flag, drop, found 'delete'"),
        (["benchmarks=3"], "benchmarks: expected a list of texts"),
        (["sources.c4.steps.decontaminate.benchmarks=x"], "cannot be set here; set benchmarks"),
        (["sources.c4.steps.decontaminate.max_covered_fraction=2"], "must be in 0..1"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve(settings(tmp_path, "benchmarks: [a.jsonl]\n", *overrides))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_benchmarks_are_found_by_glob_and_sorted_by_name(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    assert benchmark_paths(settings(tmp_path, "benchmarks: ['r*.jsonl', iron.jsonl, '*.jsonl']\n")) == [
        str(tmp_path / "iron.jsonl"),
        str(tmp_path / "robes.jsonl"),
    ]


def test_benchmarks_that_are_none_are_refused_in_one_line(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "iron.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "huge.jsonl").write_bytes(b"x" * (1 << 21))
    (tmp_path / "broken.jsonl").write_bytes(b'{"text": "a"}\n\x80\n')
    for name, message in {
        "gone.jsonl": "benchmarks: gone.jsonl is not there",
        "g*.jsonl": "benchmarks: g*.jsonl is not there",
        "**/iron.jsonl": "have one name; rename one",
        "huge.jsonl": "huge.jsonl line 1: over 1048576 bytes",
        "broken.jsonl": "broken.jsonl line 2: not JSON",
    }.items():
        with pytest.raises(UsageError) as error:
            benchmark_paths(settings(tmp_path, f"benchmarks: ['{name}']\n"))
        assert message in str(error.value) and "\n" not in str(error.value)


def test_what_can_be_found_of_a_benchmark_is_counted(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    paths = (str(tmp_path / "iron.jsonl"), str(tmp_path / "robes.jsonl"))
    found = gather_benchmarks(str(tmp_path / "run"), GatherBenchmarks(paths)).statistics
    assert found == {
        "benchmarks": {
            "iron": {"items": 1, "searched": 0, "passage_only": 1, "skipped": 0},
            "robes": {"items": 2, "searched": 1, "passage_only": 0, "skipped": 1},
        },
        "common_ngrams": 0,
    }


def test_the_task_depends_on_the_bytes_of_the_benchmarks_and_not_on_their_folder(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "iron.jsonl").write_bytes((tmp_path / "iron.jsonl").read_bytes())
    before = gather_task([str(tmp_path / "iron.jsonl")]).key()
    assert gather_task([str(tmp_path / "sub" / "iron.jsonl")]).key() == before
    (tmp_path / "iron.jsonl").write_text('{"text": "other"}\n')
    assert gather_task([str(tmp_path / "iron.jsonl")]).key() != before


def run_c4(folder: Path, name: str, workers: int, *overrides: str) -> Path:
    """A run up to the record of the hits of C4."""
    text = "sources: {c4: {inputs: ['*.json.gz']}}\nrecipe: plus\nbenchmarks: ['*.jsonl']\n"
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    found = load_settings(str(folder / "run.yaml"), overrides)
    run_pipeline(found, str(folder / name), Options(workers, only="c4/decontamination", quiet=True))
    return folder / name


def recorded(run: Path) -> list[dict[str, Any]]:
    paths = sorted((run / "decontamination").rglob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def kept(run: Path) -> set[str | None]:
    return {d.url for path in (run / "documents" / "c4").glob("*") for d in documents_of(str(path))}


def contents(run: Path) -> Mapping[str, bytes]:
    folders = ("documents", "removed", "decontamination", "models")
    paths = [path for folder in folders for path in (run / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs and a run with one worker."""
    made = tmp_path_factory.mktemp("decontamination")
    write_inputs(made)
    run_c4(made, "one", 1)
    return made


def test_planted_items_are_found_exactly_and_no_more(folder: Path) -> None:
    run = folder / "one"
    found = {line["url"]: line for line in recorded(run)}
    assert set(found) == {"https://a.org/asked", "https://a.org/half", "https://a.org/iron"}
    asked, half, iron = (found[f"https://a.org/{name}"] for name in ("asked", "half", "iron"))
    assert {**asked, "id": ""} == {
        "source": "c4",
        "id": "",
        "url": "https://a.org/asked",
        "verdict": "dropped",
        "benchmark": "robes",
        "item": 2,
        "part": "question",
        "covered": 1.0,
        "passage": QUESTION.removesuffix("?"),
        "benchmark_text": QUESTION,
    }
    assert (half["verdict"], half["covered"]) == ("dropped", 0.684)
    assert (iron["verdict"], iron["part"], iron["benchmark"]) == ("kept", "passage", "iron")
    assert kept(run) == {f"https://a.org/{name}" for name in ("less", "iron", "plain")}


def test_the_marker_counts_documents_and_items(folder: Path) -> None:
    marker = json.loads((folder / "one/work/c4/decontamination/part-00000-of-00001.done.json").read_text())
    assert marker["statistics"] == {
        "kept": 1,
        "dropped": 2,
        "benchmarks": {
            "iron": {"kept": 1, "dropped": 0, "items": [], "passage_items": [1]},
            "robes": {"kept": 0, "dropped": 2, "items": [2], "passage_items": []},
        },
    }
    assert (
        "models/benchmarks.jsonl"
        in json.loads((folder / "one/work/models/benchmarks.jsonl.done.json").read_text())["outputs"]
    )


def test_two_workers_write_the_same_bytes(folder: Path) -> None:
    assert contents(run_c4(folder, "two", 2)) == contents(folder / "one")


def test_flag_keeps_all_and_another_benchmark_searches_anew(folder: Path) -> None:
    run = run_c4(folder, "three", 1, "decontaminate=flag")
    assert len(kept(run)) == len(PAGES)
    assert [line["verdict"] for line in recorded(run)] == ["kept"] * 3
    run_c4(folder, "three", 1, "decontaminate=flag", "benchmarks=[iron.jsonl]")
    assert [line["benchmark"] for line in recorded(run)] == ["iron"]


def test_a_part_without_hits_has_no_file(folder: Path) -> None:
    run = folder / "one"
    (part,) = (run / "documents/c4").glob("*")
    plain = [d for d in documents_of(str(part)) if d.url == "https://a.org/plain"]
    pq.write_table(pa.Table.from_batches([to_batch(plain)]), run / "work/plain.parquet")
    result = record_hits(str(run), RecordHits("work/plain.parquet", "", "work/plain.jsonl"))
    assert (result.outputs, result.statistics) == ({}, {"kept": 0, "dropped": 0, "benchmarks": {}})
    assert not (run / "work/plain.jsonl").exists()


def test_samples_have_both_texts(folder: Path) -> None:
    samples = overlap_samples(str(folder / "one"))
    assert (samples[0]["benchmark"], samples[0]["url"]) == ("iron", "https://a.org/iron")
    assert {s["benchmark_text"] for s in samples} == {PASSAGE, QUESTION}
    assert overlap_samples(str(folder / "nowhere")) == []


FOUND: dict[str, Any] = {
    "off": "",
    "modes": {"c4": "drop"},
    "benchmarks": {"robes": {"items": 2, "found": 1}, "iron": {"items": 1, "found": 0}},
    "documents": {"c4": {"kept": 0, "dropped": 2}},
}


def test_the_gate_tells_what_was_found_and_what_was_not_searched() -> None:
    detail = "1 of 3 items of 2 benchmarks found; 2 documents with an overlap dropped, 0 kept"
    assert decontamination_gate("plus", FOUND, ["c4"]) == {
        "name": "Decontamination",
        "state": "green",
        "detail": detail,
    }
    gate = decontamination_gate("plus", FOUND, ["c4", "books"])
    assert (gate["state"], gate["detail"]) == ("amber", detail + "; not searched: books")
    kept_some = {**FOUND, "documents": {"c4": {"kept": 1, "dropped": 2}}}
    assert decontamination_gate("plus", kept_some, ["c4"])["state"] == "amber"


def test_the_gate_is_red_where_the_recipe_searches_and_nothing_was_named() -> None:
    off = {"off": "why", "modes": {}, "benchmarks": {}, "documents": {}}
    assert decontamination_gate("plus", off, ["c4"])["state"] == "red"
    assert decontamination_gate("llama1", off, ["c4"]) == {
        "name": "Decontamination",
        "state": "amber",
        "detail": "not done: why",
    }
