"""The parts of a paper in LaTeX: title, abstract, first section, bibliography.

In: LaTeX without comments, macros expanded. Verbatim text is never taken for one of these.
"""

from __future__ import annotations

import re
from itertools import islice

from stages.latex_syntax import (
    VERBATIM,
    after_space,
    after_verbatim,
    closing_brace,
    closing_bracket,
    outside_verbatim,
)

BEGIN_DOCUMENT = re.compile(r"\\begin[ \t]*+\{document\}|" + VERBATIM)
END_DOCUMENT = re.compile(r"\\end[ \t]*+\{document\}|" + VERBATIM)
BYE = re.compile(r"\\bye(?![A-Za-z@])|" + VERBATIM)
# LaTeX's, and those of plain TeX, harvmac and amsppt.
SECTION = re.compile(
    r"\\(?:part|chapter|section)(?![A-Za-z@])\*?[ \t]*\n?[ \t]*(?=[\[{])"
    r"|\\(?:newsec[ \t]*\{|beginsection(?![A-Za-z@])|(?:head|heading)(?![A-Za-z@])(?=[^\n]{0,200}\\end))|"
    + VERBATIM
)
# Headings that end a paper: a letter whose only headings are these has no first section.
BACK_MATTER = re.compile(
    r"(?:\[[^\[\]]*\])?\s*\{?\s*(?:acknowledge?ments?|acknowledgments?|references|bibliography|literature cited"
    r"|supplement(?:ary|al)\b|appendix|appendices|figure captions|data availability|author contributions"
    r"|conflicts? of interest|funding)",
    re.IGNORECASE,
)
_LIST_NAMES = "thebibliography|references|REFERENCES|bibdiv|biblist|reflist"
BIBLIOGRAPHY = re.compile(
    rf"\\begin[ \t]*+\{{(?P<list>{_LIST_NAMES})\}}|\\(?P<refs>Refs)(?![A-Za-z@])"
    r"|(?P<command>\\(?:bibliography|bibliographystyle|nocite|addbibresource)[ \t]*+(?:\[[^\[\]]*+\])?\{[^{}]*+\}"
    r"|\\(?:printbibliography|printbibheading|putbib)(?![A-Za-z@])(?:[ \t]*+\[[^\[\]]*+\])?"
    r"|\\(?:input|include)[ \t]*+\{?[^\s{}]{1,200}\.bbl\}?)"
    r"|(?P<heading>\\(?:chapter|section|subsection)\*?[ \t]*+"
    r"\{\s*+(?:\\[a-z]+\s++)?(?i:references|bibliography|literature cited|references and notes)\s*+\})"
    r"|(?P<stop>\\(?:part|chapter|section)(?![A-Za-z@])\*?[ \t]*+[\[{]|\\appendix(?![A-Za-z@])"
    r"|\\begin[ \t]*+\{(?:appendix|appendices|figure|table)\*?\}|\\end[ \t]*+\{document\})|" + VERBATIM
)
# What every match of it but `stop` has in it, near its beginning.
BIBLIOGRAPHY_MARKS = (
    *(
        "ibliograph",
        "eferences",
        "EFERENCES",
        "iterature cited",
        "iterature Cited",
        "ITERATURE CITED",
        "\\Refs",
        ".bbl",
    ),
    *(
        "\\nocite",
        "\\putbib",
        "{bibdiv",
        "{biblist",
        "{reflist",
        "\\addbibresource",
        "IBLIOGRAPH",
        "printbibh",
    ),
)
VERBATIM_MARKS = ("erbatim", "lstlisting", "minted", "alltt", "\\verb", "\\lstinline", "filecontents")
TITLE = re.compile(r"\\(?:title|icmltitle|Title|papertitle)(?![A-Za-z@*])|" + VERBATIM)
ABSTRACT = re.compile(
    r"\\begin[ \t]*+\{(?P<name>abstract\*?|Abstract|ABSTRACT)\}|\\(?P<command>abstract|abst)[ \t]*+\n?[ \t]*+(?=\{)|"
    + VERBATIM
)
# In a title: what only sets it, with what belongs to it, and what is a blank.
NOTE = re.compile(
    r"\\(?:thanks|footnote|footnotemark|tnoteref|tnotetext|titlenote|label|vspace|hspace|fontsize)\*?(?![A-Za-z])"
)
SETTING = re.compile(
    r"\\(?:bf|bfseries|it|itshape|rm|sf|sl|sc|em|tiny|small|normalsize|large|Large|LARGE|huge|Huge|boldmath|noindent"
    r"|centering|protect|selectfont|par|relax|unboldmath|footnotemark|sffamily|scshape|mdseries|raggedright)(?![A-Za-z])"
)
BREAK = re.compile(r"\\\\\*?(?:\[[^\[\]]{0,20}\])?|\\(?:newline|linebreak)(?![A-Za-z])|~")
WRAPPED = re.compile(
    r"(?:\\(?:textbf|textit|textsf|textrm|textsc|emph|mbox|bm|boldsymbol|uppercase|MakeUppercase|Large))?\s*\{"
)
LOOSE_BRACES = re.compile(r"(?<![A-Za-z\]}^_*\\])\{\s*([^{}\\$]*?)\s*\}")
MAX_TITLE_CHARACTERS = 2_000  # ours: what is longer is no title
MAX_CANDIDATES = 20  # ours: titles, or abstracts, that are tried


