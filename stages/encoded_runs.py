"""Runs of encoded data in a source file: base64, hexadecimal bytes, Unicode escapes.

In: a text. Out: the lengths of the runs. The three forms are The Stack v2's (Lozhkov et al. 2024, arXiv
2402.19173, section 3.4): 64 characters of base64, eight hexadecimal bytes, eight Unicode escapes in a row, or
more. Long runs of their characters are found by a table; the patterns of the last two are tried only there.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]

MIN_BASE64_CHARACTERS = 64  # The Stack v2
MIN_DISTINCT_CHARACTERS = 16  # ours: a ruler of `=` is no data, and base64 of 64 characters has about 40
_MIN_HEX_CHARACTERS = 8 * 2 + 7  # eight bytes of two digits, something between
_MIN_ESCAPE_CHARACTERS = 8 * 6
_HEX = re.compile(rb"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b)\s{0,8}){8,}")
_ESCAPES = re.compile(rb"(?:\\u[0-9a-fA-F]{4}){8,}")


def _table(characters: bytes) -> Flags:
    flags = np.zeros(256, dtype=np.bool_)
    flags[np.frombuffer(characters, dtype=np.uint8)] = True
    return flags


_DIGITS = b"0123456789"
_BASE64 = _table(_DIGITS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/=\n")
_HEX_PARTS = _table(_DIGITS + b"abcdefABCDEFx\\, \t\n\r\f\v")
_ESCAPE_PARTS = _table(_DIGITS + b"abcdefABCDEFu\\")


def encoded_runs(text: str) -> list[int]:
    """Lengths in characters of the runs of all three forms; runs of two forms may overlap."""
    data = text.encode("utf-8", "replace")
    values = np.frombuffer(data, dtype=np.uint8)
    found = [
        end - start
        for start, end in _runs(_BASE64[values], MIN_BASE64_CHARACTERS)
        if len(set(data[start:end])) >= MIN_DISTINCT_CHARACTERS
    ]
    for start, end in _runs(_HEX_PARTS[values], _MIN_HEX_CHARACTERS):
        # With the character behind, which decides whether the last two digits end a word.
        found.extend(match.end() - match.start() for match in _HEX.finditer(data, start, end + 1))
    if "\\u" in text:
        for start, end in _runs(_ESCAPE_PARTS[values], _MIN_ESCAPE_CHARACTERS):
            found.extend(match.end() - match.start() for match in _ESCAPES.finditer(data, start, end))
    return found


def _runs(flags: Flags, min_length: int) -> list[tuple[int, int]]:
    """(start, end) of the runs of set flags that are at least so long."""
    padded = np.zeros(len(flags) + 2, dtype=np.int8)
    padded[1:-1] = flags
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts >= min_length
    return list(zip(starts[long].tolist(), ends[long].tolist(), strict=True))
