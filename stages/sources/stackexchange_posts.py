"""Rows of a Stack Exchange dump (`Posts.xml`, `Comments.xml`), read one by one.

In: the bytes of a file of the dump, piece by piece. Out: `Post`, `Comment`, or `BadRow` with the reason why it is
none. Schema: https://meta.stackexchange.com/questions/2677. The XML is cut into rows (`stages.xml_records`): a
damaged row costs itself, a DOCTYPE or a row over several lines costs nothing, and attributes may stand in any order.

Rows as the dump has them are taken apart by their quotes; whatever is written in another way goes through an XML
parser, with the same result. What XML forbids (NUL and other control characters, also as references, which old dumps
have) is dropped before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from stages import post_html
from stages.post_html import PostText
from stages.post_html_redpajama import redpajama_text
from stages.sources.stackexchange_rows import (
    ACCEPTED,
    BODY,
    CREATED,
    ID,
    IS_USUAL,
    LICENSE,
    MAX_DIGITS,
    MISSING,
    NAME,
    OWNER,
    TAGS,
    TITLE,
    scan_rows,
)
from stages.xml_records import NoRecords, Piece, RecordSplitter, parse_xml
from stages.xml_references import read_references

# PostTypeId of the schema; 3 to 8 are wikis, nominations and such.
_QUESTION, _ANSWER = 1, 2
_ENCODING = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([^"']*)""")
_CONTROLS = bytes(c for c in range(32) if c not in (9, 10, 13))
_FORBIDDEN_REFERENCE = re.compile(
    rb"&#(?:0*(?:[0-8]|1[124-9]|2[0-9]|3[01])|[xX]0*(?:[0-8bcBCeEfF]|1[0-9a-fA-F]));"
)
_NUMBER = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}")


class Post(NamedTuple):
    """A question or an answer, its texts in UTF-8. `question` is its own id or its parent's, `owner` a user's id or
    name, `text` final, `counts` those of `PostText`, in its order."""

    id: int
    question: int
    is_question: bool
    score: int
    created: bytes
    license: bytes
    owner: bytes
    title: bytes
    tags: bytes
    accepted: int
    text: bytes
    counts: Sequence[int]
    offset: int
    length: int


class Comment(NamedTuple):
    """A remark on a question or an answer (`post`); `text` is as it was typed."""

    id: int
    post: int
    created: str
    license: str
    owner: str
    text: str
    offset: int
    length: int


class BadRow(NamedTuple):
    """A row that cannot be used; `id` is 0 where there is none."""

    id: int
    reason: str
    detail: str
    offset: int
    length: int


class Rows:
    """Cuts one file of the dump into its rows. `tag` is that of the whole file: `posts`, `comments`.

    Raises ValueError when the file is something else, is not in UTF-8, or goes on over `max_bytes`.
    """

    def __init__(self, tag: str, max_row_bytes: int, max_bytes: int, origin: str) -> None:
        self.size = 0
        self._tag = tag.encode("ascii")
        self._splitter = RecordSplitter("row", max_row_bytes)
        self._max_bytes = max_bytes
        self._origin = origin
        self._tail = b""

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """The rows that are complete with this chunk."""
        self.size += len(chunk)
        if self.size > self._max_bytes:
            raise ValueError(
                f"{self._origin}: {self._name} is over max_inflated_bytes={self._max_bytes}; raise the cap"
            )
        self._tail = (self._tail + chunk[-100:])[-100:]
        try:
            yield from self._splitter.feed(chunk)
        except NoRecords as error:
            raise ValueError(f"{self._origin}: {error}; is it a {self._name} in UTF-8?") from error

    def close(self) -> Iterator[Piece]:
        """The last row."""
        yield from self._splitter.close()
        head = self._splitter.head or b""
        encoding = _ENCODING.search(head)
        if encoding and encoding[1].lower() not in (b"utf-8", b"utf8"):
            raise ValueError(
                f"{self._origin}: {self._name} is in {encoding[1].decode('ascii', 'replace')}; convert it to UTF-8"
            )
        if b"<" + self._tag not in head:
            raise ValueError(
                f"{self._origin}: not a {self._name} (no <{self._tag.decode()}>); give a site's 7z archive or its "
                "Posts.xml"
            )

    @property
    def is_whole(self) -> bool:
        """Whether the file ended as it should."""
        return any(
            self._tag.join(ends) in self._tail for ends in ((b"</", b">"), (b"<", b"/>"), (b"<", b" />"))
        )

    @property
    def _name(self) -> str:
        return f"{self._tag.decode().capitalize()}.xml"


PostMarkup = Literal["plain", "markdown", "redpajama"]


def read_posts(pieces: Sequence[Piece], markup: PostMarkup) -> list[Post | BadRow]:
    """Rows of Posts.xml; a missing Score counts as 0, as in the dump's own older rows."""
    bounds = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum([len(piece.data) for piece in pieces], out=bounds[1:])
    joined = b"".join([piece.data for piece in pieces])
    data = np.frombuffer(joined, dtype=np.uint8)
    table = scan_rows(data, bounds)
    read: list[Post | BadRow] = []
    texts = (
        [None] * len(pieces)
        if markup == "redpajama"
        else post_html.read_posts(data, table[:, BODY : BODY + 2], True, markup)
    )
    for piece, row, text in zip(pieces, table.tolist(), texts, strict=True):
        post = _usual_post(joined, row, piece, text) if row[IS_USUAL] and text is not None else None
        read.append(_parsed_post(piece, markup) if post is None else post)
    return read


