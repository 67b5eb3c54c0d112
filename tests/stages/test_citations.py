from pathlib import Path

import mwparserfromhell
import pytest

from stages.citations import cited_urls, normalize_url, url_host
from stages.document import Document
from stages.sources.wikipedia import Wikipedia


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
        ("https://example.org/a?UTM_Medium=x&gclid=1&c=3&c=2", "example.org/a?c=3&c=2"),
        ("http://www.example.org//a//", "example.org//a"),
        ("http://example.org/%2f%2F%61", "example.org/%2F%2Fa"),
        ("http://EXAMPLE.org./#!/x", "example.org"),
        ("http://пример.испытание/путь", "xn--e1afmkfd.xn--80akhbyknj4f/%D0%BF%D1%83%D1%82%D1%8C"),
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


@pytest.mark.parametrize(
    ("wikitext", "urls"),
    [
        # A named reference counts where it is defined, whether used before or after, and once.
        (
            '<ref name="a" /> x<ref name="a">{{cite web|url=http://a.example/1}}</ref> y<ref name=a/>',
            ["http://a.example/1"],
        ),
        ("<references><ref name=b>http://b.example/2</ref></references>", ["http://b.example/2"]),
        ("<ref\n group='n'>[http://c.example/3\ttitle]</ref>", ["http://c.example/3"]),
        # The cited page is `url`; its copy in an archive is the same page.
        (
            "{{cite web |url=http://a.example/x |archive-url=https://web.archive.org/web/20100101000000/http://www.a.example/x}}",
            ["http://a.example/x"],
        ),
        (
            "{{cite web| url = //a.example/x |archiveurl= //b.example/y}}",
            ["https://a.example/x", "https://b.example/y"],
        ),
        ("a == //b.example and x = y //c.example", ["https://b.example"]),
        ("[http://a.example/x''y'' z]", ["http://a.example/x"]),
        ("http://a.example/x\u3000日本", ["http://a.example/x"]),
        ("{{url|http://a.example/x}}|http://b.example/y\n|}", ["http://a.example/x", "http://b.example/y"]),
    ],
)
def test_reads_references_as_editors_write_them(wikitext: str, urls: list[str]) -> None:
    assert cited_urls(wikitext) == urls


# The web citation template of each of the paper's languages; names differ, and so do those of the parameter.
TEMPLATES = """
bg Цитат уеб|уеб_адрес; ca Ref-web|url; cs Citace elektronické monografie|url; da Kilde www|url; de Internetquelle|url;
en Cite web|url; es Cita web|url; fr Lien web|url; hr Citiranje weba|url; hu CitWeb|url; it Cita web|url;
nl Citeer web|url; pl Cytuj stronę|url; pt Citar web|url; ro Citat web|url; ru Публикация|ссылка; sl Navedi splet|url;
sr Cite web|url; sv Webbref|url; uk Cite web|url
"""


def test_reads_the_citation_templates_of_all_twenty_languages() -> None:
    entries = [entry.split() for entry in TEMPLATES.replace("\n", " ").split(";")]
    assert len({language for language, *_ in entries}) == 20
    for language, *words in entries:
        name, _, parameter = " ".join(words).partition("|")
        wikitext = f"<ref>{{{{{name} |{parameter} = https://{language}.example/a |titel=T}}}}</ref>"
        assert cited_urls(wikitext) == [f"https://{language}.example/a"], wikitext


@pytest.mark.parametrize(
    ("copy", "page"),
    [
        ("http://web.archive.org/web/20101010101010/http://a.example/x", "http://a.example/x"),
        ("https://web.archive.org/web/2010*/http://a.example/x", "http://a.example/x"),
        ("https://web.archive.org/web/*/https://a.example/x", "https://a.example/x"),
        (
            "https://web.archive.org/web/20101010101010if_/http://a.example/?u=http://b.example/",
            "http://a.example/?u=http://b.example/",
        ),
        ("https://www.archive.org/web/2010/www.a.example/x", "http://www.a.example/x"),
        ("http://web.archive.org/http:/a.example/x", "http://a.example/x"),
        ("https://archive.is/2012.05.24-204723/https://a.example/x", "https://a.example/x"),
        ("https://www.webcitation.org/query?url=http%3A%2F%2Fa.example%2Fx&date=2010", "http://a.example/x"),
        ("https://archive.wikiwix.com/cache/?url=http%3A%2F%2Fa.example%2F&x=1", "http://a.example/"),
        ("http://arquivo.pt/wayback/20090714235317/http%3A//a%2Eexample/x&y", "http://a.example/x&y"),
        ("https://wayback.archive-it.org/all/20080816140547/http://a.example/x", "http://a.example/x"),
        ("http://webarchive.nationalarchives.gov.uk/20130107175733/http://a.example/x", "http://a.example/x"),
    ],
)
def test_a_copy_in_an_archive_stands_for_its_page(copy: str, page: str) -> None:
    assert cited_urls(f"[{copy} copy]") == [page]
    assert cited_urls(f"{{{{c|archiveurl={copy}|t}}}}") == [page]


@pytest.mark.parametrize(
    "url",
    [
        "https://archive.org/details/book",
        "http://a.example/redirect?to=http://b.example/",
        "http://a.example/2010/http://b.example/",
    ],
)
def test_a_page_that_only_names_another_stands_for_itself(url: str) -> None:
    assert cited_urls(f"[{url} x]") == [url]


@pytest.mark.parametrize(
    "url", ["http://archive.is/abcd", "https://perma.cc/AB12", "https://web.archive.org/web/2010"]
)
def test_a_copy_that_does_not_say_of_what_is_left_out(url: str) -> None:
    assert cited_urls(f"[{url} x]") == []


def test_leaves_out_wikimedia_and_comments() -> None:
    wikitext = "[https://en.wikipedia.org/wiki/A a] http://tools.wmflabs.org/x <!-- http://a.example --> http://b.example/"
    assert cited_urls(wikitext) == ["http://b.example/"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "hostile",
    [
        "http://" * 100_000,
        "<!--" * 100_000,
        "[//" * 100_000,
        "http://a/%" * 50_000,
        "=" + " " * 500_000 + "//a.example ",
        "http://web.archive.org/web/" + "1" * 500_000,
        "= //" * 100_000,
    ],
)
def test_takes_linear_time(hostile: str) -> None:
    assert len(cited_urls(hostile)) <= 1


def test_finds_what_a_parser_of_wikitext_finds_in_real_articles(shared_data: Path) -> None:
    """Every external link that mwparserfromhell sees in articles of eight languages."""
    found = expected = 0
    for path in sorted((shared_data / "wikipedia").glob("*wiki-minidump-*.bz2")):
        if path.name[:2] not in ("bg", "ca", "cs", "es", "fr", "hu", "pl", "sv"):
            continue
        with path.open("rb") as stream:
            for document in Wikipedia().read(stream, path.name):
                if isinstance(document, Document):
                    mine = {normalize_url(url) for url in cited_urls(document.text)}
                    for link in mwparserfromhell.parse(document.text).filter_external_links():
                        for url in cited_urls(f"[{link.url} x]"):
                            expected += 1
                            assert normalize_url(url) in mine, (document.id, url)
                    found += len(mine)
    assert found > 250
    assert expected >= found
