"""What is to be taken down: lists of URLs, domains, ids and repositories, and which documents are on them.

In: text files in UTF-8, one entry a line, blank lines skipped. Out: a table of 16-byte keys that tells of a document's
id, address and site which entries name it. A table takes 16 bytes an entry, whatever the entry's length, so a list may
have millions of lines. What counts as the same:

- URL: the normal form of `stages.citations.normalize_url` (RFC 3986 section 6.2.2: case of the host, percent-encoding,
  dot segments; dropped are scheme, user, default port (6.2.3), `www.`, fragment (3.5: no server sees it), slashes at
  the end and tracking parameters). A line may leave out the scheme.
- domain: the host of the address, or the site that the metadata name, is the domain or a subdomain of it (RFC 1034
  section 3.1), by whole labels; `www.` is dropped on both sides. Punycode (RFC 3492) for other alphabets.
- id: `source:id`, or the id alone, which then is looked for in every source; letter for letter.
- repository: `owner/name`, or its address at GitHub, without case (GitHub's own rule); documents of GitHub only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import xxhash

from stages.citations import normalize_url, url_host
from stages.document import SOURCES

KINDS = ("urls", "domains", "ids", "repositories")

MAX_LINE_BYTES = 1 << 16  # RFC 9110 section 4.1 asks for URLs of 8,000 octets; ids hold paths
KEY_BYTES = 16

Digests = npt.NDArray[np.bytes_]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:?//|//", re.IGNORECASE)
_LABEL = re.compile(
    r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
)  # RFC 1035 section 2.3.1, and underscores in use
_REPOSITORY = re.compile(
    r"(?:(?:https?:)?//)?(?:www\.)?(?:github\.com/)?([^/\s]+(?:/[^/\s]+)?)/?", re.IGNORECASE
)


def _digest(kind: str, name: str) -> bytes:
    return xxhash.xxh3_128_digest(f"{kind}\0{name}".encode())


def _key_of_url(line: str) -> str | None:
    return normalize_url(line if _SCHEME.match(line) else f"//{line}") or None


def _key_of_domain(line: str) -> str | None:
    """The domain; none for a top-level domain, which would take the crawl down."""
    bare = line.removeprefix("*").removeprefix(".").rstrip(".")
    host = url_host(bare if _SCHEME.match(bare) else f"//{bare}")
    labels = host.split(".")
    return host if len(labels) > 1 and all(map(_LABEL.fullmatch, labels)) else None


def _key_of_id(line: str) -> str | None:
    source, colon, id = line.partition(":")
    return f"{source}\0{id}" if colon and source in SOURCES else f"\0{line}"


def _key_of_repository(line: str) -> str | None:
    found = _REPOSITORY.fullmatch(line)
    return found[1].lower().removesuffix(".git") if found else None


_KEY_OF: Mapping[str, Callable[[str], str | None]] = {
    "urls": _key_of_url,
    "domains": _key_of_domain,
    "ids": _key_of_id,
    "repositories": _key_of_repository,
}
_WAYS_OUT: Mapping[str, str] = {
    "urls": "no http(s) URL; write https://host/path",
    "domains": "no domain; write example.com (a top-level domain alone is refused)",
    "ids": "no id",
    "repositories": "no repository; write owner/name",
}


def entries(kind: str, stream: BinaryIO, name: str) -> Iterator[tuple[int, str, bytes]]:
    """(line number from 1, line, key) of a list called `name`; ValueError for a line that is no entry of its kind."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise ValueError(
                f"{name}: line {number} is longer than {MAX_LINE_BYTES} bytes; write one entry a line"
            )
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: line {number} is not UTF-8; save the list as UTF-8") from error
        if not line:
            continue
        key = _KEY_OF[kind](line)
        if key is None:
            raise ValueError(f"{name}: line {number}: {line[:100]!r} is {_WAYS_OUT[kind]}")
        yield number, line, _digest(kind, key)


def keys_of(source: str, id: str, url: str | None, site: str | None) -> Iterator[tuple[str, bytes]]:
    """(kind, key) of every entry that would name a document; `site` is what its metadata call domain or site."""
    yield "ids", _digest("ids", f"{source}\0{id}")
    yield "ids", _digest("ids", f"\0{id}")
    if source == "github":
        repository = id.partition(":")[0]  # of `repository:path:blob`
        yield "repositories", _digest("repositories", repository.lower())
    hosts = {url_host(f"//{site}")} if site else set()
    if url and (page := normalize_url(url)):
        yield "urls", _digest("urls", page)
        hosts.add(url_host(url))
    for domain in sorted({domain for host in hosts for domain in _domains(host)}):
        yield "domains", _digest("domains", domain)


def _domains(host: str) -> Iterator[str]:
    """A host and every domain above it but the last."""
    labels = host.split(".")
    for first in range(len(labels) - 1):
        yield ".".join(labels[first:])


@dataclass(frozen=True)
class KeyTable:
    """Keys of all lists, ascending, each once; an entry is known by the place of its key."""

    keys: Digests

    @classmethod
    def of(cls, digests: bytes) -> KeyTable:
        """From the keys of all entries one after the other."""
        return cls(np.unique(np.frombuffer(digests, dtype=f"S{KEY_BYTES}")))

    def places(self, keys: list[bytes]) -> npt.NDArray[np.int64]:
        """The place of each key, -1 for one that is not there."""
        asked = np.array(keys, dtype=self.keys.dtype)
        if not len(self.keys) or not len(asked):
            return np.full(len(asked), -1, np.int64)
        places = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return np.where(self.keys[places] == asked, places, -1)
