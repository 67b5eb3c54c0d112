"""A file of an export: written under a temporary name, renamed when it is whole."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """A file that is open for writing; it stands at `path` when all went well, and nowhere when not."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
