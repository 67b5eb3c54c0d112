"""What Project Gutenberg puts around a book: where its frame ends and begins, what the header says, and the licence.

In: the text of a file. Out: the places of the book in it (`frame_of`), the header's fields (`header_fields`), the
licence that the file itself states (`gutenberg_license`). The forms are those of the files: `*** START OF` and
`*** END OF THE PROJECT GUTENBERG EBOOK` (since about 1999), the "small print" that opened older ones
(`*END*THE SMALL PRINT! ...*END*`) with a line `End of Project Gutenberg's ...` in one of several languages, and the
headers of Project Gutenberg of Australia and Project Gutenberg Canada, whose books are free in these countries only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_HEADER_CHARACTERS = (
    40_000  # ours: the longest header, with small print and newsletter list, has about 15,000
)
MAX_TRAILER_CHARACTERS = (
    100_000  # ours: the longest licence has 21,000; a line `End of ...` counts only there
)
MAX_TITLE_LINES = 4  # ours: of a mark whose closing stars stand some lines below
LINES_BEFORE_END = 400  # ours, characters: `End of Project Gutenberg's X` stands that near above `*** END OF`

PUBLIC_DOMAIN_US = "LicenseRef-Gutenberg-Public-Domain-US"
PUBLIC_DOMAIN_AU = "LicenseRef-Gutenberg-Public-Domain-AU"
PUBLIC_DOMAIN_CA = "LicenseRef-Gutenberg-Public-Domain-CA"

# The stars come first, so that the search jumps from star to star.
_MARK = re.compile(
    r"\*\*\* ?(?i:(START|END) OF (?:THE |THIS )?(?:COPYRIGHTED )?PROJECT GUTENBERG(?:[-'’]?S|[- ]TM|™)?,? "
    r"E-?(?:BOOK|TEXT))"
)
_SMALL_PRINT_END = re.compile(r"\*END(?:\*\*|[* ])*(?i:THE SMALL PRINT!)[^\n]*")
# What stands between `*** END OF` and the end of the file, and never in a book.
_LICENSE_TEXT = re.compile(
    r"FULL (?:PROJECT GUTENBERG )?LICENSE|This file should be named|Updated editions will replace the previous"
    r"|THE SMALL PRINT!|Literary Archive Foundation",
    re.IGNORECASE,
)
# The last line of old files, which may be all of the trailer; also above `*** END OF` in later ones.
_END_LINE = re.compile(
    r"^[ \t]*[*\[(]{0,2}[ \t]*(?:(?:THE )?END OF (?:THE |THIS )?|ENDE (?:DIESES |DES |VON )?"
    r"|FIN (?:DE |DU |D')(?:L'|CE )?|FINE (?:DI |DEL |DI QUESTO )?|FIN DEL? (?:ESTE )?|FIM DE (?:O |ESTE )?"
    r"|EINDE VAN (?:HET |DIT )?)(?:E-?TEXTE? (?:DU |DE |OF )?)?PROJ(?:ECT|EKT|ET|ECTO|ETO|ETTO) GUTENBERG",
    re.MULTILINE | re.IGNORECASE,
)
_AUSTRALIA_START = re.compile(
    r"\* ?A Project Gutenberg (?:of )?Australia e-?(?:Book|Text) ?\*", re.IGNORECASE
)
_AUSTRALIA_HEADER_END = re.compile(r"^To contact Project Gutenberg of Australia[^\n]*", re.MULTILINE | re.I)
_AUSTRALIA_END = re.compile(
    r"^[ \t]*(?:THE END\s+)?(?:This site is full of FREE ebooks - )?Project Gutenberg (?:of )?Australia[ \t.]*$",
    re.MULTILINE | re.IGNORECASE,
)
_CANADA_START = re.compile(r"\* ?A Project Gutenberg (?:of )?Canada e-?(?:Book|Text) ?\*", re.IGNORECASE)
_CANADA_HEADER_END = re.compile(r"^Project Gutenberg Canada e-?book #[^\n]*", re.MULTILINE | re.IGNORECASE)
_CANADA_END = re.compile(r"^[ \t]*\[?End of [^\n]{1,200}(?:\n[^\n]{1,200}){0,2}\]?\s*\Z", re.MULTILINE | re.I)

_FIELD = re.compile(
    r"^(Title|Author|Translator|Editor|Illustrator|Language|Character set encoding|Release Date|Posting Date"
    r"|Date first posted|Copyright Status|Edition)s?:[ \t]*([^\n]+(?:\n[ \t]+[^\s:][^\n:]*(?=\n|\Z))*)",
    re.MULTILINE | re.IGNORECASE,
)
_EBOOK_ID = re.compile(r"\[e-?(?:book|text)[ -]*(?:#|no\.?)?\s*(\d{1,7})\]", re.IGNORECASE)
_AUSTRALIA_ID = re.compile(r"^eBook No\.?:[ \t]*(\d{5,8})", re.MULTILINE | re.IGNORECASE)
_CANADA_ID = re.compile(r"^Project Gutenberg Canada e-?book #(\d{1,7})", re.MULTILINE | re.IGNORECASE)
_DATE = re.compile(r"\b([A-Z][a-z]{2,8})\.?,? +(?:(\d{1,2})(?:st|nd|rd|th)?,? +)?((?:19|20)\d\d)\b")
_ISO_DATE = re.compile(r"\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_COPYRIGHTED = re.compile(
    r"is a \*?COPYRIGHTED\*? Project Gutenberg|OF (?:THE|THIS) COPYRIGHTED PROJECT GUTENBERG"
    r"|^Copyright Status:[ \t]*Copyright",
    re.MULTILINE | re.IGNORECASE,
)
_FREE_US = re.compile(
    r"^Copyright Status:[ \t]*(?:Not copyrighted|Public domain)|for\s+the\s+use\s+of\s+anyone\s+anywhere"
    r"|FOR PUBLIC DOMAIN E-?(?:TEXT|BOOK)S|in\s+the\s+public\s+domain\s+in\s+the\s+United\s+States"
    r"|public domain print editions",
    re.MULTILINE | re.IGNORECASE,
)
_CREATIVE_COMMONS = re.compile(
    r"creativecommons\.org/(?:licenses/(by(?:-nc)?(?:-nd|-sa)?)/(\d\.\d)|publicdomain/(zero)/1\.0)", re.I
)

# Languages of Gutenberg's catalogue with some dozen books or more, as its headers name them: ISO 639-1.
_CODES_AND_NAMES = """
en english fr french fi finnish de german it italian nl dutch es spanish pt portuguese hu hungarian el greek
sv swedish la latin da danish eo esperanto tl tagalog ca catalan pl polish ru russian no norwegian ja japanese
zh chinese cy welsh cs czech is icelandic bg bulgarian sr serbian af afrikaans he hebrew ro romanian ko korean
sl slovenian uk ukrainian hr croatian ga irish fy frisian ar arabic gl galician et estonian lt lithuanian
br breton sa sanskrit fa farsi ia interlingua te telugu bn bengali tr turkish
"""
_LANGUAGES = {name: code for code, name in re.findall(r"(\w+)\s+(\w+)", _CODES_AND_NAMES)}


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the book is: spans of the text in order (more than one in a file of several volumes), and the publisher's
    country: `US`, `AU`, `CA`. `header` says whether the first span begins behind a header."""

    spans: tuple[tuple[int, int], ...]
    country: str
    header: bool

    def outside(self, text: str) -> str:
        """What is before the first span and after the last one, each within its limit."""
        begin, end = self.spans[0][0], self.spans[-1][1]
        return text[: min(begin, MAX_HEADER_CHARACTERS)] + "\n" + text[end : end + MAX_TRAILER_CHARACTERS]


