"""A dump that several workers read: what is planned, what comes out, what runs again, what is asked of a server."""

from __future__ import annotations

import bz2
import io
import json
from pathlib import Path

import pytest
import yaml

from pipeline.curate import Pass, RawInput
from pipeline.inputs import Input
from pipeline.parts import documents_of
from pipeline.plan import Done
from pipeline.plan_source import plan_source
from pipeline.recipes import RECIPES, SourceRecipe
from pipeline.run import Options, run_pipeline
from pipeline.settings import UsageError, load_settings
from stages.document import Document
from stages.sources.books import Books
from stages.sources.wikipedia import Wikipedia
from tests.pipeline.test_http_files import Plan, opened, serving

HEAD = "<mediawiki><siteinfo><dbname>dawiki</dbname><base>https://da.wikipedia.org/wiki/Forside</base></siteinfo>\n"


def dump(first: int, pages: int, streams: int) -> bytes:
    """A multistream dump with so many pages, and a redirect, in each stream."""
    packed = [bz2.compress(HEAD.encode())]
    for number in range(first, first + streams):
        xml = ""
        for page in range(number * 100, number * 100 + pages + 1):
            text = (
                f"Side {page}. " + " ".join(str(page * n) for n in range(50))
                if page % 100
                else "#REDIRECT [[A]]"
            )
            xml += (
                f"<page><title>Side {page}</title><ns>0</ns><id>{page}</id><revision>"
                f"<timestamp>2022-06-01T00:00:00Z</timestamp><text>{text}</text></revision></page>\n"
            )
        packed.append(bz2.compress(xml.encode()))
    return b"".join([*packed, bz2.compress(b"</mediawiki>\n")])


def tasks_of(*sizes: int, range_bytes: int = 1000) -> list[tuple[str, str, tuple[int, int] | None]]:
    """(name of the part, file, span) of the tasks of the first pass over files of these sizes."""
    inputs = [Input(f"/d/{n}.xml.bz2", f"{n}.xml.bz2", size, str(n)) for n, size in enumerate(sizes)]
    recipe = SourceRecipe(Wikipedia(range_bytes=range_bytes), RECIPES["llama1"]["wikipedia"].steps)
    plan = plan_source("wikipedia", recipe, inputs, None, Done("run"), lambda *_: [])
    found = []
    for task in plan.nodes[0].make():
        assert isinstance(task.descriptor, Pass) and isinstance(task.descriptor.given, RawInput)
        given = task.descriptor.given
        assert task.reads == {given.origin: given.origin[0]}
        found.append((task.name, given.origin, given.span))
    return found


def test_a_long_file_has_a_part_for_each_range_and_a_short_one_is_read_as_ever() -> None:
    assert tasks_of(1000, 2001, 10) == [
        ("part-00000", "0.xml.bz2", None),
        ("part-00001", "1.xml.bz2", (0, 1000)),
        ("part-00002", "1.xml.bz2", (1000, 2000)),
        ("part-00003", "1.xml.bz2", (2000, 2001)),
        ("part-00004", "2.xml.bz2", None),
    ]
    assert tasks_of(1000, 2001, 10, range_bytes=2001) == [
        (f"part-0000{n}", f"{n}.xml.bz2", None) for n in range(3)
    ]


def test_ranges_without_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.plan_source.MAX_RANGES", 50)
    assert len(tasks_of(500, range_bytes=10)) == 50
    with pytest.raises(
        UsageError, match=r"read.range_bytes: 10 cuts 0.xml.bz2 into over 50 ranges; raise it"
    ):
        tasks_of(501, range_bytes=10)


