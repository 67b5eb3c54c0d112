"""Which code may be kept by its licence.

In: one file of a repository, `license` being the SPDX expression of the repository (or of the nearest folder
with a licence file). Out: the file, or a rejection. LLaMA kept "projects that are distributed under the
Apache, BSD and MIT licenses" (Touvron et al. 2023, section 2.1); what a file's own header says outweighs that
where it says less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stages.code_comments import MAX_HEADER_CHARACTERS, MAX_HEADER_COMMENTS, leading_comments, syntax_of
from stages.document import Document, Rejected
from stages.spdx import is_met

# The licences of those three families that BigQuery's table knows. BSD-4-Clause asks for credit in advertising, and
# BSD-3-Clause-Clear withholds patents: neither is in the table, and neither passes.
PERMISSIVE_LICENSES = ("MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0")
# With the variants that ask for less (spdx.org/licenses).
PERMISSIVE_FAMILIES = (*PERMISSIVE_LICENSES, "MIT-0", "0BSD", "BSD-1-Clause")

# How headers name their licence, with single blanks between the words.
RESTRICTIVE_NAMES = re.compile(
    r"(?P<AGPL>\bAGPL|\b(?i:affero (?:gpl|general public)))"
    r"|(?P<LGPL>\bLGPL|\b(?i:(?:lesser|library) (?:gpl|general public)))"
    r"|(?P<GPL>\bGPL|\b(?i:general public licen[cs]e))"
    r"|(?P<MPL>\bMPL v?\d|\bMPLv\d|\b(?i:mozilla public licen[cs]e))"
    r"|(?P<EPL>\bEPL v?\d|\bEPLv\d|\b(?i:eclipse public licen[cs]e))"
    r"|(?P<CDDL>\bCDDL\b|\b(?i:common development and distribution licen[cs]e))"
    r"|(?P<EUPL>\bEUPL\b)|(?P<SSPL>\bSSPL\b|\b(?i:server side public licen[cs]e))"
    r"|(?P<BUSL>\b(?i:business source licen[cs]e))"
    r"|(?P<CC_BY_SA>\b(?i:cc by (?:nc |sa|nd)))"
    r"|(?P<proprietary>\b(?i:proprietary and confidential|confidential and proprietary"
    r"|unauthori[sz]ed copying of this file))"
)
PERMISSIVE_NAMES = re.compile(
    r"\bMIT\b|\b(?i:bsd|apache|permission is hereby granted free of charge|redistribution and use in source)"
)
SPDX_LINE = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n]{1,300})")
_COMMENT_END = re.compile(r"\*/|-->|\*\)|-\}|#\}|#>|\]\]|\"\"\"")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class KeepPermissiveLicense:
    """Keeps code under the given licences. Reasons: `license_unknown`, `license_not_permissive`.

    Of `A OR B` one has to be permissive, of `A AND B` both. What the comments before all code say outweighs
    the repository: an `SPDX-License-Identifier` there is the file's licence, and the document's from then on;
    without one, the first comment that names a licence decides, when it names a copyleft or proprietary one
    and no permissive one.
    """

    licenses: tuple[str, ...] = PERMISSIVE_LICENSES  # LLaMA section 2.1: Apache, BSD and MIT
    # LLaMA keeps projects by their licence: a file of another project does not come in by its own SPDX line.
    file_may_grant: bool = False
    max_header_characters: int = MAX_HEADER_CHARACTERS  # as for RemoveLicenseHeader
    max_header_comments: int = MAX_HEADER_COMMENTS  # same

    def __post_init__(self) -> None:
        if not self.licenses:
            raise ValueError("licenses is empty, so nothing would be kept; name at least one")

    def __call__(self, document: Document) -> Document | Rejected:
        comments = list(self._comments(document))
        stated = _stated_license(comments)
        granted = stated is not None and self.file_may_grant
        if document.license is None and not granted:
            return Rejected(document, "license_unknown")
        if not granted and not is_met(document.license or "", self.licenses):
            return Rejected(document, "license_not_permissive", detail=document.license or "")
        if stated is not None:
            if not is_met(stated, self.licenses):
                return Rejected(document, "license_not_permissive", detail=f"its header says {stated}")
            return document if stated == document.license else replace(document, license=stated)
        names = _restrictive_names(comments)
        if names and not any(wanted.startswith(name) for name in names for wanted in self.licenses):
            name = names[0].replace("_", "-")
            return Rejected(document, "license_not_permissive", detail=f"its header names the {name}")
        return document

    def _comments(self, document: Document) -> Iterator[str]:
        syntax = syntax_of(document.metadata.get("path", ""))
        if syntax is None:
            return
        head = document.text[: self.max_header_characters]
        for comment in leading_comments(head, syntax, self.max_header_characters, self.max_header_comments):
            yield head[comment.start : comment.end]


def _stated_license(comments: list[str]) -> str | None:
    """The expression of the SPDX lines, which hold together when there are several (REUSE specification 3.0)."""
    found = [
        _COMMENT_END.split(match[1])[0].strip(" \t.;,*#-")
        for comment in comments
        for match in SPDX_LINE.finditer(comment)
    ]
    distinct = list(dict.fromkeys(expression for expression in found if expression))
    if len(distinct) > 1:
        return " AND ".join(f"({expression})" if " " in expression else expression for expression in distinct)
    return distinct[0] if distinct else None


def _restrictive_names(comments: list[str]) -> list[str]:
    """The copyleft licences that the header names, in its order; none when it names a permissive one too."""
    for comment in comments:
        words = " ".join(_WORD.findall(comment))  # a name may run over two lines
        if PERMISSIVE_NAMES.search(words):
            return []
        if names := [match.lastgroup or "" for match in RESTRICTIVE_NAMES.finditer(words)]:
            return names
    return []
