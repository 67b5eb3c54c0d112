"""A manifest that is none ends every command that reads one in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.collect_report import collect_report
from pipeline.derived_run import BaseRun
from pipeline.finished_run import read_manifest
from pipeline.settings import UsageError
from pipeline.verify import problems_of

WHOLE: dict[str, Any] = {
    "format_version": 1,
    "config_sha256": "ab",
    "files": {"documents/books/a.parquet": {"bytes": 3, "sha256": "cd"}},
    "sources": {"books": {"documents": 1, "bytes": 9, "tokens": {"train": 2}, "steps": []}},
    "recipe": "llama1",
    "seed": 7,
    "versions": {},
    "mixture": [],
    "models": {},
    "tokenizer": {"sha256": "ef"},
}


def test_gives_what_the_run_wrote(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(WHOLE))
    assert read_manifest(str(tmp_path)) == WHOLE


def changed(**values: object) -> str:
    return json.dumps(WHOLE | values)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "not the manifest of a run"),
        ("[1]", "not the manifest of a run"),
        ('"a"', "not the manifest of a run"),
        ("{}", "not the manifest of a run"),
        (changed(format_version=2), "format 2, this is 1; run again"),
        (changed(files=3), "files is no such section of a manifest"),
        (changed(files={"a": {"bytes": 1, "sha256": 3}}), "files is no such section of a manifest"),
        (changed(sources={"books": 1}), "sources is no such section of a manifest"),
        (changed(tokenizer=None), "tokenizer is no such section of a manifest"),
        (changed(mixture={}), "mixture is no such section of a manifest"),
    ],
)
@pytest.mark.parametrize("read", [problems_of, collect_report, BaseRun.open])
def test_a_manifest_that_is_none_is_one_line(
    tmp_path: Path, content: str, problem: str, read: Callable[[str], object]
) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ValueError, match=f"^{tmp_path}/manifest.json: {problem}") as error:
        read(str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("read", [problems_of, collect_report, BaseRun.open])
def test_a_folder_without_one_is_no_run_or_not_finished(
    tmp_path: Path, read: Callable[[str], object]
) -> None:
    with pytest.raises(UsageError, match=r"is no run .* make one with: llama-corpus run CONFIG --out"):
        read(str(tmp_path))
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "status.json").write_text("{}")
    with pytest.raises(ValueError, match="the run is not finished; see llama-corpus status"):
        read(str(tmp_path))
