"""What the damaged and hostile inputs of tests are made with: prose that no other document has, archives of entries as
one likes, spoiled bytes, and a bomb."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """What must become of a folder: each document that is kept (file, and id, path or URL there) with a text that is
    whole in it, and how many records of each file are removed for each reason."""

    kept: Mapping[tuple[str, str], str]
    removed: Mapping[tuple[str, str], int]


BOMB = bytes(1 << 23)  # 8 MiB that pack to 8 kB


COLORS = (
    "amber",
    "azure",
    "beige",
    "coral",
    "ebony",
    "hazel",
    "ivory",
    "khaki",
    "lilac",
    "mauve",
    "ochre",
    "olive",
    "plum",
    "rust",
    "sepia",
    "teal",
    "umber",
)


def prose(name: str) -> str:
    """Twelve lines of English that no other name has."""
    seed = sum(ord(letter) * (at + 7) for at, letter in enumerate(name))
    return "\n".join(
        f"The {COLORS[(seed * 3 + line) % 17]} {name} of the {COLORS[(seed + line * 5) % 17]} house was number "
        f"{COLORS[(seed * 11 + line * 2) % 17]} of those that the keeper of the {name} had written down."
        for line in range(12)
    )


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def tar(*members: tuple[str, bytes | tarfile.TarInfo]) -> bytes:
    """A tar of files by name, and of entries as they are given."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            if isinstance(content, bytes):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                content.name = name
                archive.addfile(content)
    return out.getvalue()


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo()
    entry.type, entry.linkname = kind, target
    return entry


def zipped(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def flipped(data: bytes, at: int) -> bytes:
    """The data with sixteen bytes spoiled."""
    return data[:at] + bytes(255 - byte for byte in data[at : at + 16]) + data[at + 16 :]
