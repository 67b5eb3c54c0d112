"""The training loop: the shards of a run in, a model, its metrics and a summary out; one process or thousands.

    RUN/train/metrics.jsonl     one line a step
    RUN/train/checkpoints/      see trainer.checkpoint
    RUN/train/summary.json      written when the last step is done

Started alone it is one process; started by torchrun, each process takes its part of every batch. The loss of a step is
the sum over its tokens divided by their number in the whole batch, so that neither processes nor micro-batches change
it. The same command continues where the newest good checkpoint stands, on as many processes as it is given; on a CPU,
with the same layout and number of threads, the result is bitwise the one of a run that was never interrupted. Recipe:
Touvron et al. 2023 (arXiv 2302.13971), section 2.3.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from tokenizer.piece_bytes import piece_bytes
from trainer.checkpoint import CheckpointWriter, load, newest_good
from trainer.config import TrainSettings, read_run_config, train_settings
from trainer.data import Batch, open_data, run_tokenizer
from trainer.evaluate import held_out_losses, micro_batches, on_device, rounded, unigram_losses
from trainer.initialization import initialize
from trainer.interruption import interruption
from trainer.metrics import Meter, open_metrics
from trainer.model import Transformer
from trainer.optimizer import SpikeRule, learning_rate, make_optimizer, set_learning_rate
from trainer.parallel import clip_gradients, data_rank, last_micro_batch, make_mesh, parallelize
from trainer.presets import MODELS
from trainer.processes import process_group, process_rank
from trainer.progress import Progress, Record, Report
from trainer.run_lock import only_training
from trainer.run_state import RunState, continued
from trainer.workload import card_of_device, check_memory, device_type, workload_of

UNIGRAM_TOKENS = 1 << 24  # of each source that the unigram model counts: more move its third digit


def train(
    run: Path, overrides: Mapping[str, object] | None = None, report: Report | None = None
) -> dict[str, object]:
    """Trains on the shards of `run` to the last step and returns the summary, which is also in summary.json.

    `overrides` are settings of the `train` section that take precedence over RUN/config.yaml. `report` gets a
    record for each step, as in metrics.jsonl, and `{"message": text}` for what a person should know; by
    default both go to stderr. Of many processes the first one reports. SIGINT or SIGTERM end the run after the step at
    hand with a checkpoint and KeyboardInterrupt. ValueError when the run cannot be trained on, when it was begun with
    other settings or data, when the model is too large for the device, and when the loss is no longer finite.
    """
    config = read_run_config(run)
    settings = train_settings(config, overrides or {})
    report = report or Progress(sys.stderr, settings.steps)
    with process_group(device_type(settings)) as device:
        if process_rank()[0] > 0:
            return Training(run, config, settings, device, _silent).run()
        with only_training(run):
            return Training(run, config, settings, device, report).run()


class Training:
    """One training; all its processes make it and call its methods alike."""

    def __init__(
        self,
        run: Path,
        config: Mapping[str, object],
        settings: TrainSettings,
        device: torch.device,
        report: Report,
    ) -> None:
        """Opens the data, spreads the model over the processes, and fills it with first weights or a checkpoint's."""
        self.folder, self.settings, self.device, self.report = run / "train", settings, device, report
        self.data = open_data(run, config, settings)
        for message in self.data.messages:
            report({"message": message})
        self.piece_bytes = piece_bytes(run_tokenizer(run).model)
        shape = replace(MODELS[settings.preset], vocabulary=self.data.tokenizer.vocabulary_size)
        self.workload = workload_of(shape, settings, device)
        check_memory(settings.preset, self.workload, device)
        self.mesh = make_mesh(self.workload.layout, device.type)
        self.rank, self.ranks = data_rank(self.mesh)
        with torch.device("meta"):
            self.model = Transformer(shape)
        parallelize(
            self.model,
            self.mesh,
            precision="bf16" if self.workload.compute_bytes == 2 else "fp32",
            checkpointing=settings.activation_checkpointing,
            compile_blocks=settings.compile,
            reshard_after_forward=settings.reshard_after_forward,
        )
        self.model.to_empty(device=device)
        self.model.reset_buffers(device)
        self.optimizer = make_optimizer(self.model, settings)
        self.state = RunState(
            step=0,
            samples=dict.fromkeys(self.data.sources, 0),
            record={},
            recent=(),
            settings=asdict(settings),
            model=shape,
            fingerprint=self.data.fingerprint,
            tokenizer_sha256=self.data.tokenizer.sha256,
        )
        checkpoint, passed_over = newest_good(run)
        if passed_over:
            report({"message": passed_over})
        if checkpoint is None:
            initialize(self.model, settings.seed)
        else:
            self.state = continued(checkpoint, self.state)
            load(checkpoint, self.model, self.optimizer)
        self.spikes = SpikeRule(settings.max_spike_deviations, settings.spike_window_steps, self.state.recent)

    def run(self) -> dict[str, object]:
        """Steps to the last one; the summary."""
        settings = self.settings
        tokens = settings.batch_sequences * settings.sequence_length
        meter = Meter(
            self.workload.shape.flops_per_token(settings.sequence_length),
            process_rank()[1],
            card_of_device(self.device),
        )
        self.report({"message": self._opening(meter)})
        with self._checkpoints() as checkpoints, self._metrics() as write, interruption() as interrupted:
            for batch in self._batches():
                record = self._step(batch)
                step = self.state.step
                if self.device.type == "cuda":
                    torch.cuda.synchronize(self.device)  # the optimizer's time is part of the step
                record |= meter.read(tokens)
                with meter.paused():
                    if _due(step, settings.validate_every, settings.steps):
                        record["validation"], record["validation_bits_per_byte"] = self._held_out()
                    self.state = replace(self.state, record=record)
                    write(record)
                    stop = self._any(interrupted())
                    if _due(step, settings.checkpoint_every, settings.steps) or stop:
                        checkpoints.save(step, self.model, self.optimizer, self.state.as_json())
                if stop and step < settings.steps:
                    raise KeyboardInterrupt(
                        f"stopped after step {step}: the same command continues from there"
                    )
        return self._summarise()

    def _batches(self) -> Iterator[Batch]:
        """This process's part of the batches from the next step on; while one is used, the next one is read."""
        read, last = partial(self.data.batch, rank=self.rank, ranks=self.ranks), self.settings.steps - 1
        with ThreadPoolExecutor(1) as reader:
            following = reader.submit(read, self.state.step)
            for step in range(self.state.step, last + 1):
                batch = following.result()
                following = reader.submit(read, min(step + 1, last))
                yield batch

    def _step(self, batch: Batch) -> dict[str, object]:
        """One optimizer step; its record for the metrics."""
        settings, step = self.settings, self.state.step + 1
        set_learning_rate(self.optimizer, rate := learning_rate(step, settings))
        nats, rows = self._gradients(batch)
        loss = math.fsum(nats) / (settings.batch_sequences * settings.sequence_length)
        norm = clip_gradients(self.model, settings.max_gradient_norm)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ValueError(
                f"train: step {step} has loss {loss} and gradient norm {norm}: the same command continues from the "
                "last checkpoint; if it comes again, lower train.learning_rate and begin anew without RUN/train"
            )
        left_out = self.spikes.left_out(loss, norm)
        if left_out is None:
            self.optimizer.step()
        else:
            self.report({"message": f"step {step} is left out: {left_out}"})
        self.optimizer.zero_grad()
        samples = {
            name: self.state.samples[name] + count
            for name, count in zip(self.data.sources, rows, strict=True)
        }
        self.state = replace(self.state, step=step, samples=samples, recent=self.spikes.recent)
        record: dict[str, object] = {
            "step": step,
            "loss": round(loss, 6),
            "source_loss": {
                name: round(total / count / settings.sequence_length, 6)
                for name, total, count in zip(self.data.sources, nats, rows, strict=True)
                if count
            },
            "learning_rate": rate,
            "grad_norm": round(norm, 6),
            "tokens": step * settings.batch_sequences * settings.sequence_length,
            "source_share": {
                name: round(n / (step * settings.batch_sequences), 6) for name, n in samples.items()
            },
        }
        return record if left_out is None else {**record, "left_out": left_out}

    def _gradients(self, batch: Batch) -> tuple[list[float], list[int]]:
        """Forward and backward through this process's part of a batch.

        The nats of all tokens of each source, over all processes, and how many rows of each source the batch has.
        """
        settings, sources = self.settings, len(self.data.sources)
        tokens = settings.batch_sequences * settings.sequence_length
        batch = on_device(batch, self.device)  # at once: each copy waits for what the device has to do
        owners = torch.from_numpy(batch.sources).to(self.device)
        of_rows = []
        parts = list(micro_batches(batch, self.workload.micro_batch))
        for number, part in enumerate(parts, 1):
            last_micro_batch(self.model, number == len(parts))
            total, losses = self.model(part.tokens, part.targets, part.documents)
            (total / tokens).backward()
            of_rows.append(losses.sum(1))
        found = torch.zeros(2, sources, dtype=torch.float64, device=self.device)  # nats, rows
        found[0].index_add_(0, owners, torch.cat(of_rows).double())
        found[1] = torch.bincount(owners, minlength=sources)
        nats, rows = self._total(found).tolist()
        return nats, [int(count) for count in rows]

    def _held_out(self) -> tuple[dict[str, float], dict[str, float]]:
        """Loss and bits per byte of each source's validation rows, as a record shows them."""
        settings = self.settings
        found = held_out_losses(
            self.model,
            self.data,
            self.device,
            self.piece_bytes,
            settings.validation_sequences,
            self.workload.micro_batch,
            self.rank,
            self.ranks,
            self._total,
        )
        return rounded(found)

    def _any(self, flag: bool) -> bool:
        """Whether it is so on any process, tensor-parallel peers included."""
        value = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(value)
        return bool(value)

    def _total(self, values: Tensor) -> Tensor:
        """The sum over the processes that read rows of their own; their tensor-parallel peers know the same values."""
        values = values.double() * (self.mesh["tensor"].get_local_rank() == 0)
        dist.all_reduce(values)
        return values

    @contextmanager
    def _checkpoints(self) -> Iterator[CheckpointWriter]:
        """The writer of checkpoints; the last of them stands at the end, whatever the end is."""
        writer = CheckpointWriter(self.folder.parent, self.settings.keep_checkpoints)
        try:
            yield writer
        except BaseException:
            with suppress(ValueError):  # what ended the training is told, not what it has led to
                writer.wait()
            raise
        writer.wait()

    @contextmanager
    def _metrics(self) -> Iterator[Report]:
        """What takes the record of each step: the files of the first process, and whoever watches."""
        if process_rank()[0] > 0:
            yield _silent
            return
        settings = self.settings
        with open_metrics(
            self.folder, self.state.step, settings.tensorboard, settings.wandb, asdict(settings)
        ) as metrics:

            def write(record: Record) -> None:
                metrics.write(record)
                self.report(record)

            yield write

    def _opening(self, meter: Meter) -> str:
        settings, shape = self.settings, self.workload.shape
        where = f"continues after step {self.state.step}" if self.state.step else "begins"
        processes = process_rank()[1]
        spread = f" as {processes} processes, {self.workload.layout}" if processes > 1 else ""
        return (
            f"{settings.preset}: {shape.parameters:,} parameters, {len(self.data.sources)} sources, "
            f"{settings.steps} steps of {settings.batch_sequences * settings.sequence_length:,} tokens "
            f"on {self.device.type}{spread}; {where}"
        ) + (f"; {meter.convention()}" if self.device.type == "cuda" else "")

    def _summarise(self) -> dict[str, object]:
        """Writes summary.json: the last step's figures, and how much of each source was read."""
        settings, data, state = self.settings, self.data, self.state
        rows = dict(zip(data.sources, data.schedule.rows, strict=True))
        unigram = unigram_losses(data, settings.validation_sequences, UNIGRAM_TOKENS)
        summary: dict[str, object] = {
            "preset": settings.preset,
            "parameters": self.workload.shape.parameters,
            "vocabulary_size": self.workload.shape.vocabulary,
            "steps": state.step,
            "tokens": state.record["tokens"],
            "loss": state.record["loss"],
            "validation": state.record["validation"],
            "validation_bits_per_byte": state.record["validation_bits_per_byte"],
            "unigram_loss": {source: round(loss, 6) for source, loss in unigram.items()},
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
            "device": self.device.type,
            "processes": process_rank()[1],
            "layout": str(self.workload.layout),
            "torch": torch.__version__,
        }
        if process_rank()[0] == 0:
            temporary = self.folder / "summary.json.tmp"
            temporary.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
            os.replace(temporary, self.folder / "summary.json")
        return summary


def _due(step: int, every: int, steps: int) -> bool:
    return step == steps or (every > 0 and step % every == 0)


def _silent(record: Record) -> None:
    """Where the records of all processes but the first go."""
