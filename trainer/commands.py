"""The commands `train` and `generate`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from trainer.generate import generate as continuation
from trainer.train import train as train_run


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. steps=500."
)
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def train(run: Path, overrides: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    """Train on the shards of RUN by its mixture; the same command again continues."""
    given: dict[str, object] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set {override}: write KEY=VALUE, for example steps=500")
        given[key.removeprefix("train.")] = value
    summary = train_run(run, given, (lambda record: None) if quiet else None)
    if os.environ.get("RANK", "0") != "0":  # torchrun's: one process speaks for all
        return
    if as_json:
        print(json.dumps(summary, sort_keys=True))
    else:
        print(f"{run / 'train'}: {summary['steps']} steps, loss {summary['loss']:.3f}")


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--prompt", default="", help="The text to go on from.")
@click.option("--tokens", type=click.IntRange(0), default=128, help="At most this many new tokens.")
@click.option("--temperature", type=click.FloatRange(0), default=0.8, help="0: always the likeliest token.")
@click.option(
    "--top-p", type=click.FloatRange(0, 1, min_open=True), default=0.95, help="Nucleus of the sampling."
)
@click.option("--seed", type=int, default=0)
def generate(run: Path, prompt: str, tokens: int, temperature: float, top_p: float, seed: int) -> None:
    """Write on from a prompt with the newest checkpoint of RUN."""
    print(prompt + continuation(run, prompt, tokens, temperature, top_p, seed))
