"""Drops pages that contain a listed word: a document in, the same document or a rejection out.

C4 removed pages with a word of the "List of Dirty, Naughty, Obscene or Otherwise Bad Words" (Raffel et al. 2020,
section 2.2). The list is not part of this project: the user gives a file. What counts as containing a word follows
TensorFlow Datasets' C4 3.1.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from stages.document import Document, Rejected
from stages.stage import Outcome, Transform

UNSPACED_LANGUAGES = frozenset({"ja", "th", "zh"})  # TFDS C4 3.1.0: in these a word need not stand alone
MAX_LIST_BYTES = 1 << 20  # the longest list of LDNOOBW has 4 kB

_RUN = re.compile(r"\w+")


def read_bad_words(path: str) -> tuple[str, ...]:
    """The entries of a list, one a line, without blank lines and repetitions, in lower case.

    Raises ValueError when the file cannot be read as UTF-8, is too large, or has no entry.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_LIST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: no list of bad words can be read ({error}); give a UTF-8 file, one word a line"
        ) from None
    if len(data) > MAX_LIST_BYTES:
        raise ValueError(f"{path}: over {MAX_LIST_BYTES} bytes, so no list of bad words; give another file")
    words = tuple(dict.fromkeys(word for line in text.split("\n") if (word := line.strip().lower())))
    if not words:
        raise ValueError(f"{path}: the list of bad words is empty; leave the step out or give another file")
    return words


class BadWords:
    """A list that can be searched for. `unspaced`: an entry counts inside a word too."""

    def __init__(self, words: tuple[str, ...], unspaced: bool) -> None:
        pattern = "|".join(map(re.escape, words))
        self._pattern = re.compile(pattern if unspaced else rf"(?<!\w)(?:{pattern})(?!\w)")
        # The search is slow, so it is for texts that hold an entry at all. An entry that stands alone begins with a
        # whole word of the text (if it begins with a letter or digit), and few texts have such a word.
        self._anywhere = tuple(word for word in words if unspaced or not _RUN.match(word))
        self._by_first_word: dict[str, list[str]] = {}
        for word in words:
            if not unspaced and (first := _RUN.match(word)):
                self._by_first_word.setdefault(first.group(), []).append(word)

    def find(self, text: str) -> str | None:
        """The first entry that occurs in a text, in lower case, or None."""
        lower = text.lower()
        first_words = self._by_first_word.keys() & _RUN.findall(lower)
        entries = (entry for first in first_words for entry in self._by_first_word[first])
        if not any(entry in lower for entry in chain(self._anywhere, entries)):
            return None
        match = self._pattern.search(lower)
        return match.group() if match else None


@dataclass(frozen=True)
class DropBadWords:
    """Drops documents in `language` that contain an entry of the list between characters that belong to no word.

    `model` is the path of the list, one entry a line. Documents in another language pass, as in TFDS. Reason:
    `bad_word`; the detail is the entry.
    """

    model: str  # TFDS C4 3.1.0: LDNOOBW (CC BY 4.0), file `en` at commit 25e679f03d96baa721cde20db9944649e8d0a844
    language: str = "en"

    def prepare(self) -> Transform:
        """Read the list. ValueError when it cannot be read."""
        words = BadWords(read_bad_words(self.model), unspaced=self.language in UNSPACED_LANGUAGES)

        def drop(document: Document) -> Outcome:
            if document.language != self.language:
                return document
            found = words.find(document.text)
            return document if found is None else Rejected(document, "bad_word", detail=found)

        return drop
