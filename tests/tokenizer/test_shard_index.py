"""The index of a source's shards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tokenizer.shard_folders import DOCUMENTS, make_folder
from tokenizer.shard_index import check_files, read_index


def test_is_read_as_it_was_written(tmp_path: Path) -> None:
    index = make_folder(tmp_path, [DOCUMENTS[:2], DOCUMENTS[2:]], [DOCUMENTS[:1]])
    assert read_index(tmp_path) == index
    assert read_index(tmp_path).digest == index.digest
    check_files(tmp_path, index)


def test_digest_differs_for_one_token(tmp_path: Path) -> None:
    one = make_folder(tmp_path / "one", [DOCUMENTS])
    other = make_folder(tmp_path / "other", [[*DOCUMENTS[:4], [1, 40, 42, 2]]])
    assert one.digest != other.digest
    assert make_folder(tmp_path / "again", [DOCUMENTS]).digest == one.digest


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("splits", "train", 0, "name"), "train-00001-of-00002.arrow"),
        (("splits", "train", 0, "bytes"), -1),
        (("splits", "train", 0, "bytes"), "9"),
        (("splits", "train", 0, "tokens"), 7),
        (("splits", "train", 0, "batch_tokens"), [19.0]),
        (("splits", "train", 0, "batch_documents"), [-5]),
        (("splits", "train", 0, "batch_bytes"), [1 << 30]),
        (("splits", "train", 0, "batch_bytes"), []),
        (("splits", "train", 0, "checksums"), ["00"]),
        (("splits", "train", 0, "checksums"), [7, 8]),
        (("splits", "train", 0, "checksums"), ["g" * 16, "0" * 16]),
        (("splits", "train", 0, "checksums"), []),
        (("splits", "train"), 3),
        (("source",), None),
        (("tokenizer", "vocabulary_size"), "many"),
    ],
)
def test_refuses_a_damaged_index_in_one_line(
    tmp_path: Path, keys: tuple[str | int, ...], value: object
) -> None:
    make_folder(tmp_path, [DOCUMENTS])
    path = tmp_path / "index.json"
    content = place = json.loads(path.read_text())
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises(
        ValueError, match=r"index\.json: damaged \(.*\): copy it or build the shards again"
    ) as error:
        read_index(tmp_path)
    assert "\n" not in str(error.value)


def test_refuses_another_version_and_what_is_no_index(tmp_path: Path) -> None:
    path = tmp_path / "index.json"
    for content in ("", "[]", "nothing", "[" * 100_000):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"index\.json: damaged"):
            read_index(tmp_path)
    path.write_text('{"format_version": "1"}')
    with pytest.raises(
        ValueError, match=r"token shard format '1', this version reads '3': build the shards again"
    ):
        read_index(tmp_path)
