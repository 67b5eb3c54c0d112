"""The loader: tokens per second of one core from token shards to a torch tensor, held against a raw numpy.memmap.

Rows of 2,049 tokens at random from 512 MB of tokens in four shards, which is more than a processor's caches hold, the
page cache warm, one thread. The loader is the
trainer's own (`TrainingData.batch`): the schedule, the checks of checksums at first touch, the copy into int64. The
floor is a numpy.memmap of the same tokens in one flat file, read at random places that cost nothing to find, into int64
too.

The second part is a set in the shape of a terabyte: 4,000 names of one sparse shard of zeros (hard links), with a true
index. It measures the seconds from nothing to the first batch, and how anonymous memory grows over 100,000 batches.
These have 8 rows, so that they pass within two minutes.

Usage: python -m benchmarks.loader [--rounds N] [--batches N] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.result_table import ROOT, ResultTable
from mixtures.schedule import Schedule
from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex, check_files, read_index
from tokenizer.shard_reader import TokenStream
from tokenizer.shard_writer import token_batch, write_shard
from tokenizer.shards import ShardMetadata, TokenizerIdentity, shard_name
from trainer.data import TrainingData

LENGTH, BATCH = 2048, 32
MEMORY_BATCH = 8
TOKENIZER = TokenizerIdentity("00" * 32, 32_000, 1, 2)
SHARDS, SHARD_TOKENS = 4, 1 << 26
TERABYTE_SHARDS = 4_000
PAGE = 4096


def write_tokens(
    folder: Path, name: str, documents: list[np.ndarray[tuple[int], np.dtype[np.uint16]]]
) -> ShardEntry:
    path, ids = folder / name, [f"document-{n}" for n in range(len(documents))]
    batch = token_batch(documents, ids, [0] * len(ids), list(range(len(ids))), TOKENIZER.vocabulary_size)
    with path.open("wb") as stream:
        batches = write_shard(stream, [batch], ShardMetadata(TOKENIZER, "c4", "train"))
    return ShardEntry(name, path.stat().st_size, batches)


def make_set(folder: Path) -> None:
    """Four shards of random tokens in documents of about a thousand, and the same tokens in one flat file."""
    random, entries = np.random.default_rng(1), []
    with (folder / "flat.bin").open("wb") as flat:
        for number in range(SHARDS):
            tokens = random.integers(3, TOKENIZER.vocabulary_size, SHARD_TOKENS, dtype=np.uint16)
            tokens.tofile(flat)
            borders = np.arange(1000, SHARD_TOKENS, 1000)
            entries.append(
                write_tokens(folder, shard_name("train", number, SHARDS), np.split(tokens, borders))
            )
    (folder / INDEX_NAME).write_bytes(
        ShardIndex("c4", TOKENIZER, {"train": tuple(entries), "validation": ()}).encoded()
    )


def make_terabyte(folder: Path) -> int:
    """One sparse shard of zeros under many names; returns how many bytes they have together."""
    documents = [np.zeros(1 << 20, np.uint16)] * 128
    dense = write_tokens(folder, "dense.arrow", documents)
    content = np.fromfile(folder / "dense.arrow", np.uint8)
    (folder / "dense.arrow").unlink()
    names = [shard_name("train", number, TERABYTE_SHARDS) for number in range(TERABYTE_SHARDS)]
    with (folder / names[0]).open("wb") as stream:
        for start in range(0, len(content), PAGE):
            if content[start : start + PAGE].any():
                stream.seek(start)
                stream.write(content[start : start + PAGE].tobytes())
        stream.truncate(len(content))
    for name in names[1:]:
        os.link(folder / names[0], folder / name)
    entries = tuple(replace(dense, name=name) for name in names)
    (folder / INDEX_NAME).write_bytes(
        ShardIndex("c4", TOKENIZER, {"train": entries, "validation": ()}).encoded()
    )
    return dense.bytes * TERABYTE_SHARDS


def opened(folder: Path, batch_sequences: int = BATCH) -> TrainingData:
    """The training data of one source, as `open_data` makes it."""
    index = read_index(folder)
    check_files(folder, index)
    stream = TokenStream(folder, index, "train")
    schedule = Schedule([1], [(len(stream) - 1) // LENGTH], 7)
    return TrainingData(
        tokenizer=TOKENIZER,
        sources=("c4",),
        shares=(1.0,),
        streams=(stream,),
        digests=(index.digest,),
        validation={},
        schedule=schedule,
        sequence_length=LENGTH,
        batch_sequences=batch_sequences,
        document_mask=False,
        messages=(),
    )


def rate(batch: Callable[[int], object], batches: int, first: int = 0) -> float:
    """Tokens per CPU second."""
    begun = time.process_time()
    for number in range(first, first + batches):
        batch(number)
    return batches * BATCH * LENGTH / (time.process_time() - begun)


def memmap_batches(path: Path) -> Callable[[int], torch.Tensor]:
    flat = np.memmap(path, np.uint16, "r")
    rows = np.random.default_rng(2).integers(0, (len(flat) - 1) // LENGTH, (1 << 14, BATCH)) * LENGTH

    def batch(number: int) -> torch.Tensor:
        both = np.empty((BATCH, LENGTH + 1), np.int64)
        for row, start in enumerate(rows[number % len(rows)].tolist()):
            both[row] = flat[start : start + LENGTH + 1]
        return torch.from_numpy(both)

    return batch


def compare(folder: Path, rounds: int) -> dict[str, list[float]]:
    """Rates of the first epoch, of later ones and of the floor, in turns."""
    found: dict[str, list[float]] = {"first": [], "later": [], "memmap": []}
    batches = SHARDS * SHARD_TOKENS // LENGTH // BATCH
    floor = memmap_batches(folder / "flat.bin")
    rate(floor, batches)  # the page cache
    for _ in range(rounds):
        data = opened(folder)
        found["first"].append(rate(data.batch, batches))
        found["later"].append(rate(data.batch, batches, batches))
        found["memmap"].append(rate(floor, batches))
    return found


def anonymous_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:"))


def first_batch(folder: Path) -> dict[str, float]:
    """Seconds to the first batch, in a process that has imported everything."""
    torch.zeros(1)
    begun = time.perf_counter()
    data = opened(folder)
    index = time.perf_counter() - begun
    data.batch(0)
    return {"opened": index, "first": time.perf_counter() - begun}


def memory(folder: Path, batches: int) -> dict[str, float]:
    """Anonymous bytes after a tenth of the batches and after all."""
    data, seen = opened(folder, MEMORY_BATCH), []
    for number in range(batches):
        data.batch(number)
        if number + 1 in (batches // 10, batches):
            seen.append(anonymous_bytes())
    return {"tenth": seen[0], "all": seen[1]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--role", choices=("first", "memory"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.role == "first":
        print(json.dumps(first_batch(given.folder)))
        return
    if given.role == "memory":
        print(json.dumps(memory(given.folder, given.batches)))
        return

    def role(name: str, folder: str) -> dict[str, float]:
        command = [sys.executable, "-m", "benchmarks.loader", "--role", name, "--folder", folder]
        command += ["--batches", str(given.batches)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        found: dict[str, float] = json.loads(ended.stdout)
        return found

    table = ResultTable(
        f"Loader (medians of {given.rounds} rounds)", ("what", "loader", "compared with", "", "ratio")
    )
    with tempfile.TemporaryDirectory(prefix="llama-corpus-benchmark-") as folder:
        make_set(Path(folder))
        rates = {name: median(found) / 1e6 for name, found in compare(Path(folder), given.rounds).items()}
    for name, what in (("first", "first epoch, checksums included"), ("later", "later epochs")):
        table.rows.append(
            (
                f"M tokens per CPU s, {what}",
                rates[name],
                "numpy.memmap",
                rates["memmap"],
                rates[name] / rates["memmap"],
            )
        )
    with tempfile.TemporaryDirectory(prefix="llama-corpus-benchmark-") as folder:
        size = make_terabyte(Path(folder))
        starts = [role("first", folder) for _ in range(given.rounds)]
        grown = role("memory", folder)
    seconds = {name: median(start[name] for start in starts) for name in ("opened", "first")}
    table.rows += [
        (
            f"{size / 1e12:.2f} TB in {TERABYTE_SHARDS:,} shards, s to open",
            seconds["opened"],
            "limit",
            1.0,
            seconds["opened"],
        ),
        ("the same, s to the first batch", seconds["first"], "limit", 1.0, seconds["first"]),
        (
            f"anonymous MB after {given.batches:,} batches",
            grown["all"] / 1e6,
            "after a tenth of them",
            grown["tenth"] / 1e6,
            grown["all"] / grown["tenth"],
        ),
    ]
    table.notes.append(f"batches of {BATCH} rows of {LENGTH} tokens into int64, one thread, page cache warm")
    table.show(given.json)


if __name__ == "__main__":
    main()
