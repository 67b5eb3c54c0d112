"""What a re-cut is asked for: parameters of steps from the command line, checked against what can be done from scores.

In: `sources.S.steps.STEP.PARAMETER=VALUE`, and the configuration of a finished run. Out: for each source its changed
steps with their new parameters. Refused, with the way out: a threshold that lets more through (what it removed is not
in documents/), a step after which the whole corpus is compared or a model is trained on what it kept, and one whose
text is edited later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixtures.outside_yaml import parse_yaml
from pipeline.curate import READ, NamedStage
from pipeline.decontamination import STEP as DECONTAMINATE
from pipeline.derived_run import BaseRun
from pipeline.recipes import RECIPES, VARIANTS, DuplicateStep, TrainStep
from pipeline.reference_figures import reference_report
from pipeline.settings import TRAIN, UsageError, nearest
from pipeline.step_parameters import with_parameters
from pipeline.stored_scores import TEXT_STAYS, THRESHOLDS, refuse_looser, with_probability
from pipeline.tasks import canonical
from stages.decontamination import Decontaminate
from stages.references import KeepReferences


@dataclass(frozen=True)
class Change:
    """One parameter of a step, with the value that is wanted."""

    source: str
    step: str
    parameter: str
    value: Any

    @property
    def where(self) -> str:
        return f"sources.{self.source}.steps.{self.step}"


def parse_changes(overrides: Sequence[str]) -> list[Change]:
    """`sources.S.steps.STEP.PARAMETER=VALUE`, the value in YAML; UsageError for anything else."""
    changes = []
    for override in overrides:
        key, equals, value = override.partition("=")
        names = key.split(".")
        if not equals or len(names) != 5 or names[0] != "sources" or names[2] != "steps":
            raise UsageError(
                f"--set {override}: recut changes thresholds of steps, "
                "sources.SOURCE.steps.STEP.PARAMETER=VALUE; for anything else use llama-corpus run"
            )
        try:
            changes.append(Change(names[1], names[3], names[4], parse_yaml(value)))
        except ValueError as error:
            raise UsageError(f"--set {override}: the value is not YAML") from error
    if not changes:
        raise UsageError("nothing is to be changed; name a threshold with --set")
    return changes


def _recipe_steps(config: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The steps of a source that ran, in their order, with the parameters that they had."""
    section = config["sources"][source]
    recipe = (
        RECIPES[config["recipe"]][source]
        if section["variant"] is None
        else VARIANTS[source, section["variant"]]
    )
    defaults: dict[str, Any] = {**dict(recipe.named()), DECONTAMINATE: Decontaminate()}
    steps = {}
    for name, parameters in section["steps"].items():
        if name == READ:
            continue
        if name not in defaults:
            raise UsageError(f"sources.{source}.steps.{name}: this version has no such step; run again")
        default = defaults[name]
        known = canonical(default)
        given = {k: v for k, v in parameters.items() if k in known and known[k] != v}
        # A trainer or another step that takes no part here may hold what no configuration can set.
        steps[name] = with_parameters(default, given, name) if type(default) in THRESHOLDS else default
    return steps


def changed_steps(base: BaseRun, changes: Sequence[Change]) -> dict[str, list[NamedStage]]:
    """source -> its changed steps in order; UsageError for a change that cannot be made from what is stored."""
    changed: dict[str, list[NamedStage]] = {}
    report = reference_report(base.folder)
    for source in dict.fromkeys(change.source for change in changes):
        if source not in base.config["sources"]:
            raise UsageError(f"sources.{source}: not in this run; {nearest(source, base.config['sources'])}")
        old = _recipe_steps(base.config, source)
        new = dict(old)
        for change in changes:
            if change.source != source:
                continue
            if change.step not in old:
                raise UsageError(f"{change.where}: did not run here; {nearest(change.step, [READ, *old])}")
            _refuse_unknown(old, change)
            new[change.step] = with_parameters(
                new[change.step], {change.parameter: change.value}, change.where
            )
            if change.parameter == "keep_fraction" and base.config["models"]["reference"] != TRAIN:
                raise UsageError(
                    f"{change.where}.keep_fraction: a given model has no counts of this crawl; set min_probability"
                )
        for name, step in new.items():
            if step != old[name]:
                where = f"sources.{source}.steps.{name}"
                _refuse_later(old, new, name, where)
                before, after = with_probability(old[name], report), with_probability(step, report)
                refuse_looser(before, after, where, _WAY_OUT)
                changed.setdefault(source, []).append(NamedStage(name, after))
    if not changed:
        raise UsageError("nothing would change: these are the parameters of the run")
    return changed


_WAY_OUT = (
    "llama-corpus run with this --set into the same folder goes on from the parts before the step, "
    "while RUN/work is there"
)


def _refuse_unknown(old: Mapping[str, Any], change: Change) -> None:
    step = old[change.step]
    if type(step) not in THRESHOLDS:
        known = [name for name, step in old.items() if type(step) in THRESHOLDS]
        raise UsageError(
            f"{change.where}: has no threshold on a stored score (of {change.source}: "
            f"{', '.join(known) or 'none has'}); {_WAY_OUT}"
        )
    if change.parameter not in THRESHOLDS[type(step)]:
        names = THRESHOLDS[type(step)]
        raise UsageError(
            f"{change.where}.{change.parameter}: is no threshold on a stored score "
            f"({nearest(change.parameter, names)}); {_WAY_OUT}"
        )


def _refuse_later(old: Mapping[str, Any], new: Mapping[str, Any], name: str, where: str) -> None:
    """UsageError when a later step would come out different, or works on another text."""
    names = list(old)
    for later in names[names.index(name) + 1 :]:
        step = old[later]
        if isinstance(step, DuplicateStep):
            raise UsageError(f"{where}: {later} after it compares all documents that it keeps; {_WAY_OUT}")
        if isinstance(step, TrainStep):
            raise UsageError(f"{where}: {later} after it learns from what it keeps; {_WAY_OUT}")
        if not isinstance(step, TEXT_STAYS):
            raise UsageError(f"{where}: {later} after it changes the texts; {_WAY_OUT}")
        if isinstance(step, KeepReferences) and (step.keep_fraction or new[later].keep_fraction) is not None:
            raise UsageError(
                f"{where}: {later}.keep_fraction is counted on what it keeps; set {later}.min_probability too, or "
                f"{_WAY_OUT}"
            )
