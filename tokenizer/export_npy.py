"""Writes the tokens of a source and split as one flat NumPy array, and where its documents begin as another.

In: a stream of token shards. Out: `NAME.npy`, uint16 or uint32, and `NAME.starts.npy`, int64, one more than there are
documents: document i is tokens [starts[i], starts[i + 1]). `numpy.load(..., mmap_mode="r")` maps both.
Source: the NPY format, version 1.0 (NumPy's NEP 1).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tokenizer.export_files import created
from tokenizer.shard_checksums import batch_offsets
from tokenizer.shard_reader import TokenStream


def export_npy(stream: TokenStream, stem: Path) -> list[Path]:
    """Writes both arrays, each whole or not at all; holds one record batch in memory."""
    paths = [stem.with_name(f"{stem.name}.npy"), stem.with_name(f"{stem.name}.starts.npy")]
    with created(paths[0]) as file:
        _write_header(file, len(stream), stream.dtype)
        for start, batch in stream.batches():
            file.write(stream.slice(start, start + int(batch_offsets(batch)[-1])).tobytes())
    with created(paths[1]) as file:
        _write_header(file, stream.documents + 1, np.dtype(np.int64))
        for start, batch in stream.batches():
            file.write((batch_offsets(batch)[:-1].astype(np.int64) + start).tobytes())
        file.write(np.int64(len(stream)).tobytes())
    return paths


def _write_header(file: BinaryIO, items: int, dtype: np.dtype[Any]) -> None:
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (items,)}
    np.lib.format.write_array_header_1_0(file, described)
