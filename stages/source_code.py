"""What is kept of source code, and what is cut from it.

In: one file of a repository (`metadata["path"]` names it, `license` is the repository's SPDX id). Out: the
file, or a rejection. LLaMA kept "projects that are distributed under the Apache, BSD and MIT licenses",
dropped low-quality files "based on the line length or proportion of alphanumeric characters" and removed
"boilerplate, such as headers, with regular expressions" (Touvron et al. 2023, section 2.1) without its
numbers; those here are RedPajama v1's (`data_prep/github`, branch rp_v1), whose header rule is not followed:
it deletes includes, shebangs and titles.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from stages.document import Document, Rejected

PERMISSIVE_LICENSES = ("MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0")

# RedPajama v1's white list; a name without a dot there is also a suffix, as in `api.dockerfile`.
_SOURCE_SUFFIXES = """
.asm .bat .cmd .c .h .cs .cpp .hpp .c++ .h++ .cc .hh .C .H .cmake .css .dockerfile .f90 .f .f03 .f08
.f77 .f95 .for .fpp .go .hs .html .java .js .jl .lua .md .markdown .php .php3 .php4 .php5 .phps
.phpt .pl .pm .pod .perl .ps1 .psd1 .psm1 .py .rb .rs .sql .scala .sh .bash .command .zsh .ts .tsx
.tex .vb .xml .rst .m .smali
"""
SOURCE_SUFFIXES = frozenset(_SOURCE_SUFFIXES.split())
SOURCE_NAMES = frozenset({"Dockerfile", "Makefile"})
LICENSE_FILE = re.compile(r"(?:un)?licen[cs]e|copying|copyright|notice", re.IGNORECASE)


def file_suffix(path: str) -> str:
    return posixpath.splitext(path)[1]


def is_source_file(path: str) -> bool:
    """Whether RedPajama v1's white list has the file's name or suffix (case counts, as there)."""
    name = posixpath.basename(path)
    return (
        file_suffix(name) in SOURCE_SUFFIXES or name in SOURCE_NAMES or file_suffix(name)[1:] in SOURCE_NAMES
    )


# How headers name their licence, with single blanks between the words.
COPYLEFT_NAMES = re.compile(
    r"(?P<AGPL>\bAGPL|\b(?i:affero (?:gpl|general public)))"
    r"|(?P<LGPL>\bLGPL|\b(?i:(?:lesser|library) (?:gpl|general public)))"
    r"|(?P<GPL>\bGPL|\b(?i:general public licen[cs]e))"
    r"|(?P<MPL>\bMPL v?\d|\bMPLv\d|\b(?i:mozilla public licen[cs]e))"
    r"|(?P<EPL>\bEPL v?\d|\bEPLv\d|\b(?i:eclipse public licen[cs]e))"
)
PERMISSIVE_NAMES = re.compile(
    r"\bMIT\b|\b(?i:bsd|apache|permission is hereby granted free of charge|redistribution and use in source)"
)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class KeepPermissiveLicense:
    """Keeps code under the given licences. Reasons: `license_unknown`, `license_not_permissive`.

    Of `A OR B` one has to be permissive, of `A AND B` both. What a file itself says outweighs the repository: when
    the first comment that names a licence, before all code, names a copyleft one and no permissive one, the file
    is under that.
    """

    licenses: tuple[str, ...] = PERMISSIVE_LICENSES  # LLaMA section 2.1: Apache, BSD and MIT
    max_header_characters: int = 20_000  # ours: as for RemoveLicenseHeader
    max_header_comments: int = 6  # same

    def __call__(self, document: Document) -> Document | Rejected:
        if document.license is None:
            return Rejected(document, "license_unknown")
        alternatives = document.license.split(" OR ")
        if not any(all(part in self.licenses for part in choice.split(" AND ")) for choice in alternatives):
            return Rejected(document, "license_not_permissive", detail=document.license)
        names = self._copyleft_names(document.text, document.metadata.get("path", ""))
        if names and not any(wanted.startswith(name) for name in names for wanted in self.licenses):
            return Rejected(document, "license_not_permissive", detail=f"its header names the {names[0]}")
        return document

    def _copyleft_names(self, text: str, path: str) -> list[str]:
        """The copyleft licences that the header names, in its order; none when it names a permissive one too."""
        for comment in _header(text[: self.max_header_characters], path, self.max_header_comments):
            words = " ".join(_WORD.findall(comment))  # a name may run over two lines
            if PERMISSIVE_NAMES.search(words):
                return []
            if names := [match.lastgroup or "" for match in COPYLEFT_NAMES.finditer(words)]:
                return names
        return []


@dataclass(frozen=True)
class KeepSourceFile:
    """Keeps files of the white list that are no licence texts. Reasons: `no_path`, `license_file`,
    `file_type`.
    """

    suffixes: frozenset[str] = SOURCE_SUFFIXES  # RedPajama v1, github_run_filter.py
    names: frozenset[str] = SOURCE_NAMES  # same

    def __call__(self, document: Document) -> Document | Rejected:
        path = document.metadata.get("path", "")
        if not path:
            return Rejected(document, "no_path")
        name = posixpath.basename(path)
        stem, suffix = posixpath.splitext(name)
        # RedPajama v1 skips only `LICENSE` at the root; these texts are the same in every project.
        if LICENSE_FILE.fullmatch(stem) and suffix.lower() in ("", ".md", ".txt", ".rst", ".html"):
            return Rejected(document, "license_file", detail=path)
        if suffix in self.suffixes or name in self.names or suffix[1:] in self.names:
            return document
        return Rejected(document, "file_type", detail=path)


@dataclass(frozen=True)
class KeepReadableCode:
    """Drops minified code, data and dumps by line length and share of letters and digits.

    Reasons: `no_text`, `line_too_long`, `mean_line_too_long`, `few_alphanumerics`. Scores:
    `code_max_line_characters`, `code_mean_line_characters` (line ends counted, as in RedPajama v1),
    `code_alphanumeric_fraction` (of all characters).
    """

    max_line_characters: int = 1_000  # RedPajama v1, github_run_filter.py
    max_mean_line_characters: float = 100.0  # same
    min_alphanumeric_fraction: float = 0.25  # same

    def __call__(self, document: Document) -> Document | Rejected:
        text = document.text
        if not text.strip():
            return Rejected(document, "no_text")
        lines = text.removesuffix("\n").split("\n")
        longest = max(map(len, lines))
        mean = len(text) / len(lines)
        alphanumeric = sum(map(str.isalnum, text)) / len(text)
        document = document.with_scores(
            code_max_line_characters=float(longest),
            code_mean_line_characters=mean,
            code_alphanumeric_fraction=alphanumeric,
        )
        if longest > self.max_line_characters:
            return Rejected(document, "line_too_long", float(longest))
        if mean > self.max_mean_line_characters:
            return Rejected(document, "mean_line_too_long", mean)
        if alphanumeric < self.min_alphanumeric_fraction:
            return Rejected(document, "few_alphanumerics", alphanumeric)
        return document


C_LIKE = (
    ".c .h .cs .cpp .hpp .c++ .h++ .cc .hh .C .H .go .java .js .jsx .rs .scala .ts .tsx .m .mm .swift .kt"
)
PHP = ".php .php3 .php4 .php5 .phps .phpt"
HASH = ".py .rb .sh .bash .command .zsh .pl .pm .perl .cmake .jl .ps1 .psd1 .psm1 .smali .yml .yaml .toml"
# Suffix, or the whole name of a file without one -> how its comments begin (and end).
LINE_MARKS = {
    **dict.fromkeys(C_LIKE.split(), ("//",)),
    **dict.fromkeys(PHP.split(), ("//", "#")),
    **dict.fromkeys([*HASH.split(), ".dockerfile", "Dockerfile", "Makefile"], ("#",)),
    **dict.fromkeys((".sql", ".lua", ".hs"), ("--",)),
    **dict.fromkeys((".f90", ".f95", ".f03", ".f08"), ("!",)),
    ".m": ("//", "%"),
    ".tex": ("%",),
    ".asm": (";",),
    ".vb": ("'",),
}
BLOCK_MARKS = {
    **dict.fromkeys([*C_LIKE.split(), *PHP.split(), ".css", ".sql", ".asm"], (("/*", "*/"),)),
    **dict.fromkeys((".html", ".xml", ".md", ".markdown"), (("<!--", "-->"),)),
    **dict.fromkeys((".ps1", ".psd1", ".psm1"), (("<#", "#>"),)),
    ".hs": (("{-", "-}"),),
    ".lua": (("--[[", "]]"),),
}
DOCSTRING_MARKS = (('"""', '"""'), ("'''", "'''"))  # no comment, but licences stand there too

# Lines that mean something to a program, whatever stands around them.
DIRECTIVE = re.compile(
    r"#!|#.*coding[:=]|//go:|// ?\+build|# ?(?:type|pylint|flake8|noqa|mypy|frozen_string_literal)"
    r"|//\s*(?:@flow|@ts-|eslint|nolint)|<\?|<!doctype|['\"]use strict['\"]|\{-#|#\s*(?:syntax|escape)=|# -\*-"
    r"|@echo",
    re.IGNORECASE,
)
LICENSE_WORDS = re.compile(
    r"copyright|\(c\)\s*(?:19|20)\d\d|©|spdx-license-identifier|all rights reserved"
    r"|permission is hereby granted|redistribution and use|licensed under|under the terms of"
    r"|released under|\bpublic domain\b"
    r"|see (?:the )?(?:file )?(?:licen[cs]e|copying)|use of this source code",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class RemoveLicenseHeader:
    """Cuts comments about copyright or licence from the top of a file; nothing else is ever touched.

    Only comments in the file's own language that stand before all code count: `#` is no comment in C and no
    comment in Markdown. Shebangs, coding lines, Go build constraints, pragmas and `<?php` stay, and the
    comments after them are looked at. Reason: `no_text` when the header was all there was.
    """

    max_header_characters: int = 20_000  # ours: the Apache licence in full has 11,000
    max_header_comments: int = 6  # ours: copyright, licence and acknowledgements may stand apart

    def __call__(self, document: Document) -> Document | Rejected:
        text = self._without_header(document.text, document.metadata.get("path", ""))
        if not text.strip():
            return Rejected(document, "no_text")
        return document if text == document.text else document.with_text(text)

    def _without_header(self, text: str, path: str) -> str:
        kind = file_suffix(path) or posixpath.basename(path)
        line_marks, block_marks = LINE_MARKS.get(kind, ()), BLOCK_MARKS.get(kind, ())
        kept: list[str] = []
        position = 0
        for _ in range(self.max_header_comments):
            blank = position
            while (line := _line(text, position)) and (not line.strip() or DIRECTIVE.match(line.lstrip())):
                position += len(line)
            end = _comment_end(text, position, line_marks, block_marks)
            if end is None or end - position > self.max_header_characters:
                position = blank
                break
            comment = text[position:end]
            if not LICENSE_WORDS.search(comment):
                position = blank
                break
            kept.append(text[blank:position])
            lines = comment.splitlines(keepends=True)
            kept.extend(line for line in lines if DIRECTIVE.match(line.lstrip()))
            position = end
            while (line := _line(text, position)) and not line.strip():
                position += len(line)
        return "".join(kept).lstrip("\n") + text[position:] if position else text


def _line(text: str, position: int) -> str:
    end = text.find("\n", position)
    return text[position:] if end < 0 else text[position : end + 1]


def _header(text: str, path: str, max_comments: int) -> Iterator[str]:
    """The comments that stand before all code, and Python's docstring among them."""
    kind = file_suffix(path) or posixpath.basename(path)
    line_marks = LINE_MARKS.get(kind, ())
    block_marks = DOCSTRING_MARKS if kind == ".py" else BLOCK_MARKS.get(kind, ())
    position = 0
    for _ in range(max_comments):
        while (line := _line(text, position)) and (not line.strip() or DIRECTIVE.match(line.lstrip())):
            position += len(line)
        end = _comment_end(text, position, line_marks, block_marks)
        if end is None:
            return
        yield text[position:end]
        position = end


def _comment_end(
    text: str, position: int, line_marks: tuple[str, ...], block_marks: tuple[tuple[str, str], ...]
) -> int | None:
    """Behind the comment that begins at `position` (with its line end), None when there is none."""
    start = position + len(_line(text, position)) - len(_line(text, position).lstrip())
    for opening, closing in block_marks:
        if text.startswith(opening, start):
            end = text.find(closing, start + len(opening))
            if end < 0:
                return None
            end += len(closing)
            rest = _line(text, end)
            return end + len(rest) if not rest.strip() else end
    for mark in line_marks:
        if text.startswith(mark, start):
            end = position
            while (line := _line(text, end)) and line.lstrip().startswith(mark):
                end += len(line)
            return end
    return None
