"""arXiv bulk source files (`arXiv_src_YYMM_NNN.tar`) to papers, each one assembled LaTeX text.

In: an uncompressed tar with members `YYMM/<id>.gz`, each the gzip of one TeX file or of a tar of a project,
or `YYMM/<id>.pdf` for papers without source. Out: a Document a paper whose text is the main file with every
`\\input`, `\\include` and `\\subfile` put in its place; nothing is cleaned here. Nothing is written to disk,
and every size, count and depth that the archive could choose has a cap. The layout is that of arXiv's bulk
data access (info.arxiv.org/help/bulk_data_s3.html).
"""

from __future__ import annotations

import gzip
import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from stages.document import Document, Origin, Rejected

READ_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, RecursionError)

NEW_ID = re.compile(r"(\d{2})(\d{2})\.\d{4,5}(v\d+)?")
OLD_ID = re.compile(r"([a-z-]+(?:\.[A-Z]{2})?)((\d{2})(\d{2})\d{3}(?:v\d+)?)")

# Files that no paper reads as its own text: figures, bibliography data, styles, binaries.
_OTHER_SUFFIXES = """
.eps .ps .epsi .epsf .pdf .png .jpg .jpeg .gif .tif .tiff .svg .bmp .bib .bst .bbl .bbx .cbx .sty
.cls .clo .fd .def .cfg .log .aux .out .toc .blg .pfb .tfm .ttf .otf .zip .gz .tgz .tar .mp4 .avi
.mov .csv .json .py .ipynb .html .xml .docx .nb .m .dat
"""
OTHER_SUFFIXES = frozenset(_OTHER_SUFFIXES.split())

ENCODING_NAMES = {
    "latin1": "cp1252",  # cp1252 fills the C1 range that latin-1 leaves to control characters
    "ansinew": "cp1252",
    "cp1252": "cp1252",
    "latin2": "iso8859-2",
    "latin5": "iso8859-9",
    "latin9": "iso8859-15",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "koi8-r": "koi8-r",
    "cp850": "cp850",
    "cp437": "cp437",
    "applemac": "mac-roman",
}
INPUTENC = re.compile(rb"\\usepackage\s*\[([A-Za-z0-9-]+)\]\s*\{inputenc\}")

TOKEN = re.compile(
    r"%[^\n]*"
    r"|\\begin\s*\{(?P<verbatim>verbatim\*?|Verbatim|lstlisting|minted|comment|filecontents\*?)\}"
    r"|\\(?:sub)?(?:import|includefrom|inputfrom)\s*\{(?P<folder>[^{}\n]*)\}\s*\{(?P<imported>[^{}\n]*)\}"
    r"|\\(?:input|include|subfile)\s*\{(?P<braced>[^{}\n]*)\}"
    r"|\\input[ \t]+(?P<bare>[^\s{}\\%]+)"
    r"|\\(?P<stop>endinput)(?![A-Za-z@])"
    r"|\\.",
    re.DOTALL,
)
DOCUMENT_CLASS = re.compile(r"^[^%\n]*\\document(?:class|style)\b", re.MULTILINE)
BEGIN_DOCUMENT = re.compile(r"^[^%\n]*?\\begin\s*\{document\}", re.MULTILINE)
END_DOCUMENT = re.compile(r"\\end\s*\{document\}")
CONTROL_WORD = re.compile(r"\\[A-Za-z]{2,}")


class PaperTooLarge(Exception):
    """A paper goes past one of the caps."""


