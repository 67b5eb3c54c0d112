"""The record of a training: the file, the readers that may be asked for, and what is measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from trainer.cards import CARDS
from trainer.metrics import Meter, flattened, left_out_steps, open_metrics
from trainer.presets import MODELS


def steps(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_record_is_in_the_file_when_it_is_written(tmp_path: Path) -> None:
    with open_metrics(tmp_path / "train", 0) as metrics:
        metrics.write({"step": 1, "loss": 2.5})
        assert (tmp_path / "train" / "metrics.jsonl").read_text() == '{"step": 1, "loss": 2.5}\n'
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == ["metrics.jsonl"]


def test_a_continued_run_is_cut_back_and_goes_on(tmp_path: Path) -> None:
    with open_metrics(tmp_path, 0) as metrics:
        for step in range(1, 8):
            metrics.write({"step": step})
    with open(tmp_path / "metrics.jsonl", "a") as stream:
        stream.write('{"ste')
    with open_metrics(tmp_path, 5) as metrics:
        metrics.write({"step": 6})
    assert steps(tmp_path) == [1, 2, 3, 4, 5, 6]
    with open_metrics(tmp_path, 0):
        pass
    assert steps(tmp_path) == []


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    for line in ('{"loss": 1}\n', "[1]\n", '{"step": "1"}\n', "{\n"):
        (tmp_path / "metrics.jsonl").write_text(line)
        message = r"metrics\.jsonl: damaged line .*: delete that line, or the file"
        with pytest.raises(ValueError, match=message), open_metrics(tmp_path, 5):
            pass
        assert (tmp_path / "metrics.jsonl").read_text() == line


def test_steps_that_a_spike_left_out_are_found(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert left_out_steps(path) == {}
    path.write_text(
        '{"step": 1, "loss": 5.0}\n{"step": 2, "left_out": "loss 9.1"}\n{"step": 3, "note": "\\"left_out\\""}\n'
        '{"step": 4, "left_out": "lo'
    )
    assert left_out_steps(path) == {2: "loss 9.1"}
    path.write_text('{"left_out": "loss 9.1"}\n')
    with pytest.raises(ValueError, match="damaged line"):
        left_out_steps(path)


def test_numbers_of_mappings_are_named_by_their_path() -> None:
    record = {"step": 3, "loss": 1, "source_loss": {"books": 2.5, "c4": 3.0}, "skipped": True, "why": "spike"}
    assert dict(flattened(record)) == {
        "step": 3.0,
        "loss": 1.0,
        "source_loss/books": 2.5,
        "source_loss/c4": 3.0,
    }


def test_tensorboard_gets_the_numbers_of_each_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            seen.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            seen.append((name, value, step))

        def close(self) -> None:
            seen.append("closed")

    fake = ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    with open_metrics(tmp_path, 4, tensorboard=True) as metrics:
        metrics.write({"step": 5, "loss": 2.5, "validation": {"books": 3.0}})
    assert seen == [
        (str(tmp_path / "tensorboard"), 5),
        ("loss", 2.5, 5),
        ("validation/books", 3.0, 5),
        "closed",
    ]
    assert steps(tmp_path) == [5]


def test_the_real_tensorboard_takes_them_too(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    with open_metrics(tmp_path, 0, tensorboard=True) as metrics:
        metrics.write({"step": 1, "loss": 2.5})
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"loss" in events.read_bytes()


def test_weights_and_biases_continues_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def init(**given: object) -> SimpleNamespace:
        seen.append(given)
        return SimpleNamespace(
            id=given["id"] or "made",
            log=lambda numbers, step: seen.append((step, numbers)),
            finish=lambda exit_code: seen.append(exit_code),
        )

    fake = ModuleType("wandb")
    fake.init = init  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    with (
        pytest.raises(KeyboardInterrupt),
        open_metrics(tmp_path, 0, wandb="project", config={"a": 1}) as metrics,
    ):
        metrics.write({"step": 1, "loss": 2.5})
        raise KeyboardInterrupt
    with open_metrics(tmp_path, 1, wandb="project"):
        pass
    first = {"project": "project", "dir": str(tmp_path), "config": {"a": 1}, "id": None, "resume": "allow"}
    again = {**first, "config": {}, "id": "made"}
    assert seen == [first, (1, {"loss": 2.5}), 1, again, 0]


@pytest.mark.parametrize(
    ("setting", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")]
)
def test_an_absent_package_is_told_with_the_way_to_get_it(
    setting: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    monkeypatch.setitem(sys.modules, module, None)
    message = (
        rf"train\.{setting}: it is asked for and not installed \(.*\): pip install {setting}, or set it to "
    )
    asked = {setting: "project"}
    with pytest.raises(ValueError, match=message), open_metrics(tmp_path, 0, **asked):  # type: ignore[arg-type]
        pass
    assert steps(tmp_path) == [1]


def test_tokens_a_second_leave_out_validation_and_checkpoints() -> None:
    now = [100.0]
    meter = Meter(MODELS["7B"].flops_per_token(2048), 8, CARDS["A100-80GB"], lambda: now[0])
    now[0] += 2
    with meter.paused():
        now[0] += 50
    now[0] += 2
    read = meter.read(4 * 32_000)
    assert read["tokens_per_second"] == 32_000
    # By hand: 6 * (6,738,415,616 - 32,000 * 4,096) + 12 * 32 * 4,096 * 2,048 operations a token.
    flops = 6 * 6_607_343_616 + 3_221_225_472
    assert read["mfu"] == pytest.approx(32_000 * flops / (8 * 312e12), rel=1e-5)
    now[0] += 1
    assert meter.read(1000)["tokens_per_second"] == 1000


def test_a_cpu_has_no_mfu_and_the_convention_is_named() -> None:
    now = [0.0]
    meter = Meter(10, 1, None, lambda: now[0])
    now[0] = 1
    assert meter.read(5) == {"tokens_per_second": 5.0}
    assert meter.convention() == "no MFU: the peak of this device is not in trainer/cards.py"
    named = Meter(10, 1, CARDS["H200"]).convention()
    assert named == "MFU by PaLM's convention against 989 TFLOP/s of H200"
