"""Cutting a long XML stream into its records (`<page>`, `<row>`) without parsing the whole.

In: bytes of UTF-8 XML, chunk by chunk. Out: the head before the first record, then each record from its opening tag up
to the next one's. Dumps of MediaWiki and Stack Exchange escape every `<` inside values (XML 1.0 section 2.4), so an
opening tag found in the bytes is one. One parser a record, in place of one a file, means that a damaged record costs
that record only, that memory is bounded by the size of a record, and that the offset of a record is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of one record and what follows it up to the next, and its offset in the (inflated) XML."""

    data: bytes
    offset: int
    too_long: bool = False


class NoRecords(ValueError):
    """The stream has no record where it should have begun."""


class RecordSplitter:
    """Cuts at opening tags of one name. A record over `max_bytes` is given up: its piece is empty and `too_long`."""

    def __init__(self, tag: str, max_bytes: int) -> None:
        self._tag = tag
        self._opening = re.compile(rb"<" + tag.encode("ascii") + rb"(?=[\s/>])")
        self._overlap = len(tag) + 1  # an opening tag may be cut by the end of a chunk: look again from here
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._offset = 0  # of the first byte in the buffer
        self._looked = 0  # no opening tag but the first begins before this place in the buffer
        self._skipping = False
        self._head: bytes | None = None

    @property
    def head(self) -> bytes | None:
        """What stands before the first record; None until the first record or the end has come."""
        return self._head

    @property
    def end(self) -> int:
        """How many bytes have come so far."""
        return self._offset + len(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """The records that are complete with this chunk."""
        buffer = self._buffer
        buffer += chunk
        cut = 0
        for match in self._opening.finditer(buffer, self._looked):
            if match.start() > cut or self._head is None or self._skipping:
                yield from self._emit(cut, match.start())
            cut = match.start()
        # The tag at `cut` itself, which opens the record in hand, must not be found again.
        self._looked = max(len(buffer) - self._overlap, cut if self._head is None else cut + 1)
        del buffer[:cut]
        self._offset += cut
        self._looked -= cut
        if len(buffer) > self._max_bytes + self._overlap:  # the last bytes may belong to the next opening tag
            if self._head is None:
                raise NoRecords(f"no <{self._tag}> in the first {len(buffer)} bytes")
            if not self._skipping:
                yield Piece(b"", self._offset, too_long=True)
            self._skipping = True
            dropped = len(buffer) - self._overlap
            del buffer[:dropped]
            self._offset += dropped
            self._looked = 0

    def close(self) -> Iterator[Piece]:
        """The last record, with everything to the end of the stream."""
        yield from self._emit(0, len(self._buffer))
        self._offset += len(self._buffer)
        self._buffer.clear()

    def _emit(self, start: int, end: int) -> Iterator[Piece]:
        data = bytes(self._buffer[start:end])
        if self._head is None:
            self._head = data
        elif self._skipping:
            self._skipping = False
        elif len(data) > self._max_bytes:
            yield Piece(b"", self._offset + start, too_long=True)
        elif data:
            yield Piece(data, self._offset + start)


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
