"""The training loop: the shards of a run in, a model, its metrics and a summary out.

    RUN/train/metrics.jsonl     one line a step
    RUN/train/checkpoints/      see trainer.checkpoint
    RUN/train/summary.json      written when the last step is done

The same command continues where the newest checkpoint stands; on a CPU, with the same number of threads, the
result is bitwise the one of a run that was never interrupted. Recipe: Touvron et al. 2023 (arXiv 2302.13971),
section 2.3.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from torch import Tensor

from trainer.checkpoint import State, list_checkpoints, load_model, load_optimizer, read_state, save
from trainer.config import FREE_TO_CHANGE, TrainSettings, learning_rate, read_run_config, train_settings
from trainer.data import Batch, TrainingData, open_data
from trainer.model import MODELS, Transformer
from trainer.progress import Progress, Report


def train(
    run: Path, overrides: Mapping[str, object] | None = None, report: Report | None = None
) -> dict[str, object]:
    """Trains on the shards of `run` to the last step and returns the summary, which is also in summary.json.

    `overrides` are settings of the `train` section that take precedence over RUN/config.yaml. `report` gets a
    record for each step, as in metrics.jsonl, and `{"message": text}` for what a person should know; by
    default both go to stderr. SIGINT or SIGTERM end the run after the step at hand with a checkpoint and
    KeyboardInterrupt. ValueError when the run cannot be trained on, when it was begun with other settings or
    data, and when the loss is no longer finite.
    """
    config = read_run_config(run)
    settings = train_settings(config, overrides or {})
    report = report or Progress(sys.stderr, settings.steps)
    data = open_data(run, config, settings)
    for message in data.messages:
        report({"message": message})

    shape = replace(MODELS[settings.preset], vocabulary=data.tokenizer.vocabulary_size)
    device = _device(settings.device)
    state = State(
        step=0,
        samples=dict.fromkeys(data.sources, 0),
        settings=asdict(settings),
        fingerprint=data.fingerprint,
        tokenizer_sha256=data.tokenizer.sha256,
        model=shape,
        record={},
    )
    with torch.device(device):
        model = Transformer(shape)
    optimizer = make_optimizer(model, settings)
    newest = next(reversed(list_checkpoints(run)), None)
    if newest is None:
        model.initialize(settings.seed)
    else:
        state = _continued(newest, state)
        load_model(newest, model)
        load_optimizer(newest, model, optimizer)
    report({"message": _opening(settings, data, model, device, state)})

    with _metrics(run / "train" / "metrics.jsonl", state.step) as metrics, _interruption() as interrupted:
        while state.step < settings.steps:
            started = time.perf_counter()
            step = state.step + 1
            record, samples = _train_step(model, optimizer, data, settings, step)
            seen = {name: state.samples[name] + samples[name] for name in data.sources}
            record["tokens"] = step * settings.batch_sequences * settings.sequence_length
            record["tokens_per_second"] = round(
                settings.batch_sequences * settings.sequence_length / (time.perf_counter() - started), 1
            )
            record["source_share"] = {
                name: round(count / (step * settings.batch_sequences), 6) for name, count in seen.items()
            }
            if _due(step, settings.validate_every, settings.steps):
                record["validation"] = validate(model, data, settings)
            metrics.write(json.dumps(record) + "\n")
            metrics.flush()
            report(record)
            state = replace(state, step=step, samples=seen, record=record)
            if _due(step, settings.checkpoint_every, settings.steps) or interrupted():
                save(run, model, optimizer, state, settings.keep_checkpoints)
            if interrupted() and step < settings.steps:
                raise KeyboardInterrupt(f"stopped after step {step}: the same command continues from there")
    return _summarise(run, settings, data, model, state)


def make_optimizer(model: Transformer, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW; the matrices decay, the embedding among them, and the norms do not."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    norms = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    return torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": norms, "weight_decay": 0.0}],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=True,
    )


def _train_step(
    model: Transformer, optimizer: torch.optim.AdamW, data: TrainingData, settings: TrainSettings, step: int
) -> tuple[dict[str, object], dict[str, int]]:
    """One optimizer step; its record for the metrics, and how many rows of each source it saw."""
    device = model.output.weight.device
    batch = data.batch(step - 1)
    rate = learning_rate(step, settings)
    for group in optimizer.param_groups:
        group["lr"] = rate
    micro = settings.micro_batch_sequences or settings.batch_sequences
    row_losses = []
    for tokens, targets in _parts(batch, micro):
        with _precision(device):
            loss, losses = model.loss(tokens.to(device), targets.to(device))
        (loss * (len(tokens) / settings.batch_sequences)).backward()  # type: ignore[no-untyped-call]
        row_losses.append(losses.mean(1))
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_gradient_norm)
    by_row = torch.cat(row_losses).double().cpu().numpy()  # [B]
    loss_value, norm_value = float(by_row.mean()), float(norm)
    if not (math.isfinite(loss_value) and math.isfinite(norm_value)):
        raise ValueError(
            f"train: step {step} has loss {loss_value} and gradient norm {norm_value}: lower train.learning_rate "
            "and begin anew without RUN/train"
        )
    optimizer.step()
    optimizer.zero_grad()
    counts = np.bincount(batch.sources, minlength=len(data.sources))
    record: dict[str, object] = {
        "step": step,
        "loss": round(loss_value, 6),
        "source_loss": {
            name: round(float(by_row[batch.sources == index].mean()), 6)
            for index, name in enumerate(data.sources)
            if counts[index]
        },
        "learning_rate": rate,
        "grad_norm": round(norm_value, 6),
    }
    return record, {name: int(count) for name, count in zip(data.sources, counts, strict=True)}


@torch.no_grad()
def validate(model: Transformer, data: TrainingData, settings: TrainSettings) -> dict[str, float]:
    """Mean loss in nats a token on the validation rows of each source that has any."""
    device = model.output.weight.device
    micro = settings.micro_batch_sequences or settings.batch_sequences
    losses: dict[str, float] = {}
    for source in data.validation:
        batch = data.validation_batch(source, settings.validation_sequences)
        parts = []
        for tokens, targets in _parts(batch, micro):
            with _precision(device):
                parts.append(model.loss(tokens.to(device), targets.to(device))[1].mean(1))
        losses[source] = round(float(torch.cat(parts).double().mean()), 6)
    return losses


def _parts(batch: Batch, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The tokens and targets of `rows` rows of a batch at a time."""
    for start in range(0, len(batch.tokens), rows):
        yield batch.tokens[start : start + rows], batch.targets[start : start + rows]


