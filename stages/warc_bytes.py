"""Bytes of a WARC file, plain or out of compressed frames, as the record reader takes them: some, exactly n, up to
the next record. Inflation is bounded at every call, so that a bomb costs no memory.
"""

from __future__ import annotations

import os
import re
import zlib
from abc import ABC, abstractmethod
from typing import BinaryIO, Protocol, cast

import zstandard
from isal import isal_zlib

ISAL_ERROR = cast(type[Exception], isal_zlib.IsalError)  # its stub calls the class an instance

GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
RECORD_START = re.compile(rb"WARC/[01]\.\d+\r?\n")

MAX_INFLATION = 200  # inflated bytes a compressed byte, beyond one record's limit; HTML has 20, a bomb 1,032
READ_BYTES = 1 << 20  # of a plain file, and of a search
MAX_REWORK_BYTES = 64 << 20  # read twice in a file: what damage is searched for the records it may hide ...
REWORK_FACTOR = 40  # ... and so many for each byte of the file; an inflated page has 4 to 20, twice that


class Damage(Exception):
    """What is wrong with the record that is being read."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class BrokenBytes(Damage):
    """The bytes themselves cannot be had, so that nothing behind them can be read."""


class Rework:
    """What reading parts of a file again may cost, so that records that hide each other do not make it slow."""

    def __init__(self) -> None:
        self._spent = 0

    def allows(self, size: int, passed: int) -> bool:
        """Whether `size` bytes may be read again, `passed` bytes into the file; what is allowed is spent."""
        if self._spent + size > MAX_REWORK_BYTES + REWORK_FACTOR * passed:
            return False
        self._spent += size
        return True


class Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class Gzip:
    """gzip members. 16 KiB of input inflate to 17 MB at most, so a call is bounded."""

    name, magic, step = "gzip", GZIP_MAGIC, 16 << 10
    errors: tuple[type[Exception], ...] = (ISAL_ERROR, zlib.error)

    def frame(self) -> Decompressor:
        frame: Decompressor = isal_zlib.decompressobj(31)
        return frame


class Zstd:
    """zstd frames. 1 KiB of input inflates to 32 MiB at most (256 blocks of one repeated byte): a call is bounded."""

    name, magic, step = "zstd", ZSTD_MAGIC, 1 << 10
    errors: tuple[type[Exception], ...] = (zstandard.ZstdError,)

    def __init__(self, dictionary: bytes) -> None:
        data = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._context = zstandard.ZstdDecompressor(dict_data=data, max_window_size=128 << 20)

    def frame(self) -> Decompressor:
        frame: Decompressor = self._context.decompressobj()
        return frame


class Source(ABC):
    """Bytes of one frame, or of a plain file: `data[at:]` is what is there, `more()` adds to it."""

    def __init__(self) -> None:
        self.data = b""
        self.at = 0
        self.passed = 0  # inflated bytes no longer in `data`
        self.held = -1  # position from which on `more` keeps the bytes; -1: none behind

    @abstractmethod
    def _piece(self) -> bytes:
        """The next bytes; none at the end. Raises Damage where they cannot be had."""

    @abstractmethod
    def _restart(self, position: int) -> None:
        """Goes back to a position whose bytes are not in `data` any more, and puts `at` there."""

    def _restarts_at(self, position: int) -> int:
        """From which position on `_restart` has to read."""
        return position

    @property
    @abstractmethod
    def file_position(self) -> int:
        """How far into the file the bytes reach."""

    def more(self) -> bool:
        """Adds the next bytes; False when there are no more. Raises BrokenBytes where they cannot be had."""
        piece = self._piece()
        cut = self.at if self.held < 0 else min(self.at, max(self.held - self.passed, 0))
        self.passed += cut
        self.data = self.data[cut:] + piece
        self.at -= cut
        return bool(piece)

    def rewind(self, position: int, rework: Rework) -> None:
        """Goes back to a position, if rework allows it: else stays where it is."""
        is_here = position > self.passed
        again = self.position - (position if is_here else self._restarts_at(position))
        if not rework.allows(again, self.file_position):
            return
        if is_here:
            self.at = position - self.passed
        else:
            self._restart(position)

    @abstractmethod
    def check(self, size: int) -> None:
        """Raises Damage when it can be told without reading them that `size` bytes from here on are not one block."""

    @property
    def position(self) -> int:
        return self.passed + self.at

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, or Damage."""
        if len(self.data) - self.at < size:
            before = max(self.at - 1, 0)  # the line end before a record tells its start
            pieces = [self.data[before:]]
            have = len(self.data) - self.at
            self.passed += before
            self.data, self.at = b"", self.at - before
            while have < size and (piece := self._piece()):
                pieces.append(piece)
                have += len(piece)
            self.data = b"".join(pieces)
            if have < size:
                self.at += have
                raise Damage("damaged_record", f"Content-Length is {size}, only {have} bytes follow")
        self.at += size
        return self.data[self.at - size : self.at]

    def skip(self, size: int) -> None:
        """Passes over `size` bytes without keeping them, or Damage."""
        left = size
        while (here := len(self.data) - self.at) < left:
            left -= here
            self.at = len(self.data)
            if not self.more():
                raise Damage("damaged_record", f"Content-Length is {size}, only {size - left} bytes follow")
        self.at += left

    def skip_line_ends(self) -> bool:
        """Passes over CR and LF; False at the end of the bytes."""
        while True:
            rest = self.data[self.at : self.at + 64].lstrip(b"\r\n")
            if rest:
                self.at += min(64, len(self.data) - self.at) - len(rest)
                return True
            self.at = min(self.at + 64, len(self.data))
            if self.at == len(self.data) and not self.more():
                return False

    def take_to_record(self, limit: int) -> bytes:
        """The bytes up to the next line `WARC/1.x`, or to the end, without the blank lines before it."""
        pieces: list[bytes] = []
        size = 0
        while True:
            before = self.at
            found = self.skip_to_record()
            size += self.at - before
            if size > limit:
                raise Damage(
                    "record_too_large", f"a block without a true Content-Length is over {limit} bytes"
                )
            pieces.append(self.data[before : self.at])
            if found:
                break
            if not self.more():
                pieces.append(self.data[self.at :])
                self.at = len(self.data)
                break
        return b"".join(pieces).rstrip(b"\r\n") + b"\n"

    def skip_to_record(self) -> bool:
        """Passes over what there is, as far as the next line `WARC/1.x`; False when no such line is there."""
        for found in RECORD_START.finditer(self.data, self.at):
            if found.start() and self.data[found.start() - 1 : found.start()] == b"\n":
                self.at = found.start()
                return True
        self.at = max(self.at, len(self.data) - 32)  # a start may stand across two pieces
        return False


