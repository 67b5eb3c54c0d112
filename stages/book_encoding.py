"""The text of a book file from its bytes, whatever it was written in.

In this order: a byte order mark; UTF-16 and UTF-32 without one, where a file with NUL bytes is text with blanks in it;
UTF-8 when nearly all of its sequences are whole; the charset that a Project Gutenberg header declares; else the one of
Windows-1252, Mac OS Roman and DOS code page 850 in which the bytes above 127 stand where letters and quotation marks
may stand. The order and the numbers are ours: books of these collections declare nothing, or declare it wrong.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from functools import cache
from itertools import islice

MAX_ODD_SIGNS = 0.01  # of the characters: unassigned ones and control characters, if it is UTF-16 or UTF-32
MAX_STRAY_NULS = 0.001  # of all bytes: padding and damage of a text; more is another kind of file
MAX_BROKEN_SEQUENCES = 0.1  # of the sequences: bytes of another charset give nearly none that is whole
SAMPLED_BYTES = 20_000  # bytes above 127 looked at to choose among three charsets
LATIN_CHARSETS = ("cp1252", "mac_roman", "cp850")  # of equals the first
# Charsets that Gutenberg's headers declare, as Python knows them; those of Latin letters are told by the bytes.
DECLARED = re.compile(r"^Character set encoding:[ \t]*([\w .:-]{2,40})", re.MULTILINE | re.IGNORECASE)
DECLARED_CHARSETS = {
    **{f"iso-8859-{n}": f"iso8859-{n}" for n in (2, 3, 4, 5, 7, 8, 9, 10, 13, 14, 15, 16)},
    **{f"windows-125{n}": f"cp125{n}" for n in (0, 1, 3, 4, 5, 6, 7, 8)},
    **{name: name for name in ("koi8-r", "koi8-u", "big5", "gb2312", "gbk", "gb18030", "euc-jp", "euc-kr")},
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "macintosh": "mac_roman",
    "macroman": "mac_roman",
}

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HIGH = re.compile(r"[\x80-\xff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


class NotText(ValueError):
    """Bytes that are no text in any charset."""


def decode_book(content: bytes) -> tuple[str, str]:
    """(text, charset). Bytes that the charset does not have become U+FFFD; line ends are those of the file.

    Raises NotText when more than one byte in 1,000 is NUL and it is no UTF-16 or UTF-32.
    """
    for mark, charset in _MARKS:
        # Two bytes of NUL behind the mark of UTF-16 are as likely UTF-32, which is four bytes a character.
        if content.startswith(mark) and not (charset.startswith("utf-32") and len(content) % 4):
            return _decoded(content[len(mark) :], charset), charset
    if (wide := _wide_charset(content)) is not None:
        return _decoded(content, wide), wide
    content = content.rstrip(b"\0\x1a")  # the padding of a tape block or disk sector, DOS's end of file
    nuls = content.count(b"\0")
    if nuls > len(content) * MAX_STRAY_NULS:
        raise NotText(f"{nuls} of {len(content)} bytes are NUL")
    if nuls:
        content = content.replace(b"\0", b"")
    if content.isascii():
        return content.decode("ascii"), "ascii"
    charset = _byte_charset(content)
    return _decoded(content, charset), charset


def _decoded(content: bytes, charset: str) -> str:
    if (
        charset == "cp1252"
    ):  # as WHATWG has it: five bytes that Windows-1252 leaves open are control characters
        return content.decode("latin-1").translate(_c1_table())
    return _SURROGATE.sub("\ufffd", content.decode(charset, "replace").replace("\0", ""))


@cache
def _c1_table() -> dict[int, str]:
    return {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}


def _wide_charset(content: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, from the first 64 KiB; None for anything else."""
    sample = content[: 1 << 16]
    sample = sample[: len(sample) & ~3] or sample
    if sample.count(b"\0") <= len(sample) * MAX_STRAY_NULS:
        return None
    best, most_blanks = None, 0
    for charset in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        text = sample.decode(charset, "replace")
        odd = sum(text.count(sign) for sign in set(text) if _is_odd(sign))
        blanks = sum(map(text.count, " \n\u3000\u3002"))  # the other byte order has none of them
        if blanks > most_blanks and odd <= len(text) * MAX_ODD_SIGNS:
            best, most_blanks = charset, blanks
    return best


def _is_odd(sign: str) -> bool:
    return sign == "\ufffd" or (unicodedata.category(sign)[0] == "C" and sign not in "\t\n\r\f\ufeff\xad")


def _byte_charset(content: bytes) -> str:
    """The charset of bytes some of which are above 127."""
    try:
        content.decode("utf-8")
        return "utf-8"
    except UnicodeDecodeError:
        pass
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = sum(len(run) for run in re.findall("[\x80-\ufffc\U00010000-\U0010ffff]+", text))
    if broken < whole * MAX_BROKEN_SEQUENCES:
        return "utf-8"
    declared = DECLARED.search(content[:10_000].decode("latin-1"))
    if declared and (charset := DECLARED_CHARSETS.get(declared[1].strip().lower())):
        try:
            content.decode(charset)
            return charset
        except UnicodeDecodeError:
            pass
    return max(LATIN_CHARSETS, key=lambda name: _plausibility(content, name))


def _plausibility(content: bytes, charset: str) -> float:
    """How well the characters above 127 fit where they stand, summed over the first `SAMPLED_BYTES` of them."""
    text = content[: 8 << 20].decode("latin-1")
    table = _signs(charset)
    score, seen = 0.0, 0
    for run in islice(_HIGH.finditer(text), SAMPLED_BYTES):
        for place in range(run.start(), min(run.end(), run.start() + 40)):
            before = table.get(text[place - 1], text[place - 1]) if place else " "
            after = table.get(text[place + 1], text[place + 1]) if place + 1 < len(text) else " "
            score += _fit(table[text[place]], before, after)
            seen += 1
        if seen >= SAMPLED_BYTES:
            break
    return score


@cache
def _signs(charset: str) -> dict[str, str]:
    """What each byte above 127, read as Latin-1, is in a charset."""
    return {chr(b): bytes([b]).decode(charset, "replace") for b in range(0x80, 0x100)}


def _fit(sign: str, before: str, after: str) -> float:
    if sign in "ªº":
        return 0.0
    if sign.islower():
        return 1.0 if before.isalpha() or after.isalpha() else -0.5
    if sign.isupper():
        return 1.0 if not before.islower() and not after.isdigit() else -1.0
    if sign in "‚„":
        return 1.0 if not before.isalnum() and not after.isspace() else -0.5
    if unicodedata.category(sign) in ("Pi", "Pf"):  # which of them opens is another matter in each language
        inside = before.isalnum() and after.isalnum()
        return -0.5 if (inside and sign != "\u2019") or (before.isspace() and after.isspace()) else 1.0
    if sign in "–—…":
        return 0.5
    if sign in "\xa0\xad¿¡§°£":
        return 0.25 if sign not in "¿¡" or after.isalpha() else -1.0
    return -1.0
