"""Weights as JSON: there and back, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from stages.extraction.weights import PROFILES, load_weights, save_weights


@pytest.mark.parametrize("profile", PROFILES)
def test_shipped_weights_say_where_they_come_from(profile: str) -> None:
    weights = load_weights(profile)
    assert weights.profile == profile
    assert weights.provenance.data_sets
    assert all(data_set.license for data_set in weights.provenance.data_sets)


def test_weights_come_back_as_they_were_and_equal_ones_give_equal_bytes(tmp_path: Path) -> None:
    weights = load_weights("article")
    save_weights(weights, tmp_path / "a.json")
    again = load_weights(tmp_path / "a.json")
    assert again == weights
    save_weights(again, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], 2, "not of format 1"),
        (["threshold"], True, "no `profile` or `threshold`"),
        (["first"], [], "`first` is not a table of numbers"),
        (["first", "log_words"], "x", "`first` has no usable number for 'log_words'"),
        (["first", "log_words"], float("nan"), "`first` has no usable number for 'log_words'"),
        (["words", "ad"], 1e9, "`words` has no usable number for 'ad'"),
        (["context", "new_feature"], 1.0, "does not have the features of this version (new_feature)"),
        (["provenance"], None, "`provenance` does not name its data sets"),
    ],
)
def test_refuses_what_is_not_weights(tmp_path: Path, path: list[str], value: Any, message: str) -> None:
    save_weights(load_weights("article"), tmp_path / "w.json")
    content = json.loads((tmp_path / "w.json").read_text())
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (tmp_path / "w.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        load_weights(tmp_path / "w.json")
    assert str(error.value).startswith(f"extraction weights {tmp_path / 'w.json'}: ")


def test_refuses_a_file_that_is_not_there_and_one_that_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file or directory; name a file or one of article, web"):
        load_weights("blog")
    (tmp_path / "w.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        load_weights(tmp_path / "w.json")
