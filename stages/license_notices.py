"""Which lines of a comment are a copyright notice or a licence.

In: the lines of a comment without its marks. Out: the same lines, None for those that go, shorter ones where
a notice stood behind other words. A title, a description, an author or a date in the same comment stays: only
paragraphs that carry the words of a licence go, from the sentence where these begin, and lines that state a
copyright. The phrases are those of the licence texts (spdx.org/licenses) and of the headers they ask for; the
rule is ours.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

# A comment without any of these has no notice; all in lower case.
HINTS = (
    "copyright", "licen", "(c)", "©", "&copy;", "rights reserved", "permission", "redistribut", "public domain",
    "warrant", "spdx", "free software", "proprietary",
)  # fmt: skip

# Sentences of licences and of the headers they ask for, in lower case, with single blanks between words.
PHRASES = (
    "licensed under", "licensed to the", "relicensed", "dual licensed", "dual-licensed", "is licensed",
    "released under", "distributed under", "available under", "provided under the", "published under",
    "under the terms of", "under the same terms as", "subject to the terms", "are subject to the",
    "is subject to the", "covered by the", "governed by a", "governed by the", "use of this source code",
    "use of this code is", "use of this file is",
    "see the license", "see license", "see the file license", "see the licence", "see licence", "see copying",
    "see the copying", "see the file copying", "see accompanying", "see the accompanying", "see copyright notice",
    "see the copyright", "read the license", "license file", "licence file", "license terms", "license information",
    "full copyright and license", "full license",
    "you may not use this file", "you may obtain a copy", "unless required by applicable law", "limitations under",
    "apache.org/licenses", "contributor license agreements", "opensource.org/licenses", "gnu.org/licenses",
    "gnu.org/copyleft", "mozilla.org/mpl", "creativecommons.org/",
    "permission is hereby granted", "permission is granted to", "permission to use, copy", "permission to copy, use",
    "permission to use and", "permission notice", "the above copyright", "is furnished to do so",
    "redistribution and use", "redistributions of source", "redistributions in binary", "redistribution of source",
    "redistributed and", "may be copied, modified", "following conditions", "following disclaimer",
    "neither the name", "the name of the author may not", "endorse or promote", "all advertising materials",
    "software is provided", "source code is provided", "provided ``as is", "provided \"as is", "provided 'as is",
    "provided 'as-is", "provided “as is", "\"as is\"", "'as-is'", "as is without", "without warranty",
    "without warranties", "without any warranty", "no warranty", "disclaims all", "in no event shall",
    "in no event will", "express or implied",
    "is free software", "can redistribute it", "free to redistribute", "in the hope that it will be useful",
    "should have received a copy", "free software foundation", "gnu general public", "gnu lesser", "gnu library",
    "gnu affero", "merchantability",
    "this source code form", "the original code is", "initial developer of", "contents of this file are",
    "contents of this file may be used", "portions created by", "under the license is distributed",
    "accompanying materials", "secondary licenses",
    "must not be misrepresented", "plainly marked as such", "may not be removed",
    "all rights reserved", "rights are reserved", "some rights reserved", "rights reserved.",
    "distributed and/or modified", "project public license",
    "in the public domain", "into the public domain", "public domain.", "dedicated all copyright",
    "proprietary and confidential", "confidential and proprietary", "unauthorized copying", "unauthorised copying",
    "spdx-license-identifier", "spdx-filecopyrighttext", "copyright holder", "copyright owner",
    "retain the copyright", "copyright notice", "copyright (c)", "copyright ©", "this license", "the license.",
)  # fmt: skip

# Said of other things too: they count only where the comment has a copyright line or another of the phrases.
WEAK_PHRASES = frozenset(
    {
        "license file", "licence file", "license terms", "the license.", "this license", "public domain.",
        "redistributed and", "permission is granted to", "full license",
    }
)  # fmt: skip
STRONG_PHRASES = tuple(phrase for phrase in PHRASES if phrase not in WEAK_PHRASES)

COPYRIGHT_LINE = re.compile(
    r"\W*(?:portions |parts |some parts |modifications |code |original |[@\\])?"
    r"(?:copyrights?|copr\.|copyleft|\(c\)|©|&copy;)[\s:,]*"
    r"(?:\(c\)|©|&copy;|\{|\$|@|<|\[|(?:19|20)\d\d|by\b|(?-i:[A-Z])|the\b|notice\b|$)",
    re.IGNORECASE,
)
COPYRIGHT_BEHIND = re.compile(r"\bcopyright\s*(?:\(c\)|©|(?:19|20)\d\d)|\(c\)\s*(?:19|20)\d\d", re.IGNORECASE)
LICENSE_LINE = re.compile(
    r"\W*(?:[@\\]licen[cs]e\b"
    r"|(?:main |code )?(?:spdx-)?licen[cs]es?(?:-identifier)?\s*:"
    r"|licen[cs]ed?\W*$"
    r"|(?:the )?(?:mit|x11|isc|(?:new |modified |simplified )?bsd|apache|[al]?gpl|mpl|boost|zlib|epl|cc0|unlicense)\b"
    r"[\w .,()/:+-]{0,60}\blicen[cs]ed?\b[^a-z]{0,3}(?:$|https?:|\(|version|v?\d|,)"
    r"|all rights reserved|\[license\]|BEGIN LICENSE|END LICENSE)",
    re.IGNORECASE,
)
# Says nothing without the notice that it introduces, and goes with it only.
PART_OF_LINE = re.compile(
    r"\W*this (?:file|module|program|script|code|class) is (?:a )?part of .{1,80}", re.IGNORECASE
)
OTHER_TAG = re.compile(
    r"\s*(?:[@\\](?!licen[cs]e|copyright)\w"
    r"|(?:authors?|date|version|description|file|filename|module|package|created|changes|history|see also|notes?"
    r"|usage|name|purpose|summary|abstract|maintainers?|contact|homepage|website|project|url|todo)\s*:)",
    re.IGNORECASE,
)
# Lines that mean something to a program, whatever stands around them.
DIRECTIVE = re.compile(
    r"#!|#.*coding[:=]|//go:|//\s*\+build|//(?:line|export|nolint)|#\s*(?:type|pylint|flake8|noqa|mypy|ruff|isort|yapf"
    r"|frozen_string_literal|encoding|warn_indent|shellcheck|syntax|escape|cython|distutils|cloud-config)\s*[:=]"
    r"|#\s*-\*-|#\s*(?:vi|vim|ex):|#compdef|#autoload|//\s*(?:@flow|@ts-|eslint|tslint|jshint|jslint|globals?\b|<reference)"
    r"|/\*\s*(?:eslint|jshint|jslint|globals?\b)|/\*+\s*@jsx|;;?;?.*-\*-|//.*-\*-|/\*.*-\*-|%.*!tex|%&",
    re.IGNORECASE,
)
_WRAPPED_CHARACTERS = 40  # a line at least that long that ends without a full stop goes on in the next one
_SENTENCE_END = re.compile(r"[.:;!?][\s\"')]*$")
_MAIL_AT_END = re.compile(r"<[^<>]{3,80}>[.,;]?\s*$|\S@\S+[.,;]?\s*$")
_GOES_ON = re.compile(r"(?:,|\band|&|\bby|\bthe|-)\s*$", re.IGNORECASE)
_WORD = re.compile(r"\w")
_LONG_WORD = re.compile(r"[^\W\d_]{3}")


def has_hint(text: str) -> bool:
    """Whether any word of a notice is in the text; most texts have none, and are done with."""
    lowered = text.lower()
    return any(hint in lowered for hint in HINTS)


def without_notices(lines: Sequence[str], directives: Sequence[bool]) -> list[str | None]:
    """The lines of one comment (marks taken off, indentation left), with None in place of those that go.

    `directives` marks lines that stay whatever they say. Time is linear in the characters.
    """
    kept: list[str | None] = list(lines)
    whole = " ".join(lines).lower()
    licensed = "copyright" in whole or "licen" in whole
    flat = " ".join(whole.split())
    certain = any(map(flat.__contains__, STRONG_PHRASES)) or any(map(COPYRIGHT_LINE.match, lines))
    phrases = PHRASES if certain else STRONG_PHRASES
    first = 0
    while first < len(lines):
        if directives[first] or not _WORD.search(lines[first]):
            first += 1
            continue
        last = first
        while last < len(lines) and not directives[last] and _WORD.search(lines[last]):
            last += 1
        _cut_paragraph(lines, kept, first, last, licensed, phrases)
        first = last
    if None in kept:
        kept = [None if line is not None and PART_OF_LINE.fullmatch(line) else line for line in kept]
    return kept


def _cut_paragraph(
    lines: Sequence[str],
    kept: list[str | None],
    first: int,
    last: int,
    licensed: bool,
    sought: Sequence[str],
) -> None:
    phrases = _phrases(lines[first:last], sought)
    number = first
    while number < last:
        line = lines[number]
        if _is_copyright(line, licensed):
            number = _cut_copyright(lines, kept, number, last)
        elif LICENSE_LINE.match(line):
            kept[number] = None
            number += 1
            while number < last and not OTHER_TAG.match(lines[number]) and _goes_on(lines, number):
                kept[number] = None
                number += 1
        elif (behind := COPYRIGHT_BEHIND.search(line)) and (
            number - first not in phrases
            or phrases[number - first] >= len(" ".join(line[: behind.start()].split()))
        ):
            kept[number] = line[: behind.start()].rstrip(" \t-,;:|(") or None
            number += 1
        elif number - first in phrases:
            number = _cut_licence(lines, kept, first, number, last, phrases[number - first])
        else:
            number += 1


def _phrases(lines: Sequence[str], sought: Sequence[str]) -> dict[int, int]:
    """The lines in which a phrase of a licence begins, and where in the line (with single blanks) the first
    does.
    """
    parts = [" ".join(line.lower().split()) for line in lines]
    joined = " ".join(parts)
    starts = list(accumulate((len(part) + 1 for part in parts), initial=0))
    found: dict[int, int] = {}
    for at in sorted(at for phrase in sought if (at := joined.find(phrase)) >= 0):
        line = bisect_right(starts, at) - 1
        found.setdefault(line, at - starts[line])
    return found


def _is_copyright(line: str, licensed: bool) -> bool:
    found = COPYRIGHT_LINE.match(line)
    if not found:
        return False
    # `(c)` may number an item of a list: without a year it counts only beside other words of a notice.
    return "copy" in found[0].lower() or "©" in found[0] or found[0][-4:].isdigit() or licensed


def _cut_copyright(lines: Sequence[str], kept: list[str | None], number: int, last: int) -> int:
    indent = _indent(lines[number])
    kept[number] = None
    number += 1
    while number < last and not OTHER_TAG.match(lines[number]):
        before, line = lines[number - 1], lines[number]
        if not (_indent(line) > indent or _GOES_ON.search(before) or _MAIL_AT_END.search(line)):
            break
        kept[number] = None
        number += 1
    return number


def _cut_licence(
    lines: Sequence[str], kept: list[str | None], first: int, number: int, last: int, at: int
) -> int:
    """Cuts from the sentence that begins a licence to the paragraph's end or the next tag."""
    line = lines[number]
    stripped = " ".join(line.split())
    sentence = max(stripped.rfind(end, 0, max(at, 0)) for end in (". ", "! ", "? ", ": "))
    if sentence > 0 and _LONG_WORD.search(stripped, 0, sentence):
        kept[number] = line[: len(line) - len(line.lstrip())] + stripped[: sentence + 1]
    else:
        kept[number] = None
        begin = number
        while begin > first and _goes_on(lines, begin) and not OTHER_TAG.match(lines[begin - 1]):
            begin -= 1
            if kept[begin] is None:
                break
            kept[begin] = None
    number += 1
    while number < last and not OTHER_TAG.match(lines[number]):
        kept[number] = None
        number += 1
    return number


def _goes_on(lines: Sequence[str], number: int) -> bool:
    """Whether a line goes on from the one before: that is wrapped, and this does not begin like a sentence."""
    before, line = lines[number - 1].strip(), lines[number].lstrip()
    return len(before) >= _WRAPPED_CHARACTERS and not _SENTENCE_END.search(before) and not line[:1].isupper()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
