from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import torch
import torch.distributed as dist

from tests.trainer.gloo_processes import ProcessesFailedError, run_in_processes
from trainer.processes import from_all, from_first, process_group, process_rank


def agree(folder: Path) -> object:
    with process_group("cpu", timedelta(seconds=60)):
        rank, count = process_rank()
        return [rank, count, from_first(f"value of {rank}"), from_all({"rank": rank}), from_all(None)]


def one_dies(folder: Path) -> None:
    with process_group("cpu", timedelta(seconds=60)):
        if process_rank()[0] == 1:
            os._exit(7)
        dist.all_reduce(torch.zeros(1))


def one_hangs(folder: Path) -> None:
    with process_group("cpu", timedelta(seconds=2)):
        if process_rank()[0] == 1:
            time.sleep(600)
        dist.all_reduce(torch.zeros(1))


def left_behind() -> list[list[str]]:
    lines = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    return [line for line in lines if "tests.trainer.gloo_processes" in line]


def test_processes_agree(tmp_path: Path) -> None:
    everyone = [{"rank": 0}, {"rank": 1}]
    assert run_in_processes(agree, 2, tmp_path) == [
        [rank, 2, "value of 0", everyone, [None, None]] for rank in (0, 1)
    ]
    assert left_behind() == []


def test_a_process_alone_has_a_group_for_as_long_as_it_needs_one() -> None:
    assert process_rank() == (0, 1)
    assert (from_first(3), from_all(3)) == (3, [3])
    for _ in range(2):
        with process_group("cpu") as device:
            assert device == torch.device("cpu")
            assert dist.is_initialized() and process_rank() == (0, 1)
            assert (from_first(3), from_all(3)) == (3, [3])
            with process_group("cpu"):
                pass
            assert dist.is_initialized()  # the outer one stands
        assert not dist.is_initialized()
    with pytest.raises(KeyError), process_group("cpu"):
        raise KeyError
    assert not dist.is_initialized()


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "4")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with (
        pytest.raises(
            ValueError, match=r"^train\.device: process 4 of this machine has no GPU, torch finds 4: run"
        ),
        process_group("cuda"),
    ):
        pass


@pytest.mark.parametrize(
    ("fate", "codes"),
    [(one_dies, [1, 7]), (one_hangs, [1, None])],
    ids=["dies", "hangs"],
)
def test_the_others_do_not_wait_for_a_process_that_is_gone(
    fate: object, codes: list[int | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.trainer.gloo_processes.GRACE", 3.0)
    with pytest.raises(ProcessesFailedError) as failed:
        run_in_processes(fate, 2, tmp_path, timeout=50)  # type: ignore[arg-type]
    assert failed.value.codes == codes
    assert left_behind() == []
