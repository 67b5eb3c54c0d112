"""A run that is made from another, finished one: what stays is linked, what changes is written anew.

`remove` and `recut` share what is here: the finished run that they begin with (its manifest, configuration and parts),
the new folder, which says from its first moment whose child it is (`derived.json`), files that are carried over as they
are, and the accounts of documents that left after the fact. A document that left is moved, in the account of the step
that it failed, from kept to removed, and is taken off what came in at every later step; so in = kept + removed holds as
in any run.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import yaml

from mixtures.conservation import conservation_problems
from mixtures.mixture import load_mixture, plan_mixture
from pipeline import files
from pipeline.accounts import FOLDER as ACCOUNTS
from pipeline.decontamination_figures import summary
from pipeline.files import Written
from pipeline.finished_run import read_manifest
from pipeline.manifest import CONFIG, MANIFEST
from pipeline.model_files import BENCHMARKS_PATH, MODELS_NODE
from pipeline.plan import Done
from pipeline.recipes import RECIPES, SourceRecipe
from pipeline.settings import Settings, UsageError
from pipeline.tasks import OUTSIDE, Result
from stages.decontamination import Decontaminate

DERIVED = "derived.json"
REMOVAL_PROOF = "removal.json"
REMOVAL_LISTS = "removal"  # a folder

# A document that left, or (of `removed/`) a row that was erased: where it stood and what it counted for, no text.
GONE = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),  # of the file in which it stood
        pa.field("row", pa.int64(), nullable=False),
        pa.field("step", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("language", pa.string()),
        pa.field("license", pa.string()),
        pa.field("domain", pa.string()),
        pa.field("file", pa.string(), nullable=False),  # the input that it came from
        # Of `remove`: the lists that name it, the places of their entries in the table of keys, and a digest of how its
        # text begins, by which copies are known.
        pa.field("lists", pa.list_(pa.string()), nullable=False),
        pa.field("keys", pa.list_(pa.int64()), nullable=False),
        pa.field("text", pa.binary()),
    ]
)


@dataclass(frozen=True)
class BaseRun:
    """A finished run. Its files are never written to."""

    folder: str
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    manifest_sha256: str

    @classmethod
    def open(cls, folder: str) -> BaseRun:
        """Raises as `read_manifest`, and ValueError when the configuration of the run was changed since."""
        manifest = read_manifest(folder)
        with files.open_binary(files.join(folder, CONFIG)) as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() != manifest["config_sha256"]:
            raise ValueError(
                f"{files.join(folder, CONFIG)}: not that of {MANIFEST}; put back the one that the run wrote"
            )
        return cls(
            folder, manifest, yaml.safe_load(content), files.sha256_of(files.join(folder, MANIFEST)).sha256
        )

    def written(self, prefix: str) -> dict[str, Written]:
        """path -> what stands there, of all files whose path begins with `prefix`, in the order of their paths."""
        found = self.manifest["files"]
        return {p: Written(**found[p]) for p in sorted(found) if p.startswith(prefix)}

    def digests(self, prefix: str) -> dict[str, str]:
        return {path: written.sha256 for path, written in self.written(prefix).items()}

    def parts(self, source: str) -> list[str]:
        """The parts of a source's documents, by their number."""
        return list(self.written(f"documents/{source}/"))


def refuse_derived(run: str) -> None:
    """ValueError for a folder that `remove` or `recut` made: `run` would read the raw data again and put back what was
    taken out."""
    path = files.join(run, DERIVED)
    if files.exists(path):
        command = files.read_json(path)["command"]
        raise ValueError(
            f"{run} was made by `{command}`; a run into it would put back what it took out: choose another --out"
        )


def begin_derived(base: BaseRun, run: str, request: Mapping[str, Any]) -> Written:
    """Writes `derived.json`, by which the same command goes on after it was stopped.

    ValueError when the folder is the base itself, or holds anything but what the same command left there.
    """
    given = {"base_manifest_sha256": base.manifest_sha256, **request}
    path = files.join(run, DERIVED)
    if "://" not in run and os.path.realpath(run) == os.path.realpath(base.folder):
        raise UsageError(f"--out {run} is the run itself, which is not written to; choose another folder")
    if files.exists(path):
        if files.read_json(path) != given:
            raise UsageError(
                f"--out {run} holds what another request made; delete it or choose another folder"
            )
        return files.sha256_of(path)
    if any(name for name in _names(run) if name not in (".lock", "work")):
        raise UsageError(f"--out {run} is not empty; choose another folder")
    return files.write_json(path, given)


def _names(run: str) -> list[str]:
    if "://" in run:
        return files.match(run, "*")
    return sorted(os.listdir(run)) if os.path.isdir(run) else []


