"""Reader of the Stack Exchange data dump: one document a question, with its answers from the best to the worst.

In: a site's `<site>.7z` as archive.org has it, `stackoverflow.com-Posts.7z`, or an unpacked `<site>/Posts.xml`
(https://meta.stackexchange.com/questions/2677 has the schema). Out: documents with final text; HTML becomes text here
(`stages.post_html`), since only the reader sees question and answers apart, so no cleaner follows.

    Q: title

    body

    A: an answer

    A: the next

The LLaMA paper (section 2.1): "We removed the HTML tags from text and sorted the answers by score (from highest to
lowest)". As in RedPajama v1 all answers are kept, and questions without one too; scores compare as numbers.

Posts of one question stand far apart in the dump. They are spooled to partition files by question id in the folder for
temporary files (TMPDIR; about as large as Posts.xml) and joined partition by partition, so that memory holds one
partition at a time: about 0.5 GB for the largest site.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from stages.document import Document, Origin, Rejected
from stages.post_html import MAX_HTML_CHARACTERS, html_to_text
from stages.sources.stackexchange_posts import UNUSED, Post, PostsXml, Spool, inflate_posts

_CHUNK_BYTES = 1 << 20
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"
_SITE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")

# https://stackoverflow.com/help/licensing: the version by the date of the post.
_LICENSES = ("CC-BY-SA-2.5", "CC-BY-SA-3.0", "CC-BY-SA-4.0")
_LICENSE_3_FROM = datetime(2011, 4, 8, tzinfo=UTC)
_LICENSE_4_FROM = datetime(2018, 5, 2, tzinfo=UTC)


@dataclass(frozen=True)
class StackExchange:
    """Reads the posts of one site.

    Document: id `{site}:{question id}`, url, title, created (of the question), license (the latest version among its
    posts, which CC BY-SA lets adaptations of the older ones be under), scores `question_score` and `answer_count`,
    metadata `site`, `tags` (comma-separated), `accepted` (id of the accepted answer). Origin: the question's row in the
    inflated Posts.xml. Order: by question id modulo `partitions`, then by question id.

    Rejected: `not_a_question_or_answer` (tag wikis and the like), `answer_without_question`, `duplicate_post`,
    `post_too_long`, `damaged_record`, `truncated_file` (once, when `</posts>` is missing).

    Raises ValueError when the file is no Posts.xml or 7z archive with one, when its inflated size is over the cap, or
    when the site cannot be told from the name of the file (7z) or of its folder (Posts.xml).
    """

    partitions: int = 256  # the largest site, Stack Overflow, has about 100 GB of Posts.xml (2024)
    max_row_bytes: int = 4 << 20  # a post holds 30,000 characters of Markdown
    max_inflated_bytes: int = 512 << 30  # five times the largest site

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        magic = stream.read(len(_SEVEN_ZIP))
        stream.seek(-len(magic), 1)
        is_archive = magic == _SEVEN_ZIP
        site = _site_name(origin, is_archive)
        with tempfile.TemporaryDirectory(prefix="stackexchange-") as folder:
            spool = Spool(Path(folder), self.partitions)
            posts = PostsXml(spool, self.max_row_bytes, self.max_inflated_bytes, origin)
            if is_archive:
                inflate_posts(stream, posts, origin)
            else:
                while chunk := stream.read(_CHUNK_BYTES):
                    posts.feed(chunk)
            is_whole = posts.close()
            spool.flush()
            for partition in range(self.partitions):
                yield from _join(spool.partition(partition), site, origin)
            for post in spool.partition(UNUSED):
                yield _rejected(post, site, origin, post.reason, post.detail)
        if not is_whole:
            document = Document(f"{site}:end", "stackexchange", "", Origin(origin, posts.size))
            yield Rejected(document, "truncated_file", detail="Posts.xml ends without </posts>")


def _site_name(origin: str, is_archive: bool) -> str:
    path = PurePosixPath(origin)
    name = path.name.removesuffix(".7z").removesuffix("-Posts") if is_archive else path.parent.name
    if not _SITE.fullmatch(name.lower()):
        way_out = "name it <site>.7z" if is_archive else "put it in a folder <site>/Posts.xml"
        raise ValueError(f"{origin}: cannot tell the site from the name; {way_out} (beer.stackexchange.com)")
    return name.lower()


def _join(posts: Iterator[Post], site: str, origin: str) -> Iterator[Document | Rejected]:
    """The documents of a partition by question id; posts that cannot be used follow in the order of the dump."""
    questions: dict[int, Post] = {}
    answers: dict[int, list[Post]] = {}
    seen: set[int] = set()
    rejected: list[Rejected] = []
    for post in posts:
        if post.id in seen:
            rejected.append(
                _rejected(post, site, origin, "duplicate_post", "a post with this id came before")
            )
            continue
        if len(post.body) > MAX_HTML_CHARACTERS:
            detail = f"{len(post.body)} characters of HTML"
            rejected.append(_rejected(post, site, origin, "post_too_long", detail))
            continue
        seen.add(post.id)
        if post.is_question:
            questions[post.id] = post
        else:
            answers.setdefault(post.question, []).append(post)
    for id in sorted(questions):
        yield _document(questions[id], answers.pop(id, []), site, origin)
    orphans = sorted((post for group in answers.values() for post in group), key=lambda post: post.offset)
    for post in orphans:
        detail = f"question {post.question} is not in the dump"
        yield _rejected(post, site, origin, "answer_without_question", detail)
    yield from rejected


def _rejected(post: Post, site: str, origin: str, reason: str, detail: str) -> Rejected:
    id = f"{site}:{post.id}" if post.id else f"{site}@{post.offset}"
    document = Document(id, "stackexchange", post.body, Origin(origin, post.offset, post.length))
    return Rejected(document, reason, detail=detail)


def _document(question: Post, answers: list[Post], site: str, origin: str) -> Document:
    answers = sorted(answers, key=lambda answer: (-answer.score, answer.id))
    title = " ".join(question.title.split())
    parts = [f"Q: {title}", html_to_text(question.body)]
    texts = [html_to_text(answer.body) for answer in answers]
    parts += [f"A: {text}" for text in texts if text]
    metadata = {"site": site}
    if tags := ",".join(re.findall(r"[^<>|]+", question.tags)):
        metadata["tags"] = tags
    if any(str(answer.id) == question.accepted for answer in answers):
        metadata["accepted"] = question.accepted
    return Document(
        id=f"{site}:{question.id}",
        source="stackexchange",
        text="\n\n".join(part for part in parts if part),
        origin=Origin(origin, question.offset, question.length),
        url=f"https://{site}/questions/{question.id}",
        title=title,
        license=max((_license(post) for post in (question, *answers)), default=None),
        created=_created(question),
        scores={"question_score": float(question.score), "answer_count": float(len(answers))},
        metadata=metadata,
    )


def _created(post: Post) -> datetime | None:
    try:
        return datetime.fromisoformat(post.created[:19]).replace(tzinfo=UTC)
    except ValueError:
        return None


def _license(post: Post) -> str:
    stated = post.license.strip().replace(" ", "-")
    if stated in _LICENSES:
        return stated
    created = _created(post)
    if created is None or created >= _LICENSE_4_FROM:
        return _LICENSES[2]
    return _LICENSES[1] if created >= _LICENSE_3_FROM else _LICENSES[0]
