"""Which code is kept, and that only licence headers are cut from it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from stages.document import Document, Origin, Rejected
from stages.source_code import (
    KeepPermissiveLicense,
    KeepReadableCode,
    KeepSourceFile,
    RemoveLicenseHeader,
)
from stages.sources.github import Github
from stages.stage import Stage


def code(text: str = "x = 1\n", path: str = "a.py", spdx: str | None = "MIT") -> Document:
    return Document("r:p:b", "github", text, Origin("f"), license=spdx, metadata={"path": path})


def reason(stage: Stage, document: Document) -> str:
    outcome = stage(document)
    return outcome.reason if isinstance(outcome, Rejected) else "kept"


@pytest.mark.parametrize(
    ("spdx", "expected"),
    [
        ("MIT", "kept"),
        ("Apache-2.0", "kept"),
        ("GPL-3.0", "license_not_permissive"),
        ("Apache-2.0 OR MIT", "kept"),
        ("GPL-2.0 OR MIT", "kept"),
        ("GPL-2.0 AND MIT", "license_not_permissive"),
        (None, "license_unknown"),
    ],
)
def test_keeps_permissive_licenses(spdx: str | None, expected: str) -> None:
    assert reason(KeepPermissiveLicense(), code(spdx=spdx)) == expected


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("a.c", "/*\n  datagen.c\n  Copyright (C) A 2012\n\n  GPL v2 License\n*/\nint a;\n", "GPL"),
        ("a.h", "/* under the terms of the GNU\n * General Public License as published\n */\n", "GPL"),
        ("a.py", "#!/usr/bin/python\n\n# what it does\n\n# SPDX-License-Identifier: GPL-2.0-only\n", "GPL"),
        ("a.c", "// what it does\n\n/* the GNU Lesser General Public License */\n", "LGPL"),
        ("a.go", "//go:build linux\n// LGPLv3\npackage a\n", "LGPL"),
        ("a.js", "// GNU Affero General Public License\n", "AGPL"),
        (
            "a.js",
            "/* This Source Code Form is subject to the terms of the Mozilla Public\n * License */\n",
            "MPL",
        ),
        ("a.js", "/* MPL 1.1/GPL 2.0/LGPL 2.1 */\n", "MPL"),
        ("a.java", "/* SPDX-License-Identifier: EPL-2.0 */\n", "EPL"),
        ("a.c", "/* GPL v2 License */\n/*\n  The library is BSD,\n  this file is GPLv2.\n*/\n", "GPL"),
        ("a.py", '"""Tests."""\n\n# GPL v2 License\n', "GPL"),
        ("a.py", '#!/bin/python\n"""Tests.\n\nLicense: GPLv3"""\n', "GPL"),
        ("a.php", "<?php\n# released under the GPL\n", "GPL"),
    ],
)
def test_a_header_that_names_another_license_outweighs_the_repository(
    path: str, text: str, name: str
) -> None:
    document = code(text, path, "BSD-2-Clause")
    assert KeepPermissiveLicense()(document) == Rejected(
        document, "license_not_permissive", detail=f"its header names the {name}"
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.c", "/*\n * under both the BSD-style license and the GPLv2 (found\n * in COPYING).\n */\n"),
        ("a.js", "// Dual licensed under the MIT and GPL licenses.\n"),
        ("a.rs", "// Apache-2.0\n\n// GPL-2.0\n"),
        ("a.c", "/* Redistribution and use in source and binary forms ... or the GPL */\n"),
        ("a.c", "int a;\n/* GPL */\n"),
        ("a.c", "/* MODULE_GPL, boost::mpl and the MPL of boost, EXPORT_SYMBOL_GPL */\n"),
        ("a.py", "x = 'GPL'\n"),
        ("a.md", "# All files are GPL\n"),
        ("a.c", "/* " + "x " * 10_000 + "GPL */\n"),
        ("a.unknown", "# GPL\n"),
        ("a.py", ""),
    ],
)
def test_dual_headers_and_mere_mentions_stay(path: str, text: str) -> None:
    assert reason(KeepPermissiveLicense(), code(text, path)) == "kept"


def test_a_wanted_license_may_stand_in_the_header() -> None:
    keep = KeepPermissiveLicense(("GPL-2.0", "MIT"))
    assert reason(keep, code("# GPL v2\n", spdx="GPL-2.0")) == "kept"
    assert reason(keep, code("# AGPL\n", spdx="GPL-2.0")) == "license_not_permissive"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.py", "kept"),
        ("Makefile", "kept"),
        ("a.C", "kept"),
        ("a.json", "file_type"),
        ("README", "file_type"),
        ("vendor/LICENSE", "license_file"),
        ("LICENSE.md", "license_file"),
        ("license.py", "kept"),
        ("", "no_path"),
    ],
)
def test_keeps_source_files(path: str, expected: str) -> None:
    assert reason(KeepSourceFile(), code(path=path)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 1_000 + "\nb" * 20, "kept"),
        ("a" * 1_001 + "\nb" * 20, "line_too_long"),
        (("a" * 101 + "\n") * 3, "mean_line_too_long"),
        ("{}" * 20 + "abc", "few_alphanumerics"),
        ("abcd" + "-" * 12, "kept"),
        (" \n", "no_text"),
    ],
)
def test_keeps_readable_code(text: str, expected: str) -> None:
    assert reason(KeepReadableCode(), code(text)) == expected


MIT = "Copyright 2020 A. Author\n{0} Permission is hereby granted, free of charge"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.c", "/*\n * Copyright 2020\n */\n\n#include <a.h>\n", "#include <a.h>\n"),
        ("a.c", "/* Copyright */\n/* what it does */\nint a;\n", "/* what it does */\nint a;\n"),
        ("a.py", "#!/usr/bin/python\n# -*- coding: utf-8 -*-\n# Copyright 2020\n\nimport a\n",
         "#!/usr/bin/python\n# -*- coding: utf-8 -*-\nimport a\n"),
        ("a.go", "// Copyright 2020\n\n//go:build linux\n\npackage a\n", "//go:build linux\n\npackage a\n"),
        ("a.go", "//go:build linux\n\n// Copyright 2020\n\n// Package a.\npackage a\n",
         "//go:build linux\n\n// Package a.\npackage a\n"),
        ("a.php", "<?php\n/* (c) 2020 X */\n$a = 1;\n", "<?php\n$a = 1;\n"),
        ("a.js", "// (c) 2020 X\n\n/*! Licensed under MIT */\nlet a\n", "let a\n"),
        ("a.html", "<!doctype html>\n<!-- Copyright 2020 -->\n<p>\n", "<!doctype html>\n<p>\n"),
        ("a.sql", "-- Copyright 2020\nselect 1;\n", "select 1;\n"),
    ],
)  # fmt: skip
def test_cuts_license_headers(path: str, text: str, expected: str) -> None:
    outcome = RemoveLicenseHeader()(code(text, path))
    assert isinstance(outcome, Document)
    assert outcome.text == expected


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.c", "#define COPYRIGHT 1\n/* Copyright */\n"),
        ("a.md", "# Copyright\n\ntext\n"),
        ("a.py", "# what it does\n\n# Copyright\nx = 1\n"),
        ("a.py", "x = 1\n# Copyright\n"),
        ("a.c", "/* Copyright never closed\nint a;\n"),
        ("a.unknown", "# Copyright\n"),
        ("a.py", "\n\nx = 1\n"),
        ("a.glob.js", "let a = 'src/*'; // Copyright */\n"),
    ],
)
def test_touches_nothing_else(path: str, text: str) -> None:
    assert RemoveLicenseHeader()(code(text, path)) == code(text, path)


def test_a_file_of_its_header_alone_is_no_text() -> None:
    assert reason(RemoveLicenseHeader(), code("# SPDX-License-Identifier: MIT\n")) == "no_text"


def test_agrees_with_redpajama_where_it_changes_nothing(shared_data: Path) -> None:
    github = shared_data / "github" / "bigquery-export"
    path = github / "contents-000000000000.parquet"
    reader = Github(
        files=(str(github / "files-000000000000.parquet"),),
        licenses=(str(github / "licenses-000000000000.parquet"),),
    )
    with path.open("rb") as stream:
        documents = {
            o.id.rsplit(":", 1)[1]: o for o in reader.read(stream, str(path)) if isinstance(o, Document)
        }
    compared = 0
    golden = shared_data / "goldens" / "github" / "redpajama-v1-header.jsonl.gz"
    for line in gzip.decompress(golden.read_bytes()).splitlines():
        row = json.loads(line)
        document = documents.get(row["id"])
        if document is None or row.get("branch") not in ("unchanged", "block kept"):
            continue
        outcome = KeepReadableCode()(document)
        scored = outcome.document if isinstance(outcome, Rejected) else outcome
        if not scored.scores:
            continue
        stats = row["stats"]
        if abs(scored.scores["code_alphanumeric_fraction"] - stats["alnum_prop"]) > 1e-3:
            continue  # \r\n line ends
        compared += 1
        assert scored.scores["code_max_line_characters"] == stats["max_line_length"], row["files"]
        assert scored.scores["code_mean_line_characters"] == pytest.approx(stats["avg_line_length"], rel=1e-4)
    assert compared > 1_800


def test_real_headers_are_read(shared_data: Path) -> None:
    path = shared_data / "github" / "bigquery-export" / "contents-000000000000.parquet"
    reader = Github(
        files=(str(path.with_name("files-000000000000.parquet")),),
        licenses=(str(path.with_name("licenses-000000000000.parquet")),),
    )
    with path.open("rb") as stream:
        found = {
            o.metadata["path"]: reason(KeepPermissiveLicense(), o)
            for o in reader.read(stream, str(path))
            if isinstance(o, Document) and o.id.startswith("lz4/lz4:")
        }
    assert found["programs/datagen.c"] == found["programs/lz4cli.c"] == "license_not_permissive"
    assert found["tests/roundTripTest.c"] == found["lib/lz4.c"] == "kept"


def test_keeps_every_meaningful_line_that_the_reference_deletes(shared_data: Path) -> None:
    path = shared_data / "github" / "bigquery-export" / "contents-000000000000.parquet"
    reader = Github(
        files=(str(path.with_name("files-000000000000.parquet")),),
        licenses=(str(path.with_name("licenses-000000000000.parquet")),),
    )
    meaningful = ("#include", "#define", "#!", "//go:build", "// +build", "# -*- coding")
    with path.open("rb") as stream:
        for document in reader.read(stream, str(path)):
            if not isinstance(document, Document):
                continue
            outcome = RemoveLicenseHeader()(document)
            after = "" if isinstance(outcome, Rejected) else outcome.text
            for start in meaningful:
                before = [line for line in document.text.split("\n") if line.startswith(start)]
                assert [line for line in after.split("\n") if line.startswith(start)] == before, document.id
