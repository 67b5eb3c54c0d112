"""Licence headers out of source files, and nothing else.

In: one file of a repository (`metadata["path"]` names it). Out: the file without copyright notices and
licence texts in the comments before all code. LLaMA "removed boilerplate, such as headers, with regular
expressions" (Touvron et al. 2023, section 2.1) and does not say which; RedPajama v1's rule is not followed:
it deletes includes, shebangs and titles, and spares a header when a `/*` stands anywhere behind it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.code_comments import (
    MAX_HEADER_CHARACTERS,
    MAX_HEADER_COMMENTS,
    CommentSyntax,
    LeadingComment,
    leading_comments,
    syntax_of,
)
from stages.content import content_of, loss_scores
from stages.document import Document, Rejected
from stages.license_notices import DIRECTIVE, has_hint, without_notices

_INNER_MARK = re.compile(r"[ \t]*(?:\*+(?![/*])|[|#;~:%]+(?=\s|$))?[ \t]?")
_LINE_DECORATION = re.compile(r"[#/*;%!'\"-]*")
_WORD = re.compile(r"\w")
_BLANK = re.compile(r"[ \t\f]*\n")


@dataclass(frozen=True)
class RemoveLicenseHeader:
    """Cuts notices of copyright and licence from the comments at the top of a file; nothing else is ever
    touched.

    Only comments in the file's own language that stand before all code count: `#` is no comment in C and none
    in Markdown. What else a comment says stays in it, as do shebangs, coding lines, build constraints,
    include guards, pragmas, docstrings and `<?php`, and the comments after them are looked at. Scores: what
    of the raw text is left (`raw_characters`, `kept_characters`, `raw_digits`, `kept_digits`; a file is code
    as a whole, so code is not counted apart). Reason: `no_text` when the header was all there was.
    """

    max_header_characters: int = MAX_HEADER_CHARACTERS
    max_header_comments: int = MAX_HEADER_COMMENTS

    def __call__(self, document: Document) -> Document | Rejected:
        text = self._without_header(document.text, document.metadata.get("path", ""))
        raw = content_of(document.text)
        document = document.with_scores(
            **loss_scores(raw, raw if text is document.text else content_of(text))
        )
        if not text.strip():
            return Rejected(document, "no_text")
        return document if text is document.text else document.with_text(text)

    def _without_header(self, text: str, path: str) -> str:
        syntax = syntax_of(path)
        if syntax is None or not has_hint(text[: self.max_header_characters]):
            return text
        pieces: list[str] = []
        position = 0
        for comment in leading_comments(text, syntax, self.max_header_characters, self.max_header_comments):
            raw = text[comment.start : comment.end]
            if comment.is_docstring or len(raw) > self.max_header_characters or not has_hint(raw):
                continue
            left = _without_notices(raw, comment, syntax)
            if left == raw:
                continue
            pieces.append(text[position : comment.start])
            pieces.append(left)
            position = comment.end
            if not left:
                before = "".join(pieces[-2:-1])
                if before and not before.endswith("\n"):  # `<?php /* ... */`: its line goes on
                    position -= raw.endswith("\n")
                else:
                    while blank := _BLANK.match(text, position):
                        position = blank.end()
        if not pieces:
            return text
        return "".join(pieces).lstrip("\n") + text[position:]


def _without_notices(raw: str, comment: LeadingComment, syntax: CommentSyntax) -> str:
    """The comment without its notices, "" when nothing is left but marks."""
    lines = raw.splitlines(keepends=True)
    marks = [_mark(line, number, comment, syntax) for number, line in enumerate(lines)]
    bare = [line[mark:].rstrip() for line, mark in zip(lines, marks, strict=True)]
    tail = ""
    if comment.framed:
        bare = [line.removesuffix(comment.closing).rstrip(" \t*-=") for line in bare]
    elif comment.closing:
        tail = bare[-1][bare[-1].rfind(comment.closing.strip()) :]
        bare[-1] = bare[-1].removesuffix(tail).rstrip(" \t*-=")
    directives = [DIRECTIVE.match(line.strip()) is not None for line in lines]
    kept = without_notices(bare, directives)
    if all(new == old for new, old in zip(kept, bare, strict=True)):
        return raw
    if not any(
        line and _WORD.search(line) and not directive
        for line, directive in zip(kept, directives, strict=True)
    ):
        return "".join(line for line, directive in zip(lines, directives, strict=True) if directive)
    line_tail = f" {comment.closing}\n" if comment.framed else "\n"
    written = [
        line if new == old else None if new is None else line[:mark] + new + line_tail
        for line, mark, old, new in zip(lines, marks, bare, kept, strict=True)
    ]
    written = _without_gaps(written, bare)
    if comment.framed:
        return "".join(line for line in written if line is not None)
    if comment.opening and written[0] is None:
        written[0] = lines[0][: marks[0]].rstrip() + "\n"
    if comment.closing and written[-1] is None:
        indent = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]
        written[-1] = (indent if len(lines) > 1 else "") + tail + raw[len(raw.rstrip()) :]
    elif comment.closing and kept[-1] != bare[-1]:
        written[-1] = (written[-1] or "").rstrip("\n") + " " + tail + raw[len(raw.rstrip()) :]
    return "".join(line for line in written if line is not None)


def _mark(line: str, number: int, comment: LeadingComment, syntax: CommentSyntax) -> int:
    """Length of what stands before the words of a line: indentation, mark, and what decorates it."""
    if comment.opening:
        if number == 0 or comment.framed:
            end = line.index(comment.opening) + len(comment.opening)
            while end < len(line) and line[end] in "*!-#":
                end += 1
            return end if not line.startswith(comment.closing, max(end - 1, 0)) else end - 1
        found = _INNER_MARK.match(line)
    else:
        assert syntax.line is not None
        found = syntax.line.match(line)
        end = found.end() if found else 0
        found = _LINE_DECORATION.match(line, end)
    return found.end() if found else 0


def _without_gaps(written: list[str | None], bare: list[str]) -> list[str | None]:
    """Without the empty lines of the comment that stood around what is gone, so that none is first, last or
    doubled.
    """
    result = list(written)
    empty = [not _WORD.search(line) for line in bare]
    gone = [line is None for line in written]
    last_is_gap = True  # before the first line that says something
    near_gone = False
    for number in range(len(written)):
        near_gone = near_gone or gone[number]
        if gone[number]:
            continue
        if not empty[number]:
            last_is_gap, near_gone = False, False
        elif last_is_gap and near_gone and 0 < number < len(written) - 1:
            result[number] = None
        else:
            last_is_gap = True
    # The gap at the end: empty lines behind the last words, when what followed them is gone.
    number = len(written) - 1
    passed_gone = False
    trailing: list[int] = []
    while number > 0 and (result[number] is None or empty[number]):
        passed_gone = passed_gone or gone[number]
        if result[number] is not None and number < len(written) - 1:
            trailing.append(number)
        number -= 1
    if passed_gone:
        for number in trailing:
            result[number] = None
    return result
