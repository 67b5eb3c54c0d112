"""The folders of the checkpoints of a run: what is in them, and which of them is as it was written.

    RUN/train/checkpoints/latest                  the name of the newest, for other programs
    RUN/train/checkpoints/step-000200/state.json  and *.safetensors, which each process writes for itself

A folder has a temporary name until all files of all processes are on the disk, so one with its final name is complete;
`trainer.checkpoint` writes it. state.json holds what the loop wants to know again, and the size and the xxh3-64 of
each tensor file: a checkpoint that is not as it was written is passed over for the one before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import xxhash

from trainer.presets import ModelConfig
from trainer.processes import from_all, from_first, process_rank

FORMAT_VERSION = 2
MAX_STATE_BYTES = 64 << 20  # 100 bytes a file; ten files of each of 2,048 processes are 2 MiB


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: where it is, and what it knows beside its tensors."""

    path: Path
    step: int  # training steps done
    optimizer_steps: int  # of them, those that moved the weights: AdamW corrects its moments by this count
    state: Mapping[str, object]  # what the loop gave, as it came back from JSON
    files: Mapping[str, tuple[int, str]]  # name: bytes, xxh3-64 in hexadecimal


def checkpoint_path(run: Path, step: int) -> Path:
    return run / "train" / "checkpoints" / f"step-{step:06d}"


def list_checkpoints(run: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    folder = run / "train" / "checkpoints"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    steps = sorted(int(name[5:]) for name in names if re.fullmatch(r"step-[0-9]{6,12}", name))
    return [checkpoint_path(run, step) for step in steps]


def newest_good(run: Path) -> tuple[Checkpoint | None, str]:
    """The newest checkpoint that is as it was written, and what was wrong with newer ones ("" if nothing was).

    None for a run without checkpoints. All processes call it, share the work of reading every file once, and come
    to the same answer. ValueError when there are checkpoints and none is good, or when the newest is of another
    version.
    """
    faults: list[str] = []
    candidates: list[Path] = from_first(list_checkpoints(run)[::-1])
    for path in candidates:
        found = from_first(_read_state(path))
        if isinstance(found, ValueError):
            raise found
        fault = found if isinstance(found, str) else _fault(found)
        if isinstance(found, Checkpoint) and not fault:
            passed_over = f"{path.parent}: {'; '.join(faults)}: {path.name} is used instead"
            return found, passed_over if faults else ""
        faults.append(f"{path.name} is damaged ({fault})")
    if not candidates:
        return None, ""
    raise ValueError(
        f"{candidates[0].parent}: {'; '.join(faults)}: restore one, or begin anew by moving {run / 'train'} away"
    )


def read_state(path: Path) -> Checkpoint:
    """What a checkpoint knows beside its tensors; ValueError when that is damaged or of another version."""
    found = _read_state(path)
    if isinstance(found, ValueError):
        raise found
    if isinstance(found, str):
        raise ValueError(f"{path}: cannot be used ({found}): restore it, or delete it to use the one before")
    return found


def model_config(checkpoint: Checkpoint) -> ModelConfig:
    """The shape of the model, which the loop keeps as "model" in the state; ValueError when there is none."""
    try:
        content = dict(checkpoint.state["model"])  # type: ignore[call-overload]
        if any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in content.values()):
            raise ValueError("it holds what is no number")
        return ModelConfig(**content)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{checkpoint.path / 'state.json'}: no shape of a model in it ({' '.join(str(error).split())}): "
            "restore it, or delete the checkpoint to use the one before"
        ) from error


def _read_state(path: Path) -> Checkpoint | str | ValueError:
    """The checkpoint of a folder, what is wrong with its state.json, or the error of another version."""
    file = path / "state.json"
    try:
        if file.stat().st_size > MAX_STATE_BYTES:
            return f"state.json has more than {MAX_STATE_BYTES} bytes"
        content = json.loads(file.read_text("utf-8"))
        version = content["format_version"]
        if version == FORMAT_VERSION:
            files = {str(name): (int(size), str(digest)) for name, (size, digest) in content["files"].items()}
            state = dict(content["state"])
            return Checkpoint(path, int(content["step"]), int(content["optimizer_steps"]), state, files)
    except FileNotFoundError:
        return "state.json is missing"
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return f"state.json cannot be read: {' '.join(str(error).split())}"
    return ValueError(
        f"{file}: checkpoint format {version}, this version reads {FORMAT_VERSION}: continue with the version "
        f"that made it, or begin anew by moving {path.parents[1]} away"
    )


def _fault(checkpoint: Checkpoint) -> str:
    """What is wrong with the tensor files of a checkpoint, or ""; each process reads its share of them."""
    present = {file.name for file in checkpoint.path.glob("*.safetensors")}
    odd = sorted(present ^ checkpoint.files.keys())
    if odd:  # DCP reads every such file of the folder, so none may stand there that is not vouched for
        return from_first(f"{odd[0]} is {'not of this checkpoint' if odd[0] in present else 'missing'}")
    rank, count = process_rank()
    fault = ""
    for name in sorted(checkpoint.files)[rank::count]:
        size, digest = checkpoint.files[name]
        try:
            now, digest_now = size_and_hash(checkpoint.path / name)
        except OSError as error:
            fault = f"{name} cannot be read: {error.strerror}"
            break
        if now != size:
            fault = f"{name} has {now:,} bytes, was written with {size:,}"
            break
        if digest_now != digest:
            fault = f"{name} is not what was written: xxh3-64 {digest_now}, was {digest}"
            break
    return next(filter(None, from_all(fault)), "")


def size_and_hash(path: Path) -> tuple[int, str]:
    """The bytes of a file and their xxh3-64 in hexadecimal."""
    digest = xxhash.xxh3_64()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
        return stream.tell(), digest.hexdigest()
