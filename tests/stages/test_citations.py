from pathlib import Path

import pytest

from stages.citations import cited_urls, normalize_url, url_host


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://www.Example.ORG:80/", "example.org"),
        ("https://example.org/a/?utm_source=x&b=2&fbclid=y#top", "example.org/a?b=2"),
        ("HTTPS://user:pw@example.org:443/a%7eb%c3%a9", "example.org/a~b%C3%A9"),
        ("//example.org/Ünï", "example.org/%C3%9Cn%C3%AF"),
        ("http://bücher.example/a/./b/../c/", "xn--bcher-kva.example/a/c"),
        ("http://example.org:8080/x", "example.org:8080/x"),
        ("http://[2001:DB8::1]:80/x", "[2001:db8::1]/x"),
        ("http://example.org?a=b%26c", "example.org?a=b%26c"),
        ("mailto:a@example.org", ""),
        ("http://", ""),
        ("http://a b/", ""),
        ("not a url", ""),
    ],
)
def test_gives_a_page_one_spelling(url: str, normal: str) -> None:
    assert normalize_url(url) == normal
    if normal:
        assert normalize_url("http://" + normal) == normal


def test_tells_the_host() -> None:
    assert url_host("https://www.Example.org:443/a") == "example.org"
    assert url_host("example.org") == ""


def test_finds_urls_in_references_templates_and_links_each_once() -> None:
    wikitext = (
        "A<ref>{{cite web|url=http://a.example/1?x=1&amp;y=2|title=T}}</ref> [http://b.example/2 label] "
        '<ref name="n">See http://c.example/3.</ref> (http://d.example/4) [//e.example/5 x] //not.example/6 '
        "again https://www.a.example/1?x=1&y=2 ''http://f.example/7''"
    )
    assert cited_urls(wikitext) == [
        "http://a.example/1?x=1&y=2",
        "http://b.example/2",
        "http://c.example/3",
        "http://d.example/4",
        "https://e.example/5",
        "http://f.example/7",
    ]


def test_keeps_brackets_that_belong_to_a_bare_url() -> None:
    assert cited_urls("http://a.example/x_(y)") == ["http://a.example/x_(y)"]


def test_unwraps_archived_copies() -> None:
    wikitext = (
        "[http://web.archive.org/web/20101010101010/http://a.example/x old] "
        "{{c|archiveurl=https://archive.is/2012/https://b.example/y}} "
        "[https://www.webcitation.org/query?url=http%3A%2F%2Fc.example%2Fz&date=2010 c] [http://archive.is/abcd d]"
    )
    assert cited_urls(wikitext) == ["http://a.example/x", "https://b.example/y", "http://c.example/z"]


def test_leaves_out_wikimedia_and_comments() -> None:
    wikitext = "[https://en.wikipedia.org/wiki/A a] http://tools.wmflabs.org/x <!-- http://a.example --> http://b.example/"
    assert cited_urls(wikitext) == ["http://b.example/"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "hostile", ["http://" * 100_000, "<!--" * 100_000, "[//" * 100_000, "http://a/%" * 50_000]
)
def test_takes_linear_time(hostile: str) -> None:
    assert len(cited_urls(hostile)) <= 1


def test_finds_the_urls_of_real_dumps(shared_data: Path) -> None:
    """Hosts of the list that was drawn from the dumps independently, the English 2014 excerpt."""
    import bz2
    import html

    name = "enwiki-2014-testdata-pages-articles.xml.bz2"
    xml = bz2.decompress((shared_data / "wikipedia" / name).read_bytes()).decode()
    assert len(cited_urls(html.unescape(xml))) > 6000
