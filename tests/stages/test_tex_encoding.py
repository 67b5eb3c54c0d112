"""Bytes of TeX files: what is text, and in which encoding."""

from __future__ import annotations

import pytest

from stages.sources.tex_encoding import declared_encoding, decode, decode_files, is_text


@pytest.mark.parametrize(
    ("content", "declared", "expected"),
    [
        ("Gödel".encode(), "latin1", "Gödel"),
        (b"\xef\xbb\xbfx", "latin1", "x"),
        ("Gödel".encode("latin-1"), "latin1", "Gödel"),
        ("“x”".encode("cp1252"), "latin1", "“x”"),
        ("łódź".encode("iso8859-2"), "latin2", "łódź"),
        ("мир".encode("koi8-r"), "koi8-r", "мир"),
        ("数学".encode("gb18030"), "GBK", "数学"),
        ("数学和论".encode("gb18030") + b"\xff", "GBK", "数学和论\ufffd"),
        ("naïve “x”".encode() + b" caf\xe9", "latin1", "naïve “x” café"),
        (b"\x81\xe9", "latin1", "\x81é"),
        ("x\u00e9".encode("utf-16"), "latin1", "xé"),
        (b"a\r\nb\rc\0d", "latin1", "a\nb\ncd"),
    ],
)
def test_decodes(content: bytes, declared: str, expected: str) -> None:
    assert decode(content, declared) == expected


def test_the_project_tells_the_encoding_of_a_file_that_does_not() -> None:
    files = {"m.tex": b"\\usepackage[latin2]{inputenc}", "a.tex": "ł".encode("iso8859-2")}
    assert decode_files(files)["a.tex"] == "ł"
    assert list(decode_files(files)) == ["a.tex", "m.tex"]


def test_reads_declarations_that_it_knows() -> None:
    assert declared_encoding(b"\\usepackage[Latin2]{inputenc}") == "latin2"
    assert declared_encoding(b"\\inputencoding{koi8-r}") == "koi8-r"
    assert declared_encoding(b"\\begin{CJK*}{GBK}{song}") == "GBK"
    assert declared_encoding(b"\\usepackage[utf8]{inputenc}") is None


def test_tells_text_from_binaries() -> None:
    assert is_text(b"x" * 200 + b"\0")
    assert not is_text(b"x" * 50 + b"\0")
    assert not is_text(b" %!PS-Adobe")
    assert not is_text(b"%PDF-1.5")
