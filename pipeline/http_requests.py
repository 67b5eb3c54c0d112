"""Requests to http and https servers: an address in, an answer or what it says of a file out, failures borne.

What may pass (no connection, silence, 429 and 5xx) is tried again with growing pauses, a Retry-After is kept to; what
will not (no such file, no right, a bad certificate, an encoded body) is a ValueError of one line at once. Redirects are
followed a few times and never from https to http. Bodies are left to the caller; those of redirects are never read.

Sources: RFC 9110 (validators in section 8.8, Retry-After in 10.2.3, ranges in 14). Common Crawl asks for at most one
try a second while it answers 503 (status.commoncrawl.org).
"""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar
from urllib.parse import urljoin

import requests
import urllib3
import xxhash
from requests.adapters import HTTPAdapter

ASKING_THREADS = 8  # at a time, for the sizes of many files
MAX_REDIRECTS = 5
USER_AGENT = "llama-corpus"

REDIRECTS = frozenset((301, 302, 303, 307, 308))
PASSING_STATUS = frozenset((408, 429, 500, 502, 503, 504))
HEAD_REFUSED = frozenset((403, 405, 501))  # 403: an address that is signed for GET

CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/(?:([0-9]{1,18})|\*)")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """How long a connection may be silent, and how long failures of one block are borne. All times in seconds."""

    connect: float = 15.0
    stall: float = 60.0  # without a byte
    attempts: int = 100
    first_wait: float = 1.0  # doubled with each failure; Common Crawl asks for no less
    longest_wait: float = 30.0
    longest_asked_wait: float = 120.0  # of a Retry-After
    in_all: float = 1800.0  # also bounds a server that drips

    def wait(self, url: str, failures: int, asked: float) -> float:
        """Seconds to wait after so many failures: doubled each time, and up to half as much again by a hash of the
        address, so that workers that failed together do not come back together."""
        doubled = min(self.longest_wait, self.first_wait * 2.0 ** min(failures - 1, 30))
        jitter = xxhash.xxh64_intdigest(f"{url} {failures}".encode()) / (1 << 64)
        return float(max(doubled * (1 + jitter / 2), min(asked, self.longest_asked_wait)))


PATIENT = Patience()
BRISK = Patience(attempts=6, in_all=120.0)  # somebody waits for the answer: a mistyped host is told soon


@dataclass(frozen=True)
class Facts:
    """What a server says of a file: its size in bytes, its strong ETag and its Last-Modified."""

    bytes: int
    etag: str | None
    last_modified: str | None

    @property
    def validator(self) -> str | None:
        return self.etag or self.last_modified

    @property
    def checksum(self) -> str:
        """Changes when the file does, as far as the server tells."""
        kind = "etag " if self.etag else "last-modified " if self.last_modified else ""
        return f"{kind}{self.validator or ''}{', ' if kind else ''}{self.bytes} bytes"

    def is_of_the_same_file(self, other: Facts) -> bool:
        if self.etag and other.etag:
            return (self.bytes, self.etag) == (other.bytes, other.etag)
        dates = {self.last_modified, other.last_modified} - {None}
        return self.bytes == other.bytes and len(dates) < 2


class PassingError(Exception):
    """A failure that may pass; `asked` is for how many seconds the server asks to be left alone."""

    def __init__(self, why: str, asked: float = 0.0) -> None:
        super().__init__(why)
        self.asked = asked


def is_http(path: str) -> bool:
    """Whether a path is an address on an http or https server."""
    return path.startswith(("http://", "https://"))


def describe_all(
    urls: Sequence[str], patience: Patience = PATIENT, first: Patience = BRISK
) -> Iterator[Facts]:
    """What the servers say of files, in the order of their addresses, eight asked for at a time.

    By HEAD, or by a GET of one byte where the server refuses HEAD. The first file is asked for alone and with the
    patience `first`: it shows whether the server is there. Raises ValueError, one line, for a file that cannot be had.
    """
    stop = threading.Event()

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise ValueError("asking for files was stopped")  # seen by nobody: another one's error stopped it

    with new_session(ASKING_THREADS) as session, ThreadPoolExecutor(ASKING_THREADS) as threads:
        try:
            for url in urls[:1]:
                yield _describe(session, url, first, pause)
            yield from threads.map(lambda url: _describe(session, url, patience, pause), urls[1:])
        finally:
            stop.set()


class _Session(requests.Session):
    """A session that leaves redirects to `exchange`: requests itself reads their bodies, however long."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def new_session(connections: int) -> requests.Session:
    """Connections that are kept alive; proxies, ~/.netrc and REQUESTS_CA_BUNDLE hold as usual."""
    session = _Session()
    adapter = HTTPAdapter(pool_connections=connections, pool_maxsize=connections)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    session.headers.update({"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"})
    return session


