"""The whole loop as torchrun starts it: two and four processes against one, on the same shards."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.gloo_processes import ProcessesFailedError, run_in_processes
from trainer.checkpoint import list_checkpoints
from trainer.data import Batch, TrainingData
from trainer.train import train

MakeRun = Callable[..., Path]
TOLERANCE = 1e-4  # of losses, for another order of summation


def silent(record: Mapping[str, object]) -> None:
    pass


def losses(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "train" / "metrics.jsonl").read_text().splitlines()]


def assert_same(run: Path, whole: Path) -> None:
    """The same batches, and losses, norms and validation losses equal to rounding."""
    found, expected = losses(run), losses(whole)
    assert [line["step"] for line in found] == [line["step"] for line in expected] == list(range(1, 11))
    for one, other in zip(found, expected, strict=True):
        for same in ("tokens", "source_share", "learning_rate"):
            assert one[same] == other[same]
        assert one.keys() == other.keys()
        for near in ("loss", "grad_norm", "source_loss", "validation", "validation_bits_per_byte"):
            if near in other:
                assert one[near] == pytest.approx(other[near], rel=TOLERANCE, abs=TOLERANCE), one["step"]


def train_all(folder: Path) -> object:
    """In each process: the run with the settings that stand beside it."""
    messages: list[str] = []

    def listen(record: Mapping[str, object]) -> None:
        if "message" in record:
            messages.append(str(record["message"]))

    summary = train(folder / "run", json.loads((folder / "settings.json").read_text()), listen)
    return {"loss": summary["loss"], "layout": summary["layout"], "messages": messages}


def train_to_the_signal(folder: Path) -> object:
    """In each process: the run, in which the second process alone is asked to stop while it reads its fifth batch,
    which it does during its fourth step."""
    read = TrainingData.batch

    def read_and_stop(self: TrainingData, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        if (step, rank) == (4, 1):
            os.kill(os.getpid(), signal.SIGTERM)
        return read(self, step, rank, ranks)

    TrainingData.batch = read_and_stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt) as stopped:
        train(folder / "run", {}, silent)
    return str(stopped.value)


def train_to_the_kill(folder: Path) -> object:
    """In each process: the run, in which the second process is killed while it reads its eighth batch."""
    read = TrainingData.batch

    def read_or_die(self: TrainingData, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        if (step, rank) == (7, 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, step, rank, ranks)

    TrainingData.batch = read_or_die  # type: ignore[method-assign]
    return train(folder / "run", json.loads((folder / "settings.json").read_text()), silent)["loss"]


def configure(folder: Path, **settings: object) -> None:
    (folder / "settings.json").write_text(json.dumps(settings))


@pytest.mark.parametrize(
    ("processes", "settings", "layout"),
    [
        (2, {}, "1x2x1"),
        (2, {"tensor": 2, "micro_batch_sequences": 2, "activation_checkpointing": "selective"}, "1x1x2"),
        (4, {"replicate": 2, "micro_batch_sequences": 1, "validation_sequences": 3}, "2x2x1"),
    ],
)
def test_processes_train_what_one_would(
    processes: int, settings: dict[str, object], layout: str, make_run: MakeRun, tmp_path: Path
) -> None:
    shared = {name: value for name, value in settings.items() if name == "validation_sequences"}
    whole, run = make_run("whole", **shared), make_run("run")
    train(whole, {}, silent)
    configure(tmp_path, **settings)
    found: Any = run_in_processes(train_all, processes, tmp_path)
    assert_same(run, whole)
    assert [one["layout"] for one in found] == [layout] * processes
    assert len({one["loss"] for one in found}) == 1  # all know the same summary
    assert found[0]["messages"] and not any(one["messages"] for one in found[1:])


def test_stopped_as_two_and_continued_as_one(make_run: MakeRun, tmp_path: Path) -> None:
    whole, run = make_run("whole"), make_run("run")
    train(whole, {}, silent)
    configure(tmp_path)
    stopped = run_in_processes(train_to_the_signal, 2, tmp_path)
    assert stopped[0] == stopped[1]
    assert stopped[0] in [
        f"stopped after step {step}: the same command continues from there" for step in (4, 5)
    ]
    (path,) = list_checkpoints(run)
    assert path.name in ("step-000004", "step-000005")
    train(run, {}, silent)
    assert_same(run, whole)


def test_killed_as_two_and_continued_as_one(make_run: MakeRun, tmp_path: Path) -> None:
    whole, run = make_run("whole"), make_run("run")
    train(whole, {}, silent)
    configure(tmp_path, checkpoint_every=3)
    with pytest.raises(ProcessesFailedError) as failed:
        run_in_processes(train_to_the_kill, 2, tmp_path)
    assert failed.value.codes[1] == -signal.SIGKILL
    assert failed.value.codes[0] not in (0, None), "the other process has noticed"
    messages: list[str] = []
    train(run, {}, lambda record: messages.append(str(record.get("message", ""))))
    assert "continues after step " in "".join(messages)
    assert_same(run, whole)


def test_killed_as_one_and_continued_as_two_by_two(make_run: MakeRun, tmp_path: Path) -> None:
    whole, run = make_run("whole"), make_run("run", checkpoint_every=3)
    train(whole, {}, silent)

    def die(record: Mapping[str, object]) -> None:
        if record.get("step") == 8:
            raise RuntimeError("the machine is gone")

    with pytest.raises(RuntimeError):
        train(run, {}, die)
    configure(tmp_path, tensor=2)
    found: Any = run_in_processes(train_all, 4, tmp_path)
    assert found[0]["messages"][-1].endswith("on cpu as 4 processes, 1x2x2; continues after step 6")
    assert_same(run, whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tensor": 3}, "1x1x3 is for 3 processes, there are 2"),
        ({"shard": 1}, "1x1x1 is for 1 processes, there are 2"),
        (
            {"batch_sequences": 5},
            "train.batch_sequences: 5 rows cannot be shared out evenly to the 2 processes",
        ),
        ({"micro_batch_sequences": 4}, "train.micro_batch_sequences: 4 does not divide the 2 rows"),
    ],
)
def test_a_layout_that_does_not_fit_ends_all_processes(
    settings: dict[str, object], message: str, make_run: MakeRun, tmp_path: Path
) -> None:
    make_run("run")
    configure(tmp_path, **settings)
    with pytest.raises(ProcessesFailedError) as failed:
        run_in_processes(train_all, 2, tmp_path)
    assert failed.value.codes == [1, 1]
    assert message in str(failed.value)
