"""The command `recut`: a new run with tighter thresholds on scores that are stored with the documents.

In: a finished run, and parameters of its steps. Out: a run of its own, whose documents and shards are, byte for byte,
those of a run with these parameters from the raw data with the same tokenizer. Nothing raw is read and no score is
computed again, but for a score that is equal to a new threshold in 32 bits, of which the step looks at the text.

What would come out different is refused: a threshold that lets more through (what it removed is not in documents/), a
step after which the whole corpus is compared or a model is trained on what it kept, and one whose text is edited later.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from mixtures.mixture import load_mixture
from pipeline import files
from pipeline.accounts import FOLDER as ACCOUNTS
from pipeline.collect_report import collect_report
from pipeline.commands import last_line, table, totals
from pipeline.decontamination import STEP as DECONTAMINATE
from pipeline.decontamination import hits_node
from pipeline.derived_run import (
    DERIVED,
    REMOVAL_LISTS,
    REMOVAL_PROOF,
    BaseRun,
    CarryFiles,
    Leavers,
    account_without,
    begin_derived,
    carry_files,
    derived_manifest,
    read_gone,
    refuse_empty,
    searched,
    write_accounts_without,
)
from pipeline.files import Written
from pipeline.make_tokenizer import FERTILITY_PATH, TOKENIZER_PATH
from pipeline.manifest import CONFIG, MANIFEST
from pipeline.plan import Done, Node
from pipeline.plan_shards import VALIDATION, ShardMaking
from pipeline.plan_tokenizer import TOKENIZER, TokenizerMaking
from pipeline.recut_changes import Change, changed_steps, parse_changes
from pipeline.recut_part import RecutPart, recut_part
from pipeline.run import Options, only_run, remove_leftovers, run_nodes
from pipeline.settings import Settings, ShardSettings, TokenizerSettings, as_yaml
from pipeline.tasks import Task

CARRY = "recut/carry"


class _Recut:
    """One re-cut: its nodes, and what is written when they are done."""

    def __init__(self, base: BaseRun, run: str, changes: Sequence[Change]) -> None:
        self._base, self._run, self._changes = base, run, changes
        self._sources = list(base.manifest["sources"])
        self._steps = changed_steps(base, changes)
        self._finals = {source: f"{source}/recut" for source in self._sources}
        self._done = Done(run)

    @property
    def request(self) -> dict[str, Any]:
        given = {f"{c.where}.{c.parameter}": c.value for c in self._changes}
        return {"command": "recut", "parameters": given}

    def run(self, options: Options) -> dict[str, Any]:
        """Does what is not done and writes the manifest; returns it."""
        derived = begin_derived(self._base, self._run, self.request)
        run_nodes(self._run, self._nodes(), self._done, options, self._check)
        return self._finish(derived)

    def _check(self, node: str) -> None:
        """Refuses an empty source as soon as its documents are re-cut, before tokens and shards are written."""
        for source, final in self._finals.items():
            if node == final:
                left = sum(statistics["gone"] for statistics in self._done.statistics(final))
                changed = [f"{c.step}.{c.parameter}" for c in self._changes if c.source == source]
                refuse_empty(self._base, source, left, f"loosen {', '.join(changed)}, or ")

    def _nodes(self) -> list[Node]:
        config = self._base.config
        settings = Settings(
            folder="",
            sources={},
            seed=config["seed"],
            tokenizer=TokenizerSettings(model=os.path.abspath(files.join(self._base.folder, TOKENIZER_PATH))),
            shards=ShardSettings(**config["shards"]),
        )
        mixture = load_mixture(config["mixture"])
        tokenizer = TokenizerMaking(settings, mixture, self._finals, self._done, self._final_parts)
        return [
            Node(CARRY, (), self._carry_tasks),
            Node(TOKENIZER, (), self._tokenizer_tasks),
            *(
                Node(node, (CARRY,), partial(self._part_tasks, source))
                for source, node in self._finals.items()
            ),
            *(hits_node(source, self._finals[source], self._done) for source in searched(self._base)),
            tokenizer.nodes()[-1],
            *ShardMaking(settings, self._finals, self._done, self._final_parts).nodes(),
        ]

    def _final_parts(self, source: str, node: str) -> list[tuple[str, str]]:
        """(path, SHA-256) of the parts of a source, in order."""
        found = self._done.outputs(node, f"documents/{source}/")
        return [item for outputs in found for item in outputs.items()]

    def _carried(self, prefixes: Sequence[str], but: Sequence[str] = ()) -> CarryFiles:
        expected = {
            path: written
            for prefix in prefixes
            for path, written in self._base.written(prefix).items()
            if not path.startswith(tuple(but))
        }
        return CarryFiles(self._base.folder, expected)

    def _carry_tasks(self) -> list[Task]:
        """All that the re-cut does not touch."""
        touched = [f"removed/{s}/{name}/" for s in self._sources for name in self._touched(s)]
        same = [f"{ACCOUNTS}/{source}.jsonl" for source in self._sources if source not in self._steps]
        work = self._carried(["removed/", "models/", f"{REMOVAL_LISTS}/", REMOVAL_PROOF, *same], touched)
        reads = {path: written.sha256 for path, written in work.expected.items()}
        return [Task(CARRY, "files", carry_files, work, reads)]

    def _tokenizer_tasks(self) -> list[Task]:
        work = self._carried(["tokenizer/"], [FERTILITY_PATH])
        reads = {path: written.sha256 for path, written in work.expected.items()}
        return [Task(TOKENIZER, "model", carry_files, work, reads)]

    def _touched(self, source: str) -> list[str]:
        """The steps whose removals the tasks of the parts write: the changed ones, and the search for benchmarks."""
        names = [named.name for named in self._steps.get(source, ())]
        return list(dict.fromkeys([*names, *([DECONTAMINATE] if source in searched(self._base) else [])]))

    def _part_tasks(self, source: str) -> list[Task]:
        node, steps, made = self._finals[source], tuple(self._steps.get(source, ())), []
        models = self._done.all_outputs(CARRY, "models/") if steps else {}
        for path, expected in self._base.written(f"documents/{source}/").items():
            name = path.rpartition("/")[2]
            removed = {}
            for step in self._touched(source):
                for item in self._base.written(f"removed/{source}/{step}/{name}").items():
                    removed[step] = item
            part = name.removesuffix(".parquet")
            work = RecutPart(
                self._base.folder,
                source,
                path,
                expected,
                steps,
                removed,
                self._base.config["removed_characters"],
                f"work/{node}/{part}.arrow",
            )
            reads = {**models, path: expected.sha256, **{p: w.sha256 for p, w in removed.values()}}
            made.append(Task(node, part, recut_part, work, reads))
        return made

    def _finish(self, derived: Written) -> dict[str, Any]:
        base, written = self._base, {DERIVED: derived}
        for markers in self._done.markers.values():
            for marker in markers:
                outputs = marker["outputs"].items()
                written.update({p: Written(**w) for p, w in outputs if not p.startswith("work/")})
        sources = {}
        for source in self._sources:
            account = copy.deepcopy(base.manifest["sources"][source])
            if source in self._steps:
                left = Leavers()
                for row in read_gone(self._run, self._done.all_outputs(self._finals[source], "work/")):
                    left.add(row)
                account = account_without(source, account, left)
                written.update(write_accounts_without(base, self._run, source, left))
            account["tokens"] = dict.fromkeys(account["tokens"], 0)
            for marker in self._done.markers[f"{source}/shards"]:
                ((path, _),) = marker["outputs"].items()
                account["tokens"][path.rpartition("/")[2].partition("-")[0]] += marker["statistics"]["tokens"]
            account["validation"] = self._done.statistics(VALIDATION)[0]["sources"][source]
            sources[source] = account
        config = self._config()
        content = as_yaml(config)
        with files.create(files.join(self._run, CONFIG)) as stream:
            stream.write(content)
        digest = hashlib.sha256(content).hexdigest()
        manifest = derived_manifest(base, config, digest, sources, written, self.request, self._done)
        files.write_json(files.join(self._run, MANIFEST), manifest)
        return manifest

    def _config(self) -> dict[str, Any]:
        """The configuration of the base with the changed parameters."""
        config: dict[str, Any] = copy.deepcopy(dict(self._base.config))
        for change in self._changes:
            step = config["sources"][change.source]["steps"][change.step]
            step[change.parameter] = change.value
        return config


def recut_run(folder: str, out: str, overrides: Sequence[str], options: Options) -> dict[str, Any]:
    """Makes the run `out` of the run `folder` with tighter thresholds; returns its manifest.

    The same command again goes on where it stopped. Raises UsageError for a change that cannot be made from what is
    stored, and ValueError when the run is not finished or its files are not as its manifest says.
    """
    changes = parse_changes(overrides)
    recut = _Recut(BaseRun.open(folder), out, changes)
    with only_run(out):
        remove_leftovers(out)
        return recut.run(options)


@click.command()
@click.argument("folder", metavar="RUN")
@click.option("--out", required=True, metavar="NEW", help="Folder of the new run; the same folder resumes.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="A threshold, e.g. sources.commoncrawl.steps.keep_references.min_probability=0.5.",
)
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count(), help="Processes on this machine.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest's totals as JSON.")
def recut(
    folder: str, out: str, overrides: tuple[str, ...], workers: int, quiet: bool, as_json: bool
) -> None:
    """Write NEW: RUN with tighter thresholds on stored scores, without reading raw data again."""
    manifest = recut_run(folder, out, overrides, Options(workers, quiet=quiet))
    page = collect_report(out)
    if as_json:
        print(json.dumps(totals(manifest), sort_keys=True))
        return
    print(table(manifest))
    print(last_line(manifest, page))
