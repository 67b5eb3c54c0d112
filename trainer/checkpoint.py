"""Checkpoints: weights, optimizer state and the step, written at once or not at all, read without running
code.

    RUN/train/checkpoints/step-000200/{model.safetensors, optimizer.safetensors, state.json}

A checkpoint is written under a temporary name, flushed to the disk and renamed, so a folder of that name is
complete. Tensors are in safetensors files and the rest is JSON; nothing is pickled.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainer.model import ModelConfig, Transformer

FORMAT_VERSION = 1
MAX_STATE_BYTES = 1 << 20
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW keeps of each parameter


@dataclass(frozen=True)
class State:
    """What a checkpoint knows beside its tensors: where the run stood and with what it was made."""

    step: int  # steps done, which is also the state of the data
    samples: Mapping[str, int]  # rows of each source seen so far
    settings: Mapping[str, object]
    fingerprint: str  # of the data
    tokenizer_sha256: str
    model: ModelConfig
    record: Mapping[str, object]  # of the last step, as in metrics.jsonl


def checkpoint_path(run: Path, step: int) -> Path:
    return run / "train" / "checkpoints" / f"step-{step:06d}"


def list_checkpoints(run: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    folder = run / "train" / "checkpoints"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    steps = sorted(int(name[5:]) for name in names if re.fullmatch(r"step-[0-9]{6,12}", name))
    return [checkpoint_path(run, step) for step in steps]


def save(run: Path, model: Transformer, optimizer: torch.optim.AdamW, state: State, keep: int) -> Path:
    """Writes the checkpoint of `state.step`, then deletes all but the newest `keep`."""
    path = checkpoint_path(run, state.step)
    temporary = path.with_name(path.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    save_file(
        {name: p.detach().contiguous() for name, p in model.named_parameters()},
        temporary / "model.safetensors",
    )
    save_file(
        {
            f"{moment}.{name}": optimizer.state[parameter][moment]
            for name, parameter in model.named_parameters()
            for moment in _MOMENTS
        },
        temporary / "optimizer.safetensors",
    )
    content = {"format_version": FORMAT_VERSION, **asdict(state)}
    (temporary / "state.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")
    for file in temporary.iterdir():
        _flush(file)
    shutil.rmtree(path, ignore_errors=True)
    temporary.rename(path)
    _flush(path.parent)
    for old in list_checkpoints(run)[:-keep]:
        shutil.rmtree(old)
    return path


def read_state(path: Path) -> State:
    """The state of a checkpoint; ValueError when it is damaged or of another version."""
    file = path / "state.json"
    try:
        if file.stat().st_size > MAX_STATE_BYTES:
            raise ValueError(f"more than {MAX_STATE_BYTES} bytes")
        content = json.loads(file.read_text("utf-8"))
        version = content.pop("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(f"format {version}, this version reads {FORMAT_VERSION}")
        return State(**{**content, "model": _model_config(content["model"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _damaged(file, error) from error


def load_model(path: Path, model: Transformer) -> None:
    """Fills the weights of `model`, which must have the shape of the checkpoint."""
    file = path / "model.safetensors"
    tensors = _read(file, {name: p.shape for name, p in model.named_parameters()})
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[name])


def load_optimizer(path: Path, model: Transformer, optimizer: torch.optim.AdamW) -> None:
    """Fills the state that `optimizer` keeps of the parameters of `model`."""
    shapes = {
        f"{moment}.{name}": torch.Size(()) if moment == "step" else parameter.shape
        for name, parameter in model.named_parameters()
        for moment in _MOMENTS
    }
    tensors = _read(path / "optimizer.safetensors", shapes)
    for name, parameter in model.named_parameters():
        optimizer.state[parameter] = {
            moment: tensors[f"{moment}.{name}"].to(parameter.device) for moment in _MOMENTS
        }


def _read(file: Path, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """The tensors of a file, which must be those of `shapes`, in float32."""
    try:
        tensors: dict[str, Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise _damaged(file, error) from error
    found = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    wanted = {name: (shape, torch.float32) for name, shape in shapes.items()}
    if found != wanted:
        odd = min(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise _damaged(file, ValueError(f"tensor {odd} is not that of the model"))
    return tensors


def _model_config(content: Mapping[str, object]) -> ModelConfig:
    known = {field.name for field in fields(ModelConfig)}
    if content.keys() != known or any(not isinstance(v, (int, float)) or v <= 0 for v in content.values()):
        raise ValueError("no such model shape")
    return ModelConfig(**content)  # type: ignore[arg-type]


def _damaged(file: Path, error: Exception) -> ValueError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return ValueError(
        f"{file}: cannot be used ({reason}): delete {file.parent.name} to continue from the checkpoint before"
    )


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
