from __future__ import annotations

import struct

import pytest

from classifiers.unigram_model import UnigramModel, read_unigram_model


def field(number: int, value: bytes | int | float) -> bytes:
    if isinstance(value, bytes):
        return bytes([number << 3 | 2, len(value)]) + value
    if isinstance(value, float):
        return bytes([number << 3 | 5]) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def varint(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def piece(text: bytes, score: float, kind: int = 1) -> bytes:
    return field(1, field(1, text) + field(2, score) + field(3, kind))


def test_reads_pieces_scores_and_table() -> None:
    content = (
        piece(b"<unk>", 0.0, 2) + piece(b"</s>", 0.0, 3) + piece(b"ab", -1.5) + field(1, field(1, b"c"))
        + field(2, field(3, 1) + field(24, 0)) + field(3, field(1, b"nmt_nfkc") + field(2, b"table"))
    )  # fmt: skip
    assert read_unigram_model(content) == UnigramModel((b"ab", b"c"), (-1.5, 0.0), b"table")


@pytest.mark.parametrize(
    "more",
    [
        piece(b"x", 0.0, 4),  # user-defined
        piece(b"x", 0.0, 5),  # unused
        piece(b"<0x00>", 0.0, 6),
        field(2, field(3, 2)),  # BPE
        field(2, field(24, 1)),
        field(2, field(35, 1)),
        field(3, field(3, 0)),
        field(3, field(4, 0)),
        field(3, field(5, 0)),
    ],
)
def test_another_kind_of_model_is_none(more: bytes) -> None:
    assert read_unigram_model(piece(b"ab", -1.5)) is not None
    assert read_unigram_model(piece(b"ab", -1.5) + more) is None


@pytest.mark.parametrize("content", [b"\x0a", b"\x0a\x05ab", b"\x0a\xff", b"\xff" * 12, b"\x0b", b"\x15\x00"])
def test_a_file_that_is_cut_off_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="get the file again"):
        read_unigram_model(content)
