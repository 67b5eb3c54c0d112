"""The command `plan`: what a mixture reads of each source, and what a training takes in memory and time.

In: a run, typed or published numbers of tokens for the mixture; a preset, a card and a count of GPUs for the training,
and of a run its tokenizer's size and its `train` section. Out: Markdown on stdout, or JSON. Neither torch nor a GPU is
needed, no shard is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from mixtures.commands import budget_tokens, mixture_options, plan_mixtures
from mixtures.report_text import count, share, size
from tokenizer.sentencepiece_model import load_model
from trainer.cards import CARDS, GIB, Card, Checkpointing
from trainer.config import TrainSettings, UsageError, read_run_config, train_settings
from trainer.cost import MODES, Expected, Memory, Workload, expected, memory
from trainer.fitting import choose_layout, largest_micro_batch, smallest_layout
from trainer.layout import Layout, parse_layout
from trainer.presets import MODELS, ModelConfig

PARTS = {
    "weights": "weights, float32",
    "gradients": "gradients, float32",
    "moments": "AdamW's moments, float32",
    "gathered": "gathered blocks, embedding and output, and gradients on their way",
    "activations": "activations kept for the backward pass",
    "recomputed": "activations of the block that is recomputed",
    "head": "logits of a chunk, gradient of the output matrix",
    "reserve": "CUDA, libraries, NCCL",
}


@dataclass(frozen=True)
class TrainingPlan:
    """One model on so many GPUs of a card. `smallest` is the fewest GPUs that hold it, None when none do."""

    model: str
    card: Card
    gpus: int
    tokens: int
    batch_sequences: int
    work: Workload
    memory: Memory
    smallest: Layout | None
    expected: Expected

    @property
    def missing_bytes(self) -> int:
        """Bytes that each GPU lacks; 0 when it fits."""
        return max(0, self.memory.total - self.card.memory_bytes)

    @property
    def steps(self) -> int:
        return -(-self.tokens // (self.batch_sequences * self.work.sequence_length))

    @property
    def accumulation(self) -> int:
        """Micro-batches of a step on each reader of rows."""
        return -(-self.batch_sequences // (self.work.layout.readers * self.work.micro_batch))


def workload(shape: ModelConfig, settings: TrainSettings) -> Workload:
    """The training on one GPU. `precision` is `auto`'s bfloat16 unless float32 is asked for; a micro-batch that is not
    set is one sequence."""
    return Workload(
        shape=shape,
        sequence_length=settings.sequence_length,
        micro_batch=settings.micro_batch_sequences or 1,
        layout=Layout(),
        checkpointing=settings.activation_checkpointing,
        compute_bytes=4 if settings.precision == "fp32" else 2,
        reshard_after_forward=settings.reshard_after_forward,
    )


def plan_training(
    shape: ModelConfig,
    settings: TrainSettings,
    card: Card,
    gpus: int,
    tokens: int | None = None,
    layout: Layout | None = None,
) -> TrainingPlan:
    """The plan of a training of a shape. What is None, or a micro-batch of 0, is chosen: the tokens of all its steps,
    the layout that communicates least of those that fit, the largest micro-batch, a power of two, that fits it. The
    layout of the settings is not looked at. ValueError when layout, GPUs and batch disagree.
    """
    model, batch = settings.preset, settings.batch_sequences
    work = workload(shape, settings)
    if layout is not None and layout.processes != gpus:
        raise UsageError(
            f"--layout {layout}: makes {layout.processes} GPUs, and --gpus says {gpus}: change one"
        )
    chosen = layout or choose_layout(work, gpus, batch, card.memory_bytes) or Layout(shard=gpus)
    work = replace(work, layout=chosen)
    if not settings.micro_batch_sequences:
        rows = max(1, batch // chosen.readers)
        work = replace(work, micro_batch=largest_micro_batch(work, rows, card.memory_bytes))
    if chosen.readers * work.micro_batch > batch:
        raise UsageError(
            f"--layout {chosen}, --micro-batch {work.micro_batch}: {chosen.readers} readers hold "
            f"{chosen.readers * work.micro_batch:,} sequences at once and the batch of {model} has {batch:,}: "
            "take a smaller micro-batch, fewer GPUs, or tensor parallelism, whose peers share their sequences"
        )
    total = settings.steps * batch * work.sequence_length if tokens is None else tokens
    return TrainingPlan(
        model, card, gpus, total, batch, work, memory(work),
        smallest_layout(replace(work, micro_batch=1), card.memory_bytes),
        expected(shape, work.sequence_length, card, gpus, total, work.checkpointing),
    )  # fmt: skip


@click.command()
@mixture_options
@click.option(
    "--model",
    type=click.Choice(list(MODELS)),
    help="Plan the training of this preset too, with RUN's tokenizer and `train` section.",
)
@click.option("--card", type=click.Choice(list(CARDS)), default="A100-80GB", show_default=True)
@click.option(
    "--gpus", type=click.IntRange(1, 1 << 20), help="How many of them; default: the fewest that fit."
)
@click.option(
    "--micro-batch", type=click.IntRange(1, 1 << 20), help="Sequences at once; default: the most that fit."
)
@click.option("--layout", default="auto", metavar="RxSxT|auto", help="Copies x shards x tensor, as 16x128x1.")
@click.option("--checkpointing", type=click.Choice(MODES), help="Default: RUN's; without a RUN selective.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def plan(
    run: str | None,
    mixture: str | None,
    budgets: tuple[str, ...],
    typed: tuple[str, ...],
    published: str | None,
    model: str | None,
    card: str,
    gpus: int | None,
    micro_batch: int | None,
    layout: str,
    checkpointing: Checkpointing | None,
    as_json: bool,
) -> None:
    """Plan a mixture for a budget of tokens, and with --model what its training takes on so many GPUs.

    The unique tokens of the mixture are those of a finished RUN, typed (--unique), or another corpus's (--published):
    shares, epochs and warnings by source, beside LLaMA-1's. The training: memory by part, the layout, steps, and the
    tokens/s and days that published trainings let one expect.
    """
    mixed = run is not None or bool(typed) or published is not None
    if not mixed and model is None:
        raise click.UsageError(
            "give a RUN, --unique SOURCE=N for each source, or --published llama1; "
            "or --model for the plan of a training"
        )
    if mixture is not None and not mixed:
        raise click.UsageError(
            "--mixture: give the tokens too: a RUN, --unique SOURCE=N, or --published llama1"
        )
    shown: dict[str, object] = {}
    pages: list[str] = []
    if mixed:
        mixtures = plan_mixtures(run, mixture, budgets, typed, published)
        shown |= mixtures.as_json()
        pages.append(mixtures.markdown())
    if model is not None:
        asked = None if layout == "auto" else _layout(layout)
        given: list[int | None] = [budget_tokens(budget) for budget in budgets] or [None]
        shape, settings = _training(model, run, micro_batch, checkpointing)
        fewest = smallest_layout(replace(workload(shape, settings), micro_batch=1), CARDS[card].memory_bytes)
        devices = gpus or (asked or fewest or Layout()).processes
        trainings = [plan_training(shape, settings, CARDS[card], devices, tokens, asked) for tokens in given]
        shown["trainings"] = [_as_json(one) for one in trainings]
        pages += map(_markdown, trainings)
    print(json.dumps(shown, indent=1) if as_json else "\n\n".join(pages))


def _layout(written: str) -> Layout:
    try:
        return parse_layout(written)
    except ValueError as error:
        raise click.UsageError(f"--layout: {error}") from error


def _training(
    model: str, run: str | None, micro_batch: int | None, checkpointing: Checkpointing | None
) -> tuple[ModelConfig, TrainSettings]:
    """A preset as it would be trained: with the vocabulary and the settings of a run, if there is one."""
    shape: ModelConfig = MODELS[model]
    asked: dict[str, object] = {"preset": model}
    if micro_batch is not None:
        asked["micro_batch_sequences"] = micro_batch
    if checkpointing is not None:
        asked["activation_checkpointing"] = checkpointing
    if run is None:
        return shape, train_settings({}, {"activation_checkpointing": "selective", **asked})
    vocabulary = load_model(Path(run, "tokenizer", "tokenizer.model")).identity.vocabulary_size
    return replace(shape, vocabulary=vocabulary), train_settings(read_run_config(Path(run)), asked)


def _as_json(one: TrainingPlan) -> dict[str, object]:
    work, time = one.work, one.expected
    return {
        "model": one.model,
        "parameters": work.shape.parameters,
        "card": one.card.name,
        "gpus": one.gpus,
        "layout": asdict(work.layout),
        "micro_batch_sequences": work.micro_batch,
        "accumulation": one.accumulation,
        "sequence_length": work.sequence_length,
        "checkpointing": work.checkpointing,
        "memory_bytes": {**asdict(one.memory), "total": one.memory.total, "there": one.card.memory_bytes},
        "fits": not one.missing_bytes,
        "missing_bytes": one.missing_bytes,
        "smallest_layout": asdict(one.smallest) if one.smallest else None,
        "tokens": one.tokens,
        "batch_sequences": one.batch_sequences,
        "steps": one.steps,
        "flops_per_token": work.shape.flops_per_token(work.sequence_length),
        "expected": {
            "mfu": time.mfu,
            "mfu_published": [time.low, time.high],
            "tokens_per_second_per_gpu": time.tokens_per_second,
            "days": time.days,
            "gpu_hours": time.days * 24 * one.gpus,
            "comparable": time.comparable,
            "basis": asdict(time.basis),
        },
        "peak_flops": one.card.peak_flops,
        "peak_source": one.card.source,
    }


def _markdown(one: TrainingPlan) -> str:
    work, time, layout = one.work, one.expected, one.work.layout
    title = (
        f"**{one.model} on {one.gpus:,} {one.card.name}**: {count(work.shape.parameters)} parameters, "
        f"{count(one.tokens)} tokens in sequences of {work.sequence_length:,}"
    )
    lines = [title, ""]
    lines += _table(("Memory of a GPU", "GiB"), _memory_rows(one))
    rows = {
        "layout (copies x shards x tensor)": str(layout),
        "activation checkpointing": work.checkpointing,
        "sequences of a micro-batch, micro-batches of a step": f"{work.micro_batch:,}, {one.accumulation:,}",
        "tokens of a step": count(one.batch_sequences * work.sequence_length),
        "steps": f"{one.steps:,}",
        "expected tokens/s of a GPU, of all": f"{time.tokens_per_second:,.0f}, "
        f"{time.tokens_per_second * one.gpus:,.0f}",
        "expected MFU": share(time.mfu),
        "expected days (GPU-hours)": f"{time.days:,.1f} ({time.days * 24 * one.gpus:,.0f})",
    }
    lines += ["", *_table(("Training", ""), rows), "", *(f"- {note}" for note in _notes(one))]
    return "\n".join(lines)


def _table(header: tuple[str, str], rows: Mapping[str, str]) -> Iterator[str]:
    yield f"| {header[0]} | {header[1]} |"
    yield "| --- | ---: |"
    for name, value in rows.items():
        yield f"| {name} | {value} |"


def _memory_rows(one: TrainingPlan) -> dict[str, str]:
    parts = {PARTS[part]: _gib(held) for part, held in asdict(one.memory).items() if held}
    there = {"**needed**": _gib(one.memory.total), f"there ({one.card.name})": _gib(one.card.memory_bytes)}
    lack = one.missing_bytes
    spare = one.card.memory_bytes - one.memory.total
    return {**parts, **there, **({"**missing**": _gib(lack)} if lack else {"left": _gib(spare)})}


def _gib(held: int) -> str:
    return f"{held / GIB:,.2f}"


def _gpus(number: int) -> str:
    return f"{number:,} GPU{'s' if number != 1 else ''}"


def _notes(one: TrainingPlan) -> Iterator[str]:
    time, basis = one.expected, one.expected.basis
    if one.missing_bytes:
        yield f"does not fit: {size(one.missing_bytes)} are missing on each GPU"
    if one.smallest is None:
        yield f"no number of {one.card.name} holds it at one sequence each: recompute more, or take another card"
    else:
        yield f"the smallest layout that fits, at one sequence: {one.smallest} ({_gpus(one.smallest.processes)})"
    gpus = f" on {_gpus(basis.gpus)}" if basis.gpus else ""
    yield (
        f"expected, not measured: {basis.model}{gpus} reached {share(basis.mfu)} MFU at "
        f"{basis.sequence_length:,} tokens, checkpointing {basis.checkpointing} ({basis.source})"
    )
    if not time.comparable:
        yield f"nothing nearer in size is known to us on {one.card.name}: over a factor of two away, take it as rough"
    elif time.low < time.high:
        known = f"{share(time.low)} to {share(time.high)} MFU"
        yield f"published on {one.card.name} within a factor of two of its size: {known}"
    if basis.mfu != time.mfu:
        yield "MFU is lowered by the operations that are recomputed beyond that"
    yield (
        f"MFU by the convention of PaLM (arXiv 2204.02311, appendix B) against {one.card.peak_flops / 1e12:,.0f} "
        f"TFLOP/s: {one.card.source}"
    )
