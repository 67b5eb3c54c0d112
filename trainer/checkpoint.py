"""Checkpoints: weights, the optimizer's moments and the state of the run, from any number of processes to any
other, written at once or not at all, read without running code.

Each process writes the slices of the tensors that it holds (torch.distributed.checkpoint, "DCP", with its
safetensors storage), so that nothing is gathered, and reads the slices that it needs, however they were cut. What
stands where is in `trainer.checkpoint_folder`. Tensors are in safetensors files and the rest is JSON; nothing is
pickled.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import shutil
import warnings
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.state_dict_loader import load as dcp_load
from torch.distributed.checkpoint.state_dict_saver import async_save
from torch.distributed.checkpoint.storage import WriteResult
from torch.distributed.tensor import DTensor
from torch.futures import Future

from trainer.checkpoint_folder import (
    FORMAT_VERSION,
    Checkpoint,
    checkpoint_path,
    list_checkpoints,
    model_config,
    newest_good,
    read_state,
    size_and_hash,
)

__all__ = [
    "Checkpoint",
    "CheckpointWriter",
    "checkpoint_path",
    "list_checkpoints",
    "load",
    "load_weights",
    "model_config",
    "newest_good",
    "read_state",
]

# A file is put together in memory, twice, before it is written; a process writes as many as it needs.
MAX_FILE_BYTES = 2 << 30
# How long one process may write before the others give up; the end of a process is seen at once.
TIMEOUT = timedelta(hours=1)
_MOMENTS = ("exp_avg", "exp_avg_sq")  # what AdamW keeps of each parameter, beside the number of its steps


class CheckpointWriter:
    """Writes the checkpoints of a run in the background and keeps the newest `keep`; each process has one."""

    def __init__(self, run: Path, keep: int) -> None:
        self.run, self.keep = run, keep
        # Its own, because the loop uses the other one meanwhile.
        self._group = dist.new_group(backend="gloo", timeout=TIMEOUT)
        self._path = checkpoint_path(run, 0)
        self._pending: concurrent.futures.Future[Metadata] | None = None

    def save(
        self, step: int, model: nn.Module, optimizer: torch.optim.AdamW, state: Mapping[str, object]
    ) -> None:
        """Copies the tensors to memory of the CPU and returns; threads of all processes write them to the disk.

        All processes call it after the same step. `state` is what JSON can hold; that of process 0 is written.
        First waits for the save before. ValueError as of `wait`.
        """
        self.wait()
        self._path = checkpoint_path(self.run, step)
        tensors = _tensors(model, optimizer)
        content = {
            "format_version": FORMAT_VERSION,
            "step": step,
            "optimizer_steps": _optimizer_steps(optimizer),
            "state": dict(state),
        }
        writer = _Writer(self._path, self.keep, content, _file_numbers(tensors))
        try:
            pending = async_save(tensors, storage_writer=writer, process_group=self._group)
            assert isinstance(pending, concurrent.futures.Future), "the writer has made the copy itself"
            self._pending = pending
        except CheckpointException as error:
            raise self._failure(error) from error

    def wait(self) -> None:
        """Returns when the last save stands; ValueError, on every process, when one of them could not write it."""
        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.result()
        except CheckpointException as error:
            raise self._failure(error) from error

    def _failure(self, error: CheckpointException) -> ValueError:
        return ValueError(
            f"{self._path}: not written ({_first_failure(error)}): mend that, and the same command continues "
            "from the checkpoint before"
        )


def load(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.AdamW) -> None:
    """Fills the weights of `model` and the moments of `optimizer`, cut as they are on these processes.

    All processes call it. ValueError when the checkpoint is of a model of another shape.
    """
    _read(checkpoint.path, _tensors(model, optimizer), alone=False)
    for state in optimizer.state.values():
        state["step"].fill_(checkpoint.optimizer_steps)


def load_weights(path: Path, model: nn.Module) -> None:
    """Fills the weights of a whole model in one process, whatever number of processes wrote the checkpoint.

    ValueError when the checkpoint is of a model of another shape, or cannot be read.
    """
    _read(path, dict(model.state_dict(keep_vars=True)), alone=True)


def _tensors(model: nn.Module, optimizer: torch.optim.AdamW) -> dict[str, Tensor]:
    """Every tensor of a checkpoint under its name; each is the one in use, or this process's slice of it.

    FSDP leaves the root's weights gathered after a forward pass; `state_dict` brings them back to slices.
    """
    weights: dict[str, Tensor] = dict(model.state_dict(keep_vars=True))
    tensors = dict(weights)
    for name, parameter in weights.items():
        state = optimizer.state[parameter]
        if not state:  # AdamW makes it in its first step; these are the values that it would begin with
            state["step"] = torch.zeros((), device=parameter.device)
            state.update({moment: torch.zeros_like(parameter) for moment in _MOMENTS})
        tensors.update({f"{moment}.{name}": state[moment] for moment in _MOMENTS})
    return tensors


def _optimizer_steps(optimizer: torch.optim.AdamW) -> int:
    counts = {int(state["step"]) for state in optimizer.state.values()}
    assert len(counts) == 1, "the parameters have moved together"
    return counts.pop()


def _file_numbers(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Which of a process's files each tensor goes to: weights and moments apart, none above MAX_FILE_BYTES."""
    numbers: dict[str, int] = {}
    number, held, kind = 1, 0, False
    for name, tensor in sorted(tensors.items(), key=lambda item: item[0].startswith(_MOMENTS)):
        size = (tensor.to_local() if isinstance(tensor, DTensor) else tensor).nbytes
        moments = name.startswith(_MOMENTS)
        if held and (moments != kind or held + size > MAX_FILE_BYTES):
            number, held = number + 1, 0
        numbers[name], held, kind = number, held + size, moments
    return numbers


