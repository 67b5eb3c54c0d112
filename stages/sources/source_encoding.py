"""Bytes of a source file to text: UTF-8, what a byte order mark says, or what the file itself declares.

In: the bytes of a file. Out: its text, or the reason why there is none. A declaration is a coding line in the
first two lines (PEP 263, also Emacs and Vim) or in an XML declaration, and only for the encodings of a list.
Nothing is guessed.
"""

from __future__ import annotations

import codecs
import re

DECLARED = re.compile(
    rb"\A(?:[^\n]{0,300}\n)?[^\n]{0,300}?coding[:=][ \t]*([-\w.]{2,30})"
    rb"|\A\s{0,20}<\?xml[^>\n]{0,200}?encoding=[\"']([-\w.]{2,30})[\"']"
)
# Python's names of single-byte and East Asian encodings; what else Python decodes (`hex`, `zip`) is no text.
_OTHERS = "koi8-r koi8-u cp866 mac-roman gb2312 gbk gb18030 big5 shift_jis cp932 euc_jp euc_kr cp949"
ENCODINGS = frozenset(
    {
        *(f"iso8859-{number}" for number in (*range(1, 12), *range(13, 17))),
        *(f"cp125{number}" for number in range(9)),
        *_OTHERS.split(),
    }
)


def decode_source(content: bytes) -> tuple[str, str]:
    """(text, "") or ("", reason): `binary` for NUL bytes, `encoding_unknown` for what is no UTF-8 and says
    nothing.
    """
    encoding = "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in content:
        return "", "binary"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        declared = _declared(content)
        if declared is None:
            return "", "encoding_unknown"
        try:
            text = content.decode(declared)
        except UnicodeDecodeError:
            return "", "encoding_unknown"
    return ("", "binary") if "\0" in text else (text, "")


def _declared(content: bytes) -> str | None:
    found = DECLARED.match(content[:1_000])
    if found is None:
        return None
    try:
        name = codecs.lookup((found[1] or found[2]).decode("ascii")).name
    except (LookupError, UnicodeDecodeError):
        return None
    return name if name in ENCODINGS else None