def carry(base: str, run: str, path: str, expected: Written) -> Written:
    """Makes `path` of the base stand in the new run: a hard link where the disk allows one, else a copy.

    ValueError when the file is not what the base's manifest says.
    """
    old, new = files.join(base, path), files.join(run, path)
    found = files.standing(old)
    if found is None or found.bytes != expected.bytes:
        raise ValueError(f"{old} is not as its manifest says; see llama-corpus verify {base}")
    if files.is_local(old) and "://" not in run:
        os.makedirs(os.path.dirname(new), exist_ok=True)
        try:
            if os.path.exists(new):
                os.unlink(new)
            os.link(old, new)
            return expected
        except OSError:  # another disk, or one without links
            pass
    with files.open_binary(old) as source, files.create(new) as stream:
        shutil.copyfileobj(source, stream, 1 << 20)
    if stream.written() != expected:
        raise ValueError(f"{old} has changed since it was written; see llama-corpus verify {base}")
    return expected


@dataclass(frozen=True)
class CarryFiles:
    """Files that stay as they are."""

    base: str = field(metadata=OUTSIDE)
    expected: Mapping[str, Written]


def carry_files(run: str, work: CarryFiles) -> Result:
    return Result({p: carry(work.base, run, p, w) for p, w in work.expected.items()}, {})


def write_gone(run: str, path: str, rows: Sequence[Mapping[str, Any]]) -> Written:
    """Writes what left as an Arrow file of `GONE`."""
    with (
        files.create(files.join(run, path)) as stream,
        pa.ipc.new_file(pa.PythonFile(stream, mode="w"), GONE) as writer,
    ):
        for start in range(0, len(rows), 1 << 16):
            writer.write_batch(pa.RecordBatch.from_pylist(list(rows[start : start + (1 << 16)]), schema=GONE))
    return stream.written()


