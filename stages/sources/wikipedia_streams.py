"""The XML of a dump file from any place in it on: bytes as they stand, or inflated from bz2 streams one by one.

In: a seekable file and a range of its bytes. Out: events: where a bz2 stream begins, inflated bytes, damage, and where
the range ends; then what follows it, for a page that goes on there.

Wikimedia's multistream dumps hold 100 pages in each bz2 stream (https://meta.wikimedia.org/wiki/Data_dumps/Dump_format);
pbzip2 and lbzip2 make one of every 900 kB, wherever pages begin. Either way a stream begins with `BZh`, its block size
and the mark of a block or of the end, and the stream before it ends with a mark of 48 bits, not aligned to bytes, a
checksum of 32 bits and up to 7 bits of padding (https://en.wikipedia.org/wiki/Bzip2#File_format). A beginning right
behind such an end is `clean`: it can be told by the 20 bytes around it, so that everybody who comes to it, from the
start of the file or from elsewhere, cuts there. What looks like a beginning by accident is not behind an end; such
places are tried only after damage, and belong to the clean beginning before them.
"""

from __future__ import annotations

import bz2
import re
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_CHUNK_BYTES = 256 << 10
_SEARCH_BYTES = 1 << 20

# Both marks are decimals of well-known numbers: pi for a block, its square root for the end of a stream.
_BLOCK_MARK, _END_MARK = 0x314159265359, 0x177245385090
_BEGINNING_BYTES = 10  # of a stream: `BZh`, block size, mark
_MARKS = b"|".join(re.escape(mark.to_bytes(6, "big")) for mark in (_BLOCK_MARK, _END_MARK))
_ANY_BEGINNING = re.compile(rb"BZh[1-9](?:" + _MARKS + rb")")
# Five whole bytes of the end mark stand 10 to 6 bytes before the next stream, shifted by the bits of padding.
_END_BYTES = 10
_SHIFTED = b"|".join(
    re.escape((_END_MARK >> (8 - padding) & (1 << 40) - 1).to_bytes(5, "big")) for padding in range(8)
)
_CLEAN_BEGINNING = re.compile(
    rb"BZh(?<=(?:" + _SHIFTED + rb").{5}BZh)[1-9](?:" + _MARKS + rb")", flags=re.DOTALL
)

# What came out last is held back until more does: the checksum of a block of 900,000 bytes is checked at its end, and
# bytes of a block that fails it are no text.
_HELD_BYTES = 900_000

# A stream that inflates to more times its size is given up. Dumps inflate 3 to 5 times; of a run of one byte bz2 makes
# a millionth. What is small may be inflated whatever it is.
_MAX_INFLATION = 250
_MIN_BOMB_BYTES = 64 << 20

# A range with more damaged bz2 streams than this is given up: it is no dump, or it must be fetched again.
MAX_DAMAGED_STREAMS = 1000


@dataclass(frozen=True, slots=True)
class StreamStart:
    """A bz2 stream begins at this byte of the file; the bytes that follow are inflated from it."""

    offset: int


@dataclass(frozen=True, slots=True)
class Damage:
    """At this byte of the file a bz2 stream begins that cannot be read on; the next bytes are of another one."""

    offset: int
    detail: str


@dataclass(frozen=True, slots=True)
class RangeEnd:
    """The bytes that follow are of the next range."""


Event = bytes | StreamStart | Damage | RangeEnd


def is_bz2(stream: BinaryIO) -> bool:
    """Whether a file begins as bz2."""
    return re.match(rb"BZh[1-9]", _Packed(stream).read(0, _BEGINNING_BYTES)) is not None


def plain_events(stream: BinaryIO, start: int, end: int) -> Iterator[Event]:
    """The bytes of a file that is not packed: those of the range start..end, `RangeEnd`, and all that follow."""
    packed, at = _Packed(stream), start
    while data := packed.read(at, min(_CHUNK_BYTES, end - at) if at < end else _CHUNK_BYTES):
        yield data
        at += len(data)
        if at == end:
            yield RangeEnd()


def clean_beginning(stream: BinaryIO, start: int, end: int) -> int | None:
    """The first byte in start..end at which a bz2 stream begins cleanly, found without inflating anything."""
    return 0 if start == 0 else _next_beginning(_Packed(stream), start, end, _CLEAN_BEGINNING)


