"""Exports of token shards, read by readers that know nothing of how they were written."""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path

import numpy as np
import pytest

from tests.tokenizer.shard_folders import DOCUMENTS, FLAT, make_folder
from tokenizer import shard_writer
from tokenizer.export_files import created
from tokenizer.export_megatron import export_megatron
from tokenizer.export_npy import export_npy
from tokenizer.shard_reader import TokenStream


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TokenStream:
    monkeypatch.setattr(shard_writer, "TOKENS_PER_BATCH", 5)
    folder = tmp_path / "books"
    return TokenStream(folder, make_folder(folder, [DOCUMENTS[:2], [], DOCUMENTS[2:]]), "train")


def megatron_documents(prefix: Path) -> list[list[int]]:
    """Reads the pair field by field, as the layout says: header, lengths, pointers, borders of documents."""
    with open(f"{prefix}.idx", "rb") as file:
        assert file.read(9) == b"MMIDIDX\x00\x00"
        assert struct.unpack("<Q", file.read(8)) == (1,)
        (code,) = struct.unpack("<B", file.read(1))
        kind = {4: "i", 8: "H"}[code]
        sequences, borders = struct.unpack("<QQ", file.read(16))
        lengths = struct.unpack(f"<{sequences}i", file.read(4 * sequences))
        pointers = struct.unpack(f"<{sequences}q", file.read(8 * sequences))
        documents = struct.unpack(f"<{borders}q", file.read(8 * borders))
        assert file.read() == b""
    assert documents == tuple(range(sequences + 1))
    with open(f"{prefix}.bin", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        size = struct.calcsize(kind)
        found = [
            list(struct.unpack_from(f"<{length}{kind}", data, pointer))
            for length, pointer in zip(lengths, pointers, strict=True)
        ]
        assert sum(lengths) * size == len(data)
    return found


def test_megatron_files_hold_the_documents(stream: TokenStream, tmp_path: Path) -> None:
    paths = export_megatron(stream, tmp_path / "books-train")
    assert [path.name for path in paths] == ["books-train.bin", "books-train.idx"]
    assert megatron_documents(tmp_path / "books-train") == DOCUMENTS


def test_npy_arrays_hold_the_tokens_and_where_documents_begin(stream: TokenStream, tmp_path: Path) -> None:
    paths = export_npy(stream, tmp_path / "books-train")
    tokens, starts = (np.load(path, mmap_mode="r") for path in paths)
    assert (tokens.dtype, starts.dtype) == (np.uint16, np.int64)
    assert tokens.tolist() == FLAT
    assert starts.tolist() == [0, 4, 6, 12, 15, 19]


def test_a_damaged_shard_leaves_no_file(stream: TokenStream, tmp_path: Path) -> None:
    path = tmp_path / "books" / "train-00002-of-00003.arrow"
    content = path.read_bytes()
    place = content.index(np.array([40, 41], "<u2").tobytes())
    path.write_bytes(content[:place] + b"\x05" + content[place + 1 :])
    (tmp_path / "out").mkdir()
    for export in (export_npy, export_megatron):
        with pytest.raises(ValueError, match="have changed"):
            export(stream, tmp_path / "out" / "books-train")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_stands_whole_or_not_at_all(tmp_path: Path) -> None:
    with created(tmp_path / "a") as file:
        file.write(json.dumps([1]).encode())
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_text() == "[1]"
