"""The SPDX id of a licence text, by phrases that only it has, and of GitHub's licence keys.

In: the text of a LICENSE or COPYING file, or a key such as `apache-2.0`. Out: an SPDX expression, or None
when unknown, which is never read as permissive. Phrases are those of the licence texts themselves
(spdx.org/licenses). A text that takes back what a licence gives (the Commons Clause) or that adds a condition
is another licence, or unknown.
"""

from __future__ import annotations

import posixpath
import re

# GitHub's licence keys (api.github.com/licenses) as in the BigQuery table `licenses`.
SPDX_BY_GITHUB_KEY = {
    "0bsd": "0BSD",
    "afl-3.0": "AFL-3.0",
    "agpl-3.0": "AGPL-3.0",
    "apache-2.0": "Apache-2.0",
    "artistic-1.0": "Artistic-1.0",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-3-clause-clear": "BSD-3-Clause-Clear",
    "bsd-4-clause": "BSD-4-Clause",
    "bsl-1.0": "BSL-1.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc0-1.0": "CC0-1.0",
    "epl-1.0": "EPL-1.0",
    "epl-2.0": "EPL-2.0",
    "eupl-1.2": "EUPL-1.2",
    "gpl-2.0": "GPL-2.0",
    "gpl-3.0": "GPL-3.0",
    "isc": "ISC",
    "lgpl-2.1": "LGPL-2.1",
    "lgpl-3.0": "LGPL-3.0",
    "mit": "MIT",
    "mit-0": "MIT-0",
    "mpl-2.0": "MPL-2.0",
    "ms-pl": "MS-PL",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
    "zlib": "Zlib",
}

_BSD = "redistribution and use in source and binary forms"
_BSD_LISTED = "redistributions in binary form must"
_MIT = "permission is hereby granted, free of charge"
_MIT_NOTICE = "permission notice shall be included"
_AS_IS = "as is"
_ISC = ("permission to use, copy, modify, and", "for any purpose with or without fee")

# Tried in order; all phrases of a line have to be there, in text in lower case with single blanks. These licences ask
# for more than credit: one of them decides, whatever else the file holds.
RESTRICTIVE: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Title and version side by side: the GNU licences name each other.
    ("AGPL-3.0", ("gnu affero general public license version 3, 19 november 2007",)),
    ("LGPL-3.0", ("gnu lesser general public license version 3, 29 june 2007",)),
    ("LGPL-2.1", ("gnu lesser general public license version 2.1, february 1999",)),
    ("LGPL-2.0", ("gnu library general public license version 2, june 1991",)),
    ("GPL-3.0", ("gnu general public license version 3, 29 june 2007",)),
    ("GPL-2.0", ("gnu general public license version 2, june 1991",)),
    ("GPL-1.0", ("gnu general public license version 1, february 1989",)),
    ("MPL-2.0", ("mozilla public license version 2.0",)),
    ("MPL-2.0", ("mozilla public license, version 2.0",)),
    ("MPL-1.1", ("mozilla public license version 1.1",)),
    ("EPL-2.0", ("eclipse public license - v 2.0",)),
    ("EPL-1.0", ("eclipse public license - v 1.0",)),
    ("CDDL-1.0", ("common development and distribution license", "version 1.0")),
    ("EUPL-1.2", ("european union public licence", "1.2")),
    ("SSPL-1.0", ("server side public license version 1",)),
    ("BUSL-1.1", ("business source license 1.1",)),
    ("Elastic-2.0", ("elastic license 2.0",)),
    ("OSL-3.0", ("open software license", "3.0")),
    ("Artistic-2.0", ("the artistic license 2.0",)),
    ("Artistic-1.0", ("artistic license", "standard version")),
    ("JSON", (_MIT, "shall be used for good, not evil")),
    ("X11", (_MIT, _MIT_NOTICE, "shall not be used in advertising or otherwise to promote")),
    ("BSD-4-Clause", (_BSD, "all advertising materials mentioning features")),
    ("BSD-3-Clause-Clear", (_BSD, "no express or implied licenses to any party's patent rights")),
    ("Apache-1.1", ("the apache software license, version 1.1",)),
    ("Apache-1.1", (_BSD, 'the names "apache')),
    ("CC-BY-NC", ("creative commons", "noncommercial")),
    ("CC-BY-SA-4.0", ("attribution-sharealike 4.0 international",)),
)
# The others can stand together in one file: each of these groups gives at most one.
PERMISSIVE: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...] = (
    (
        ("Apache-2.0", ("apache license version 2.0, january 2004",)),
        ("Apache-2.0", ("licensed under the apache license, version 2.0", "you may obtain a copy of the license")),
    ),
    (
        ("BSD-3-Clause", (_BSD, _BSD_LISTED, "endorse or promote products")),
        ("BSD-2-Clause", (_BSD, _BSD_LISTED)),
        ("BSD-1-Clause", (_BSD, "redistributions of source code must")),
    ),
    (
        ("MIT", (_MIT, _MIT_NOTICE, _AS_IS)),
        ("MIT-0", (_MIT, "to deal in the software without restriction", _AS_IS)),
    ),
    (
        ("ISC", (*_ISC, "provided that the above")),
        ("0BSD", _ISC),
    ),
    (("CC0-1.0", ("cc0 1.0 universal",)),),
    (("Unlicense", ("this is free and unencumbered software released into the public domain",)),),
    (("BSL-1.0", ("boost software license - version 1.0",)),),
    (("Zlib", ("altered source versions must be plainly marked as such",)),),
    (("WTFPL", ("do what the fuck you want to public license",)),),
    (("PSF-2.0", ("python software foundation license version 2",)),),
    (("CC-BY-4.0", ("creative commons attribution 4.0 international",)),),
)  # fmt: skip
# What takes back part of the licence it stands beside; what is left has no name.
TAKEN_BACK = (
    "commons clause",
    "non-commercial use only",
    "noncommercial use only",
    "for non-commercial purposes only",
    "additional use grant",
    "may not be used for commercial",
)

