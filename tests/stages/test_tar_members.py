"""Members of a tar against Python's tarfile as the oracle, and hostile headers that it does not survive."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import time
from pathlib import Path

import pytest

from stages.sources.tar_members import MAX_HEADER_BYTES, TarError, tar_members


def members(content: bytes) -> list[tuple[str, int, bytes]]:
    return [
        (one.path, one.size, one.read() if one.size >= 0 else b"") for one in tar_members(io.BytesIO(content))
    ]


def by_tarfile(content: bytes) -> list[tuple[str, int, bytes]]:
    found = []
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for one in archive:
            body = archive.extractfile(one) if one.isreg() else None
            found.append((one.name, one.size, body.read()) if body else (one.name, -1, b""))
    return found


NAMES = ["a.py", "a/" + "b" * 90 + ".c", "d/" * 80 + "e.py", "f" * 200, "é/ü.py", "g" * 99, "h" * 100, "dir/"]


def written(kind: int, encoding: str = "utf-8") -> bytes:
    buffer = io.BytesIO()
    source = random.Random(kind)
    with tarfile.open(fileobj=buffer, mode="w", format=kind, encoding=encoding) as archive:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            body = (
                b"" if name.endswith("/") else source.randbytes(source.choice((0, 1, 511, 512, 513, 5_000)))
            )
            member.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            member.size, member.mtime = len(body), 1.5 if kind == tarfile.PAX_FORMAT else 1
            archive.addfile(member, io.BytesIO(body))
        for link, target in ((tarfile.SYMTYPE, "x" * 150), (tarfile.LNKTYPE, "a.py"), (tarfile.FIFOTYPE, "")):
            member = tarfile.TarInfo("link")
            member.type, member.linkname = link, target
            archive.addfile(member)
        last = tarfile.TarInfo("last.py")
        last.size = 3
        archive.addfile(last, io.BytesIO(b"end"))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_finds_what_tarfile_finds(kind: int) -> None:
    content = written(kind)
    expected = [(name.rstrip("/"), size, body) for name, size, body in by_tarfile(content)]
    for packed in (content, gzip.compress(content), bz2.compress(content), lzma.compress(content)):
        assert [(name.rstrip("/"), size, body) for name, size, body in members(packed)] == expected
    assert len(expected) == len(NAMES) + 4


def test_contents_need_not_be_read() -> None:
    content = written(tarfile.PAX_FORMAT)
    assert [one.path for one in tar_members(io.BytesIO(content))] == [name for name, _, _ in members(content)]
    for one in tar_members(io.BytesIO(content)):
        if one.size > 0:
            body = content[one.offset : one.offset + one.size]
            assert one.read() == body


def test_reads_the_real_archives_as_tarfile_does(shared_data: Path) -> None:
    for path in sorted((shared_data / "github" / "repos").iterdir()):
        content = gzip.decompress(path.read_bytes())
        expected = [(name.rstrip("/"), size, body) for name, size, body in by_tarfile(content)]
        assert [(name.rstrip("/"), size, body) for name, size, body in members(content)] == expected, (
            path.name
        )


def header(kind: bytes, size: int, name: str = "x") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


OK = header(tarfile.REGTYPE, 2, "a/b.py") + b"x\n" + b"\0" * 510


@pytest.mark.parametrize(
    "kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK]
)
def test_a_header_without_end_is_not_held(kind: bytes) -> None:
    content = OK + header(kind, 1 << 40) + b"1" * (2 << 20)
    read = []
    with pytest.raises(TarError, match=f"a header of {1 << 40} bytes"):
        for one in tar_members(io.BytesIO(content)):
            read.append(one.path)
    assert read == ["a/b.py"]


def test_pax_records_of_digits_take_linear_time() -> None:
    begun = time.process_time()
    for body in (
        b"1" * MAX_HEADER_BYTES,
        b"9 a=b\n" * (MAX_HEADER_BYTES // 6),
        b"6 a=b\n" * (MAX_HEADER_BYTES // 6),
    ):
        content = header(tarfile.XHDTYPE, len(body)) + body + b"\0" * (-len(body) % 512) + OK
        if body.startswith(b"6"):
            assert len(members(content)) == 1
        else:
            with pytest.raises(TarError, match="pax records"):
                members(content)
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OK + OK[:300], "inside of a header"),
        (OK + header(tarfile.REGTYPE, 900) + b"x" * 512, "ends 388 bytes before"),
        (OK + b"\1" + OK[1:], "wrong checksum"),
        (OK + header(tarfile.XHDTYPE, 0) * 9, "more than 8 headers"),
        (OK + header(tarfile.XHDTYPE, 12) + b"12 size=-1\n\n" + b"\0" * 500 + OK, "no number|cannot be read"),
        (OK + header(tarfile.GNUTYPE_LONGNAME, 1_000) + b"n", "before the end"),
    ],
)
def test_damage_ends_the_archive_with_what_it_is(content: bytes, message: str) -> None:
    read = []
    with pytest.raises(TarError, match=message):
        for one in tar_members(io.BytesIO(content)):
            one.read()
            read.append(one.path)
    assert read == ["a/b.py"]


def test_sizes_of_links_do_not_swallow_the_next_member() -> None:
    link = tarfile.TarInfo("l")
    link.type, link.size, link.linkname = tarfile.SYMTYPE, 1_000, "t"
    assert [name for name, _, _ in members(link.tobuf() + OK)] == ["l", "a/b.py"]


def test_random_damage_never_escapes() -> None:
    content = written(tarfile.PAX_FORMAT)
    source = random.Random(4)
    for _ in range(500):
        damaged = bytearray(content)
        for _ in range(source.randrange(1, 5)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            members(bytes(damaged))
        except TarError as error:
            assert str(error)
