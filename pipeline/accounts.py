"""What became of each input file: RUN/accounts/<source>.jsonl, one line a file in the order of the inputs.

    {"name": "dumps/a.warc.gz", "bytes": 4906792, "checksum": "7611...", "records": 297, "documents": 210,
     "removed": {"read": {"not_a_page": 1}, "keep_length": {"too_short": 86}},
     "loss": {"characters": {"documents": 296, "raw": 1204410, "kept": 1102004}}}

Records are all that the reader met: documents, records of other kinds, damaged places. For each file
records = documents + removed. `loss` is what the parsers kept of the raw texts (`pipeline.loss_meter`), over the
documents that left the cleaning step, whatever became of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import files
from pipeline.files import Written
from pipeline.inputs import Input
from pipeline.loss_meter import add_losses
from pipeline.parts import add_counts
from pipeline.plan import Done
from pipeline.plan_source import SourcePlan

FOLDER = "accounts"


def write_accounts(run: str, sources: Mapping[str, SourcePlan], done: Done) -> dict[str, Written]:
    """Writes the accounts of the sources whose last pass is done; path -> what was written.

    Raises ValueError when a file's account does not add up: that is an error of ours.
    """
    written = {}
    for source, plan in sources.items():
        if plan.final not in done.markers:
            continue
        path = f"{FOLDER}/{source}.jsonl"
        with files.create(files.join(run, path)) as stream:
            of_passes = [done.statistics(name) for name in plan.passes]
            for given, parts in plan.inputs:
                passes = [[statistics[number] for number in parts] for statistics in of_passes]
                account = _account(given, passes)
                lost = account["records"] - account["documents"] - _count(account["removed"])
                if lost:
                    raise ValueError(f"{source}: {given.name}: {lost} records were lost or doubled")
                stream.write((json.dumps(account, ensure_ascii=False) + "\n").encode())
        written[path] = stream.written()
    return written


def _account(given: Input, passes: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """`passes` has for each pass the statistics of the parts that were made of the file."""
    of_parts = [found for parts in passes for found in parts]
    steps = add_counts(found["steps"] for found in of_parts)
    return {
        "name": given.name,
        "bytes": given.bytes,
        "checksum": given.checksum,
        "records": steps[0]["documents_in"],
        "documents": sum(found["documents"] for found in passes[-1]),
        "removed": {
            step["step"]: {reason: count["documents"] for reason, count in step["removed"].items()}
            for step in steps
            if step["removed"]
        },
        "loss": add_losses(found["loss"] for found in of_parts)["total"],
    }


def _count(removed: Mapping[str, Mapping[str, int]]) -> int:
    return sum(count for reasons in removed.values() for count in reasons.values())
