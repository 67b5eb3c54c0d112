"""Packs the readable texts of `sources/` into the containers in which the seven sources are really published.

In: the folder `sources` beside this file, texts written for this project. Out: WARC and WET files with one gzip
member a record, MediaWiki exports in bz2, plain books, an arXiv bulk tar, Stack Exchange dumps (7z and a folder),
repository archives and a BigQuery-shaped Parquet trio, and C4 rows as JSON lines. Every date, identifier and
timestamp is fixed or derived from a URL, so that two runs write the same bytes. Defects that readers have to survive
are put in by rule.

    python examples/sample/build.py OUT
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import html
import io
import json
import os
import re
import sys
import tarfile
import tempfile
import uuid
import zlib
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import py7zr
import pyarrow as pa
import pyarrow.parquet as pq

SOURCES = Path(__file__).resolve().parent / "sources"
SEPARATOR = "\n=====\n"
CRAWLED = "T06:30:00Z"  # time of day of every capture; the day is the date of the page
EPOCH = 1_546_300_800  # 2019-01-01, the modification time of every archive member

WARC_FILES = {
    "sample-2019-00000.warc.gz": (
        "tidewatch", "spam", "ru-nebo", "crumbandcrust", "pl-zielnik", "everydayblog", "de-uhrwerk", "sv-skog",
    ),
    "sample-2020-00001.warc.gz": (
        "lanternhall", "fr-littoral", "hilltopsky", "zh-chaguan", "es-molino", "wrong-charset", "uk-bdzholy",
    ),
    "sample-2021-00002.warc.gz": (
        "spanandarch", "meadownotes", "ja-kouen", "it-bottega", "pt-rio", "cs-hodiny", "mirror",
    ),
    "field-crawl-2018.warc": ("harbourforum", "nl-dijk"),
}  # fmt: skip
WET_FILES = {"sample-2021-00003.warc.wet.gz": ("wet",)}

# The mirror repeats these pages with the edits below: near-duplicates, and many equal lines.
MIRRORED = (
    ("everydayblog", "/2015/03/moving-day"),
    ("everydayblog", "/2016/11/boiler"),
    ("spam", "/cheap-watches-best-price.html"),
)
MIRROR_EDITS = (("were great", "were really great"), ("half an hour", "thirty minutes"), ("2019", "2020"))

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"

NAMESPACES = {
    "en": ("Talk", "User", "File", "Template", "Category"),
    "de": ("Diskussion", "Benutzer", "Datei", "Vorlage", "Kategorie"),
    "fr": ("Discussion", "Utilisateur", "Fichier", "Modèle", "Catégorie"),
    "es": ("Discusión", "Usuario", "Archivo", "Plantilla", "Categoría"),
    "ru": ("Обсуждение", "Участник", "Файл", "Шаблон", "Категория"),
    "pl": ("Dyskusja", "Wikipedysta", "Plik", "Szablon", "Kategoria"),
}
NAMESPACE_KEYS = (1, 2, 6, 10, 14)

GUTENBERG_HEAD = """The Project Gutenberg eBook of {title}

This sample book follows the form of a Project Gutenberg text. It was written for this project.

Title: {title}

Language: English

*** START OF THE PROJECT GUTENBERG EBOOK {capitals} ***




"""
GUTENBERG_TAIL = """



*** END OF THE PROJECT GUTENBERG EBOOK {capitals} ***

