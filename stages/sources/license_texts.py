"""The SPDX id of a licence text, by phrases that only it has, and of GitHub's licence keys.

In: the text of a LICENSE or COPYING file, or a key such as `apache-2.0`. Out: an SPDX id, or None when
unknown, which is never read as permissive. Phrases are those of the licence texts themselves
(spdx.org/licenses).
"""

from __future__ import annotations

import posixpath
import re

# GitHub's licence keys (api.github.com/licenses) as in the BigQuery table `licenses`.
SPDX_BY_GITHUB_KEY = {
    "agpl-3.0": "AGPL-3.0",
    "apache-2.0": "Apache-2.0",
    "artistic-1.0": "Artistic-1.0",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "cc0-1.0": "CC0-1.0",
    "epl-1.0": "EPL-1.0",
    "epl-2.0": "EPL-2.0",
    "gpl-2.0": "GPL-2.0",
    "gpl-3.0": "GPL-3.0",
    "isc": "ISC",
    "lgpl-2.1": "LGPL-2.1",
    "lgpl-3.0": "LGPL-3.0",
    "mit": "MIT",
    "mpl-2.0": "MPL-2.0",
    "unlicense": "Unlicense",
}

# Tried in order; all phrases of a line have to be there, in text in lower case with single blanks.
TEXTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Title and version side by side: the GNU licences name each other.
    ("AGPL-3.0", ("gnu affero general public license version 3, 19 november 2007",)),
    ("LGPL-3.0", ("gnu lesser general public license version 3, 29 june 2007",)),
    ("LGPL-2.1", ("gnu lesser general public license version 2.1, february 1999",)),
    ("LGPL-2.0", ("gnu library general public license version 2, june 1991",)),
    ("GPL-3.0", ("gnu general public license version 3, 29 june 2007",)),
    ("GPL-2.0", ("gnu general public license version 2, june 1991",)),
    ("MPL-2.0", ("mozilla public license version 2.0",)),
    ("MPL-2.0", ("mozilla public license, version 2.0",)),
    ("EPL-2.0", ("eclipse public license - v 2.0",)),
    ("EPL-1.0", ("eclipse public license - v 1.0",)),
    ("Artistic-2.0", ("the artistic license 2.0",)),
    ("Artistic-1.0", ("artistic license", "standard version")),
    ("Apache-2.0", ("apache license version 2.0, january 2004",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    (
        "BSD-4-Clause",
        (
            "redistribution and use in source and binary forms",
            "all advertising materials mentioning features",
        ),
    ),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "endorse or promote products")),
    (
        "BSD-2-Clause",
        ("redistribution and use in source and binary forms", "redistributions in binary form must"),
    ),
    ("MIT", ("permission is hereby granted, free of charge", "the software is provided", "as is")),
    (
        "ISC",
        (
            "permission to use, copy, modify, and",
            "distribute this software for any purpose with or without fee",
        ),
    ),
)

LICENSE_NAME = re.compile(r"(?:un)?licen[cs]e|copying", re.IGNORECASE)
NOT_A_WORD = re.compile(r"[\s*#/\"'“”`_>;-]*\s[\s*#/\"'“”`_>;]*")
MAX_LICENSE_CHARACTERS = 100_000  # the GPL has 35,000


def is_license_name(path: str) -> bool:
    """Whether a file is named like a licence: LICENSE, LICENCE.txt, LICENSE-MIT, COPYING, COPYING.LESSER."""
    return LICENSE_NAME.match(posixpath.basename(path)) is not None and not path.endswith(
        (".py", ".go", ".js", ".c")
    )


def license_of_text(text: str) -> str | None:
    """The SPDX id of a licence text, None when no known text is in it."""
    plain = NOT_A_WORD.sub(" ", text[:MAX_LICENSE_CHARACTERS].lower())
    for spdx, phrases in TEXTS:
        if all(phrase in plain for phrase in phrases):
            return spdx
    return None


def combined_license(found: dict[str, str | None]) -> str | None:
    """One SPDX expression for the licence files of a folder (name -> id).

    `LICENSE-MIT` beside `LICENSE-APACHE` offers a choice, as Rust projects do, and is joined by OR; other
    sets hold all at once and are joined by AND. COPYING with COPYING.LESSER is the LGPL, whose text leans on
    the GPL's. A file that is not recognised makes the whole unknown.
    """
    ids = sorted({spdx for spdx in found.values() if spdx is not None})
    if not ids or None in found.values():
        return None
    if len(ids) > 1 and any(i.startswith("LGPL") for i in ids):
        ids = [i for i in ids if not i.startswith("GPL")]
    choice = all(re.match(r"(?:un)?licen[cs]e[-_.][a-z]", posixpath.basename(name), re.I) for name in found)
    return (" OR " if choice else " AND ").join(ids)
