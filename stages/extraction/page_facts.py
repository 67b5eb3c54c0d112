"""What a page says about itself: title, language, date of publication and canonical address, from the scanned places.

Title: the first h1 if `<title>` or `og:title` begins with it or is mostly it; else og:title, `<title>`, the h1. Date: a
`<meta>` of publication (article:published_time and its like), else JSON-LD's first datePublished, else the first
`<time datetime>`; between 1990 and 2100. Language: `<html lang>`. Address: `<link rel=canonical>`, else og:url, if
absolute.
"""

from __future__ import annotations

import html
import re
from datetime import date

from numpy import int32
from numpy.typing import NDArray

from stages.extraction.elements import (
    CANONICAL,
    JSON_DATE,
    LANGUAGE,
    META_DATE,
    OG_TITLE,
    OG_URL,
    TIME_DATE,
    TITLE,
)

MAX_FACT_BYTES = 2000  # longer values are no titles and no addresses
MIN_YEAR, MAX_YEAR = 1990, 2100  # there was no web before; what is outside is a placeholder

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{1,8}){0,4}")  # RFC 5646, in lower case
_ADDRESS = re.compile(r"https?://[^\s/]+\S*", re.IGNORECASE)
_DATE = re.compile(r"\s*(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?!\d)")


def _value(data: bytes, facts: NDArray[int32], fact: int) -> str:
    start, end = facts[fact].tolist()
    if start < 0 or end - start > MAX_FACT_BYTES:
        return ""
    text = data[start:end].decode("utf-8", "replace").replace("\0", "")
    return " ".join(html.unescape(text).split())


def page_title(data: bytes, facts: NDArray[int32], first_heading: str) -> str:
    """The page's title by the rule above, or an empty string; `first_heading` is the text of the first h1."""
    heading = " ".join(first_heading.split())
    stated = [title for title in (_value(data, facts, OG_TITLE), _value(data, facts, TITLE)) if title]
    wanted = heading.casefold()
    for title in stated:
        found = title.casefold()
        if wanted and wanted in found and (found.startswith(wanted) or 2 * len(wanted) > len(found)):
            return heading
    return stated[0] if stated else heading


def page_language(data: bytes, facts: NDArray[int32]) -> str | None:
    """The language tag of `<html lang>` in lower case with hyphens, such as `pt-br`."""
    language = _value(data, facts, LANGUAGE).lower().replace("_", "-")
    return language if _LANGUAGE.fullmatch(language) else None


def page_date(data: bytes, facts: NDArray[int32]) -> date | None:
    """The day of publication as the page writes it, whatever the time zone."""
    for fact in (META_DATE, JSON_DATE, TIME_DATE):
        match = _DATE.match(_value(data, facts, fact))
        if not match:
            continue
        try:
            day = date(*map(int, match.groups()))
        except ValueError:  # 2020-13-45
            continue
        if MIN_YEAR <= day.year <= MAX_YEAR:
            return day
    return None


def canonical_url(data: bytes, facts: NDArray[int32]) -> str | None:
    """The absolute http(s) address that the page gives as its own."""
    for fact in (CANONICAL, OG_URL):
        address = _value(data, facts, fact)
        if _ADDRESS.fullmatch(address):
            return address
    return None
