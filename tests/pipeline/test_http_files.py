"""Files over http from a server that fails, stalls and cuts off as planned, request by request."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

import pytest

from pipeline import files
from pipeline.http_files import open_http
from pipeline.http_requests import Facts, Patience, describe_all
from stages.warc import WarcRecord, read_records

QUICK = Patience(
    connect=5.0,
    stall=0.8,
    attempts=4,
    first_wait=0.01,
    longest_wait=0.02,
    longest_asked_wait=0.6,
    in_all=20.0,
)
STALL = 2.5  # seconds, well over QUICK.stall
DATA = bytes(range(256)) * 40 + b"the end"  # 10,247 bytes: ten blocks of 1,000 and a piece
BLOCK = 1000
ETAG, DATE = '"v1"', "Wed, 21 Oct 2015 07:28:00 GMT"

Act = Callable[["Handler"], None]


@dataclass
class Plan:
    """What the server holds, how it answers in general, and what it does instead at its first requests."""

    content: dict[str, bytes] = field(default_factory=lambda: {"/file": DATA})
    etag: str | None = ETAG
    last_modified: str | None = DATE
    ranges: bool = True
    heads: bool = True
    acts: list[Act | None] = field(
        default_factory=list
    )  # one a request; None and those after the end: as it should
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # method and Range of each
    if_range: list[str | None] = field(default_factory=list)
    connections: int = 0
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    plan: Plan

    def setup(self) -> None:
        super().setup()
        self.plan.connections += 1

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # answers are left unread on purpose
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        number = len(self.plan.requests)
        self.plan.requests.append((self.command, self.headers["Range"]))
        self.plan.if_range.append(self.headers["If-Range"])
        assert self.headers["Accept-Encoding"] == "identity"
        act = self.plan.acts[number] if number < len(self.plan.acts) else None
        with contextlib.suppress(ConnectionError):
            (act or send_file)(self)

    do_HEAD = do_GET


def send_file(handler: Handler, sent: int | None = None, extra: dict[str, str] | None = None) -> None:
    """The asked range of the file, or only its first `sent` bytes and then nothing more."""
    plan = handler.plan
    data = plan.content.get(handler.path.partition("?")[0])
    if data is None:
        return send_status(handler, 404)
    if handler.command == "HEAD" and not plan.heads:
        return send_status(handler, 405)
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers["Range"] or "") if plan.ranges else None
    first, stop = 0, len(data)
    if asked:
        first, stop = int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))
        if first >= len(data):
            return send_status(handler, 416, {"Content-Range": f"bytes */{len(data)}"})
    handler.send_response(206 if asked else 200)
    handler.send_header("Content-Length", str(stop - first))
    if asked:
        handler.send_header("Content-Range", f"bytes {first}-{stop - 1}/{len(data)}")
    for name, value in {"ETag": plan.etag, "Last-Modified": plan.last_modified, **(extra or {})}.items():
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data[first:stop] if sent is None else data[first : first + sent])
        handler.wfile.flush()


def send_status(handler: Handler, status: int, headers: dict[str, str] | None = None) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": "0", **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()


def status(code: int, **headers: str) -> Act:
    return lambda handler: send_status(handler, code, {k.replace("_", "-"): v for k, v in headers.items()})


def cut_after(sent: int) -> Act:
    def act(handler: Handler) -> None:
        send_file(handler, sent)
        handler.close_connection = True

    return act


def stall_after(sent: int, seconds: float = STALL) -> Act:
    def act(handler: Handler) -> None:
        send_file(handler, sent)
        time.sleep(seconds)
        handler.close_connection = True

    return act


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def silence(handler: Handler) -> None:
    time.sleep(STALL)
    handler.close_connection = True


@contextlib.contextmanager
def serving(plan: Plan) -> Iterator[Plan]:
    """The plan's server on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Planned", (Handler,), {"plan": plan}))
    server.daemon_threads = True
    plan.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield plan
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def opened(plan: Plan, patience: Patience = QUICK, path: str = "/file") -> BinaryIO:
    return open_http(plan.url + path, patience, BLOCK)


def read_all(plan: Plan, patience: Patience = QUICK) -> bytes:
    with opened(plan, patience) as stream:
        return stream.read()


