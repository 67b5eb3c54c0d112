"""Bytes of source files to text; nothing is guessed."""

from __future__ import annotations

import pytest

from stages.sources.source_encoding import decode_source


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("é = 1\n".encode(), ("é = 1\n", "")),
        ("\ufeffé".encode(), ("é", "")),
        ("é\n".encode("utf-16"), ("é\n", "")),
        (b"", ("", "")),
        ("# -*- coding: latin-1 -*-\né\n".encode("latin-1"), ("# -*- coding: latin-1 -*-\né\n", "")),
        ("#!x\n# vim: fileencoding=cp1251\nЖ".encode("cp1251"), ("#!x\n# vim: fileencoding=cp1251\nЖ", "")),
        (
            '<?xml version="1.0" encoding="ISO-8859-1"?>é'.encode("latin-1"),
            ('<?xml version="1.0" encoding="ISO-8859-1"?>é', ""),
        ),
        ("# coding: shift_jis\n表".encode("shift_jis"), ("# coding: shift_jis\n表", "")),
        ("é".encode("latin-1"), ("", "encoding_unknown")),
        ("\n\n# coding: latin-1\né".encode("latin-1"), ("", "encoding_unknown")),
        (b"# coding: hex\n\xe9", ("", "encoding_unknown")),
        (b"# coding: no-such\n\xe9", ("", "encoding_unknown")),
        (b"# coding: gbk\n\x80\xff", ("", "encoding_unknown")),
        (b"\xff\xfea", ("", "encoding_unknown")),
        (b"\x89PNG\0", ("", "binary")),
        (b"text\0", ("", "binary")),
    ],
)
def test_decodes_what_a_file_says_it_is(content: bytes, expected: tuple[str, str]) -> None:
    assert decode_source(content) == expected
