"""What `verify` says of documents in shards that were written wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tokenizer.shard_folders import DOCUMENTS, TOKENIZER, make_folder
from tokenizer.shard_index import check_files
from tokenizer.verification import verify_shards


def test_finds_every_kind_of_wrong_document(tmp_path: Path) -> None:
    wrong = [[5, 2], [1, 5], [1, 2, 5, 2], [1, 300, 2], [], [1, 5, 2]]
    make_folder(tmp_path, [DOCUMENTS, wrong])
    path = tmp_path / "train-00001-of-00002.arrow"
    assert [problem.removeprefix(f"{path}: ") for problem in verify_shards(tmp_path, "books", TOKENIZER)] == [
        "2 documents do not begin with BOS",
        "2 documents do not end with EOS",
        "1 BOS or EOS within a document",
        "1 tokens outside the vocabulary",
    ]


def test_names_shards_of_another_source(tmp_path: Path) -> None:
    make_folder(tmp_path, [DOCUMENTS], source="c4")
    assert verify_shards(tmp_path, "books", TOKENIZER) == [
        f"{tmp_path}/index.json: holds tokens of c4, not of books: build the shards again"
    ]


def test_a_damaged_shard_does_not_hide_another(tmp_path: Path) -> None:
    make_folder(tmp_path, [DOCUMENTS, DOCUMENTS, DOCUMENTS])
    for number in (0, 2):
        path = tmp_path / f"train-0000{number}-of-00003.arrow"
        content = path.read_bytes()
        place = content.index(bytes([1, 0, 10, 0, 11, 0]))
        path.write_bytes(content[:place] + b"\x03" + content[place + 1 :])
    found = verify_shards(tmp_path, "books", TOKENIZER)
    assert [problem.split(": ")[0][-26:] for problem in found] == [
        "train-00000-of-00003.arrow",
        "train-00002-of-00003.arrow",
    ]


def test_a_flipped_byte_of_a_shard_without_documents_is_refused_when_it_is_opened_and_by_verify(
    tmp_path: Path,
) -> None:
    index = make_folder(tmp_path, [DOCUMENTS, []])
    paths = [tmp_path / name for name in ("train-00001-of-00002.arrow", "validation-00000-of-00001.arrow")]
    contents = [path.read_bytes() for path in paths]
    refused = [f"{path}: not that of index.json: copy it again or build the shards again" for path in paths]
    check_files(tmp_path, index)
    for place in (0, 50, len(contents[0]) // 2, len(contents[0]) - 1):
        for path, good in zip(paths, contents, strict=True):
            path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert verify_shards(tmp_path, "books", TOKENIZER) == refused
        with pytest.raises(ValueError, match=refused[0]):
            check_files(tmp_path, index)
