"""`status` reads what the run keeps beside its work, and says what to do with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.settings import UsageError
from pipeline.status import STATUS, StatusFile, status


def shown(run: Path, *arguments: str) -> list[str]:
    result = CliRunner().invoke(status, [str(run), *arguments])
    assert result.exit_code == 0, result.exception
    return result.stdout.splitlines()


def test_nodes_are_in_the_order_in_which_they_are_planned(tmp_path: Path) -> None:
    kept = StatusFile(str(tmp_path), ["models", "c4/read", "books/read"])
    kept.finish("models", 3)
    assert shown(tmp_path) == [
        "models           3 / 3",
        "c4/read          - / ?",
        "books/read       - / ?",
        "stopped; the same command continues from here",
    ]
    (line,) = shown(tmp_path, "--json")
    assert list(json.loads(line)["nodes"]) == ["models", "c4/read", "books/read"]


def test_a_finished_run_whose_work_was_deleted_is_finished(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert shown(tmp_path) == ["finished"]
    assert json.loads(shown(tmp_path, "--json")[0])["state"] == "finished"


def test_one_step_that_was_asked_for_is_finished_when_it_is_done(tmp_path: Path) -> None:
    kept = StatusFile(str(tmp_path), ["models", "books/read"], "books/read")
    kept.finish("models", 1)
    assert shown(tmp_path)[-1] == "stopped; the same command continues from here"
    kept.finish("books/read", 2)
    expected = "finished --only books/read; the same command without it goes on from here"
    assert shown(tmp_path)[-1] == expected
    assert json.loads(shown(tmp_path, "--json")[0])["state"] == "finished"


def test_all_nodes_done_and_no_manifest_is_no_finished_run(tmp_path: Path) -> None:
    StatusFile(str(tmp_path), ["models"]).finish("models", 1)
    assert shown(tmp_path)[-1] == "stopped; the same command continues from here"


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"nodes": 3}', '{"nodes": {"a": 1}}', '{"nodes": {"a": [1]}}']
)
def test_a_damaged_status_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / STATUS).write_text(content)
    error = CliRunner().invoke(status, [str(tmp_path)]).exception
    assert isinstance(error, ValueError)
    assert str(error).startswith(f"{tmp_path / STATUS}: not the status of a run; the same command")


def test_a_status_without_nodes_is_shown(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / STATUS).write_text('{"nodes": {}}')
    assert shown(tmp_path) == ["stopped; the same command continues from here"]


def test_a_folder_that_is_no_run_is_wrong_usage(tmp_path: Path) -> None:
    assert isinstance(CliRunner().invoke(status, [str(tmp_path)]).exception, UsageError)
