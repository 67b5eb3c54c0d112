"""LaTeX of a paper to the text a language model reads: comments, front matter and bibliography out, macros
expanded.

In: the assembled LaTeX of `stages.sources.arxiv`. Out: LaTeX from the first section on, appendices included.
What is done is that of LLaMA (Touvron et al. 2023, section 2.1: "removed everything before the first section,
as well as the bibliography ... removed the comments from the .tex files, and inline-expanded definitions and
macros written by users"), after Lewkowycz et al. 2022. A paper that has no section keeps its title and
abstract instead of being lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from stages.document import Document, Rejected
from stages.latex_macros import Budget, MacroExpander
from stages.latex_syntax import VERBATIM, after_verbatim

COMMENT_TOKEN = re.compile(
    r"%"
    r"|\\(?:url|path|nolinkurl|href)\s{0,8}\{(?:[^{}\n]|\{[^{}\n]*\})*\}"
    r"|\\(?P<comment>begin)\s{0,8}\{comment\}|" + VERBATIM + r"|\\.",
    re.DOTALL,
)
BEGIN_DOCUMENT = re.compile(r"\\begin\s{0,8}\{document\}")
END_DOCUMENT = re.compile(r"\\end\s{0,8}\{document\}")
SECTION = re.compile(r"\\(?:part|chapter|section)\b(?=\s{0,8}[*\[{])")
BIBLIOGRAPHY_BEGIN = re.compile(
    r"\\begin\s{0,8}\{(thebibliography|references|REFERENCES)\}|\\(Refs)(?![A-Za-z])"
)
BIBLIOGRAPHY_COMMAND = re.compile(
    r"\\(?:bibliography|bibliographystyle|nocite|addbibresource)\s{0,8}\{[^{}]*\}"
    r"|\\printbibliography(?:\s{0,8}\[[^\[\]]*\])?(?![A-Za-z])"
)
BIBLIOGRAPHY_HEADING = re.compile(
    r"\\(?:chapter|section|subsection)\*?\s{0,8}"
    r"\{\s{0,8}(?:references|bibliography|literature cited)\s{0,8}\}\s*\Z",
    re.IGNORECASE,
)
CONTROL_WORD = re.compile(r"\\[A-Za-z]{2,}")
TRAILING_SPACE = re.compile(r"[ \t]+$", re.MULTILINE)
BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class CleanLatex:
    """Cleans one paper. Reasons: `not_latex` (no TeX command in it), `no_text` (nothing is left).

    Scores: `macros_expanded` and `macros_left`, in calls; a call is left when its definition needs TeX's run
    time, its arguments are not there, or it goes past the budget.
    """

    drop_before_first_section: bool = True  # LLaMA section 2.1, after Minerva (Lewkowycz et al. 2022)
    drop_bibliography: bool = True  # LLaMA section 2.1
    expand_macros: bool = True  # LLaMA section 2.1
    budget: Budget = field(default_factory=Budget)  # ours, see there

    def __call__(self, document: Document) -> Document | Rejected:
        if not CONTROL_WORD.search(document.text):
            return Rejected(document, "not_latex")
        text = remove_comments(document.text)
        begin = BEGIN_DOCUMENT.search(text)
        preamble, body = (text[: begin.start()], text[begin.end() :]) if begin else ("", text)
        if end := END_DOCUMENT.search(body):
            body = body[: end.start()]
        if self.drop_bibliography:
            body = remove_bibliography(body)
        expanded = left = 0
        if self.expand_macros:
            expander = MacroExpander(self.budget)
            expander.collect(preamble)
            body = expander.expand(body)
            expanded, left = expander.expanded, expander.left
            if self.drop_bibliography:
                body = remove_bibliography(body)  # what macros such as \bib hid
        if self.drop_before_first_section and (section := SECTION.search(body)):
            body = body[section.start() :]
        body = BLANK_LINES.sub("\n\n", TRAILING_SPACE.sub("", body)).strip()
        if not any(character.isalpha() for character in CONTROL_WORD.sub("", body)):
            return Rejected(document, "no_text")
        return document.with_text(body).with_scores(macros_expanded=float(expanded), macros_left=float(left))


def remove_comments(text: str) -> str:
    """The text without comments, as TeX reads it; `\\%`, verbatim text and the argument of `\\url` stay.

    A comment takes its line end and the blanks of the next line with it, so `foo%` joins `foo` to the next
    line; the line end stays after a blank, before an empty line, and where joining would lengthen a control
    word.
    """
    pieces: list[str] = []
    position = copied = 0
    unclosed: set[str] = set()
    while (match := COMMENT_TOKEN.search(text, position)) is not None:
        if match["comment"]:
            end = text.find("\\end{comment}", match.end())
            position = match.end()
            if end >= 0:
                pieces.append(text[copied : match.start()])
                copied = position = end + len("\\end{comment}")
            continue
        if match[0] != "%":
            position = after_verbatim(text, match, unclosed)
            continue
        line_end = text.find("\n", match.end())
        line_end = len(text) if line_end < 0 else line_end
        before = text[copied : match.start()]
        line = before[before.rfind("\n") + 1 :]
        starts_line = "\n" in before or not pieces or pieces[-1].endswith("\n")
        if not line.strip() and starts_line:  # the line holds nothing else: it goes whole
            pieces.append(before[: len(before) - len(line)])
            copied = position = min(line_end + 1, len(text))
            continue
        next_line = line_end + 1
        while next_line < len(text) and text[next_line] in " \t":
            next_line += 1
        following = text[next_line : next_line + 1]
        stays = line.endswith((" ", "\t")) or following in ("", "\n")
        if not stays and following.isalpha() and re.search(r"\\[A-Za-z@]+\Z", line[-64:]):
            stays = True
        pieces.append(before.rstrip(" \t") if stays else before)
        copied = position = line_end if stays else next_line
    pieces.append(text[copied:])
    return "".join(pieces)


def remove_bibliography(text: str) -> str:
    """The text without reference lists and the commands that print them; one without an end runs to the
    end.
    """
    pieces: list[str] = []
    position = 0
    while (begin := BIBLIOGRAPHY_BEGIN.search(text, position)) is not None:
        pieces.append(_without_heading(text[position : begin.start()]))
        closing = "\\endRefs" if begin[2] else f"\\end{{{begin[1]}}}"
        end = text.find(closing, begin.end())
        position = len(text) if end < 0 else end + len(closing)
    pieces.append(text[position:])
    text = "".join(pieces)
    pieces, position = [], 0
    for command in BIBLIOGRAPHY_COMMAND.finditer(text):
        pieces.append(_without_heading(text[position : command.start()]))
        position = command.end()
    pieces.append(text[position:])
    return "".join(pieces)


def _without_heading(before: str) -> str:
    heading = BIBLIOGRAPHY_HEADING.search(before, max(0, len(before) - 200))
    return before[: heading.start()] if heading else before
