"""The text that CCNet's language models are trained on and score: normalised, in one line.

In: any text. Out: the text lower-cased, without accents, with every digit `0` and with punctuation in ASCII. Follows
cc_net's `text_normalizer.normalize`; CCNet's cut-offs hold for texts normalised in just this way.
"""

from __future__ import annotations

import unicodedata

# CCNet's 34 punctuation signs by what they become. It lists the full-width digit one as well, which never takes
# effect because digits are replaced first; it is left out here.
_PUNCTUATION = {
    '"': "„”“«»」「《》", "'": "´’", ",": "，、", ".": "。", ". ": "．", ":": "∶：", ";": "；", "?": "？", "!": "！",
    "(": "（", ")": "）", "-": "–━►", " - ": "—", "~": "～", "...": "…", "<": "〈", ">": "〉", "[": "【", "]": "】",
    "%": "％",
}  # fmt: skip
_ASCII_OF = {sign: plain for plain, signs in _PUNCTUATION.items() for sign in signs}


class _Normalization(dict[int, str]):
    """The replacement of each character, worked out when it is first met; at most one entry per code point."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if category == "Nd":
            replacement = "0"
        elif category in ("Mn", "Cc"):
            replacement = ""
        else:
            replacement = _ASCII_OF.get(character, character)
        self[code] = replacement
        return replacement


_NORMALIZATION = _Normalization()


def normalize(text: str) -> str:
    """The text as CCNet's language models were trained on it.

    Stripped, lower case, accents removed (NFD without non-spacing marks), each decimal digit of any script `0`, CCNet's
    punctuation signs in ASCII, control characters (newline and tab too) deleted.
    """
    text = text.strip().lower()
    if not text.isascii():
        text = unicodedata.normalize("NFD", text)
    return text.translate(_NORMALIZATION)