def read_gone(run: str, paths: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The rows of many files of `GONE`, in order."""
    for path in paths:
        with files.open_binary(files.join(run, path)) as stream:
            reader = pa.ipc.open_file(pa.PythonFile(stream, mode="r"))
            for number in range(reader.num_record_batches):
                yield from reader.get_batch(number).to_pylist()


class Leavers:
    """What the documents that left a source counted for. Memory: names of steps, inputs, languages, licences, sites."""

    def __init__(self) -> None:
        self.documents = self.bytes = 0
        self.reasons: dict[str, dict[str, list[int]]] = {}  # step -> reason -> documents, bytes
        self.inputs: dict[str, Counter[tuple[str, str]]] = {}  # input -> (step, reason) -> documents
        self.seen: dict[str, dict[str, list[int]]] = {"languages": {}, "licenses": {}, "domains": {}}

    def add(self, row: Mapping[str, Any]) -> None:
        size = row["bytes"]
        self.documents += 1
        self.bytes += size
        _count(self.reasons.setdefault(row["step"], {}), row["reason"], size)
        self.inputs.setdefault(row["file"], Counter())[row["step"], row["reason"]] += 1
        _count(self.seen["languages"], row["language"] or "unknown", size)
        _count(self.seen["licenses"], row["license"] or "unknown", size)
        if row["domain"]:
            _count(self.seen["domains"], row["domain"], size)


def _count(counts: dict[str, list[int]], name: str, size: int) -> None:
    count = counts.setdefault(name, [0, 0])
    count[0] += 1
    count[1] += size


def refuse_empty(base: BaseRun, source: str, left: int, way_out: str) -> None:
    """ValueError when all documents of a source left: it would be missing from the mixture without a word."""
    if left == base.manifest["sources"][source]["documents"]:
        raise ValueError(
            f"{source}: no document would be left, and a run has no empty source; {way_out}make a run without {source}"
        )


def account_without(source: str, account: Mapping[str, Any], left: Leavers) -> dict[str, Any]:
    """The account of a source without the documents that left; tokens and validation are the caller's.

    A step that the source did not have becomes its last one. The tables of languages, licences and sites lose what
    left; where a table was cut to its largest names (`pipeline.parts`), a name that is not in it cannot lose any.
    """
    new: dict[str, Any] = copy.deepcopy(dict(account))
    for name, reasons in left.reasons.items():
        _move(new["steps"], name, reasons)
    new["documents"] -= left.documents
    new["bytes"] -= left.bytes
    for table, names in left.seen.items():
        new[table] = _less(new[table], names)
    problems = conservation_problems(new)  # type: ignore[arg-type]
    if problems:
        raise ValueError(f"{source}: documents were lost or doubled: {'; '.join(problems)}")
    return new


def _move(steps: list[dict[str, Any]], name: str, reasons: Mapping[str, Sequence[int]]) -> None:
    """Moves documents from kept to removed at a step, and takes them off every later one."""
    names = [step["step"] for step in steps]
    if name not in names:
        documents, size = steps[-1]["documents_kept"], steps[-1]["bytes_kept"]
        amounts = {
            "documents_in": documents,
            "documents_kept": documents,
            "bytes_in": size,
            "bytes_kept": size,
        }
        steps.append({"step": name, "removed": {}, "bytes_edited": 0, **amounts})
        names.append(name)
    at = names.index(name)
    for reason, (documents, size) in sorted(reasons.items()):
        removed = steps[at]["removed"].setdefault(reason, {"documents": 0, "bytes": 0})
        removed["documents"] += documents
        removed["bytes"] += size
        for number, step in enumerate(steps[at:]):
            step["documents_kept"] -= documents
            step["bytes_kept"] -= size
            if number:
                step["documents_in"] -= documents
                step["bytes_in"] -= size


def _less(
    table: Mapping[str, Mapping[str, int]], names: Mapping[str, Sequence[int]]
) -> dict[str, dict[str, int]]:
    less = {}
    for name, count in table.items():
        documents, size = names.get(name, (0, 0))
        if count["documents"] > documents:
            less[name] = {"documents": count["documents"] - documents, "bytes": count["bytes"] - size}
    ordered = sorted(less, key=lambda name: (-less[name]["documents"], name))
    return {name: less[name] for name in ordered}


def write_accounts_without(base: BaseRun, run: str, source: str, left: Leavers) -> dict[str, Written]:
    """The accounts of a source's inputs without the documents that left; path -> what was written."""
    path, seen = f"{ACCOUNTS}/{source}.jsonl", set()
    with (
        files.open_binary(files.join(base.folder, path)) as lines,
        files.create(files.join(run, path)) as stream,
    ):
        for line in lines:
            account = json.loads(line)
            gone = left.inputs.get(account["name"], Counter())
            seen.add(account["name"])
            account["documents"] -= gone.total()
            for (step, reason), documents in sorted(gone.items()):
                reasons = account["removed"].setdefault(step, {})
                reasons[reason] = reasons.get(reason, 0) + documents
            stream.write((json.dumps(account, ensure_ascii=False) + "\n").encode())
    unknown = sorted(set(left.inputs) - seen)
    if unknown:
        raise ValueError(f"{source}: documents came from {unknown[0]}, which {path} does not name")
    return {path: stream.written()}


def derived_manifest(
    base: BaseRun,
    config: Mapping[str, Any],
    config_sha256: str,
    sources: Mapping[str, Any],
    written: Mapping[str, Written],
    request: Mapping[str, Any],
    done: Done,
) -> dict[str, Any]:
    """The manifest of the new run: sources, files, mixture and hits of benchmarks anew, the rest as the base's."""
    unique = {source: account["tokens"]["train"] for source, account in sources.items()}
    sizes = {
        source: account["bytes"] * unique[source] // max(1, sum(account["tokens"].values()))
        for source, account in sources.items()
    }
    planned = plan_mixture(load_mixture(config["mixture"]), unique, config["tokens"], sizes)
    return {
        **base.manifest,
        "config_sha256": config_sha256,
        "sources": dict(sources),
        "mixture": planned.as_json(),
        "mixture_warnings": [
            *planned.warnings,
            *(f"{source}: has tokens but no share, it is not read" for source in planned.unplanned),
        ],
        **_decontamination(base, done),
        "files": {p: {"bytes": w.bytes, "sha256": w.sha256} for p, w in sorted(written.items())},
        "derived": {"base_manifest_sha256": base.manifest_sha256, "command": request["command"]},
    }


def searched(base: BaseRun) -> list[str]:
    """The sources that were searched for benchmarks."""
    found: Mapping[str, Any] = base.manifest.get("decontamination", {})
    return list(found.get("modes", ()))


def _decontamination(base: BaseRun, done: Done) -> dict[str, Any]:
    """What the manifest says of benchmarks, from the hits that are recorded anew."""
    if not searched(base):
        return {}
    before = base.manifest["decontamination"]
    counts = {
        name: {key: facts[key] for key in ("items", "searched", "passage_only", "skipped")}
        for name, facts in before["benchmarks"].items()
    }
    gathered = {"benchmarks": counts, "common_ngrams": before["common_ngrams"]}
    known = Done(done.run)
    known.markers = {
        **done.markers,
        MODELS_NODE: [{"outputs": {BENCHMARKS_PATH: {"sha256": ""}}, "statistics": gathered}],
    }
    recipes = {
        source: SourceRecipe(RECIPES[base.config["recipe"]][source].reader, (Decontaminate(mode=mode),))
        for source, mode in before["modes"].items()
    }
    return {"decontamination": summary(Settings(folder="", sources={}), recipes, known)}
