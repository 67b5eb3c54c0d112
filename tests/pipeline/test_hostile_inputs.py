"""Damaged and hostile inputs of all seven sources through one whole run: it ends well, the good documents are all
there, each bad record is counted with its reason; a file that cannot be read at all ends a run in one clear line."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import py7zr
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.run import Options, run_pipeline
from pipeline.settings import load_settings
from pipeline.verify import problems_of
from tests.pipeline.hostile_inputs import MAKERS, STEPS
from tests.pipeline.hostile_making import BOMB, Expected, gz, tar
from tests.pipeline.hostile_records import row
from tests.pipeline.whole_runs import llama_corpus

NO_MODELS = {"lm": "none", "reference": "none"}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Expected]]:
    """A finished run over all the folders, and what must have become of each."""
    folder = tmp_path_factory.mktemp("hostile")
    made = {}
    for source, make in MAKERS.items():
        (folder / source).mkdir()
        made[source] = make(folder / source)
    sources = {
        source: {
            "inputs": [f"{source}/*/Posts.xml" if source == "stackexchange" else f"{source}/*"],
            "steps": dict(STEPS[source]),
        }
        for source in made
    }
    config = {
        "sources": sources,
        "models": NO_MODELS,
        "tokenizer": {"vocabulary": 400},
        "shards": {"validation_fraction": 0.1},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    result = llama_corpus("run", folder / "config.yaml", "--out", folder / "run", "--workers", "1")
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return folder / "run", made


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def place(source: str, row: Mapping[str, Any]) -> tuple[str, str]:
    """File and name of a document, as `Expected` has them."""
    name = {
        "commoncrawl": row["url"],
        "c4": row["url"],
        "github": dict(row["metadata"]).get("path"),
        "books": "",
    }.get(source, row["id"])
    return row["origin"]["file"].removeprefix(f"{source}/"), name


@pytest.mark.parametrize("source", MAKERS)
def test_good_documents_are_all_there_and_whole(
    expected: tuple[Path, Mapping[str, Expected]], source: str
) -> None:
    run, made = expected
    kept = {place(source, row): row["text"] for row in rows(run / "documents" / source)}
    assert sorted(kept) == sorted(made[source].kept)
    for where, text in made[source].kept.items():
        assert " ".join(text.split()) in " ".join(kept[where].split()), where


@pytest.mark.parametrize("source", MAKERS)
def test_each_bad_record_is_counted_with_its_reason(
    expected: tuple[Path, Mapping[str, Expected]], source: str
) -> None:
    run, made = expected
    found = rows(run / "removed" / source)
    gone = Counter((row["origin"]["file"].removeprefix(f"{source}/"), row["reason"]) for row in found)
    assert gone == made[source].removed
    assert all(row["id"] and "\n" not in row["detail"] and len(row["detail"]) < 500 for row in found)


def test_the_run_verifies_and_nothing_was_written_beside_it(
    expected: tuple[Path, Mapping[str, Expected]],
) -> None:
    run, _ = expected
    problems = problems_of(str(run))
    assert problems == {name: [] for name in problems}
    assert sorted(path.name for path in run.parent.iterdir()) == sorted([*MAKERS, "config.yaml", "run"])
    names = {path.name for path in run.parent.rglob("*")}
    assert not names & {"evil.py", "root.py", "evil.tex", "abs.tex", "passwd.tex"}


def seven_zip(path: Path, name: str, content: bytes) -> None:
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_LZMA2}]) as archive:
        archive.writestr(content, name)


def bad_file(folder: Path, kind: str) -> str:
    """Writes one file that cannot be read; returns its name."""
    if kind == "github":
        (folder / "page.tar.gz").write_bytes(gz(b"<html>not found</html>"))
        return "page.tar.gz"
    if kind == "c4":
        (folder / "cut.json.gz").write_bytes(gzip.compress(row("alder") + row("birch"))[:-20])
        return "cut.json.gz"
    if kind == "arxiv":
        (folder / "arXiv_src_2001_001.tar").write_bytes(gz(tar(("2001/2001.00001.gz", b""))))
        return "arXiv_src_2001_001.tar"
    if kind == "wikipedia":
        (folder / "enwiki.xml.bz2").write_bytes(b"BZh9" + bytes(500))
        return "enwiki.xml.bz2"
    if kind == "commoncrawl":
        (folder / "page.warc.gz").write_bytes(gz(b"<html>no records</html>"))
        return "page.warc.gz"
    name = "bomb.example.com.7z" if kind == "7z bomb" else "cut.example.com.7z"
    content = b"<posts>\n" + (BOMB * 4 if kind == "7z bomb" else b"<row/>\n" * 900) + b"</posts>\n"
    seven_zip(folder / name, "Posts.xml", content)
    if kind == "7z cut":
        (folder / name).write_bytes((folder / name).read_bytes()[:-20])
    return name


@pytest.mark.parametrize(
    ("kind", "message", "way_out"),
    [
        ("github", "not a readable archive", "fetch it again"),
        ("c4", "damaged after", "download it again"),
        ("arxiv", "not an arXiv bulk tar", "give arXiv_src_YYMM_NNN.tar as downloaded"),
        ("wikipedia", "its first bz2 stream is damaged", "download it anew"),
        ("commoncrawl", "not a WARC file", "give the path of a WARC file"),
        ("7z bomb", "times its size, over max_inflation_ratio=200", "raise the cap if it is to be trusted"),
        ("7z cut", "the 7z archive cannot be read", "download it anew"),
    ],
)
def test_a_file_that_cannot_be_read_ends_the_run_in_one_line(
    tmp_path: Path, kind: str, message: str, way_out: str
) -> None:
    source = "stackexchange" if kind.startswith("7z") else kind
    name = bad_file(tmp_path, kind)
    config = {"sources": {source: {"inputs": [name]}}, "models": NO_MODELS}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    settings = load_settings(str(tmp_path / "config.yaml"))
    with pytest.raises(ValueError, match=name) as raised:
        run_pipeline(settings, str(tmp_path / "run"), Options(1, only="documents", quiet=True))
    line = str(raised.value)
    assert "\n" not in line and len(line) < 400
    assert message in line and way_out in line