def retrying(
    url: str, patience: Patience, work: Callable[[float], Result], pause: Callable[[float], None] = time.sleep
) -> Result:
    """The result of `work`, which is given its deadline (monotonic clock) and called again after a PassingError.

    Raises ValueError, one line, when attempts or time are used up.
    """
    begin = time.monotonic()
    deadline = begin + patience.in_all
    failures = 0
    while True:
        try:
            return work(deadline)
        except PassingError as failure:
            failures += 1
            wait = patience.wait(url, failures, failure.asked)
            if failures >= patience.attempts or time.monotonic() + wait > deadline:
                raise ValueError(
                    f"{url}: given up after {failures} failures in {time.monotonic() - begin:.0f} s, the last: "
                    f"{failure}; run again when the server answers, what is done stays done"
                ) from failure
            pause(wait)


def _describe(
    session: requests.Session, url: str, patience: Patience, pause: Callable[[float], None]
) -> Facts:
    def ask(deadline: float) -> Facts:
        with contextlib.closing(exchange(session, "HEAD", url, {}, patience)) as response:
            response.raw.drain_conn()  # nothing is there to be read, but only so is the connection kept
            if response.status_code not in HEAD_REFUSED:
                check(response, url)
                if "Content-Length" in response.headers:
                    return facts_of(response, url)
        with contextlib.closing(exchange(session, "GET", url, {"Range": "bytes=0-0"}, patience)) as response:
            check(response, url)
            return facts_of(response, url)

    return retrying(url, patience, ask, pause)


def exchange(
    session: requests.Session, method: str, url: str, headers: Mapping[str, str], patience: Patience
) -> requests.Response:
    """The answer to a request, its body unread, redirects followed (their bodies are never read)."""
    at = url
    for _ in range(MAX_REDIRECTS + 1):
        try:
            response = session.request(
                method,
                at,
                headers=headers,
                stream=True,
                timeout=(patience.connect, patience.stall),
                allow_redirects=False,
            )
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            cause = cause_of(error)
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise ValueError(
                    f"{url}: the certificate of {at} is not valid ({cause.verify_message}); check the address, or "
                    "name your own authority's file in REQUESTS_CA_BUNDLE"
                ) from error
            raise PassingError(line_of(cause)) from error
        except requests.RequestException as error:
            raise ValueError(f"{url}: cannot be asked for ({line_of(error)}); check the address") from error
        target = response.headers.get("Location")
        if response.status_code not in REDIRECTS or target is None:
            return response
        response.close()
        target = urljoin(at, target)
        if not is_http(target) or (at.startswith("https://") and not target.startswith("https://")):
            raise ValueError(f"{url}: is redirected to {target}, which is not https; name another address")
        at = target
    raise ValueError(f"{url}: is redirected more than {MAX_REDIRECTS} times; name the address where it ends")


def check(response: requests.Response, url: str) -> None:
    """Raises PassingError or ValueError for an answer without bytes of the file; 200, 206 and 416 are let through."""
    status = response.status_code
    if status in PASSING_STATUS:
        raise PassingError(f"{status} {response.reason}", _asked_wait(response.headers.get("Retry-After")))
    if status in (404, 410):
        raise ValueError(f"{url}: the server has no such file ({status}); check the address")
    if status in (401, 403):
        raise ValueError(
            f"{url}: the server refuses it ({status}); check the address and your rights to it (~/.netrc), or wait: "
            "some refuse for a while who asked for too much"
        )
    if status not in (200, 206, 416):
        raise ValueError(f"{url}: the server answers {status} {response.reason}; check the address")
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise ValueError(
            f"{url}: the server sends it encoded ({encoding}) though asked not to; download it and name its path"
        )


class ContentRange(NamedTuple):
    """The bytes from `start` up to `stop` of a file of `size` bytes; all None where the answer names none."""

    start: int | None
    stop: int | None
    size: int | None


def content_range(response: requests.Response) -> ContentRange:
    """What the Content-Range of an answer says: `bytes 0-99/1234`, and in a 416 `bytes */1234`."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None:
        return ContentRange(None, None, None)
    first, last, size = (None if part is None else int(part) for part in found.groups())
    return ContentRange(first, None if last is None else last + 1, size)


def facts_of(response: requests.Response, url: str) -> Facts:
    """What a 200, 206 or 416 says of the whole file."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        size = int(length) if re.fullmatch("[0-9]{1,18}", length) else None
    else:
        size = content_range(response).size
    if size is None:
        raise ValueError(f"{url}: the server does not say how large it is; download it and name its path")
    etag = response.headers.get("ETag", "").strip()
    return Facts(size, etag if etag.startswith('"') else None, response.headers.get("Last-Modified"))


def _asked_wait(retry_after: str | None) -> float:
    """Seconds of a Retry-After, which holds seconds or a date; 0 when it holds neither."""
    if retry_after is None:
        return 0.0
    if re.fullmatch("[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def cause_of(error: BaseException) -> BaseException:
    """The error that requests and urllib3 wrapped."""
    while type(error).__module__.partition(".")[0] in ("requests", "urllib3"):
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return error


def line_of(error: BaseException) -> str:
    """An error in one line."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return " ".join(text.split()) or type(error).__name__
