"""Token shards: what is written is read back, and what is wrong is named."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pytest

from tokenizer import shards
from tokenizer.shards import (
    Shard,
    ShardMetadata,
    ShardSize,
    TokenizerIdentity,
    TokenStream,
    check_compatible,
    list_shards,
    shard_name,
    token_batch,
    token_dtype,
    write_shard,
)
from tokenizer.verification import verify_shard

TOKENIZER = TokenizerIdentity("ab" * 32, 300, 1, 2)
METADATA = ShardMetadata(TOKENIZER, "books", "train")
DOCUMENTS = [[1, 10, 11, 2], [1, 2], [1, 20, 21, 22, 23, 2], [1, 30, 2], [1, 40, 41, 2]]
FLAT = [token for document in DOCUMENTS for token in document]


def batch(documents: list[list[int]], first: int = 0, part: int = 7) -> pa.RecordBatch:
    numbers = range(first, first + len(documents))
    tokens = [np.array(document, np.uint16) for document in documents]
    return token_batch(tokens, [f"d{n}" for n in numbers], [part] * len(tokens), list(numbers), 300)


def write(
    path: Path, documents: list[list[int]], first: int = 0, metadata: ShardMetadata = METADATA
) -> ShardSize:
    with path.open("wb") as stream:
        return write_shard(stream, [batch(documents, first)], metadata)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shards, "TOKENS_PER_BATCH", 5)
    yield


def test_reads_back_what_was_written(tmp_path: Path, small_batches: None) -> None:
    path = tmp_path / "train-00000-of-00001.arrow"
    assert write(path, DOCUMENTS) == ShardSize(documents=5, tokens=19)
    shard = Shard.open(path)
    assert shard.metadata == METADATA
    assert (shard.documents, len(shard), shard.starts.tolist()) == (5, 19, [0, 6, 12, 19])
    assert np.concatenate(shard.tokens).tolist() == FLAT
    assert [offsets.tolist() for offsets in shard.offsets] == [[0, 4, 6], [0, 6], [0, 3, 7]]
    assert {view.dtype for view in shard.tokens} == {np.dtype(np.uint16)}
    assert verify_shard(path, TOKENIZER) == []


def test_reads_tokens_without_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.arrow"
    write(path, DOCUMENTS)
    piece = TokenStream([path]).slice(2, 9)
    assert piece.tolist() == FLAT[2:9]
    assert not piece.flags.owndata
    assert not piece.flags.writeable


def test_writes_the_same_bytes_however_documents_come(small_batches: None) -> None:
    def written(batches: list[pa.RecordBatch]) -> bytes:
        stream = io.BytesIO()
        write_shard(stream, batches, METADATA)
        return stream.getvalue()

    whole = written([batch(DOCUMENTS)])
    assert written([batch([d], n) for n, d in enumerate(DOCUMENTS)]) == whole
    assert written([batch(DOCUMENTS[:2]), batch([]), batch(DOCUMENTS[2:], 2)]) == whole
    assert written([batch([[1, 9, 9, 2], *DOCUMENTS], -1).slice(1)]) == whole


def test_leaves_the_stream_open() -> None:
    stream = io.BytesIO()
    assert write_shard(stream, [], METADATA) == ShardSize(0, 0)
    assert not stream.closed


def test_joins_shards_in_the_order_of_their_names(tmp_path: Path, small_batches: None) -> None:
    first, empty, last = (tmp_path / shard_name("train", number, 3) for number in range(3))
    write(first, DOCUMENTS[:2])
    write(empty, [])
    write(last, DOCUMENTS[2:], first=2)
    stream = TokenStream([last, first, empty])
    assert (len(stream), stream.documents) == (19, 5)
    for start in range(20):
        for stop in range(start, 20):
            assert stream.slice(start, stop).tolist() == FLAT[start:stop]
            assert stream.slice(start, stop).dtype == np.uint16
    owners = [f"d{n}" for n, document in enumerate(DOCUMENTS) for _ in document]
    assert [stream.document_at(token) for token in range(19)] == [(id, 7, int(id[1:])) for id in owners]


def test_refuses_a_range_outside_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.arrow"
    write(path, DOCUMENTS)
    stream = TokenStream([path])
    for start, stop in ((0, 20), (-1, 3), (5, 4)):
        with pytest.raises(IndexError, match="of books, which has 19"):
            stream.slice(start, stop)
    with pytest.raises(IndexError):
        stream.document_at(19)


def test_refuses_shards_of_two_kinds_together(tmp_path: Path) -> None:
    first, second = tmp_path / "train-00000-of-00002.arrow", tmp_path / "train-00001-of-00002.arrow"
    write(first, DOCUMENTS)
    write(second, DOCUMENTS, metadata=replace(METADATA, source="c4"))
    with pytest.raises(
        ValueError, match=r"train-00001-of-00002.arrow: .* build all shards of a source in one run"
    ):
        TokenStream([first, second])
    with pytest.raises(ValueError, match="no token shard was given"):
        TokenStream([])


def test_refuses_another_tokenizer(tmp_path: Path) -> None:
    check_compatible(METADATA, TOKENIZER, "x.arrow")
    with pytest.raises(ValueError) as error:
        check_compatible(METADATA, replace(TOKENIZER, sha256="cd" * 32), "x.arrow")
    assert str(error.value) == (
        "x.arrow: made with tokenizer abababababab of 300 pieces (BOS 1, EOS 2), not with cdcdcdcdcdcd of 300 "
        "(BOS 1, EOS 2): use that tokenizer or build the shards again"
    )


def test_names_what_is_no_shard(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.arrow"
    write(path, DOCUMENTS)
    good = path.read_bytes()
    for content in (b"", b"nothing of the kind", good[:200], good[: len(good) // 2], good[-300:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as a token shard"):
            Shard.open(path)
        assert len(verify_shard(path, TOKENIZER)) == 1
    with ipc.new_file(str(path), pa.schema([("tokens", pa.int8())])):
        pass
    with pytest.raises(ValueError, match="token shard format '', this version reads '1'"):
        Shard.open(path)
    with ipc.new_file(str(path), pa.schema([("tokens", pa.int8())], METADATA.schema().metadata)):
        pass
    with pytest.raises(ValueError, match="the columns are not those of a token shard"):
        Shard.open(path)
    with pytest.raises(ValueError, match="cannot be read as a token shard"):
        Shard.open(tmp_path / "absent.arrow")


def test_survives_damage_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.arrow"
    write(path, DOCUMENTS)
    good = path.read_bytes()
    messages = []
    for position in range(0, len(good), 3):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0xFF]) + good[position + 1 :])
        try:
            Shard.open(path)
        except ValueError as error:
            messages.append(str(error))
        verify_shard(path, TOKENIZER)
    assert len(messages) > 50
    assert all(message.startswith(f"{path}: ") and "\n" not in message for message in messages)
    assert any("too small in array of type string" in message for message in messages)


def test_finds_every_kind_of_wrong_document(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.arrow"
    wrong = [[5, 2], [1, 5], [1, 2, 5, 2], [1, 300, 2], [], [1, 5, 2]]
    write(path, wrong, first=-1)
    assert [problem.removeprefix(f"{path}: ") for problem in verify_shard(path, TOKENIZER)] == [
        "2 documents do not begin with BOS",
        "2 documents do not end with EOS",
        "1 BOS or EOS within a document",
        "1 tokens outside the vocabulary",
        "1 documents with a negative part or row",
    ]


def test_lists_a_whole_set_of_shards_only(tmp_path: Path) -> None:
    assert list_shards(tmp_path, "train") == []
    for number in (0, 1):
        write(tmp_path / shard_name("train", number, 2), DOCUMENTS)
    write(tmp_path / shard_name("validation", 0, 1), DOCUMENTS)
    assert [path.name for path in list_shards(tmp_path, "train")] == [
        "train-00000-of-00002.arrow",
        "train-00001-of-00002.arrow",
    ]
    write(tmp_path / shard_name("train", 2, 3), DOCUMENTS)
    with pytest.raises(ValueError, match=r"train-00002-of-00003.arrow: left from another run"):
        list_shards(tmp_path, "train")
    (tmp_path / shard_name("train", 2, 3)).unlink()
    (tmp_path / shard_name("train", 0, 2)).unlink()
    with pytest.raises(ValueError, match=r"train-00000-of-00002.arrow: missing"):
        list_shards(tmp_path, "train")


def test_uses_the_smallest_type_that_holds_the_vocabulary() -> None:
    assert [token_dtype(size) for size in (32_000, 65_536, 65_537)] == [np.uint16, np.uint16, np.uint32]


def test_refuses_batches_of_other_columns() -> None:
    other = pa.RecordBatch.from_arrays([pa.array([1])], names=["tokens"])
    with pytest.raises(ValueError, match="books: batch columns"):
        write_shard(io.BytesIO(), [other], METADATA)
    with pytest.raises(ValueError, match="split 'test' of books: must be one of train, validation"):
        replace(METADATA, split="test").schema()
