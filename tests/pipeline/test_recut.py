"""A re-cut is the run that its thresholds would have given, byte for byte, and refuses what it cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import pipeline.recut as recut_module
from pipeline import engine, recut_part
from pipeline.collect_report import collect_report
from pipeline.derived_run import refuse_derived
from pipeline.recut import recut_run
from pipeline.remove import remove_documents
from pipeline.run import Options, run_pipeline
from pipeline.settings import UsageError, load_settings
from pipeline.tasks import Task, execute
from pipeline.verify import problems_of

OPTIONS = Options(1, quiet=True)
STEPS = "sources.commoncrawl.steps"
# Of the pages of the sample; one of them has a score between these two.
TIGHTER = [f"{STEPS}.keep_references.min_probability=0.9", f"{STEPS}.keep_perplexity.keep=[head]"]

ran: list[str] = []


def one_after_the_other(run: str, tasks: Sequence[Task], beam_flags: Sequence[str]) -> None:
    for task in tasks:
        ran.append(task.step)
        execute(run, task)


@pytest.fixture(autouse=True, scope="module")
def no_workers() -> Iterator[None]:
    """Tasks in this process: the same functions as in workers, without the seconds that these take to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "run_tasks", one_after_the_other)
        yield


@pytest.fixture(scope="module")
def cut(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("cut") / "run"
    recut_run(str(finished), str(run), TIGHTER, OPTIONS)
    collect_report(str(run))
    return run


@pytest.fixture(scope="module")
def scratch(finished: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of its own with these thresholds, from the raw data on, with the tokenizer given."""
    run = tmp_path_factory.mktemp("scratch") / "run"
    given = f"tokenizer={{model: {finished / 'tokenizer' / 'tokenizer.model'}}}"
    run_pipeline(load_settings(str(sample / "sample.yaml"), [*TIGHTER, given]), str(run), OPTIONS)
    return run


def contents(run: Path, *folders: str) -> dict[str, bytes]:
    paths = [path for folder in folders for path in sorted((run / folder).rglob("*")) if path.is_file()]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


def manifest(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return found


def commoncrawl(run: Path) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted((run / "documents/commoncrawl").iterdir())
        for row in pq.read_table(path).to_pylist()
    ]


def test_is_the_run_from_the_raw_data_byte_for_byte(finished: Path, cut: Path, scratch: Path) -> None:
    found = contents(cut, "documents", "shards")
    assert found == contents(scratch, "documents", "shards")
    assert found != contents(finished, "documents", "shards")
    assert 0 < len(commoncrawl(cut)) < len(commoncrawl(finished))
    config, expected = (yaml.safe_load((run / "config.yaml").read_text()) for run in (cut, scratch))
    assert expected.pop("tokenizer")["model"] and config.pop("tokenizer")["model"] is None
    assert config == expected


def test_reads_nothing_raw(finished: Path, sample: Path, tmp_path: Path) -> None:
    ran.clear()
    hidden = sample / "sample"
    hidden.rename(sample / "hidden")
    try:
        recut_run(str(finished), str(tmp_path / "run"), TIGHTER[:1], OPTIONS)
    finally:
        (sample / "hidden").rename(hidden)
    assert "commoncrawl/recut" in ran and not any(step.endswith("/read") for step in ran)


def test_passes_verify_and_has_a_report(cut: Path) -> None:
    assert {name: found for name, found in problems_of(str(cut)).items() if found} == {}
    assert (cut / "report" / "index.html").exists()


def test_counts_what_left_under_the_steps_own_reasons(finished: Path, cut: Path, scratch: Path) -> None:
    before, after = (
        {s["step"]: s for s in manifest(run)["sources"]["commoncrawl"]["steps"]} for run in (finished, cut)
    )
    assert list(before) == list(after)
    left = len(commoncrawl(finished)) - len(commoncrawl(cut))
    added = {
        reason: count["documents"] - before[step]["removed"].get(reason, {"documents": 0})["documents"]
        for step in ("keep_perplexity", "keep_references")
        for reason, count in after[step]["removed"].items()
    }
    assert sum(added.values()) == left and added["perplexity_middle"] > 0 and added["not_reference_like"] > 0
    for name in ("keep_perplexity", "keep_references"):
        rows = sum(pq.read_metadata(p).num_rows for p in (cut / "removed/commoncrawl" / name).iterdir())
        assert rows == sum(count["documents"] for count in after[name]["removed"].values())
    for line in (cut / "accounts/commoncrawl.jsonl").read_text().splitlines():
        account = json.loads(line)
        removed = sum(n for reasons in account["removed"].values() for n in reasons.values())
        assert account["records"] == account["documents"] + removed
    own, other = (manifest(run)["sources"] for run in (cut, scratch))
    for source in own:
        for name in ("documents", "bytes", "tokens", "validation", "languages", "licenses", "domains"):
            assert own[source][name] == other[source][name], (source, name)


def test_a_score_on_the_threshold_is_looked_at_again(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored in 32 bits it may be above or below: the classifier says which, of this one page alone."""
    score = sorted(row["scores"][-1][1] for row in commoncrawl(finished))[3]
    assert 0.25 < score < 1
    loaded = recut_part._loaded
    seen: list[str] = []

    def spied(run: str, named: Any) -> Any:
        def look(document: Any) -> Any:
            seen.append(document.id)
            return loaded(run, named)(document)

        return look

    monkeypatch.setattr(recut_part, "_loaded", spied)
    recut_run(
        str(finished), str(tmp_path / "run"), [f"{STEPS}.keep_references.min_probability={score!r}"], OPTIONS
    )
    on_it = [row["id"] for row in commoncrawl(finished) if row["scores"][-1][1] == score]
    assert seen == on_it
    gone = {row["id"] for row in commoncrawl(finished)} - {row["id"] for row in commoncrawl(tmp_path / "run")}
    below = {row["id"] for row in commoncrawl(finished) if row["scores"][-1][1] < score}
    assert below <= gone <= below | set(on_it)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (f"{STEPS}.keep_references.min_probability=0.1", "0.1 keeps what 0.25 removed"),
        (f"{STEPS}.keep_references.keep_fraction=1.0", "keeps what 0.25 removed"),
        (f"{STEPS}.keep_perplexity.keep=[head, tail]", "head, tail keeps what head, middle removed"),
        (f"{STEPS}.keep_language.min_score=0.9", "train_perplexity after it learns from what it keeps"),
        (f"{STEPS}.keep_length.min_characters=900", "drop_duplicate_lines after it compares all documents"),
        (f"{STEPS}.keep_references.min_probabilty=0.5", "did you mean min_probability"),
        (f"{STEPS}.keep_references.min_probability=2", "min_probability must be in 0..1"),
        (f"{STEPS}.keep_references.min_probability=0.25", "nothing would change"),
        (f"{STEPS}.keep_gopher.min_words=5", "did not run here"),
        ("sources.c4.steps.drop_duplicate_documents.window_files=1", "has no threshold on a stored score"),
        ("sources.cc.steps.keep_length.min_characters=5", "not in this run"),
        ("seed=7", "for anything else use llama-corpus run"),
    ],
)
def test_refuses_what_would_come_out_different(
    finished: Path, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        recut_run(str(finished), str(tmp_path / "run"), [override], OPTIONS)
    assert not (tmp_path / "run").exists()


def test_a_source_that_would_be_empty_is_refused_before_its_shards(finished: Path, tmp_path: Path) -> None:
    way_out = "loosen keep_references.min_probability, or make a run without commoncrawl"
    with pytest.raises(ValueError, match=f"commoncrawl: no document would be left, .*; {way_out}"):
        recut_run(
            str(finished), str(tmp_path / "run"), [f"{STEPS}.keep_references.min_probability=1"], OPTIONS
        )
    assert (tmp_path / "run" / "documents").exists()
    assert not (tmp_path / "run" / "shards").exists()


def test_the_way_out_goes_on_behind_the_raw_data(finished: Path, sample: Path, tmp_path: Path) -> None:
    """What `run` reads again for a looser threshold: the parts before the step, and none of the raw files."""
    shutil.copytree(finished, tmp_path / "run")
    ran.clear()
    looser = [f"{STEPS}.keep_perplexity.keep=[head, middle, tail]"]
    run_pipeline(load_settings(str(sample / "sample.yaml"), looser), str(tmp_path / "run"), OPTIONS)
    of_commoncrawl = {step for step in ran if step.startswith("commoncrawl/")}
    # The classifier is the same: what its thresholds keep is counted anew, of pages that pass the changed step.
    names = ("train_references/train", "keep_perplexity", "encode", "shards", "index")
    assert of_commoncrawl == {f"commoncrawl/{name}" for name in names}


def test_one_that_was_stopped_goes_on(
    finished: Path, cut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(recut_module, "derived_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            recut_run(str(finished), str(run), TIGHTER, OPTIONS)
    assert not (run / "manifest.json").exists()
    ran.clear()
    recut_run(str(finished), str(run), TIGHTER, OPTIONS)
    assert ran == []
    assert manifest(run) == manifest(cut)
    with pytest.raises(ValueError, match="was made by `recut`"):
        refuse_derived(str(run))


def test_what_was_taken_down_stays_so(finished: Path, cut: Path, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text(commoncrawl(cut)[0]["id"] + "\nen:101\n")
    remove_documents(str(finished), str(tmp_path / "gone"), {"ids": str(tmp_path / "ids")}, OPTIONS)
    recut_run(str(tmp_path / "gone"), str(tmp_path / "run"), TIGHTER, OPTIONS)
    assert [row["id"] for row in commoncrawl(tmp_path / "run")] == [r["id"] for r in commoncrawl(cut)[1:]]
    steps = manifest(tmp_path / "run")["sources"]["commoncrawl"]["steps"]
    assert steps[-1]["removed"]["taken_down"]["documents"] == 1
    assert (tmp_path / "run" / "removal.json").read_bytes() == (tmp_path / "gone/removal.json").read_bytes()
    assert {name: found for name, found in problems_of(str(tmp_path / "run")).items() if found} == {}
