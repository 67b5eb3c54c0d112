"""Files on http and https servers as seekable streams: an address in, the bytes that the server stores out.

A file is read in blocks. Reading on goes over one open answer (`Range: bytes=N-`), so that a whole file costs one
request (Common Crawl limits requests, not bytes: status.commoncrawl.org); a jump asks for the one block that is
needed. What the server sends while a block is worked on waits in the socket, and no more than three blocks are in
memory. A connection that fails, stalls or is cut off is taken up again at the byte where it stopped, and the file must
be the same.

Source: RFC 9110 (ranges in section 14, If-Range in 13.1.5).
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, BinaryIO

import requests
import urllib3

from pipeline.http_requests import (
    PATIENT,
    Facts,
    PassingError,
    Patience,
    cause_of,
    check,
    content_range,
    exchange,
    facts_of,
    line_of,
    new_session,
    retrying,
)

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 4 << 20  # some seconds of work on a WARC file
CHUNK_BYTES = 256 << 10  # taken from the socket at once
BUFFER_BYTES = 128 << 10  # for readers that take a few bytes at a time


def open_http(url: str, patience: Patience = PATIENT, block_bytes: int = BLOCK_BYTES) -> BinaryIO:
    """The file at an address as a seekable binary stream of the bytes that the server stores.

    Raises ValueError, one line, when it cannot be had. A failure while it is read is a ValueError too, which closing
    the stream raises again: a reader that takes it for a damaged record cannot make the run go on without the rest.
    """
    return _HttpFile(_Blocks(url, patience, block_bytes))


class _Body:
    """The body of an answer: the bytes of the file from `position` up to `stop`."""

    def __init__(self, response: requests.Response, position: int, stop: int) -> None:
        self._response = response
        self.position, self.stop = position, stop
        self.ranged = response.status_code == 206

    def read(self, size: int) -> bytes:
        """At least one byte and at most `size`, which may not go beyond `stop`."""
        try:
            data: bytes = self._response.raw.read1(size, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise PassingError(f"{line_of(cause_of(error))} at byte {self.position}") from error
        if not data:
            raise PassingError(f"cut off at byte {self.position}")
        self.position += len(data)
        return data

    def close(self) -> None:
        self._response.close()


class _Blocks(io.RawIOBase):
    """A read-only raw stream over the blocks of a file, of which it keeps the last two."""

    def __init__(self, url: str, patience: Patience, block_bytes: int) -> None:
        self._url, self._patience, self._block_bytes = url, patience, block_bytes
        self._session = new_session(1)
        self._body: _Body | None = None
        self._facts: Facts | None = None
        self._blocks: dict[int, bytearray] = {}
        self._position = 0
        self._read_up_to = 0  # where the last block that was fetched ends
        self.failure: ValueError | None = None
        try:
            self._body = retrying(url, patience, lambda deadline: self._ask(0, None))
        except BaseException:
            self.close()
            raise

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    @property
    def _size(self) -> int:
        assert self._facts is not None
        return self._facts.bytes

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise OSError(f"a seek to {position}, before the start of {self._url}")
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._position >= self._size:
            return 0
        target = memoryview(buffer).cast("B")
        number, at = divmod(self._position, self._block_bytes)
        block = memoryview(self._block(number))[at : at + len(target)]
        target[: len(block)] = block
        self._position += len(block)
        return len(block)

    def close(self) -> None:
        self._drop_body()
        self._session.close()
        super().close()

    def _block(self, number: int) -> bytearray:
        if self.failure is not None:
            raise self.failure
        block = self._blocks.pop(number, None)
        if block is None:
            try:
                block = self._fetch(number * self._block_bytes)
            except ValueError as error:
                self.failure = error
                raise
            if len(self._blocks) > 1:
                del self._blocks[next(iter(self._blocks))]
        self._blocks[number] = block  # the last of the order: used last
        return block

    def _fetch(self, start: int) -> bytearray:
        end = min(start + self._block_bytes, self._size)
        last = None if start == self._read_up_to else end - 1
        block = bytearray()

        def receive(deadline: float) -> None:
            try:
                while len(block) < end - start:
                    if time.monotonic() > deadline:
                        raise PassingError(f"too slow at byte {start + len(block)}")
                    body = self._body_at(start + len(block), last)
                    skip = start + len(block) - body.position
                    wanted = skip or min(end, body.stop) - body.position
                    data = body.read(min(wanted, CHUNK_BYTES))
                    if not skip:
                        block.extend(data)
            except PassingError:
                self._drop_body()
                raise

        retrying(self._url, self._patience, receive)
        self._read_up_to = end
        return block

    def _body_at(self, position: int, last: int | None) -> _Body:
        """The open answer when it comes to `position` soon (without ranges: ever), else that of a new request."""
        body = self._body
        if body is not None:
            reach = self._block_bytes if body.ranged else self._size
            if body.position <= position < body.stop and position - body.position <= reach:
                return body
            self._drop_body()
        self._body = self._ask(position, last)
        return self._body

    def _ask(self, position: int, last: int | None) -> _Body:
        """Asks for the bytes from `position` up to and with `last` (None: the end); a server without ranges answers
        with the whole file."""
        headers = {"Range": f"bytes={position}-{'' if last is None else last}"}
        known = self._facts
        if known is not None and known.validator:
            headers["If-Range"] = known.validator
        response = exchange(self._session, "GET", self._url, headers, self._patience)
        try:
            check(response, self._url)
            span = content_range(response)
            if response.status_code == 416 and known is not None and span.size is None:
                raise self._changed("it ends sooner")
            facts = facts_of(response, self._url)
            if known is not None and not facts.is_of_the_same_file(known):
                raise self._changed(f"{known.checksum}, now {facts.checksum}")
            if response.status_code == 200 or facts.bytes == position == 0:
                body = _Body(response, 0, facts.bytes)
            elif span.start == position and span.stop is not None and position < span.stop <= facts.bytes:
                body = _Body(response, position, span.stop)
            else:
                raise ValueError(
                    f"{self._url}: asked for the bytes from {position} on, the server answers {response.status_code} "
                    f"{response.headers.get('Content-Range', '')!r}; name another server"
                )
        except BaseException:
            response.close()
            raise
        self._facts = known or facts
        return body

    def _changed(self, how: str) -> ValueError:
        return ValueError(
            f"{self._url}: changed while it was read ({how}); "
            "delete work/inputs.json in the run's folder and run again"
        )

    def _drop_body(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


class _HttpFile(io.BufferedReader):
    """A buffered stream that tells a failure of the line again when it is closed."""

    def __init__(self, blocks: _Blocks) -> None:
        super().__init__(blocks, BUFFER_BYTES)
        self._of_blocks = blocks

    def close(self) -> None:
        super().close()
        if self._of_blocks.failure is not None:
            raise self._of_blocks.failure
