"""The steps of the source GitHub, in both recipes, and its reader, against reading the same bytes alone.

python benchmarks/github.py --rounds 5

The files of the shared BigQuery export; CPU time of one process, medians, megabytes of UTF-8 text a second.
The floor is reading alone: the three tables, joined, to documents. `in` is what comes to a step and `kept`
what it lets through. Duplicate search is not here (benchmarks/kernels.py, line_dedup.py).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from result_table import ROOT, ResultTable

from stages.authored_code import KeepAuthoredCode
from stages.code_files import KeepSourceFile
from stages.code_headers import RemoveLicenseHeader
from stages.code_licenses import PERMISSIVE_FAMILIES, KeepPermissiveLicense
from stages.code_readability import KeepReadableCode
from stages.document import Document
from stages.secret_masking import MaskSecrets
from stages.sources.github import Github
from stages.stage import Stage

# The steps of pipeline/recipes.py without those that compare documents.
CHAINS: dict[str, tuple[Stage, ...]] = {
    "llama1": (KeepPermissiveLicense(), KeepSourceFile(), KeepReadableCode(), RemoveLicenseHeader()),
    "plus": (
        KeepPermissiveLicense(licenses=PERMISSIVE_FAMILIES, file_may_grant=True),
        KeepSourceFile(),
        KeepAuthoredCode(),
        KeepReadableCode(profile="starcoder"),
        RemoveLicenseHeader(),
        MaskSecrets(),
    ),
}


def seconds_of(work: Callable[[], object], rounds: int) -> float:
    """Median CPU seconds of a call, after one that is not counted."""
    work()
    spent = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return median(spent)


def megabytes(documents: Sequence[Document]) -> float:
    return sum(document.text_bytes for document in documents) / 1e6


def kept_by(stages: Sequence[Stage], documents: Sequence[Document]) -> list[Document]:
    kept = []
    for document in documents:
        for stage in stages:
            outcome = stage(document)
            if not isinstance(outcome, Document):
                break
            document = outcome
        else:
            kept.append(document)
    return kept


def read_export(folder: Path) -> list[Document]:
    contents = folder / "contents-000000000000.parquet"
    reader = Github(
        files=(str(folder / "files-000000000000.parquet"),),
        licenses=(str(folder / "licenses-000000000000.parquet"),),
    )
    with contents.open("rb") as stream:
        return [one for one in reader.read(stream, contents.name) if isinstance(one, Document)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    folder = given.data / "github" / "bigquery-export"
    documents = read_export(folder)
    size = megabytes(documents)
    table = ResultTable(
        f"GitHub: {len(documents):,} files, {size:.1f} MB (medians of {given.rounds} rounds)",
        ("step", "in", "kept", "MB/s", "of the chain", "times reading"),
    )
    reading = seconds_of(lambda: read_export(folder), given.rounds)
    table.rows.append(("reading alone (floor)", len(documents), len(documents), size / reading, None, 1.0))
    for name, stages in CHAINS.items():
        whole = seconds_of(lambda stages=stages: kept_by(stages, documents), given.rounds)  # type: ignore[misc]
        now: Sequence[Document] = documents
        for stage in stages:
            spent = seconds_of(lambda stage=stage, now=now: kept_by([stage], now), given.rounds)  # type: ignore[misc]
            after = kept_by([stage], now)
            table.rows.append(
                (
                    f"{name}: {type(stage).__name__}",
                    len(now),
                    len(after),
                    megabytes(now) / spent,
                    spent / whole,
                    None,
                )
            )
            now = after
        table.rows.append(
            (f"{name}: all steps", len(documents), len(now), size / whole, 1.0, whole / reading)
        )
        both = whole + reading
        table.rows.append(
            (f"{name}: read and all steps", len(documents), len(now), size / both, None, both / reading)
        )
    table.notes.append("MB/s: of what comes to the step; of the chain: share of the time of all steps")
    table.show(given.json)


if __name__ == "__main__":
    main()
