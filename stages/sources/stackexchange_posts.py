"""Rows of a Stack Exchange `Posts.xml`, out of the plain file or a 7z archive, spooled by question.

In: the bytes of a dump. Out: `Post` values, partition by partition, each partition holding whole questions with their
answers. Schema: https://meta.stackexchange.com/questions/2677. The XML is cut into rows that are parsed one by one
(`stages.xml_records`): a damaged row costs itself, a DOCTYPE or a row over several lines costs nothing.
"""

from __future__ import annotations

import errno
import json
import lzma
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import py7zr
from py7zr.exceptions import AbsolutePathError, ArchiveError, PasswordRequired

from stages.xml_records import NoRecords, Piece, RecordSplitter, parse_xml

# PostTypeId of the schema; 3 to 8 are wikis, nominations and such.
_QUESTION, _ANSWER = "1", "2"
_FLUSH_BYTES = 1 << 16
# What py7zr lets through when the headers of an archive are damaged, found by changing bytes at random.
_DAMAGE = (
    *(lzma.LZMAError, EOFError, OSError, struct.error, UnicodeError),
    *(LookupError, TypeError, OverflowError, AssertionError),
)
# The partition of rows that are neither questions nor answers.
UNUSED = -1


class Post(NamedTuple):
    """A row of Posts.xml; one that cannot be used says why in `reason` and `detail`."""

    id: int
    question: int
    is_question: bool
    score: int
    created: str
    license: str
    title: str
    tags: str
    accepted: str
    body: str
    offset: int
    length: int
    reason: str = ""
    detail: str = ""


def inflate_posts(stream: BinaryIO, posts: PostsXml, origin: str) -> None:
    """Feeds the Posts.xml of a 7z archive to `posts` as it is inflated; ValueError when it has none or is damaged."""
    try:
        with py7zr.SevenZipFile(stream) as archive:
            names = [name for name in archive.getnames() if name.rpartition("/")[2] == "Posts.xml"]
            if len(names) != 1:
                raise ValueError(
                    f"{origin}: {len(names)} files named Posts.xml in the archive; give one with one"
                )
            archive.extract(targets=names, factory=_Members(posts.feed))
    except (ArchiveError, PasswordRequired, AbsolutePathError) as error:
        raise ValueError(f"{origin}: the 7z archive cannot be read ({error}); download it anew") from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # a full or broken disk; damage is seen as a seek to nowhere
        raise ValueError(f"{origin}: the 7z archive is damaged ({error}); download it anew") from error


class Spool:
    """Posts on disk, one file of JSON lines a partition; what is small stays in memory until `_FLUSH_BYTES`."""

    def __init__(self, folder: Path, partitions: int) -> None:
        self._folder = folder
        self._partitions = partitions
        self._pending: dict[int, list[str]] = {}
        self._pending_size: dict[int, int] = {}

    def add(self, post: Post) -> None:
        partition = UNUSED if post.reason else post.question % self._partitions
        line = json.dumps(post, ensure_ascii=True)
        self._pending.setdefault(partition, []).append(line)
        self._pending_size[partition] = self._pending_size.get(partition, 0) + len(line)
        if self._pending_size[partition] > _FLUSH_BYTES:
            self._write(partition)

    def flush(self) -> None:
        for partition in list(self._pending):
            self._write(partition)

    def partition(self, partition: int) -> Iterator[Post]:
        """The posts of a partition in the order in which they came."""
        path = self._path(partition)
        if path.exists():
            with path.open(encoding="ascii") as lines:
                for line in lines:
                    yield Post(*json.loads(line))

    def _path(self, partition: int) -> Path:
        return self._folder / f"{partition}.jsonl"

    def _write(self, partition: int) -> None:
        with self._path(partition).open("a", encoding="ascii") as file:
            file.write("\n".join(self._pending.pop(partition)) + "\n")
        self._pending_size[partition] = 0


class PostsXml:
    """Takes the bytes of Posts.xml as they come and spools its rows."""

    def __init__(self, spool: Spool, max_row_bytes: int, max_bytes: int, origin: str) -> None:
        self.size = 0
        self._spool = spool
        self._splitter = RecordSplitter("row", max_row_bytes)
        self._max_bytes = max_bytes
        self._origin = origin
        self._tail = b""

    def feed(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._max_bytes:
            raise ValueError(
                f"{self._origin}: Posts.xml is over max_inflated_bytes={self._max_bytes}; raise the cap"
            )
        self._tail = (self._tail + chunk)[-100:]
        try:
            for piece in self._splitter.feed(chunk):
                self._spool.add(_read_row(piece))
        except NoRecords as error:
            raise ValueError(f"{self._origin}: {error}; is it a Posts.xml?") from error

    def close(self) -> bool:
        """Ends the file; says whether it was whole."""
        for piece in self._splitter.close():
            self._spool.add(_read_row(piece))
        if b"<posts" not in (self._splitter.head or b""):
            raise ValueError(
                f"{self._origin}: not a Posts.xml (no <posts>); give a site's 7z archive or its Posts.xml"
            )
        return b"</posts>" in self._tail or b"<posts/>" in self._tail or b"<posts />" in self._tail


class _Member(py7zr.Py7zIO):
    """What py7zr writes a member to: here, straight on to the XML."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed
        self._size = 0

    def write(self, s: bytes | bytearray) -> int:
        self._feed(bytes(s))
        self._size += len(s)
        return len(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def flush(self) -> None:
        return None

    def size(self) -> int:
        return self._size


class _Members(py7zr.WriterFactory):
    def __init__(self, feed: Callable[[bytes], None]) -> None:
        self._feed = feed

    def create(self, filename: str) -> _Member:
        return _Member(self._feed)


def _read_row(piece: Piece) -> Post:
    """A row of Posts.xml; missing numbers count as 0, as in the dump's own older rows."""
    data = piece.data.rstrip().removesuffix(b"</posts>").rstrip()

    def unused(reason: str, detail: str, id: int = 0) -> Post:
        return Post(id, 0, False, 0, "", "", "", "", "", "", piece.offset, len(data), reason, detail)

    if piece.too_long:
        return unused("post_too_long", "the row is over the cap")
    try:
        row = parse_xml(data)
    except ValueError as error:
        return unused("damaged_record", str(error))
    id = _number(row.get("Id"))
    kind = row.get("PostTypeId")
    if id is None or kind is None:
        return unused("damaged_record", "a row without Id or PostTypeId")
    if kind not in (_QUESTION, _ANSWER):
        return unused("not_a_question_or_answer", f"PostTypeId {kind[:20]}", id)
    question = id if kind == _QUESTION else _number(row.get("ParentId"))
    if question is None:
        return unused("damaged_record", "an answer without ParentId", id)
    return Post(
        id=id,
        question=question,
        is_question=kind == _QUESTION,
        score=_number(row.get("Score")) or 0,
        created=row.get("CreationDate", ""),
        license=row.get("ContentLicense", ""),
        title=row.get("Title", ""),
        tags=row.get("Tags", ""),
        accepted=row.get("AcceptedAnswerId", ""),
        body=row.get("Body", ""),
        offset=piece.offset,
        length=len(data),
    )


def _number(text: str | None) -> int | None:
    digits = (text or "").removeprefix("-")
    return int(text or "") if digits.isascii() and digits.isdecimal() and len(digits) <= 18 else None
