"""The command `plan`: from a run, typed or published numbers, and from a preset and a card, to tables and JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mixtures import commands, mixture
from trainer.config import UsageError
from trainer.plan_command import plan

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
def run(tmp_path: Path, tokenizer_model: bytes) -> Path:
    sources = {
        "books": {"tokens": {"train": 1_000, "validation": 250}, "bytes": 5_000},
        "c4": {"tokens": {"train": 3_000, "validation": 0}, "bytes": 9_000},
    }
    manifest = {"sources": sources, "tokenizer": {"sha256": TOKENIZER}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    (tmp_path / "config.yaml").write_text("mixture: {books: 0.5, c4: 0.5}\ntokens: 6000\n", "utf-8")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.model").write_bytes(tokenizer_model)
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


def test_plans_a_source_that_llama1_did_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = (*mixture.SOURCES, "patents")
    for module in (mixture, commands):
        monkeypatch.setattr(module, "SOURCES", sources)
    (tmp_path / "mine.yaml").write_text("shares: {books: 0.5, patents: 0.5}\n", "utf-8")
    typed = ("--unique", "books=1000", "--unique", "patents=3000", "--tokens", "6000")
    result = call("--mixture", tmp_path / "mine.yaml", *typed)
    assert cells(result, "patents") == [["50.0 %", "50.0 %", "3,000", "3,000", "1.00", *["–"] * 4]]
    assert cells(result, r"**all**") == [
        ["100.0 %", "100.0 %", "4,000", "6,000", "1.50", "–", "4.5 %", "28.3 B", "–"]
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
        (["--published", "llama1", "--tokens", "0"], "--tokens 0: plan for at least one"),
        (["--model", "toy", "--tokens", "0"], "--tokens 0: plan for at least one"),
        (["--published", "llama2"], "'llama2' is not one of"),
        (["--mixture", "llama1"], "give a RUN, --unique SOURCE=N for each source, or --published llama1"),
        (["--model", "7B", "--mixture", "llama1"], "--mixture: give the tokens too"),
        (["--model", "8B"], "'8B' is not one of"),
        (["--model", "7B", "--card", "V100"], "'V100' is not one of"),
        (["--model", "7B", "--gpus", "0"], "0 is not in the range"),
        (["--published", "llama1", "--mixture", "nix"], "--mixture: "),
        (["nothing/here"], "nothing/here is no finished run (no manifest.json in it): make one with"),
        (["--model", "7B", "--layout", "2x4"], "--layout: layout '2x4': write replicate x shard x tensor"),
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


def training_of(*arguments: object) -> dict[str, object]:
    (one,) = json.loads(call(*arguments, "--json").output)["trainings"]
    assert isinstance(one, dict)
    return one


def test_plans_the_largest_model_as_the_paper_trained_it() -> None:
    one = training_of("--model", "65B", "--card", "A100-80GB", "--gpus", "2048")
    assert (one["parameters"], one["tokens"], one["steps"]) == (65_285_660_672, 333_786 * 2**22, 333_786)
    assert one["layout"] == {"replicate": 64, "shard": 32, "tensor": 1}
    assert (one["fits"], one["missing_bytes"], one["micro_batch_sequences"], one["accumulation"]) == (
        True,
        0,
        1,
        1,
    )
    time = one["expected"]
    assert isinstance(time, dict)
    assert time["tokens_per_second_per_gpu"] == pytest.approx(380, abs=1)
    assert time["days"] == pytest.approx(20.8, abs=0.05)
    assert time["gpu_hours"] == pytest.approx(1_022_362, rel=1e-3)


def test_shows_a_training_as_tables_and_names_its_sources() -> None:
    shown = call("--model", "65B", "--gpus", "2048", "--tokens", "1.4T").output
    assert shown.startswith(
        "**65B on 2,048 A100-80GB**: 65.3 B parameters, 1.40 T tokens in sequences of 2,048"
    )
    for line in (
        "| AdamW's moments, float32 | 15.20 |",
        "| there (A100-80GB) | 79.14 |",
        "| layout (copies x shards x tensor) | 64x32x1 |",
        "| steps | 333,787 |",  # 333,786.01: the last one is not whole
        "| expected tokens/s of a GPU, of all | 380, 779,024 |",
        "| expected days (GPU-hours) | 20.8 (1,022,362) |",
    ):
        assert line in shown.splitlines()
    assert "expected, not measured: LLaMA 65B on 2,048 GPUs reached 49.5 % MFU" in shown
    assert "(arXiv 2302.13971, Table 15: 1,022,362 GPU-hours" in shown
    assert "missing" not in shown


def test_says_how_much_is_missing_on_too_few_gpus() -> None:
    arguments = ("--model", "65B", "--gpus", "8", "--card", "H100-80GB")
    one = training_of(*arguments)
    held = one["memory_bytes"]
    assert isinstance(held, dict)
    assert one["fits"] is False
    assert one["missing_bytes"] == held["total"] - held["there"] > 0
    assert sum(held.values()) == 2 * held["total"] + held["there"]
    shown = call(*arguments).output
    assert "- does not fit: " in shown and "| **missing** | " in shown
    assert "- the smallest layout that fits, at one sequence: 1x4x4 (16 GPUs)" in shown
    assert "over a factor of two away, take it as rough" in shown


def test_takes_the_layout_micro_batch_and_checkpointing_that_are_asked_for() -> None:
    arguments = ("--model", "7B", "--layout", "2x8x2", "--micro-batch", "4", "--checkpointing", "full")
    one = training_of(*arguments)
    assert (one["gpus"], one["micro_batch_sequences"], one["accumulation"]) == (32, 4, 32)
    assert (one["checkpointing"], one["layout"]) == ("full", {"replicate": 2, "shard": 8, "tensor": 2})
    assert "- MFU is lowered by the operations that are recomputed beyond that" in call(*arguments).output
    assert training_of("--model", "7B")["gpus"] == 2


def test_refuses_a_layout_that_fits_neither_gpus_nor_batch() -> None:
    result = call("--model", "7B", "--layout", "2x8x1", "--gpus", "8")
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == "--layout 2x8x1: makes 16 GPUs, and --gpus says 8: change one"
    result = call("--model", "7B", "--layout", "1x4096x1")
    assert isinstance(result.exception, UsageError)
    assert "4096 readers hold 4,096 sequences at once and the batch of 7B has 2,048: take" in str(
        result.exception
    )


def test_plans_mixture_and_training_in_one_go(run: Path) -> None:
    both = json.loads(call(run, "--model", "toy", "--tokens", "6000", "--json").output)
    assert both.keys() == {"warnings", "plans", "trainings"}
    assert both["plans"][0]["budget_tokens"] == both["trainings"][0]["tokens"] == 6000
    shown = call("--published", "llama1", "--model", "65B", "--gpus", "2048").output
    assert "**Budget 1.40 T tokens**" in shown and "**65B on 2,048 A100-80GB**" in shown


def test_plans_the_training_of_a_run_with_its_vocabulary_and_train_section(run: Path) -> None:
    written = {"preset": "15M", "steps": 30, "batch_sequences": 6, "sequence_length": 64}
    written |= {"micro_batch_sequences": 3, "activation_checkpointing": "full"}
    config = {"mixture": {"books": 0.5, "c4": 0.5}, "train": written}
    (run / "config.yaml").write_text(json.dumps(config), "utf-8")
    one = training_of(run, "--model", "toy", "--gpus", "2")
    # 2 x 320 x 128 of embedding and output; 4 blocks of 4 x 128 x 128 + 3 x 128 x 352 + 2 x 128; the last norm
    assert one["parameters"] == 2 * 320 * 128 + 4 * (65_536 + 135_168 + 256) + 128
    assert (one["tokens"], one["steps"], one["batch_sequences"]) == (30 * 6 * 64, 30, 6)
    assert (one["sequence_length"], one["micro_batch_sequences"], one["accumulation"]) == (64, 3, 1)
    assert one["checkpointing"] == "full"
    asked = training_of(run, "--model", "toy", "--micro-batch", "2", "--checkpointing", "none")
    assert (asked["micro_batch_sequences"], asked["checkpointing"]) == (2, "none")
    refused = call(run, "--model", "toy", "--micro-batch", "4")
    assert "train.micro_batch_sequences: 4 does not divide train.batch_sequences (6)" in str(
        refused.exception
    )


def test_a_training_is_planned_without_torch() -> None:
    code = (
        "import sys\n"
        "from trainer.plan_command import plan\n"
        "plan(['--model', '65B', '--gpus', '2048'], standalone_mode=False)\n"
        "print('torch' in sys.modules, 'apache_beam' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "False False"
