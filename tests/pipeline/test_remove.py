"""A take-down from a whole run: nothing of it is left, everything else is as it was, and the proof says so."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import pipeline.remove as remove_module
from pipeline import engine
from pipeline.collect_report import collect_report
from pipeline.derived_run import BaseRun, refuse_derived
from pipeline.remove import remove_documents
from pipeline.run import Options, run_pipeline
from pipeline.settings import UsageError, load_settings
from pipeline.tasks import Task, execute
from pipeline.verify import problems_of
from tests.pipeline.whole_runs import llama_corpus
from tokenizer.encoding import Encoder
from tokenizer.shard_index import read_index
from tokenizer.shard_reader import TokenStream

OPTIONS = Options(1, quiet=True)
ASKED = {
    "urls": "http://www.gardenersalmanac.example/pruning-apple-trees/\nhttps://nobody.example/nothing\n",
    "domains": "tidewatch.example\n",
    "ids": "wikipedia:en:101\nde:201\nnope\n",
    "repositories": "Crumb/Bakers-Percent\n",
}


def one_after_the_other(run: str, tasks: Sequence[Task], beam_flags: Sequence[str]) -> None:
    for task in tasks:
        execute(run, task)


@pytest.fixture(autouse=True, scope="module")
def no_workers() -> Iterator[None]:
    """Tasks in this process: the same functions as in workers, without the seconds that these take to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "run_tasks", one_after_the_other)
        yield


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("lists")
    for kind, lines in ASKED.items():
        (folder / kind).write_text(lines)
    return {kind: str(folder / kind) for kind in ASKED}


@pytest.fixture(scope="module")
def gone(finished: Path, lists: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("gone") / "run"
    remove_documents(str(finished), str(run), lists, OPTIONS)
    collect_report(str(run))
    return run


def test_a_run_whose_configuration_was_changed_is_no_base(finished: Path, tmp_path: Path) -> None:
    for name in ("manifest.json", "config.yaml"):
        shutil.copy(finished / name, tmp_path)
    assert BaseRun.open(str(tmp_path)).config["seed"] == 42
    with (tmp_path / "config.yaml").open("ab") as stream:
        stream.write(b"#\n")
    with pytest.raises(ValueError, match=r"config\.yaml: not that of manifest\.json; put back the one"):
        BaseRun.open(str(tmp_path))


def rows(run: Path, source: str) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted((run / "documents" / source).iterdir())
        for row in pq.read_table(path).to_pylist()
    ]


def listed(row: dict[str, Any]) -> bool:
    """What `ASKED` means, in other words than the code."""
    url = row["url"] or ""
    return (
        row["id"] in ("en:101", "de:201")
        or row["id"].startswith("crumb/bakers-percent:")
        or "tidewatch.example/" in url
        or url == "https://www.gardenersalmanac.example/pruning-apple-trees"
    )


def manifest(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())
    return found


def proof(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "removal.json").read_text())["removals"]
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def digests(run: Path) -> dict[str, str]:
    """All files but locks and what a run needs to go on."""
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != ".lock" and "work" not in path.relative_to(run).parts
    }


def test_takes_what_was_listed_and_nothing_else(finished: Path, gone: Path) -> None:
    taken = {}
    for source in manifest(finished)["sources"]:
        before, after = rows(finished, source), rows(gone, source)
        assert after == [row for row in before if not listed(row)], source
        taken[source] = len(before) - len(after)
    expected = {"c4": 1, "commoncrawl": 5, "github": 4, "wikipedia": 2}
    assert {source: count for source, count in taken.items() if count} == expected


