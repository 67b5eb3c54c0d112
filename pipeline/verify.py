"""`verify`: whether a run's files are what its manifest says, and whether what they hold can be trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import xxhash

from mixtures.conservation import conservation_problems
from pipeline import files
from pipeline.collect_report import run_folder
from pipeline.encode import TOKENIZER_PATH
from pipeline.manifest import MANIFEST
from pipeline.parts import count_rows, read_documents
from tokenizer.encoding import Encoder
from tokenizer.order import SPLITS
from tokenizer.shards import TokenStream, list_shards
from tokenizer.verification import verify_shard


def _files(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    for path, expected in manifest["files"].items():
        full = files.join(folder, path)
        if not files.exists(full):
            yield f"{path} is missing"
        elif (found := files.sha256_of(full)).sha256 != expected["sha256"]:
            yield f"{path} has changed: SHA-256 {found.sha256[:12]}, expected {expected['sha256'][:12]}"


def _accounts(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    for source, account in manifest["sources"].items():
        for problem in conservation_problems(account):
            yield f"{source}: {problem}"
        parts = [p for p in manifest["files"] if p.startswith(f"documents/{source}/")]
        rows = sum(count_rows(files.join(folder, part)) for part in parts)
        if not rows == account["documents"] == account["steps"][-1]["documents_kept"]:
            yield f"{source}: {rows} documents in its parts, {account['documents']} in the manifest"


def _identities(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    """Ids are unique within a source (as 64-bit hashes: a false alarm is once in 10^4 runs of 10^8 documents)."""
    for source in manifest["sources"]:
        hashes = [np.zeros(0, np.uint64)]
        for part in sorted(p for p in manifest["files"] if p.startswith(f"documents/{source}/")):
            for batch in read_documents(files.join(folder, part), ["id"]):
                ids = batch["id"].to_pylist()
                hashes.append(
                    np.fromiter((xxhash.xxh3_64_intdigest(i.encode()) for i in ids), np.uint64, len(ids))
                )
        ordered = np.sort(np.concatenate(hashes))
        repeated = int((ordered[1:] == ordered[:-1]).sum())
        if repeated:
            yield f"{source}: {repeated} documents have an id that another has"


def _shards(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    identity = Encoder(files.join(folder, TOKENIZER_PATH)).identity
    for source, account in manifest["sources"].items():
        documents = 0
        ids: dict[str, set[str]] = {}
        for split in SPLITS:
            paths = list_shards(Path(folder, "shards", source), split)
            for path in paths:
                yield from verify_shard(path, identity)
            stream = TokenStream(paths)
            documents += stream.documents
            if len(stream) != account["tokens"][split]:
                yield f"{source}: {len(stream)} {split} tokens, {account['tokens'][split]} in the manifest"
            if split == "validation":
                ids[split] = {i for s in stream.shards for b in s.batches for i in b.column("id").to_pylist()}
            else:
                train = stream
        leaked = sum(
            i in ids["validation"]
            for s in train.shards
            for b in s.batches
            for i in b.column("id").to_pylist()
        )
        if leaked:
            yield f"{source}: {leaked} documents are in train and in validation"
        if documents != account["documents"]:
            yield f"{source}: {documents} documents in the shards, {account['documents']} in the manifest"


CHECKS: dict[str, Callable[[str, dict[str, Any]], Iterator[str]]] = {
    "files have their SHA-256": _files,
    "accounts add up: in = kept + removed": _accounts,
    "ids are unique within a source": _identities,
    "shards: BOS, EOS, id range, counts, no document in two splits": _shards,
}


def problems_of(folder: str) -> dict[str, list[str]]:
    """For each check the problems found, one line each."""
    manifest = files.read_json(files.join(folder, MANIFEST))
    found: dict[str, list[str]] = {}
    for name, check in CHECKS.items():
        try:
            found[name] = list(check(folder, manifest))
        except (ValueError, OSError) as error:
            found[name] = [" ".join(str(error).split())]
    return found


@click.command()
@click.argument("folder", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def verify(folder: str, as_json: bool) -> int:
    """Check RUN's files, counts, tokens and splits. Exit 1 when something is wrong."""
    if "://" in folder:
        raise ValueError(
            f"{folder}: verify maps shards into memory and needs them on this machine; copy the run here"
        )
    found = problems_of(run_folder(folder))
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        for name, problems in found.items():
            print(f"{'ok' if not problems else 'WRONG':6} {name}")
            for problem in problems:
                print(f"       {problem}")
    return 1 if any(found.values()) else 0
