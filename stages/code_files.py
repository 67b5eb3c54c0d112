"""Which files of a repository are source files, by their names.

In: a path inside a repository. Out: whether it is kept. The white list is RedPajama v1's (`data_prep/github`,
branch rp_v1), which LLaMA's paper (section 2.1) leaves open.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from stages.document import Document, Rejected

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


@dataclass(frozen=True)
class KeepSourceFile:
    """Keeps files of the white list that are no licence texts. Reasons: `no_path`, `license_file`,
    `file_type`.
    """

    suffixes: frozenset[str] = SOURCE_SUFFIXES  # RedPajama v1, github_run_filter.py
    names: frozenset[str] = SOURCE_NAMES  # same

    def __post_init__(self) -> None:
        if not (self.suffixes or self.names):
            raise ValueError("suffixes and names are empty, so nothing would be kept; name at least one")

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