Here the licence of the collection would follow, several pages of it, which a reader of books has to cut away.
"""
BOOK_EDITS = (
    ("half a mile off", "about half a mile off"),
    ("There are three things", "There be three things"),
    ("for eleven years", "for ten years"),
    ("a ham, and a clock", "a ham and a clock"),
    ("light and from the south", "light, from the south"),
)


@dataclass(frozen=True)
class Record:
    """One text of a source file: its `key: value` lines, and what follows the first blank line."""

    header: dict[str, str]
    body: str


def read_records(path: Path) -> list[Record]:
    """The records of a source file, which are separated by lines of five equals signs."""
    records = []
    for part in path.read_text(encoding="utf-8").rstrip("\n").split(SEPARATOR):
        head, _, body = part.partition("\n\n")
        pairs = (line.partition(":") for line in head.splitlines())
        records.append(Record({key.strip(): value.strip() for key, _, value in pairs}, body.strip("\n")))
    return records


def record_id(name: str) -> str:
    """A WARC record id which depends on nothing but the name."""
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}>"


def inline_html(text: str) -> str:
    """One line of Markdown as HTML: code, emphasis and bare links."""
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", text)
    return re.sub(r"&lt;(https?://[^&\s]+)&gt;", r'<a href="\1">\1</a>', text)


def markdown_html(text: str) -> str:
    """The blocks that the sources use: paragraphs, `##` headings, lists and fenced code."""
    blocks = []
    for block in re.findall(r"```.*?```|(?:(?!\n\n|```).)+", text, flags=re.DOTALL):
        lines = block.strip("\n").split("\n")
        if lines == [""]:
            continue
        if lines[0].startswith("```"):
            blocks.append(
                "<pre><code>" + html.escape("\n".join(lines[1:-1]), quote=False) + "\n</code></pre>"
            )
        elif lines[0].startswith("## "):
            blocks.append(f"<h2>{inline_html(lines[0][3:])}</h2>")
        elif re.match(r"- |\d+\. ", lines[0]):
            tag = "ul" if lines[0].startswith("- ") else "ol"
            items = "\n".join(
                f"<li>{inline_html(re.sub(r'^(- |[0-9]+[.] )', '', line))}</li>" for line in lines
            )
            blocks.append(f"<{tag}>\n{items}\n</{tag}>")
        else:
            blocks.append("<p>" + "<br>\n".join(inline_html(line) for line in lines) + "</p>")
    return "\n".join(blocks)


def page_html(site: dict[str, str], page: Record) -> bytes:
    """A page with the site's menu, notice and footer around it, in the site's encoding."""
    charset = site.get("charset", "utf-8")
    declared = site.get("declare", "meta")
    meta = f'<meta charset="{charset}">\n' if declared == "meta" else ""
    menu = "\n".join(
        f'<li><a href="/{i}">{html.escape(m)}</a></li>' for i, m in enumerate(site["menu"].split(" | "))
    )
    title = html.escape(page.header["title"], quote=False)
    name = html.escape(site["site"], quote=False)
    text = f"""<!DOCTYPE html>
