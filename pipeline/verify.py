"""`verify`: whether a run's files are what its manifest says, and whether what they hold can be trained on.

Memory is 8 bytes a document of one source (hashes of ids, places of rows), and 16 keys for each validation document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import xxhash

from mixtures.conservation import conservation_problems
from pipeline import files
from pipeline.finished_run import read_manifest
from pipeline.key_files import Uint64s
from pipeline.make_tokenizer import TOKENIZER_PATH
from pipeline.manifest import CONFIG
from pipeline.parts import count_rows, read_documents
from pipeline.validation_split import CandidateKeys, near_copy_keys
from tokenizer.encoding import Encoder
from tokenizer.order import SPLITS
from tokenizer.sentencepiece_model import SPACE
from tokenizer.shard_index import read_index
from tokenizer.shard_reader import DocumentAt, TokenStream
from tokenizer.verification import verify_shards

# Of each source and split, by their place in the tokens, and as many by their number: documents whose text is encoded
# and decoded again.
ROUND_TRIPS = 16


def _files(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    digests = {path: expected["sha256"] for path, expected in manifest["files"].items()}
    for path, expected in {CONFIG: manifest["config_sha256"], **digests}.items():
        full = files.join(folder, path)
        if not files.exists(full):
            yield f"{path} is missing"
        elif (found := files.sha256_of(full)).sha256 != expected:
            yield f"{path} has changed: SHA-256 {found.sha256[:12]}, expected {expected[:12]}"
    for path in sorted(Path(folder, "shards").rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in manifest["files"]:
            yield f"{name} is not in the manifest"


def _parts(manifest: dict[str, Any], source: str) -> list[str]:
    """The parts of a source's documents, by their number."""
    return sorted(p for p in manifest["files"] if p.startswith(f"documents/{source}/"))