def bz2_events(stream: BinaryIO, origin: str, begin: int, end: int) -> Iterator[Event]:
    """What the bz2 streams from the clean beginning `begin` on hold; `RangeEnd` comes before the first one that begins
    cleanly at `end` or later.

    After damage reading goes on at the next place that looks like a beginning. Equal bytes give equal events, however
    the file is handed out and from wherever it is read. Raises ValueError when too much is damaged.
    """
    packed = _Packed(stream)
    position: int | None = begin
    damaged, ended = 0, False
    while position is not None:
        yield StreamStart(position)
        detail, after = yield from _inflated(packed, position)
        if detail is None and not _ANY_BEGINNING.match(packed.read(after, _BEGINNING_BYTES)):
            if not packed.read(after, 1):
                return
            detail, position, after = "these bytes are of no bz2 stream", after, after + 1
        if detail is not None:
            yield Damage(position, detail)
            damaged += 1
            if damaged > MAX_DAMAGED_STREAMS:
                raise ValueError(
                    f"{origin}: over {MAX_DAMAGED_STREAMS} damaged bz2 streams; download it anew"
                )
        position = _next_beginning(packed, after, None, _ANY_BEGINNING)
        if not ended and position is not None and position >= end and packed.is_clean(position):
            ended = True
            yield RangeEnd()


def _inflated(packed: _Packed, begin: int) -> Generator[bytes, None, tuple[str | None, int]]:
    """Inflates the stream that begins at `begin`, at most up to the next clean beginning.

    Returns what is wrong with it, if anything, and from which byte of the file on the next stream is to be looked for.
    """
    inflater = bz2.BZ2Decompressor()
    held: deque[bytes] = deque()
    held_bytes = inflated_bytes = 0
    fed = begin  # up to here the file has been handed to the inflater
    retry: int | None = None  # the first place behind `begin` that looks like a beginning
    detail: str | None = None
    while detail is None and not inflater.eof:
        low, high = max(fed, begin + 1), fed + _CHUNK_BYTES
        if retry is None:
            retry = _next_beginning(packed, low, high, _ANY_BEGINNING)
        stop = _next_beginning(packed, low, high, _CLEAN_BEGINNING) if retry is not None else None
        waiting = packed.read(fed, (stop or high) - fed)
        cut_off = stop is not None or not waiting
        fed += len(waiting)
        while detail is None:
            try:
                out = inflater.decompress(waiting, _CHUNK_BYTES)
            except OSError:
                detail = "bz2 data damaged"
                break
            waiting = b""
            held.append(out)
            held_bytes += len(out)
            inflated_bytes += len(out)
            while held_bytes - len(held[0]) >= _HELD_BYTES:
                held_bytes -= len(held[0])
                yield held.popleft()
            if inflated_bytes > _MIN_BOMB_BYTES + _MAX_INFLATION * (fed - begin):
                detail = f"bz2 data inflates over {_MAX_INFLATION} times"
            elif inflater.eof or inflater.needs_input:
                break
        if detail is not None:
            held.clear()
        elif cut_off and not inflater.eof:
            detail = "the bz2 stream is cut off"
    yield from held
    return detail, fed - len(inflater.unused_data) if detail is None else retry or max(fed, begin + 1)


def _next_beginning(packed: _Packed, start: int, end: int | None, kind: re.Pattern[bytes]) -> int | None:
    """The first byte in start..end (None: the end of the file) at which a stream begins or seems to."""
    while end is None or start < end:
        behind = min(start, _END_BYTES)
        stop = start + _SEARCH_BYTES if end is None else min(end, start + _SEARCH_BYTES)
        data = packed.read(start - behind, stop - start + behind + _BEGINNING_BYTES - 1)
        found = kind.search(data, behind)
        if found is not None:
            return start - behind + found.start()
        if len(data) <= behind:
            return None
        start = stop
    return None


class _Packed:
    """The bytes of a file by their offset. What was read last is kept, so that reading on goes back nowhere."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._offset, self._data = 0, b""

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset` on, fewer only at the end of the file."""
        known = offset - self._offset
        kept = self._data[known : known + size] if 0 <= known <= len(self._data) else b""
        if len(kept) == size:
            return kept
        self._stream.seek(offset + len(kept))
        pieces = [kept]
        missing = size - len(kept)
        while missing and (more := self._stream.read(missing)):
            pieces.append(more)
            missing -= len(more)
        self._offset, self._data = offset, b"".join(pieces)
        return self._data

    def is_clean(self, offset: int) -> bool:
        """Whether what begins here is right behind the end of another stream."""
        behind = min(offset, _END_BYTES)
        data = self.read(offset - behind, behind + _BEGINNING_BYTES)
        return _CLEAN_BEGINNING.match(data, behind) is not None
