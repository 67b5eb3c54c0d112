"""Writes the tokens of a source and split as the pair of files that Megatron-LM trains on: `NAME.bin` and `NAME.idx`.

In: a stream of token shards. Out: the tokens one after the other in `.bin`, and in `.idx`, all little-endian: the nine
bytes "MMIDIDX" 0 0, version 1 (uint64), a code of the type of a token (uint8), how many sequences (uint64) and borders
of documents (uint64) there are, the lengths of the sequences (int32), their byte offsets in `.bin` (int64), and the
borders of documents as numbers of sequences (int64). A sequence is a document here, BOS and EOS in it.
Source: the layout of Megatron-LM's `megatron/core/datasets/indexed_dataset.py`, version 1.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from tokenizer.export_files import created
from tokenizer.shard_checksums import batch_offsets
from tokenizer.shard_reader import TokenStream

MAGIC, VERSION = b"MMIDIDX\x00\x00", 1
# Its codes of uint16 and int32; it has none of uint32, and no vocabulary of ours reaches 2^31.
CODES = {2: 8, 4: 4}  # by the bytes of a token


def export_megatron(stream: TokenStream, stem: Path) -> list[Path]:
    """Writes both files, each whole or not at all; holds one record batch and 8 bytes a document in memory."""
    paths = [stem.with_name(f"{stem.name}.bin"), stem.with_name(f"{stem.name}.idx")]
    width = stream.dtype.itemsize
    lengths = [np.empty(0, np.int32)]
    with created(paths[0]) as file:
        for start, batch in stream.batches():
            offsets = batch_offsets(batch)
            file.write(stream.slice(start, start + int(offsets[-1])).tobytes())
            lengths.append(np.diff(offsets))
    counts = np.concatenate(lengths).astype("<i4")
    pointers = np.zeros(len(counts), "<i8")
    np.cumsum(counts[:-1], out=pointers[1:])
    with created(paths[1]) as file:
        file.write(MAGIC + struct.pack("<QBQQ", VERSION, CODES[width], len(counts), len(counts) + 1))
        file.write(counts.tobytes())
        file.write((pointers * width).tobytes())
        file.write(np.arange(len(counts) + 1, dtype="<i8").tobytes())
    return paths
