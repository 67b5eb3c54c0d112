"""What an expansion has written: pieces of TeX, put together so that words and paragraphs stay what they were."""

from __future__ import annotations

import re

from stages.latex_syntax import last_word

BLANK_LINE = re.compile(r"[ \t]*\n")
LINE_START = re.compile(r"\n[ \t]*\Z")


class Output:
    """Written pieces. `vanished` tells that something was left out at this place."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.vanished = False

    def write(self, piece: str) -> None:
        """Add a piece; a blank keeps it apart from a control word that its first letter would lengthen."""
        if not piece:
            return
        pieces = self.pieces
        if self.vanished:
            # A line that held only what vanished goes whole: an empty line would end the paragraph.
            self.vanished = False
            rest = BLANK_LINE.match(piece)
            if rest is not None and (not pieces or LINE_START.search("".join(pieces[-4:]))):
                piece = piece[rest.end() :]
                if not piece:
                    return
        if pieces and piece[0].isalpha() and last_word(pieces[-1]):
            pieces.append(" ")
        pieces.append(piece)

    def last_paragraph(self, max_characters: int) -> str:
        """The end of what is written, from the last empty line on."""
        tail = ""
        for piece in reversed(self.pieces):
            tail = piece + tail
            if len(tail) > max_characters or "\n\n" in piece:
                break
        return tail[-max_characters:].rpartition("\n\n")[2]

    def take_back(self, mark: int) -> None:
        """Forget the pieces from `mark` on."""
        del self.pieces[mark:]
        self.vanished = False
