"""The command `plan`: from a run, typed numbers or published ones to tables and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mixtures.commands import plan

TOKENIZER = "0123456789abcdef" * 4


def call(*arguments: object) -> Result:
    return CliRunner().invoke(plan, [str(a) for a in arguments])


def cells(result: Result, source: str) -> list[list[str]]:
    """The rows of a source in all tables, without its name."""
    lines = [line for line in result.output.splitlines() if line.startswith(f"| {source} ")]
    return [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines]


def plan_of(*arguments: object) -> dict[str, object]:
    (one,) = json.loads(call(*arguments, "--json").output)["plans"]
    assert isinstance(one, dict)
    return one


@pytest.fixture
def run(tmp_path: Path) -> Path:
    sources = {
        "books": {"tokens": {"train": 1_000, "validation": 250}, "bytes": 5_000},
        "c4": {"tokens": {"train": 3_000, "validation": 0}, "bytes": 9_000},
    }
    manifest = {"sources": sources, "tokenizer": {"sha256": TOKENIZER}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    (tmp_path / "config.yaml").write_text("mixture: {books: 0.5, c4: 0.5}\ntokens: 6000\n", "utf-8")
    return tmp_path


def test_shows_the_figures_of_the_paper_for_both_of_its_budgets() -> None:
    result = call("--published", "llama1")
    assert result.exit_code == 0
    ours = ["4.5 %", "4.5 %", "25.7 B"]
    assert cells(result, "wikipedia") == [
        [*ours, "45.0 B", "1.75", "3.23", "4.5 %", "25.7 B", "1.75"],
        [*ours, "63.0 B", "2.45", "3.23", "4.5 %", "25.7 B", "2.45"],
    ]
    assert "**Budget 1.00 T tokens**" in result.output
    assert cells(result, r"**all**")[1][:5] == ["100.0 %", "100.0 %", "1.26 T", "1.40 T", "1.11"]
    assert "\n- " not in result.output


def test_plans_a_run_by_its_own_mixture_budget_and_training_tokens(run: Path) -> None:
    result = call(run)
    assert cells(result, "books") == [
        ["50.0 %", "50.0 %", "1,000", "3,000", "3.00", "4.00", "4.5 %", "28.3 B", "2.23"]
    ]
    assert "LLaMA-1 epochs at 1.40 T |" in result.output
    assert "**Budget 6,000 tokens**" in result.output


def test_warns_of_what_is_missing_repeated_and_not_read(run: Path) -> None:
    result = call(run, "--mixture", "llama1", "--tokens", "50k")
    notes = [line for line in result.output.splitlines() if line.startswith("- ")]
    assert notes == [
        "- commoncrawl: not there: its 67.00 % go to the others",
        "- c4: read 12.8 times: above 4 epochs repeated tokens teach less",
        "- github: not there: its 4.50 % go to the others",
        "- wikipedia: not there: its 4.50 % go to the others",
        "- books: read 11.5 times: above 4 epochs repeated tokens teach less",
        "- arxiv: not there: its 2.50 % go to the others",
        "- stackexchange: not there: its 2.00 % go to the others",
    ]
    (run / "only.yaml").write_text("weights: {books: 3}\nmax_epochs: 2\n")
    result = call(run, "--mixture", run / "only.yaml")
    notes = [line for line in result.output.splitlines() if line.startswith("- ")]
    assert notes == [
        "- budget out of reach: max_epochs allow 2,000 of 6,000 tokens: "
        "lower the budget, raise max_epochs or add text",
        "- books: held at 2 epochs",
        "- c4: has tokens but no share, it is not read",
    ]


def test_fills_up_with_published_tokens_and_warns_that_another_tokenizer_counted_them(run: Path) -> None:
    result = call(run, "--mixture", "llama1", "--published", "redpajama", "--unique", "arxiv=7M")
    assert cells(result, "wikipedia")[0][2] == "24.0 B"
    assert cells(result, "books")[0][2] == "1,000"
    assert cells(result, "arxiv")[0][2] == "7.00 M"
    assert (
        "- the tokens are of different tokenizers, shares and epochs are rough: "
        "commoncrawl, github, wikipedia, stackexchange in GPT-NeoX's; "
        f"books, c4 in those of {run.name}'s tokenizer 0123456789ab\n"
    ) in result.output
    assert "different tokenizers" not in call(run).output


def test_prints_json_for_machines(run: Path) -> None:
    one = plan_of(run, "--tokens", "1.0T", "--mixture", "llama1", "--published", "llama1")
    assert one["budget_tokens"] == one["planned_tokens"] == 10**12
    rows = one["sources"]
    assert isinstance(rows, list)
    assert sum(row["tokens_at_budget"] for row in rows) == 10**12
    assert rows[0]["source"] == "commoncrawl"
    assert rows[0]["llama1_epochs_at_budget"] == pytest.approx(1.10 / 1.4)
    assert rows[0]["epochs"] == pytest.approx(1.10 / 1.4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a RUN, --unique SOURCE=N for each source, or --published llama1"),
        (["--unique", "books"], "--unique books: write SOURCE=N, for example books=28B"),
        (["--unique", "boks=1"], "--unique boks=1: write SOURCE=N"),
        (["--unique", "books=1", "--unique", "books=2"], "--unique books=2: books is given twice"),
        (["--unique", "books=x"], "--unique books: 'x' is not a whole number"),
        (["--published", "llama1", "--tokens", "4e"], "--tokens: '4e' is not a whole number"),
        (["--published", "llama2"], "'llama2' is not one of"),
    ],
)
def test_refuses_wrong_usage(arguments: list[str], message: str) -> None:
    result = call(*arguments)
    assert (result.exit_code, message in result.output) == (2, True), result.output


def test_says_what_is_wrong_with_a_run(run: Path) -> None:
    (run / "manifest.json").write_text('{"sources": {"books": 3}}')
    assert str(call(run).exception).startswith(f"{run}/manifest.json: not the manifest of a run (")
    (run / "manifest.json").write_text("[[")
    assert str(call(run).exception).startswith(f"{run}/manifest.json: not the manifest of a run (")
    (run / "manifest.json").unlink()
    assert str(call(run).exception).startswith(f"{run} is no finished run (no manifest.json in it): make one")


def test_is_a_command_of_the_front_door_that_needs_neither_torch_nor_beam() -> None:
    code = (
        "import sys, llama_corpus\n"
        "sys.argv = ['llama-corpus', 'plan', '--unique', 'books=5', '--tokens', '5']\n"
        "code = llama_corpus._main()\n"
        "print(code, 'torch' in sys.modules, 'apache_beam' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert "| books | 4.5 % | 100.0 % | 5 | 5 | 1.00 |" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "0 False False"