@dataclass(frozen=True)
class Arxiv:
    """Reads one bulk tar.

    Rejects `pdf_only`, `damaged_record`, `paper_too_large`, `no_tex_source`, `unknown_member`.

    The id is arXiv's (`2004.08070`, `hep-lat/9107001`), `created` the first of the month that the id names.
    Metadata: `tex_files` counts the files that went into the text, `missing_inputs` the inputs that the
    source does not hold.
    """

    max_packed_bytes: int = (
        128 << 20
    )  # arXiv accepts submissions of 50 MB, more by arrangement (its size limits)
    max_unpacked_bytes: int = 256 << 20  # ours: figures are inflated only to be skipped
    max_file_bytes: int = 16 << 20  # ours: the longest .tex of 171 sample files has 0.2 MB
    max_text_characters: int = 32 << 20  # ours: the assembled text
    max_files: int = 20_000  # ours: members of one paper's tar
    max_input_depth: int = 16  # TeX's own limit is 15 open files
    max_inputs: int = 5_000  # ours: stops files that include each other in a fan

    def read(self, stream: BinaryIO, origin: str) -> Iterator[Document | Rejected]:
        try:
            archive = tarfile.open(fileobj=stream, mode="r|")  # noqa: SIM115
        except READ_ERRORS as error:
            raise ValueError(
                f"{origin}: not an arXiv bulk tar ({error}); give arXiv_src_YYMM_NNN.tar as downloaded"
            ) from error
        with archive:
            while True:
                end = archive.offset
                try:
                    member = archive.next()
                except READ_ERRORS as error:
                    broken = Document(f"{posixpath.basename(origin)}@{end}", "arxiv", "", Origin(origin, end))
                    yield Rejected(broken, "damaged_record", detail=f"tar: {error}")
                    return
                if member is None:
                    return
                archive.members = []  # type: ignore[attr-defined]  # tarfile remembers every member
                if member.isdir():
                    continue
                yield self._member(archive, member, origin)

    def _member(self, archive: tarfile.TarFile, member: tarfile.TarInfo, origin: str) -> Document | Rejected:
        stem, suffix = posixpath.splitext(posixpath.basename(member.name))
        identifier, created = identify(stem)
        document = Document(
            id=identifier,
            source="arxiv",
            text="",
            origin=Origin(origin, member.offset_data, member.size),
            url=f"https://arxiv.org/abs/{identifier}",
            created=created,
        )
        if suffix.lower() == ".pdf":
            return Rejected(document, "pdf_only")
        if suffix.lower() != ".gz":
            return Rejected(document, "unknown_member", detail=f"{member.name}: neither .gz nor .pdf")
        if not member.isreg():
            return Rejected(document, "damaged_record", detail=f"{member.name}: a link or device, not a file")
        if member.size > self.max_packed_bytes:
            return Rejected(document, "paper_too_large", detail=f"{member.size} bytes packed")
        try:
            body = archive.extractfile(member)
            packed = body.read() if body is not None else b""
            if packed.startswith(b"%PDF"):
                return Rejected(document, "pdf_only")
            files = self._unpack(packed)
            text, used, missing = self._assemble(files)
        except PaperTooLarge as error:
            return Rejected(document, "paper_too_large", detail=str(error))
        except READ_ERRORS as error:
            return Rejected(document, "damaged_record", detail=f"{type(error).__name__}: {error}")
        if not text:
            return Rejected(document, "no_tex_source", detail=f"{len(files)} text files, none of them TeX")
        return document.with_text(text).with_metadata(tex_files=str(used), missing_inputs=str(missing))

    def _unpack(self, packed: bytes) -> dict[str, bytes]:
        """The text files of a paper by their path inside the project; a single file has the path
        `main.tex`.
        """
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as inflated:
            if not _is_tar_header(inflated.read(tarfile.BLOCKSIZE)):
                inflated.seek(0)
                content = inflated.read(self.max_file_bytes + 1)
                if len(content) > self.max_file_bytes:
                    raise PaperTooLarge(f"one file of over {self.max_file_bytes} bytes")
                return {"main.tex": content} if _is_text(content) else {}
            inflated.seek(0)
            project = _Capped(inflated, self.max_unpacked_bytes)
            files = self._untar(project)
            while project.read(1 << 16):  # gzip's checksum stands at the end, after the tar's own
                pass
            return files

    def _untar(self, stream: _Capped) -> dict[str, bytes]:
        files: dict[str, bytes] = {}
        seen = total = 0
        with tarfile.open(fileobj=stream, mode="r|") as project:
            for member in project:
                project.members = []  # type: ignore[attr-defined]
                seen += 1
                if seen > self.max_files:
                    raise PaperTooLarge(f"over {self.max_files} files")
                path = safe_path(member.name)
                if not member.isreg() or member.issparse() or path is None:
                    continue
                if posixpath.splitext(path)[1].lower() in OTHER_SUFFIXES or member.size > self.max_file_bytes:
                    continue
                body = project.extractfile(member)
                content = body.read() if body is not None else b""
                if not _is_text(content):
                    continue
                total += len(content)
                if total > self.max_text_characters:
                    raise PaperTooLarge(f"over {self.max_text_characters} bytes of text files")
                files[path] = content
        return files

    def _assemble(self, files: dict[str, bytes]) -> tuple[str, int, int]:
        """The text of the paper, how many files went into it and how many inputs are missing ("" when no
        TeX).
        """
        texts = _decode(files)
        mains = [
            path
            for path, text in texts.items()
            if DOCUMENT_CLASS.search(text) and BEGIN_DOCUMENT.search(text)
        ]
        if not mains:  # plain TeX
            mains = [path for path, text in texts.items() if CONTROL_WORD.search(text)]
        best: tuple[str, int, int] = ("", 0, 0)
        # The longest assembled text wins: variants and cover letters are shorter than the paper they quote
        # from.
        for path in sorted(mains, key=lambda path: (path.count("/"), -len(texts[path]), path))[:32]:
            assembly = _Assembly(self, texts, path)
            if len(assembly.text) > len(best[0]):
                best = (assembly.text, len(assembly.used), assembly.missing)
        return best


