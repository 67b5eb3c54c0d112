"""C4 made from the crawl, through a whole run, against the builder of C4 itself on the shared WET files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from pipeline.recipes import VARIANTS
from pipeline.run import Options, run_pipeline
from pipeline.settings import load_settings
from stages.c4_rules import TakeC4Lines
from stages.document import Document

REASONS = {  # counters there -> (step, reason) here
    "clean": {
        "filtered:too_few_sentences": ("clean_c4_page", "too_few_sentences"),
        "filtered:squigglybracket": ("clean_c4_page", "curly_bracket"),
        "filtered:loremipsum": ("clean_c4_page", "lorem_ipsum"),
    },
    "dedup": {
        "filtered:too_few_sentences": ("drop_repeated_c4_lines", "too_few_sentences"),
        "filtered:empty": ("drop_repeated_c4_lines", "duplicate_lines_only"),
    },
}


def test_every_page_ends_as_in_the_builder_of_c4(shared_data: Path, tmp_path: Path) -> None:
    with gzip.open(shared_data / "goldens/c4/tfds.jsonl.gz", "rt", encoding="utf-8") as lines:
        golden = [json.loads(line) for line in lines]
    word = next(page["clean_badword"] for page in golden if page.get("clean_badword"))
    (tmp_path / "list.txt").write_text(f"{word}\n", encoding="utf-8")
    config = {
        "sources": {
            "c4": {
                "variant": "crawl",
                "inputs": [str(shared_data / "commoncrawl/repacked/*/wet/*.warc.wet.gz")],
            }
        },
        "models": {"lm": "none", "reference": "none", "bad_words": "list.txt"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    run = tmp_path / "run"
    run_pipeline(
        load_settings(str(tmp_path / "config.yaml")), str(run), Options(2, only="documents", quiet=True)
    )

    english, removed = [], Counter[tuple[str, str]]()
    for page in golden:
        if not page["newest"]:
            removed["drop_repeated_urls", "repeated_url"] += 1
        elif page["clean"] != "passed":
            removed[REASONS["clean"][page["clean"]]] += 1
        elif page["dedup"] != "passed":
            removed[REASONS["dedup"][page["dedup"]]] += 1
        elif page["english"] == "passed":
            english.append(page)
    documents = pq.read_table(run / "documents/c4")
    assert set(documents["source"].to_pylist()) == {"c4"}
    found = Counter[tuple[str, str]]()
    for path in (run / "removed/c4").rglob("*.parquet"):
        for row in pq.read_table(path, columns=["step", "reason", "detail"]).to_pylist():
            found[row["step"], row["reason"]] += 1
    for verdict, count in removed.items():
        assert found[verdict] == count, verdict
    gone = found["drop_bad_words", "bad_word"]
    assert 0 < gone == len(english) - documents.num_rows
    texts = {hashlib.sha1(text.encode()).hexdigest() for text in documents["text"].to_pylist()}
    assert texts < {page["dedup_text_sha1"] for page in english}
    assert {page["dedup_text_sha1"] for page in english if page["badwords_pass"]} <= texts


def test_a_page_of_a_single_line_reaches_the_rules_of_c4() -> None:
    reader = VARIANTS["c4", "crawl"].reader
    record = (
        b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://a.org/\r\nContent-Type: text/plain\r\n"
        b"WARC-Date: 2019-04-18T00:00:00Z\r\nContent-Length: 9\r\n\r\nOne line.\r\n\r\n"
    )
    (page,) = reader.read(io.BytesIO(record), "x.warc.wet")
    assert isinstance(page, Document)
    lines = TakeC4Lines()(page)
    assert isinstance(lines, Document) and lines.text == "One line."
