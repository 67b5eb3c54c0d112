"""The text of a Project Gutenberg book without what Project Gutenberg and its volunteers put around and into it.

In: a book, with or without header and licence. Out: the book alone. The frame goes (`stages.gutenberg` finds it);
behind a header also the credits of those who produced the file and what the transcribers say of their work: at the
top, at the end, and in brackets anywhere. A book without any mark of Project Gutenberg is left as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.content import KEPT, RAW, content_of, loss_scores
from stages.document import Document, Rejected
from stages.gutenberg import frame_of

_CREDIT = re.compile(
    r"[\[(]?(?:"
    r"(?:this )?(?:project gutenberg )?(?:e-?text|e-?book|text file|html (?:version|file)|file|document|book)?\s*"
    r"(?:was |is )?(?:first )?(?:produced|prepared|transcribed|scanned|typed|digiti[sz]ed|proofread|converted|created"
    r"|provided|edited|updated)(?:,? and (?:proofread|edited|formatted|html)\w*)*\s+(?:by|from)\b"
    r"|(?:html|updated|revised|this|new) (?:version|edition|e-?text edition)s? (?:by|prepared)\b"
    r"|this file was\b|the images? (?:for|of) this\b|credits:|special thanks (?:are|is|go|to)\b"
    r"|note: project gutenberg\b|note: please see project gutenberg\b|distributed proofread"
    r"|note from the original file\b|we thank the biblioth|nous remercions la biblioth"
    r")",
    re.IGNORECASE,
)
# A paragraph above the title that speaks of these is none of the book's.
_ABOUT_THE_FILE = re.compile(r"project gutenberg|pgdp\.net|distributed proofread|\be-text\b|\betext\b", re.I)
_NOTE_NAMES = (
    r"(?:original )?transcri(?:ber|ption)(?:['’]?s?['’]?) (?:end[ -]?)?notes?\b|(?:scanner|preparer)['’]s notes?\b"
    r"|(?:project gutenberg|pg) (?:editor|transcriber)['’]?s? notes?\b"
    r"|(?:typographical errors|corrections)[^\n]{0,20} (?:corrected|made)\b[^\n]{0,20}transcriber"
    r"|notes? (?:du|de la|sur la|de) transcript(?:eur|rice|ion)|liste des modifications"
    r"|(?:anmerkungen|hinweise|bemerkungen?) (?:zur|der) (?:transkription|bearbeitung)"
    r"|opmerkingen van de (?:bewerker|transcribent)|notas? (?:del transcriptor|do transcritor)"
    r"|not[ae] del trascrittore|au lecteur\s+cette version [ée]lectronique"
)
_NOTE = re.compile(rf"[ \t*+|=_-]*(?:{_NOTE_NAMES})", re.IGNORECASE)
_NOTE_LINE = re.compile(rf"^[ \t*+|=_-]*(?:{_NOTE_NAMES})", re.MULTILINE | re.IGNORECASE)
_BRACKETED_NOTE = re.compile(rf"\[(?:{_NOTE_NAMES})", re.IGNORECASE)
_GAP = re.compile(r"\n[ \t]*\n[ \t]*\n")  # two blank lines or more part sections
_WORD = re.compile(r"\S")
_BRACKET = re.compile(r"[\[\]]")
_BLANK_LINES = re.compile(r"\n*")
# `* * *` or a line above a note, up to the place where the search ends.
_RULE_ABOVE = re.compile(r"\n\n[ \t]*[*_=-][*_= -]*\n\s*\Z")
MAX_END_NOTES = 20  # ours: the sample has one a book
MAX_UNCLOSED_NOTES = 100  # ours: then the brackets of a book mean something else
_WIDE_GAP = re.compile(r"\n(?:[ \t]*\n){4}")  # four part chapters


@dataclass(frozen=True)
class CleanGutenberg:
    """Cuts header, licence, credits and transcribers' notes. Reason: `no_text` when nothing but them was there.

    Scores: the loss meter's counts (`stages.content`), with the frame on the raw side; digits are counted, formulas and
    code are not. A book whose reader counted its raw side (EPUB) keeps that.
    """

    # Ours: in the sample books the credits are among the first two paragraphs behind the header.
    max_credit_paragraphs: int = 4
    max_credit_characters: int = 1_000  # ours: the longest credit of the sample has 560
    max_top_note_characters: int = 4_000  # ours: the longest note above a title in the sample has 1,100
    max_bracketed_note_characters: int = 4_000  # ours: the longest in the sample has 900
    max_end_note_fraction: float = 0.2  # ours, of the book: 5 % in the sample (244-0)

    def __call__(self, document: Document) -> Document | Rejected:
        text = document.text
        frame = frame_of(text)
        if frame is not None:
            pieces = [text[begin:end] for begin, end in frame.spans]
            if frame.header:
                pieces = [self._without_notes(self._without_credits(piece)) for piece in pieces]
            text = "\n\n\n\n".join(piece.strip("\n").rstrip() for piece in pieces).strip("\n")
        if not text.strip():
            return Rejected(document, "no_text")
        kept = content_of(text)
        raw = kept if text is document.text else content_of(document.text)
        scores = dict(loss_scores(raw, kept))
        if RAW + "characters" in document.scores:
            scores = {name: count for name, count in scores.items() if name.startswith(KEPT)}
        return document.with_text(text).with_scores(**scores)

    def _without_credits(self, book: str) -> str:
        book = book.lstrip()
        for _ in range(self.max_credit_paragraphs):
            end = book.find("\n\n")
            if not 0 <= end <= self.max_credit_characters:
                break
            paragraph = book[:end].lstrip()
            if not (_CREDIT.match(paragraph) or _ABOUT_THE_FILE.search(paragraph)) or _NOTE.match(paragraph):
                break
            book = book[end:].lstrip("\n")
        return book

    def _without_notes(self, book: str) -> str:
        book = self._without_bracketed_notes(book)
        book = self._without_top_notes(book)
        earliest = len(book) - int(len(book) * self.max_end_note_fraction)
        for _ in range(MAX_END_NOTES):
            note = _NOTE_LINE.search(book, earliest)
            if note is None:
                break
            if not book.endswith("\n\n", 0, note.start()):
                earliest = note.end()
                continue
            end = _end_of_note(book, note.end(), _WIDE_GAP)
            rule = _RULE_ABOVE.search(book, max(0, note.start() - 200), note.start())
            begin = rule.start() if rule else note.start()
            book = book[:begin].rstrip() + book[end:]
            earliest = begin
        return book

    def _without_top_notes(self, book: str) -> str:
        """Without the notes among the first sections: from the heading to two blank lines."""
        place = 0
        for _ in range(self.max_credit_paragraphs):
            while place < len(book) and book[place] == "\n":
                place += 1
            note = _NOTE.match(book, place)
            end = _end_of_note(book, note.end(), _GAP) if note else _end_of_section(book, place, _GAP)
            if end - place > self.max_top_note_characters:
                break
            if note:
                book = book[:place] + book[end:].lstrip("\n")
            else:
                place = end
        return book

    def _without_bracketed_notes(self, book: str) -> str:
        pieces, place, unclosed = [], 0, 0
        while unclosed < MAX_UNCLOSED_NOTES and (note := _BRACKETED_NOTE.search(book, place)) is not None:
            end = _closing_bracket(book, note.start(), self.max_bracketed_note_characters)
            if end is None:
                unclosed += 1
                pieces.append(book[place : note.end()])
                place = note.end()
                continue
            before = book[place : note.start()]
            # A note on lines of its own takes the blank lines behind it along, one in a line the blank before it.
            if book[max(0, note.start() - 1) : note.start()] in ("", "\n") and book[end : end + 1] in (
                "",
                "\n",
            ):
                pieces.append(before)
                lines = _BLANK_LINES.match(book, end)
                assert lines is not None  # it matches anywhere
                place = lines.end()
            else:
                pieces.append(before.rstrip(" "))
                place = end
        return "".join([*pieces, book[place:]]) if pieces else book


def _end_of_section(book: str, begin: int, gap: re.Pattern[str]) -> int:
    found = gap.search(book, begin)
    return found.start() if found else len(book)


def _end_of_note(book: str, heading_end: int, gap: re.Pattern[str]) -> int:
    """Where a note ends; a heading that a gap parts from its text is one with it."""
    end = _end_of_section(book, heading_end, gap)
    text = _WORD.search(book, end)
    alone = not book[heading_end:end].strip(" \t.:*+|=_-")
    return _end_of_section(book, text.start(), gap) if alone and text else end


def _closing_bracket(book: str, begin: int, limit: int) -> int | None:
    """Behind the bracket that closes the one at `begin`, None when it is further than `limit`."""
    depth = 0
    for bracket in _BRACKET.finditer(book, begin, begin + limit):
        depth += 1 if bracket[0] == "[" else -1
        if depth == 0:
            return bracket.end()
    return None