class _Writer(HuggingFaceStorageWriter):
    """Writes one checkpoint: each process its files, then the first one makes the whole of them visible.

    DCP calls these methods in the order in which they stand here, and goes on to the next only when all processes are
    done with the one before; an error in one of them is raised on all.
    """

    def __init__(
        self, path: Path, keep: int, content: dict[str, object], file_numbers: dict[str, int]
    ) -> None:
        self.final, self.keep, self.content = path, keep, content
        self.folder = path.with_name(path.name + ".tmp")
        super().__init__(str(self.folder), fqn_to_index_mapping=file_numbers, save_distributed=True)

    def stage(self, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """The copy that is written while training goes on."""
        # As FileSystemWriter.stage sets it. Without it the writing thread takes the tensors, which are on the CPU, for
        # ones on a GPU, and waits for the first GPU's stream again and again.
        self.per_thread_copy_ahead = 0
        return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state_dict.items()}

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        return plan  # the folder is made later: process 0 has to clear it first

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        for unfinished in self.folder.parent.glob("step-*.tmp"):
            shutil.rmtree(unfinished)
        prepared: list[SavePlan] = super().prepare_global_plan(plans)
        return prepared

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        self.folder.mkdir(parents=True, exist_ok=True)
        results: list[WriteResult] = super().write_data(plan, planner).value()
        names = sorted({result.storage_data.relative_path for result in results})
        files = {name: (name, size_and_hash(self.folder / name)) for name in names}
        future: Future[list[WriteResult]] = Future()
        future.set_result(
            [dataclasses.replace(r, storage_data=files[r.storage_data.relative_path]) for r in results]
        )
        return future

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        files = dict(result.storage_data for of_process in results for result in of_process)
        if absent := [name for name in sorted(files) if not (self.folder / name).is_file()]:
            raise OSError(
                f"{absent[0]} is not seen by process 0: RUN must be on a file system that all machines share"
            )
        content = {**self.content, "files": dict(sorted(files.items()))}
        _write(self.folder / "state.json", json.dumps(content, indent=1) + "\n")
        _flush(self.folder)
        if self.final.exists():  # a damaged one, which was passed over; it is deleted with the others
            self.final.rename(self.final.with_name(self.final.name + ".old.tmp"))
        self.folder.rename(self.final)
        folder = self.final.parent
        _write(folder / "latest.tmp", self.final.name + "\n")
        os.replace(folder / "latest.tmp", folder / "latest")
        _flush(folder)
        self._thin_out()

    def _thin_out(self) -> None:
        """Deletes all but the newest; a newer one than this was damaged, or training would have gone on from it."""
        all_of_run = list_checkpoints(self.final.parents[2])
        newest = all_of_run.index(self.final) + 1
        old = self.final.parent.glob("step-*.old.tmp")
        for path in [*all_of_run[newest:], *all_of_run[: max(0, newest - self.keep)], *old]:
            shutil.rmtree(path)


def _read(path: Path, tensors: dict[str, Tensor], alone: bool) -> None:
    """Fills `tensors` from a checkpoint, in place; `alone` without the other processes."""
    try:
        with warnings.catch_warnings():
            # DCP warns whoever reads alone that he reads alone.
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)
            dcp_load(tensors, storage_reader=HuggingFaceStorageReader(str(path)), no_dist=alone)
    except CheckpointException as error:
        raise ValueError(
            f"{path}: does not fit the model ({_first_failure(error)}): set train.preset to what it was made with"
        ) from error


def _first_failure(error: CheckpointException) -> str:
    rank, (failure, _) = min(error.failures.items(), key=lambda item: item[0])
    return f"process {rank}: {' '.join(str(failure).split()) or type(failure).__name__}"


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
