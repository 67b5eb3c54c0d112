"""One folder of damaged and hostile inputs a source, each beside good ones, and what must become of them.

Everything is made by code and small; the caps that stop a bomb are lowered by `STEPS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.pipeline.hostile_archives import arxiv, books, github
from tests.pipeline.hostile_making import Expected
from tests.pipeline.hostile_records import c4, commoncrawl, stackexchange, wikipedia

STEPS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "commoncrawl": {
        "read": {"max_record_bytes": 1 << 18},
        "keep_language": {"languages": None, "min_score": 0},
    },
    "c4": {"read": {"max_line_bytes": 1 << 16}},
    "github": {"read": {"max_archive_bytes": 1 << 20, "max_file_bytes": 1 << 16}},
    "wikipedia": {"read": {"max_page_bytes": 1 << 18}},
    "books": {"read": {"max_book_bytes": 1 << 20, "max_archive_bytes": 1 << 21}},
    "arxiv": {"read": {"max_unpacked_bytes": 1 << 20, "max_file_bytes": 1 << 19}},
    "stackexchange": {"read": {"max_row_bytes": 1 << 16}},
}


MAKERS: Mapping[str, Callable[[Path], Expected]] = {
    "commoncrawl": commoncrawl,
    "c4": c4,
    "github": github,
    "wikipedia": wikipedia,
    "books": books,
    "arxiv": arxiv,
    "stackexchange": stackexchange,
}
