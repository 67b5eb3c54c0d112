"""Whole documents that are there twice: the key of a text by which exact copies are found.

The keys and the sorted arrays are those of line deduplication. Near copies have modules of their own: `near_duplicates`
for pages, `book_overlap` for books.
"""

from __future__ import annotations

import xxhash


def content_key(text: str) -> int:
    """64-bit key of a text (xxh3_64 of its UTF-8, seed 0), equal for equal texts.

    Two different texts among n share a key with a chance of about n**2 / 2**65: 3e-8 for a million, 0.03 for
    a billion.
    """
    return xxhash.xxh3_64_intdigest(text.encode("utf-8"), seed=0)
