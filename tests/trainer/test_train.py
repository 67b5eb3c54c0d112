from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from trainer import workload
from trainer.checkpoint import checkpoint_path, list_checkpoints, load_weights
from trainer.config import read_run_config, train_settings
from trainer.data import open_data
from trainer.initialization import initialize
from trainer.model import Transformer
from trainer.presets import MODELS
from trainer.run_lock import only_training
from trainer.train import train

MakeRun = Callable[..., Path]
WriteShards = Callable[[Path, str, list[str], list[str]], None]


def silent(record: Mapping[str, object]) -> None:
    pass


def interrupt_at(step: int) -> Callable[[Mapping[str, object]], None]:
    def report(record: Mapping[str, object]) -> None:
        if record.get("step") == step:
            os.kill(os.getpid(), signal.SIGINT)

    return report


def metrics(run: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "train" / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["tokens_per_second"]
    return lines


def tensors_of(path: Path) -> dict[str, bytes]:
    """The header of a file is written in no fixed order, its tensors are."""
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}


def weights_of(run: Path, step: int) -> dict[str, torch.Tensor]:
    model = Transformer(replace(MODELS["toy"], vocabulary=320))
    load_weights(checkpoint_path(run, step), model)
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def test_learns_a_repeated_text(make_run: MakeRun) -> None:
    run = make_run(steps=60, learning_rate=5e-3, validate_every=30)
    summary = train(run, {}, silent)
    lines = metrics(run)
    assert [line["step"] for line in lines] == list(range(1, 61))
    assert lines[0]["loss"] == pytest.approx(5.77, abs=0.1)  # ln 320: nothing is known yet
    assert isinstance(summary["loss"], float) and summary["loss"] < 1.0
    assert [line["step"] for line in lines if "validation" in line] == [30, 60]
    assert summary["validation"] == lines[-1]["validation"]
    assert summary["validation"].keys() == {"books", "wikipedia"}  # type: ignore[attr-defined]
    assert max(summary["validation"].values()) < 1.0  # type: ignore[attr-defined]
    assert json.loads((run / "train" / "summary.json").read_text()) == summary


def test_a_line_of_metrics_says_everything(make_run: MakeRun) -> None:
    run = make_run(steps=4)
    train(run, {}, silent)
    line = json.loads((run / "train" / "metrics.jsonl").read_text().splitlines()[-1])
    assert list(line) == [
        "step", "loss", "source_loss", "learning_rate", "grad_norm", "tokens", "source_share", "tokens_per_second",
        "validation", "validation_bits_per_byte",
    ]  # fmt: skip
    assert (line["step"], line["tokens"], line["learning_rate"]) == (4, 4 * 4 * 32, pytest.approx(2e-4))
    assert line["source_share"] == {"books": 0.25, "wikipedia": 0.75}


def test_an_interrupted_run_continues_to_the_same_bits(make_run: MakeRun) -> None:
    whole, parted = make_run("whole"), make_run("parted")
    train(whole, {}, silent)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 5"):
        train(parted, {}, interrupt_at(5))
    assert signal.getsignal(signal.SIGINT) is before
    assert [path.name for path in list_checkpoints(parted)] == ["step-000005"]
    assert not (parted / "train" / "summary.json").exists()
    train(parted, {}, silent)
    assert metrics(parted) == metrics(whole)
    ends = [sorted(checkpoint_path(run, 10).glob("*.safetensors")) for run in (whole, parted)]
    assert len(ends[0]) == 2 and [path.name for path in ends[0]] == [path.name for path in ends[1]]
    for one, other in zip(*ends, strict=True):
        assert tensors_of(one) == tensors_of(other)
    states = [json.loads((checkpoint_path(run, 10) / "state.json").read_text()) for run in (whole, parted)]
    for state in states:
        del state["state"]["record"]["tokens_per_second"], state["files"]
    assert states[0] == states[1]