def test_a_whole_file_costs_one_request() -> None:
    with serving(Plan()) as plan:
        assert read_all(plan) == DATA
    assert plan.requests == [("GET", "bytes=0-")]
    assert plan.connections == 1


def test_reads_of_any_size_give_the_same_bytes_as_a_file() -> None:
    with serving(Plan()) as plan, opened(plan) as stream:
        told = io.BytesIO(DATA)
        for size in (1, 999, 1, 1, 2500, 0, 10_000, 5):
            assert stream.read(size) == told.read(size)
            assert stream.tell() == told.tell()
        assert stream.read() == b""


def test_jumps_land_where_they_should_and_ask_for_one_block_over_a_kept_connection() -> None:
    with serving(Plan()) as plan, opened(plan) as stream:
        stream.seek(-7, io.SEEK_END)
        assert stream.read() == b"the end"
        stream.seek(5100)
        assert stream.read(10) == DATA[5100:5110]
        stream.seek(3)
        assert stream.read(4) == DATA[3:7]
        assert stream.seek(20_000) == 20_000
        assert stream.read() == b""
    assert [r for _, r in plan.requests] == [
        "bytes=0-",
        "bytes=10000-10246",
        "bytes=5000-5999",
        "bytes=0-999",
    ]
    assert plan.connections == 2  # the first answer was left unread; blocks are read to their end


def test_a_step_forward_or_back_within_two_blocks_costs_no_request() -> None:
    with serving(Plan()) as plan, opened(plan) as buffered:
        stream = buffered.raw  # type: ignore[attr-defined]
        for at in (0, 500, 900, 1500, 100, 1100, 2500, 1980, 3000):
            stream.seek(at)
            assert stream.read(10) == DATA[at : at + 10]
        stream.seek(4999)  # right behind the block that was read
        assert stream.read(1) == DATA[4999:5000]
        stream.seek(6001)  # over one block: what lies between is read and dropped
        assert stream.read(1) == DATA[6001:6002]
    assert plan.requests == [("GET", "bytes=0-")]


def test_a_seek_before_the_start_is_an_error() -> None:
    with serving(Plan()) as plan, opened(plan) as stream, pytest.raises(OSError, match="before the start"):
        stream.seek(-20_000, io.SEEK_END)


def test_an_empty_file_is_empty() -> None:
    for ranges in (True, False):  # 416 and 200
        with serving(Plan({"/file": b""}, ranges=ranges)) as plan:
            assert read_all(plan) == b""


@pytest.mark.parametrize(
    ("act", "resumed"),
    [
        (cut_after(0), "bytes=0-"),
        (cut_after(3456), "bytes=3456-"),
        (cut_after(10_246), "bytes=10246-"),
        (stall_after(2001), "bytes=2001-"),
        (silence, "bytes=0-"),
        (hang_up, "bytes=0-"),
        (status(500), "bytes=0-"),
        (status(502), "bytes=0-"),
        (status(503), "bytes=0-"),
        (status(504), "bytes=0-"),
        (status(429), "bytes=0-"),
        (status(408), "bytes=0-"),
    ],
)
def test_reading_goes_on_at_the_byte_where_it_stopped(act: Act, resumed: str) -> None:
    with serving(Plan(acts=[act])) as plan:
        assert read_all(plan) == DATA
    assert plan.requests == [("GET", "bytes=0-"), ("GET", resumed)]


def test_failures_in_a_row_are_borne_and_progress_starts_the_count_anew() -> None:
    acts: list[Act | None] = []
    for _ in range(6):  # over four failures in all, never four at one block
        acts += [cut_after(1500), status(503)]
    with serving(Plan(acts=acts)) as plan:
        assert read_all(plan) == DATA
    assert len(plan.requests) == 13


def test_a_block_is_resumed_as_a_block() -> None:
    acts = [None, cut_after(400), status(503)]
    with serving(Plan(acts=acts)) as plan, opened(plan) as buffered:
        stream = buffered.raw  # type: ignore[attr-defined]
        stream.seek(7000)
        assert stream.read(1000) == DATA[7000:8000]
    assert [r for _, r in plan.requests] == [
        "bytes=0-",
        "bytes=7000-7999",
        "bytes=7400-7999",
        "bytes=7400-7999",
    ]


