"""One run: from a configuration to documents, tokenizer, shards, manifest and report in one folder.

The same command again does what is not done yet. Nodes run in waves: all tasks of all nodes that wait for nothing
undone, in one Beam pipeline.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixtures.mixture import load_mixture
from pipeline import engine, files, inputs, tasks
from pipeline.accounts import FOLDER as ACCOUNTS
from pipeline.accounts import write_accounts
from pipeline.decontamination import FOLDER as DECONTAMINATION
from pipeline.derived_run import refuse_derived
from pipeline.manifest import CONFIG, MANIFEST, build_manifest, resolved_config
from pipeline.parts import add_counts
from pipeline.plan import Done, Node
from pipeline.plan_run import RunPlan, RunPlanner
from pipeline.progress import Progress
from pipeline.resolve_recipes import resolve
from pipeline.settings import Settings, UsageError, as_yaml, check_store
from pipeline.status import LOCK, StatusFile
from pipeline.tasks import Task
from stages.sources.c4 import missing_shards


@dataclass(frozen=True)
class Options:
    """How to run: worker processes on this machine, Beam's own flags, one step only, silence."""

    workers: int
    beam_flags: tuple[str, ...] = ()
    only: str | None = None
    quiet: bool = False


def run_pipeline(settings: Settings, run: str, options: Options) -> dict[str, Any] | None:
    """Runs what is not done and returns the manifest, or None after `--only`.

    Raises UsageError for a wrong configuration and ValueError when a task fails or a source is left empty.
    """
    engine.check_flags(options.beam_flags)
    engine.open_stores(options.beam_flags)
    check_store(run)
    refuse_derived(run)
    recipes = resolve(settings)
    try:
        mixture = load_mixture(settings.mixture, settings.folder)
        mixture.present(dict.fromkeys(recipes, 1))  # one that names no source of this run is wrong too
    except ValueError as error:
        raise UsageError(str(error)) from error
    found = {source: inputs.expand(settings, source) for source in recipes}
    with only_run(run):
        progress = Progress(quiet=options.quiet)
        remove_leftovers(run)
        given = inputs.checksummed(run, found, progress.say)
        for source in ("commoncrawl", "c4"):
            inputs.refuse_copies(source, given.get(source, []))
        for warning in missing_shards(one.name for one in given.get("c4", [])):
            progress.say(warning)
        done = Done(run)
        plan = RunPlanner(settings, recipes, given, mixture, done).plan()
        nodes = plan.needed_for(options.only)
        config = resolved_config(settings, mixture, recipes, given)
        _write_config(run, as_yaml(config))
        finals = {source_plan.final: source for source, source_plan in plan.sources.items()}

        def check(node: str) -> None:
            if node in finals:
                _refuse_empty(finals[node], plan, done)

        ran = run_nodes(run, nodes, done, options, check)
        accounts = write_accounts(run, plan.sources, done)
        if options.only is not None:
            _remove_stale(run, _folders_of_finished(plan, done), done.everything())
            progress.say(f"{options.only}: done, {ran} tasks run")
            return None
        manifest = build_manifest(settings, mixture, recipes, given, plan, done, config)
        manifest["files"].update({path: dataclasses.asdict(w) for path, w in accounts.items()})
        _remove_stale(run, ("documents", "removed", "shards", ACCOUNTS, DECONTAMINATION), manifest["files"])
        files.write_json(files.join(run, MANIFEST), manifest)
        return manifest


