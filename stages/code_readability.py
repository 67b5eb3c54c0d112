"""Readable code against minified code, data and dumps: line lengths, shares of characters, visible text.

In: one file of a repository. Out: the file with the numbers as scores, or a rejection. LLaMA "filtered low
quality files with heuristics based on the line length or proportion of alphanumeric characters" (Touvron et
al. 2023, section 2.1) without its numbers. Three named profiles give them: RedPajama v1
(`github_run_filter.py`, branch rp_v1), The Stack (bigcode-dataset, `preprocessing/filtering.py`, basic
filter) and StarCoder (Li et al. 2023, arXiv 2305.06161, section 3.3, with `visual_inspection.csv` of the same
repository).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Literal

from stages.document import Document, Rejected

# visual_inspection.csv, column Long_line_threshold "remove": prose and tables have long lines there.
_LONG_LINES_ALLOWED_LIST = ".asm .cmake .md .markdown .r .rmd .rst .sql .tex .sty .bib"
LONG_LINES_ALLOWED = frozenset(_LONG_LINES_ALLOWED_LIST.split())
# StarCoder section 3.3: JSON and YAML of 50 to 5,000 characters with more than half of them letters.
DATA_SUFFIXES = frozenset({".json", ".yaml", ".yml"})
MIN_DATA_CHARACTERS, MAX_DATA_CHARACTERS = 50, 5_000
MIN_DATA_ALPHABETIC_FRACTION = 0.5
# visual_inspection.csv, column Alpha filter 0.25.
_ALPHABETIC_SUFFIXES_LIST = ".ads .fp .mpl .ma .mt .nb .wl .matlab .scm .sld .sps .sv .prc .vhd .bas .y"
ALPHABETIC_SUFFIXES = frozenset(_ALPHABETIC_SUFFIXES_LIST.split())
MIN_ALPHABETIC_FRACTION = 0.25
# StarCoder section 3.3: XML by its declaration in the first 100 characters, but not XSLT, a language.
XML_MARK, XML_HEAD_CHARACTERS = "<?xml version=", 100
XML_LANGUAGES = frozenset({".xsl", ".xslt"})
# StarCoder section 3.3: visible text of more than 20 % and 100 characters.
HTML_SUFFIXES = frozenset({".html", ".htm", ".xhtml"})
MIN_VISIBLE_FRACTION, MIN_VISIBLE_CHARACTERS = 0.2, 100

_NOT_ALPHANUMERIC = bytes(c for c in range(128) if not chr(c).isalnum())
_NOT_ALPHABETIC = bytes(c for c in range(128) if not chr(c).isalpha())
_ASCII = re.compile("[\x00-\x7f]+")


@dataclass(frozen=True)
class KeepReadableCode:
    """Drops minified code, data and dumps.

    Reasons: `no_text`, `line_too_long`, `mean_line_too_long`, `few_alphanumerics`, and with `starcoder` also
    `xml_file`, `little_visible_text`, `few_letters`, `data_file_too_short`, `data_file_too_long`. Scores:
    `code_max_line_characters`, `code_mean_line_characters`, `code_alphanumeric_fraction` (of all characters),
    and where its rule is asked `code_alphabetic_fraction`, `code_visible_fraction`.

    The three limits are the same numbers in all profiles; what differs: the mean line of `redpajama-v1`
    counts line ends, that of the others does not; `starcoder` asks no line limits of prose and tables, and
    adds the rules for markup and data above.
    """

    profile: Literal["redpajama-v1", "the-stack", "starcoder"] = "redpajama-v1"
    max_line_characters: int = 1_000  # RedPajama v1, The Stack, StarCoder
    max_mean_line_characters: float = 100.0  # same
    min_alphanumeric_fraction: float = 0.25  # same

    def __call__(self, document: Document) -> Document | Rejected:
        text = document.text
        if not text or text.isspace():
            return Rejected(document, "no_text")
        suffix = posixpath.splitext(document.metadata.get("path", ""))[1].lower()
        longest, mean = self._lines(text)
        alphanumeric = alphanumeric_characters(text) / len(text)
        document = document.with_scores(
            code_max_line_characters=float(longest),
            code_mean_line_characters=mean,
            code_alphanumeric_fraction=alphanumeric,
        )
        starcoder = self.profile == "starcoder"
        if starcoder and suffix not in XML_LANGUAGES and XML_MARK in text[:XML_HEAD_CHARACTERS]:
            return Rejected(document, "xml_file")
        if not (starcoder and suffix in LONG_LINES_ALLOWED):
            if longest > self.max_line_characters:
                return Rejected(document, "line_too_long", float(longest))
            if mean > self.max_mean_line_characters:
                return Rejected(document, "mean_line_too_long", mean)
        if alphanumeric < self.min_alphanumeric_fraction:
            return Rejected(document, "few_alphanumerics", alphanumeric)
        return _starcoder(document, suffix) if starcoder else document

    def _lines(self, text: str) -> tuple[int, float]:
        """Characters of the longest line, and of a line on average."""
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        ends = 0 if self.profile == "redpajama-v1" else text.count("\n")
        return max(map(len, lines)), (len(text) - ends) / len(lines)


def _starcoder(document: Document, suffix: str) -> Document | Rejected:
    text = document.text
    if suffix in HTML_SUFFIXES:
        visible = visible_characters(text)
        document = document.with_scores(code_visible_fraction=visible / len(text))
        if visible <= MIN_VISIBLE_CHARACTERS or visible <= MIN_VISIBLE_FRACTION * len(text):
            return Rejected(document, "little_visible_text", visible / len(text))
    if suffix in DATA_SUFFIXES:
        if len(text) < MIN_DATA_CHARACTERS:
            return Rejected(document, "data_file_too_short", float(len(text)))
        if len(text) > MAX_DATA_CHARACTERS:
            return Rejected(document, "data_file_too_long", float(len(text)))
    if suffix in DATA_SUFFIXES or suffix in ALPHABETIC_SUFFIXES:
        alphabetic = alphabetic_characters(text) / len(text)
        document = document.with_scores(code_alphabetic_fraction=alphabetic)
        wanted = MIN_DATA_ALPHABETIC_FRACTION if suffix in DATA_SUFFIXES else MIN_ALPHABETIC_FRACTION
        if alphabetic < wanted or (suffix in DATA_SUFFIXES and alphabetic == wanted):
            return Rejected(document, "few_letters", alphabetic)
    return document


def alphanumeric_characters(text: str) -> int:
    """How many characters are letters or digits by Unicode, as `str.isalnum` says of each."""
    if text.isascii():
        return len(text.encode("ascii").translate(None, _NOT_ALPHANUMERIC))
    others = _ASCII.sub("", text)
    ascii_part = text.encode("ascii", "ignore").translate(None, _NOT_ALPHANUMERIC)
    return len(ascii_part) + sum(map(str.isalnum, others))


def alphabetic_characters(text: str) -> int:
    """How many characters are letters by Unicode, as `str.isalpha` says of each."""
    if text.isascii():
        return len(text.encode("ascii").translate(None, _NOT_ALPHABETIC))
    others = _ASCII.sub("", text)
    ascii_part = text.encode("ascii", "ignore").translate(None, _NOT_ALPHABETIC)
    return len(ascii_part) + sum(map(str.isalpha, others))


def visible_characters(html: str) -> int:
    """Characters of an HTML text outside of tags, comments, scripts and styles, blanks and line ends
    included.

    One pass with `str.find`; entities are counted as they are written. What is not closed is not visible.
    """
    lowered = html.lower()
    if len(lowered) != len(html):  # a letter whose small form has two characters would shift all places
        lowered = html
    visible = position = 0
    while True:
        opening = html.find("<", position)
        if opening < 0:
            return visible + len(html) - position
        visible += opening - position
        closing = ">"
        if lowered.startswith("<!--", opening):
            closing = "-->"
        elif lowered.startswith("<script", opening):
            closing = "</script"
        elif lowered.startswith("<style", opening):
            closing = "</style"
        end = lowered.find(closing, opening + 1)
        if end >= 0 and closing.startswith("</"):
            end, closing = lowered.find(">", end), ">"
        if end < 0:
            return visible
        position = end + len(closing)