class _Assembly:
    """One main file with its inputs in place."""

    def __init__(self, limits: Arxiv, texts: dict[str, str], main: str) -> None:
        self.limits = limits
        self.texts = texts
        self.root = posixpath.dirname(main)
        self.used: set[str] = set()
        self.missing = 0
        self.inputs = 0
        self.length = 0
        pieces: list[str] = []
        self._add(main, texts[main], (main,), pieces)
        self.text = "".join(pieces)

    def _add(self, path: str, text: str, open_files: tuple[str, ...], pieces: list[str]) -> None:
        self.used.add(path)
        position = copied = 0
        unclosed: set[str] = set()
        while (match := TOKEN.search(text, position)) is not None:
            position = match.end()
            if environment := match["verbatim"]:
                closing = f"\\end{{{environment}}}"
                end = -1 if environment in unclosed else text.find(closing, position)
                if end < 0:
                    unclosed.add(environment)
                else:
                    position = end + len(closing)
                continue
            if match["stop"]:
                self._copy(text[copied : match.start()], pieces)
                return
            name = match["braced"] or match["bare"] or match["imported"]
            if not name:
                continue
            child = self._find(name.strip().strip('"'), path, match["folder"])
            if child is None:
                self.missing += 1
                continue
            if child in open_files or len(open_files) >= self.limits.max_input_depth:
                continue
            self.inputs += 1
            if self.inputs > self.limits.max_inputs:
                raise PaperTooLarge(f"over {self.limits.max_inputs} inputs")
            self._copy(text[copied : match.start()], pieces)
            copied = position
            self._add(child, _body(self.texts[child]), (*open_files, child), pieces)
        self._copy(text[copied:], pieces)

    def _copy(self, piece: str, pieces: list[str]) -> None:
        self.length += len(piece)
        if self.length > self.limits.max_text_characters:
            raise PaperTooLarge(f"over {self.limits.max_text_characters} characters when assembled")
        pieces.append(piece)

    def _find(self, name: str, including: str, folder: str | None) -> str | None:
        """The file that TeX would open: beside the main file first, then beside the including file."""
        here = posixpath.dirname(including)
        folders = [self.root, here] if folder is None else [posixpath.join(self.root, folder)]
        if folder is not None:
            folders.append(posixpath.join(here, folder))
        for base in folders:
            for candidate in (name + ".tex", name):
                path = safe_path(posixpath.join(base, candidate))
                if path is not None and path in self.texts:
                    return path
        return None


def identify(stem: str) -> tuple[str, datetime | None]:
    """arXiv id and month of a file stem: `astro-ph0001004` is `astro-ph/0001004`, submitted in January
    2000.
    """
    if match := NEW_ID.fullmatch(stem):
        return stem, _month(match[1], match[2])
    if match := OLD_ID.fullmatch(stem):
        return f"{match[1]}/{match[2]}", _month(match[3], match[4])
    return stem, None


def _month(year: str, month: str) -> datetime | None:
    if not 1 <= int(month) <= 12:
        return None
    century = 1900 if int(year) >= 91 else 2000  # arXiv began in August 1991
    return datetime(century + int(year), int(month), 1, tzinfo=UTC)


def safe_path(name: str) -> str | None:
    """`name` as a normal relative path, or None when it is absolute or leaves its folder."""
    path = posixpath.normpath(name)
    return None if path.startswith(("/", "../")) or path in ("..", ".") or "\0" in path else path


class _Capped(io.RawIOBase):
    """A stream that ends in PaperTooLarge once more than `limit` bytes came out of it."""

    def __init__(self, stream: gzip.GzipFile, limit: int) -> None:
        self.stream = stream
        self.left = limit

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise PaperTooLarge("unpacks to more than the limit")
        return data


def _is_tar_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")  # checks the header's checksum
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def _is_text(content: bytes) -> bool:
    """Whether bytes may be TeX: no NUL, and not PostScript, PDF or HTML."""
    start = content[:1024].lstrip().lower()
    return b"\0" not in content and not start.startswith((b"%!ps", b"%pdf", b"<html", b"<!doctype html"))


def _decode(files: dict[str, bytes]) -> dict[str, str]:
    """Each file as text with `\\n` line ends: UTF-8 if it is, else what inputenc declares in it or in the
    project.
    """
    declared = {path: match[1] for path, content in files.items() if (match := INPUTENC.search(content))}
    fallback = declared[min(declared)] if declared else b"latin1"
    texts: dict[str, str] = {}
    for path in sorted(files):
        content = files[path]
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            name = declared.get(path, fallback).decode("ascii").lower()
            try:
                text = content.decode(ENCODING_NAMES.get(name, "cp1252"))
            except UnicodeDecodeError:
                text = content.decode("latin-1")
        texts[path] = text.replace("\r\n", "\n").replace("\r", "\n")
    return texts


def _body(text: str) -> str:
    """What `\\subfile` takes of a file with a preamble of its own: the inside of its document environment."""
    begin = BEGIN_DOCUMENT.search(text) if DOCUMENT_CLASS.search(text) else None
    if begin is None:
        return text
    end = END_DOCUMENT.search(text, begin.end())
    return text[begin.end() : end.start() if end else len(text)]
