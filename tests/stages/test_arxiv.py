"""Bulk source tars: members good, damaged and hostile."""

from __future__ import annotations

import gzip
import io
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stages.document import Document, Rejected
from stages.sources.arxiv import Arxiv, identify
from stages.sources.arxiv_files import safe_path

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
    assert document.scores == {"tex_files": 1.0, "missing_inputs": 0.0}
    assert document.metadata == {"main_file": "main.tex"}
    assert document.license is None
    assert (document.origin.offset, document.origin.length) == (512, len(gzip.compress(MAIN % b"x")))


def test_the_origin_leads_back_to_the_packed_paper() -> None:
    packed = [gzip.compress(MAIN % word, mtime=0) for word in (b"one", b"two")]
    bulk = tar({"2004/2004.00001.gz": packed[0], "2004/2004.00002.gz": packed[1]})
    for outcome, expected in zip(Arxiv().read(io.BytesIO(bulk), "x.tar"), packed, strict=True):
        assert isinstance(outcome, Document)
        place = outcome.origin
        assert bulk[place.offset : place.offset + place.length] == expected


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
    assert outcome.scores == {"tex_files": 5.0, "missing_inputs": 1.0}
    assert outcome.metadata == {"main_file": "main.tex", "missing_inputs": "gone"}


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


def test_one_file_of_a_project_that_includes_too_much_does_not_lose_the_paper() -> None:
    stray = b"\\documentclass{a}\\begin{document}" + b"\\input{b}" * 30 + b"\\end{document}"
    outcome = project({"m.tex": MAIN % b"x", "b.tex": b"B", "stray.tex": stray}, Arxiv(max_inputs=20))
    assert text_of(outcome) == (MAIN % b"x").decode()


def test_decodes_what_inputenc_declares_and_else_windows_1252() -> None:
    cyrillic = b"\\usepackage[koi8-r]{inputenc}" + MAIN % "мир".encode("koi8-r")
    assert "мир" in text_of(project({"m.tex": cyrillic}))
    assert "Schrödinger" in text_of(project({"m.tex": MAIN % "Schrödinger".encode("latin-1")}))
    assert "Schrödinger" in text_of(project({"m.tex": MAIN % "Schrödinger".encode()}))


def test_a_style_of_the_author_comes_in_and_one_of_a_publisher_does_not() -> None:
    main = b"\\documentclass{a}\\usepackage{amsmath, mine,journal}\n\\begin{document}x\\end{document}"
    journal = b"\\def\\title{\\@maketitle}\\newcommand{\\x}{\\@x\\p@}"
    outcome = project({"m.tex": main, "mine.sty": b"\\newcommand{\\R}{R} % \\@x\n", "journal.sty": journal})
    assert text_of(outcome) == (
        "\\documentclass{a}\\usepackage{amsmath, mine,journal}\n\\newcommand{\\R}{R} % \\@x\n\n"
        "\\begin{document}x\\end{document}"
    )


def test_a_bibliography_of_bibtex_never_comes_in() -> None:
    outcome = project({"m.tex": MAIN % b"\\input{m.bbl}\\input{m}", "m.bbl": b"\\begin{thebibliography}"})
    assert text_of(outcome) == (MAIN % b"\\input{m.bbl}\\input{m}").decode()
    assert isinstance(outcome, Document)
    assert outcome.scores["missing_inputs"] == 0


def test_imports_and_folders_are_followed() -> None:
    main = MAIN % b'\\import{parts/}{one}\\subimport{parts}{two.tex}\\input "a b"\\input{./parts/three}'
    parts = {
        "parts/one.tex": b"1\\input{four}",
        "parts/two.tex": b"2",
        "parts/three.tex": b"3",
        "parts/four.tex": b"4",
    }
    outcome = project({"m.tex": main, **parts, "a b.tex": b"AB"})
    assert text_of(outcome) == (MAIN % b"142AB3").decode()


def test_inputs_in_verbatim_text_and_comments_are_no_inputs() -> None:
    body = (
        b"\\verb|\\input{a}|\\begin{verbatim}\n\\input{a}\n\\end{verbatim}\\url{x%y}\\input{a}\n%\\input{a}\n"
        b"\\begin{comment}\\input{a}\\end{comment}"
    )
    outcome = project({"m.tex": MAIN % body, "a.tex": b"A"})
    assert text_of(outcome) == (MAIN % body.replace(b"y}\\input{a}", b"y}A")).decode()


def test_a_commented_end_does_not_cut_a_subfile_short() -> None:
    part = b"\\documentclass[m]{subfiles}\n\\begin{document}\none\n%\\end{document}\n5\\% two\\end{document}\nthree"
    outcome = project({"m.tex": MAIN % b"long enough to be it\\subfile{s}", "s.tex": part})
    assert text_of(outcome) == (MAIN % b"long enough to be it\none\n%\\end{document}\n5\\% two").decode()


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
    assert outcome.metadata["missing_inputs"] == "../x l"
    assert safe_path("/etc/passwd") is None
    assert safe_path("a/../../b") is None
    assert safe_path("./a/b.tex") == "a/b.tex"


