"""The text of a Project Gutenberg book without what Project Gutenberg put around it.

In: a book, with or without Gutenberg's header and licence. Out: the book alone. The forms are those of the
files themselves: `*** START OF THE PROJECT GUTENBERG EBOOK ...` and `*** END OF ...` (since about 1999), the
end of the "small print" that opened older ones (`*END*THE SMALL PRINT! ...*END*`), the line `End of Project
Gutenberg's ...`, and the credits of those who produced the file. A book without any marker is left as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.document import Document, Rejected

BOOK = r"PROJECT GUTENBERG(?:[-'’]?S|[- ]TM|™)?,? E-?(?:BOOK|TEXT)"
# The title may run over two lines.
START = re.compile(rf"^\*{{3}} ?START OF (?:THE|THIS) {BOOK}[^\n]*(?:\n[^\n*]+)?\*{{3}}[ \t]*$", re.M | re.I)
START_OPEN = re.compile(rf"^\*{{3}} ?START OF (?:THE|THIS) {BOOK}[^\n]*$", re.M | re.I)
SMALL_PRINT_END = re.compile(
    r"^\*END[* ]*THE SMALL PRINT![^\n]*$|^\*{3}END\*{2}THE SMALL PRINT![^\n]*$", re.M | re.I
)
END = re.compile(rf"^\*{{3}} ?END OF (?:THE|THIS) {BOOK}", re.M | re.I)
# Stands alone in old files, and above `*** END OF` in later ones.
END_LINE = re.compile(r"^[ \t]*\**[ \t]*(?:THE )?END OF (?:THE |THIS )?PROJECT GUTENBERG", re.M | re.I)
CREDIT = re.compile(
    r"(?:this )?(?:e-?text|e-?book|text file|html (?:version|file)|file|document)?\s*"
    r"(?:was )?(?:first )?(?:produced|prepared|transcribed|scanned|typed|proofread)\s+(?:by|from)\b"
    r"|\[?(?:this file was|the images? (?:for|of) this)\b|\[?transcriber['’]?s? notes?:"
    r"|note: project gutenberg\b|note: please see project gutenberg\b|distributed proofread"
    r"|note from the original file\b|we thank the biblioth|nous remercions la biblioth",
    re.I,
)
COPYRIGHTED = re.compile(r"this is a copyrighted project gutenberg", re.I)
LICENSE = "LicenseRef-Gutenberg-Public-Domain-US"


@dataclass(frozen=True)
class CleanGutenberg:
    """Cuts header, licence and credits. Reason: `no_text` when nothing but them was there."""

    # Ours: in the sample books the credit is among the first two paragraphs after the header.
    max_credit_paragraphs: int = 3
    max_credit_characters: int = 1_000  # ours: the longest credit of the sample has 560
    max_trailer_characters: int = (
        100_000  # ours: the longest licence has 21,000; `END_LINE` counts only there
    )

    def __call__(self, document: Document) -> Document | Rejected:
        text = document.text
        begin, end = header_end(text), self._trailer_start(text)
        if begin is not None:
            text = self._without_credits(text[begin:end])
        elif end < len(text):
            text = text[:end]
        text = text.strip("\n").rstrip() if text is not document.text else text
        if not text.strip():
            return Rejected(document, "no_text")
        return document if text == document.text else document.with_text(text)

    def _trailer_start(self, text: str) -> int:
        end = match.start() if (match := END.search(text)) else len(text)
        # The line before the marker, or the only one there is.
        low = max(0, end - 400) if match else max(0, end - self.max_trailer_characters)
        line = END_LINE.search(text, low, end)
        return line.start() if line else end

    def _without_credits(self, body: str) -> str:
        body = body.lstrip()
        for _ in range(self.max_credit_paragraphs):
            paragraph_end = body.find("\n\n")
            if not CREDIT.match(body.lstrip(" ")) or not 0 <= paragraph_end <= self.max_credit_characters:
                break
            body = body[paragraph_end:].lstrip("\n")
        return body


def header_end(text: str) -> int | None:
    """Where the book begins: behind the last of Gutenberg's header marks, None without any."""
    match = START.search(text) or START_OPEN.search(text) or SMALL_PRINT_END.search(text)
    return match.end() if match else None


def is_gutenberg(text: str) -> bool:
    """Whether a text carries Project Gutenberg's own marks."""
    return header_end(text) is not None or END.search(text) is not None


def gutenberg_license(text: str) -> str | None:
    """Public domain in the USA when Gutenberg's marks are there and do not say that the book is
    copyrighted.
    """
    return LICENSE if is_gutenberg(text) and not COPYRIGHTED.search(text) else None
