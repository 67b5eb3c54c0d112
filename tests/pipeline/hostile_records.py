"""Hostile records among good ones: web archives, C4's rows, pages of Wikipedia, posts."""

from __future__ import annotations

import bz2
import json
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.pipeline.hostile_making import BOMB, Expected, flipped, gz, prose


def page(name: str, html: bytes | None = None, content_type: str = "text/html; charset=utf-8") -> bytes:
    """A response record of one page, packed."""
    body = html if html is not None else f"<html><body><p>{prose(name)}</p></body></html>".encode()
    block = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{name}>\r\n"
        f"WARC-Target-URI: http://{name}.example/\r\nWARC-Date: 2020-01-01T00:00:00Z\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return gz(head.encode() + block + b"\r\n\r\n")


def commoncrawl(folder: Path) -> Expected:
    latin = f"<html><body><p>caf\xe9 {prose('latin')}</p></body></html>".encode("latin-1")
    nul = f"<html><body><p>{prose('nul')}\0\0</p></body></html>".encode()
    deep = b"<div>" * 20_000 + prose("deep").encode()
    (folder / "good.warc.gz").write_bytes(page("alder") + page("birch"))
    (folder / "hostile.warc.gz").write_bytes(
        page("cedar")
        + flipped(page("spoiled"), 200)
        + page("wrong-charset", latin)
        + page("nul", nul)
        + page("bomb", BOMB)
        + page("deep", deep)
        + page("elm")
    )
    (folder / "cut.warc.gz").write_bytes(page("fir") + page("cut")[:-40])
    return Expected(
        {
            ("good.warc.gz", "http://alder.example/"): prose("alder"),
            ("good.warc.gz", "http://birch.example/"): prose("birch"),
            ("hostile.warc.gz", "http://cedar.example/"): prose("cedar"),
            ("hostile.warc.gz", "http://wrong-charset.example/"): f"café {prose('latin')}",
            ("hostile.warc.gz", "http://nul.example/"): prose("nul"),
            ("hostile.warc.gz", "http://elm.example/"): prose("elm"),
            ("cut.warc.gz", "http://fir.example/"): prose("fir"),
        },
        Counter(
            [
                ("hostile.warc.gz", "damaged_record"),
                ("hostile.warc.gz", "record_too_large"),
                ("hostile.warc.gz", "html_too_complex"),
                ("cut.warc.gz", "damaged_record"),
            ]
        ),
    )


def row(name: str, **changes: object) -> bytes:
    values = {"text": prose(name), "timestamp": "2019-04-25T12:57:54Z", "url": f"http://{name}.example/"}
    return json.dumps({**values, **changes}).encode() + b"\n"


def c4(folder: Path) -> Expected:
    (folder / "good.json.gz").write_bytes(gz(row("alder") + row("birch")))
    hostile = [
        row("cedar"),
        b'{"text": "cut short\n',
        b"[" * 100_000 + b"\n",
        b"[1, 2]\n",
        row("no-text", text=None),
        row("lone", text="a lone \ud800 surrogate"),
        row("nul", text="nul \0 " + prose("nul")),
        b'{"text": "\xff\xfe", "url": "http://bytes.example/", "timestamp": "2019-04-25T12:57:54Z"}\n',
        row("long", text="word " * 20_000),
        row("elm"),
    ]
    (folder / "hostile.json.gz").write_bytes(gz(b"".join(hostile)))
    return Expected(
        {
            ("good.json.gz", "http://alder.example/"): prose("alder"),
            ("good.json.gz", "http://birch.example/"): prose("birch"),
            ("hostile.json.gz", "http://cedar.example/"): prose("cedar"),
            ("hostile.json.gz", "http://lone.example/"): "a lone \ufffd surrogate",
            ("hostile.json.gz", "http://nul.example/"): prose("nul"),
            ("hostile.json.gz", "http://elm.example/"): prose("elm"),
        },
        {("hostile.json.gz", "damaged_record"): 4, ("hostile.json.gz", "record_too_large"): 2},
    )