_SHORT = r"(?:mit|x11|isc|bsd|apache|a?gpl|lgpl|mpl|epl|zlib|boost|cc0|unlicense)[\w.]*"
LICENSE_NAME = re.compile(
    rf"(?:{_SHORT}[-_.])?(?:un)?licen[cs]es?(?:[-_.][\w.+-]+)?|copying(?:[-_.][\w.+-]+)?|copyright",
    re.IGNORECASE,
)
TEXT_SUFFIXES = frozenset({"", ".md", ".markdown", ".txt", ".rst", ".adoc", ".html"})
_LICENSE_SUFFIX = re.compile(rf"\.(?:{_SHORT}|lesser|lib|v?[\d.]+)", re.IGNORECASE)
_OF_OTHERS = re.compile(r"third|3rd|vendor|header|template|dependenc|bundled", re.IGNORECASE)
_CHOICE_NAME = re.compile(
    r"(?:un)?licen[cs]e[-_.](?!md$|txt$|rst$|html$|adoc$|markdown$)[a-z]", re.IGNORECASE
)
_MARKS = str.maketrans(dict.fromkeys("*#\"'“”‘’`_<>;|%!", " "))
MAX_LICENSE_CHARACTERS = 100_000  # the GPL has 35,000


def is_license_name(path: str) -> bool:
    """Whether a file is named like the licence of its folder: LICENSE, LICENCE.txt, LICENSE-MIT, MIT-LICENSE,
    COPYING.

    Sources (`license.py`), lists of other people's licences (LICENSE-3RD-PARTY) and templates are not.
    """
    name = posixpath.basename(path)
    suffix = posixpath.splitext(name)[1].lower()
    return (
        LICENSE_NAME.fullmatch(name) is not None
        and (suffix in TEXT_SUFFIXES or _LICENSE_SUFFIX.fullmatch(suffix) is not None)
        and not _OF_OTHERS.search(name)
    )


def license_of_text(text: str) -> str | None:
    """The SPDX expression of a licence text, None when no known text is in it or a condition takes part of it
    back.
    """
    plain = _plain(text[:MAX_LICENSE_CHARACTERS])
    if any(_plain(phrase) in plain for phrase in TAKEN_BACK):
        return None
    for spdx, phrases in RESTRICTIVE:
        if all(_plain(phrase) in plain for phrase in phrases):
            return spdx
    found = []
    for group in PERMISSIVE:
        for spdx, phrases in group:
            if all(_plain(phrase) in plain for phrase in phrases):
                found.append(spdx)
                break
    return " AND ".join(sorted(found)) or None


def _plain(text: str) -> str:
    """The text in lower case with single blanks, without marks of comments, quotes and lists."""
    words = text.lower().translate(_MARKS).split()
    return " ".join(word for word in words if word.strip("-/=."))


def combined_license(found: dict[str, str | None]) -> str | None:
    """One SPDX expression for the licence files of a folder (name -> expression).

    `LICENSE-MIT` beside `LICENSE-APACHE` offers a choice, as Rust projects do, and is joined by OR; other
    sets hold all at once and are joined by AND. COPYING with COPYING.LESSER is the LGPL, whose text leans on
    the GPL's. A file that is not recognised makes the whole unknown.
    """
    ids = sorted({spdx for spdx in found.values() if spdx is not None})
    if not ids or None in found.values():
        return None
    if len(ids) > 1 and any(i.startswith("LGPL") for i in ids):
        ids = [i for i in ids if not i.startswith("GPL")]
    choice = all(_CHOICE_NAME.match(posixpath.basename(name)) for name in found)
    if len(ids) > 1:
        ids = [f"({i})" if " " in i else i for i in ids]
    return (" OR " if choice else " AND ").join(ids)