def test_a_reader_that_cannot_begin_inside_a_file_gets_it_whole() -> None:
    recipe = SourceRecipe(Books(), RECIPES["llama1"]["books"].steps)
    plan = plan_source("books", recipe, [Input("/b", "b", 1 << 40, "b")], None, Done("run"), lambda *_: [])
    assert [task.descriptor.given.span for task in plan.nodes[0].make()] == [None]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    (folder / "a.xml.bz2").write_bytes(dump(1, 1, 1))
    (folder / "b.xml.bz2").write_bytes(dump(10, 4, 12))
    damaged = bytearray(dump(21, 2, 8))  # its first pages are the last of the file before
    damaged[len(damaged) // 2] ^= 0x40
    (folder / "c.xml.bz2").write_bytes(damaged)
    return folder


def run(folder: Path, name: str, range_bytes: int | None, workers: int = 1) -> Path:
    steps = {} if range_bytes is None else {"read": {"range_bytes": range_bytes}}
    config = {"sources": {"wikipedia": {"inputs": ["*.xml.bz2"], "steps": steps}}}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    out = folder / name
    options = Options(workers, only="documents/wikipedia", quiet=False)
    run_pipeline(load_settings(str(folder / f"{name}.yaml")), str(out), options)
    return out


def documents(out: Path) -> list[Document]:
    return [d for path in sorted((out / "documents/wikipedia").iterdir()) for d in documents_of(str(path))]


def accounts(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "accounts/wikipedia.jsonl").read_text("utf-8").splitlines()]


def test_a_run_in_ranges_is_the_run_on_whole_files_in_more_parts(
    dumps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, many = run(dumps, "whole", None), run(dumps, "ranges", 700, workers=2)
    sizes = [(dumps / f"{name}.xml.bz2").stat().st_size for name in "abc"]
    parts = [1 if size <= 700 else -(-size // 700) for size in sizes]
    assert sizes[0] <= 700 and parts[1] > 3 and parts[2] > 3
    assert len(list((one / "documents/wikipedia").iterdir())) == 3
    assert len(list((many / "documents/wikipedia").iterdir())) == sum(parts)
    assert documents(many) == documents(one) and len(documents(one)) > 60
    assert accounts(many) == accounts(one)
    assert [a["name"] for a in accounts(many)] == ["a.xml.bz2", "b.xml.bz2", "c.xml.bz2"]
    assert accounts(many)[1]["records"] == 60 and accounts(many)[1]["documents"] == 48
    assert accounts(many)[1]["removed"] == {"read": {"redirect": 12}}
    assert accounts(many)[2]["documents"] == 12
    assert accounts(many)[2]["removed"] == {
        "read": {"damaged_record": 1, "redirect": 7},
        "drop_repeated_ids": {"repeated_id": 2},
    }

    # A range that is lost is read again, and no other.
    (many / "work/wikipedia/read/part-00002.done.json").unlink()
    others = {p: p.stat().st_mtime_ns for p in (many / "work/wikipedia/read").glob("*.done.json")}
    capsys.readouterr()
    run(dumps, "ranges", 700)
    assert "documents/wikipedia: done, 1 tasks run" in capsys.readouterr().err
    assert all(path.stat().st_mtime_ns == before for path, before in others.items())


def test_ranges_of_no_bytes_are_refused_in_one_line(dumps: Path) -> None:
    with pytest.raises(UsageError, match=r"sources.wikipedia.steps.read: range_bytes must be at least 1"):
        run(dumps, "none", 0)


def test_of_a_file_on_a_server_a_range_asks_for_its_bytes_and_the_head_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("stages.sources.wikipedia_streams._CHUNK_BYTES", 2000)
    data = dump(1, 90, 40)
    start, end = len(data) // 2, len(data) // 2 + 10_000
    expected = list(Wikipedia().read_range(io.BytesIO(data), "x", start, end))
    with serving(Plan(content={"/file": data})) as plan:
        with opened(plan) as stream:
            assert list(Wikipedia().read_range(stream, "x", start, end)) == expected
        asked = [value.removeprefix("bytes=").split("-") for _, value in plan.requests if value]
    assert len(expected) > 90
    first = [int(begin) for begin, _ in asked]
    assert all(begin < 8_000 or start - 2_000 <= begin < end + 8_000 for begin in first), asked
    assert len(asked) <= 8