def frame_of(text: str) -> Frame | None:
    """The frame of a book, None when it has no mark of Project Gutenberg."""
    marks = [mark for mark in _MARK.finditer(text) if _begins_line(text, mark.start())]
    if any(mark[1].upper() == "START" for mark in marks):
        return Frame(tuple(_between(text, marks)), "US", True)
    end = _end(text, marks, 0, len(text))
    head = text[:MAX_HEADER_CHARACTERS]
    for country, start, header_end, last in (
        ("AU", _AUSTRALIA_START, _AUSTRALIA_HEADER_END, _AUSTRALIA_END),
        ("CA", _CANADA_START, _CANADA_HEADER_END, _CANADA_END),
    ):
        if (begun := start.search(head)) is not None:
            closed = header_end.search(head, begun.end())
            begin = closed.end() if closed else _end_of_line(text, begun.end())
            trailer = last.search(text, max(begin, len(text) - 2_000))
            return Frame(((begin, trailer.start() if trailer else len(text)),), country, True)
    small_print = _SMALL_PRINT_END.search(head)
    if small_print is not None and small_print.end() < end:
        return Frame(((small_print.end(), end),), "US", True)
    return Frame(((0, end),), "US", False) if end < len(text) else None


def _between(text: str, marks: Sequence[re.Match[str]]) -> list[tuple[int, int]]:
    """The spans from each START to its END. A START without an END before it is part of the book, as is an END that
    neither the licence nor another volume follows."""
    spans: list[tuple[int, int]] = []
    place = 0
    while place < len(marks):
        start = marks[place]
        place += 1
        if start[1].upper() != "START":
            continue
        ends: list[re.Match[str]] = []
        while place < len(marks) and not (ends and marks[place][1].upper() == "START"):
            if marks[place][1].upper() == "END":
                ends.append(marks[place])
            place += 1
        begin = _end_of_mark(text, start)
        limit = marks[place].start() if place < len(marks) else len(text)
        spans.append((begin, _end(text, ends, begin, limit)))
    return spans


