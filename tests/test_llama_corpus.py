"""The front door: what it says when a package is missing."""

from __future__ import annotations

import click
import pytest

import llama_corpus


@pytest.mark.parametrize(
    ("module", "advice"),
    [
        ("pipeline.gone", "pip install 'llama-corpus'"),
        ("trainer.gone", "pip install 'llama-corpus[trainer]'"),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, module: str, advice: str
) -> None:
    monkeypatch.setitem(llama_corpus.COMMANDS, "run", (module, "run", ""))
    table = llama_corpus.Table("llama-corpus")
    with pytest.raises(click.ClickException) as error:
        table.get_command(click.Context(table), "run")
    assert error.value.message == f"run needs the package {module}, which is not installed: {advice}"