SITE = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en"><siteinfo>'
    "<sitename>Wikipedia</sitename><dbname>enwiki</dbname><base>https://en.wikipedia.org/wiki/Main_Page</base>"
    '<case>first-letter</case><namespaces><namespace key="0" case="first-letter"/>'
    '<namespace key="1" case="first-letter">Talk</namespace></namespaces></siteinfo>\n'
)


def article(number: int, text: str, title: str | None = None) -> str:
    return (
        f"<page><title>{title or f'Page {number}'}</title><ns>0</ns><id>{number}</id><revision><id>{number}</id>"
        f'<timestamp>2022-06-01T00:00:00Z</timestamp><text xml:space="preserve">{text}</text></revision></page>\n'
    )


def wikipedia(folder: Path) -> Expected:
    end = "</mediawiki>"
    good = SITE + article(1, prose("alder")) + article(2, prose("birch")) + end
    (folder / "enwiki-good.xml.bz2").write_bytes(bz2.compress(good.encode()))
    hostile = [
        article(11, prose("cedar")),
        article(12, "an entity that is not &there;"),
        article(13, "a control \x01 and a nul \0 " + prose("nul")),
        article(14, "no end of the text").replace("</text>", ""),
        article(15, "long " * 100_000),
        article(16, "{{" * 50_000 + " " + prose("braces")),
        article(17, "[[" * 50_000 + " " + prose("brackets")),
        article(18, "{| " * 20_000 + " " + prose("tables")),
        article(19, "&lt;ref&gt;" * 20_000 + " " + prose("refs")),
        article(20, prose("wrong")).replace("<id>20</id><revision>", "<id>twenty</id><revision>"),
        article(21, prose("elm")),
    ]
    (folder / "enwiki-hostile.xml.bz2").write_bytes(bz2.compress((SITE + "".join(hostile) + end).encode()))
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = (
        f'<!DOCTYPE mediawiki [<!ENTITY l0 "lol">{entities}]>'
        + SITE
        + article(31, "&l9;")
        + article(32, prose("fir"))
    )
    (folder / "enwiki-entities.xml").write_text(bomb + end, encoding="utf-8")
    streams = [
        bz2.compress(part.encode()) for part in (SITE, article(41, prose("gum")), article(42, prose("cut")))
    ]
    (folder / "enwiki-cut.xml.bz2").write_bytes(b"".join(streams)[:-30])
    wrong = (
        SITE.encode()
        + article(51, prose("hazel")).encode()
        + b"<page>"
        + bytes(range(128, 256))
        + b"</page>\n"
    )
    (folder / "enwiki-bytes.xml").write_bytes(wrong + article(52, prose("ivy")).encode() + end.encode())
    return Expected(
        {
            ("enwiki-good.xml.bz2", "en:1"): prose("alder"),
            ("enwiki-good.xml.bz2", "en:2"): prose("birch"),
            ("enwiki-hostile.xml.bz2", "en:11"): prose("cedar"),
            ("enwiki-hostile.xml.bz2", "en:17"): prose("brackets"),
            ("enwiki-hostile.xml.bz2", "en:19"): prose("refs"),
            ("enwiki-hostile.xml.bz2", "en:21"): prose("elm"),
            ("enwiki-entities.xml", "en:32"): prose("fir"),
            ("enwiki-cut.xml.bz2", "en:41"): prose("gum"),
            ("enwiki-bytes.xml", "en:51"): prose("hazel"),
            ("enwiki-bytes.xml", "en:52"): prose("ivy"),
        },
        {
            ("enwiki-hostile.xml.bz2", "damaged_record"): 4,
            ("enwiki-hostile.xml.bz2", "page_too_long"): 1,
            (
                "enwiki-hostile.xml.bz2",
                "no_text",
            ): 2,  # braces and tables that never end hold all that follows
            ("enwiki-entities.xml", "damaged_record"): 1,
            ("enwiki-cut.xml.bz2", "damaged_record"): 1,
            ("enwiki-cut.xml.bz2", "truncated_file"): 1,
            ("enwiki-bytes.xml", "damaged_record"): 1,
        },
    )


