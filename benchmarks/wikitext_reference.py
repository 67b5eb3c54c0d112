"""Our text of Wikipedia pages against that of mwparserfromhell: agreement after the intended differences, and losses.

The reference is the recipe of Hugging Face and RedPajama v1: mwparserfromhell without files, references and tables,
then `strip_code` (goldens/wikipedia/README.md). Agreement is the F1 of word 5-grams counted with their multiplicity,
after NFKC, so that `10⁶` and `106` are one word. What differs on purpose is taken out by the rules below, each a name
in `DIFFERENCES`; nothing else is.

On the side of the reference: `categories` and `interlanguage_links`, which it keeps as words at the end;
`empty_headings`, which have nothing beneath them; `table_marks`, rows of tables that it does not understand (in
templates, in HTML, with attributes), told by their marks, and `reference_marks`, notes that it leaves between `<ref>`
and `</ref>`. On our side: `templates` and `formulas`, which it drops with their words; the numbers of lists,
`list_numbers`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from unittest.mock import patch

from stages.wikitext_calls import Page
from stages.wikitext_lines import lines_to_text, with_pieces
from stages.wikitext_names import ENGLISH_HIDDEN_NAMESPACES, HIDDEN_NAMESPACES, INTERLANGUAGE
from stages.wikitext_scanner import flatten
from stages.wikitext_tags import Kind

DIFFERENCES = (
    "categories", "interlanguage_links", "empty_headings", "table_marks", "reference_marks",
    "templates", "formulas", "list_numbers",
)  # fmt: skip
SHINGLE_WORDS = 5

_WORD = re.compile(r"\w+")
_LINK = re.compile(r"\[\[\s*([^\[\]|:]+?)\s*:\s*([^\[\]|]*)(?:\|([^\[\]]*))?\]\]")
_HEADING = re.compile(r"^(={1,6})(.+?)\1\s*$", re.MULTILINE)
_LIST_MARKS = re.compile(r"^[*#:;]*#[*#:;]*", re.MULTILINE)
_REFERENCE = re.compile(r"<ref[^<>/]*>.*?(?:</ref\s*>|$)|<ref[^<>]*/>|</?ref[^<>]*>", re.IGNORECASE)
_TABLE_MARK = re.compile(
    r"\s*[|!]|.*\b(?:class|style|align|width|bgcolor|border|colspan|rowspan|valign|cellpadding)\s*="
)


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """The word 5-grams of a text with their counts; a shorter text is one shingle."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text))
    if len(words) < SHINGLE_WORDS:
        return Counter([tuple(words)]) if words else Counter()
    return Counter(zip(*(words[i:] for i in range(SHINGLE_WORDS)), strict=False))


def f1(ours: str, theirs: str) -> tuple[int, int, int]:
    """Shingles that both have, of ours, of theirs."""
    a, b = shingles(ours), shingles(theirs)
    return (a & b).total(), a.total(), b.total()


def ours_as_the_reference(wikitext: str, language: str, title: str) -> str:
    """Our text without what the reference drops: no template rendered, no formula, `#` of lists as `*`."""
    with patch("stages.wikitext_scanner.render_call", _nothing):
        flat, verbatim = flatten(_LIST_MARKS.sub(_without_numbers, wikitext), language, title)
    pieces = ["" if piece.kind is Kind.FORMULA else piece.text for piece in verbatim]
    return with_pieces(lines_to_text(flat, language), pieces)


def _without_numbers(marks: re.Match[str]) -> str:
    return marks.group().replace("#", "*")


def _nothing(name: str, arguments: list[str], page: Page) -> str:
    return ""


def theirs_without_the_intended(text: str, wikitext: str, language: str) -> str:
    """The text of the reference without categories, links to other languages, marks of tables and empty headings."""
    apart = _lines_beside_the_page(wikitext, language)
    levels = {_plain_heading(match[2]): len(match[1]) for match in _HEADING.finditer(wikitext)}
    out: list[str] = []
    waiting: list[tuple[int, str]] = []
    for line in text.split("\n"):
        line = _REFERENCE.sub("", line)
        if _TABLE_MARK.match(line):
            line = line.partition("|}")[2]
        line = line.strip()
        if not line or line in apart:
            continue
        if level := levels.get(line):
            while waiting and waiting[-1][0] >= level:
                waiting.pop()  # nothing is beneath it
            waiting.append((level, line))
            continue
        out += [*(heading for _, heading in waiting), line]
        waiting = []
    return "\n".join(out)


def _plain_heading(text: str) -> str:
    return re.sub(r"''+|\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]|<[^<>]*>|\{\{[^{}]*\}\}", r"\1", text).strip()


def _lines_beside_the_page(wikitext: str, language: str) -> set[str]:
    """What the reference makes of a line of categories or links to other languages, and of each of them alone."""
    hidden = HIDDEN_NAMESPACES.get(language, ENGLISH_HIDDEN_NAMESPACES)
    apart: set[str] = set()
    for line in wikitext.split("\n"):
        if "[[" not in line:
            continue
        shown: list[str] = []
        for prefix, page, label in _LINK.findall(line):
            if prefix.lower() in hidden:
                shown.append((label or page).strip())
                apart.add(shown[-1])
                apart.add(page.strip())
            elif prefix.lower() in INTERLANGUAGE:
                shown.append((label or f"{prefix}:{page}").strip())
                apart.add(shown[-1])
        if shown:
            apart |= {" ".join(shown), "".join(shown)}
    return apart
