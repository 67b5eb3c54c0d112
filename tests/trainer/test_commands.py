"""The commands `train` and `generate` on what is no run."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from trainer.commands import generate, train
from trainer.config import UsageError


@pytest.mark.parametrize("command", [train, generate])
def test_a_folder_that_is_not_there_is_wrong_usage(command: click.Command, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path / "nope")])
    assert (result.exit_code, "nope' does not exist" in result.output) == (2, True), result.output


def test_wrong_settings_are_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    for wrong in ("stepz=3", "steps=abc"):
        error = CliRunner().invoke(train, [str(tmp_path), "--set", wrong]).exception
        assert isinstance(error, UsageError), error