<html lang="{site["language"]}">
<head>
{meta}<title>{title} - {name}</title>
<style>body {{ font: 1em/1.5 serif; max-width: 40em }} nav li {{ display: inline }}</style>
<script>window.visits = (window.visits || 0) + 1;</script>
</head>
<body>
<header><p class="site">{name}</p>
<nav><ul>
{menu}
</ul></nav></header>
<aside class="notice"><p>{html.escape(site["notice"], quote=False)}</p></aside>
<main><article>
<h1>{title}</h1>
<p class="date">{page.header["date"]}</p>
{markdown_html(page.body)}
</article></main>
<footer><p>{html.escape(site["footer"], quote=False)}</p></footer>
</body>
</html>
"""
    return text.encode(charset, errors="xmlcharrefreplace")


def page_text(site: dict[str, str], page: Record) -> bytes:
    """The same page as the plain text of a WET record."""
    lines = [*site["menu"].split(" | "), site["notice"], page.header["title"], page.header["date"]]
    paragraphs = [line for line in page.body.split("\n") if line]
    return "\n".join([*lines, *paragraphs, site["footer"], ""]).encode()


def load_site(name: str) -> tuple[dict[str, str], list[Record]]:
    """The header of a site and its pages; the site `mirror` is made from pages of others."""
    if name != "mirror":
        first, *pages = read_records(SOURCES / "pages" / f"{name}.md")
        return first.header, pages
    pages = []
    for origin, path in MIRRORED:
        (page,) = [p for p in load_site(origin)[1] if p.header["path"] == path]
        body = page.body
        for old, new in MIRROR_EDITS:
            body = body.replace(old, new)
        pages.append(Record(page.header, body))
    site = {
        "site": "Web Mirror", "host": "mirror.copied-pages.example", "language": "en", "menu": "Home | Latest | Top",
        "notice": "This page is a copy.", "footer": "Copied pages belong to their authors.",
    }  # fmt: skip
    return site, pages


def warc_record(kind: str, url: str, date: str, content_type: str, block: bytes) -> bytes:
    """One record of a WARC 1.0 file (ISO 28500:2009)."""
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Date: {date}{CRAWLED}",
        f"WARC-Record-ID: {record_id(f'{kind} {date} {url}')}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(block)}",
    ]
    lines.insert(4, f"WARC-Filename: {url}" if kind == "warcinfo" else f"WARC-Target-URI: {url}")
    return "\r\n".join([*lines, "", ""]).encode() + block + b"\r\n\r\n"


def capture(url: str, date: str, status: str, content_type: str, body: bytes) -> list[bytes]:
    """The three records of one capture as Common Crawl writes them: request, response, metadata."""
    _, _, host, path = url.split("/", 3)
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\n\r\n".encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    return [
        warc_record("request", url, date, "application/http; msgtype=request", request),
        warc_record("response", url, date, "application/http; msgtype=response", head + body),
        warc_record("metadata", url, date, "application/warc-fields", b"fetchTimeMs: 120\r\n"),
    ]


def damaged(member: bytes) -> bytes:
    """The gzip member with a run of bytes in its middle overwritten, which no reader can inflate."""
    middle = len(member) // 2
    broken = member[:middle] + b"\xff" * 24 + member[middle + 24 :]
    try:
        gzip.decompress(broken)
    except (OSError, EOFError, zlib.error):
        return broken
    raise AssertionError("the damaged member can still be inflated")


def build_common_crawl(out: Path) -> list[str]:
    """WARC and WET files; one member of the first file is damaged, in its middle."""
    written = []
    for name, sites in (WARC_FILES | WET_FILES).items():
        info = b"software: examples/sample/build.py\r\nformat: WARC File Format 1.0\r\n"
        records = [(warc_record("warcinfo", name, "2021-10-01", "application/warc-fields", info), False)]
        for site_name in sites:
            site, pages = load_site(site_name)
            content_type = "text/html"
            if site.get("declare") == "header":
                content_type += f"; charset={site['charset']}"
            elif site.get("declare") == "latin-1-for-utf-8":
                content_type += "; charset=iso-8859-1"
            for page in pages:
                url, date = f"https://{site['host']}{page.header['path']}", page.header["date"]
                if name in WET_FILES:
                    records.append(
                        (warc_record("conversion", url, date, "text/plain", page_text(site, page)), False)
                    )
                    continue
                captured = capture(url, date, "200 OK", content_type, page_html(site, page))
                records += [(record, "damage" in page.header and i == 1) for i, record in enumerate(captured)]
        if name == "sample-2019-00000.warc.gz":
            missing = b"<html><head><title>Not found</title></head><body><p>There is no such page.</p></body></html>"
            pixel = (
                b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
            )
            base = "https://www.tidewatch.example"
            extra = capture(f"{base}/gone", "2019-03-04", "404 Not Found", "text/html", missing)
            extra += capture(f"{base}/pixel.gif", "2019-03-04", "200 OK", "image/gif", pixel)
            records += [(record, False) for record in extra]
        path = out / "commoncrawl" / name
        with path.open("wb") as file:
            for record, broken in records:
                data = gzip.compress(record, 9, mtime=0) if name.endswith(".gz") else record
                file.write(damaged(data) if broken else data)
        written.append(f"commoncrawl/{name}")
    return written


def build_wikipedia(out: Path) -> list[str]:
    """One `pages-articles` export (format 0.11) for each language."""
    written = []
    for language, names in NAMESPACES.items():
        listed = "".join(
            f'      <namespace key="{k}" case="first-letter">{n}</namespace>\n'
            for k, n in zip(NAMESPACE_KEYS, names, strict=True)
        )
        schema = "http://www.mediawiki.org/xml/export-0.11"
        xml = [
            f'<mediawiki xmlns="{schema}/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            f'xsi:schemaLocation="{schema}/ {schema}.xsd" version="0.11" xml:lang="{language}">\n'
            f"  <siteinfo>\n    <sitename>Wikipedia</sitename>\n    <dbname>{language}wiki</dbname>\n"
            f"    <base>https://{language}.wikipedia.org/wiki/Sample</base>\n"
            f"    <generator>MediaWiki 1.36.0</generator>\n    <case>first-letter</case>\n    <namespaces>\n"
            f'      <namespace key="0" case="first-letter" />\n{listed}    </namespaces>\n  </siteinfo>\n'
        ]
        for record in read_records(SOURCES / "wiki" / f"{language}.wiki"):
            head, size = record.header, len(record.body.encode())
            redirect = f"    <redirect title={quoteattr(head['redirect'])} />\n" if "redirect" in head else ""
            xml.append(
                f"  <page>\n    <title>{escape(head['title'])}</title>\n    <ns>{head.get('ns', '0')}</ns>\n"
                f"    <id>{head['id']}</id>\n{redirect}    <revision>\n      <id>{head['id']}001</id>\n"
                f"      <timestamp>{head['timestamp']}</timestamp>\n"
                "      <contributor>\n        <username>Sample</username>\n        <id>1</id>\n      </contributor>\n"
                "      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
                f'      <text bytes="{size}" xml:space="preserve">{escape(record.body)}</text>\n'
                f"      <sha1>{hashlib.sha1(record.body.encode()).hexdigest()}</sha1>\n"
                "    </revision>\n  </page>\n"
            )
        name = f"wikipedia/{language}wiki-sample-pages-articles.xml.bz2"
        (out / name).write_bytes(bz2.compress("".join([*xml, "</mediawiki>\n"]).encode()))
        written.append(name)
    return written


def build_books(out: Path) -> list[str]:
    """Three books and one that repeats the first with a few edits and without its header."""
    books = {p.name: p.read_text(encoding="utf-8") for p in sorted((SOURCES / "books").glob("*.txt"))}
    first = "the-keeper-of-merrow-head.txt"
    copy = books[first]
    for old, new in BOOK_EDITS:
        assert old in copy, old
        copy = copy.replace(old, new)
    title = "The Keeper of Merrow Head"
    frame = {"title": title, "capitals": title.upper()}
    books[first] = GUTENBERG_HEAD.format(**frame) + books[first] + GUTENBERG_TAIL.format(**frame)
    books["merrow-head-reprint.txt"] = copy
    for name, text in books.items():
        (out / "books" / name).write_bytes(text.encode())
    return [f"books/{name}" for name in sorted(books)]


def tar_bytes(members: dict[str, bytes], executable: tuple[str, ...] = (".sh",)) -> bytes:
    """A tar of regular files in the given order, with fixed owner, mode and time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), EPOCH
            info.mode = 0o755 if name.endswith(executable) else 0o644
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def build_arxiv(out: Path) -> list[str]:
    """A bulk tar: papers of several files and of one, a paper without source, and a damaged one."""
    members: dict[str, bytes] = {}
    for path in sorted((SOURCES / "arxiv").glob("*.files")):
        head, *files = read_records(path)
        encoding = head.header.get("encoding", "utf-8")
        texts = {f.header["path"]: (f.body + "\n").encode(encoding) for f in files}
        single = head.header["container"] == "tex.gz"
        data = next(iter(texts.values())) if single else tar_bytes(texts)
        members[f"2401/{path.stem}.gz"] = gzip.compress(data, 9, mtime=0)
    members["2401/2401.00005.pdf"] = PDF
    members["2401/2401.00006.gz"] = damaged(members["2401/2401.00002.gz"])
    name = "arxiv/arXiv_src_2401_001.tar"
    (out / name).write_bytes(tar_bytes(members))
    return [name]


