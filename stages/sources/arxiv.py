"""arXiv bulk source files (`arXiv_src_YYMM_NNN.tar`) to papers, each one assembled LaTeX text.

In: an uncompressed tar with members `YYMM/<id>.gz`, each the gzip of one TeX file or of a tar of a project, or
`YYMM/<id>.pdf` for papers without source. Out: a Document a paper whose text is the main file with its inputs in their
place; nothing is cleaned here. The layout is that of arXiv's bulk data access (info.arxiv.org/help/bulk_data_s3.html).

The tar is walked header by header, so a damaged stretch costs the records in it: reading goes on at the next header.
The bulk files say nothing of a paper's licence, so `license` is None; arXiv's metadata snapshot has it by id.
"""

from __future__ import annotations

import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from stages.document import Document, Origin, Rejected
from stages.sources.arxiv_assembly import Assembly, AssemblyLimits, assemble
from stages.sources.arxiv_files import PaperTooLarge, UnpackLimits, is_tar_header, unpack
from stages.sources.tex_encoding import decode_files

READ_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, RecursionError)

NEW_ID = re.compile(r"(\d{2})(\d{2})\.\d{4,5}(v\d+)?")
OLD_ID = re.compile(r"([a-z-]+(?:\.[A-Z]{2})?)((\d{2})(\d{2})\d{3}(?:v\d+)?)")
BLOCK = tarfile.BLOCKSIZE
MAGIC = slice(257, 262)  # of a POSIX or GNU header: `ustar`
SHOWN_MISSING = 10  # names of missing inputs in the metadata


@dataclass(frozen=True)
class Arxiv:
    """Reads one bulk tar.

    Rejects `pdf_only`, `damaged_record`, `paper_too_large`, `no_tex_source`, `unknown_member`.

    The id is arXiv's (`2004.08070`, `hep-lat/9107001`), `created` the first of the month that the id names, the origin
    the offset and length of the packed paper in the bulk file. Scores: `tex_files` counts the files that went into the
    text, `missing_inputs` the inputs that the source does not hold. Metadata: `main_file`, and the first names of what
    is missing as `missing_inputs`.
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
        if not is_tar_header(_block(stream, 0)):
            raise ValueError(f"{origin}: not an arXiv bulk tar; give arXiv_src_YYMM_NNN.tar as downloaded")
        offset, damaged = 0, False
        end = stream.seek(0, 2)
        while offset < end:
            block = _block(stream, offset)
            if not block.strip(b"\0"):
                offset += BLOCK
                continue
            # In a damaged stretch only a header with the magic is trusted: the checksum alone is weak.
            if (damaged and block[MAGIC] != b"ustar") or not is_tar_header(block):
                if not damaged:
                    broken = Document(
                        f"{posixpath.basename(origin)}@{offset}", "arxiv", "", Origin(origin, offset)
                    )
                    yield Rejected(broken, "damaged_record", detail="tar: no header where one should be")
                offset, damaged = offset + BLOCK, True
                continue
            member = tarfile.TarInfo.frombuf(block, tarfile.ENCODING, "surrogateescape")
            data, damaged = offset + BLOCK, False
            offset = data + -(-member.size // BLOCK) * BLOCK
            if member.isdir() or member.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME):
                continue
            document = _described(member.name, origin, data, member.size)
            if data + member.size > end or member.size < 0:
                yield Rejected(document, "damaged_record", detail=f"tar: cut short after {end - data} bytes")
                offset, damaged = data, True
                continue
            yield self._paper(stream, member, document, data)

    def _paper(
        self, stream: BinaryIO, member: tarfile.TarInfo, document: Document, data: int
    ) -> Document | Rejected:
        name = _printable(member.name)
        suffix = posixpath.splitext(name)[1].lower()
        if suffix == ".pdf":
            return Rejected(document, "pdf_only")
        if suffix != ".gz":
            return Rejected(document, "unknown_member", detail=f"{name}: neither .gz nor .pdf")
        if not member.isreg() or member.type == tarfile.GNUTYPE_SPARSE:
            return Rejected(document, "damaged_record", detail=f"{name}: a link, device or sparse file")
        if member.size > self.max_packed_bytes:
            return Rejected(document, "paper_too_large", detail=f"{member.size} bytes packed")
        stream.seek(data)
        packed = stream.read(member.size)
        if packed.startswith(b"%PDF"):
            return Rejected(document, "pdf_only")
        limits = UnpackLimits(
            self.max_unpacked_bytes, self.max_file_bytes, self.max_text_characters, self.max_files
        )
        try:
            files = unpack(packed, limits)
            assembly = self._assembled(files)
        except PaperTooLarge as error:
            return Rejected(document, "paper_too_large", detail=str(error))
        except READ_ERRORS as error:
            return Rejected(document, "damaged_record", detail=f"{type(error).__name__}: {error}")
        if assembly is None or not assembly.text:
            return Rejected(document, "no_tex_source", detail=f"{len(files)} text files, none of them TeX")
        document = document.with_text(assembly.text).with_metadata(main_file=_printable(assembly.main))
        if assembly.missing:
            document = document.with_metadata(missing_inputs=" ".join(assembly.missing[:SHOWN_MISSING]))
        return document.with_scores(
            tex_files=float(len(assembly.used)), missing_inputs=float(len(assembly.missing))
        )

    def _assembled(self, files: dict[str, bytes]) -> Assembly | None:
        limits = AssemblyLimits(self.max_text_characters, self.max_input_depth, self.max_inputs)
        return assemble(decode_files(files), limits)


def _block(stream: BinaryIO, offset: int) -> bytes:
    stream.seek(offset)
    return stream.read(BLOCK)


def _described(name: str, origin: str, offset: int, length: int) -> Document:
    identifier, created = identify(posixpath.splitext(posixpath.basename(_printable(name)))[0])
    return Document(
        id=identifier,
        source="arxiv",
        text="",
        origin=Origin(origin, offset, length),
        url=f"https://arxiv.org/abs/{identifier}",
        created=created,
    )


def _printable(name: str) -> str:
    """A name from an archive as valid Unicode."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def identify(stem: str) -> tuple[str, datetime | None]:
    """arXiv id and month of a file stem: `astro-ph0001004` is `astro-ph/0001004`, submitted in January 2000."""
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