def split_document(text: str) -> tuple[str | None, str]:
    """The preamble and what follows it, up to the end of the file; None for the preamble in plain TeX."""
    begin = next(outside_verbatim(BEGIN_DOCUMENT, text), None) if "{document}" in text else None
    return (None, text) if begin is None else (text[: begin.start()], text[begin.end() :])


def until_end(body: str, plain: bool) -> str:
    """The body up to `\\end{document}`, or to `\\bye` in plain TeX."""
    pattern, mark = (BYE, "\\bye") if plain else (END_DOCUMENT, "{document}")
    end = next(outside_verbatim(pattern, body), None) if mark in body else None
    return body if end is None else body[: end.start()]


def first_section(body: str) -> int | None:
    """Where the first section begins that is no back matter; None in a paper that has none."""
    for match in outside_verbatim(SECTION, body):
        if BACK_MATTER.match(body, match.end()) is None:
            return match.start()
    return None


def remove_bibliography(text: str) -> str:
    """The text without reference lists, their headings, and the commands that print them.

    A list without an end, and a heading without a list behind it, run to the next section, appendix or figure.
    """
    position = _before_bibliography(text)
    if position is None:
        return text
    pieces: list[str] = []
    copied = 0
    heading = -1  # where a heading stands that may belong to what follows
    unclosed: set[str] = set()
    while (match := BIBLIOGRAPHY.search(text, position)) is not None:
        start, position = match.start(), after_verbatim(text, match, unclosed)
        kind = match.lastgroup
        if kind in ("verbatim", "mark"):
            continue
        if kind in ("heading", "stop"):
            if heading >= 0:
                pieces.append(text[copied:heading])
                copied = start
            heading = start if kind == "heading" else -1
            continue
        begin = start if heading < 0 else heading
        heading = -1
        if kind != "command":
            closing = "\\endRefs" if kind == "refs" else f"\\end{{{match['list']}}}"
            end = text.find(closing, position)
            if end >= 0:
                position = end + len(closing)
            else:
                stop = next((m for m in outside_verbatim(BIBLIOGRAPHY, text, position) if m["stop"]), None)
                position = len(text) if stop is None else stop.start()
        pieces.append(text[copied:begin])
        copied = position
    pieces.append(text[copied : heading if heading >= 0 else len(text)])
    return "".join(pieces)


def _before_bibliography(text: str) -> int | None:
    """A place before which there is no part of a bibliography, found by substrings; None when there is none at all."""
    found = [place for mark in BIBLIOGRAPHY_MARKS if (place := text.find(mark)) >= 0]
    if not found or any(mark in text for mark in VERBATIM_MARKS):
        return 0 if found else None
    return max(0, min(found) - 100)  # behind `\\section*{` and a font


def title_of(text: str) -> str | None:
    """The title on one line, without its footnotes and the commands that set it; None when there is none."""
    if "itle" not in text:
        return None
    for match in islice(outside_verbatim(TITLE, text), MAX_CANDIDATES):
        opening = after_space(text, match.end())
        written = text[opening : opening + MAX_TITLE_CHARACTERS]
        if written.startswith("["):
            written = written[closing_bracket(written, 0) or 0 :].lstrip()
        end = closing_brace(written, 0) if written.startswith("{") else None
        if end is None:
            continue
        title = one_line(written[1 : end - 1])
        if any(map(str.isalnum, title)):
            return title
    return None


def one_line(title: str) -> str:
    """A title as it reads: notes out, breaks to blanks, outer braces and fonts off."""
    pieces: list[str] = []
    position = 0
    while (note := NOTE.search(title, position)) is not None:
        pieces.append(title[position : note.start()])
        position = note.end()
        while title[position : position + 1] in ("{", "["):
            closing = closing_brace if title[position] == "{" else closing_bracket
            position = closing(title, position) or len(title)
    title = "".join((*pieces, title[position:]))
    title = " ".join(SETTING.sub(" ", BREAK.sub(" ", title)).split())
    while (wrapped := WRAPPED.match(title)) and closing_brace(title, wrapped.end() - 1) == len(title):
        title = title[wrapped.end() : -1].strip()
    return LOOSE_BRACES.sub(r"\1", title)


def abstract_of(text: str) -> str | None:
    """The text of the abstract; the parts of a structured one are paragraphs."""
    if "abst" not in text and "Abst" not in text and "ABST" not in text:
        return None
    for match in islice(outside_verbatim(ABSTRACT, text), MAX_CANDIDATES):
        if match["name"]:
            end = text.find(f"\\end{{{match['name']}}}", match.end())
            found = [text[match.end() : end]] if end >= 0 else []
        else:
            found, position = [], match.end()
            while text.startswith("{", position) and (closed := closing_brace(text, position)) is not None:
                found.append(text[position + 1 : closed - 1])
                position = after_space(text, closed)
        abstract = "\n\n".join(part.strip() for part in found if part.strip())
        if abstract:
            return abstract
    return None