LINKS = (("AcceptedAnswerId", "accepted"), ("ParentId", "parent"))
LICENSES = (("2011-04-08", "2.5"), ("2018-05-02", "3.0"), ("9", "4.0"))  # dates on which the version changed


def posts_xml(path: Path) -> bytes:
    """`Posts.xml` of a Stack Exchange dump with the attributes of the real one."""
    posts = read_records(path)
    answers = [p.header.get("parent") for p in posts]
    rows = []
    for post in posts:
        head = post.header
        number, asked = int(head["id"]), "title" in head
        row = {"Id": head["id"], "PostTypeId": head.get("type", "1" if asked else "2")}
        row |= {
            name: head[key]
            for name, key in (("AcceptedAnswerId", "accepted"), ("ParentId", "parent"))
            if key in head
        }
        row |= {"CreationDate": head["date"] + ".000", "Score": head.get("score", "0")}
        if asked:
            row["ViewCount"] = str(100 + 37 * number)
        row |= {"Body": markdown_html(post.body) + "\n", "OwnerUserId": str(1 + number % 17)}
        row["LastActivityDate"] = head["date"] + ".000"
        if asked:
            tags = "".join(f"<{tag}>" for tag in head["tags"].split())
            row |= {"Title": head["title"], "Tags": tags, "AnswerCount": str(answers.count(head["id"]))}
        version = next(
            v
            for until, v in (("2011-04-08", "2.5"), ("2018-05-02", "3.0"), ("9", "4.0"))
            if head["date"] < until
        )
        row |= {"CommentCount": "0", "ContentLicense": f"CC BY-SA {version}"}
        rows.append(
            "  <row " + " ".join(f"{k}={quoteattr(v, {chr(10): '&#xA;'})}" for k, v in row.items()) + " />\n"
        )
    return ('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "".join(rows) + "</posts>\n").encode()


def build_stackexchange(out: Path) -> list[str]:
    """One site as a 7z archive, the other as a folder with `Posts.xml`."""
    folder = SOURCES / "stackexchange"
    plain = "stackexchange/tinyprograms.example.com/Posts.xml"
    (out / plain).parent.mkdir(exist_ok=True)
    (out / plain).write_bytes(posts_xml(folder / "tinyprograms.example.com.md"))
    packed = "stackexchange/boats.example.com.7z"
    with tempfile.TemporaryDirectory() as scratch:
        posts = Path(scratch) / "Posts.xml"
        posts.write_bytes(posts_xml(folder / "boats.example.com.md"))
        posts.chmod(0o644)
        os.utime(posts, (EPOCH, EPOCH))
        with py7zr.SevenZipFile(out / packed, "w") as archive:
            archive.write(posts, "Posts.xml")
    return [packed, plain]


def minified(script: str) -> str:
    """A script on one line: comments and line ends out."""
    lines = (line.strip() for line in script.splitlines())
    return "".join(line for line in lines if not line.startswith("//")) + "\n"


def repository_files(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """The header of a repository and its files, with the licence text among them."""
    head, *files = read_records(path)
    licence = (SOURCES / "github" / "licenses" / f"{head.header['license']}.txt").read_text(encoding="utf-8")
    texts = {
        "LICENSE": licence.replace("{year}", head.header["year"]).replace("{holder}", head.header["holder"])
    }
    for file in files:
        rule = file.header.get("rule", "")
        texts[file.header["path"]] = minified(texts[rule.split()[1]]) if rule else file.body + "\n"
    return head.header, {name: text.encode() for name, text in texts.items()}


def build_github(out: Path) -> list[str]:
    """Archives of four repositories, and one more in the shape of the BigQuery export."""
    written = []
    for path in sorted((SOURCES / "github").glob("*.files")):
        if path.stem == "export":
            continue
        _, files = repository_files(path)
        name = f"github/{path.stem}-1.0.tar.gz"
        members = {f"{path.stem}-1.0/{file}": data for file, data in files.items()}
        (out / name).write_bytes(gzip.compress(tar_bytes(members), 9, mtime=0))
        written.append(name)
    head, files = repository_files(SOURCES / "github" / "export.files")
    blobs = {file: hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() for file, data in files.items()}
    size = pa.int64()
    contents = pa.table(
        {
            "id": list(blobs.values()),
            "size": pa.array([len(data) for data in files.values()], size),
            "content": [data.decode() for data in files.values()],
            "binary": [False] * len(files),
            "copies": pa.array([1] * len(files), size),
        }
    )
    listing = pa.table(
        {
            "repo_name": [head["repository"]] * len(files),
            "ref": ["refs/heads/main"] * len(files),
            "path": list(files),
            "mode": pa.array([33188] * len(files), size),
            "id": list(blobs.values()),
            "symlink_target": pa.array([None] * len(files), pa.string()),
        }
    )
    licenses = pa.table({"repo_name": [head["repository"]], "license": [head["license"].lower()]})
    for kind, table in (("contents", contents), ("files", listing), ("licenses", licenses)):
        name = f"github/{kind}-000000000000.parquet"
        pq.write_table(table, out / name)
        written.append(name)
    return written


def build_c4(out: Path) -> list[str]:
    """Two files of JSON lines; rows go to them by turns."""
    rows = [
        {"text": r.body, "timestamp": r.header["time"], "url": r.header["url"]}
        for r in read_records(SOURCES / "c4" / "rows.md")
    ]
    written = []
    for part in range(2):
        name = f"c4/c4-train.{part:05d}-of-00002.json.gz"
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[part::2])
        (out / name).write_bytes(gzip.compress(lines.encode(), 9, mtime=0))
        written.append(name)
    return written


BUILDERS = {
    "commoncrawl": build_common_crawl,
    "c4": build_c4,
    "github": build_github,
    "wikipedia": build_wikipedia,
    "books": build_books,
    "arxiv": build_arxiv,
    "stackexchange": build_stackexchange,
}


def build(out: Path) -> dict[str, list[str]]:
    """Writes all containers under `out` and names them by source, as paths relative to `out`."""
    written = {}
    for source, builder in BUILDERS.items():
        (out / source).mkdir(parents=True, exist_ok=True)
        written[source] = builder(out)
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/sample/build.py OUT")
    json.dump(build(Path(sys.argv[1])), sys.stdout, indent=2)
    print()
