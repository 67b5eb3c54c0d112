"""Keeps documents by length: a document in, the same document or a rejection out.

CCNet drops a page whose text has fewer than 300 characters, before its lines are compared with those of other pages.
"""

from __future__ import annotations

from dataclasses import dataclass

from stages.document import Document, Rejected


@dataclass(frozen=True)
class KeepLength:
    """Keeps texts of `min_characters` to `max_characters` characters (code points, line ends included).

    Reasons: `too_short`, `too_long`; the score is the length.
    """

    min_characters: int = (
        300  # CCNet, Wenzek et al. 2020: cc_net's `min_len`, tested before line deduplication only
    )
    max_characters: int | None = None  # no limit in CCNet; TFDS C4 3.1.0 has 190,000

    def __post_init__(self) -> None:
        least = max(self.min_characters, 1)
        if self.max_characters is not None and self.max_characters < least:
            raise ValueError(
                f"max_characters must be at least {least}, not {self.max_characters}; else all texts go"
            )

    def __call__(self, document: Document) -> Document | Rejected:
        characters = len(document.text)
        if characters < self.min_characters:
            return Rejected(document, "too_short", float(characters))
        if self.max_characters is not None and characters > self.max_characters:
            return Rejected(document, "too_long", float(characters))
        return document
