"""The front door: the console script's table of commands, and the demo, which is three of them in a row.

Each command is imported when it is called, and only then, so that a machine that trains needs no Beam and a machine
that curates needs no torch.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import click

EXAMPLES = Path(__file__).resolve().parent / "examples"

# command -> (module, name in it, one line of help). Listing the commands imports none of them.
COMMANDS = {
    "demo": (
        "llama_corpus",
        "demo",
        "Run the bundled sample: seven sources to a report and a tiny model.",
    ),
    "doctor": ("pipeline.doctor", "doctor", "Say what is installed, what is missing and how to get it."),
    "plan": (
        "trainer.plan_command",
        "plan",
        "Plan a mixture for a budget of tokens, and what its training takes.",
    ),
    "run": ("pipeline.commands", "run", "Run a configuration to documents, shards and report; resumes."),
    "status": ("pipeline.status", "status", "Show how far a run is."),
    "report": ("pipeline.commands", "report", "Write the mixture report of a run again."),
    "trace": (
        "trainer.trace_command",
        "trace",
        "Show which documents a training step reads, or when it reads one.",
    ),
    "export": ("pipeline.export_shards", "export", "Write a run's tokens as Megatron, npy or JSONL files."),
    "remove": ("pipeline.remove", "remove", "Make a run without listed documents, and a proof."),
    "recut": ("pipeline.recut", "recut", "Make a run with tighter thresholds on stored scores."),
    "verify": ("pipeline.verify", "verify", "Check a run's files, counts, tokens and splits."),
    "fetch-github": (
        "pipeline.fetch_github",
        "command",
        "Fetch the permissive part of BigQuery's GitHub tables.",
    ),
    "fit-extractor": (
        "pipeline.fit_extractor",
        "command",
        "Fit the main-content extractor on pages whose text is known.",
    ),
    "train": ("trainer.commands", "train", "Train a model on the shards of a run; resumes."),
    "generate": ("trainer.commands", "generate", "Write on from a prompt with the model of a run."),
}


class Table(click.Group):
    """A group whose commands are looked up in `COMMANDS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            extra = "[trainer]" if module.startswith("trainer") else ""
            raise click.ClickException(
                f"{cmd_name} needs the package {error.name}, which is not installed: "
                f"pip install 'llama-corpus{extra}'"
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.command()
@click.option(
    "--out", "folder", default="runs/demo", metavar="RUN", help="Folder of the run; default runs/demo."
)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), help="Processes on this machine.")
def demo(folder: str, workers: int) -> None:
    """Run the bundled sample: seven raw sources to a report, shards and a tiny trained model."""
    if not (EXAMPLES / "demo.yaml").is_file():
        raise ValueError(
            f"{EXAMPLES} is not there: the sample is part of the source checkout; run the demo from it"
        )
    try:
        train = importlib.import_module("trainer.train").train
    except ModuleNotFoundError as error:
        raise ValueError(
            f"demo trains a model and needs {error.name}: pip install 'llama-corpus[trainer]'"
        ) from error
    collect = importlib.import_module("pipeline.collect_report").collect_report
    commands = importlib.import_module("pipeline.commands")
    pipeline_run = importlib.import_module("pipeline.run")
    settings = importlib.import_module("pipeline.settings").load_settings(str(EXAMPLES / "demo.yaml"))
    _build_sample(EXAMPLES / "sample" / "built")
    shards = _shards(folder)
    manifest = pipeline_run.run_pipeline(settings, folder, pipeline_run.Options(workers))
    if shards != _shards(folder) and Path(folder, "train").is_dir():
        print("the shards have changed: training begins anew", file=sys.stderr)
        shutil.rmtree(Path(folder, "train"))
    summary = train(Path(folder))
    page = collect(folder)
    print(commands.table(manifest))
    trained = f"trained {summary['steps']} steps to loss {summary['loss']:.3f}"
    print(f"{commands.last_line(manifest, page)}; {trained}")


def _shards(folder: str) -> dict[str, int]:
    """When each shard of a run was written."""
    return {str(path): path.stat().st_mtime_ns for path in Path(folder, "shards").rglob("*.arrow")}


def _build_sample(folder: Path) -> None:
    """Packs the sample into its containers, and real text that is on every machine beside it, once."""
    sources = sorted(p for p in (EXAMPLES / "sample").rglob("*") if p.is_file() and folder not in p.parents)
    digest = hashlib.sha256()
    for path in sources:
        if path.suffix != ".pyc":
            digest.update(str(path.relative_to(EXAMPLES)).encode() + b"\0" + path.read_bytes())
    whole = folder / ".packed"
    if whole.is_file() and whole.read_text() == digest.hexdigest():
        return
    print(f"packing the sample into {folder}", file=sys.stderr)
    _script(EXAMPLES / "sample" / "build.py").build(folder)
    _script(EXAMPLES / "sample" / "volume.py").add_volume(folder)
    whole.write_text(digest.hexdigest())


def _script(path: Path) -> ModuleType:
    """A script of the examples as a module; they are part of the checkout and of no package."""
    spec = importlib.util.spec_from_file_location(f"sample_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@click.command(cls=Table, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="llama-corpus")
@click.pass_context
def cli(context: click.Context) -> None:
    """Rebuild the LLaMA-1 pretraining corpus from raw dumps, and train on it."""
    context.obj = _check_train


def _check_train(config: Mapping[str, object]) -> None:
    """ValueError when the trainer cannot use the `train` section of a configuration: told before a run of days, which
    knows nothing of the trainer."""
    importlib.import_module("trainer.config").train_settings(config, {})


def main() -> None:
    """Runs the command line: exit 0 done, 1 failed, 2 wrong usage, 130 interrupted; an error is one line."""
    sys.exit(_main())


def _main() -> int:
    try:
        result = cli(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        print("interrupted; the same command continues from here", file=sys.stderr)
        return 130
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
        return 1
    except (ValueError, OSError) as error:
        rank = int(os.environ.get("RANK", "0"))  # torchrun's
        if (
            rank > 0
        ):  # what fails on all processes is told by the first, and torchrun ends the others meanwhile
            time.sleep(1)
        where = f"process {rank}: " if rank > 0 else ""
        print(f"error: {where}{' '.join(str(error).split())}", file=sys.stderr)
        return int(getattr(error, "exit_code", 1))
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
