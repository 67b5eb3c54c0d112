"""Reading token shards: what was written is read back, and what was changed since is refused at its first read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import xxhash

from tests.tokenizer.shard_folders import DOCUMENTS, FLAT, TOKENIZER, make_folder
from tokenizer import shard_checksums, shard_reader, shard_writer
from tokenizer.shard_index import INDEX_NAME, ShardIndex, check_files, read_index
from tokenizer.shard_reader import DocumentAt, TokenStream
from tokenizer.shards import check_compatible
from tokenizer.verification import verify_shards


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record batches of 5 tokens, so that a few documents make several."""
    monkeypatch.setattr(shard_writer, "TOKENS_PER_BATCH", 5)


def opened(folder: Path, split: str = "train") -> TokenStream:
    """A stream as the trainer opens it: index, files, tokenizer."""
    index = read_index(folder)
    check_files(folder, index)
    check_compatible(index.metadata(split), TOKENIZER, str(folder))
    return TokenStream(folder, index, split)


def everything(folder: Path) -> list[object]:
    """All that the shards hold: tokens, borders, ids, parts and rows."""
    stream = opened(folder)
    documents = [
        (
            start,
            batch.column("id").to_pylist(),
            batch.column("part").to_pylist(),
            batch.column("row").to_pylist(),
        )
        for start, batch in stream.batches()
    ]
    length = len(stream)
    return [stream.slice(0, length).tolist(), stream.boundaries(0, length).tolist(), documents]


def test_joins_shards_in_the_order_of_their_names(tmp_path: Path) -> None:
    make_folder(tmp_path, [DOCUMENTS[:2], [], DOCUMENTS[2:]])
    stream = opened(tmp_path)
    assert (len(stream), stream.documents) == (19, 5)
    for start in range(20):
        for stop in range(start, 20):
            assert stream.slice(start, stop).tolist() == FLAT[start:stop]
            assert stream.slice(start, stop).dtype == np.uint16
            begins = [n for n in (0, 4, 6, 12, 15) if start <= n < stop]
            assert stream.boundaries(start, stop).tolist() == begins
    starts = np.cumsum([0, *map(len, DOCUMENTS)]).tolist()
    owners = [n for n, document in enumerate(DOCUMENTS) for _ in document]
    assert [stream.document_at(token) for token in range(19)] == [
        DocumentAt(f"d{n}", 7, n, starts[n], starts[n + 1]) for n in owners
    ]


def test_reads_rows_as_slices(tmp_path: Path) -> None:
    make_folder(tmp_path, [DOCUMENTS[:2], DOCUMENTS[2:]])
    starts = np.array([12, 0, 3, 7, 0], np.int64)
    out = np.empty((5, 7), np.int64)
    opened(tmp_path).rows(starts, out)
    assert out.tolist() == [FLAT[start : start + 7] for start in starts]


def test_reads_tokens_without_a_copy(tmp_path: Path) -> None:
    make_folder(tmp_path, [DOCUMENTS])
    piece = opened(tmp_path).slice(1, 5)
    assert piece.tolist() == FLAT[1:5]
    assert not piece.flags.owndata
    assert not piece.flags.writeable


def test_opens_a_shard_when_it_is_touched(tmp_path: Path) -> None:
    make_folder(tmp_path, [DOCUMENTS[:2], DOCUMENTS[2:]])
    stream = opened(tmp_path)
    (tmp_path / "train-00001-of-00002.arrow").unlink()
    assert stream.slice(0, 6).tolist() == FLAT[:6]
    with pytest.raises(ValueError, match=r"train-00001-of-00002\.arrow: cannot be read as a token shard"):
        stream.slice(0, 7)


def test_refuses_a_range_outside_the_stream(tmp_path: Path) -> None:
    make_folder(tmp_path, [DOCUMENTS])
    stream = opened(tmp_path)
    for start, stop in ((0, 20), (-1, 3), (5, 4)):
        with pytest.raises(IndexError, match="of books, which has 19"):
            stream.slice(start, stop)
    with pytest.raises(IndexError):
        stream.document_at(19)
    with pytest.raises(IndexError):
        stream.rows(np.array([13]), np.empty((1, 7), np.int64))