def test_metrics_behind_the_checkpoint_are_cut_back(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(KeyboardInterrupt):
        train(run, {}, interrupt_at(5))
    with open(run / "train" / "metrics.jsonl", "a") as stream:  # as a run that was killed in step 8 leaves it
        stream.write('{"step": 6}\n{"step": 7}\n{"ste')
    train(run, {}, silent)
    assert [line["step"] for line in metrics(run)] == list(range(1, 11))
    assert all("loss" in line for line in metrics(run))


def test_a_complete_run_is_left_as_it_is(make_run: MakeRun) -> None:
    run = make_run()
    first = train(run, {}, silent)
    again = train(run, {}, lambda record: pytest.fail("a step was made") if "step" in record else None)
    assert again == first
    assert len(metrics(run)) == 10


def test_refuses_to_continue_with_other_settings_or_data(
    make_run: MakeRun, write_shards: WriteShards
) -> None:
    run = make_run()
    with pytest.raises(KeyboardInterrupt):
        train(run, {}, interrupt_at(5))
    with pytest.raises(
        ValueError, match=r"made with other settings \(train\.learning_rate was 0\.002 and is 0\.001"
    ):
        train(run, {"learning_rate": 1e-3}, silent)
    write_shards(run, "books", ["another text altogether. " * 20], ["held out"])
    with pytest.raises(ValueError, match=r"step-000005: made on other data"):
        train(run, {}, silent)


def test_what_does_not_change_the_model_may_change_on_the_way(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(KeyboardInterrupt):
        train(run, {}, interrupt_at(5))
    assert train(run, {"checkpoint_every": 2, "validate_every": 1}, silent)["steps"] == 10
    assert [path.name for path in list_checkpoints(run)] == ["step-000006", "step-000008", "step-000010"]


def test_a_damaged_checkpoint_is_passed_over_and_told(make_run: MakeRun) -> None:
    whole, run = make_run("whole", checkpoint_every=2), make_run(checkpoint_every=2)
    train(whole, {}, silent)
    with pytest.raises(KeyboardInterrupt):
        train(run, {}, interrupt_at(5))
    path = next(checkpoint_path(run, 5).glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    messages: list[str] = []
    train(run, {}, lambda record: messages.append(str(record.get("message", ""))))
    told = next(message for message in messages if "damaged" in message)
    assert f"step-000005 is damaged ({path.name} is not what was written" in told
    assert told.endswith("step-000004 is used instead")
    assert any(message.endswith("continues after step 4") for message in messages)
    assert metrics(run) == metrics(whole)


def test_no_good_checkpoint_ends_the_run(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(KeyboardInterrupt):
        train(run, {}, interrupt_at(2))
    (checkpoint_path(run, 2) / "state.json").unlink()
    with pytest.raises(
        ValueError, match=r"step-000002 is damaged \(state\.json is missing\): restore one, or begin"
    ):
        train(run, {}, silent)


def test_micro_batches_change_the_rounding_only(make_run: MakeRun) -> None:
    whole, parts = make_run("whole", steps=5), make_run("parts", steps=5, micro_batch_sequences=1)
    train(whole, {}, silent)
    train(parts, {}, silent)
    weights = [weights_of(run, 5) for run in (whole, parts)]
    assert max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0]) < 1e-4
    config = read_run_config(whole)
    batch = open_data(whole, config, train_settings(config, {})).batch(0)
    model = Transformer(replace(MODELS["toy"], vocabulary=320))
    initialize(model, 7)
    loss = F.cross_entropy(model(batch.tokens).flatten(0, 1), batch.targets.flatten())
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    norm = sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5
    for run in (whole, parts):
        assert metrics(run)[0]["grad_norm"] == pytest.approx(norm, abs=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run(make_run: MakeRun) -> None:
    run = make_run(learning_rate=1e30, warmup_steps=0)
    with pytest.raises(
        ValueError, match=r"train: step \d+ has loss \S+ and gradient norm \S+: .* lower train\.learning"
    ):
        train(run, {}, silent)


def test_progress_goes_to_stderr_and_results_nowhere(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    train(make_run(steps=2), {})
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert lines[0].startswith("train: toy: ") and "2 steps of 128 tokens on cpu; begins" in lines[0]
    assert [line[:16] for line in lines[1:]] == ["train: step 1/2 ", "train: step 2/2 "]


def test_a_run_is_trained_by_one_training(make_run: MakeRun) -> None:
    run = make_run()
    with only_training(run), pytest.raises(ValueError, match="train: is being trained by another process"):
        train(run, {}, silent)
    assert train(run, {}, silent)["steps"] == 10


def test_a_model_beyond_the_machine_is_refused_before_it_is_made(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload, "machine_memory", lambda: 4 << 30)
    with pytest.raises(
        ValueError, match=r"train\.preset: 7B needs .* GiB on this machine .* are missing: .*fits"
    ):
        train(make_run(), {"preset": "7B"}, silent)


def test_a_gpu_takes_as_many_rows_at_once_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    h200 = SimpleNamespace(total_memory=140 << 30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: h200)
    settings = train_settings({"train": {"preset": "1B", "activation_checkpointing": "selective"}}, {})
    chosen = workload.workload_of(MODELS["1B"], settings, torch.device("cuda"))
    assert chosen.micro_batch == 32 and chosen.compute_bytes == 2
    workload.check_memory("1B", chosen, torch.device("cuda"))
    with pytest.raises(ValueError, match="are missing"):
        workload.check_memory("1B", replace(chosen, micro_batch=64), torch.device("cuda"))
