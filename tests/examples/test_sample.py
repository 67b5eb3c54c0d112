"""The bundled sample: true containers, promised counts, the same bytes every time."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import importlib.util
import io
import json
import re
import sys
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import py7zr
import pyarrow.parquet as pq
import pytest
import yaml
from warcio.archiveiterator import ArchiveIterator
from warcio.recordloader import ArcWarcRecord

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
EXPORT = "{http://www.mediawiki.org/xml/export-0.11/}"
CRAWLS = (
    "sample-2019-00000.warc.gz",
    "sample-2020-00001.warc.gz",
    "sample-2021-00002.warc.gz",
    "field-crawl-2018.warc",
)


def load(name: str) -> ModuleType:
    """A script of the sample as a module."""
    spec = importlib.util.spec_from_file_location(f"sample_{name}", EXAMPLES / "sample" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def digests(folder: Path) -> dict[str, str]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def members(path: Path) -> Iterator[bytes | None]:
    """The gzip members of a WARC file, None for one that cannot be inflated; a plain file is one member."""
    data = path.read_bytes()
    if path.suffix != ".gz":
        yield data
        return
    starts = [m.start() for m in re.finditer(rb"\x1f\x8b\x08\x00\x00\x00\x00\x00", data)]
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        try:
            yield gzip.decompress(data[start:end])
        except (OSError, EOFError, zlib.error):
            yield None


def records(path: Path) -> Iterator[tuple[ArcWarcRecord, bytes]]:
    """The records of a file with their bodies, without the damaged ones."""
    for member in members(path):
        for record in ArchiveIterator(io.BytesIO(member or b"")):
            yield record, record.content_stream().read()


def pages(built: Path) -> dict[str, tuple[str, str, bytes]]:
    """URL to (status, content type, body) of all responses of the crawls."""
    return {
        record.rec_headers["WARC-Target-URI"]: (
            record.http_headers.get_statuscode(),
            record.http_headers.get_header("Content-Type"),
            body,
        )
        for name in CRAWLS
        for record, body in records(built / "commoncrawl" / name)
        if record.rec_type == "response"
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    load("build").build(out)
    return out


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("volume")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMPLE_SECRET", "do-not-print-me")
        load("volume").add_volume(out)
    return out


def test_build_writes_the_same_bytes_twice_and_names_every_file(built: Path, tmp_path: Path) -> None:
    written = load("build").build(tmp_path)
    assert digests(tmp_path) == digests(built)
    assert sorted(name for names in written.values() for name in names) == sorted(digests(tmp_path))


def test_sources_stay_under_six_megabytes() -> None:
    assert (
        sum(p.stat().st_size for p in (EXAMPLES / "sample" / "sources").rglob("*") if p.is_file()) < 6_000_000
    )


def test_crawls_hold_the_promised_records(built: Path) -> None:
    kinds = Counter(r.rec_type for name in CRAWLS for r, _ in records(built / "commoncrawl" / name))
    # 67 pages of the sites, 3 mirrored ones, a 404 and an image; the response of one page is damaged.
    assert kinds == {"warcinfo": 4, "request": 72, "response": 71, "metadata": 72}
    statuses = Counter((status, kind.split(";")[0]) for status, kind, _ in pages(built).values())
    assert statuses == {("200", "text/html"): 69, ("404", "text/html"): 1, ("200", "image/gif"): 1}


def test_one_member_in_the_middle_of_a_crawl_is_damaged(built: Path) -> None:
    bad = {name: [m is None for m in members(built / "commoncrawl" / name)] for name in CRAWLS}
    assert [sum(flags) for flags in bad.values()] == [1, 0, 0, 0]
    flags = bad[CRAWLS[0]]
    assert 10 < flags.index(True) < len(flags) - 10


def test_wet_file_holds_plain_text_of_other_pages(built: Path) -> None:
    found = list(records(built / "commoncrawl" / "sample-2021-00003.warc.wet.gz"))
    assert [r.rec_type for r, _ in found] == ["warcinfo", *["conversion"] * 4]
    assert not {r.rec_headers["WARC-Target-URI"] for r, _ in found[1:]} & set(pages(built))
    assert b"tapping the wheels with a hammer." in found[1][1]


@pytest.mark.parametrize(
    ("url", "content_type", "meta", "charset", "words"),
    [
        (
            "https://nebo-nad-poselkom.example/istoriya/mayatnik.html",
            "text/html",
            b"",
            "windows-1251",
            "Маятник под",
        ),
        (
            "https://zielnik-podlaski.example/wyprawy/na-torfowisku.html",
            "text/html",
            b'<meta charset="iso-8859-2">',
            "iso-8859-2",
            "żurawie",
        ),
        (
            "https://laojie-chaguan.example/laojie/zaochen.html",
            "text/html; charset=gb2312",
            b"",
            "gb2312",
            "老板的儿子",
        ),
        (
            "https://gazette-jardins.example/potager/semer-les-feves",
            "text/html; charset=iso-8859-1",
            b"",
            "utf-8",
            "légumineuses",
        ),
    ],
)
def test_charsets_are_declared_as_promised(
    built: Path, url: str, content_type: str, meta: bytes, charset: str, words: str
) -> None:
    _, declared, body = pages(built)[url]
    assert declared == content_type
    assert re.findall(rb"<meta [^>]*>", body) == ([meta] if meta else [])
    assert words in body.decode(charset)


def test_exports_are_mediawiki_xml_and_cite_crawled_pages(built: Path) -> None:
    crawled = set(pages(built))
    counts, cited = {}, set()
    for path in sorted((built / "wikipedia").iterdir()):
        root = ElementTree.fromstring(bz2.decompress(path.read_bytes()))
        language = root.findtext(f"{EXPORT}siteinfo/{EXPORT}dbname")
        articles = root.findall(f"{EXPORT}page")
        counts[language] = len(articles)
        for text in root.iter(f"{EXPORT}text"):
            cited |= set(re.findall(r"https://[^\s|}\]]+", text.text or ""))
    assert counts == {"dewiki": 5, "enwiki": 13, "eswiki": 3, "frwiki": 3, "plwiki": 3, "ruwiki": 3}
    assert cited <= crawled
    assert len(cited) == 44


def test_at_least_twenty_cited_pages_are_english_and_none_is_spam(built: Path) -> None:
    export = bz2.decompress(
        (built / "wikipedia" / "enwiki-sample-pages-articles.xml.bz2").read_bytes()
    ).decode()
    body = {url: body for url, (_, _, body) in pages(built).items()}
    cited = {url for url in re.findall(r"https://[^\s|}\]]+", export) if b'lang="en"' in body.get(url, b"")}
    assert len(cited) == 32
    assert not any("best-deals" in url or "copied-pages" in url for url in cited)


def test_reprint_repeats_a_book_with_a_few_edits(built: Path) -> None:
    original = (built / "books" / "the-keeper-of-merrow-head.txt").read_text(encoding="utf-8")
    reprint = (built / "books" / "merrow-head-reprint.txt").read_text(encoding="utf-8")
    assert "*** START OF THE PROJECT GUTENBERG EBOOK THE KEEPER OF MERROW HEAD ***" in original
    assert "GUTENBERG" not in reprint
    shingles = [
        {tuple(words[i : i + 5]) for i in range(len(words) - 4)}
        for words in (original.split(), reprint.split())
    ]
    assert 0.9 < len(shingles[0] & shingles[1]) / len(shingles[1]) < 1


def test_bulk_tar_holds_papers_of_every_kind(built: Path) -> None:
    kinds = {}
    with tarfile.open(built / "arxiv" / "arXiv_src_2401_001.tar") as bulk:
        for info in bulk:
            member = bulk.extractfile(info)
            assert member is not None
            data = member.read()
            if info.name.endswith(".pdf"):
                kinds[info.name] = "pdf"
                continue
            try:
                inner = gzip.decompress(data)
            except (OSError, EOFError, zlib.error):
                kinds[info.name] = "damaged"
                continue
            try:
                with tarfile.open(fileobj=io.BytesIO(inner)) as paper:
                    kinds[info.name] = " ".join(paper.getnames())
            except tarfile.ReadError:
                assert b"\\begin{document}" in inner
                kinds[info.name] = "tex"
    assert kinds == {
        "2401/2401.00001.gz": "main.tex macros.tex model.tex results.tex",
        "2401/2401.00002.gz": "tex",
        "2401/2401.00003.gz": "paper.tex refs.bib old/draft.tex",
        "2401/2401.00004.gz": "tex",
        "2401/2401.00005.pdf": "pdf",
        "2401/2401.00006.gz": "damaged",
    }


def test_both_stack_exchange_sites_hold_twelve_questions_and_scores_that_sort_as_numbers(
    built: Path, tmp_path: Path
) -> None:
    folder = built / "stackexchange"
    with py7zr.SevenZipFile(folder / "boats.example.com.7z") as archive:
        assert archive.getnames() == ["Posts.xml"]
        archive.extractall(tmp_path)
    for path in (tmp_path / "Posts.xml", folder / "tinyprograms.example.com" / "Posts.xml"):
        rows = [row.attrib for row in ElementTree.fromstring(path.read_bytes())]
        questions = [row for row in rows if row["PostTypeId"] == "1"]
        assert len(questions) >= 12
        assert {"Title", "Tags", "AnswerCount", "ViewCount", "Body", "OwnerUserId", "ContentLicense"} <= set(
            questions[0]
        )
        scores = [row["Score"] for row in rows if row.get("ParentId") == "1"]
        assert sorted(scores) != sorted(scores, key=int)
        accepted = {row["Id"]: row["ParentId"] for row in rows if "ParentId" in row}
        assert all(accepted[q["AcceptedAnswerId"]] == q["Id"] for q in questions if "AcceptedAnswerId" in q)


def test_archives_hold_one_repository_each_with_its_licence(built: Path) -> None:
    first_lines, scripts = {}, []
    for path in sorted((built / "github").glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            names = archive.getnames()
            (top,) = {name.split("/")[0] for name in names}
            licence = archive.extractfile(f"{top}/LICENSE")
            assert licence is not None
            first_lines[top] = licence.read().decode().split("\n")[0].strip()
            if f"{top}/scripts/watch.sh" in names:
                script = archive.extractfile(f"{top}/scripts/watch.sh")
                assert script is not None
                scripts.append(script.read())
    assert first_lines == {
        "lantern-1.0": "Copyright (c) 2017, Port Merrow Makers",
        "starfinder-1.0": "GNU GENERAL PUBLIC LICENSE",
        "swarm-1.0": "Apache License",
        "tide-tools-1.0": "MIT License",
    }
    assert len(scripts) == 2 and scripts[0] == scripts[1]


def test_tables_join_as_in_the_bigquery_export(built: Path) -> None:
    contents, files, licenses = (
        pq.read_table(built / "github" / f"{kind}-000000000000.parquet").to_pylist()
        for kind in ("contents", "files", "licenses")
    )
    assert {row["id"] for row in contents} == {row["id"] for row in files}
    assert [row["path"] for row in files] == [
        "LICENSE",
        "bakers/percent.py",
        "src/timer.ts",
        "Makefile",
        "docs/notes.md",
    ]
    assert licenses == [{"repo_name": "crumb/bakers-percent", "license": "mit"}]
    assert all(row["size"] == len(row["content"].encode()) for row in contents)


def test_c4_rows_have_text_url_and_timestamp(built: Path) -> None:
    files = sorted((built / "c4").iterdir())
    assert [p.name for p in files] == ["c4-train.00000-of-00002.json.gz", "c4-train.00001-of-00002.json.gz"]
    rows = [json.loads(line) for p in files for line in gzip.decompress(p.read_bytes()).splitlines()]
    assert len(rows) == 40
    assert all(set(row) == {"text", "url", "timestamp"} and all(row.values()) for row in rows)


def test_volume_adds_pages_and_packages_of_the_promised_size(volume: Path) -> None:
    found = list(records(volume / "commoncrawl" / "python-docs.warc.gz"))
    assert 150 <= len(found) <= 300
    assert all(
        r.rec_headers["WARC-Target-URI"].startswith("https://docs.python.org/3/library/") for r, _ in found
    )
    archives = sorted((volume / "github" / "installed").iterdir())
    assert 1 <= len(archives) <= 20
    for path in archives:
        with tarfile.open(path) as archive:
            names = archive.getnames()
        assert names[0] == path.name.removesuffix(".tar.gz") + "/LICENSE"
        assert all(name.endswith(".py") for name in names[1:])


def test_documentation_shows_nothing_of_this_machine(volume: Path) -> None:
    text = b"".join(body for _, body in records(volume / "commoncrawl" / "python-docs.warc.gz"))
    for secret in (b"do-not-print-me", b"SAMPLE_SECRET", sys.executable.encode(), str(Path.cwd()).encode()):
        assert secret not in text
    assert not re.search(rb"at(?: |&nbsp;)0x[0-9a-f]{9,}", text)


def test_demo_names_inputs_that_the_scripts_write(built: Path, volume: Path) -> None:
    settings = yaml.safe_load((EXAMPLES / "demo.yaml").read_text(encoding="utf-8"))
    assert len(settings["sources"]) == 7
    matched = set()
    for source in settings["sources"].values():
        for pattern in source["inputs"]:
            inside = pattern.removeprefix("sample/built/")
            found = {str(p.relative_to(root)) for root in (built, volume) for p in root.glob(inside)}
            assert found, pattern
            matched |= found
    assert matched == set(digests(built)) | set(digests(volume))
