"""What comes out of bz2 streams that are damaged, forged or inflate without end."""

from __future__ import annotations

import bz2
import io
import random

import pytest

from stages.sources import wikipedia_streams
from stages.sources.wikipedia_streams import Damage, Event, RangeEnd, StreamStart, bz2_events, plain_events


def events_of(data: bytes, end: int = 1 << 40) -> list[Event]:
    """The events, neighbouring bytes joined."""
    joined: list[Event] = []
    for event in bz2_events(io.BytesIO(data), "x.bz2", 0, end):
        last = joined[-1] if joined else None
        if isinstance(event, bytes) and isinstance(last, bytes):
            joined[-1] = last + event
        elif event != b"":
            joined.append(event)
    return joined


def test_no_byte_of_a_block_that_fails_its_checksum_comes_out() -> None:
    text = random.Random(3).randbytes(1_600_000).hex().encode()  # four blocks
    packed = bz2.compress(text)
    for share in (0.4, 0.6, 0.8, 0.97):
        at = int(len(packed) * share)
        wrong = packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :] + bz2.compress(b"next")
        start, good, damage, following, last = events_of(wrong)
        assert isinstance(good, bytes) and text.startswith(good)
        assert len(good) >= len(text) * share - 3 * 900_000
        assert (start, damage) == (StreamStart(0), Damage(0, "bz2 data damaged"))
        assert (following, last) == (StreamStart(len(packed)), b"next")


def test_whole_blocks_before_a_cut_come_out() -> None:
    text = random.Random(3).randbytes(900_000).hex().encode()
    start, good, damage = events_of(bz2.compress(text)[:-9])
    assert (start, good, damage) == (StreamStart(0), text, Damage(0, "the bz2 stream is cut off"))


def test_a_bomb_is_left_and_the_next_stream_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wikipedia_streams, "_MIN_BOMB_BYTES", 1 << 20)
    bomb = bz2.compress(bytes(30_000_000))
    assert len(bomb) < 100
    found = events_of(bomb + bz2.compress(b"next"))
    assert found[-3:] == [
        Damage(0, "bz2 data inflates over 250 times"),
        StreamStart(len(bomb)),
        b"next",
    ]
    assert sum(len(e) for e in found if isinstance(e, bytes)) < 2 << 20


def test_bytes_behind_the_last_stream_are_told_of() -> None:
    data = bz2.compress(b"a")
    assert events_of(data + b"more")[2:] == [Damage(len(data), "these bytes are of no bz2 stream")]


def test_a_plain_file_is_its_bytes() -> None:
    assert list(plain_events(io.BytesIO(b"abcdef"), 2, 4)) == [b"cd", RangeEnd(), b"ef"]
    assert list(plain_events(io.BytesIO(b"abcdef"), 2, 9)) == [b"cdef"]
    assert list(plain_events(io.BytesIO(b"abcdef"), 7, 9)) == []