def test_patience_ends_with_one_line() -> None:
    with serving(Plan(acts=[status(503)] * 9)) as plan, pytest.raises(ValueError) as error:
        read_all(plan)
    assert len(plan.requests) == 4
    assert re.fullmatch(
        r"http://127\.0\.0\.1:\d+/file: given up after 4 failures in \d+ s, the last: 503 Service Unavailable; "
        "run again when the server answers, what is done stays done",
        str(error.value),
    )


def test_a_pause_beyond_the_time_left_is_not_begun() -> None:
    patience = dataclasses.replace(QUICK, in_all=0.2)
    acts = [status(503, Retry_After="1")] * 2
    with (
        serving(Plan(acts=acts)) as plan,
        pytest.raises(ValueError, match="given up after 1 failures"),
    ):
        read_all(plan, patience)
    assert len(plan.requests) == 1


def test_a_refused_connection_is_tried_again_and_then_named() -> None:
    with serving(Plan()) as plan:
        pass
    with pytest.raises(
        ValueError, match=r"given up after 4 failures in \d+ s, the last: Connection refused; "
    ):
        read_all(plan)


def test_a_server_that_drips_is_given_up() -> None:
    def drip(handler: Handler) -> None:
        send_file(handler, 0)
        for at in range(1000):
            handler.wfile.write(DATA[at : at + 1])
            time.sleep(0.02)

    patience = dataclasses.replace(QUICK, in_all=0.4)
    begin = time.monotonic()
    with (
        serving(Plan(acts=[drip])) as plan,
        pytest.raises(ValueError, match=r"the last: too slow at byte \d+;"),
    ):
        read_all(plan, patience)
    assert time.monotonic() - begin < 5


def test_retry_after_is_kept_to_but_not_beyond_its_cap() -> None:
    def seconds(retry_after: str) -> float:
        with serving(Plan(acts=[status(503, Retry_After=retry_after)])) as plan:
            begin = time.monotonic()
            assert read_all(plan) == DATA
            return time.monotonic() - begin

    assert 0.6 <= seconds("3600") < 5
    assert 0.6 <= seconds(formatdate(time.time() + 3600, usegmt=True)) < 5
    assert seconds("soon") < 0.6
    assert seconds(formatdate(time.time() - 3600, usegmt=True)) < 0.6


def test_pauses_grow_to_their_cap_and_differ_by_address_but_not_by_run() -> None:
    patience = Patience(first_wait=1.0, longest_wait=30.0)
    waits = [patience.wait("http://a/1", failures, 0) for failures in range(1, 9)]
    for wait, doubled in zip(waits, (1, 2, 4, 8, 16, 30, 30, 30), strict=True):
        assert doubled <= wait <= 1.5 * doubled
    assert waits == [patience.wait("http://a/1", failures, 0) for failures in range(1, 9)]
    assert patience.wait("http://a/2", 1, 0) != waits[0]
    assert patience.wait("http://a/1", 1, 1e9) == 120


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (status(404), r"/file: the server has no such file \(404\); check the address"),
        (status(410), r"/file: the server has no such file \(410\)"),
        (status(403), r"/file: the server refuses it \(403\); check the address and your rights"),
        (status(401), r"/file: the server refuses it \(401\)"),
        (status(400), r"/file: the server answers 400 Bad Request; check the address"),
        (
            lambda h: send_file(h, extra={"Content-Encoding": "gzip"}),
            r"encoded \(gzip\) though asked not to; download",
        ),
        (status(206), "does not say how large it is; download it"),
        (
            status(302, Location="ftp://127.0.0.1/file"),
            "is redirected to ftp://127.0.0.1/file, which is not https",
        ),
        (
            status(206, Content_Range="bytes 5-9/10247"),
            "asked for the bytes from 0 on, the server answers 206",
        ),
        (status(206, Content_Range="bytes 0-20000/10247"), "asked for the bytes from 0 on"),
        (status(206, Content_Range="bytes 0-9/" + "9" * 30), "does not say how large it is"),
    ],
)
def test_what_will_not_pass_is_an_error_at_once(act: Act, message: str) -> None:
    with serving(Plan(acts=[act])) as plan, pytest.raises(ValueError, match=message) as error:
        read_all(plan)
    assert len(plan.requests) == 1
    assert "\n" not in str(error.value)


def test_a_missing_length_is_an_error() -> None:
    def chunked(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"3\r\nabc\r\n0\r\n\r\n")

    with serving(Plan(acts=[chunked])) as plan, pytest.raises(ValueError, match="does not say how large"):
        read_all(plan)