def _precision(device: torch.device) -> torch.autocast | nullcontext[None]:
    """bfloat16 products on a GPU; float32 on a CPU, where results are compared bit by bit."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("train.device: cuda is asked for, but torch finds no GPU: set it to cpu or auto")
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _due(step: int, every: int, steps: int) -> bool:
    return step == steps or (every > 0 and step % every == 0)


def _continued(checkpoint: Path, fresh: State) -> State:
    """The state of a checkpoint, if a run that begins with `fresh` is the one that it belongs to; else ValueError."""
    state = read_state(checkpoint)
    advice = f"restore it, or begin anew by moving {checkpoint.parents[1]} away"
    changed = [
        f"{key} was {state.settings.get(key)!r} and is {value!r}"
        for key, value in fresh.settings.items()
        if key not in FREE_TO_CHANGE and state.settings.get(key) != value
    ]
    if changed:
        raise ValueError(
            f"{checkpoint}: made with other settings (train.{'; train.'.join(changed)}): {advice}"
        )
    if state.tokenizer_sha256 != fresh.tokenizer_sha256 or state.model != fresh.model:
        raise ValueError(f"{checkpoint}: made with another tokenizer: {advice}")
    if state.fingerprint != fresh.fingerprint:
        raise ValueError(
            f"{checkpoint}: made on other data ({state.fingerprint}, now {fresh.fingerprint}), "
            f"the shards or the mixture have changed: {advice}"
        )
    return replace(state, settings=fresh.settings)


@contextmanager
def _metrics(path: Path, step: int) -> Iterator[TextIO]:
    """metrics.jsonl, open for appending, cut back to the lines up to `step`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "w", encoding="utf-8") as kept:
        if step and path.is_file():
            with open(path, encoding="utf-8") as lines:
                for line in itertools.takewhile(lambda line: _step_of(line, path) <= step, lines):
                    kept.write(line)
    os.replace(temporary, path)
    with open(path, "a", encoding="utf-8") as stream:
        yield stream


def _step_of(line: str, path: Path) -> float:
    """The step of a line of the metrics; infinity when the line was cut off while it was written."""
    if not line.endswith("\n"):
        return math.inf
    try:
        step = json.loads(line)["step"]
        if not isinstance(step, int):
            raise ValueError("its step is no number")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: damaged line {line[:80]!r}: delete that line, or the file") from error
    return step


@contextmanager
def _interruption() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM has come; a second one acts at once. Off the main thread Python allows no handlers."""
    received = False

    def handle(number: int, frame: object) -> None:
        nonlocal received
        received = True
        signal.signal(number, previous[signal.Signals(number)])

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in previous:
            signal.signal(number, handle)
        yield lambda: received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _opening(
    settings: TrainSettings, data: TrainingData, model: Transformer, device: torch.device, state: State
) -> str:
    where = f"continues after step {state.step}" if state.step else "begins"
    return (
        f"{settings.preset}: {model.config.parameters:,} parameters, {len(data.sources)} sources, "
        f"{settings.steps} steps of {settings.batch_sequences * settings.sequence_length:,} tokens "
        f"on {device.type}; {where}"
    )


def _summarise(
    run: Path, settings: TrainSettings, data: TrainingData, model: Transformer, state: State
) -> dict[str, object]:
    """Writes summary.json: the last step's figures, and how much of each source was read."""
    path = run / "train" / "summary.json"
    rows = dict(zip(data.sources, data.schedule.rows, strict=True))
    summary: dict[str, object] = {
        "preset": settings.preset,
        "parameters": model.config.parameters,
        "vocabulary_size": model.config.vocabulary,
        "steps": state.step,
        "tokens": state.record["tokens"],
        "loss": state.record["loss"],
        "validation": state.record["validation"],
        "tokens_per_second": state.record["tokens_per_second"],
        "sources": {
            name: {
                "share": round(share, 6),
                "rows": rows[name],
                "samples": state.samples[name],
                "epochs": round(state.samples[name] / rows[name], 6),
            }
            for name, share in zip(data.sources, data.shares, strict=True)
        },
        "left_out": list(data.messages),
        "settings": asdict(settings),
        "fingerprint": data.fingerprint,
        "tokenizer_sha256": data.tokenizer.sha256,
        "device": model.output.weight.device.type,
        "torch": torch.__version__,
    }
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    os.replace(temporary, path)
    return summary
