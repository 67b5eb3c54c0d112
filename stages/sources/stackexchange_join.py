"""Posts of one site brought together by question, on disk, so that memory holds neither the site nor a long question.

Posts of a question stand far apart in a dump. Each goes to a partition, by its question's id: two files, one of texts
and one of 48 bytes a post (question, kind, score, id, place). When all have come, a partition's index is sorted in
memory and the texts are read question by question. Comments say only which post they are on, so they are first
brought to the posts, by post id, and then to the questions.

Memory: `PENDING_BYTES`, the index of one partition, and one document. Disk: the texts of the site.
"""

from __future__ import annotations

import contextlib
import mmap
import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.sources.stackexchange_posts import BadRow, Comment, Post

# Rows of an index: of a post (question, 1 for an answer, -score, id, start, bytes), of a comment that was brought to
# its question (question, post, 0, id, start, bytes).
Index = NDArray[np.int64]
Row = Sequence[int]

PENDING_BYTES = 16 << 20  # of rows that wait to be written
_ROW = struct.Struct("<6q")
_POST = struct.Struct("<10q")
_COMMENT = struct.Struct("<2q")
_COST_OF_A_ROW = 150  # bytes of Python's objects around one
_QUESTIONS_AT_ONCE = 100  # whose rows are Python's numbers at a time


class StoredPost(NamedTuple):
    """A question or an answer with its final text; `counts` are those of `PostText`, in its order."""

    id: int
    score: int
    created: str
    license: str
    owner: str
    title: str
    tags: str
    accepted: int
    text: str
    offset: int
    length: int
    counts: Sequence[int]


class Question(NamedTuple):
    """A question with its answers, best first, and all comments in the order of their ids."""

    post: StoredPost
    answers: Sequence[StoredPost]
    comments: Sequence[Comment]


class Unused(NamedTuple):
    """A post or comment that is in no question."""

    id: int
    reason: str
    detail: str
    text: str
    offset: int
    length: int


