"""Cutting a long XML stream into its records (`<page>`, `<row>`) without parsing the whole.

In: bytes of XML, chunk by chunk. Out: the head before the first record, then each record from its opening tag up
to the next one's. Dumps of MediaWiki and Stack Exchange escape every `<` inside values (XML 1.0 section 2.4), so an
opening tag found in the bytes is one. One parser a record, in place of one a file, means that a damaged record costs
that record only, that memory is bounded by the size of a record, and that the offset of a record is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

_REST_BYTES = 1_000  # an end tag of the document and some comments fit in


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of one record and what follows it up to the next, and its offset in the (inflated) XML."""

    data: bytes
    offset: int
    too_long: bool = False


class NoRecords(ValueError):
    """The stream has no record where it should have begun."""


class RecordSplitter:
    """Cuts at opening tags of one name. A record over `max_bytes` is given up: its piece is empty and `too_long`.

    `encoding` is that of the XML (`utf-8`, `utf-16-le`, `utf-16-be`); pieces are in it too. A splitter without a head
    begins in the middle of a stream, at byte `offset`: what comes before the first opening tag is dropped. Each method
    that gives pieces must be read to its end before the next is called.
    """

    def __init__(
        self, tag: str, max_bytes: int, encoding: str = "utf-8", offset: int = 0, with_head: bool = True
    ) -> None:
        self._tag = tag
        after = b"|".join(re.escape(sign.encode(encoding)) for sign in " \t\r\n/>")
        self._opening = re.compile(re.escape(f"<{tag}".encode(encoding)) + b"(?=" + after + b")")
        self._width = len("<".encode(encoding))
        # An opening tag, with the sign after it, may be cut by the end of a chunk: look again from here.
        self._overlap = (len(tag) + 2) * self._width - 1
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._offset = offset  # of the first byte in the buffer
        self._looked = 0  # every opening tag that begins before this place in the buffer has been found
        self._record: int | None = None  # where the record in hand begins, also when it was given up
        self._dropping = not with_head  # what comes is no record, or one that was given up
        self._head: bytes | None = None if with_head else b""

    @property
    def head(self) -> bytes | None:
        """What stands before the first record; None until the first record or the end has come."""
        return self._head

    @property
    def end(self) -> int:
        """The offset of the next byte to come."""
        return self._offset + len(self._buffer)

    @property
    def searched(self) -> int:
        """Every opening tag that begins before this offset has been found."""
        return self._offset + self._looked

    @property
    def record_begins(self) -> int | None:
        """The offset of the record in hand, None before the first and after a cut."""
        return self._record

    @property
    def rest(self) -> bytes:
        """The last bytes, at most 1,000, since the last opening tag or cut."""
        return bytes(self._buffer[-_REST_BYTES:])

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """The records that are complete with this chunk."""
        buffer = self._buffer
        buffer += chunk
        cut = 0
        for match in self._opening.finditer(buffer, self._looked):
            at = match.start()
            if (self._offset + at) % self._width:
                continue
            yield from self._emit(cut, at)
            cut = at
            self._record, self._dropping = self._offset + at, False
        # The tag at `cut` itself, which opens the record in hand, must not be found again.
        opened = self._record is not None and not self._dropping
        self._looked = max(len(buffer) - self._overlap, cut + opened, self._looked)
        if self._dropping:
            cut = max(0, len(buffer) - _REST_BYTES)
        elif (
            len(buffer) - cut > self._max_bytes + self._overlap
        ):  # the last bytes may begin the next opening tag
            if self._head is None:
                raise NoRecords(f"no <{self._tag}> in the first {len(buffer)} bytes")
            assert self._record is not None
            yield Piece(b"", self._record, too_long=True)
            self._dropping = True
            cut = len(buffer) - self._overlap
        del buffer[:cut]
        self._offset += cut
        self._looked -= cut

    def cut(self) -> Iterator[Piece]:
        """Bytes are missing here: the record in hand ends, and what comes is none until the next opening tag."""
        yield from self._emit(0, len(self._buffer))
        self._offset += len(self._buffer)
        self._looked = 0
        self._buffer.clear()
        self._record, self._dropping = None, True

    def close(self) -> Iterator[Piece]:
        """The last record, with everything to the end of the stream."""
        return self.cut()

    def _emit(self, start: int, end: int) -> Iterator[Piece]:
        if self._head is None:
            self._head = bytes(self._buffer[start:end])
        elif not self._dropping and self._record is not None:
            if end - start > self._max_bytes:
                yield Piece(b"", self._record, too_long=True)
            else:
                yield Piece(bytes(self._buffer[start:end]), self._record)


def parse_xml(data: bytes, huge: bool = False) -> etree._Element:
    """One element, with no entity resolved, no DTD read, no network; `ValueError` when it is not well-formed.

    `huge` lifts libxml2's limit of 10 MB a text; the caller has capped the bytes.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=huge,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error.msg).partition("\n")[0]) from error
