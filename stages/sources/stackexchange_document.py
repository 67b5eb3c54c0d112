"""A question with its answers as one document: the text, who wrote it, and under which licences.

The text of `plain` and `markdown`, with every part that can be asked for:

    Q: the title
    Tags: one, two

    the question

    Comment: a remark on it

    A (accepted): an answer

    A: the next

What begins with a block (code, a list, a quote) begins below `A:`, so that its first line keeps its indent. The text of
`redpajama` is that of RedPajama v1, letter by letter but for the order of the answers.

Licences (https://stackoverflow.com/help/licensing): what the dump says of a post, else by its date. A document is
adapted from all its posts; CC BY-SA lets adaptations of older versions be under later ones (section 4(b) of 2.5 and
3.0), and nothing else than its own version may be on the newest post, so the document's licence is the newest among
its posts. Each post's own stands in the attribution, with its address and its author.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from stages.content import Content, loss_scores
from stages.document import Document, Origin, Rejected
from stages.post_html import Markup, count_text
from stages.sources.stackexchange_join import Question, StoredPost

_LICENSES = ("CC-BY-SA-2.5", "CC-BY-SA-3.0", "CC-BY-SA-4.0")
_LICENSE_3_FROM, _LICENSE_4_FROM = "2011-04-08", "2018-05-02"  # days in UTC
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?")
_TAGS = re.compile(r"[^<>|]+")
# Names of the scores of what was raw and what was kept, in the order of Content's fields: made once, as making them
# costs as much as half of a document.
_LOSS_SCORES = tuple(loss_scores(Content(0, 0, 0, 0), Content(0, 0, 0, 0)))


@dataclass(frozen=True)
class Layout:
    """What goes into the text; as the reader's fields of the same names."""

    markup: Markup
    is_redpajama: bool
    title: bool
    tags: bool
    accepted_mark: bool


def document_of(
    question: Question, site: str, origin: str, layout: Layout, with_comments: bool
) -> Document | Rejected:
    """The document of a question; rejected as `no_text` when neither its title nor a post has any."""
    post, answers, comments = question
    tags = _TAGS.findall(post.tags)
    posts = (post, *answers)
    text = _redpajama_text(post, answers) if layout.is_redpajama else _text(question, tags, layout)
    licenses = [_license(item.license, item.created) for item in posts]
    licenses += [_license(comment.license, comment.created) for comment in comments]
    metadata = {"site": site, "attribution": _attribution(question, licenses, site)}
    known = sorted({license for license in licenses if license})
    if known:
        metadata["licenses"] = ",".join(known)
    if tags:
        metadata["tags"] = ",".join(tags)
    if any(answer.id == post.accepted for answer in answers):
        metadata["accepted"] = str(post.accepted)
    scores = {"question_score": float(post.score), "answer_count": float(len(answers))}
    if with_comments:
        scores["comment_count"] = float(len(comments))
    sums = [sum(counts) for counts in zip(*(item.counts for item in posts), strict=True)]
    characters, digits, raw_formulas, raw_code, formulas, code, _ = sums
    # The title and the comments are plain text.
    plain = count_text("".join([post.title, *[comment.text for comment in comments]]))
    raw = (characters + plain[0], digits + plain[1], raw_formulas, raw_code)
    scores.update(zip(_LOSS_SCORES, map(float, (*raw, *count_text(text), formulas, code)), strict=True))
    document = Document(
        id=f"{site}:{post.id}",
        source="stackexchange",
        text=text,
        origin=Origin(origin, post.offset, post.length),
        url=f"https://{site}/questions/{post.id}",
        title=post.title,
        license=None if None in licenses else known[-1],
        created=_created(post),
        scores=scores,
        metadata=metadata,
    )
    if not (post.title or any(item.text for item in posts)):
        return Rejected(document, "no_text")
    return document


def _text(question: Question, tags: Sequence[str], layout: Layout) -> str:
    post, answers, comments = question
    parts = []
    if layout.title and post.title:
        parts.append(f"Q: {post.title}")
        if layout.tags and tags:
            parts[0] += f"\nTags: {', '.join(tags)}"
        if post.text:
            parts.append(post.text)
    else:
        parts.append(_marked("Q:", post))
        if layout.tags and tags:
            parts.insert(0, f"Tags: {', '.join(tags)}")
    remarks: dict[int, list[str]] = {}
    for comment in comments:
        if comment.text:
            remarks.setdefault(comment.post, []).append(f"Comment: {comment.text}")
    parts += remarks.get(post.id, ())
    for answer in answers:
        accepted = layout.accepted_mark and answer.id == post.accepted
        if answer.text:
            parts.append(_marked("A (accepted):" if accepted else "A:", answer))
        parts += remarks.get(answer.id, ())
    return "\n\n".join(parts)


def _marked(mark: str, post: StoredPost) -> str:
    """A mark before a text: a block begins below it."""
    *_, is_block = post.counts
    return f"{mark}\n\n{post.text}" if is_block else f"{mark} {post.text}"


def _redpajama_text(post: StoredPost, answers: Sequence[StoredPost]) -> str:
    """RedPajama v1, data_prep/stack_exchange/post_processing.py; `post.text` is of title and body."""
    return "\nA: ".join((f"Q: {post.text}", *(answer.text for answer in answers)))


def _attribution(question: Question, licenses: Sequence[str | None], site: str) -> str:
    """A line for each post and comment, in the order of the text: its address, its licence, its author's page or name,
    parted by blanks; `unknown` for a licence that is, nothing for an author who is."""
    post, answers, comments = question
    paths = [f"questions/{post.id}", *[f"a/{answer.id}" for answer in answers]]
    paths += [f"questions/{post.id}#comment{comment.id}_{comment.post}" for comment in comments]
    owners = [post.owner, *[answer.owner for answer in answers], *[comment.owner for comment in comments]]
    return "\n".join(
        [
            f"https://{site}/{path} {license or 'unknown'}{_author(owner, site)}"
            for path, license, owner in zip(paths, licenses, owners, strict=True)
        ]
    )


def _author(owner: str, site: str) -> str:
    if owner.isascii() and owner.isdigit():
        return f" https://{site}/users/{owner}"
    return f" {' '.join(owner.split())}" if owner else ""


def _created(post: StoredPost) -> datetime | None:
    if not _DATE.fullmatch(post.created):
        return None
    try:
        return datetime.fromisoformat(post.created[:19]).replace(tzinfo=UTC)
    except ValueError:
        return None


def _license(stated: str, created: str) -> str | None:
    """SPDX id; None when the dump says one that is not known here, or neither licence nor date."""
    if stated:
        name = stated.strip().replace(" ", "-")
        return name if name in _LICENSES else None
    if not _DATE.fullmatch(created):
        return None
    return _LICENSES[(created >= _LICENSE_3_FROM) + (created >= _LICENSE_4_FROM)]