def run_nodes(
    run: str, nodes: Sequence[Node], done: Done, options: Options, check: Callable[[str], None]
) -> int:
    """Runs the nodes in worker processes, each when all that it waits for is done; `check` is called with the name of
    each node that is done and may raise. Returns how many tasks were run."""
    progress = Progress(quiet=options.quiet)
    status = StatusFile(run, [node.name for node in nodes], options.only)

    def finished(marker: str) -> None:
        status.advance(marker)
        progress.advance()

    pending, ran = list(nodes), 0
    with engine.local_workers(options.workers, finished, options.beam_flags):
        while pending:
            ready = [node for node in pending if all(name in done.markers for name in node.after)]
            assert ready, f"nodes wait for each other: {[node.name for node in pending]}"
            made = {node.name: node.make() for node in ready}
            open_tasks: list[Task] = []
            for name, of_node in made.items():
                not_done = [task for task in of_node if not tasks.is_done(run, task)]
                status.begin(name, of_node, not_done)
                open_tasks += not_done
            if open_tasks:
                _forget_manifest(run)
                progress.begin([node.name for node in ready if made[node.name]], len(open_tasks))
                engine.run_tasks(run, open_tasks, options.beam_flags)
                progress.finish()
            ran += len(open_tasks)
            for node in ready:
                done.record(node, made[node.name])
                status.finish(node.name, len(made[node.name]))
                if node.owns:
                    _keep_only(run, node.owns, done.all_outputs(node.name))
                check(node.name)
            pending = [node for node in pending if node not in ready]
    return ran


def _refuse_empty(source: str, plan: RunPlan, done: Done) -> None:
    """A source of which nothing is left is an error: it would be missing from the mixture without a word."""
    passes = plan.sources[source].passes
    if sum(s["documents"] for s in done.statistics(passes[-1])):
        return
    steps = add_counts(s["steps"] for name in passes for s in done.statistics(name))
    if not steps:
        raise ValueError(f"{source}: its inputs hold no record; name others, or leave the source out")
    last = next((step for step in steps if not step["documents_kept"]), steps[-1])
    reasons = sorted(last["removed"].items(), key=lambda item: (-item[1]["documents"], item[0]))
    why = (
        ", ".join(f"{reason} {count['documents']}" for reason, count in reasons[:3]) or "its inputs hold none"
    )
    raise ValueError(
        f"{source}: no document is left after {last['step']} ({last['documents_in']} in; {why}); "
        f"look into removed/{source}, or leave the source out of the configuration"
    )


def _write_config(run: str, config: bytes) -> None:
    """Writes the resolved configuration; a manifest of another one does not hold any more."""
    path = files.join(run, CONFIG)
    if files.exists(path):
        with files.open_binary(path) as stream:
            if stream.read() == config:
                return
        _forget_manifest(run)
    with files.create(path) as target:
        target.write(config)


def _forget_manifest(run: str) -> None:
    """Takes the manifest away while what it describes is being written anew."""
    path = files.join(run, MANIFEST)
    if files.exists(path):
        files.delete([path])


def _keep_only(run: str, folder: str, written: Mapping[str, str]) -> None:
    """Deletes what an earlier configuration left in a folder beside what was written now."""
    kept = {files.join(run, path) for path in written}
    files.delete([path for path in files.match(files.join(run, folder), "*") if path not in kept])


@contextlib.contextmanager
def only_run(run: str) -> Iterator[None]:
    """Holds the run's folder: two runs into one folder would write over each other. Ends with the process."""
    if "://" in run:
        yield
        return
    try:
        Path(run).mkdir(parents=True, exist_ok=True)
        Path(run, LOCK).touch()
    except OSError as error:
        raise UsageError(f"--out {run}: no folder to write to ({error.strerror}); choose another") from error
    with open(os.path.join(run, LOCK), "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(
                f"another run is writing to {run}; wait for it or choose another --out"
            ) from error
        yield


def remove_leftovers(run: str) -> None:
    """Temporary files of a run that was killed."""
    if "://" not in run:
        for path in Path(run).rglob(f".*{files.TEMPORARY_SUFFIX}"):
            path.unlink()


def _folders_of_finished(plan: RunPlan, done: Done) -> list[str]:
    """The folders of the sources whose documents are finished."""
    finished = [source for source, of_source in plan.sources.items() if of_source.final in done.markers]
    return [f"{folder}/{source}" for source in finished for folder in ("documents", "removed")]


def _remove_stale(run: str, folders: Iterable[str], written: Container[str]) -> None:
    """Parts, removals and shards of an earlier configuration of the same run, which are not what was written now."""
    if "://" in run:
        return
    for folder in folders:
        for path in sorted(Path(run, folder).rglob("*")):
            if path.is_file() and str(path.relative_to(run)) not in written:
                path.unlink()
                print(f"removed {path}: written by an earlier configuration of this run", file=sys.stderr)
