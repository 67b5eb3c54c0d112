"""Wikitext to text: what a reader of the page reads, without boxes, tables, references and navigation.

In: a Wikipedia document whose text is raw wikitext. Out: the same document with plain text. Links keep their words,
external links their label, headings and lists stay as lines, TeX and code stay verbatim, templates that carry running
text are rendered (`stages.wikitext_templates`), everything else goes. The LLaMA paper (section 2.1) asks for pages
without "hyperlinks, comments and other formatting boilerplate".

Two passes, both linear in the length of the text: `stages.wikitext_scanner` finds the marks, `stages.wikitext_lines`
goes over the lines. The document's scores tell what was kept of the raw text (`stages.content`): a formula is a
`<math>`, `<ce>` or `<chem>` element, code is what stands in `<syntaxhighlight>`, `<source>` and `<pre>`; both are
counted in the raw text wherever they stand, also in tables and comments, and in the text as the pieces that came
through. A digit that became a superscript letter (10⁶) is a character and no longer a digit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.content import content_of, loss_scores
from stages.document import Document, Rejected
from stages.wikitext_lines import lines_to_text, marks_in, with_pieces
from stages.wikitext_names import PAPER_LANGUAGES
from stages.wikitext_scanner import flatten
from stages.wikitext_tags import Kind

_FORMULA = re.compile(r"<(?:math|chem|ce)(?:\s[^<>]*)?>", re.IGNORECASE)
_CODE = re.compile(r"<(/?)(pre|syntaxhighlight|source)(?:\s[^<>]*)?>", re.IGNORECASE)
_BLANKS = str.maketrans("", "", " \n\t")


@dataclass(frozen=True)
class KeepWikipediaLanguage:
    """Keeps the Wikipedias of some languages; others are removed as `language_not_wanted`."""

    languages: tuple[str, ...] = PAPER_LANGUAGES  # LLaMA paper, section 2.1: 20 languages

    def __call__(self, document: Document) -> Document | Rejected:
        if document.language in self.languages:
            return document
        return Rejected(document, "language_not_wanted", detail=document.language or "unknown")


@dataclass(frozen=True)
class CleanWikitext:
    """Raw wikitext to plain text; a page with nothing left is removed as `no_text`.

    Scores: `raw_...` and `kept_...` of characters, digits, formulas and characters of code.
    """

    def __call__(self, document: Document) -> Document | Rejected:
        raw = document.text
        page = page_text(raw, document.language or "en", document.title or "")
        if not page.text:
            return Rejected(document, "no_text")
        before = content_of(raw, len(_FORMULA.findall(raw)), _code_characters(raw))
        after = content_of(page.text, page.formulas, page.code_characters)
        return document.with_text(page.text).with_scores(**loss_scores(before, after))


@dataclass(frozen=True, slots=True)
class PageText:
    """Text of a page, and how many formulas and characters of code are in it."""

    text: str
    formulas: int
    code_characters: int


def plain_text(wikitext: str, language: str = "en", title: str = "") -> str:
    """Text of a page; `language` decides which names of namespaces and templates are known beside the general ones."""
    return page_text(wikitext, language, title).text


def page_text(wikitext: str, language: str = "en", title: str = "") -> PageText:
    """Text of a page with the counts of what was kept verbatim."""
    flat, verbatim = flatten(wikitext, language, title)
    text = lines_to_text(flat, language)
    if not verbatim:
        return PageText(text, 0, 0)
    kept = [verbatim[number] for number in marks_in(text)]
    formulas = sum(piece.kind is Kind.FORMULA for piece in kept)
    code = sum(_dense_length(piece.text) for piece in kept if piece.kind is Kind.CODE)
    return PageText(with_pieces(text, [piece.text for piece in verbatim]), formulas, code)


def _dense_length(text: str) -> int:
    """Characters without blanks, tabs and line ends, as `stages.content` counts them."""
    return len(text.translate(_BLANKS))


def _code_characters(raw: str) -> int:
    """Characters between the tags of code; an element without an end has none."""
    total, name, begun = 0, "", 0
    for match in _CODE.finditer(raw):
        if not name and not match[1] and not match.group().endswith("/>"):
            name, begun = match[2].lower(), match.end()
        elif name and match[1] and match[2].lower() == name:
            total += _dense_length(raw[begun : match.start()])
            name = ""
    return total
