"""The files of one arXiv paper, unpacked in memory from the gzip of a single TeX file or of a tar.

Nothing is written to disk. Links, devices, sparse files and paths that leave the folder are passed over, and every size
and count that the archive could choose has a cap.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import re
import tarfile
from dataclasses import dataclass
from typing import BinaryIO, cast

from stages.sources.tar_members import tar_members
from stages.sources.tex_encoding import is_text

# Files that no paper reads as its own text: figures (drawings in TeX that a program wrote, too), bibliography data,
# binaries. `.bbl` is a bibliography that BibTeX made.
_OTHER_SUFFIXES = """
.eps .ps .epsi .epsf .pdf .png .jpg .jpeg .gif .tif .tiff .svg .bmp .bib .bst .bbl .bbx .cbx
.cls .clo .fd .cfg .log .aux .out .toc .blg .pfb .tfm .ttf .otf .zip .gz .tgz .tar .mp4 .avi
.mov .csv .json .py .ipynb .html .xml .docx .nb .m .dat .pgf .pdf_tex .eps_tex .ps_tex .pstex_t
.pdftex_t .pspdftex .eepic .epic .synctex .fls .fdb_latexmk
"""
OTHER_SUFFIXES = frozenset(_OTHER_SUFFIXES.split())

DEFINITION = re.compile(
    rb"\\(?:(?:re)?newcommand|providecommand|DeclareMathOperator|DeclareRobustCommand|[gex]?def|let)"
    rb"(?![A-Za-z])"
)
INTERNAL = re.compile(rb"\\[A-Za-z]*@")
COMMENT = re.compile(rb"(?<!\\)%[^\n]*")
MAX_STYLE_BYTES = 64 << 10  # ours: an author's own macros are shorter
MAX_INTERNALS_PER_DEFINITION = (
    0.25  # ours: in 29 local styles, authors' have 0 to 0.23, publishers' 0.9 and more
)


class PaperTooLarge(Exception):
    """A paper goes past one of the caps."""


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    max_unpacked_bytes: int
    max_file_bytes: int
    max_text_bytes: int
    max_files: int


def unpack(packed: bytes, limits: UnpackLimits) -> dict[str, bytes]:
    """The text files of a paper by their path inside the project; a single file has the path `main.tex`.

    Raises PaperTooLarge, and what gzip and `tar_members` raise for damaged archives.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as inflated:
        if not is_tar_header(inflated.read(tarfile.BLOCKSIZE)):
            inflated.seek(0)
            content = inflated.read(limits.max_file_bytes + 1)
            if len(content) > limits.max_file_bytes:
                raise PaperTooLarge(f"one file of over {limits.max_file_bytes} bytes")
            return {"main.tex": content} if is_text(content) else {}
        project = _Capped(inflated, limits.max_unpacked_bytes)
        files = _untar(project, limits)
        while project.read(1 << 16):  # gzip's checksum stands at the end, after the tar's own
            pass
        return files


def _untar(stream: _Capped, limits: UnpackLimits) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    for seen, member in enumerate(tar_members(cast(BinaryIO, stream)), 1):
        if seen > limits.max_files:
            raise PaperTooLarge(f"over {limits.max_files} files")
        path = safe_path(member.path)
        if member.size < 0 or path is None:
            continue
        suffix = posixpath.splitext(path)[1].lower()
        if suffix in OTHER_SUFFIXES or member.size > limits.max_file_bytes:
            continue
        content = member.read()
        if not is_text(content) or (suffix in (".sty", ".def") and not is_authors_style(content)):
            continue
        total += len(content)
        if total > limits.max_text_bytes:
            raise PaperTooLarge(f"over {limits.max_text_bytes} bytes of text files")
        files[path] = content
    return files


def is_authors_style(content: bytes) -> bool:
    """Whether a style file holds an author's macros, and is not one of a publisher or a package.

    Packages are written in TeX's internals (`\\@...`), authors' files hardly ever.
    """
    if len(content) > MAX_STYLE_BYTES:
        return False
    code = COMMENT.sub(b"", content)
    definitions = len(DEFINITION.findall(code))
    return definitions > 0 and len(INTERNAL.findall(code)) < MAX_INTERNALS_PER_DEFINITION * definitions


def safe_path(name: str) -> str | None:
    """`name` as a normal relative path, or None when it is absolute or leaves its folder."""
    path = posixpath.normpath(name)
    return None if path.startswith(("/", "../")) or path in ("..", ".") or "\0" in path else path


def is_tar_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")  # checks the header's checksum
    except (tarfile.HeaderError, ValueError):
        return False
    return True


class _Capped(io.RawIOBase):
    """A stream that ends in PaperTooLarge once more than `limit` bytes came out of it."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self.stream = stream
        self.limit = self.left = limit

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """To the beginning, where the count begins anew."""
        assert offset == 0 and whence == io.SEEK_SET
        self.left = self.limit
        return self.stream.seek(0)

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise PaperTooLarge("unpacks to more than the limit")
        return data
