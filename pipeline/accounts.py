"""What became of each input file: RUN/accounts/<source>.jsonl, one line a file in the order of the inputs.

    {"name": "dumps/a.warc.gz", "bytes": 4906792, "checksum": "7611...", "records": 297, "documents": 210,
     "removed": {"read": {"not_a_page": 1}, "keep_length": {"too_short": 86}}}

Records are all that the reader met: documents, records of other kinds, damaged places. For each file
records = documents + removed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline import files
from pipeline.files import Written
from pipeline.inputs import Input
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
            for number, given in enumerate(plan.inputs):
                passes = [done.statistics(name)[number] for name in plan.passes]
                account = _account(given, passes)
                lost = account["records"] - account["documents"] - _count(account["removed"])
                if lost:
                    raise ValueError(f"{source}: {given.name}: {lost} records were lost or doubled")
                stream.write((json.dumps(account, ensure_ascii=False) + "\n").encode())
        written[path] = stream.written()
    return written


def _account(given: Input, passes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    steps = add_counts(found["steps"] for found in passes)
    return {
        "name": given.name,
        "bytes": given.bytes,
        "checksum": given.checksum,
        "records": steps[0]["documents_in"],
        "documents": passes[-1]["documents"],
        "removed": {
            step["step"]: {reason: count["documents"] for reason, count in step["removed"].items()}
            for step in steps
            if step["removed"]
        },
    }


def _count(removed: Mapping[str, Mapping[str, int]]) -> int:
    return sum(count for reasons in removed.values() for count in reasons.values())