def test_no_text_of_it_is_left_in_any_file(finished: Path, gone: Path) -> None:
    names = [source for source in manifest(finished)["sources"]]
    # A line that stands in no document that stays.
    kept = "\n".join(row["text"] for source in names for row in rows(gone, source))
    texts = [row["text"] for source in names for row in rows(finished, source) if listed(row)]
    secrets = [
        max((ln for ln in text.split("\n") if ln not in kept), key=len).strip()[:100] for text in texts
    ]
    assert len(secrets) == 12 and all(len(secret) > 10 for secret in secrets)
    encoder = Encoder(gone / "tokenizer" / "tokenizer.model")
    readable = []
    for path in gone.rglob("*"):
        if path.suffix == ".parquet":
            readable.append(json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False))
        elif path.suffix == ".arrow" and "shards" in path.parts and "work" not in path.parts:
            table = ipc.open_file(path).read_all()
            readable += [encoder.decode(tokens.values.to_numpy()) for tokens in table["tokens"]]
        elif path.is_file() and "models" not in path.parts and "tokenizer" not in path.parts:
            readable.append(path.read_bytes().decode("utf-8", "replace"))
    everything = "\n".join(readable)
    assert [secret for secret in secrets if secret in everything] == []
    assert sum(secret in "\n".join(texts) for secret in secrets) == 12
    removed = [p for p in (gone / "removed").rglob("*.parquet")]
    assert not any(listed(row) for path in removed for row in pq.read_table(path).to_pylist())


def test_the_new_run_passes_verify(gone: Path) -> None:
    assert {name: found for name, found in problems_of(str(gone)).items() if found} == {}


def test_counts_the_removals_under_their_own_reason(finished: Path, gone: Path) -> None:
    before, after = manifest(finished)["sources"], manifest(gone)["sources"]
    for source, count in {"c4": 1, "commoncrawl": 5, "github": 4, "wikipedia": 2, "books": 0}.items():
        steps = after[source]["steps"]
        assert steps[: len(before[source]["steps"])] == before[source]["steps"]
        assert after[source]["documents"] == before[source]["documents"] - count
        if not count:
            assert after[source] == before[source]
            continue
        size = before[source]["bytes"] - after[source]["bytes"]
        assert steps[-1]["step"] == "take_down"
        assert steps[-1]["removed"] == {"taken_down": {"documents": count, "bytes": size}}
        assert size == sum(len(row["text"].encode()) for row in rows(finished, source) if listed(row))
        accounts = lines(gone / "accounts" / f"{source}.jsonl")
        for account in accounts:
            removed = sum(n for reasons in account["removed"].values() for n in reasons.values())
            assert account["records"] == account["documents"] + removed
        assert sum(a["removed"].get("take_down", {}).get("taken_down", 0) for a in accounts) == count
    assert not any("tidewatch" in domain for domain in after["commoncrawl"]["domains"])


def test_the_others_keep_their_tokens_and_their_order(finished: Path, gone: Path) -> None:
    for source in manifest(finished)["sources"]:
        for split in ("train", "validation"):
            streams = []
            for run in (finished, gone):
                folder = run / "shards" / source
                stream = TokenStream(folder, read_index(folder), split)
                streams.append(
                    [
                        (id, tuple(tokens))
                        for _, batch in stream.batches()
                        for id, tokens in zip(
                            batch.column("id").to_pylist(), batch.column("tokens").to_pylist(), strict=True
                        )
                    ]
                )
            taken = {row["id"] for row in rows(finished, source) if listed(row)}
            assert streams[1] == [found for found in streams[0] if found[0] not in taken]


def test_links_what_held_nothing_of_it(finished: Path, gone: Path) -> None:
    changed = proof(gone)[0]["changed"]
    same = [p for p in manifest(gone)["files"] if p in manifest(finished)["files"] and p not in changed]
    assert len(same) == proof(gone)[0]["unchanged_files"] > 40
    for path in same:
        assert (gone / path).stat().st_ino == (finished / path).stat().st_ino or path.endswith(
            (".jsonl", "index.json")
        ), path
        assert (gone / path).read_bytes() == (finished / path).read_bytes()
    parts = sorted(p for p in changed if p.startswith("documents/"))
    assert parts == [
        "documents/c4/part-00000-of-00002.parquet",
        "documents/commoncrawl/part-00001-of-00005.parquet",
        "documents/github/part-00000-of-00005.parquet",
        "documents/wikipedia/part-00000-of-00006.parquet",
        "documents/wikipedia/part-00001-of-00006.parquet",
    ]