def test_redirects_are_followed_five_times() -> None:
    hop = status(302, Location="/file")
    with serving(Plan(acts=[hop] * 5)) as plan:
        assert read_all(plan) == DATA
    assert len(plan.requests) == 6
    with (
        serving(Plan(acts=[hop] * 9)) as plan,
        pytest.raises(ValueError, match="redirected more than 5 times"),
    ):
        read_all(plan)
    assert len(plan.requests) == 6


def test_the_body_of_a_redirect_is_not_read() -> None:
    def endless(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/file")
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(bytes(1 << 20))
            written.append(1)

    written: list[int] = []  # MiB
    with serving(Plan(acts=[endless])) as plan:
        assert read_all(plan) == DATA
    assert len(written) < 50  # what fits into sockets


def test_a_server_without_ranges_is_read_from_its_start() -> None:
    with serving(Plan(ranges=False)) as plan:
        assert read_all(plan) == DATA
    assert len(plan.requests) == 1
    with serving(Plan(ranges=False, acts=[cut_after(3456)])) as plan:
        assert read_all(plan) == DATA
    assert plan.requests == [("GET", "bytes=0-"), ("GET", "bytes=3456-")]
    with serving(Plan(ranges=False)) as plan, opened(plan) as buffered:
        stream = buffered.raw  # type: ignore[attr-defined]
        for at in (9000, 5000):  # on: skipped in what is being sent; back: sent anew
            stream.seek(at)
            assert stream.read(10) == DATA[at : at + 10]
    assert len(plan.requests) == 2


def test_a_server_may_give_less_than_was_asked() -> None:
    def three_thousand(handler: Handler) -> None:
        first = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        piece = DATA[first : first + 3000]
        send_status(
            handler,
            206,
            {
                "Content-Length": str(len(piece)),
                "Content-Range": f"bytes {first}-{first + len(piece) - 1}/{len(DATA)}",
                "ETag": ETAG,
            },
        )
        handler.wfile.write(piece)

    with serving(Plan(acts=[three_thousand] * 9)) as plan:
        assert read_all(plan) == DATA
    assert [r for _, r in plan.requests] == ["bytes=0-", "bytes=3000-", "bytes=6000-", "bytes=9000-"]
    assert plan.connections == 1  # bodies that are read to the end leave the connection open


def test_what_comes_behind_the_range_is_left() -> None:
    def too_much(handler: Handler) -> None:
        headers = {"Content-Length": "5000", "Content-Range": f"bytes 0-2499/{len(DATA)}", "ETag": ETAG}
        send_status(handler, 206, headers)
        handler.wfile.write(DATA[:2500] + b"?" * 2500)

    with serving(Plan(acts=[too_much])) as plan:
        assert read_all(plan) == DATA


@pytest.mark.parametrize("validators", [{"etag": '"v2"'}, {"etag": None, "last_modified": None}, {}])
def test_a_file_that_changes_while_it_is_read_is_refused(validators: dict[str, str | None]) -> None:
    def change(handler: Handler) -> None:
        for name, value in validators.items():
            setattr(handler.plan, name, value)
        if not validators.get("etag"):
            handler.plan.content["/file"] = DATA + b"!"
        send_file(handler)

    with (
        serving(Plan(acts=[cut_after(3456), change])) as plan,
        pytest.raises(
            ValueError, match=r"/file: changed while it was read \(etag .*; delete work/inputs.json"
        ) as error,
    ):
        read_all(plan)
    assert plan.if_range == [None, ETAG]
    assert "\n" not in str(error.value)


def test_a_change_of_date_counts_where_there_is_no_strong_etag() -> None:
    def change(handler: Handler) -> None:
        handler.plan.last_modified = "Thu, 22 Oct 2015 07:28:00 GMT"
        send_file(handler)

    for etag in (None, 'W/"v1"'):
        plan = Plan(etag=etag, acts=[cut_after(3456), change])
        with serving(plan), pytest.raises(ValueError, match="changed while it was read"):
            read_all(plan)
        assert plan.if_range == [None, DATE]
    plan = Plan(acts=[cut_after(3456), change])  # mirrors of one file may differ in the date alone
    with serving(plan):
        assert read_all(plan) == DATA


@pytest.mark.parametrize("headers", [{}, {"Content-Range": "bytes */300"}])
def test_a_file_that_became_shorter_is_refused(headers: dict[str, str]) -> None:
    plan = Plan(acts=[cut_after(3456), lambda handler: send_status(handler, 416, headers)])
    with serving(plan), pytest.raises(ValueError, match="changed while it was read"):
        read_all(plan)


def test_a_reader_that_takes_a_lost_line_for_damage_does_not_end_well() -> None:
    acts = [cut_after(3456), *[status(503)] * 9]
    with (
        serving(Plan(acts=acts)) as plan,
        pytest.raises(ValueError, match="given up after 4 failures"),
        opened(plan) as stream,
    ):
        with contextlib.suppress(ValueError):
            stream.read()
        asked = len(plan.requests)
        with pytest.raises(ValueError, match="given up"):  # at once: nothing is tried again
            stream.read()
        assert len(plan.requests) == asked


def test_facts_come_by_head_in_order_over_few_connections() -> None:
    content = {f"/{n}": b"x" * n for n in range(100)}
    with serving(Plan(content)) as plan:
        found = list(describe_all([f"{plan.url}/{n}" for n in range(100)], QUICK, QUICK))
    assert found == [Facts(n, ETAG, DATE) for n in range(100)]
    assert {method for method, _ in plan.requests} == {"HEAD"} and len(plan.requests) == 100
    assert plan.connections <= 8


def test_facts_come_by_get_where_head_is_refused() -> None:
    with serving(Plan(heads=False)) as plan:
        assert list(describe_all([f"{plan.url}/file"], QUICK, QUICK)) == [Facts(len(DATA), ETAG, DATE)]
    assert plan.requests == [("HEAD", None), ("GET", "bytes=0-0")]


def test_facts_bear_failures_and_name_what_is_missing() -> None:
    with serving(Plan(acts=[status(503), hang_up, None, status(503)])) as plan:
        assert len(list(describe_all([f"{plan.url}/file"] * 3, QUICK, QUICK))) == 3
        with pytest.raises(ValueError, match=r"/none: the server has no such file \(404\)"):
            list(describe_all([f"{plan.url}/file", f"{plan.url}/none", f"{plan.url}/file"], QUICK, QUICK))


def test_an_error_about_one_file_does_not_wait_for_the_pauses_of_others() -> None:
    slow = dataclasses.replace(QUICK, first_wait=30.0, longest_wait=30.0, in_all=100.0)
    with serving(Plan(acts=[None])) as plan:
        plan.acts += [(lambda h: status(404)(h) if h.path == "/none" else status(503)(h))] * 8
        begin = time.monotonic()
        with pytest.raises(ValueError, match="/none: the server has no such file"):
            list(
                describe_all(
                    [f"{plan.url}/{name}" for name in ("file", "none", "file?1", "file?2")], slow, QUICK
                )
            )
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize(
    ("facts", "checksum"),
    [
        (Facts(5, '"a"', DATE), 'etag "a", 5 bytes'),
        (Facts(5, None, DATE), f"last-modified {DATE}, 5 bytes"),
        (Facts(5, None, None), "5 bytes"),
    ],
)
def test_a_checksum_is_the_best_that_the_server_tells(facts: Facts, checksum: str) -> None:
    assert facts.checksum == checksum


def test_a_real_warc_file_reads_the_same_from_a_bad_server(shared_data: Path) -> None:
    path = shared_data / "commoncrawl/original/dolma-sample-0000.warc.gz"
    data = path.read_bytes()
    acts: list[Act | None] = [status(503), cut_after(70_001), stall_after(30_000), hang_up, cut_after(1)]
    with serving(Plan({"/crawl.warc.gz": data}, acts=acts)) as plan:
        url = f"{plan.url}/crawl.warc.gz"
        with open_http(url, QUICK, 50_000) as stream:
            remote = list(read_records(stream, url))
    with files.open_binary(str(path)) as local:
        assert remote == list(read_records(local, url))
    assert len(remote) == 48 and all(isinstance(record, WarcRecord) for record in remote)
    assert [r for _, r in plan.requests[:3]] == ["bytes=0-", "bytes=0-", "bytes=70001-"]


def test_open_binary_opens_addresses() -> None:
    with serving(Plan()) as plan, files.open_binary(f"{plan.url}/file") as stream:
        assert stream.read() == DATA
