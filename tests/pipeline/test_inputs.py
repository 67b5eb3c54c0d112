"""Inputs on servers and in lists: what is found, how it is called, what it is told apart by."""

from __future__ import annotations

import contextlib
import functools
import gzip
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline import files, inputs
from pipeline.inputs import Input
from pipeline.settings import Settings, UsageError, parse_settings
from stages.warc import read_records

CRAWL = "crawl-data/CC-MAIN-2020-05"


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder, with Last-Modified and without ranges, and counts what it is asked."""

    asked: Counter[tuple[str, str]]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def send_head(self):  # type: ignore[no-untyped-def]
        self.asked[self.command, self.path] += 1
        return super().send_head()


class Undated(Handler):
    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Last-Modified":
            super().send_header(keyword, value)


@contextlib.contextmanager
def serving(folder: Path, handler: type[Handler] = Handler) -> Iterator[tuple[str, Counter[tuple[str, str]]]]:
    """The address of a server of the folder's files, and its count of (method, path)."""
    asked: Counter[tuple[str, str]] = Counter()
    counting = type("Counting", (handler,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(counting, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder that is laid out as data.commoncrawl.org: four files and the list of them."""
    lines = [f"{CRAWL}/segments/157925/warc/CC-MAIN-{n:05}.warc.gz" for n in range(4)]
    for line in lines:
        (tmp_path / line).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / line).write_bytes(line.encode())
    (tmp_path / CRAWL / "warc.paths.gz").write_bytes(gzip.compress("\n".join([*lines[::-1], ""]).encode()))
    return tmp_path


def settings(folder: Path, *patterns: str, **more: object) -> Settings:
    source = {"inputs": list(patterns), **more}
    return parse_settings({"sources": {"commoncrawl": source}}, str(folder), "run.yaml")


def expanded(folder: Path, *patterns: str, **more: object) -> list[tuple[str, str]]:
    return inputs.expand(settings(folder, *patterns, **more), "commoncrawl")


def names(count: int = 4) -> list[str]:
    return [f"{CRAWL}/segments/157925/warc/CC-MAIN-{n:05}.warc.gz" for n in range(count)]


def test_an_address_is_an_input(tmp_path: Path) -> None:
    url = "https://data.commoncrawl.org/crawl-data/x.warc.gz?v=1"
    assert expanded(tmp_path, url) == [(url, url)]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://data.commoncrawl.org/x/*.warc.gz", "a server lists no files; name each, or give a list"),
        ("https://data.commoncrawl.org/x/0000[12].warc.gz", "a server lists no files"),
        ("https://data.commoncrawl.org/*/warc.paths.gz", "a server lists no files"),
        ("https://me:secret@host/x.warc.gz", "put it into ~/.netrc"),
        ("https:///x.warc.gz", "names no server"),
        ("https://[::1/x.warc.gz", "is not an address"),
    ],
)
def test_an_address_that_cannot_be_asked_for_is_refused(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        expanded(tmp_path, url)
    assert str(error.value).startswith(f"sources.commoncrawl.inputs: {url}") and message in str(error.value)


def test_a_list_on_a_server_starts_at_the_crawls_root(mirror: Path) -> None:
    with serving(mirror) as (url, _):
        assert expanded(mirror, f"{url}/{CRAWL}/warc.paths.gz") == [(f"{url}/{n}", n) for n in names()]


@pytest.mark.parametrize(
    ("list_url", "line", "base"),
    [
        ("https://data.commoncrawl.org/crawl-data/CC-MAIN-2020-05/warc.paths.gz", "crawl-data/x", ""),
        ("https://data.commoncrawl.org/mirror/crawl-data/CC/warc.paths.gz", "crawl-data/x", "/mirror"),
        ("https://data.commoncrawl.org/a/crawl-data/b/crawl-data/l.paths", "crawl-data/x", "/a/crawl-data/b"),
        ("https://data.commoncrawl.org/lists/warc.paths.gz", "x.warc.gz", "/lists"),
        ("https://data.commoncrawl.org/warc.paths.gz", "x.warc.gz", ""),
    ],
)
def test_the_base_of_a_list_on_a_server(list_url: str, line: str, base: str) -> None:
    assert (
        inputs._base_of_url(list_url, ["https://else/where", line]) == f"https://data.commoncrawl.org{base}"
    )


def test_a_base_url_holds_for_local_lists_and_names_are_the_lines(mirror: Path) -> None:
    local = expanded(mirror, f"{CRAWL}/*.paths.gz", base_url="https://data.commoncrawl.org/")
    assert local == [(f"https://data.commoncrawl.org/{n}", n) for n in names()]
    assert expanded(mirror, f"{CRAWL}/*.paths.gz", base_url="s3://commoncrawl") == [
        (f"s3://commoncrawl/{n}", n) for n in names()
    ]
    with serving(mirror) as (url, _):
        remote = expanded(mirror, f"{url}/{CRAWL}/warc.paths.gz", base_url="https://data.commoncrawl.org/")
    assert remote == local


def test_a_base_url_may_be_a_folder(mirror: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (mirror / CRAWL / "warc.paths.gz").rename(tmp_path / "lists" / "warc.paths.gz")
    assert expanded(tmp_path / "lists", "warc.paths.gz", base_url="..") == [
        (str(mirror / n), n) for n in names()
    ]
    with pytest.raises(UsageError, match="names 4 files that are not there"):
        expanded(tmp_path / "lists", "warc.paths.gz", base_url="elsewhere")


def test_a_base_url_without_a_list_is_refused(mirror: Path) -> None:
    with pytest.raises(UsageError, match=r"sources\.commoncrawl\.base_url is for lists"):
        expanded(mirror, f"{CRAWL}/segments/*/*/*.gz", base_url="https://data.commoncrawl.org/")


def test_a_list_holds_addresses_and_paths_with_any_characters(tmp_path: Path) -> None:
    lines = ["https://a.org/1?x=y", "s3://commoncrawl/2", "b c#d?.gz", "%41.gz"]
    (tmp_path / "l.paths").write_text("\n".join(lines), encoding="utf-8")
    assert expanded(tmp_path, "l.paths", base_url="https://h/x/") == [
        ("https://h/x/%41.gz", "%41.gz"),
        ("https://h/x/b%20c%23d%3F.gz", "b c#d?.gz"),
        ("https://a.org/1?x=y", "https://a.org/1?x=y"),
        ("s3://commoncrawl/2", "s3://commoncrawl/2"),
    ]


@pytest.mark.parametrize("line", ["/etc/passwd", "../../etc/passwd", "a/../../b", "https://me:x@h/a"])
def test_a_list_on_a_server_cannot_name_files_of_this_machine(tmp_path: Path, line: str) -> None:
    (tmp_path / "l.paths").write_text(f"ok.gz\n{line}\n", encoding="utf-8")
    with serving(tmp_path) as (url, _):
        for base in (None, "."):
            with pytest.raises(UsageError, match=r"l\.paths names .*; a list on a server holds|~/\.netrc"):
                expanded(tmp_path, f"{url}/l.paths", base_url=base)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "l.paths").write_text("1.warc.gz\n", encoding="utf-8")
    with serving(tmp_path) as (url, _), pytest.raises(UsageError, match=r"are both called 1\.warc\.gz"):
        expanded(tmp_path, f"{url}/a/l.paths", f"{url}/b/l.paths")


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (url, _),
        pytest.raises(ValueError, match=r"/l\.paths: the server has no such file"),
    ):
        expanded(tmp_path, f"{url}/l.paths")


@pytest.mark.parametrize("data", [gzip.compress(b"a\n" * 99)[:-9], b"\x1f\x8b\x08\x00" + b"\xff" * 40])
def test_a_damaged_list_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "l.paths.gz").write_bytes(data)
    with pytest.raises(UsageError, match="is a damaged gzip file; fetch it again"):
        expanded(tmp_path, "l.paths.gz")


def test_max_files_are_spread_evenly_over_the_sorted_names(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.warc").write_text("x", encoding="utf-8")

    def kept(max_files: object) -> str:
        return "".join(name[0] for _, name in expanded(tmp_path, "*.warc", max_files=max_files))

    assert [kept(n) for n in (1, 2, 3, 4, 9, 10, 11, None)] == [
        *("0", "05", "036", "0257", "012345678", "0123456789", "0123456789", "0123456789")
    ]


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        ("commoncrawl", {"max_files": 0}, "sources.commoncrawl.max_files: must be at least 1, found 0"),
        ("commoncrawl", {"max_files": "some"}, "sources.commoncrawl.max_files: "),
        ("commoncrawl", {"base_url": 5}, "sources.commoncrawl.base_url: expected a text, found 5"),
        ("github", {"max_files": 5}, "sources.github.max_files: its tables are read together"),
    ],
)
def test_a_wrong_setting_is_named(source: str, more: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_settings({"sources": {source: {"inputs": ["a"], **more}}}, "/", "run.yaml")
    assert message in str(error.value)


def test_the_client_of_a_store_is_missed_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    (tmp_path / "own.paths").write_text("s3://bucket/a.warc\n", encoding="utf-8")
    for pattern in ("s3://bucket/a.warc", "own.paths"):
        with pytest.raises(UsageError) as error:
            found = expanded(tmp_path, pattern)
            inputs.checksummed(str(tmp_path / "run"), {"commoncrawl": found}, print)
        told = "s3://bucket/a.warc: s3 needs the package boto3: pip install 'llama-corpus[aws]'"
        assert str(error.value) == told


def test_files_on_servers_are_asked_for_once_a_run(mirror: Path, tmp_path: Path) -> None:
    run, said = str(tmp_path / "run"), list[str]()
    with serving(mirror) as (url, asked):
        found = {"commoncrawl": expanded(mirror, f"{url}/{CRAWL}/warc.paths.gz")}
        first = inputs.checksummed(run, found, said.append)["commoncrawl"]
        assert [asked["HEAD", f"/{name}"] for name in names()] == [1] * 4
        assert inputs.checksummed(run, found, said.append)["commoncrawl"] == first
        assert [asked["HEAD", f"/{name}"] for name in names()] == [1] * 4
        assert {method for method, path in asked if not path.endswith(".paths.gz")} == {"HEAD"}
    assert [(i.path, i.name, i.bytes) for i in first] == [(f"{url}/{n}", n, len(n)) for n in names()]
    assert first[0].checksum.startswith("last-modified ") and first[0].checksum.endswith(
        f" GMT, {len(names()[0])} bytes"
    )
    assert said == ["commoncrawl: asks for size and version of 4 files over http"]


def test_a_server_without_validators_is_told_once(mirror: Path, tmp_path: Path) -> None:
    said = list[str]()
    with serving(mirror, Undated) as (url, _):
        found = {"commoncrawl": expanded(mirror, f"{url}/{CRAWL}/warc.paths.gz")}
        first = inputs.checksummed(str(tmp_path / "run"), found, said.append)["commoncrawl"]
    assert [i.checksum for i in first] == [f"{len(n)} bytes" for n in names()]
    assert said[1:] == [
        f"commoncrawl: of 4 files ({url}/{names()[0]} for one) the server tells neither ETag nor Last-Modified; "
        "a change that keeps the size goes unseen"
    ]


def test_what_was_asked_before_an_error_is_kept(mirror: Path, tmp_path: Path) -> None:
    (mirror / names()[3]).unlink()
    with serving(mirror) as (url, _):
        found = {"commoncrawl": expanded(mirror, f"{url}/{CRAWL}/warc.paths.gz")}
        with pytest.raises(ValueError, match=r"CC-MAIN-00003\.warc\.gz: the server has no such file"):
            inputs.checksummed(str(tmp_path / "run"), found, lambda line: None)
    known = json.loads((tmp_path / "run/work/inputs.json").read_text(encoding="utf-8"))
    assert sorted(known) == [f"{url}/{name}" for name in names(3)]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_list_over_a_limit_is_refused(
    compress: type[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.paths"

    def refused(lines: bytes) -> str:
        path.write_bytes(compress(lines))
        with pytest.raises(UsageError) as error:
            expanded(tmp_path, "x.paths")
        return str(error.value)

    where = "sources.commoncrawl.inputs: x.paths"
    assert refused(b"a\n" + b"x" * 4_097) == (
        f"{where} has a line of 4097 characters, over 4096; write one path a line"
    )
    assert "names 1 files that are not there" in refused(b" " * 5_000 + b"x" * 4_096)
    assert refused(b"a\n" * 1_000_001) == f"{where} holds over 1000000 lines; split the list"
    monkeypatch.setattr(inputs, "MAX_LIST_BYTES", 5_000)
    assert refused(random.Random(1).randbytes(5_001)) == f"{where} holds over 5000 bytes; split the list"


def test_local_checksums_are_remembered_until_the_file_changes(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(b"one")
    found = {"commoncrawl": expanded(tmp_path, "a.warc")}

    def checksum() -> Input:
        return inputs.checksummed(str(tmp_path / "run"), found, lambda line: None)["commoncrawl"][0]

    first = checksum()
    assert (first.name, first.bytes, len(first.checksum)) == ("a.warc", 3, 64)
    assert checksum() == first
    (tmp_path / "a.warc").write_bytes(b"four")
    assert checksum().bytes == 4 and checksum().checksum != first.checksum


def test_a_crawl_on_a_server_reads_as_from_disk(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "commoncrawl/repacked/snapshot-a"
    local = inputs.expand(settings(folder, "wet.paths.gz", max_files=2), "commoncrawl")
    with serving(shared_data / "commoncrawl") as (url, asked):
        remote = expanded(tmp_path, f"{url}/repacked/snapshot-a/wet.paths.gz", max_files=2)
        assert [name for _, name in remote] == [
            f"repacked/snapshot-a/wet/snapshot-a-0000{n}.warc.wet.gz" for n in (0, 2)
        ]
        for (far, name), (near, _) in zip(remote, local, strict=True):
            with files.open_binary(far) as stream, files.open_binary(near) as on_disk:
                records = list(read_records(stream, name))
                assert len(records) == 297 and records == list(read_records(on_disk, name))
            assert asked["GET", f"/{name}"] == 1
