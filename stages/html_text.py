"""From the bytes of a web page to its text: the page's charset, and the whole visible text as a WET file has it, or
the main content.

Charset, in this order: byte order mark; UTF-8 if the bytes are valid UTF-8 (pages of other charsets almost never are);
what HTTP declares; what the page declares; what detection says. Labels are read as the WHATWG
Encoding Standard reads them. The text is Resiliparse's whole-page text without alternative texts of images and soft
hyphens; C1 control characters become the signs of windows-1252 that they stand for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import HTMLTree

from stages.extraction.extract import Extractor
from stages.html_cost import broken_limit

MAX_UNDECODABLE_FRACTION = 0.1  # of the non-ASCII characters; a wrong multi-byte charset replaces nearly all
MAX_UNDECODABLE_IN_TEXT = 0.001  # of all characters, read by the best guess: a few broken bytes may be
MAX_TAGS = 500_000  # of a page whose blocks are scored: a million take 2 s and 500 MB; real pages of 5 MB have 100,000

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_SOFT_HYPHEN = re.compile(
    "(?<![\x80-\x9f])\xad"
)  # behind a control character it is half of a sign encoded twice
# What HTML makes of the numeric references 128 to 159; pages written in windows-1252 and sent as UTF-8 have them raw:
# https://html.spec.whatwg.org/multipage/parsing.html#numeric-character-reference-end-state
_C1_SIGNS = {chr(byte): bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}
# UTF-8 that was read as Latin-1 (one to three signs that belong to the one before), or a lone control character.
_C1 = re.compile(
    "(?:[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+|([\x80-\x9f])"
)
_ANY_C1 = re.compile("[\x80-\x9f]")
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)


class UnreadablePageError(ValueError):
    """A page that gives no text; `reason` is a rejection reason."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PageText:
    """`facts` are what else the page says of itself, for a document's metadata."""

    title: str
    text: str
    facts: Mapping[str, str] = field(default_factory=dict)


def with_line_ends(text: str) -> str:
    """The text with `\\n` line ends and without NUL."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", "") if "\0" in text else text


def clean_text(text: str) -> str:
    """The text with `\\n` line ends, without NUL, and with U+FFFD for lone surrogates."""
    text = with_line_ends(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATE.sub("\ufffd", text)
    return text


def readable(text: str) -> str:
    """Text of a page without soft hyphens, and with `’` where U+0092 stands alone; text encoded twice stays."""
    text = with_line_ends(text)
    if "\xad" in text:
        text = _SOFT_HYPHEN.sub("", text)
    if not _ANY_C1.search(text):
        return text
    return _C1.sub(lambda match: _C1_SIGNS[match[1]] if match[1] else match[0], text)


def decode_page(page: bytes, declared: str | None) -> tuple[str, str]:
    """The page as a string, and the name of its charset; `declared` is HTTP's charset parameter.

    Raises UnreadablePageError (`charset_unknown`) when each charset in question leaves over a tenth of the non-ASCII
    characters, and over one in a thousand of all, unreadable.
    """
    for mark, charset in _BOMS:
        if page.startswith(mark):
            return page[len(mark) :].decode(charset, "replace"), charset
    # ISO-2022 and HZ are valid UTF-8 but mean something else. One byte is found ten times as fast as two.
    seven_bit = (b"\x1b" in page and (b"\x1b$" in page or b"\x1b(" in page)) or (
        b"~" in page and b"~{" in page
    )
    if not seven_bit:
        try:
            return page.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            pass
    meta = _META_CHARSET.search(page, 0, 4096)
    labels = (declared, meta.group(1).decode("ascii", "replace") if meta else None)
    best, best_text, fewest = "", "", 1.1
    for label in (*labels, None):
        guess = map_encoding_to_html5(label, fallback_utf8=False) if label else detect_encoding(page)
        if not guess:
            continue
        charset = guess.lower()
        if charset.startswith("utf-16"):
            charset = "utf-8"  # WHATWG: a declaration that could be read as ASCII is not UTF-16
        try:
            text = page.decode(charset, "replace")
        except LookupError:
            continue
        unreadable = text.count("\ufffd")
        strange = len(text) - len(text.encode("ascii", "ignore")) if unreadable else 1
        fraction = unreadable / strange
        if fraction <= MAX_UNDECODABLE_FRACTION:
            return text, charset
        if fraction < fewest:
            best, best_text, fewest = charset, text, fraction
    if best and best_text.count("\ufffd") <= MAX_UNDECODABLE_IN_TEXT * len(best_text):
        return best_text, best
    raise UnreadablePageError(
        "charset_unknown", f"best guess {best or 'none'} cannot read {fewest:.0%} of the non-ASCII characters"
    )


def page_text(html: str) -> PageText:
    """Title and visible text of a page, all of it, as a WET file has it.

    Raises UnreadablePageError: `html_too_complex` for a page made to be slow (`html_cost`), `no_text` when nothing is
    visible.
    """
    if broken := broken_limit(html.encode("utf-8", "replace")):
        raise UnreadablePageError("html_too_complex", broken)
    tree = HTMLTree.parse(html)
    text = readable(extract_plain_text(tree, main_content=False, alt_texts=False)).strip()
    if not text:
        raise UnreadablePageError("no_text", "the page shows no text")
    return PageText(" ".join(readable(tree.title or "").split()), text)


def main_text(html: str, extractor: Extractor) -> PageText:
    """Title and main content of a page, with `html_language`, `published` and `canonical_url` where it names them, and
    `extraction` where no block was taken for main content (`best_subtree`, `whole_page`).

    Raises UnreadablePageError: `html_too_complex` for a page of too many tags, `no_text` when nothing is visible.
    """
    tags = html.count("<")
    if tags > MAX_TAGS:
        raise UnreadablePageError("html_too_complex", f"{tags} tags")
    found = extractor.extract(html)
    text = readable(found.text).strip()
    if not text:
        raise UnreadablePageError("no_text", "the page shows no text")
    facts = {
        "html_language": found.language or "",
        "published": found.date.isoformat() if found.date else "",
        "canonical_url": found.canonical_url or "",
        "extraction": found.fallback,
    }
    title = " ".join(readable(found.title).split())
    return PageText(title, text, {name: value for name, value in facts.items() if value})
