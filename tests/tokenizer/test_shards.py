"""The format of token shards and their writer."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pytest

from tests.tokenizer.shard_folders import DOCUMENTS, FLAT, METADATA, TOKENIZER, batch, write
from tokenizer import shard_writer
from tokenizer.shard_index import BatchEntries
from tokenizer.shard_writer import write_shard
from tokenizer.shards import ShardMetadata, check_compatible, token_dtype


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_writer, "TOKENS_PER_BATCH", 5)


def test_says_what_each_record_batch_holds(tmp_path: Path, small_batches: None) -> None:
    entry = write(tmp_path / "train-00000-of-00001.arrow", DOCUMENTS)
    assert (entry.batches.tokens, entry.batches.documents) == ((6, 6, 7), (2, 1, 2))
    assert (entry.tokens, entry.documents) == (19, 5)
    assert len(set(entry.batches.checksums)) == 4
    assert entry.bytes > sum(entry.batches.bytes) > 0 and len(entry.batches.bytes) == 3


def test_is_a_plain_arrow_file_for_others(tmp_path: Path, small_batches: None) -> None:
    path = tmp_path / "train-00000-of-00001.arrow"
    write(path, DOCUMENTS)
    table = ipc.open_file(pa.memory_map(str(path))).read_all()
    assert table.column_names == ["tokens", "id", "part", "row"]
    assert table.column("tokens").to_pylist() == DOCUMENTS
    assert table.column("id").to_pylist() == ["d0", "d1", "d2", "d3", "d4"]
    assert table.schema.metadata[b"tokenizer_sha256"].decode() == TOKENIZER.sha256


def test_is_read_as_datasets_reads_it(tmp_path: Path, small_batches: None) -> None:
    """datasets' `arrow` loader opens a stream first and, as that fails, a file; then it takes batch by batch."""
    path = tmp_path / "train-00000-of-00001.arrow"
    write(path, DOCUMENTS)
    with path.open("rb") as stream:
        with pytest.raises(pa.ArrowInvalid):
            ipc.open_stream(stream)
        stream.seek(0)
        reader = ipc.open_file(stream)
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
    table = pa.Table.from_batches(batches)
    assert [token for tokens in table.column("tokens").to_pylist() for token in tokens] == FLAT


def test_datasets_loads_a_folder_of_shards(tmp_path: Path, small_batches: None) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    write(tmp_path / "train-00000-of-00002.arrow", DOCUMENTS[:3])
    write(tmp_path / "train-00001-of-00002.arrow", DOCUMENTS[3:], first=3)
    found = datasets.load_dataset(
        "arrow",
        data_files=sorted(str(path) for path in tmp_path.glob("*.arrow")),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert found["tokens"] == DOCUMENTS


def test_writes_the_same_bytes_however_the_documents_come(small_batches: None) -> None:
    def written(batches: list[pa.RecordBatch]) -> tuple[bytes, BatchEntries]:
        stream = io.BytesIO()
        entries = write_shard(stream, batches, METADATA)
        return stream.getvalue(), entries

    whole = written([batch(DOCUMENTS)])
    assert written([batch([d], n) for n, d in enumerate(DOCUMENTS)]) == whole
    assert written([batch(DOCUMENTS[:2]), batch([]), batch(DOCUMENTS[2:], 2)]) == whole
    assert written([batch([[1, 9, 9, 2], *DOCUMENTS], -1).slice(1)]) == whole


def test_leaves_the_stream_open() -> None:
    stream = io.BytesIO()
    found = write_shard(stream, [], METADATA)
    assert found == BatchEntries((), (), (), found.checksums) and len(found.checksums) == 1
    assert not stream.closed


def test_refuses_another_tokenizer() -> None:
    check_compatible(METADATA, TOKENIZER, "x.arrow")
    with pytest.raises(ValueError) as error:
        check_compatible(METADATA, replace(TOKENIZER, sha256="cd" * 32), "x.arrow")
    assert str(error.value) == (
        "x.arrow: made with tokenizer abababababab of 300 pieces (BOS 1, EOS 2), not with cdcdcdcdcdcd of 300 "
        "(BOS 1, EOS 2): use that tokenizer or build the shards again"
    )


def test_names_the_columns_and_versions_that_are_no_shard() -> None:
    schema = METADATA.schema()
    assert ShardMetadata.from_schema(schema, "x.arrow") == METADATA
    other = pa.schema([("tokens", pa.int8())])
    with pytest.raises(ValueError, match=r"x.arrow: token shard format '', this version reads '3'"):
        ShardMetadata.from_schema(other, "x.arrow")
    with pytest.raises(ValueError, match=r"x.arrow: the columns are not those of a token shard"):
        ShardMetadata.from_schema(other.with_metadata(schema.metadata), "x.arrow")
    damaged = {**schema.metadata, b"eos_id": b"two"}
    with pytest.raises(ValueError, match=r"x.arrow: damaged shard metadata"):
        ShardMetadata.from_schema(schema.with_metadata(damaged), "x.arrow")


def test_uses_the_smallest_type_that_holds_the_vocabulary() -> None:
    assert [token_dtype(size) for size in (32_000, 65_536, 65_537)] == [np.uint16, np.uint16, np.uint32]


def test_refuses_batches_of_other_columns() -> None:
    other = pa.RecordBatch.from_arrays([pa.array([1])], names=["tokens"])
    with pytest.raises(ValueError, match="books: batch columns"):
        write_shard(io.BytesIO(), [other], METADATA)
    with pytest.raises(ValueError, match="split 'test' of books: must be one of train, validation"):
        replace(METADATA, split="test").schema()
