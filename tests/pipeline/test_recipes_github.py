"""The two recipes for GitHub: their steps in order, and what they do to the shared export."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipeline.recipes import LLAMA1, PLUS
from stages.document import Document, Origin, Rejected
from stages.duplicate_documents import content_key
from stages.sources.github import Github
from stages.stage import Stage


def steps_of(recipe: str) -> list[tuple[str, Stage]]:
    """The steps that look at one document."""
    named = {"llama1": LLAMA1, "plus": PLUS}[recipe]["github"].named()
    return [(name, step) for name, step in named if isinstance(step, Stage)]


def test_the_steps_stand_in_this_order() -> None:
    assert [name for name, _ in LLAMA1["github"].named()] == [
        "keep_permissive_license",
        "keep_source_file",
        "keep_readable_code",
        "remove_license_header",
        "drop_duplicate_documents",
    ]
    assert [name for name, _ in PLUS["github"].named()] == [
        "keep_permissive_license",
        "keep_source_file",
        "keep_authored_code",
        "keep_readable_code",
        "remove_license_header",
        "mask_secrets",
        "drop_duplicate_documents",
        "drop_near_duplicates",
    ]


def through(recipe: str, document: Document) -> Document | Rejected:
    for _, step in steps_of(recipe):
        outcome = step(document)
        if isinstance(outcome, Rejected):
            return outcome
        document = outcome
    return document


@pytest.mark.parametrize("recipe", ["llama1", "plus"])
def test_copies_are_searched_after_the_header_is_cut(recipe: str) -> None:
    """RedPajama v1 takes the MD5 of the raw file, so files that are equal but for their header both stay."""
    body = "int depth(struct node *n);\nint height(struct node *n);\n"
    kept = []
    for header in ("/* Copyright 2019 A. Berg */\n\n", "// Copyright (c) 2021 Gull Works\n", ""):
        document = Document(
            "r:a.c:b", "github", header + body, Origin("f"), license="MIT", metadata={"path": "a.c"}
        )
        outcome = through(recipe, document)
        assert isinstance(outcome, Document)
        kept.append(content_key(outcome.text))
    assert len(set(kept)) == 1


EXPECTED = {
    "llama1": {
        "kept": 1772,
        "license_not_permissive": 589,
        "file_type": 328,
        "license_file": 33,
        "line_too_long": 28,
        "mean_line_too_long": 7,
        "few_alphanumerics": 5,
        "no_text": 2,
    },
    "plus": {
        "kept": 1725,
        "license_not_permissive": 589,
        "file_type": 328,
        "license_file": 33,
        "vendored": 1,
        "minified": 30,
        "generated": 23,
        "encoded_data": 1,
        "xml_file": 18,
        "little_visible_text": 9,
        "mean_line_too_long": 1,
        "few_alphanumerics": 2,
        "line_too_long": 2,
        "no_text": 2,
    },
}


@pytest.mark.parametrize("recipe", ["llama1", "plus"])
def test_every_file_of_the_export_is_kept_or_removed_with_its_reason(recipe: str, shared_data: Path) -> None:
    path = shared_data / "github" / "bigquery-export" / "contents-000000000000.parquet"
    reader = Github(
        files=(str(path.with_name("files-000000000000.parquet")),),
        licenses=(str(path.with_name("licenses-000000000000.parquet")),),
    )
    found: Counter[str] = Counter()
    kept, raw = 0.0, 0.0
    with path.open("rb") as stream:
        for document in reader.read(stream, str(path)):
            if isinstance(document, Document):
                outcome = through(recipe, document)
                found[outcome.reason if isinstance(outcome, Rejected) else "kept"] += 1
                if isinstance(outcome, Document):
                    assert outcome.license in ("MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0")
                    assert outcome.url and outcome.metadata["path"] and outcome.origin.length
                    kept += outcome.scores["kept_characters"]
                    raw += outcome.scores["raw_characters"]
    assert found == EXPECTED[recipe]
    assert sum(found.values()) == 2_764
    assert 0.97 < kept / raw < 0.995  # headers are some 2 % of the characters
