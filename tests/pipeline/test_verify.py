"""`verify` finds what was changed in a finished run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from pipeline import files
from pipeline.verify import _sample, problems_of
from tests.tokenizer.shard_folders import make_folder
from tokenizer.encoding import Encoder
from tokenizer.order import SPLITS
from tokenizer.shard_index import INDEX_NAME, ShardEntry, ShardIndex, read_index
from tokenizer.shard_reader import TokenStream
from tokenizer.shard_writer import token_batch, write_shard
from tokenizer.shards import ShardMetadata

FILES, _, IDS, SHARDS, SPLIT, NEAR, ROUND_TRIP = (
    "files have their SHA-256",
    "accounts add up: in = kept + removed",
    "ids are unique within a source",
    "shards: index, checksums, BOS, EOS, id range, counts",
    "every document is in one split, once",
    "validation has no near copy in training",
    "tokens are those of the texts, and give them back",
)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of a finished run that may be damaged."""
    for name in ("documents", "shards", "tokenizer"):
        shutil.copytree(finished / name, tmp_path / "run" / name)
    shutil.copy(finished / "config.yaml", tmp_path / "run")
    manifest = json.loads((finished / "manifest.json").read_text())
    kept = ("documents/", "shards/", "tokenizer/")
    manifest["files"] = {p: w for p, w in manifest["files"].items() if p.startswith(kept)}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path / "run"


def found_in(run: Path) -> dict[str, list[str]]:
    return {name: problems for name, problems in problems_of(str(run)).items() if problems}


def accept(run: Path) -> None:
    """Makes the manifest say what the files are, so that only their content can be wrong."""
    manifest = json.loads((run / "manifest.json").read_text())
    for path in manifest["files"]:
        manifest["files"][path]["sha256"] = files.sha256_of(str(run / path)).sha256
    (run / "manifest.json").write_text(json.dumps(manifest))


Rows = list[tuple[list[int], str, int, int]]


def rebuild(run: Path, source: str, change: Callable[[dict[str, Rows]], None]) -> None:
    """Writes the shards of a source again, with other documents and a true index and manifest."""
    folder, splits, entries = run / "shards" / source, {}, {}
    index = read_index(folder)
    for split in SPLITS:
        rows = ipc.open_file(folder / index.splits[split][0].name).read_all().to_pylist()
        splits[split] = [(row["tokens"], row["id"], row["part"], row["row"]) for row in rows]
    change(splits)
    for split, rows_of_split in splits.items():
        path = folder / index.splits[split][0].name
        tokens, ids, parts, rows = zip(*rows_of_split, strict=True) if rows_of_split else [()] * 4
        arrays = [np.array(document, np.uint16) for document in tokens]
        batch = token_batch(arrays, ids, parts, rows, index.tokenizer.vocabulary_size)
        with path.open("wb") as stream:
            batches = write_shard(stream, [batch], ShardMetadata(index.tokenizer, source, split))
        entries[split] = (ShardEntry(path.name, path.stat().st_size, batches),)
    (folder / INDEX_NAME).write_bytes(ShardIndex(source, index.tokenizer, entries).encoded())
    accept(run)
    manifest = json.loads((run / "manifest.json").read_text())
    account = manifest["sources"][source]
    account["tokens"] = {split: found[0].tokens for split, found in entries.items()}
    (run / "manifest.json").write_text(json.dumps(manifest))


def test_a_good_run_has_no_problem(run: Path) -> None:
    assert found_in(run) == {}