def _end(text: str, ends: Sequence[re.Match[str]], begin: int, limit: int) -> int:
    """Where the book that begins at `begin` ends: at the first END that the licence follows, or else at the last."""
    end = limit
    for number, mark in enumerate(ends, 1):
        end = mark.start()
        if _LICENSE_TEXT.search(text, end, ends[number].start() if number < len(ends) else limit):
            break
    low = end - LINES_BEFORE_END if ends else end - MAX_TRAILER_CHARACTERS
    line = _END_LINE.search(text, max(begin, low, 0), end)
    return line.start() if line else end


def _begins_line(text: str, place: int) -> bool:
    return not text[text.rfind("\n", max(0, place - 200), place) + 1 : place].strip() or place == 0


def _end_of_line(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _end_of_mark(text: str, mark: re.Match[str]) -> int:
    """Behind the stars that close a mark, which may stand some lines below, else at the end of its line."""
    end = mark.end()
    for _ in range(MAX_TITLE_LINES):
        end, begin = _end_of_line(text, end), end
        if text[begin:end].rstrip().endswith("***"):
            return end
        if not text[begin:end].strip() and begin > mark.end():
            break
        end = min(end + 1, len(text))
    return _end_of_line(text, mark.end())


def gutenberg_license(text: str, frame: Frame) -> str | None:
    """The licence that header and trailer state, None when they state none.

    A book under copyright has a Creative Commons licence where its header links to one (SPDX identifier), else none.
    """
    outside = frame.outside(text)
    if _COPYRIGHTED.search(outside):
        return creative_commons_license(outside)
    if frame.country == "AU":
        return PUBLIC_DOMAIN_AU if "public domain in Australia" in " ".join(outside.split()) else None
    if frame.country == "CA":
        return PUBLIC_DOMAIN_CA if "Canadian public domain" in " ".join(outside.split()) else None
    return PUBLIC_DOMAIN_US if _FREE_US.search(outside) else None


def creative_commons_license(text: str) -> str | None:
    """SPDX identifier of the first Creative Commons licence whose address is in a text."""
    found = _CREATIVE_COMMONS.search(text)
    if found is None:
        return None
    return "CC0-1.0" if found[3] else f"CC-{found[1].upper()}-{found[2]}"


@dataclass(frozen=True, slots=True)
class HeaderFields:
    """`language` is an ISO 639-1 code; `created` the release date when its day is known. `metadata` holds what else is
    there of author, translator, editor, illustrator, ebook_id, release_date (ISO 8601, as exact as the header) and
    languages (as written, when they are several or unknown)."""

    title: str | None
    language: str | None
    created: datetime | None
    url: str | None
    metadata: Mapping[str, str]


def header_fields(text: str, frame: Frame) -> HeaderFields:
    """What the header of a book says."""
    head = text[: min(frame.spans[0][0] or MAX_HEADER_CHARACTERS, MAX_HEADER_CHARACTERS)]
    found: dict[str, str] = {}
    for match in _FIELD.finditer(head):
        found.setdefault(match[1].lower(), " ".join(match[2].split()))
    people = ("author", "translator", "editor", "illustrator")
    metadata: dict[str, str] = {name: found[name] for name in people if name in found}
    ebook_id, url = _identifier(head, frame.country)
    if ebook_id:
        metadata["ebook_id"] = ebook_id
    released = found.get("release date") or found.get("date first posted") or found.get("posting date") or ""
    date, created = parse_date(released)
    if date:
        metadata["release_date"] = date
    names = re.split(r"[,;/]|\band\b|\bwith\b", found.get("language", "").lower())
    codes = [_LANGUAGES.get(re.sub(r"\(.*?\)", "", name).strip()) for name in names]
    if found.get("language") and (len(codes) > 1 or codes[0] is None):
        metadata["languages"] = found["language"]
    return HeaderFields(found.get("title"), codes[0], created, url, metadata)


def _identifier(head: str, country: str) -> tuple[str | None, str | None]:
    """(number of the book, address of its page)."""
    if country == "AU":
        found = _AUSTRALIA_ID.search(head)
        if found is None:
            return None, None
        # Its folders are called after the first two digits, the year.
        return found[1], f"https://gutenberg.net.au/ebooks{found[1][:2]}/{found[1]}.txt"
    if country == "CA":
        found = _CANADA_ID.search(head)
        return (found[1], None) if found else (None, None)
    found = _EBOOK_ID.search(head)
    return (found[1], f"https://www.gutenberg.org/ebooks/{found[1]}") if found else (None, None)


def parse_date(written: str) -> tuple[str | None, datetime | None]:
    """(`2004`, `2004-02` or `2004-02-10`, the day in UTC when it is known) of the first date in a text."""
    if iso := _ISO_DATE.search(written):
        year, month, day = int(iso[1]), int(iso[2]), int(iso[3])
    elif (found := _DATE.search(written)) and found[1][:3].lower() in _MONTHS:
        year, month, day = int(found[3]), _MONTHS.index(found[1][:3].lower()) + 1, int(found[2] or 0)
    elif only := re.search(r"\b(?:19|20)\d\d\b", written):
        return only[0], None
    else:
        return None, None
    if not day:
        return f"{year}-{month:02d}", None
    try:
        created = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return str(year), None
    return created.date().isoformat(), created