def test_refuses_a_flipped_token_at_its_first_read_and_not_before(tmp_path: Path) -> None:
    """Blocks of 64 KiB are checked on their own: damage in one does not keep others from being read."""
    long = [[1, *([5] * 100_000), 2], [1, *([6] * 100_000), 2]]
    make_folder(tmp_path, [long])
    path = tmp_path / "train-00000-of-00001.arrow"
    good = bytearray(path.read_bytes())
    place = good.index(b"\x06\x00" * 1000) + 150_000  # in block 2 of the second record batch
    good[place] ^= 1
    path.write_bytes(good)
    stream = opened(tmp_path)
    assert stream.slice(0, 140_000).tolist() == (long[0] + long[1])[:140_000]
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r"\.arrow: bytes \d+ to \d+ have changed: copy it again or build"
        ):
            stream.slice(174_000, 180_000)
    assert stream.slice(199_000, 200_000).tolist() == [6] * 1000


def test_a_flipped_byte_anywhere_in_a_shard_is_refused_by_reader_and_verify(tmp_path: Path) -> None:
    """Header, tables of Arrow, checksums, padding, contents, footer: all over the file."""
    make_folder(tmp_path, [DOCUMENTS])
    path = tmp_path / "train-00000-of-00001.arrow"
    good = path.read_bytes()
    for position in range(0, len(good), 3):  # into every word
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x41]) + good[position + 1 :])
        with pytest.raises(ValueError) as refused:
            everything(tmp_path)
        assert str(refused.value).startswith(f"{path}: ") and "\n" not in str(refused.value)
        if position % 10 == 0:
            assert verify_shards(tmp_path, "books", TOKENIZER) == [str(refused.value)], position
    path.write_bytes(good)
    assert verify_shards(tmp_path, "books", TOKENIZER) == []


def test_flipped_bits_of_a_larger_shard_are_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    documents = [[1, *random.integers(3, 300, n).tolist(), 2] for n in (100, 40_000, 70_000, 3, 9)]
    make_folder(tmp_path, [documents])
    path = tmp_path / "train-00000-of-00001.arrow"
    good = path.read_bytes()
    for position, bit in zip(
        random.integers(0, len(good), 200).tolist(), random.integers(0, 8, 200).tolist(), strict=True
    ):
        path.write_bytes(good[:position] + bytes([good[position] ^ 1 << bit]) + good[position + 1 :])
        with pytest.raises(ValueError, match="copy it again or build the shards again"):
            everything(tmp_path)


def test_refuses_flipped_bytes_of_every_column(tmp_path: Path) -> None:
    make_folder(tmp_path, [DOCUMENTS])
    path = tmp_path / "train-00000-of-00001.arrow"
    good = path.read_bytes()
    tokens, ids = np.array([1, 10, 11, 2, 1, 2], "<u2").tobytes(), b"d0d1"
    borders, rows = np.array([0, 4, 6], "<i4").tobytes(), np.array([3, 4], "<i4").tobytes()
    for content, match in (
        (tokens, "have changed"),
        (borders[4:], "borders of documents have changed"),
        (ids, "ids, parts or rows have changed"),
        (rows, "ids, parts or rows have changed"),
    ):
        place = good.index(content)
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(ValueError, match=match):
            everything(tmp_path)


def truncate(folder: Path) -> None:
    path = folder / "train-00000-of-00002.arrow"
    path.write_bytes(path.read_bytes()[:-10])


def swap(folder: Path) -> None:
    first, second = (folder / f"train-0000{n}-of-00002.arrow" for n in (0, 1))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(kept)


def other_split(folder: Path) -> None:
    shutil.copy(folder / "validation-00000-of-00001.arrow", folder / "train-00000-of-00002.arrow")


def other_tokenizer(folder: Path) -> None:
    index = read_index(folder)
    (folder / INDEX_NAME).write_bytes(
        replace(index, tokenizer=replace(TOKENIZER, sha256="cd" * 32)).encoded()
    )


