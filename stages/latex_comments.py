"""LaTeX without its comments, as TeX reads it: `%` to the end of the line, and the environment `comment`.

`\\%`, verbatim text and the addresses of `\\url` and its kin stay as they are. What `\\iffalse` hides is taken out with
the macros, since an author's own flags decide it as well.
"""

from __future__ import annotations

import re

from stages.latex_syntax import ADDRESS, VERBATIM, after_verbatim

TOKEN = re.compile(r"%|\\[\\%]|" + ADDRESS + r"|\\(?P<comment>begin)[ \t]*+\{comment\}|" + VERBATIM)
ENDS_IN_WORD = re.compile(r"\\[A-Za-z@]+\Z")
COMMENT_END = "\\end{comment}"
MAX_PIECES_OF_A_LINE = 8  # ours: what is looked back over


def remove_comments(text: str) -> str:
    """The text without comments.

    A comment takes its line end and the blanks of the next line with it, so `foo%` joins `foo` to the next line; the
    line end stays after a blank, before an empty line, and where joining would lengthen a control word. A line that
    held nothing else goes whole. So no paragraph is begun or ended by what is removed (The TeXbook, chapter 8).
    """
    if "%" not in text and "{comment}" not in text:
        return text
    pieces: list[str] = []
    position = copied = 0
    unclosed: set[str] = set()
    while (match := TOKEN.search(text, position)) is not None:
        position = match.end()
        if match["comment"]:
            end = -1 if "comment" in unclosed else text.find(COMMENT_END, position)
            if end < 0:
                unclosed.add("comment")
                continue
            end += len(COMMENT_END)
            pieces.append(text[copied : match.start()])
            line_end = _blank_to_line_end(text, end)
            if line_end is not None and _starts_line(pieces):
                end = line_end
            copied = position = end
            continue
        if match[0] != "%":
            position = after_verbatim(text, match, unclosed)
            continue
        line_end = text.find("\n", position)
        line_end = len(text) if line_end < 0 else line_end
        before = text[copied : match.start()]
        if before:
            pieces.append(before)
        if _starts_line(pieces):
            if before:
                pieces[-1] = before.rstrip(" \t")
            copied = position = min(line_end + 1, len(text))
            continue
        next_line = line_end + 1
        while next_line < len(text) and text[next_line] in " \t":
            next_line += 1
        following = text[next_line : next_line + 1]
        stays = before.endswith((" ", "\t")) or following in ("", "\n")
        if not stays and following.isalpha() and ENDS_IN_WORD.search(before[-64:]):
            stays = True
        if stays and before:
            pieces[-1] = before.rstrip(" \t")
        copied = position = line_end if stays else next_line
    pieces.append(text[copied:])
    return "".join(pieces)


def _starts_line(pieces: list[str]) -> bool:
    """Whether the text so far ends in a line that holds only blanks, as far as its last pieces show."""
    for piece in pieces[: -MAX_PIECES_OF_A_LINE - 1 : -1]:
        line = piece[piece.rfind("\n") + 1 :]
        if line.strip(" \t"):
            return False
        if len(line) < len(piece):
            return True
    return True


def _blank_to_line_end(text: str, position: int) -> int | None:
    """Behind the line end when only blanks are before it, else None."""
    while position < len(text) and text[position] in " \t":
        position += 1
    return None if position < len(text) and text[position] != "\n" else min(position + 1, len(text))