class Plain(Source):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._size = stream.seek(0, os.SEEK_END)
        stream.seek(0)

    def _piece(self) -> bytes:
        return self._stream.read(READ_BYTES)

    def _restart(self, position: int) -> None:
        self.passed = max(position - 1, 0)
        self._stream.seek(self.passed)
        self.data = self._stream.read(READ_BYTES)
        self.at = position - self.passed

    @property
    def file_position(self) -> int:
        return self.position

    def check(self, size: int) -> None:
        if size <= len(self.data) - self.at:
            return
        end = self.position + size
        if end > self._size:
            raise Damage(
                "damaged_record",
                f"Content-Length is {size}, only {self._size - self.position} bytes follow",
            )
        here = self._stream.tell()
        self._stream.seek(end)
        behind = self._stream.read(64)
        self._stream.seek(here)
        rest = behind.lstrip(b"\r\n")
        if len(rest) >= 16 and not RECORD_START.match(rest):
            raise Damage("damaged_record", f"Content-Length is {size}, the block goes on behind it")


class Ahead:
    """Compressed bytes of a file, read ahead in large pieces; one for all frames, so that each copies its own only."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._data = b""
        self._at = 0

    @property
    def offset(self) -> int:
        """Where in the file the next byte is."""
        return self._stream.tell() - len(self._data) + self._at

    def seek(self, offset: int) -> None:
        self._stream.seek(offset)
        self._data, self._at = b"", 0

    def start(self, size: int) -> bytes:
        """The next bytes without taking them: `size`, or fewer at the end of the file."""
        if len(self._data) - self._at < size:
            self._data = self._data[self._at :] + self._stream.read(READ_BYTES)
            self._at = 0
        return self._data[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        """Up to `size` of the next bytes; none at the end of the file."""
        if self._at == len(self._data):
            self._data, self._at = self._stream.read(READ_BYTES), 0
        taken = self._data[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def give_back(self, size: int) -> None:
        """The last `size` bytes of what was taken last are to be taken again."""
        self._at -= size


class Frame(Source):
    """The inflated bytes of one frame, from where `ahead` stands; at its end `ahead` stands behind it."""

    def __init__(self, ahead: Ahead, codec: Gzip | Zstd, allowance: int) -> None:
        super().__init__()
        self._ahead, self._codec, self._frame = ahead, codec, codec.frame()
        self._allowance = allowance
        self._offset = ahead.offset
        self.consumed = self.inflated = 0
        self.begins_record = False

    def _restarts_at(self, position: int) -> int:
        return 0

    def _restart(self, position: int) -> None:
        self._ahead.seek(self._offset)
        self._frame = self._codec.frame()
        self.data, self.at, self.passed, self.held = b"", 0, 0, -1
        self.consumed = self.inflated = 0
        self.skip(position - 1)
        while len(self.data) - self.at < 1 and self.more():
            pass
        self.at += 1

    def check(self, size: int) -> None:
        pass  # the end of a frame is known when it is reached

    @property
    def file_position(self) -> int:
        return self._offset + self.consumed

    def _piece(self) -> bytes:
        while not self._frame.eof:
            chunk = self._ahead.take(self._codec.step)
            if not chunk:
                raise BrokenBytes("damaged_record", f"the file ends inside a {self._codec.name} frame")
            try:
                piece = self._frame.decompress(chunk)
            except self._codec.errors as error:
                raise BrokenBytes("damaged_record", f"{self._codec.name}: {error}") from None
            self.consumed += len(chunk)
            if self._frame.eof:
                unused = len(self._frame.unused_data)
                self.consumed -= unused
                self._ahead.give_back(unused)
            self.begins_record = self.begins_record or (self.inflated == 0 and piece.startswith(b"WARC/"))
            self.inflated += len(piece)
            if self.inflated > self._allowance + MAX_INFLATION * self.consumed:
                raise BrokenBytes(
                    "record_too_large", f"{self.consumed} bytes inflate to over {self.inflated}"
                )
            if piece:
                return piece
        return b""
