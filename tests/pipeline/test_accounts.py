"""What a run says of each input file, and what it leaves of an earlier one; on a few WET files made here."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import yaml

from pipeline.run import Options, run_pipeline
from pipeline.settings import UsageError, load_settings


def letters(number: int) -> str:
    """A word for a number, as digits are all one to line deduplication."""
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:05d}")


def wet_file(path: Path, first: int, pages: int) -> None:
    """A WET file of pages with lines of their own, behind its warcinfo."""
    records = [("warcinfo", "about")]
    for number in range(first, first + pages):
        records.append(
            (
                "conversion",
                "\n".join(["Title", *(f"{letters(number)} {letters(line)} " * 9 for line in range(12))]),
            )
        )
    data = b""
    for number, (kind, text) in enumerate(records):
        head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{first}-{number}>\r\n"
        head += f"WARC-Target-URI: http://example.org/{first}/{number}\r\nContent-Type: text/plain\r\n"
        block = f"{head}Content-Length: {len(text)}\r\n\r\n{text}\r\n\r\n"
        data += gzip.compress(block.encode(), mtime=0)
    path.write_bytes(data)


def run(folder: Path, out: Path, **sources: object) -> None:
    steps = {"keep_language": {"languages": None, "min_score": 0}}
    config = {
        "sources": {"commoncrawl": {"inputs": ["*.wet.gz"], "steps": steps, **sources}},
        "models": {"lm": "none", "reference": "none"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    run_pipeline(
        load_settings(str(folder / "config.yaml")), str(out), Options(1, only="documents", quiet=True)
    )


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    for number, name in enumerate("abcd"):
        wet_file(tmp_path / f"{name}.wet.gz", 10 * number, 3)
    damaged = (tmp_path / "b.wet.gz").read_bytes()
    (tmp_path / "b.wet.gz").write_bytes(damaged[:-20])
    return tmp_path


def test_each_file_has_its_account(crawl: Path) -> None:
    run(crawl, crawl / "run")
    lines = (crawl / "run/accounts/commoncrawl.jsonl").read_text(encoding="utf-8").splitlines()
    accounts = [json.loads(line) for line in lines]
    assert [a["name"] for a in accounts] == ["a.wet.gz", "b.wet.gz", "c.wet.gz", "d.wet.gz"]
    assert [(a["records"], a["documents"], a["removed"]) for a in accounts[:2]] == [
        (4, 3, {"read": {"not_a_page": 1}}),
        (4, 2, {"read": {"damaged_record": 1, "not_a_page": 1}}),
    ]
    assert accounts[0]["bytes"] == (crawl / "a.wet.gz").stat().st_size and len(accounts[0]["checksum"]) == 64


def test_the_account_of_a_file_has_what_the_parsers_kept_of_it(tmp_path: Path) -> None:
    for name, year in (("a.txt", "1851"), ("b.txt", "no year")):
        head = "The Project Gutenberg eBook of Tides\n\n*** START OF THE PROJECT GUTENBERG EBOOK TIDES ***\n"
        end = "\n*** END OF THE PROJECT GUTENBERG EBOOK TIDES ***\nAbout this book.\n"
        (tmp_path / name).write_text(f"{head}\nIt was {year} and low.\n{end}", encoding="utf-8")
    config = {"sources": {"books": {"inputs": ["*.txt"]}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    settings = load_settings(str(tmp_path / "config.yaml"))
    run_pipeline(settings, str(tmp_path / "run"), Options(1, only="documents", quiet=True))
    lines = (tmp_path / "run/accounts/books.jsonl").read_text(encoding="utf-8").splitlines()
    first, second = (json.loads(line)["loss"] for line in lines)
    assert first["digits"] == {"documents": 1, "raw": 4, "kept": 4} and "digits" not in second
    assert first["characters"]["kept"] == len("Itwas1851andlow.") < first["characters"]["raw"]


def test_fewer_files_leave_no_part_of_the_many(crawl: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(crawl, crawl / "run")
    assert len(list((crawl / "run/documents/commoncrawl").iterdir())) == 4
    run(crawl, crawl / "run", max_files=2)
    assert len(list((crawl / "run/documents/commoncrawl").iterdir())) == 2
    assert len(list((crawl / "run/removed/commoncrawl/read").iterdir())) == 2
    assert "written by an earlier configuration" in capsys.readouterr().err


def test_one_file_more_reads_none_of_the_others_again(crawl: Path) -> None:
    run(crawl, crawl / "run", max_files=None)
    marker = crawl / "run/work/commoncrawl/read/part-00000.done.json"
    before = marker.stat().st_mtime_ns
    wet_file(crawl / "e.wet.gz", 9_000, 2)
    run(crawl, crawl / "run")
    assert marker.stat().st_mtime_ns == before
    assert len(list((crawl / "run/documents/commoncrawl").iterdir())) == 5


def test_a_file_given_twice_under_two_names_is_refused(crawl: Path) -> None:
    (crawl / "z.wet.gz").write_bytes((crawl / "a.wet.gz").read_bytes())
    with pytest.raises(UsageError, match=r"a.wet.gz and z.wet.gz are the same; name one of them"):
        run(crawl, crawl / "run")
