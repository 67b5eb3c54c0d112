"""Licences known by their texts (abridged here), by the names of their files, and by GitHub's keys."""

from __future__ import annotations

import pytest

from stages.sources.license_texts import (
    SPDX_BY_GITHUB_KEY,
    combined_license,
    is_license_name,
    license_of_text,
)

MIT = """Copyright (c) 2020 A. Author

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software, to deal in the Software without restriction, subject to:
{notice}
THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND.
"""
NOTICE = """The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.
"""
BSD = """Copyright (c) 2020, A. Author

Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice.
{rest}
"""
BINARY = "2. Redistributions in binary form must reproduce the above copyright notice.\n"
ENDORSE = "3. Neither the name of the author may be used to endorse or promote products.\n"
ADVERTISING = "3. All advertising materials mentioning features or use of this software must\ndisplay.\n"
ISC = """Permission to use, copy, modify, and{distribute} distribute this software for any purpose
with or without fee is hereby granted{condition}.
THE SOFTWARE IS PROVIDED "AS IS".
"""


@pytest.mark.parametrize(
    ("spdx", "text"),
    [
        ("MIT", MIT.format(notice=NOTICE)),
        ("MIT", "/*\n" + MIT.format(notice=NOTICE).replace("\n", "\n * ") + "*/"),
        ("MIT", MIT.format(notice=NOTICE).replace('"', "``").replace("\n", "\r\n")),
        ("MIT-0", MIT.format(notice="")),
        ("JSON", MIT.format(notice=NOTICE + "The Software shall be used for Good, not Evil.\n")),
        (
            "X11",
            MIT.format(
                notice=NOTICE
                + "The name of A shall not be used in advertising or otherwise to promote the sale.\n"
            ),
        ),
        ("BSD-1-Clause", BSD.format(rest="")),
        ("BSD-2-Clause", BSD.format(rest=BINARY)),
        ("BSD-3-Clause", BSD.format(rest=BINARY + ENDORSE)),
        ("BSD-4-Clause", BSD.format(rest=BINARY + ADVERTISING + ENDORSE)),
        (
            "BSD-3-Clause-Clear",
            BSD.format(rest=BINARY + ENDORSE + "NO EXPRESS OR IMPLIED LICENSES TO ANY PARTY'S PATENT RIGHTS"),
        ),
        ("Apache-1.1", BSD.format(rest=BINARY + 'The names "Apache" must not be used.')),
        ("Apache-2.0", "      Apache License\n   Version 2.0, January 2004\n http://www.apache.org/licenses/"),
        (
            "Apache-2.0",
            'Licensed under the Apache License, Version 2.0 (the "License"); you may\nnot use it. '
            "You may obtain a copy of the License at",
        ),
        ("GPL-2.0", "GNU GENERAL PUBLIC LICENSE\n   Version 2, June 1991\n"),
        ("GPL-3.0", "   GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007\n GNU Affero General Public License"),
        ("LGPL-2.1", "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999"),
        ("LGPL-3.0", "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n"),
        ("AGPL-3.0", "GNU AFFERO GENERAL PUBLIC LICENSE\n  Version 3, 19 November 2007"),
        ("MPL-2.0", "Mozilla Public License Version 2.0\n====="),
        ("MPL-1.1", "MOZILLA PUBLIC LICENSE\nVersion 1.1"),
        ("EPL-1.0", "Eclipse Public License - v 1.0"),
        ("EPL-2.0", "Eclipse Public License - v 2.0"),
        ("CDDL-1.0", "COMMON DEVELOPMENT AND DISTRIBUTION LICENSE (CDDL) Version 1.0"),
        ("SSPL-1.0", "Server Side Public License\nVERSION 1, OCTOBER 16, 2018"),
        ("BUSL-1.1", "Business Source License 1.1"),
        ("ISC", ISC.format(distribute="/or", condition=", provided that the above copyright notice appear")),
        ("0BSD", ISC.format(distribute="/or", condition="")),
        ("Unlicense", "This is free and unencumbered software released into the public domain."),
        ("CC0-1.0", "CC0 1.0 Universal"),
        ("BSL-1.0", "Boost Software License - Version 1.0 - August 17th, 2003"),
        ("Zlib", "2. Altered source versions must be plainly marked as such"),
        ("Apache-2.0 AND MIT", MIT.format(notice=NOTICE) + "\nApache License\nVersion 2.0, January 2004\n"),
        ("GPL-2.0", MIT.format(notice=NOTICE) + "\nGNU GENERAL PUBLIC LICENSE\nVersion 2, June 1991\n"),
        (None, "“Commons Clause” License Condition\n" + MIT.format(notice=NOTICE)),
        (None, MIT.format(notice=NOTICE) + "\nFor non-commercial purposes only."),
        (None, "All rights reserved."),
        (None, "MIT"),
        (None, "Released under the BSD license."),
        (None, ""),
    ],
)  # fmt: skip
def test_knows_license_texts(spdx: str | None, text: str) -> None:
    assert license_of_text(text) == spdx


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("LICENSE", True),
        ("a/LICENCE.txt", True),
        ("license.md", True),
        ("LICENSE-MIT", True),
        ("LICENSE.APACHE2", True),
        ("MIT-LICENSE.txt", True),
        ("LICENSES/MIT.txt", False),
        ("COPYING", True),
        ("COPYING.LESSER", True),
        ("UNLICENSE", True),
        ("COPYRIGHT", True),
        ("license.py", False),
        ("license_texts.go", False),
        ("licensed.rb", False),
        ("licenses.json", False),
        ("LICENSE-3RD-PARTY.txt", False),
        ("LICENSE.third_party", False),
        ("license-header.txt", False),
        ("README", False),
    ],
)
def test_knows_the_license_of_a_folder_by_its_name(path: str, known: bool) -> None:
    assert is_license_name(path) == known


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"LICENSE": "MIT"}, "MIT"),
        ({"LICENSE-MIT": "MIT", "LICENSE-APACHE": "Apache-2.0"}, "Apache-2.0 OR MIT"),
        ({"LICENSE.MIT": "MIT", "LICENSE.GPL": "GPL-2.0"}, "GPL-2.0 OR MIT"),
        ({"LICENSE.md": "MIT", "LICENSE.txt": "GPL-2.0"}, "GPL-2.0 AND MIT"),
        ({"COPYING": "GPL-3.0", "COPYING.LESSER": "LGPL-3.0"}, "LGPL-3.0"),
        ({"LICENSE": "MIT", "COPYING": "GPL-2.0"}, "GPL-2.0 AND MIT"),
        ({"LICENSE-A": "Apache-2.0 AND MIT", "LICENSE-B": "GPL-2.0"}, "(Apache-2.0 AND MIT) OR GPL-2.0"),
        ({"LICENSE": "MIT", "COPYING": None}, None),
        ({}, None),
    ],
)
def test_joins_the_licenses_of_a_folder(found: dict[str, str | None], expected: str | None) -> None:
    assert combined_license(found) == expected


def test_keys_of_github_are_spdx_ids_in_lower_case() -> None:
    assert {key: spdx for key, spdx in SPDX_BY_GITHUB_KEY.items() if key != spdx.lower()} == {}


@pytest.mark.parametrize(
    "text",
    [" " * 1_000_000, "* " * 500_000, "#/*" * 400_000, "`\n" * 500_000, "*" * 1_000_000, "-" * 1_000_000],
)
def test_texts_of_any_kind_end(text: str) -> None:
    assert license_of_text(text) is None