def test_the_proof_says_what_was_asked_and_found(finished: Path, gone: Path, lists: dict[str, str]) -> None:
    (removal,) = proof(gone)
    for kind, path in lists.items():
        assert removal["asked"][kind]["sha256"] == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    counts = {k: (a["lines"], a["entries"], a["not_found"]) for k, a in removal["asked"].items()}
    assert counts == {"urls": (2, 2, 1), "domains": (1, 1, 0), "ids": (3, 3, 1), "repositories": (1, 1, 0)}
    assert lines(gone / "removal" / "001-not_found.jsonl") == [
        {"list": "urls", "line": 2, "text": "https://nobody.example/nothing"},
        {"list": "ids", "line": 3, "text": "nope"},
    ]
    found = lines(gone / "removal" / "001-found.jsonl")
    documents = [row for row in found if "shard" in row]
    assert len(documents) == 12
    for row in documents:
        table = ipc.open_file(finished / row["shard"]).read_all()
        number = table["id"].to_pylist().index(row["id"])
        assert len(table["tokens"][number]) == row["tokens"]
        assert pq.read_table(finished / row["path"])["id"][row["row"]].as_py() == row["id"]
    assert removal["found"]["github"]["rows_of_removed"] == 1
    for path, change in removal["changed"].items():
        for run, when in ((finished, "before"), (gone, "after")):
            file = run / path
            assert (change[when] is not None) == file.exists()
            if change[when] is not None:
                assert hashlib.sha256(file.read_bytes()).hexdigest() == change[when]["sha256"]


def test_a_removal_that_was_stopped_is_no_run_and_goes_on(
    finished: Path, gone: Path, lists: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(remove_module, "derived_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            remove_documents(str(finished), str(run), lists, OPTIONS)
    with pytest.raises(ValueError, match="the run is not finished"):
        BaseRun.open(str(run))
    remove_documents(str(finished), str(run), lists, OPTIONS)
    collect_report(str(run))
    assert digests(run) == digests(gone)


def test_two_removals_one_after_the_other_add_up(finished: Path, gone: Path, tmp_path: Path) -> None:
    (tmp_path / "more").write_text("en:104\nde:201\n")
    run = tmp_path / "run"
    remove_documents(str(gone), str(run), {"ids": str(tmp_path / "more")}, OPTIONS)
    first, second = proof(run)
    assert first == proof(gone)[0]
    assert second["found"] == {"wikipedia": {**second["found"]["wikipedia"], "documents": 1}}
    assert second["asked"]["ids"]["not_found"] == 1
    step = manifest(run)["sources"]["wikipedia"]["steps"][-1]
    assert step["step"] == "take_down" and step["removed"]["taken_down"]["documents"] == 3
    assert {name: found for name, found in problems_of(str(run)).items() if found} == {}
    assert (run / "removal" / "001-found.jsonl").exists()


def test_refuses_other_lists_other_folders_and_no_list(
    finished: Path, gone: Path, lists: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="holds what another request made; delete it or choose"):
        remove_documents(str(finished), str(gone), {"ids": lists["ids"]}, OPTIONS)
    with pytest.raises(UsageError, match="is the run itself"):
        remove_documents(str(finished), str(finished), lists, OPTIONS)
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError, match="is not empty"):
        remove_documents(str(finished), str(tmp_path), lists, OPTIONS)
    with pytest.raises(UsageError, match="name a list with --urls, --domains, --ids, --repositories"):
        remove_documents(str(finished), str(tmp_path / "new"), {}, OPTIONS)


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("ids", b"", "list holds no entry; name what is to go, or leave out --ids"),
        ("urls", b"\n  \n", "list holds no entry; name what is to go, or leave out --urls"),
        ("domains", b"a.example\ncom\n", "list: line 2: 'com' is no domain; write example.com"),
        ("urls", b"ftp://x\n", "list: line 1: 'ftp://x' is no http"),
        ("ids", b"\xff\n", "list: line 1 is not UTF-8; save the list as UTF-8"),
    ],
)
def test_a_bad_list_is_refused_before_anything_is_written(
    finished: Path, tmp_path: Path, kind: str, content: bytes, message: str
) -> None:
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UsageError) as error:
        remove_documents(str(finished), str(tmp_path / "run"), {kind: str(tmp_path / "list")}, OPTIONS)
    assert str(error.value).startswith(f"{tmp_path}/{message}")
    assert not (tmp_path / "run").exists()


