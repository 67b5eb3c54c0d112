"""LaTeX of a paper to the text a language model reads: comments, front matter and bibliography out, macros expanded.

In: the assembled LaTeX of `stages.sources.arxiv`. Out: LaTeX from the first section on, appendices included, and the
title in its own field. What is done is that of LLaMA (Touvron et al. 2023, section 2.1: everything before the first
section and the bibliography removed, comments removed, definitions and macros of users expanded inline), after
Lewkowycz et al. 2022. LLaMA's sentence names the bibliography only, so appendices stay.
A paper that has no section keeps its whole body instead of being lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from stages.content import content_of, loss_scores
from stages.document import Document, Rejected
from stages.latex_comments import remove_comments
from stages.latex_macros import Budget, MacroExpander
from stages.latex_sections import (
    abstract_of,
    first_section,
    remove_bibliography,
    split_document,
    title_of,
    until_end,
)

CONTROL_WORD = re.compile(r"\\[A-Za-z]{2,}")
BLANK_LINES = re.compile(r"\n{3,}")
_DISPLAYED = "equation align alignat flalign eqnarray gather multline displaymath math dmath"
BEGINNINGS = tuple(f"\\begin{{{name}" for name in _DISPLAYED.split())  # starred ones, too
CODE = re.compile(r"\\begin[ \t]*+\{(?P<name>verbatim\*?|[BL]?Verbatim\*?|lstlisting|minted|alltt)\}")


@dataclass(frozen=True)
class CleanLatex:
    """Cleans one paper. Reasons: `not_latex` (no TeX command in it), `no_text` (nothing is left).

    Scores: `macros_expanded` and `macros_left`, in calls; a call is left when its definition needs TeX's run time, its
    arguments are not there, or it goes past the budget. `raw_...` and `kept_...` count characters, digits, formulas and
    the characters of code (`stages.content`) in the assembled files and in the text that is left. Formulas are counted
    where `$`, `\\(`, `\\[` or an environment begins one, so an author's own `\\be` counts only once it is expanded, and
    more formulas may be kept than were seen.
    """

    # LLaMA section 2.1 removes everything before the first section; with them a paper says what it is about.
    keep_title_and_abstract: bool = False
    budget: Budget = field(default_factory=Budget)  # ours, see there

    def __call__(self, document: Document) -> Document | Rejected:
        if not CONTROL_WORD.search(document.text):
            return Rejected(document, "not_latex")
        raw = document.text
        preamble, body = split_document(remove_comments(raw))
        expander = MacroExpander(self.budget)
        preamble_text = expander.collect(preamble or "")
        body = until_end(expander.expand(body), plain=preamble is None)
        start = first_section(body)
        front = preamble_text + (body if start is None else body[:start])
        title = title_of(front)
        text = remove_bibliography(body if start is None else body[start:])
        if self.keep_title_and_abstract:
            text = _with_front(text, title, abstract_of(front), whole=start is None)
        text = BLANK_LINES.sub("\n\n", "\n".join(line.rstrip(" \t") for line in text.split("\n"))).strip()
        if not any(map(str.isalpha, CONTROL_WORD.sub("", text[:1_000]))) and not any(
            map(str.isalpha, CONTROL_WORD.sub("", text))
        ):
            return Rejected(document, "no_text")
        document = replace(document, text=text, title=title or document.title)
        return document.with_scores(
            macros_expanded=float(expander.expanded),
            macros_left=float(expander.left),
            **loss_scores(
                content_of(raw, formulas(raw), code_characters(raw)),
                content_of(text, formulas(text), code_characters(text)),
            ),
        )


def _with_front(text: str, title: str | None, abstract: str | None, whole: bool) -> str:
    """The text with title and abstract before it; `whole`: they may stand in it already."""
    parts = [text]
    if abstract is not None and not (whole and abstract[:80] in text):
        parts.insert(0, f"\\begin{{abstract}}\n{abstract}\n\\end{{abstract}}")
    if title is not None and not (whole and "\\title" in text):
        parts.insert(0, f"\\title{{{title}}}")
    return "\n\n".join(parts)


def formulas(text: str) -> int:
    """How many formulas begin in a text: pairs of `$` or `$$`, `\\(`, `\\[`, and environments of displayed ones.

    Counted by substrings, for speed: a dollar behind `\\\\` is taken for an escaped one.
    """
    dollars = text.count("$") - text.count("\\$") - text.count("$$")
    brackets = sum(text.count("\\" + mark) - text.count("\\\\" + mark) for mark in "[(")
    return (dollars + 1) // 2 + brackets + sum(map(text.count, BEGINNINGS))


def code_characters(text: str) -> int:
    """Characters in verbatim environments and listings, without blanks, tabs and line ends."""
    total = position = 0
    while (match := CODE.search(text, position)) is not None:
        end = text.find(f"\\end{{{match['name']}}}", match.end())
        if end < 0:
            break
        total += len("".join(text[match.end() : end].split()))
        position = end
    return total
