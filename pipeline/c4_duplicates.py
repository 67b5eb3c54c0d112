"""The two places where C4 compares all pages: one page an address, and one page a line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.duplicates import (
    Collector,
    DropFiles,
    DropNumbered,
    DropNumberedLines,
    Mask,
    all_but_newest,
    created_seconds,
)
from pipeline.key_files import KeyCollector, Keys
from stages.c4_rules import c4_line_keys, c4_owner_tag, c4_url_key, keep_owned_lines, owned_lines
from stages.stage import Transform


@dataclass(frozen=True)
class DropRepeatedUrls:
    """Pages of an address that another page has, as C4 normalises addresses: the newest stays, the first of equals
    (TFDS C4 3.1.0, select_newest_page)."""

    window_files: int | None = None

    def collector(self) -> Collector:
        return KeyCollector(
            lambda document: np.array([c4_url_key(document.url or document.id)], dtype=np.uint64),
            tag_of=created_seconds,
        )

    def dropped(self, keys: Keys) -> Mask:
        return all_but_newest(keys.keys, keys.tags)

    def transform(self, run: str, found: DropFiles) -> Transform:
        return DropNumbered(found.drops(run), "repeated_url")


@dataclass(frozen=True)
class DropRepeatedC4Lines:
    """Lines that another page owns: of all pages with a line the one whose address has the smallest MD5 keeps it
    (TFDS C4 3.1.0, remove_duplicate_text); a page needs `min_sentences` afterwards."""

    min_sentences: int = 3  # TFDS C4 3.1.0, _MIN_NUM_SENTENCES
    window_files: int | None = None

    def collector(self) -> Collector:
        return KeyCollector(
            lambda document: c4_line_keys(document.text),
            tag_of=lambda document: c4_owner_tag(document.url or document.id),
        )

    def dropped(self, keys: Keys) -> Mask:
        return owned_lines(keys.keys, keys.tags)

    def transform(self, run: str, found: DropFiles) -> Transform:
        return DropNumberedLines(
            found.drops(run), lambda document, mask: keep_owned_lines(document, mask, self.min_sentences)
        )