class _Partitions:
    """Rows of six numbers with bytes, in partitions on disk, each in the order in which they came."""

    def __init__(self, folder: Path, name: str, count: int) -> None:
        self._folder, self._name, self.count = folder, name, count
        self._pending: dict[int, tuple[list[bytes], list[bytes]]] = {}  # partition -> rows, data
        self._sizes: dict[int, int] = {}
        self._pending_bytes = 0

    def add(self, a: int, b: int, c: int, d: int, data: bytes = b"") -> None:
        """A row in the partition of its first number."""
        partition = a % self.count
        pending = self._pending.get(partition)
        if pending is None:
            pending = self._pending[partition] = ([], [])
        start = self._sizes.get(partition, 0)
        pending[0].append(_ROW.pack(a, b, c, d, start, len(data)))
        pending[1].append(data)
        self._sizes[partition] = start + len(data)
        self._pending_bytes += len(data) + _COST_OF_A_ROW
        if self._pending_bytes > PENDING_BYTES:
            self.flush()

    def flush(self) -> None:
        for partition, of_partition in self._pending.items():
            for kind, pieces in zip(("index", "data"), of_partition, strict=True):
                with self._path(partition, kind).open("ab") as file:
                    file.write(b"".join(pieces))
        self._pending.clear()
        self._pending_bytes = 0

    def index(self, partition: int) -> Index:
        path = self._path(partition, "index")
        if not path.exists():
            return np.empty((0, 6), dtype=np.int64)
        return np.fromfile(path, dtype="<i8").astype(np.int64, copy=False).reshape(-1, 6)

    @contextlib.contextmanager
    def open(self, partition: int) -> Iterator[mmap.mmap]:
        """A partition's data, of which there must be some; mapped, so that it takes no memory that the system needs."""
        with (
            self._path(partition, "data").open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            yield data

    def remove(self, partition: int) -> None:
        for kind in ("index", "data"):
            self._path(partition, kind).unlink(missing_ok=True)

    def _path(self, partition: int, kind: str) -> Path:
        return self._folder / f"{self._name}-{partition:05d}.{kind}"


class SiteJoin:
    """Takes posts and comments as they come, and gives questions in the order of id modulo `partitions`, then of id."""

    def __init__(self, folder: Path, partitions: int, max_document_bytes: int) -> None:
        self._posts = _Partitions(folder, "posts", partitions)
        self._places = _Partitions(folder, "places", partitions)
        self._comments = _Partitions(folder, "comments", partitions)
        self._joined = _Partitions(folder, "joined", partitions)
        self._unused = _Partitions(folder, "unused", partitions)
        self._max_document_bytes = max_document_bytes

    def add_post(self, post: Post) -> None:
        texts = (post.created, post.license, post.owner, post.title, post.tags, post.text)
        data = _POST.pack(post.offset, post.length, post.accepted, *post.counts) + b"\0".join(texts)
        self._posts.add(post.question, not post.is_question, -post.score, post.id, data)

    def add_place(self, id: int, question: int) -> None:
        """Where comments on a post belong."""
        self._places.add(id, question, 0, 0)

    def add_comment(self, comment: Comment) -> None:
        texts = (comment.created, comment.license, comment.owner, " ".join(comment.text.split()))
        data = _COMMENT.pack(comment.offset, comment.length) + "\0".join(texts).encode()
        self._comments.add(comment.post, 0, 0, comment.id, data)

    def add_unused(self, row: Unused) -> None:
        data = "\0".join((row.reason, row.detail, row.text)).encode()
        self._unused.add(row.id, row.length, row.offset, 0, data)

    def add_bad_row(self, row: BadRow) -> None:
        self.add_unused(Unused(row.id, row.reason, row.detail, "", row.offset, row.length))

    def questions(self) -> Iterator[Question | Unused]:
        """Everything, partition by partition: questions, then what is in none, in the order of the dump."""
        self._bring_comments_to_questions()
        self._posts.flush()
        self._unused.flush()
        for partition in range(self._posts.count):
            yield from self._partition(partition)
            yield from self._of_no_question(partition)

    def _of_no_question(self, partition: int) -> Iterator[Unused]:
        index = self._unused.index(partition)
        if not len(index):
            return
        with self._unused.open(partition) as data:
            for id, length, offset, _, start, size in index.tolist():
                reason, detail, text = data[start : start + size].decode().split("\0", 2)
                yield Unused(id, reason, detail, text, offset, length)
        self._unused.remove(partition)

    def _bring_comments_to_questions(self) -> None:
        self._comments.flush()
        self._places.flush()
        for partition in range(self._comments.count):
            index = self._comments.index(partition)
            if not len(index):
                continue
            places = self._places.index(partition)
            _, first = np.unique(places[:, 0], return_index=True)
            places = places[first]
            at = np.searchsorted(places[:, 0], index[:, 0])
            with self._comments.open(partition) as data:
                for (post, _, _, id, start, size), place in zip(index.tolist(), at.tolist(), strict=True):
                    if place < len(places) and places[place, 0] == post:
                        self._joined.add(int(places[place, 1]), post, 0, id, data[start : start + size])
                        continue
                    comment = _comment((0, post, 0, id, start, size), data)
                    detail = f"post {post} is not in the dump"
                    self.add_unused(
                        Unused(
                            id, "comment_without_post", detail, comment.text, comment.offset, comment.length
                        )
                    )
            self._comments.remove(partition)
            self._places.remove(partition)
        self._joined.flush()

    def _partition(self, partition: int) -> Iterator[Question | Unused]:
        index = self._posts.index(partition)
        if not len(index):
            return
        _, first = np.unique(index[:, 3], return_index=True)
        is_first = np.zeros(len(index), dtype=np.bool_)
        is_first[first] = True
        has_question = np.isin(index[:, 0], index[is_first & (index[:, 1] == 0), 0])
        used = index[is_first & has_question]
        used = used[np.lexsort((used[:, 3], used[:, 2], used[:, 1], used[:, 0]))]
        comments = self._joined.index(partition)
        comments = comments[np.lexsort((comments[:, 3], comments[:, 0]))]
        with contextlib.ExitStack() as stack:
            data = stack.enter_context(self._posts.open(partition))
            remarks = stack.enter_context(self._joined.open(partition)) if len(comments) else data
            for rows, of_comments, size in _groups(used, comments):
                asked = _post(rows[0], data)
                if size > self._max_document_bytes:
                    detail = f"{len(rows) - 1} answers, {size} bytes; max_document_bytes={self._max_document_bytes}"
                    yield Unused(asked.id, "document_too_long", detail, "", asked.offset, asked.length)
                    continue
                answers = [_post(row, data) for row in rows[1:]]
                yield Question(asked, answers, [_comment(row, remarks) for row in of_comments])
            for number in np.flatnonzero(~(is_first & has_question)).tolist():
                post = _post(index[number].tolist(), data)
                reason, detail = "answer_without_question", f"question {index[number, 0]} is not in the dump"
                if not is_first[number]:
                    reason, detail = "duplicate_post", "a post with this id came before"
                yield Unused(post.id, reason, detail, post.text, post.offset, post.length)
        self._posts.remove(partition)
        self._joined.remove(partition)


def _groups(posts: Index, comments: Index) -> Iterator[tuple[list[Row], list[Row], int]]:
    """For each question its rows, the rows of its comments, and the bytes of both; of sorted indexes."""
    if not len(posts):
        return
    starts = np.flatnonzero(np.diff(posts[:, 0], prepend=posts[0, 0] - 1))
    questions = posts[starts, 0]
    spans = np.stack([np.searchsorted(comments[:, 0], questions + side) for side in (0, 1)], axis=1)
    sizes = np.add.reduceat(posts[:, 5], starts)
    if len(comments):
        sums = np.concatenate([[0], np.cumsum(comments[:, 5])])
        sizes = sizes + sums[spans[:, 1]] - sums[spans[:, 0]]
    bounds = np.append(starts, len(posts))
    for block in range(0, len(starts), _QUESTIONS_AT_ONCE):
        stop = min(block + _QUESTIONS_AT_ONCE, len(starts))
        first = int(bounds[block])
        rows = posts[first : bounds[stop]].tolist()
        places = (bounds[block : stop + 1] - first).tolist()
        for number, (begin, end) in enumerate(pairwise(places), start=block):
            of_comments = comments[spans[number, 0] : spans[number, 1]].tolist() if len(comments) else []
            yield rows[begin:end], of_comments, int(sizes[number])


def _post(row: Row, data: mmap.mmap) -> StoredPost:
    _, _, minus_score, id, start, size = row
    offset, length, accepted, *counts = _POST.unpack_from(data, start)
    texts = data[start + _POST.size : start + size].decode().split("\0", 5)
    created, license, owner, title, tags, text = texts
    title = " ".join(title.split())
    return StoredPost(
        id, -minus_score, created, license, owner, title, tags, accepted, text, offset, length, counts
    )


def _comment(row: Row, data: mmap.mmap) -> Comment:
    _, post, _, id, start, size = row
    created, license, owner, text = data[start + _COMMENT.size : start + size].decode().split("\0", 3)
    return Comment(id, post, created, license, owner, text, *_COMMENT.unpack_from(data, start))