def _usual_post(joined: bytes, row: list[int], piece: Piece, text: PostText) -> Post | BadRow | None:
    """A row that is written as the dump writes it; None when an XML parser has to look."""
    id, kind, parent, score, accepted = row[ID : ACCEPTED + 1]
    if id == MISSING or kind == MISSING or (kind == _ANSWER and parent == MISSING):
        return None
    try:
        if not piece.data.isascii():
            piece.data.decode()
        owner = _value(joined, row, OWNER) or _value(joined, row, NAME)
        title, tags = _value(joined, row, TITLE), _value(joined, row, TAGS)
    except ValueError:
        return None
    length = len(piece.data.rstrip())
    if kind != _QUESTION and kind != _ANSWER:
        return BadRow(id, "not_a_question_or_answer", f"PostTypeId {kind}", piece.offset, length)
    written, *counts = text
    return Post(
        id,
        id if kind == _QUESTION else parent,
        kind == _QUESTION,
        score if score != MISSING else 0,
        joined[row[CREATED] : row[CREATED + 1]],
        joined[row[LICENSE] : row[LICENSE + 1]],
        owner,
        title,
        tags,
        accepted if accepted != MISSING else 0,
        written,
        counts,
        piece.offset,
        length,
    )


def _value(joined: bytes, row: list[int], column: int) -> bytes:
    value = joined[row[column] : row[column + 1]]
    if b"&" in value:
        resolved = read_references(value)
        if resolved is None:
            raise ValueError("a reference that the dump does not write")
        return resolved
    return value


def _parsed_post(piece: Piece, markup: PostMarkup) -> Post | BadRow:
    """A row by an XML parser, whatever it looks like."""
    row = _parse_row(piece, "post")
    if isinstance(row, BadRow):
        return row
    values, length = row
    id, kind = _number(values.get("Id")), _number(values.get("PostTypeId"))
    if id is None or kind is None:
        return BadRow(0, "damaged_record", "a row without Id or PostTypeId", piece.offset, length)
    if kind != _QUESTION and kind != _ANSWER:
        return BadRow(id, "not_a_question_or_answer", f"PostTypeId {kind}", piece.offset, length)
    is_question = kind == _QUESTION
    question = id if is_question else _number(values.get("ParentId"))
    if question is None:
        return BadRow(id, "damaged_record", "an answer without ParentId", piece.offset, length)
    html, title = values.get("Body", ""), values.get("Title", "")
    text = post_html.read_post(html, "markdown" if markup == "markdown" else "plain")
    if markup == "redpajama":
        written = redpajama_text(f"{title} {html}" if is_question else html)
        text = text._replace(text=written.encode("utf-8", "replace"), is_block=0)
    written_bytes, *counts = text
    return Post(
        id,
        question,
        is_question,
        _number(values.get("Score")) or 0,
        values.get("CreationDate", "").encode(),
        values.get("ContentLicense", "").encode(),
        (values.get("OwnerUserId") or values.get("OwnerDisplayName", "")).encode(),
        title.encode(),
        values.get("Tags", "").encode(),
        _number(values.get("AcceptedAnswerId")) or 0,
        written_bytes,
        counts,
        piece.offset,
        length,
    )


def read_comment(piece: Piece) -> Comment | BadRow:
    """A row of Comments.xml."""
    row = _parse_row(piece, "comment")
    if isinstance(row, BadRow):
        return row
    values, length = row
    id, post = _number(values.get("Id")), _number(values.get("PostId"))
    if id is None or post is None:
        return BadRow(id or 0, "damaged_comment", "a comment without Id or PostId", piece.offset, length)
    return Comment(
        *(id, post, values.get("CreationDate", ""), values.get("ContentLicense", "")),
        values.get("UserId") or values.get("UserDisplayName", ""),
        *(values.get("Text", ""), piece.offset, length),
    )


def _parse_row(piece: Piece, what: str) -> tuple[Mapping[str, str], int] | BadRow:
    """The attributes of a row and its length; `what` is the name of its kind in reasons."""
    data = piece.data.rstrip()
    if not data.endswith(b"/>"):
        data = data.removesuffix(
            f"</{what}s>".encode()
        ).rstrip()  # the last row has the end of the file with it
    if piece.too_long:
        return BadRow(0, f"{what}_too_long", "the row is over the cap", piece.offset, len(data))
    try:
        element = parse_xml(_FORBIDDEN_REFERENCE.sub(b"", data.translate(None, _CONTROLS)))
    except ValueError as error:
        reason = "damaged_record" if what == "post" else "damaged_comment"
        return BadRow(0, reason, str(error), piece.offset, len(data))
    return {str(name): str(value) for name, value in element.items()}, len(data)


def _number(digits: str | None) -> int | None:
    return int(digits) if digits and _NUMBER.fullmatch(digits) else None
