"""Which lines of a list name which documents."""

from __future__ import annotations

import io

import numpy as np
import pytest

from pipeline.take_down_lists import MAX_LINE_BYTES, KeyTable, entries, keys_of


def table(kind: str, *lines: str) -> KeyTable:
    found = entries(kind, io.BytesIO("\n".join(lines).encode()), "list.txt")
    return KeyTable.of(b"".join(key for _, _, key in found))


def named(
    kind: str,
    line: str,
    source: str = "commoncrawl",
    id: str = "x",
    url: str | None = None,
    site: str | None = None,
) -> bool:
    """Whether a line names a document."""
    return bool(np.any(table(kind, line).places([k for _, k in keys_of(source, id, url, site)]) >= 0))


PAGE = "https://www.Example.org:443/a/../caf%c3%a9?b=1&utm_source=x#top"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("http://example.org/caf%C3%A9?b=1", True),
        ("example.org/caf%C3%A9/?b=1", True),
        ("https://example.org/caf%C3%A9", False),
        ("https://example.org/CAF%C3%A9?b=1", False),
        ("https://sub.example.org/caf%C3%A9?b=1", False),
    ],
)
def test_a_url_names_the_page_however_it_is_spelt(line: str, expected: bool) -> None:
    assert named("urls", line, url=PAGE) == expected


@pytest.mark.parametrize(
    ("line", "url", "expected"),
    [
        ("example.org", "https://example.org/", True),
        ("Example.ORG.", "http://a.b.example.org/x", True),
        ("*.example.org", "http://a.example.org/x", True),
        ("https://www.example.org/", "http://example.org/x", True),
        ("b.example.org", "http://example.org/x", False),
        ("example.org", "http://myexample.org/x", False),
        ("example.org", "http://example.org.evil.net/x", False),
        ("münchen.de", "http://xn--mnchen-3ya.de/x", True),
    ],
)
def test_a_domain_names_its_pages_and_those_of_its_subdomains(line: str, url: str, expected: bool) -> None:
    assert named("domains", line, url=url) == expected


def test_a_domain_names_documents_of_a_site_without_an_address() -> None:
    assert named("domains", "stackexchange.com", "stackexchange", "1", site="boats.stackexchange.com")


def test_an_id_alone_is_of_every_source_and_one_with_a_source_of_that() -> None:
    assert named("ids", "en:101", "wikipedia", "en:101")
    assert named("ids", "wikipedia:en:101", "wikipedia", "en:101")
    assert not named("ids", "c4:en:101", "wikipedia", "en:101")
    assert not named("ids", "en:10", "wikipedia", "en:101")


@pytest.mark.parametrize(
    "line", ["Owner/Name", "https://github.com/owner/name", "github.com/owner/name.git", "owner/name/"]
)
def test_a_repository_names_its_files_without_case(line: str) -> None:
    assert named("repositories", line, "github", "owner/NAME:src/a.py:0123")
    assert not named("repositories", line, "github", "owner/name2:src/a.py:0123")
    assert not named("repositories", line, "c4", "owner/name:src/a.py:0123")


def test_a_line_of_one_kind_names_nothing_of_another() -> None:
    assert not named("ids", "example.org", url="https://example.org/", id="y")
    assert not named("urls", "https://example.org/", url="https://example.org/page")


@pytest.mark.parametrize(
    ("kind", "line", "message"),
    [
        ("domains", "org", "list.txt: line 2: 'org' is no domain; write example.com"),
        ("domains", "# by hand", "list.txt: line 2: '# by hand' is no domain"),
        ("urls", "mailto:a@b.c d", "list.txt: line 2: 'mailto:a@b.c d' is no http"),
        ("repositories", "a/b/c", "list.txt: line 2: 'a/b/c' is no repository; write owner/name"),
    ],
)
def test_refuses_a_line_that_is_no_entry(kind: str, line: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        table(kind, "", line)
    assert str(error.value).startswith(message)


def test_refuses_lines_that_no_list_has() -> None:
    with pytest.raises(ValueError, match=r"^list.txt: line 1 is longer than 65536 bytes"):
        list(entries("ids", io.BytesIO(b"x" * (MAX_LINE_BYTES + 1)), "list.txt"))
    with pytest.raises(ValueError, match=r"^list.txt: line 2 is not UTF-8"):
        list(entries("ids", io.BytesIO(b"a\n\xff\n"), "list.txt"))


def test_keeps_16_bytes_of_an_entry_and_one_entry_of_repeated_lines() -> None:
    many = table("ids", *(f"document {n % 1000}" for n in range(3000)))
    assert many.keys.nbytes == 16 * 1000
    assert table("ids").places([b"0" * 16]).tolist() == [-1]


def test_skips_blank_lines_and_a_byte_order_mark_and_counts_lines() -> None:
    found = list(entries("ids", io.BytesIO(b"\xef\xbb\xbfa\r\n\r\n b \n"), "list.txt"))
    assert [(number, line) for number, line, _ in found] == [(1, "a"), (3, "b")]