def _accounts(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    for source, account in manifest["sources"].items():
        for problem in conservation_problems(account):
            yield f"{source}: {problem}"
        rows = sum(count_rows(files.join(folder, part)) for part in _parts(manifest, source))
        if not rows == account["documents"] == account["steps"][-1]["documents_kept"]:
            yield f"{source}: {rows} documents in its parts, {account['documents']} in the manifest"


def _identities(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    """Ids are unique within a source (as 64-bit hashes: a false alarm is once in 10^4 runs of 10^8 documents)."""
    for source in manifest["sources"]:
        hashes = [np.zeros(0, np.uint64)]
        for part in _parts(manifest, source):
            for batch in read_documents(files.join(folder, part), ["id"]):
                hashes.append(_hashes(batch["id"]))
        ordered = np.sort(np.concatenate(hashes))
        repeated = int((ordered[1:] == ordered[:-1]).sum())
        if repeated:
            yield f"{source}: {repeated} documents have an id that another has"


def _hashes(ids: pa.Array) -> Uint64s:
    return np.fromiter((xxhash.xxh3_64_intdigest(i.encode()) for i in ids.to_pylist()), np.uint64, len(ids))


def _shards(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    identity = Encoder(files.join(folder, TOKENIZER_PATH)).identity
    for source, account in manifest["sources"].items():
        shards = Path(folder, "shards", source)
        yield from verify_shards(shards, source, identity)
        index = read_index(shards)
        for split in SPLITS:
            tokens = sum(shard.tokens for shard in index.splits[split])
            if tokens != account["tokens"][split]:
                yield f"{source}: {tokens} {split} tokens, {account['tokens'][split]} in the manifest"
        documents = sum(shard.documents for split in SPLITS for shard in index.splits[split])
        if documents != account["documents"]:
            yield f"{source}: {documents} documents in the shards, {account['documents']} in the manifest"


def _streams(folder: str, source: str) -> dict[str, TokenStream]:
    shards = Path(folder, "shards", source)
    index = read_index(shards)
    return {split: TokenStream(shards, index, split) for split in SPLITS}


def _places(stream: TokenStream) -> Uint64s:
    """Where the texts of a split are, ascending: (part << 32) | row."""
    places = [np.zeros(0, np.uint64)]
    for _, batch in stream.batches():
        part, row = (batch.column(name).to_numpy().astype(np.uint64) for name in ("part", "row"))
        places.append((part << np.uint64(32)) | row)
    return np.sort(np.concatenate(places))


def _splits(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    """Every row of the documents is in one split, once; no id of validation is in training."""
    for source in manifest["sources"]:
        streams = _streams(folder, source)
        found = np.sort(np.concatenate([_places(stream) for stream in streams.values()]))
        rows = [count_rows(files.join(folder, part)) for part in _parts(manifest, source)]
        numbers = (np.arange(n, dtype=np.uint64) | np.uint64(part << 32) for part, n in enumerate(rows))
        expected = np.concatenate([np.zeros(0, np.uint64), *numbers])
        if not np.array_equal(found, expected):
            twice = int((found[1:] == found[:-1]).sum())
            absent = len(np.setdiff1d(expected, found))
            yield f"{source}: {twice} rows of the documents are twice in the shards, {absent} are in none"
        held_out = [
            np.zeros(0, np.uint64),
            *(_hashes(b.column("id")) for _, b in streams["validation"].batches()),
        ]
        ids = np.unique(np.concatenate(held_out))
        leaked = sum(int(np.isin(_hashes(b.column("id")), ids).sum()) for _, b in streams["train"].batches())
        if leaked:
            yield f"{source}: {leaked} documents are in train and in validation"


def _near_copies(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    """No validation document of any source has a copy or a near copy among the training documents of any source."""
    held_out = {source: _places(_streams(folder, source)["validation"]) for source in manifest["sources"]}
    keys, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    names: list[str] = []
    for source, number, text, validation in _texts(folder, manifest, held_out):
        if validation:
            found = near_copy_keys(text)
            keys.append(found)
            owners.append(np.full(len(found), len(names), np.uint64))
            names.append(f"{source} part {number >> 32} row {number & 0xFFFFFFFF}")
    flat, documents = np.concatenate(keys), np.concatenate(owners)
    order = np.argsort(flat, kind="stable")
    held = CandidateKeys(flat[order], documents[order])
    copied: dict[int, str] = {}
    for source, number, text, validation in _texts(folder, manifest, held_out):
        if not validation:
            for owner in held.clusters_of(near_copy_keys(text)).tolist():
                copied.setdefault(owner, f"{source} part {number >> 32} row {number & 0xFFFFFFFF}")
    for owner, where in sorted(copied.items()):
        yield f"validation document of {names[owner]}: a near copy is in training, {where}"


def _texts(
    folder: str, manifest: dict[str, Any], held_out: dict[str, Uint64s]
) -> Iterator[tuple[str, int, str, bool]]:
    """(source, place, text, whether it is held out) of all documents."""
    for source, places in held_out.items():
        for part, path in enumerate(_parts(manifest, source)):
            number = part << 32
            for batch in read_documents(files.join(folder, path), ["text"]):
                numbers = np.arange(number, number + batch.num_rows, dtype=np.uint64)
                for text, place, out in zip(
                    batch["text"], numbers.tolist(), np.isin(numbers, places), strict=True
                ):
                    yield source, place, text.as_py(), bool(out)
                number += batch.num_rows


def _round_trips(folder: str, manifest: dict[str, Any]) -> Iterator[str]:
    """Documents spread over the shards: their tokens are those of their text, and give the text back."""
    encoder = Encoder(files.join(folder, TOKENIZER_PATH))
    for source in manifest["sources"]:
        parts = _parts(manifest, source)
        for split, stream in _streams(folder, source).items():
            for found in _sample(stream):
                where = f"{source}: {split} document {found.id}"
                if found.part >= len(parts):
                    yield f"{where} is of part {found.part}, which does not exist"
                    continue
                document = _document(files.join(folder, parts[found.part]), found.row)
                tokens = stream.slice(found.start, found.stop)
                if document is None or document[0] != found.id:
                    yield f"{where} is not in row {found.row} of {parts[found.part]}"
                elif not np.array_equal(encoder.encode(document[1]), tokens):
                    yield f"{where} has other tokens than its text"
                elif encoder.decode(tokens) != document[1].replace(SPACE, " "):
                    yield f"{where} does not give its text back"


def _sample(stream: TokenStream) -> Iterator[DocumentAt]:
    """Documents spread over the tokens, which meets the long ones, and over the documents, which meets the short ones;
    none twice."""
    count = min(ROUND_TRIPS, stream.documents)
    numbers = [stream.documents * n // count for n in range(count)]
    ends = np.cumsum([size for entry in stream.entries for size in entry.batches.documents])
    places = [(int(np.searchsorted(ends, number, side="right")), number) for number in numbers]
    found = [
        *(stream.document_at(len(stream) * n // count) for n in range(count if len(stream) else 0)),
        *(stream.document_of(b, number - int(ends[b - 1] if b else 0)) for b, number in places),
    ]
    yield from dict.fromkeys(found)


def _document(path: str, row: int) -> tuple[str, str] | None:
    """Id and text of a row of a part; None when it has no such row."""
    first = 0
    for batch in read_documents(path, ["id", "text"]):
        if row < first + batch.num_rows:
            return batch["id"][row - first].as_py(), batch["text"][row - first].as_py()
        first += batch.num_rows
    return None


CHECKS: dict[str, Callable[[str, dict[str, Any]], Iterator[str]]] = {
    "files have their SHA-256": _files,
    "accounts add up: in = kept + removed": _accounts,
    "ids are unique within a source": _identities,
    "shards: index, checksums, BOS, EOS, id range, counts": _shards,
    "every document is in one split, once": _splits,
    "validation has no near copy in training": _near_copies,
    "tokens are those of the texts, and give them back": _round_trips,
}


def problems_of(folder: str) -> dict[str, list[str]]:
    """For each check the problems found, one line each. ValueError when there is no manifest to check against."""
    manifest = read_manifest(folder)
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
    found = problems_of(folder)
    if as_json:
        print(json.dumps(found, indent=1))
    else:
        for name, problems in found.items():
            print(f"{'ok' if not problems else 'WRONG':6} {name}")
            for problem in problems:
                print(f"       {problem}")
    return 1 if any(found.values()) else 0
