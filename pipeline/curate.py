"""The pass over one part: documents through steps, one after the other, with every outcome counted.

A pass begins at a raw input (through its reader) or at a part that an earlier pass wrote, and ends in a part. What the
steps remove is written beside it with step and reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pipeline import files
from pipeline.duplicates import DropFiles, DuplicateRule
from pipeline.loss_meter import LossMeter
from pipeline.model_files import localized
from pipeline.parts import PartWriter, StepCounts, documents_of
from pipeline.score_histograms import ScoreHistograms
from pipeline.tasks import OUTSIDE, Result
from stages.document import Rejected
from stages.stage import ModelStage, Outcome, RangeReader, Reader, Stage, Transform

READ = "read"


@dataclass(frozen=True)
class RawInput:
    """A raw file, the reader for it, and the name under which its documents record where they came from.

    `span` is the range of its bytes that is read, for a `RangeReader`; None for the whole file.
    """

    path: str = field(metadata=OUTSIDE)
    origin: str
    reader: Reader
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class NamedStage:
    """A stage, the name of its step (unique within a source), and the digests of its model's files."""

    name: str
    stage: Stage | ModelStage
    model_sha256: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pass:
    """`given` is a raw input or the relative path of a part; `folder` and `part` say where the result goes.

    `drops` are the verdicts of the duplicate search that this pass begins with, under the step name `drop_step`.
    `keys` is the rule of the duplicate search that comes after this pass: its keys are written for each kept document.
    """

    source: str
    folder: str
    part: str
    given: RawInput | str
    stages: tuple[NamedStage, ...]
    drops: DropFiles | None
    drop_step: str
    keys: DuplicateRule | None
    keys_path: str
    removed_characters: int | None


def curate_part(run: str, work: Pass) -> Result:
    """Runs one pass. Raises ValueError when the raw file cannot be read."""
    steps: list[tuple[str, Transform]] = [(s.name, _prepared(run, s)) for s in work.stages]
    if work.drops is not None:
        steps.insert(0, (work.drop_step, work.drops.rule.transform(run, work.drops)))
    accounts = [StepCounts(name) for name, _ in steps]
    reading = StepCounts(READ)
    histograms, losses = ScoreHistograms(), LossMeter()
    keys = work.keys.collector() if work.keys is not None else None
    writer = PartWriter(run, work.source, work.folder, work.part, work.removed_characters)
    try:
        for outcome in _outcomes(run, work.given):
            if isinstance(outcome, Rejected):
                size = outcome.document.text_bytes
                reading.remove(outcome.reason, size)
                writer.remove(READ, outcome, size)
                continue
            document, size = outcome, outcome.text_bytes
            reading.keep(size, size)
            if isinstance(work.given, RawInput):
                losses.see(None, document)
            for (name, transform), account in zip(steps, accounts, strict=True):
                outcome = transform(document)
                histograms.see(document, outcome.document if isinstance(outcome, Rejected) else outcome)
                if isinstance(outcome, Rejected):
                    account.remove(outcome.reason, size)
                    writer.remove(name, outcome, size)
                    break
                losses.see(document, outcome)
                size_in = size
                if outcome.text is not document.text:
                    size = outcome.text_bytes
                account.keep(size_in, size)
                document = outcome
            else:
                writer.keep(document, size)
                if keys is not None:
                    keys.add(document)
        outputs = writer.close()
    except BaseException as error:
        writer.abandon(error)
        raise
    if keys is not None:
        with files.create(files.join(run, work.keys_path)) as stream:
            keys.write(stream)
        outputs[work.keys_path] = stream.written()
    counted = [reading, *accounts] if isinstance(work.given, RawInput) else accounts
    statistics: dict[str, Any] = {
        "steps": [a.as_json() for a in counted],
        "histograms": histograms.as_json(),
        "loss": losses.as_json(),
        **writer.statistics(),
    }
    return Result(outputs, statistics)


def _prepared(run: str, named: NamedStage) -> Transform:
    """The stage ready to use."""
    return _loaded(run, named) if isinstance(named.stage, ModelStage) else named.stage


@lru_cache(maxsize=8)
def _loaded(run: str, named: NamedStage) -> Transform:
    """A worker loads a model once and keeps it for the next parts. Stages without one must not drive it out."""
    stage: ModelStage = localized(run, named.stage)
    return stage.prepare()


def _outcomes(run: str, given: RawInput | str) -> Iterator[Outcome]:
    if isinstance(given, str):
        yield from documents_of(files.join(run, given))
        return
    reader: Reader = localized(run, given.reader)
    with files.open_binary(given.path) as stream:
        if given.span is None:
            yield from reader.read(stream, given.origin)
        else:
            assert isinstance(reader, RangeReader), f"{given.origin} cannot be read in ranges"
            yield from reader.read_range(stream, given.origin, *given.span)