def test_says_when_nothing_was_found(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("nobody\n")
    arguments = [str(finished), "--out", str(tmp_path / "run"), "--ids", str(tmp_path / "ids"), "--quiet"]
    result = CliRunner().invoke(remove_module.remove, arguments, catch_exceptions=False)
    assert "ids: 1 asked for, 1 line matched nothing\n" in result.stdout
    assert result.stderr.splitlines()[-1] == (
        f"warning: no line matched anything; {tmp_path}/run holds the same documents as {finished}"
    )


def test_refuses_to_leave_a_source_empty(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("\n".join(row["id"] for row in rows(finished, "books")))
    with pytest.raises(
        ValueError, match=r"books: no document would be left, .*; name fewer of them, or make a run"
    ):
        remove_documents(str(finished), str(tmp_path / "run"), {"ids": str(tmp_path / "ids")}, OPTIONS)
    assert not (tmp_path / "run" / "manifest.json").exists()
    assert not (tmp_path / "run" / "shards").exists()


def test_a_damaged_shard_is_not_copied(
    finished: Path, lists: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "base")
    shard = next((tmp_path / "base" / "shards" / "wikipedia").glob("train-*.arrow"))
    good = shard.read_bytes()
    shard.write_bytes(good[: len(good) // 2] + b"\x07" + good[len(good) // 2 + 1 :])
    with pytest.raises(ValueError, match=r"train-00000-of-00001.arrow is not as its manifest says"):
        remove_documents(str(tmp_path / "base"), str(tmp_path / "run"), lists, OPTIONS)


def test_a_run_into_it_is_refused(gone: Path, finished: Path) -> None:
    refuse_derived(str(finished))
    with pytest.raises(
        ValueError, match="was made by `remove`; a run into it would put back what it took out"
    ):
        refuse_derived(str(gone))


def test_hits_of_benchmarks_with_its_passages_go_too(
    finished: Path, sample: Path, lists: dict[str, str], tmp_path: Path
) -> None:
    """Items made of a page that goes and of one that stays; the record of hits shows passages of both."""
    pages = {row["id"]: row["text"].split() for row in rows(finished, "wikipedia")}
    items = [
        {"query": " ".join(pages[id][20:45]), "choices": ["yes", "no"], "gold": 0}
        for id in ("en:101", "en:104")
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(json.dumps(item) for item in items))
    shutil.copytree(finished, tmp_path / "base")
    given = [f"benchmarks=[{tmp_path / 'own.jsonl'}]", "decontaminate=flag"]
    run_pipeline(load_settings(str(sample / "sample.yaml"), given), str(tmp_path / "base"), OPTIONS)
    remove_documents(str(tmp_path / "base"), str(tmp_path / "run"), lists, OPTIONS)
    hits = {}
    for run in ("base", "run"):
        found = manifest(tmp_path / run)["decontamination"]
        recorded = [row["id"] for p in (tmp_path / run).glob("decontamination/*/*.jsonl") for row in lines(p)]
        hits[run] = (
            sorted(recorded),
            found["benchmarks"]["own"]["found"],
            found["documents"]["wikipedia"]["kept"],
        )
    assert hits == {"base": (["en:101", "en:104"], 2, 2), "run": (["en:104"], 1, 1)}
    assert {name: found for name, found in problems_of(str(tmp_path / "run")).items() if found} == {}


def test_the_command_run_refuses_it(gone: Path, sample: Path) -> None:
    result = llama_corpus("run", sample / "sample.yaml", "--out", gone)
    assert result.returncode == 1 and "a run into it would put back what it took out" in result.stderr
