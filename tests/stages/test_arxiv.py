"""Bulk source tars: members good, damaged and hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stages.document import Document, Rejected
from stages.sources.arxiv import Arxiv, identify, safe_path

MAIN = b"\\documentclass{article}\n\\begin{document}\n%s\n\\end{document}\n"


def tar(members: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    return buffer.getvalue()


def read(members: dict[str, bytes], reader: Arxiv | None = None) -> list[Document | Rejected]:
    return list((reader or Arxiv()).read(io.BytesIO(tar(members)), "arXiv_src_2004_001.tar"))


def project(files: dict[str, bytes], reader: Arxiv | None = None) -> Document | Rejected:
    [outcome] = read({"2004/2004.00001.gz": gzip.compress(tar(files))}, reader)
    return outcome


def text_of(outcome: Document | Rejected) -> str:
    assert isinstance(outcome, Document)
    return outcome.text


def test_reads_a_single_file_and_names_it() -> None:
    [document] = read({"2004/2004.00001.gz": gzip.compress(MAIN % b"x")})
    assert isinstance(document, Document)
    assert document.id == "2004.00001"
    assert document.url == "https://arxiv.org/abs/2004.00001"
    assert document.created == datetime(2020, 4, 1, tzinfo=UTC)
    assert document.text == (MAIN % b"x").decode()
    assert document.metadata == {"tex_files": "1", "missing_inputs": "0"}
    assert document.origin.offset == 512


@pytest.mark.parametrize(
    ("stem", "identifier", "year"),
    [
        ("hep-lat9107001", "hep-lat/9107001", 1991),
        ("astro-ph0001004", "astro-ph/0001004", 2000),
        ("0705.0001", "0705.0001", 2007),
        ("math.AG0001001", "math.AG/0001001", 2000),
        ("9999.90001", "9999.90001", None),
        ("odd", "odd", None),
    ],
)
def test_identifies_old_and_new_ids(stem: str, identifier: str, year: int | None) -> None:
    found, created = identify(stem)
    assert (found, created.year if created else None) == (identifier, year)


def test_puts_inputs_in_their_place_and_order() -> None:
    files = {
        "b.tex": b"B \\input{sub/c}",
        "a.tex": b"A\\endinput never",
        "sub/c.tex": b"C",
        "s.tex": b"\\documentclass{x}\\begin{document}S\\end{document}",
        "main.tex": MAIN % b"\\input a\n\\include{b}\\subfile{s}%\\input{a}\n\\input{gone}",
    }
    outcome = project(files)
    assert text_of(outcome) == (MAIN % b"A\nB CS%\\input{a}\n\\input{gone}").decode()
    assert isinstance(outcome, Document)
    assert outcome.metadata == {"tex_files": "5", "missing_inputs": "1"}


def test_the_longest_main_file_is_the_paper() -> None:
    assert "long body" in text_of(project({"a.tex": MAIN % b"cover", "b.tex": MAIN % b"the long body"}))


def test_inputs_that_include_each_other_are_read_once() -> None:
    outcome = project({"a.tex": b"A\\input{a}\\input{m}", "m.tex": MAIN % b"\\input{a}"})
    assert text_of(outcome) == (MAIN % b"A\\input{a}\\input{m}").decode()


def test_a_fan_of_inputs_is_too_large() -> None:
    fan = {f"f{i}.tex": b"\\input{f%d}" % (i + 1) * 8 for i in range(6)}
    outcome = project({**fan, "m.tex": MAIN % b"\\input{f0}"})
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "paper_too_large"


def test_decodes_what_inputenc_declares_and_else_windows_1252() -> None:
    cyrillic = b"\\usepackage[koi8-r]{inputenc}" + MAIN % "мир".encode("koi8-r")
    assert "мир" in text_of(project({"m.tex": cyrillic}))
    assert "Schrödinger" in text_of(project({"m.tex": MAIN % "Schrödinger".encode("latin-1")}))
    assert "Schrödinger" in text_of(project({"m.tex": MAIN % "Schrödinger".encode()}))


def test_bad_members_are_rejected_and_the_rest_is_read() -> None:
    good = gzip.compress(MAIN % b"x")
    outcomes = read(
        {
            "2004/2004.00001.pdf": b"%PDF-1.5",
            "2004/2004.00002.gz": good[:-12],
            "2004/2004.00003.gz": b"no gzip",
            "2004/2004.00004.gz": gzip.compress(b"%!PS-Adobe-2.0 not TeX"),
            "2004/2004.00005.txt": b"?",
            "2004/2004.00006.gz": good,
        }
    )
    reasons = [outcome.reason if isinstance(outcome, Rejected) else "kept" for outcome in outcomes]
    assert reasons == [
        "pdf_only",
        "damaged_record",
        "damaged_record",
        "no_tex_source",
        "unknown_member",
        "kept",
    ]
    assert isinstance(outcomes[0], Rejected)
    assert outcomes[0].document.id == "2004.00001"


def test_caps_hold() -> None:
    def reason(files: dict[str, bytes], reader: Arxiv) -> str:
        outcome = project(files, reader)
        assert isinstance(outcome, Rejected)
        return outcome.reason

    main = {"m.tex": MAIN % b"x"}
    assert reason({**main, "z.eps": bytes(200_000)}, Arxiv(max_unpacked_bytes=100_000)) == "paper_too_large"
    assert reason({**main, "b.tex": b"x"}, Arxiv(max_files=1)) == "paper_too_large"
    assert reason(main, Arxiv(max_text_characters=10)) == "paper_too_large"
    assert reason(main, Arxiv(max_packed_bytes=10)) == "paper_too_large"


def test_links_and_paths_outside_are_passed_over() -> None:
    inner = tar({"../x.tex": b"out", "m.tex": MAIN % b"\\input{../x}\\input{l}"}, links=("l.tex",))
    [outcome] = read({"2004/2004.00001.gz": gzip.compress(inner)})
    assert isinstance(outcome, Document)
    assert outcome.metadata["missing_inputs"] == "2"
    assert safe_path("/etc/passwd") is None
    assert safe_path("a/../../b") is None
    assert safe_path("./a/b.tex") == "a/b.tex"


def test_a_file_that_is_no_tar_names_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"x\.tar: not an arXiv bulk tar"):
        list(Arxiv().read(io.BytesIO(b"not a tar" * 200), "x.tar"))


def test_a_tar_cut_short_rejects_the_paper_and_the_lost_rest() -> None:
    whole = tar({"2004/2004.00001.gz": gzip.compress(MAIN % b"x"), "2004/2004.00002.gz": bytes(2_000)})
    outcomes = list(Arxiv().read(io.BytesIO(whole[:2_000]), "a/x.tar"))
    assert isinstance(outcomes[0], Document)
    rejected = [(o.document.id, o.reason) for o in outcomes[1:] if isinstance(o, Rejected)]
    assert rejected == [("2004.00002", "damaged_record"), ("x.tar@3584", "damaged_record")]


def test_a_project_whose_gzip_checksum_is_wrong_is_damaged() -> None:
    packed = bytearray(gzip.compress(tar({"a.tex": MAIN % b"text"})))
    packed[-8] ^= 0xFF  # the checksum at the end: every header and file of the tar still parses
    (outcome,) = read({"2001/2001.00001.gz": bytes(packed)})
    assert isinstance(outcome, Rejected) and outcome.reason == "damaged_record"


def test_reads_all_sample_papers(shared_data: Path) -> None:
    documents: list[Document] = []
    for path in sorted((shared_data / "arxiv" / "src").glob("*.tar")):
        with path.open("rb") as stream:
            for outcome in Arxiv().read(stream, str(path)):
                assert isinstance(outcome, Document)
                documents.append(outcome)
    assert len(documents) == 34
    by_id = {document.id: document for document in documents}
    assert by_id["1704.02281"].metadata == {"tex_files": "10", "missing_inputs": "0"}
    assert by_id["hep-lat/9107001"].created == datetime(1991, 7, 1, tzinfo=UTC)
