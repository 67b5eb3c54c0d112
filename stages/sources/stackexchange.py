"""Reader of the Stack Exchange data dump: one document a question, with its answers from the best to the worst.

In: a site's `<site>.7z` as archive.org has it, `stackoverflow.com-Posts.7z`, or an unpacked `<site>/Posts.xml` or
`<site>.xml` (https://meta.stackexchange.com/questions/2677 has the schema). Out: documents with final text; HTML
becomes text here (`stages.post_html`), since only the reader sees question and answers apart, so no cleaner follows.

The LLaMA paper (section 2.1): "We kept the data from the 28 largest websites, removed the HTML tags from text and
sorted the answers by score (from highest to lowest)". As in RedPajama v1 all answers are kept, and questions without
one too; scores compare as numbers, equal ones by id. The choice of the sites is a step of its own, as no file knows
the others.

Posts of one question stand far apart in the dump: they are brought together on disk (`stackexchange_join`), in the
folder for temporary files (TMPDIR; about half as large as Posts.xml).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from stages.document import Document, Origin, Rejected
from stages.sources.stackexchange_archive import SEVEN_ZIP, TABLES, ArchiveLimits, TableArchive
from stages.sources.stackexchange_document import Layout, document_of
from stages.sources.stackexchange_join import SiteJoin, Unused
from stages.sources.stackexchange_posts import BadRow, Rows, read_comment, read_posts
from stages.xml_records import Piece

_CHUNK_BYTES = (
    1 << 17
)  # some 100 posts, whose objects are gone before the collector of garbage comes to look at them
MAX_PARTITIONS = (
    4_096  # of the join: 256 GiB of Posts.xml with the default size of one; the largest has 100 GB (2024)
)
_SITE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}")
_TABLE_SUFFIX = re.compile(rf"-(?:{'|'.join(TABLES)})$", re.IGNORECASE)


@dataclass(frozen=True)
class StackExchange:
    """Reads the posts of one site.

    Document: id `{site}:{question id}`, url, title, created (of the question), license (`stackexchange_document` says
    which), scores `question_score`, `answer_count`, `comment_count` (when comments are read), what was kept of the
    HTML (`stages.content`), metadata `site`, `tags` (comma-separated), `accepted` (id of the accepted answer),
    `licenses` (all of them, comma-separated), `attribution` (a line for each post). Origin: the question's row in the
    inflated Posts.xml. Order: by question id modulo the number of partitions, which is 1 up to `partition_bytes`,
    then by question id.

    Rejected: `not_a_question_or_answer` (tag wikis and the like), `answer_without_question`, `duplicate_post`,
    `post_too_long`, `document_too_long`, `no_text`, `damaged_record`, `truncated_file` (once, when `</posts>` is
    missing), `no_posts` (once, for an archive of another table), and with comments `damaged_comment`,
    `comment_too_long`, `comment_without_post`.

    Comments are read from the archive that has the posts; Stack Overflow has them in another, and a folder is read by
    its Posts.xml alone: such documents have no comments and no `comment_count`.

    Raises ValueError when the file is no Posts.xml in UTF-8 or 7z archive with one, when it is over a cap, or when the
    site cannot be told from the name of the file (7z) or of its folder (Posts.xml).
    """

    markup: Literal["plain", "markdown", "redpajama"] = (
        "plain"  # LLaMA paper 2.1; of redpajama see its module
    )
    title: bool = True  # RedPajama v1; the paper is silent
    tags: bool = False
    accepted_mark: bool = False
    comments: bool = False
    max_row_bytes: int = (
        1 << 20
    )  # ours: a post holds 30,000 characters of Markdown, its HTML escaped about 0.3 MB
    max_document_bytes: int = 32 << 20  # ours: the longest question of Code Golf has 1,000 answers, some MB
    partition_bytes: int = 64 << 20  # ours: of Posts.xml; 60,000 posts are 3 MB of index
    max_inflated_bytes: int = 512 << 30  # ours: five times the largest site
    max_inflation_ratio: int = 200  # ours: XML of a dump packs 4 to 20 times
    max_decoder_bytes: int = 1 << 30  # ours: 7-Zip's own largest preset is 256 MiB of dictionary

    def __post_init__(self) -> None:
        extra = not self.title or self.tags or self.accepted_mark or self.comments
        if self.markup == "redpajama" and extra:
            raise ValueError(
                "markup redpajama has title, question and answers only; leave the other parts out"
            )
        if self.partition_bytes < 1:
            raise ValueError("partition_bytes must be at least 1")

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        magic = stream.read(len(SEVEN_ZIP))
        site = _site_name(origin)
        stream.seek(0)
        if magic != SEVEN_ZIP:
            size = stream.seek(0, 2)
            stream.seek(0)
            yield from self._read_site(site, origin, size, None, stream)
            return
        limits = ArchiveLimits(self.max_inflated_bytes, self.max_inflation_ratio, self.max_decoder_bytes)
        archive = TableArchive(stream, origin, limits)
        tables = archive.tables()
        if "Posts" in tables:
            yield from self._read_site(site, origin, tables["Posts"], archive, stream)
        elif tables:
            document = Document(f"{site}:{'+'.join(sorted(tables))}", "stackexchange", "", Origin(origin))
            yield Rejected(document, "no_posts", detail=f"an archive of {', '.join(sorted(tables))}")
        else:
            raise ValueError(f"{origin}: no Posts.xml in the archive; give a site's archive of the dump")

    def _read_site(
        self, site: str, origin: str, size: int, archive: TableArchive | None, stream: BinaryIO
    ) -> Iterator[Document | Rejected]:
        partitions = min(max(1, -(-size // self.partition_bytes)), MAX_PARTITIONS)
        with tempfile.TemporaryDirectory(prefix="stackexchange-") as folder:
            join = SiteJoin(Path(folder), partitions, self.max_document_bytes)
            table = _PostTable(self, join, origin)
            with_comments = False
            if archive is None:
                while chunk := stream.read(_CHUNK_BYTES):
                    table.feed(chunk)
            else:
                sinks = {"Posts": table.feed}
                with_comments = self.comments and "Comments" in archive.tables()
                remarks = _CommentTable(self, join, origin)
                if with_comments:
                    sinks["Comments"] = remarks.feed
                archive.inflate(sinks)
                if with_comments:
                    remarks.close()
            table.close()
            layout = Layout(
                "markdown" if self.markup == "markdown" else "plain",
                self.markup == "redpajama",
                *(self.title, self.tags, self.accepted_mark),
            )
            for found in join.questions():
                if isinstance(found, Unused):
                    yield _rejected(found, site, origin)
                else:
                    yield document_of(found, site, origin, layout, with_comments)
        if not table.rows.is_whole:
            document = Document(f"{site}:end", "stackexchange", "", Origin(origin, table.rows.size))
            yield Rejected(document, "truncated_file", detail="Posts.xml ends without </posts>")


class _PostTable:
    """Takes the bytes of Posts.xml and puts its posts, as text, into the join."""

    def __init__(self, reader: StackExchange, join: SiteJoin, origin: str) -> None:
        self.rows = Rows("posts", reader.max_row_bytes, reader.max_inflated_bytes, origin)
        self._markup, self._with_places, self._join = reader.markup, reader.comments, join

    def feed(self, chunk: bytes) -> None:
        for start in range(0, len(chunk), _CHUNK_BYTES):
            self._add(list(self.rows.feed(chunk[start : start + _CHUNK_BYTES])))

    def close(self) -> None:
        self._add(list(self.rows.close()))

    def _add(self, pieces: Sequence[Piece]) -> None:
        for post in read_posts(pieces, self._markup):
            if isinstance(post, BadRow):
                self._join.add_bad_row(post)
                continue
            self._join.add_post(post)
            if self._with_places:
                self._join.add_place(post.id, post.question)


class _CommentTable:
    """Takes the bytes of Comments.xml and puts its comments into the join."""

    def __init__(self, reader: StackExchange, join: SiteJoin, origin: str) -> None:
        self._rows = Rows("comments", reader.max_row_bytes, reader.max_inflated_bytes, origin)
        self._join = join

    def feed(self, chunk: bytes) -> None:
        self._add(self._rows.feed(chunk))

    def close(self) -> None:
        self._add(self._rows.close())

    def _add(self, pieces: Iterator[Piece]) -> None:
        for piece in pieces:
            comment = read_comment(piece)
            if isinstance(comment, BadRow):
                self._join.add_bad_row(comment)
            else:
                self._join.add_comment(comment)


def _site_name(origin: str) -> str:
    """The site of a file: from the name of a Posts.xml's folder, else from that of the file."""
    path = PurePosixPath(origin)
    name = path.parent.name if path.name == "Posts.xml" else path.stem
    site = _TABLE_SUFFIX.sub("", name).lower()
    if not _SITE.fullmatch(site):
        raise ValueError(
            f"{origin}: cannot tell the site from the name; name it <site>.7z or <site>/Posts.xml "
            "(beer.stackexchange.com)"
        )
    return site


def _rejected(row: Unused, site: str, origin: str) -> Rejected:
    kind = "comment-" if "comment" in row.reason else ""
    id = f"{site}:{kind}{row.id}" if row.id else f"{site}@{kind}{row.offset}"
    document = Document(id, "stackexchange", row.text, Origin(origin, row.offset, row.length))
    return Rejected(document, row.reason, detail=row.detail)
