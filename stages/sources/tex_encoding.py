"""Bytes of TeX files to text: which of them are text at all, and in which encoding each is.

Every file of a project is judged on its own: UTF-8 when it is, with a few odd bytes too, else what inputenc declares in
it or in the project, else Windows-1252. TeX ignores NUL characters (The TeXbook, appendix B: category 9), so they go.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping

INPUTENC = re.compile(
    rb"\\(?:usepackage\s{0,8}\[([A-Za-z0-9-]+)\]\s{0,8}\{inputenc\}"
    rb"|inputencoding\s{0,8}\{([A-Za-z0-9-]+)\})"
)
CJK = re.compile(rb"\\begin\s{0,8}\{CJK\*?\}\s{0,8}(?:\[[^\[\]]*\])?\s{0,8}\{(GBK?|Bg5|JIS|SJIS|KS)\}")
ENCODINGS = {
    "latin1": "cp1252",  # cp1252 fills the C1 range that latin-1 leaves to control characters
    "ansinew": "cp1252",
    "cp1252": "cp1252",
    "latin2": "iso8859-2",
    "latin3": "iso8859-3",
    "latin4": "iso8859-4",
    "latin5": "iso8859-9",
    "latin9": "iso8859-15",
    "latin10": "iso8859-16",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "cp850": "cp850",
    "cp852": "cp852",
    "cp865": "cp865",
    "cp866": "cp866",
    "cp437": "cp437",
    "applemac": "mac-roman",
    "GB": "gb18030",
    "GBK": "gb18030",
    "Bg5": "big5",
    "JIS": "euc-jp",
    "SJIS": "shift-jis",
    "KS": "euc-kr",
}
NOT_TEX = (b"%!ps", b"%pdf", b"<html", b"<!doctype html")
MAX_NUL_FRACTION = 0.01  # ours: more of them are no text; UTF-16 is told by its mark
SURROGATE = re.compile("[\udc80-\udcff]")


def is_text(content: bytes) -> bool:
    """Whether bytes may be TeX: hardly a NUL in them, and not PostScript, PDF or HTML."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    if content.count(0) > MAX_NUL_FRACTION * len(content):
        return False
    return not content[:1024].lstrip(b" \t\r\n\0").lower().startswith(NOT_TEX)


def decode_files(files: Mapping[str, bytes]) -> dict[str, str]:
    """Each file as text with `\\n` line ends, in the order of their paths."""
    declared = {path: name for path in sorted(files) if (name := declared_encoding(files[path])) is not None}
    of_project = next(iter(declared.values()), "latin1")
    return {path: decode(files[path], declared.get(path, of_project)) for path in sorted(files)}


def declared_encoding(content: bytes) -> str | None:
    """The name that a file gives its encoding by inputenc or the package CJK, if it is one that is known here."""
    if match := INPUTENC.search(content):
        name: str = (match[1] or match[2]).decode("ascii").lower()
        return name if name in ENCODINGS else None
    match = CJK.search(content)
    return match[1].decode("ascii") if match else None


def decode(content: bytes, declared: str) -> str:
    """The text of one file; never fails. `declared` counts where the bytes are not UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", "replace")
    else:
        encoding = ENCODINGS[declared]
        text = content.decode("utf-8-sig", "surrogateescape")
        odd = len(SURROGATE.findall(text)) if not text.isascii() else 0
        if odd:
            others = sum(map(len, NON_ASCII.findall(text))) - odd
            # Text in UTF-8 with some odd bytes, or none in UTF-8: valid sequences are rare by chance.
            text = (
                SURROGATE.sub(lambda m: _one(m[0], encoding), text)
                if others >= odd
                else _whole(content, encoding)
            )
    return text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")


NON_ASCII = re.compile(r"[^\x00-\x7f]+")


def _one(surrogate: str, encoding: str) -> str:
    return _whole(bytes([ord(surrogate) - 0xDC00]), encoding if encoding not in WIDE else "cp1252")


WIDE = frozenset(["gb18030", "big5", "euc-jp", "shift-jis", "euc-kr"])


def _whole(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("latin-1") if encoding not in WIDE else content.decode(encoding, "replace")