def post(number: int, body: str, **changes: str) -> bytes:
    values = {
        "Id": str(number),
        "PostTypeId": "1",
        "CreationDate": "2015-01-01T00:00:00.000",
        "Score": "3",
        "Title": f"Question {number}",
        "Tags": "<tag>",
        "Body": body,
        **changes,
    }
    return f"  <row {' '.join(f'{name}={quoteattr(value)}' for name, value in values.items())} />\n".encode()


def stackexchange(folder: Path) -> Expected:
    head, end = b'<?xml version="1.0" encoding="utf-8"?>\n', b"</posts>\n"
    good = head + b"<posts>\n" + post(1, prose("alder")) + post(2, prose("birch")) + end
    hostile = [
        post(11, f"<p>{prose('cedar')}</p>"),
        b'  <row Id="12" PostTypeId="1" Body="no end />\n',
        b'  <row Id="13" PostTypeId="1" Title="t" CreationDate="2015-01-01T00:00:00.000" Body="&there;" />\n',
        b'  <row Id="14" PostTypeId="1" Title="t" CreationDate="2015-01-01T00:00:00.000" Body="a \x01 b" />\n',
        b'  <row Id="15" PostTypeId="1" Title="t" CreationDate="2015-01-01T00:00:00.000" Body="\xff\xfe" />\n',
        post(16, "long " * 20_000),
        post(17, "<div>" * 5_000 + prose("deep")),
        post(18, f"<p>{prose('elm')}", PostTypeId="2", ParentId="11"),
        post(19, "an answer to nothing", PostTypeId="2", ParentId="999"),
        post(11, "the same id again"),
        post(20, f"<p>{prose('fir')}</p>"),
    ]
    entities = b'<!DOCTYPE posts [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
    expanded = post(31, "BOMB").replace(b"BOMB", b"&b;")
    files = {
        "good.example.com": good,
        "hostile.example.com": head + b"<posts>\n" + b"".join(hostile) + end,
        "entities.example.com": head + entities + b"<posts>\n" + expanded + post(32, prose("gum")) + end,
        "cut.example.com": head + b"<posts>\n" + post(41, prose("hazel")) + post(42, prose("cut"))[:-90],
    }
    for site, content in files.items():
        (folder / site).mkdir()
        (folder / site / "Posts.xml").write_bytes(content)
    return Expected(
        {
            ("good.example.com/Posts.xml", "good.example.com:1"): prose("alder"),
            ("good.example.com/Posts.xml", "good.example.com:2"): prose("birch"),
            (
                "hostile.example.com/Posts.xml",
                "hostile.example.com:11",
            ): f"{prose('cedar')}\n\nA: {prose('elm')}",
            ("hostile.example.com/Posts.xml", "hostile.example.com:14"): "a b",
            ("hostile.example.com/Posts.xml", "hostile.example.com:17"): prose("deep"),
            ("hostile.example.com/Posts.xml", "hostile.example.com:20"): prose("fir"),
            ("entities.example.com/Posts.xml", "entities.example.com:32"): prose("gum"),
            ("cut.example.com/Posts.xml", "cut.example.com:41"): prose("hazel"),
        },
        {
            ("hostile.example.com/Posts.xml", "damaged_record"): 3,
            ("hostile.example.com/Posts.xml", "post_too_long"): 1,
            ("hostile.example.com/Posts.xml", "answer_without_question"): 1,
            ("hostile.example.com/Posts.xml", "duplicate_post"): 1,
            ("entities.example.com/Posts.xml", "damaged_record"): 1,
            ("cut.example.com/Posts.xml", "damaged_record"): 1,
            ("cut.example.com/Posts.xml", "truncated_file"): 1,
        },
    )