def test_a_file_that_is_no_tar_names_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"x\.tar: not an arXiv bulk tar"):
        list(Arxiv().read(io.BytesIO(b"not a tar" * 200), "x.tar"))


def test_a_tar_cut_short_rejects_the_paper_that_is_cut() -> None:
    whole = tar({"2004/2004.00001.gz": gzip.compress(MAIN % b"x"), "2004/2004.00002.gz": bytes(2_000)})
    outcomes = list(Arxiv().read(io.BytesIO(whole[:2_000]), "a/x.tar"))
    assert isinstance(outcomes[0], Document)
    rejected = [(o.document.id, o.reason, o.detail) for o in outcomes[1:] if isinstance(o, Rejected)]
    assert rejected == [("2004.00002", "damaged_record", "tar: cut short after 464 bytes")]


def test_a_damaged_header_costs_its_own_paper_only() -> None:
    packed = gzip.compress(MAIN % b"x", mtime=0)
    bulk = bytearray(tar({f"2004/2004.0000{n}.gz": packed for n in (1, 2, 3)}))
    bulk[1024 + 100 : 1024 + 140] = b"\xff" * 40  # in the header of the second: its checksum is wrong
    outcomes = list(Arxiv().read(io.BytesIO(bytes(bulk)), "x.tar"))
    assert [o.id if isinstance(o, Document) else (o.document.id, o.reason) for o in outcomes] == [
        "2004.00001",
        ("x.tar@1024", "damaged_record"),
        "2004.00003",
    ]


def test_a_hole_of_zeros_in_the_tar_costs_what_is_in_it_only() -> None:
    packed = gzip.compress(MAIN % b"x", mtime=0)
    bulk = bytearray(tar({f"2004/2004.0000{n}.gz": packed for n in (1, 2, 3)}))
    bulk[1024:2048] = bytes(1024)
    outcomes = list(Arxiv().read(io.BytesIO(bytes(bulk)), "x.tar"))
    assert [o.id for o in outcomes if isinstance(o, Document)] == ["2004.00001", "2004.00003"]


def test_links_devices_and_sparse_files_are_damaged_records() -> None:
    buffer = io.BytesIO()
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, kind in enumerate(kinds):
            member = tarfile.TarInfo(f"2004/2004.0000{number}.gz")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    outcomes = list(Arxiv().read(io.BytesIO(buffer.getvalue()), "x.tar"))
    assert [o.reason for o in outcomes if isinstance(o, Rejected)] == ["damaged_record"] * 5


def test_a_gzip_bomb_and_a_tar_in_a_tar_end_as_counted_removals() -> None:
    def reason(packed: bytes, reader: Arxiv | None = None) -> str:
        [outcome] = read({"2004/2004.00001.gz": packed}, reader)
        assert isinstance(outcome, Rejected)
        return outcome.reason

    small = Arxiv(max_file_bytes=100_000, max_unpacked_bytes=1 << 20)
    assert reason(gzip.compress(b" " * 5_000_000), small) == "paper_too_large"
    assert reason(gzip.compress(tar({"a.eps": bytes(5_000_000)})), small) == "paper_too_large"
    assert reason(gzip.compress(tar({"inner.tar": tar({"m.tex": MAIN % b"x"})}))) == "no_tex_source"
    assert reason(gzip.compress(gzip.compress(MAIN % b"x"))) == "no_tex_source"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32  # an extended header of 4 GB
    assert reason(gzip.compress(header.tobuf() + bytes(5_000_000)), small) == "damaged_record"


def test_a_nul_byte_does_not_lose_the_paper() -> None:
    assert (
        text_of(project({"m.tex": MAIN % (b"one" * 100 + b"\0two")}))
        == (MAIN % (b"one" * 100 + b"two")).decode()
    )


def test_one_odd_byte_does_not_lose_the_paper() -> None:
    """RedPajama v1 drops every paper with a file that is not UTF-8."""
    files = {"m.tex": MAIN % "Erdős and Rényi\\input{a}".encode(), "a.tex": "Schrödinger".encode("latin-1")}
    assert "Erdős and RényiSchrödinger" in text_of(project(files))
    assert "Erdős’ and caf\u00e9" in text_of(project({"m.tex": MAIN % ("Erdős’ and caf".encode() + b"\xe9")}))


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
    assert by_id["1704.02281"].scores == {"tex_files": 11.0, "missing_inputs": 0.0}  # with the author's style
    assert by_id["1508.03176"].metadata["main_file"] == "desy15-120.tex"
    assert by_id["hep-lat/9107001"].created == datetime(1991, 7, 1, tzinfo=UTC)
