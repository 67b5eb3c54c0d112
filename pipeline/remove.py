"""The command `remove`: a new run without the documents that lists name, and a proof of what was done.

In: a finished run, lists (`pipeline.take_down_lists`). Out: a run of its own. A document is taken from documents/ and
from the shards; what steps removed of listed pages, and copies of their texts, are erased from removed/. work/, report
and training are not carried over, the report is made anew. Tokenizer and models stay, so all other tokens stay too;
so do the split of what is left and its order.

`removal.json` is the proof: each list with its SHA-256, what was found, and the checksums of every file that changed
before and after. What was found, and the lines that matched nothing, are in `removal/`, one JSON value a line, so that
millions of either are no burden.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa

from pipeline import files
from pipeline.collect_report import collect_report
from pipeline.commands import counted, last_line, table
from pipeline.decontamination import hits_node
from pipeline.derived_run import (
    DERIVED,
    REMOVAL_LISTS,
    REMOVAL_PROOF,
    BaseRun,
    CarryFiles,
    Leavers,
    account_without,
    begin_derived,
    carry,
    carry_files,
    derived_manifest,
    read_gone,
    refuse_empty,
    searched,
    write_accounts_without,
)
from pipeline.encode import IndexShards, index_path, index_shards
from pipeline.files import Written
from pipeline.manifest import CONFIG, MANIFEST
from pipeline.plan import Done, Node
from pipeline.run import Options, only_run, remove_leftovers, run_nodes
from pipeline.settings import UsageError
from pipeline.take_down import (
    FindDocuments,
    JoinTexts,
    ReadLists,
    TakeDownPart,
    find_documents,
    join_texts,
    load_table,
    read_lists,
    take_down_part,
)
from pipeline.take_down_lists import KINDS, entries, keys_of
from pipeline.take_down_shards import JoinPlaces, TakeDownShard, entry_of, join_places, take_down_shard
from pipeline.tasks import Task
from tokenizer.order import split_of
from tokenizer.shard_index import ShardIndex, read_index

LISTS, CARRY = "take_down/lists", "take_down/carry"
TEXTS = "take_down/texts"
TABLE, TEXTS_PATH = "work/take_down/keys.bin", "work/take_down/texts.bin"


class _Removal:
    """One take-down: its nodes, and what is written when they are done."""

    def __init__(self, base: BaseRun, run: str, lists: Mapping[str, str]) -> None:
        self._base, self._run, self._lists = base, run, lists
        self._sources = list(base.manifest["sources"])
        self._digests = {kind: files.sha256_of(path) for kind, path in lists.items()}
        self._done = Done(run)
        self._indexes: dict[str, ShardIndex] = {}

    @property
    def request(self) -> dict[str, Any]:
        return {"command": "remove", "lists": {kind: w.sha256 for kind, w in self._digests.items()}}

    def run(self, options: Options) -> dict[str, Any]:
        """Does what is not done, and writes proof and manifest; returns the manifest."""
        derived = begin_derived(self._base, self._run, self.request)
        for source in self._sources:
            with files.local_copy(files.join(self._base.folder, index_path(source))) as local:
                self._indexes[source] = read_index(Path(local).parent)
        run_nodes(self._run, self._nodes(), self._done, options, self._check)
        return self._finish(derived)

    def _check(self, node: str) -> None:
        """Refuses an empty source as soon as its documents are found, before anything is written anew."""
        for source in self._sources:
            if node == _node(source, "find"):
                left = sum(statistics["gone"] for statistics in self._done.statistics(node))
                refuse_empty(self._base, source, left, "name fewer of them, or ")

    def _nodes(self) -> list[Node]:
        nodes = [Node(LISTS, (), self._list_tasks), Node(CARRY, (), self._carry_tasks)]
        for source in self._sources:
            find, places = _node(source, "find"), _node(source, "places")
            nodes += [
                Node(find, (LISTS, CARRY), partial(self._find_tasks, source)),
                Node(_node(source, "take_down"), (find, TEXTS), partial(self._part_tasks, source)),
                Node(places, (find,), partial(self._place_tasks, source)),
                Node(_node(source, "shards"), (places,), partial(self._shard_tasks, source)),
                Node(
                    _node(source, "index"),
                    (_node(source, "shards"), CARRY),
                    partial(self._index_tasks, source),
                ),
            ]
        nodes.append(Node(TEXTS, tuple(_node(s, "find") for s in self._sources), self._text_tasks))
        # The hits of benchmarks show passages of documents: they are recorded anew.
        nodes += [hits_node(s, _node(s, "take_down"), self._done) for s in searched(self._base)]
        return nodes

    def _list_tasks(self) -> list[Task]:
        reads = {kind: written.sha256 for kind, written in self._digests.items()}
        return [Task(LISTS, "keys", read_lists, ReadLists(self._lists, TABLE), reads)]

    def _carry_tasks(self) -> list[Task]:
        """Tokenizer, models, configuration and earlier proofs."""
        prefixes = ("tokenizer/", "models/", f"{REMOVAL_LISTS}/")
        expected = {p: w for prefix in prefixes for p, w in self._base.written(prefix).items()}
        work = CarryFiles(self._base.folder, expected)
        return [Task(CARRY, "files", carry_files, work, {p: w.sha256 for p, w in expected.items()})]

    def _find_tasks(self, source: str) -> list[Task]:
        node, made = _node(source, "find"), []
        keys, characters = self._done.all_outputs(LISTS), self._base.config["removed_characters"]
        for path, written in self._base.written(f"documents/{source}/").items():
            number = _part_number(path)
            gone = f"work/{node}/{number}.arrow"
            work = FindDocuments(self._base.folder, source, TABLE, path, characters, gone)
            made.append(Task(node, number, find_documents, work, {**keys, path: written.sha256}))
        return made

    def _text_tasks(self) -> list[Task]:
        gone = {p: sha for source in self._sources for p, sha in self._gone(source).items()}
        return [Task(TEXTS, "texts", join_texts, JoinTexts(tuple(gone), TEXTS_PATH), gone)]

    def _part_tasks(self, source: str) -> list[Task]:
        node, made = _node(source, "take_down"), []
        gone = self._gone(source)
        same = {**self._done.all_outputs(LISTS), **self._done.all_outputs(TEXTS)}
        removed: dict[str, dict[str, Written]] = {}  # by the number of the part
        for path, written in self._base.written(f"removed/{source}/").items():
            removed.setdefault(_part_number(path), {})[path] = written
        for path in self._base.parts(source):
            number = _part_number(path)
            expected = {**self._base.written(path), **removed.pop(number, {})}
            found, erased = (f"work/{_node(source, what)}/{number}.arrow" for what in ("find", "take_down"))
            work = TakeDownPart(self._base.folder, source, TABLE, TEXTS_PATH, found, expected, erased)
            reads = {**same, found: gone[found], **{p: w.sha256 for p, w in expected.items()}}
            made.append(Task(node, number, take_down_part, work, reads))
        assert not removed, f"{source}: removals of parts that are not there: {sorted(removed)}"
        return made

    def _place_tasks(self, source: str) -> list[Task]:
        node, gone = _node(source, "places"), self._gone(source)
        work = JoinPlaces(tuple(gone), tuple(self._base.parts(source)), f"work/{node}/places.bin")
        return [Task(node, "places", join_places, work, gone)]

    def _gone(self, source: str, what: str = "find") -> dict[str, str]:
        """path -> SHA-256 of the lists of documents that go (or of the rows that `take_down` erased), part by part."""
        node = _node(source, what)
        return self._done.all_outputs(node, f"work/{node}/")

    def _shard_tasks(self, source: str) -> list[Task]:
        node, index, made = _node(source, "shards"), self._indexes[source], []
        places = self._done.all_outputs(_node(source, "places"))
        (places_path,) = places
        for split, shards in index.splits.items():
            for entry in shards:
                path = f"shards/{source}/{entry.name}"
                (written,) = self._base.written(path).values()
                name = entry.name.removesuffix(".arrow")
                work = TakeDownShard(
                    self._base.folder,
                    path,
                    written,
                    entry,
                    index.metadata(split),
                    places_path,
                    f"work/{node}/{name}.arrow",
                )
                made.append(Task(node, name, take_down_shard, work, {path: written.sha256, **places}))
        return made

    def _shard_markers(self, source: str) -> Iterator[tuple[str, str, Written, dict[str, Any], str]]:
        """(split, path, what was written, statistics, list of what left) of each shard, in order."""
        entries = [
            (split, entry) for split, shards in self._indexes[source].splits.items() for entry in shards
        ]
        markers = self._done.markers[_node(source, "shards")]
        for (split, entry), marker in zip(entries, markers, strict=True):
            path, gone = f"shards/{source}/{entry.name}", f"work/{_node(source, 'shards')}/"
            (listed,) = (p for p in marker["outputs"] if p.startswith(gone))
            yield split, path, Written(**marker["outputs"][path]), marker["statistics"], listed

    def _index_tasks(self, source: str) -> list[Task]:
        splits: dict[str, list[Any]] = {split: [] for split in self._indexes[source].splits}
        reads = self._done.all_outputs(CARRY, "tokenizer/tokenizer.model")
        for split, path, written, statistics, _ in self._shard_markers(source):
            splits[split].append(entry_of(path, written, statistics))
            reads[path] = written.sha256
        work = IndexShards(source, {split: tuple(e) for split, e in splits.items()}, index_path(source))
        return [Task(_node(source, "index"), "index", index_shards, work, reads)]

    def _finish(self, derived: Written) -> dict[str, Any]:
        base, written = self._base, {DERIVED: derived}
        for markers in self._done.markers.values():
            for marker in markers:
                outputs = marker["outputs"].items()
                written.update({p: Written(**w) for p, w in outputs if not p.startswith("work/")})
        carry(base.folder, self._run, CONFIG, files.sha256_of(files.join(base.folder, CONFIG)))
        sources = {}
        for source in self._sources:
            left = Leavers()
            for row in read_gone(self._run, self._gone(source)):
                left.add(row)
            account = account_without(source, base.manifest["sources"][source], left)
            sources[source] = self._with_shards(source, account)
            written.update(write_accounts_without(base, self._run, source, left))
        proof = self._proof(written, sources)
        written.update(proof)
        manifest = derived_manifest(
            base,
            base.config,
            base.manifest["config_sha256"],
            sources,
            written,
            self.request,
            self._done,
        )
        files.write_json(files.join(self._run, MANIFEST), manifest)
        return manifest

    def _with_shards(self, source: str, account: dict[str, Any]) -> dict[str, Any]:
        """Tokens, validation and the most lost documents of an account after the take-down."""
        account["tokens"] = dict.fromkeys(account["tokens"], 0)
        for split, _, _, statistics, _ in self._shard_markers(source):
            account["tokens"][split] += statistics["tokens"]
        fraction = self._base.config["shards"]["validation_fraction"]
        places = self._shards_of(source)
        for row in read_gone(self._run, self._gone(source)):
            if split_of(source, row["id"], fraction) == "validation":
                account["validation"]["candidates"] -= 1
                shard, _ = places.find(row)
                account["validation"]["near_copies_of_training"] -= "/train-" in shard
        keys = load_table(self._run, TABLE)
        account["loss"]["most_lost"] = [
            lost
            for lost in account["loss"]["most_lost"]
            if np.all(keys.places([k for _, k in keys_of(source, lost["id"], lost["url"], None)]) < 0)
        ]
        return account

    def _shards_of(self, source: str) -> _ShardPlaces:
        shards = [(path, listed) for _, path, _, _, listed in self._shard_markers(source)]
        return _ShardPlaces(self._run, shards, self._base.parts(source))

    def _proof(self, written: Mapping[str, Written], sources: Mapping[str, Any]) -> dict[str, Written]:
        """Writes what was found, what was not, and removal.json."""
        proof_path = files.join(self._base.folder, REMOVAL_PROOF)
        earlier = files.read_json(proof_path)["removals"] if files.exists(proof_path) else []
        number = len(earlier) + 1
        matched = np.zeros(len(load_table(self._run, TABLE).keys), np.bool_)
        found_path, missed_path = (
            f"{REMOVAL_LISTS}/{number:03d}-{what}.jsonl" for what in ("found", "not_found")
        )
        found: dict[str, Any] = {}
        parts: Counter[str] = Counter()
        shards: Counter[str] = Counter()
        with files.create(files.join(self._run, found_path)) as stream:
            for source in self._sources:
                of_source = found[source] = dict.fromkeys(
                    ("documents", "bytes", "tokens", "rows_of_removed"), 0
                )
                places = self._shards_of(source)
                for row in read_gone(self._run, [*self._gone(source), *self._gone(source, "take_down")]):
                    matched[row["keys"]] = True
                    parts[row["path"]] += 1
                    facts = {"source": source, **{k: row[k] for k in ("id", "path", "row", "lists", "bytes")}}
                    if row["path"].startswith("documents/"):
                        shard, tokens = places.find(row)
                        shards[shard] += 1
                        facts |= {"shard": shard, "tokens": tokens}
                        of_source["documents"] += 1
                        of_source["bytes"] += row["bytes"]
                        of_source["tokens"] += tokens
                    else:
                        of_source["rows_of_removed"] += 1
                    stream.write((json.dumps(facts, ensure_ascii=False) + "\n").encode())
        outputs = {found_path: stream.written()}
        outputs[missed_path], missed = self._not_found(missed_path, matched)
        (counts,) = (s["lists"] for s in self._done.statistics(LISTS))
        changed = self._changed({**written, **outputs})
        removal = {
            "base_manifest_sha256": self._base.manifest_sha256,
            "asked": {
                kind: {"sha256": self._digests[kind].sha256, **counts[kind], "not_found": missed[kind]}
                for kind in self._lists
            },
            "found": {s: f for s, f in found.items() if any(f.values())},
            "files_that_held_them": dict(sorted(parts.items())),
            "shards_that_held_them": dict(sorted(shards.items())),
            "left": {source: account["documents"] for source, account in sources.items()},
            "lists": {p: dataclasses.asdict(w) for p, w in outputs.items()},
            "changed": changed,
            "unchanged_files": sum(
                path in written and written[path].sha256 == w["sha256"]
                for path, w in self._base.manifest["files"].items()
            ),
            "made_of_the_texts_before": ["models", "tokenizer"],
        }
        value = {"format_version": 1, "removals": [*earlier, removal]}
        outputs[REMOVAL_PROOF] = files.write_json(files.join(self._run, REMOVAL_PROOF), value)
        return outputs

    def _changed(self, written: Mapping[str, Written]) -> dict[str, Any]:
        """path -> what stood there before and after, of files that are not the same; null where there is none."""
        before = {path: Written(**w) for path, w in self._base.manifest["files"].items()}
        before.pop(REMOVAL_PROOF, None)
        return {
            path: {
                when: dataclasses.asdict(of[path]) if path in of else None
                for when, of in (("before", before), ("after", written))
            }
            for path in sorted({*before, *written} - {DERIVED})
            if before.get(path) != written.get(path)
        }

    def _not_found(self, path: str, matched: Any) -> tuple[Written, dict[str, int]]:
        """Writes the lines that named nothing; how many there are of each list."""
        keys, missed = load_table(self._run, TABLE), dict.fromkeys(self._lists, 0)
        with files.create(files.join(self._run, path)) as stream:
            for kind, given in self._lists.items():
                with files.open_binary(given) as lines:
                    for number, line, key in entries(kind, lines, given):
                        if not matched[keys.places([key])[0]]:
                            missed[kind] += 1
                            facts = {"list": kind, "line": number, "text": line}
                            stream.write((json.dumps(facts, ensure_ascii=False) + "\n").encode())
        return stream.written(), missed


class _ShardPlaces:
    """In which shard of a source a document stood, and with how many tokens. 24 bytes a document that left."""

    def __init__(self, run: str, shards: list[tuple[str, str]], parts: list[str]) -> None:
        self._shards = [path for path, _ in shards]
        self._parts = {path: number for number, path in enumerate(parts)}
        places, tokens, numbers = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for number, (_, listed) in enumerate(shards):
            with files.open_binary(files.join(run, listed)) as stream:
                found = pa.ipc.open_file(pa.py_buffer(stream.read())).read_all()
            places.append(found["place"].to_numpy())
            tokens.append(found["tokens"].to_numpy())
            numbers.append(np.full(len(found), number))
        joined = np.concatenate(places)
        order = np.argsort(joined)
        self._places = joined[order]
        self._tokens, self._numbers = np.concatenate(tokens)[order], np.concatenate(numbers)[order]

    def find(self, row: Mapping[str, Any]) -> tuple[str, int]:
        """(path of the shard, tokens) of a row of `GONE`; ValueError when no shard had it."""
        place = np.uint64((self._parts[row["path"]] << 32) | row["row"])
        at = int(np.searchsorted(self._places, place))
        if at == len(self._places) or self._places[at] != place:
            raise ValueError(
                f"{row['id']}: is in {row['path']}, and in no shard; see llama-corpus verify RUN"
            )
        return self._shards[self._numbers[at]], int(self._tokens[at])


def _node(source: str, what: str) -> str:
    return f"{source}/{what}"


def _part_number(path: str) -> str:
    """`part-00003` of `documents/c4/part-00003-of-00016.parquet`."""
    return path.rpartition("/")[2].removesuffix(".parquet").partition("-of-")[0]


def remove_documents(folder: str, out: str, lists: Mapping[str, str], options: Options) -> dict[str, Any]:
    """Makes the run `out` of the run `folder` without what the lists (kind -> path) name; returns its manifest.

    The same command again goes on where it stopped. Raises UsageError for lists or a folder that cannot be used, and
    ValueError when the run is not finished or its files are not as its manifest says.
    """
    if not lists:
        raise UsageError(f"nothing is asked for; name a list with --{', --'.join(KINDS)}")
    base = BaseRun.open(folder)
    for kind, path in lists.items():
        _check_list(kind, path)
    with only_run(out):
        remove_leftovers(out)
        return _Removal(base, out, lists).run(options)


def _check_list(kind: str, path: str) -> None:
    """UsageError for a list with a line that is no entry, or without an entry: before anything is written."""
    try:
        with files.open_binary(path) as stream:
            found = sum(1 for _ in entries(kind, stream, path))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not found:
        raise UsageError(f"{path} holds no entry; name what is to go, or leave out --{kind}")


@click.command()
@click.argument("folder", metavar="RUN")
@click.option("--out", required=True, metavar="NEW", help="Folder of the new run; the same folder resumes.")
@click.option("--urls", type=click.Path(dir_okay=False, exists=True), help="Addresses, one a line.")
@click.option(
    "--domains", type=click.Path(dir_okay=False, exists=True), help="Domains, with their subdomains."
)
@click.option("--ids", type=click.Path(dir_okay=False, exists=True), help="Document ids, or source:id.")
@click.option("--repositories", type=click.Path(dir_okay=False, exists=True), help="owner/name at GitHub.")
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), help="Processes on this machine.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def remove(folder: str, out: str, workers: int, quiet: bool, as_json: bool, **given: str | None) -> None:
    """Write NEW: RUN without the documents that the lists name, and a proof (removal.json)."""
    lists = {kind: path for kind in KINDS if (path := given[kind]) is not None}
    manifest = remove_documents(folder, out, lists, Options(workers, quiet=quiet))
    page = collect_report(out)
    removal = files.read_json(files.join(out, REMOVAL_PROOF))["removals"][-1]
    if not removal["found"]:
        print(
            f"warning: no line matched anything; {out} holds the same documents as {folder}", file=sys.stderr
        )
    if as_json:
        print(json.dumps({name: removal[name] for name in ("asked", "found", "left")}, sort_keys=True))
        return
    for kind, asked in removal["asked"].items():
        print(
            f"{kind}: {asked['entries']:,} asked for, {counted(asked['not_found'], 'line')} matched nothing"
        )
    for source, found in removal["found"].items():
        print(
            f"{source}: {counted(found['documents'], 'document')}, {counted(found['tokens'], 'token')} taken down, "
            f"{counted(found['rows_of_removed'], 'row')} of removed/ erased"
        )
    print(table(manifest))
    print(last_line(manifest, page))
