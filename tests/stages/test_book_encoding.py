"""Charsets of books: each sample in each charset that has it comes back as it was."""

from __future__ import annotations

import os
import random

import pytest

from stages.book_encoding import NotText, decode_book

TEXTS = {
    "english": "‘Don’t,’ said he — “you mustn’t…” and went to the café. £5.",
    "french": "Il était déjà là, l'œil fixé sur « l'été ». Où ? À Nîmes, ça va.",
    "german": "„Schön“, sagte Jürgen, „das weiß ich über Öl.“ Ärger – größer.",
    "spanish": "¿Qué pasó, señor? ¡Ánimo! El niño comió jamón «aquí».",
    "russian": "Все счастливые семьи похожи друг на друга.\n",
    "chinese": "子曰：學而時習之，不亦說乎。\n有朋自遠方來，不亦樂乎。\n",
}


UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
LATIN = ("cp1252", "latin-1", "mac_roman", "cp850")
CASES = [
    (language, charset)
    for language in TEXTS
    for charset in (*UNICODE, *(() if language in ("russian", "chinese") else LATIN))
]


@pytest.mark.parametrize(("language", "charset"), CASES)
def test_finds_the_charset(language: str, charset: str) -> None:
    content = TEXTS[language].encode(charset, "ignore")
    assert decode_book(content)[0] == content.decode(charset)


def test_a_declared_charset_counts_for_other_scripts() -> None:
    header = "Character set encoding: KOI8-R\r\n\r\n"
    assert decode_book((header + TEXTS["russian"]).encode("koi8-r")) == (header + TEXTS["russian"], "koi8-r")


def test_a_declared_charset_that_does_not_fit_does_not_count() -> None:
    content = b"Character set encoding: Shift_JIS\n" + TEXTS["french"].encode("cp1252")
    assert decode_book(content)[1] == "cp1252"


def test_some_broken_bytes_do_not_make_utf_8_another_charset() -> None:
    content = (TEXTS["french"] * 20).encode() + b"\xff\xe9 fin"
    text, charset = decode_book(content)
    assert (charset, text.count("\ufffd")) == ("utf-8", 2)
    assert text.startswith(TEXTS["french"])


def test_bytes_that_windows_1252_leaves_open_are_control_characters() -> None:
    assert decode_book(b"caf\xe9 \x93a\x81b\x94") == ("café “a\x81b”", "cp1252")


def test_stray_nuls_and_padding_go() -> None:
    assert decode_book(b"word " * 1000 + b"\0" + b"end" + b"\0" * 500 + b"\x1a\0") == (
        "word " * 1000 + "end",
        "ascii",
    )


@pytest.mark.parametrize(
    "content", [b"a\0b", bytes(range(256)) * 10, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\1" * 99]
)
def test_bytes_that_are_no_text_are_refused(content: bytes) -> None:
    with pytest.raises(NotText, match=r"^\d+ of \d+ bytes are NUL$"):
        decode_book(content)


def test_random_bytes_never_raise_anything_else() -> None:
    draw = random.Random(5)
    for _ in range(300):
        content = draw.randbytes(draw.randrange(40)) + draw.choice(
            [b"", b"\0 \0a", b" \0a\0", b"\xff\xfe", os.linesep.encode()]
        )
        try:
            text, _ = decode_book(content)
        except NotText:
            continue
        text.encode()
