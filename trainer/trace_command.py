"""The command `trace`: documents of a training step or a position on the terminal, or when a document is read."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click

from trainer.data import TrainingData
from trainer.metrics import FILE, left_out_steps
from trainer.trace import Reading, Traced, Tracer, readings, training_order


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--step", type=click.IntRange(1), help="The documents of this training step, from 1.")
@click.option("--sequence", type=click.IntRange(0), help="With --step: only of this row of it, from 0.")
@click.option("--position", metavar="SOURCE:N", help="The document at training token N of a source.")
@click.option("--id", "id", help="Where this document is, and when training reads it.")
@click.option(
    "--tokens", type=click.IntRange(1), default=64, show_default=True, help="How much text is shown."
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of train, e.g. batch_sequences=8.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON a document.")
def trace(
    run: Path,
    step: int | None,
    sequence: int | None,
    position: str | None,
    id: str | None,
    tokens: int,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show which documents a training step or position of RUN reads, or when it reads a document."""
    if sum(given is not None for given in (step, position, id)) != 1 or (
        sequence is not None and step is None
    ):
        raise click.UsageError("give one of --step (with --sequence), --position and --id")
    settings = dict(_setting(override) for override in overrides)
    tracer = Tracer(run)
    if step is not None:
        data, steps = training_order(run, settings)
        if step > steps:
            raise ValueError(f"--step {step}: the training of {run} has {steps} steps")
        if sequence is not None and sequence >= data.batch_sequences:
            raise ValueError(f"--sequence {sequence}: a step has rows 0 to {data.batch_sequences - 1}")
        if (reason := left_out_steps(run / "train" / FILE).get(step)) is not None:
            print(f"the update of step {step} was left out: {reason}", file=sys.stderr)
        for found in tracer.step(data, step, sequence):
            _show(found, tokens, as_json)
    elif position is not None:
        source, colon, number = position.rpartition(":")
        if not colon or not number.isdecimal():
            raise click.UsageError(f"--position {position}: write SOURCE:N, for example wikipedia:1000")
        _show(tracer.position(source, int(number), tokens // 2), tokens, as_json)
    elif id is not None:
        _show_id(tracer, run, id, tokens, settings, as_json)


def _setting(override: str) -> tuple[str, object]:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise click.UsageError(f"--set {override}: write KEY=VALUE, for example steps=500")
    return key.removeprefix("train."), value


def _show_id(
    tracer: Tracer, run: Path, id: str, tokens: int, settings: Mapping[str, object], as_json: bool
) -> None:
    order: tuple[TrainingData, int] | None = None
    left_out = left_out_steps(run / "train" / FILE)
    documents = list(tracer.id(id, tokens))
    if not documents:
        raise ValueError(f"{id}: no document of {run} has this id")
    for document in documents:
        found: list[Reading] = []
        if document.split == "train":
            order = order or training_order(run, settings)
            if document.source in order[0].sources:
                span = (document.document_start, document.document_stop)
                found = list(readings(*order, document.source, *span))
        if as_json:
            print(json.dumps({**asdict(document), "read": [asdict(reading) for reading in found]}))
            continue
        _show(document, tokens, as_json)
        for reading in found:
            unused = ", whose update was left out for a spike" if reading.step in left_out else ""
            print(
                f"  read in epoch {reading.epoch}, step {reading.step}, sequence {reading.sequence}{unused}"
            )
        if not found:
            print("  not read by this training")


def _show(found: Traced, tokens: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(found), ensure_ascii=False))
        return
    where = f"{found.source}:{found.start}-{found.stop}"
    if found.step is not None:
        where = f"step {found.step} sequence {found.sequence} epoch {found.epoch} {where}"
    elif found.split != "train":
        where = f"{found.split} {where}"
    print(f"{where}  {_printable(found.id)}  {_printable(found.url or '(no address)')}")
    print(f"  part {found.part} row {found.row}, tokens {found.document_start}-{found.document_stop}", end="")
    print(f", from {_place(found.origin)}" if found.origin else "")
    characters = tokens * 4
    text = _printable(" ".join(found.text.split()))
    print(f"  {text[:characters]}{' ...' if len(text) > characters else ''}")


def _place(origin: Mapping[str, object]) -> str:
    if not origin["length"]:
        return _printable(str(origin["file"]))  # all of it
    return f"{_printable(str(origin['file']))} at {origin['offset']}, {origin['length']} bytes"


def _printable(text: str) -> str:
    """The text without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