def broken_index(folder: Path) -> None:
    (folder / "index.json").write_text('{"format_version": "3", "splits": []}')


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (
        truncate,
        r"train-00000-of-00002\.arrow: \d+ bytes, \d+ in index.json: truncated or exchanged",
    ),
    "missing": (
        lambda folder: (folder / "train-00001-of-00002.arrow").unlink(),
        r"train-00001-of-00002\.arrow: missing: copy it again",
    ),
    "surplus": (
        lambda folder: shutil.copy(
            folder / "train-00000-of-00002.arrow", folder / "train-00000-of-00001.arrow"
        ),
        r"train-00000-of-00001\.arrow: not in index\.json, left from another run: delete it",
    ),
    "swapped": (swap, r"train-00000-of-00002\.arrow: record batch 0 is not that of index\.json"),
    "of the other split": (other_split, r"train-00000-of-00002\.arrow: .* differs from index\.json"),
    "of another tokenizer": (other_tokenizer, r"made with tokenizer cdcdcdcdcdcd of 300 pieces"),
    "without an index": (lambda folder: (folder / "index.json").unlink(), r"index\.json: missing"),
    "with a broken index": (broken_index, r"index\.json: damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_reader_and_verify_refuse(damage: str, tmp_path: Path) -> None:
    # Shards of one size, so that only their content tells them apart.
    make_folder(tmp_path, [DOCUMENTS[:1], [[1, 12, 13, 2]]], [[[1, 14, 15, 2]]])
    assert verify_shards(tmp_path, "books", TOKENIZER) == []
    change, match = DAMAGES[damage]
    change(tmp_path)
    with pytest.raises(ValueError, match=match) as refused:
        everything(tmp_path)
    assert "\n" not in str(refused.value)
    found = verify_shards(tmp_path, "books", TOKENIZER)
    assert str(refused.value) in found or (damage == "of another tokenizer" and len(found) == 1)


def test_refuses_what_is_no_shard(tmp_path: Path) -> None:
    index = make_folder(tmp_path, [DOCUMENTS])
    path = tmp_path / "train-00000-of-00001.arrow"
    good = path.read_bytes()
    for content in (b"", b"nothing of the kind", good[:200], good[: len(good) // 2], good[-300:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as a token shard"):
            TokenStream(tmp_path, index, "train").slice(0, 3)


def test_refuses_shards_that_another_tool_compressed(tmp_path: Path) -> None:
    index = make_folder(tmp_path, [[[1, *([5] * 1000), 2]]])
    path = tmp_path / "train-00000-of-00001.arrow"
    reader = pa.ipc.open_file(path.read_bytes())
    batch, metadata = reader.get_batch_with_custom_metadata(0)
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, reader.schema, options=options) as writer:
        writer.write_batch(batch, custom_metadata=metadata)
    entry, content = index.splits["train"][0], path.read_bytes()
    footer = content.rindex(b"\xff\xff\xff\xff\0\0\0\0")  # behind the last record batch
    checksums = (entry.batches.checksums[0], xxhash.xxh3_64_hexdigest(content[footer:]))
    batches = replace(entry.batches, bytes=(footer,), checksums=checksums)
    entry = replace(entry, bytes=len(content), batches=batches)
    changed = ShardIndex("books", TOKENIZER, {**index.splits, "train": (entry,)})
    with pytest.raises(ValueError, match="record batch 0 is not that of index"):
        TokenStream(tmp_path, changed, "train").slice(0, 3)


def test_checks_a_block_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, [[[1, *([5] * 100_000), 2]]])
    checked: list[int] = []

    def counted(data: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bytes:
        checked.append(data.nbytes)
        return shard_checksums.checksum(data)

    monkeypatch.setattr(shard_reader, "checksum", counted)
    stream = opened(tmp_path)
    for start in (0, 10, 32_760, 99_000):
        stream.slice(start, start + 1000)
    assert checked[1:] == [65536, 65536, 200_004 - 3 * 65536]  # the first one is the footer
