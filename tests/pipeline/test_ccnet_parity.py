"""The recipe `llama1` against cc_net itself: every document of the shared WET files, in three windows."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.run import Options, run_pipeline
from pipeline.settings import load_settings

FATES = {  # step and reason here -> fate there
    ("keep_length", "too_short"): "too_short",
    ("drop_duplicate_lines", "duplicate_lines_only"): "no_line_left",
    ("keep_language", "language_score_too_low"): "language_score_below_0.5",
}


@pytest.fixture(scope="module")
def run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ccnet")
    models = folder / "lm"
    models.mkdir()
    for language in ("en", "it"):
        for name in (f"{language}.arpa.bin", f"{language}.sp.model"):
            shutil.copyfile(shared_data / "goldens/ccnet/models" / name, models / name)
    return folder


def outcomes(folder: Path) -> list[dict[str, Any]]:
    """What became of each record, by file and place in the file: as the golden's fields have it."""
    rows: list[tuple[str, int, dict[str, Any]]] = []
    for path in (folder / "documents/commoncrawl").glob("*.parquet"):
        for row in pq.read_table(path).to_pylist():
            scores, metadata = dict(row["scores"]), dict(row["metadata"])
            perplexity = scores.get("perplexity")
            found = {
                "fate": "kept",
                "sha1": hashlib.sha1(row["text"].encode()).hexdigest(),
                "nlines": int(scores["kept_lines"]),
                "original_nlines": int(scores["original_lines"]),
                "title": row["title"] or "",
                "language": row["language"],
                "language_score": round(row["language_score"], 2),
                "perplexity": None if perplexity is None else round(perplexity, 1),
                "bucket": metadata["bucket"],
            }
            rows.append((row["origin"]["file"], row["origin"]["offset"], found))
    for path in (folder / "removed/commoncrawl").rglob("*.parquet"):
        for row in pq.read_table(path).to_pylist():
            if row["reason"] == "not_a_page":  # the warcinfo record
                continue
            found = {"fate": FATES[row["step"], row["reason"]]}
            if found["fate"] == "language_score_below_0.5":
                found["sha1"] = hashlib.sha1(row["text"].encode()).hexdigest()
            rows.append((row["origin"]["file"], row["origin"]["offset"], found))
    rows.sort(key=lambda row: row[:2])
    numbered: Counter[str] = Counter()
    result = []
    for file, _, found in rows:
        result.append({"cc_segment": Path(file).name, "doc": numbered[file], **found})
        numbered[file] += 1
    return result


@pytest.mark.parametrize(("window", "window_files"), [("all", 50), ("snapshot", 4), ("file", 1)])
def test_every_document_gets_cc_nets_verdict(
    run: Path, shared_data: Path, window: str, window_files: int
) -> None:
    steps = {
        "drop_duplicate_lines": {"window_files": window_files},
        "keep_language": {"languages": None},
        "keep_perplexity": {"keep": ["head", "middle", "tail"], "cutoffs": "ccnet"},
    }
    wet = str(shared_data / "commoncrawl/repacked/*/wet/*.warc.wet.gz")
    config = {
        "recipe": "llama1",
        "sources": {"commoncrawl": {"inputs": [wet], "steps": steps}},
        "models": {"lm": "lm", "reference": "none"},
        "removed_characters": None,
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    folder = run / window
    run_pipeline(
        load_settings(str(run / "config.yaml")), str(folder), Options(2, only="documents", quiet=True)
    )
    with gzip.open(shared_data / f"goldens/ccnet/window-{window}.jsonl.gz", "rt", encoding="utf-8") as lines:
        golden = [json.loads(line) for line in lines]
    for expected in golden:
        expected["cc_segment"] = Path(expected["cc_segment"]).name
    golden.sort(key=lambda row: (row["cc_segment"], row["doc"]))
    found = outcomes(folder)
    assert len(found) == len(golden) == 2852
    different = [
        (row, {name: expected.get(name) for name in row})
        for row, expected in zip(found, golden, strict=True)
        if any(value != expected.get(name) for name, value in row.items())
    ]
    assert not different, f"{len(different)} of {len(golden)}, for one {different[0]}"
