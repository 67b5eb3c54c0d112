"""The text of one paper: its main file with every input in its place.

In: the text files of a project. Out: one text, and which files went into it. `\\input`, `\\include`, `\\subfile`,
`\\import` and their kin are followed in order, with and without `.tex`; the author's own style files are put behind the
command that loads them, for their macros. A bibliography that BibTeX made (`.bbl`) never comes in.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from stages.latex_syntax import ADDRESS, VERBATIM, after_verbatim
from stages.sources.arxiv_files import OTHER_SUFFIXES, PaperTooLarge, safe_path

TOKEN = re.compile(
    r"%[^\n]*|\\[\\%]|"
    + ADDRESS
    + r"|\\begin[ \t]*+\{(?P<comment>comment)\}|"
    + VERBATIM
    + r"|\\(?:sub)?(?:import|includefrom|inputfrom)[ \t]*+\{(?P<folder>[^{}\n]*+)\}[ \t]*+\{(?P<imported>[^{}\n]*+)\}"
    r"|\\(?:input|include|subfile|subfileinclude)[ \t]*+\{(?P<braced>[^{}\n]*+)\}"
    r'|\\input[ \t]+(?P<bare>"[^"\n]*+"|[^\s{}\\%]++)'
    r"|\\(?:usepackage|RequirePackage)[ \t]*+(?:\[[^\[\]]*+\])?[ \t]*+\{(?P<packages>[^{}]*+)\}"
    r"|\\documentstyle[ \t]*+\[(?P<styles>[^\[\]]*+)\]"
    r"|\\(?P<stop>endinput)(?![A-Za-z@])"
)
# A line that a comment begins on does not count up to there.
DOCUMENT_CLASS = re.compile(r"^(?:[^%\\\n]|\\[^\n])*?\\document(?:class|style)(?![A-Za-z])", re.MULTILINE)
DOCUMENT_ENVIRONMENT = re.compile(r"%[^\n]*|\\[\\%]|\\(?P<edge>begin|end)[ \t]*+\{document\}")
CONTROL_WORD = re.compile(r"\\[A-Za-z]{2,}")
MAX_CANDIDATES = 8  # ours: main files that are tried


@dataclass(frozen=True, slots=True)
class AssemblyLimits:
    max_characters: int
    max_input_depth: int
    max_inputs: int


class Assembly:
    """One main file with its inputs in place: `text`, the paths `used`, and the names `missing` from the project."""

    def __init__(self, texts: Mapping[str, str], main: str, limits: AssemblyLimits) -> None:
        self.limits = limits
        self.texts = texts
        self.main = main
        self.root = posixpath.dirname(main)
        self.used: set[str] = set()
        self.missing: list[str] = []
        self.inputs = 0
        self.length = 0
        pieces: list[str] = []
        self._add(main, texts[main], (main,), pieces)
        self.text = "".join(pieces)

    def _add(self, path: str, text: str, open_files: tuple[str, ...], pieces: list[str]) -> None:
        self.used.add(path)
        position = copied = 0
        unclosed: set[str] = set()
        while (match := TOKEN.search(text, position)) is not None:
            position = match.end()
            if match["comment"]:
                end = -1 if "comment" in unclosed else text.find("\\end{comment}", position)
                unclosed |= {"comment"} if end < 0 else set()
                position = max(position, end)
                continue
            if match["verbatim"] or match["mark"]:
                position = after_verbatim(text, match, unclosed)
                continue
            if match["stop"]:
                self._copy(text[copied : match.start()], pieces)
                return
            styles = match["packages"] or match["styles"]
            if styles:
                self._copy(text[copied:position], pieces)
                copied = position
                for name in styles.split(","):
                    self._load(name.strip(), path, open_files, pieces)
                continue
            name = match["braced"] or match["bare"] or match["imported"]
            if not name or "#" in name:
                continue
            name = name.strip().strip('"')
            child = self._find(name, path, match["folder"])
            if child is None:
                # A figure that is drawn in TeX, and a bibliography, are left where they are.
                if posixpath.splitext(name)[1].lower() not in OTHER_SUFFIXES:
                    self.missing.append(name)
                continue
            if child in open_files or len(open_files) >= self.limits.max_input_depth:
                continue
            self._copy(text[copied : match.start()], pieces)
            copied = position
            self._open(child, open_files, pieces)
        self._copy(text[copied:], pieces)

    def _load(self, name: str, path: str, open_files: tuple[str, ...], pieces: list[str]) -> None:
        """A local style file, once."""
        child = self._find(name + ".sty", path, None) if name else None
        if child is not None and child not in self.used and len(open_files) < self.limits.max_input_depth:
            self._copy("\n", pieces)
            self._open(child, open_files, pieces)

    def _open(self, child: str, open_files: tuple[str, ...], pieces: list[str]) -> None:
        self.inputs += 1
        if self.inputs > self.limits.max_inputs:
            raise PaperTooLarge(f"over {self.limits.max_inputs} inputs")
        self._add(child, body_of(self.texts[child]), (*open_files, child), pieces)

    def _copy(self, piece: str, pieces: list[str]) -> None:
        self.length += len(piece)
        if self.length > self.limits.max_characters:
            raise PaperTooLarge(f"over {self.limits.max_characters} characters when assembled")
        pieces.append(piece)

    def _find(self, name: str, including: str, folder: str | None) -> str | None:
        """The file that TeX would open: beside the main file first, then beside the including file."""
        here = posixpath.dirname(including)
        folders = [self.root, here] if folder is None else [posixpath.join(self.root, folder.strip())]
        if folder is not None:
            folders.append(posixpath.join(here, folder.strip()))
        for base in folders:
            for candidate in (name + ".tex", name):
                path = safe_path(posixpath.join(base, candidate))
                if path is not None and path in self.texts:
                    return path
        return None


def assemble(texts: Mapping[str, str], limits: AssemblyLimits) -> Assembly | None:
    """The paper: of the main files the one that gives the longest text; None when no file is TeX.

    Variants and cover letters are shorter than the paper that they quote from. A main file is one with a class and the
    environment `document`, else one with a class, else (plain TeX) any with a command. Raises PaperTooLarge when no
    main file stays within the limits.
    """
    sources = [path for path in texts if not path.endswith((".sty", ".def"))]
    classes = [path for path in sources if DOCUMENT_CLASS.search(texts[path])]
    mains = [path for path in classes if _edges(texts[path])[0] is not None] or classes
    mains = mains or [path for path in sources if CONTROL_WORD.search(texts[path])]
    best: Assembly | None = None
    too_large: PaperTooLarge | None = None
    for path in sorted(mains, key=lambda path: (path.count("/"), -len(texts[path]), path))[:MAX_CANDIDATES]:
        try:
            assembly = Assembly(texts, path, limits)
        except PaperTooLarge as error:
            too_large = error
            continue
        if best is None or len(assembly.text) > len(best.text):
            best = assembly
    if best is None and too_large is not None:
        raise too_large
    return best


def body_of(text: str) -> str:
    """What `\\subfile` takes of a file with a preamble of its own: the inside of its document environment."""
    if not DOCUMENT_CLASS.search(text):
        return text
    begin, end = _edges(text)
    return text if begin is None else text[begin : len(text) if end is None else end]


def _edges(text: str) -> tuple[int | None, int | None]:
    """Behind `\\begin{document}` and before the `\\end{document}` that follows, where no comment hides them."""
    begin: int | None = None
    for match in DOCUMENT_ENVIRONMENT.finditer(text):
        if match["edge"] == "begin" and begin is None:
            begin = match.end()
        elif match["edge"] == "end" and begin is not None:
            return begin, match.start()
    return begin, None
