"""The commands `run` and `report`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import click

from pipeline.collect_report import collect_report
from pipeline.run import Options, run_pipeline
from pipeline.settings import UsageError, load_settings


@click.command()
@click.argument("config", type=click.Path(dir_okay=False))
@click.option(
    "--out", "folder", required=True, metavar="RUN", help="Folder of the run; the same folder resumes."
)
@click.option("--only", metavar="STEP", help="Only this source or step, and all that it waits for.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting, e.g. seed=7."
)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), help="Processes on this machine.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest's totals as JSON.")
@click.argument("beam_flags", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(
    check_train: Callable[[Mapping[str, object]], None],
    config: str,
    folder: str,
    only: str | None,
    overrides: tuple[str, ...],
    workers: int,
    quiet: bool,
    as_json: bool,
    beam_flags: tuple[str, ...],
) -> None:
    """Run CONFIG to documents, tokenizer, shards and report in RUN. Beam's own flags go after `--`."""
    if beam_flags and not beam_flags[0].startswith("-"):
        raise UsageError(f"unexpected argument {beam_flags[0]!r}; Beam's flags go after --")
    settings = load_settings(config, overrides)
    try:
        check_train({"train": settings.train, "seed": settings.seed})
    except ValueError as error:
        raise UsageError(f"{config}: {error}") from error
    manifest = run_pipeline(settings, folder, Options(workers, beam_flags, only, quiet))
    if manifest is None:
        return
    page = collect_report(folder)
    if as_json:
        print(json.dumps(totals(manifest), sort_keys=True))
    else:
        print(table(manifest))
        print(last_line(manifest, page))


@click.command()
@click.argument("folder", metavar="RUN")
def report(folder: str) -> None:
    """Write the mixture report of RUN again (after training, for example) and print where it is."""
    print(collect_report(folder))


def totals(manifest: dict[str, Any]) -> dict[str, Any]:
    """Documents, bytes and tokens of a run, in all and per source."""
    sources = {
        name: {
            "documents": source["documents"],
            "bytes": source["bytes"],
            "tokens": sum(source["tokens"].values()),
        }
        for name, source in manifest["sources"].items()
    }
    added = {unit: sum(s[unit] for s in sources.values()) for unit in ("documents", "bytes", "tokens")}
    return {**added, "sources": sources}


def table(manifest: dict[str, Any]) -> str:
    """A small table of what a run holds, a line a source."""
    found = totals(manifest)
    width = max(len(name) for name in found["sources"])
    lines = [f"{'source':{width}}  {'documents':>10}  {'text MB':>9}  {'tokens':>12}"]
    for name, source in found["sources"].items():
        lines.append(
            f"{name:{width}}  {source['documents']:>10,}  {source['bytes'] / 1e6:>9.1f}  {source['tokens']:>12,}"
        )
    return "\n".join(lines)


def last_line(manifest: dict[str, Any], page: str) -> str:
    """The report and the counts of a run in one line."""
    found = totals(manifest)
    sources, documents, tokens = len(found["sources"]), found["documents"], found["tokens"]
    return (
        f"{page}: {counted(sources, 'source')}, {counted(documents, 'document')}, {counted(tokens, 'token')}"
    )


def counted(number: int, noun: str) -> str:
    """`1 source`, `2,000 sources`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
