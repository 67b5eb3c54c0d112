"""The task of a re-cut: one part of documents in, the same part without what changed steps remove out.

The verdict comes from what is stored with the documents (`pipeline.stored_scores`). Where a stored score is too coarse
to tell, the step itself looks at the text, with its model. A part of which nothing goes is linked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pyarrow.compute as pc

from pipeline import files
from pipeline.curate import NamedStage
from pipeline.derived_run import carry, write_gone
from pipeline.files import Written
from pipeline.model_files import localized, with_model_path
from pipeline.parts import PartWriter, documents_of, read_documents
from pipeline.stored_scores import stored_verdict
from pipeline.tasks import OUTSIDE, Result
from stages.document import Document, Origin, Rejected
from stages.stage import ModelStage, Outcome, Transform


@dataclass(frozen=True)
class RecutPart:
    """One part of a source's documents, and what its changed steps had removed of the same input: step -> file.

    `steps` are the changed steps in their order, none in a source that stays as it is.
    """

    base: str = field(metadata=OUTSIDE)
    source: str
    path: str
    expected: Written
    steps: tuple[NamedStage, ...]
    removed: Mapping[str, tuple[str, Written]]
    removed_characters: int | None
    gone: str


def recut_part(run: str, work: RecutPart) -> Result:
    """The part without what the changed steps remove; `gone` names what left."""
    old = files.join(work.base, work.path)
    open_numbers, size, documents = _not_kept(old, work.steps)
    folder, _, name = work.path.rpartition("/")
    outputs: dict[str, Written] = {}
    rows: list[dict[str, Any]] = []
    if open_numbers:
        part = name.removesuffix(".parquet")
        writer = PartWriter(run, work.source, folder, part, work.removed_characters)
        removed: set[str] = set()
        size = documents = 0
        try:
            for number, document in enumerate(documents_of(old)):
                step, outcome = (
                    _verdict(run, work.steps, document) if number in open_numbers else ("", document)
                )
                text_bytes = document.text_bytes
                if isinstance(outcome, Rejected):
                    if step not in removed:
                        removed.add(step)
                        for earlier, length in _earlier(work, step):
                            writer.remove(step, earlier, length)
                    writer.remove(step, outcome, text_bytes)
                    rows.append(_gone(work.path, number, step, outcome, text_bytes))
                else:
                    writer.keep(document, text_bytes)
                    documents, size = documents + 1, size + text_bytes
            outputs.update(writer.close())
        except BaseException as error:
            writer.abandon(error)
            raise
    else:
        outputs[work.path] = carry(work.base, run, work.path, work.expected)
    for path, expected in work.removed.values():
        if path not in outputs:
            outputs[path] = carry(work.base, run, path, expected)
    outputs[work.gone] = write_gone(run, work.gone, rows)
    return Result(outputs, {"documents": documents, "bytes": size, "gone": len(rows)})


def _not_kept(path: str, steps: Sequence[NamedStage]) -> tuple[set[int], int, int]:
    """Numbers of the documents that are not surely kept, bytes of all texts, and how many documents there are."""
    found, size, number = set(), 0, 0
    columns = ["id", "text", "language", "language_score", "scores", "metadata"]
    for batch in read_documents(path, columns if steps else ["text"]):
        size += int(pc.sum(pc.binary_length(batch["text"])).as_py() or 0)
        if not steps:
            number += batch.num_rows
            continue
        for row in batch.to_pylist():
            document = Document(
                row["id"],
                "",
                row["text"],
                Origin(""),
                language=row["language"],
                language_score=row["language_score"],
                scores=dict(row["scores"]),
                metadata=dict(row["metadata"]),
            )
            if any(not isinstance(stored_verdict(s.stage, document), Document) for s in steps):
                found.add(number)
            number += 1
    return found, size, number


def _verdict(run: str, steps: Sequence[NamedStage], document: Document) -> tuple[str, Outcome]:
    """The first changed step that removes a document and its verdict, or the document."""
    for named in steps:
        outcome = stored_verdict(named.stage, document)
        if outcome is None:
            outcome = _loaded(run, named)(document)
        if isinstance(outcome, Rejected):
            return named.name, outcome
    return "", document


@cache
def _loaded(run: str, named: NamedStage) -> Transform:
    stage: ModelStage = localized(run, with_model_path(named.stage))
    return stage.prepare()


def _earlier(work: RecutPart, step: str) -> Iterator[tuple[Rejected, int]]:
    """What the step had removed of this part before."""
    if step not in work.removed:
        return
    path, _ = work.removed[step]
    for batch in read_documents(files.join(work.base, path)):
        for row in batch.to_pylist():
            document = Document(
                row["id"],
                row["source"],
                row["text"],
                Origin(**row["origin"]),
                url=row["url"],
                language=row["language"],
            )
            yield Rejected(document, row["reason"], row["score"], row["detail"]), row["bytes"]


def _gone(path: str, number: int, step: str, rejected: Rejected, size: int) -> dict[str, Any]:
    document = rejected.document
    return {
        "id": document.id,
        "path": path,
        "row": number,
        "step": step,
        "reason": rejected.reason,
        "bytes": size,
        "language": document.language,
        "license": document.license,
        "domain": document.metadata.get("domain") or document.metadata.get("site"),
        "file": document.origin.file,
        "lists": [],
        "text": None,
        "keys": [],
    }