def test_finds_a_flipped_byte_of_a_shard_wherever_it_is(run: Path) -> None:
    path = run / "shards" / "wikipedia" / "train-00000-of-00001.arrow"
    good = path.read_bytes()
    for place in (9, len(good) // 3, len(good) // 2, len(good) - 9):
        path.write_bytes(good[:place] + bytes([good[place] ^ 16]) + good[place + 1 :])
        found = found_in(run)
        assert found[FILES][0].startswith("shards/wikipedia/train-00000-of-00001.arrow has changed: SHA-256 ")
    path.write_bytes(good)
    assert found_in(run) == {}


def test_finds_files_that_are_cut_missing_or_too_many(run: Path) -> None:
    path = run / "shards" / "wikipedia" / "train-00000-of-00001.arrow"
    good = path.read_bytes()
    path.write_bytes(good[:-100])
    assert "truncated or exchanged" in found_in(run)[SHARDS][0]
    path.unlink()
    found = found_in(run)
    assert found[FILES] == ["shards/wikipedia/train-00000-of-00001.arrow is missing"]
    assert found[SHARDS] == [f"{path}: missing: copy it again or build the shards again"]
    path.write_bytes(good)
    path.with_name("train-00001-of-00002.arrow").write_bytes(good)
    found = found_in(run)
    assert found[FILES] == ["shards/wikipedia/train-00001-of-00002.arrow is not in the manifest"]
    assert "left from another run" in found[SHARDS][0]


def test_finds_another_tokenizer(run: Path) -> None:
    with open(run / "tokenizer" / "tokenizer.model", "ab") as model:
        model.write(b"\x1a\x00")
    accept(run)
    found = found_in(run)
    assert set(found) == {SHARDS}
    assert len(found[SHARDS]) == 7 and all("made with tokenizer" in problem for problem in found[SHARDS])


def test_finds_a_document_in_both_splits_and_one_in_none(run: Path) -> None:
    def copy(splits: dict[str, Rows]) -> None:
        splits["train"][0] = splits["validation"][0]

    rebuild(run, "c4", copy)
    found = found_in(run)
    assert found[SPLIT] == [
        "c4: 1 rows of the documents are twice in the shards, 1 are in none",
        "c4: 1 documents are in train and in validation",
    ]
    assert set(found) == {SPLIT}


def test_finds_near_copies_across_sources(run: Path) -> None:
    """A text of Wikipedia's training that is also held out in c4, but for its end."""
    near = _text(run, "wikipedia", 0) + " The end."
    encoder = Encoder(run / "tokenizer" / "tokenizer.model")
    place: list[tuple[int, int]] = []

    def replace(splits: dict[str, Rows]) -> None:
        _, id, part, row = splits["validation"][0]
        place.append((part, row))
        splits["validation"][0] = (encoder.encode(near).tolist(), id, part, row)

    rebuild(run, "c4", replace)
    ((part, row),) = place
    set_text(run, "c4", part, row, near)
    accept(run)
    found = found_in(run)
    assert list(found) == [NEAR]
    (problem,) = found[NEAR]
    assert problem.startswith(
        f"validation document of c4 part {part} row {row}: a near copy is in training, wikipedia"
    )


def test_finds_tokens_that_are_not_those_of_the_text(run: Path) -> None:
    def swap(splits: dict[str, Rows]) -> None:
        tokens, id, part, row = splits["train"][0]
        splits["train"][0] = ([tokens[0], *tokens[:0:-1][1:], tokens[-1]], id, part, row)

    rebuild(run, "books", swap)
    found = found_in(run)
    assert set(found) == {ROUND_TRIP}
    assert found[ROUND_TRIP][0].endswith("has other tokens than its text")


def set_text(run: Path, source: str, part: int, row: int, text: str) -> None:
    path = sorted((run / "documents" / source).iterdir())[part]
    table = pq.read_table(path)
    texts = table["text"].to_pylist()
    texts[row] = text
    pq.write_table(table.set_column(2, table.schema.field(2), pa.array(texts, pa.large_string())), path)


def test_a_text_with_the_mark_of_a_space_comes_back_with_a_blank(run: Path) -> None:
    """SentencePiece takes U+2581 for a space, so a text that shows it is no fault."""
    text = "\u2581Pieces\u2581are written \u2581so."
    encoder = Encoder(run / "tokenizer" / "tokenizer.model")
    place: list[tuple[int, int]] = []

    def replace(splits: dict[str, Rows]) -> None:
        _, id, part, row = splits["train"][0]
        place.append((part, row))
        splits["train"][0] = (encoder.encode(text).tolist(), id, part, row)

    rebuild(run, "books", replace)
    set_text(run, "books", *place[0], text)
    accept(run)
    assert found_in(run) == {}
    set_text(run, "books", *place[0], text + "\u2581")  # that last one is not in the tokens
    accept(run)
    assert found_in(run)[ROUND_TRIP][0].endswith("has other tokens than its text")


def test_finds_a_changed_configuration(run: Path) -> None:
    config = run / "config.yaml"
    config.write_bytes(config.read_bytes().replace(b"seed: 42", b"seed: 43"))
    ((name, (problem,)),) = found_in(run).items()
    assert name == FILES and problem.startswith("config.yaml has changed: SHA-256 ")
    config.unlink()
    assert found_in(run) == {FILES: ["config.yaml is missing"]}


def test_finds_a_flipped_byte_of_a_shard_without_documents(run: Path) -> None:
    def none_held_out(splits: dict[str, Rows]) -> None:
        splits["train"] += splits["validation"]
        splits["validation"] = []

    rebuild(run, "books", none_held_out)
    path = run / "shards" / "books" / "validation-00000-of-00001.arrow"
    good = path.read_bytes()
    path.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
    accept(run)
    assert found_in(run)[SHARDS] == [
        f"{path}: not that of index.json: copy it again or build the shards again"
    ]


def test_takes_long_and_short_documents_and_none_twice(tmp_path: Path) -> None:
    long, short = [1, *[7] * 10_000, 2], [[1, n, 2] for n in range(10, 42)]
    stream = TokenStream(tmp_path, make_folder(tmp_path, [[long, *short[:16]], short[16:]]), "train")
    found = [document.id for document in _sample(stream)]
    assert found == ["d0", *(f"d{33 * n // 16}" for n in range(1, 16))]
    same = TokenStream(tmp_path / "same", make_folder(tmp_path / "same", [[[1, 5, 2]] * 4]), "train")
    assert [document.id for document in _sample(same)] == ["d0", "d1", "d2", "d3"]
    empty = TokenStream(tmp_path / "empty", make_folder(tmp_path / "empty", [[]]), "train")
    assert list(_sample(empty)) == []


def _text(run: Path, source: str, number: int) -> str:
    """A text of the training split."""
    index = read_index(run / "shards" / source)
    row = (
        ipc.open_file(run / "shards" / source / index.splits["train"][0].name).read_all().to_pylist()[number]
    )
    path = sorted((run / "documents" / source).iterdir())[row["part"]]
    text: str = pq.read_table(path)["text"][row["row"]].as_py()
    return text
