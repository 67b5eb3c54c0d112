"""Code by its licence: of the repository, and of the file's own header."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.code_licenses import PERMISSIVE_FAMILIES, KeepPermissiveLicense
from stages.document import Document, Origin, Rejected
from stages.sources.github import Github


def code(text: str = "x = 1\n", path: str = "a.py", spdx: str | None = "MIT") -> Document:
    return Document("r:p:b", "github", text, Origin("f"), license=spdx, metadata={"path": path})


def reason(stage: KeepPermissiveLicense, document: Document) -> str:
    outcome = stage(document)
    return outcome.reason if isinstance(outcome, Rejected) else "kept"


@pytest.mark.parametrize(
    ("spdx", "expected"),
    [
        ("MIT", "kept"),
        ("BSD-2-Clause", "kept"),
        ("BSD-3-Clause", "kept"),
        ("Apache-2.0", "kept"),
        ("BSD-4-Clause", "license_not_permissive"),
        ("BSD-3-Clause-Clear", "license_not_permissive"),
        ("0BSD", "license_not_permissive"),
        ("GPL-3.0", "license_not_permissive"),
        ("ISC", "license_not_permissive"),
        ("CC0-1.0", "license_not_permissive"),
        ("Apache-2.0 OR MIT", "kept"),
        ("GPL-2.0 OR MIT", "kept"),
        ("GPL-2.0 AND MIT", "license_not_permissive"),
        ("", "license_not_permissive"),
        (None, "license_unknown"),
    ],
)
def test_keeps_permissive_licenses(spdx: str | None, expected: str) -> None:
    assert reason(KeepPermissiveLicense(), code(spdx=spdx)) == expected


def test_the_families_have_the_variants_that_ask_for_less() -> None:
    keep = KeepPermissiveLicense(PERMISSIVE_FAMILIES)
    assert [reason(keep, code(spdx=spdx)) for spdx in ("0BSD", "MIT-0", "BSD-4-Clause")] == [
        "kept",
        "kept",
        "license_not_permissive",
    ]


COPYLEFT_HEADERS = [
    ("a.c", "/*\n  datagen.c\n  Copyright (C) A 2012\n\n  GPL v2 License\n*/\nint a;\n", "GPL"),
    ("a.h", "/* under the terms of the GNU\n * General Public License as published\n */\n", "GPL"),
    ("a.c", "// what it does\n\n/* the GNU Lesser General Public License */\n", "LGPL"),
    ("a.go", "//go:build linux\n// LGPLv3\npackage a\n", "LGPL"),
    ("a.js", "// GNU Affero General Public License\n", "AGPL"),
    ("a.js", "/* This Source Code Form is subject to the terms of the Mozilla Public\n * License */\n", "MPL"),
    ("a.js", "/* MPL 1.1/GPL 2.0/LGPL 2.1 */\n", "MPL"),
    ("a.java", "/* the Eclipse Public License v2.0 */\n", "EPL"),
    ("a.java", "/* Common Development and\n * Distribution License */\n", "CDDL"),
    ("a.ts", "// Business Source License 1.1\n", "BUSL"),
    ("a.css", "/* CC BY-NC 4.0 */\n", "CC-BY-SA"),
    ("a.cs", "// Unauthorized copying of this file is prohibited. Proprietary and confidential.\n", "proprietary"),
    ("a.c", "/* GPL v2 License */\n/*\n  The library is BSD,\n  this file is GPLv2.\n*/\n", None),
    ("a.py", '"""Tests."""\n\n# GPL v2 License\n', "GPL"),
    ("a.py", '#!/bin/python\n"""Tests.\n\nLicense: GPLv3"""\n', "GPL"),
    ("a.php", "<?php\n# released under the GPL\n", "GPL"),
    ("a.el", ";; the GNU General Public License\n", "GPL"),
    ("a.hs", "{- GPL -}\nmodule A where\n", "GPL"),
    ("a.rst", ".. GNU General Public License\n\nA\n", "GPL"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "name"), COPYLEFT_HEADERS)
def test_a_copyleft_header_outweighs_the_repository(path: str, text: str, name: str | None) -> None:
    document = code(text, path, "BSD-2-Clause")
    outcome = KeepPermissiveLicense()(document)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "license_not_permissive"
    assert outcome.detail == f"its header names the {name or 'GPL'}"


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


@pytest.mark.parametrize(
    ("path", "line", "expected"),
    [
        ("a.py", "# SPDX-License-Identifier: Apache-2.0", "Apache-2.0"),
        ("a.c", "/* SPDX-License-Identifier: MIT */", "MIT"),
        ("a.xml", "<!-- SPDX-License-Identifier: MIT OR GPL-2.0-only -->", "MIT OR GPL-2.0-only"),
        ("a.ml", "(* SPDX-License-Identifier: MIT. *)", "MIT"),
        ("a.rs", "// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
    ],
)  # fmt: skip
def test_an_spdx_line_is_the_license_of_the_file(path: str, line: str, expected: str) -> None:
    outcome = KeepPermissiveLicense()(code(f"{line}\ncode\n", path, "BSD-3-Clause"))
    assert isinstance(outcome, Document)
    assert outcome.license == expected


@pytest.mark.parametrize(
    "line",
    [
        "SPDX-License-Identifier: GPL-2.0-only",
        "SPDX-License-Identifier: MIT AND GPL-2.0-only",
        "SPDX-License-Identifier: LicenseRef-Own",
        "SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: GPL-3.0-or-later",
        "SPDX-License-Identifier: )(",
    ],
)
def test_an_spdx_line_that_is_not_permissive_outweighs_the_repository(line: str) -> None:
    assert reason(KeepPermissiveLicense(), code(f"# {line}\nx = 1\n")) == "license_not_permissive"
    assert reason(KeepPermissiveLicense(file_may_grant=True), code(f"# {line}\nx = 1\n")) == (
        "license_not_permissive"
    )


def test_an_spdx_line_brings_a_file_in_by_setting_only() -> None:
    text = "# SPDX-License-Identifier: MIT\nx = 1\n"
    for spdx, expected in ((None, "license_unknown"), ("GPL-3.0", "license_not_permissive")):
        assert reason(KeepPermissiveLicense(), code(text, spdx=spdx)) == expected
        outcome = KeepPermissiveLicense(file_may_grant=True)(code(text, spdx=spdx))
        assert isinstance(outcome, Document)
        assert outcome.license == "MIT"
    prose = code("# Licensed under the MIT license.\nx = 1\n", spdx=None)
    assert reason(KeepPermissiveLicense(file_may_grant=True), prose) == "license_unknown"


def test_an_spdx_line_behind_code_says_nothing_of_the_file() -> None:
    text = "x = 1\n# SPDX-License-Identifier: GPL-3.0-only\n"
    assert reason(KeepPermissiveLicense(), code(text)) == "kept"


def test_a_wanted_license_may_stand_in_the_header() -> None:
    keep = KeepPermissiveLicense(("GPL-2.0", "MIT"))
    assert reason(keep, code("# GPL v2\n", spdx="GPL-2.0")) == "kept"
    assert reason(keep, code("# AGPL\n", spdx="GPL-2.0")) == "license_not_permissive"


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
