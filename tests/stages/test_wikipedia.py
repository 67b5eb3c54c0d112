import bz2
import io
import time
import tracemalloc
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stages.document import Document, Rejected
from stages.sources.wikipedia import Wikipedia

HEAD = (
    '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.{v}/" version="0.{v}" xml:lang="en">\n<siteinfo>'
    "<dbname>enwiki</dbname><base>https://en.wikipedia.org/wiki/Main_Page</base>"
    '<namespaces><namespace key="0" /><namespace key="1">Talk</namespace></namespaces></siteinfo>\n'
)
TAIL = "</mediawiki>\n"


def page(
    id: int, text: str = "Text", title: str = "A b", extra: str = "<ns>0</ns>", date: str = "2020-01-02"
) -> str:
    return (
        f"<page><title>{title}</title>{extra}<id>{id}</id><revision><id>9</id><timestamp>{date}T03:04:05Z</timestamp>"
        f'<text xml:space="preserve">{text}</text></revision></page>\n'
    )


def export(*pages: str, version: int = 10) -> str:
    return HEAD.format(v=version) + "".join(pages) + TAIL


def read(
    data: str | bytes, name: str = "dump.xml", reader: Wikipedia | None = None
) -> list[Document | Rejected]:
    raw = data.encode() if isinstance(data, str) else data
    return list((reader or Wikipedia()).read(io.BytesIO(raw), name))


def brief(results: list[Document | Rejected]) -> list[str]:
    return [r.reason if isinstance(r, Rejected) else r.id for r in results]


def test_reads_a_page_with_all_that_is_known_of_it() -> None:
    xml = export(page(7, "'''x''' [http://a.example y] &amp;lt; {{disambig}}", title="A &amp; é"))
    [document] = read(xml)
    assert isinstance(document, Document)
    assert document.id == "en:7"
    assert document.text == "'''x''' [http://a.example y] &lt; {{disambig}}"
    assert document.title == "A & é"
    assert document.url == "https://en.wikipedia.org/wiki/A_%26_%C3%A9"
    assert document.created == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (document.license, document.language) == ("CC-BY-SA-3.0", "en")
    assert document.metadata == {"cited_urls": "http://a.example", "disambiguation": "true"}
    place = document.origin
    assert xml.encode()[place.offset : place.offset + place.length].startswith(b"<page>")
    assert xml.encode()[: place.offset + place.length].endswith(b"</page>")


def test_dates_the_license() -> None:
    results = read(export(page(1, date="2023-06-06"), page(2, date="2023-06-07")))
    assert [r.license for r in results if isinstance(r, Document)] == ["CC-BY-SA-3.0", "CC-BY-SA-4.0"]


def test_a_page_without_a_date_has_no_license() -> None:
    [document] = read(export(page(1).replace("2020-01-02T03:04:05Z", "yesterday")))
    assert isinstance(document, Document)
    assert (document.created, document.license) == (None, None)


def revision(text: str, date: str) -> str:
    return f"<revision><id>1</id><timestamp>{date}T00:00:00Z</timestamp><text>{text}</text></revision>"


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [
        ((("a", "2020-01-01"), ("b", "2021-01-01")), "b"),
        ((("a", "2021-01-01"), ("imported", "2011-01-01")), "a"),  # ids rise, times need not
        ((("a", "2021-01-01"), ("b", "2021-01-01")), "b"),
        ((("a", "2021-01-01"), ("no date", "?")), "a"),
    ],
)
def test_of_a_page_with_its_history_the_newest_revision_is_kept(
    revisions: tuple[tuple[str, str], ...], expected: str
) -> None:
    history = "".join(revision(text, date) for text, date in revisions)
    start, _, rest = page(1).partition("<revision>")
    [document] = read(export(start + history + rest.partition("</revision>")[2]))
    assert isinstance(document, Document)
    assert document.text == expected


# The first word in MediaWiki's languages/messages/Messages*.php, `magicWords`, and the template of each wiki's
# MediaWiki:Disambiguationspage.
OF_LANGUAGES = {
    "bg": ("пренасочване", "Пояснение"),
    "ca": ("REDIRECT", "Desambiguació"),
    "cs": ("PŘESMĚRUJ", "Rozcestník"),
    "da": ("OMDIRIGERING", "Flertydig"),
    "de": ("WEITERLEITUNG", "Begriffsklärung"),
    "en": ("REDIRECT", "Disambiguation"),
    "es": ("REDIRECCIÓN", "Desambiguación"),
    "fr": ("REDIRECTION", "Homonymie"),
    "hr": ("PREUSMJERI", "Razdvojba"),
    "hu": ("ÁTIRÁNYÍTÁS", "Egyért"),
    "it": ("RINVIA", "Disambigua"),
    "nl": ("DOORVERWIJZING", "Dp"),
    "pl": ("PATRZ", "Ujednoznacznienie"),
    "pt": ("REDIRECIONAMENTO", "Desambiguação"),
    "ro": ("REDIRECTEAZA", "Dezambiguizare"),
    "ru": ("ПЕРЕНАПРАВЛЕНИЕ", "Неоднозначность"),
    "sl": ("PREUSMERITEV", "Razločitev"),
    "sr": ("ПРЕУСМЕРИ", "Вишезначна одредница"),
    "sv": ("OMDIRIGERING", "Förgrening"),
    "uk": ("ПЕРЕНАПРАВЛЕННЯ", "Багатозначність"),
}


@pytest.mark.parametrize("language", OF_LANGUAGES)
def test_marks_redirects_and_disambiguations_in_every_language_of_the_paper(language: str) -> None:
    word, template = OF_LANGUAGES[language]
    pages = (page(1, f"#{word} [[A]]"), page(2, f"#{word.lower()}: [[A]]"), page(3, f"A. {{{{{template}}}}}"))
    results = read(export(*pages, page(4, "{{Infobox}} A.")), f"{language}wiki-20220601-pages-articles.xml")
    assert brief(results) == ["redirect", "redirect", f"{language}:3", f"{language}:4"]
    marks = [r.metadata.get("disambiguation") for r in results if isinstance(r, Document)]
    assert marks == ["true", None]


def test_rejects_what_is_no_article() -> None:
    results = read(
        export(
            page(1, title="Talk:X", extra="<ns>1</ns>"),
            page(2, extra='<ns>0</ns><redirect title="B" />'),
            page(3, text="#REDIRECT [[B]]"),
            page(4, text="# one [[B]]"),
        )
    )
    assert brief(results) == ["not_an_article", "redirect", "redirect", "en:4"]


def test_reads_exports_without_namespace_numbers() -> None:
    results = read(
        export(page(1, title="Talk:X", extra=""), page(2, title="Alien: Covenant", extra=""), version=3)
    )
    assert brief(results) == ["not_an_article", "en:2"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_reads_other_encodings(encoding: str) -> None:
    [document] = read(export(page(1, text="žluť")).encode(encoding))
    assert isinstance(document, Document)
    assert document.text == "žluť"


def test_reads_a_comment_before_the_root() -> None:
    assert brief(read('<?xml version="1.0"?>\n<!-- <b> -->\n' + export(page(1)))) == ["en:1"]


def test_reads_multistream_bz2() -> None:
    streams = [HEAD.format(v=11), page(1), page(2) + page(3), TAIL]
    data = b"".join(bz2.compress(s.encode()) for s in streams)
    assert brief(read(data, "x.xml.bz2")) == ["en:1", "en:2", "en:3"]


def test_takes_the_language_of_the_file_name_first() -> None:
    assert brief(read(export(page(1)), "/a/be_x_oldwiki-20200101-pages-articles.xml")) == ["be-x-old:1"]


def test_a_damaged_page_costs_only_itself() -> None:
    xml = export(
        page(1), page(2).replace("</text>", ""), page(3), "<page><title>cut", page(4), page(5, "&evil;")
    )
    assert brief(read(xml)) == ["en:1", "damaged_record", "en:3", "damaged_record", "en:4", "damaged_record"]


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(page(2, "a\0b"), id="nul_byte"),
        pytest.param(page(2, "\ufffe"), id="no_character_of_xml"),
        pytest.param(page(2, "<a>" * 100_000 + "</a>" * 100_000), id="deep_xml"),
        pytest.param(page(2, "<a/>" * 2_000_001), id="millions_of_tags"),
        pytest.param("<!DOCTYPE a [<!ENTITY b 'bbb'>]>" + page(2, "&b;"), id="entity_before_the_page"),
        pytest.param(page(2, "<!DOCTYPE a [<!ENTITY b 'bbb'>]>&b;"), id="entity_in_the_page"),
        pytest.param(page(2, title="x" * 513), id="endless_title"),
        pytest.param(page(2).replace("<id>2<", "<id>" + "2" * 19 + "<"), id="endless_id"),
        pytest.param(
            page(2).replace("<id>2<", "<id>\N{ARABIC-INDIC DIGIT TWO}<"), id="digits_that_are_not_ascii"
        ),
        pytest.param(page(2).replace("</id>", "</id", 1), id="broken_tag"),
        pytest.param("<page></page>", id="empty"),
        pytest.param(page(2).replace("revision", "edition"), id="no_revision"),
    ],
)
@pytest.mark.timeout(10)
def test_a_hostile_page_costs_only_itself(hostile: str) -> None:
    results = read(export(page(1), hostile, page(3)))
    assert brief(results) == ["en:1", "damaged_record", "en:3"]
    [rejected] = [r for r in results if isinstance(r, Rejected)]
    assert len(rejected.detail) <= 200 and "\n" not in rejected.detail and rejected.document.language == "en"


@pytest.mark.parametrize("wrong", [b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"caf\xe9"])
def test_a_page_in_another_encoding_costs_only_itself(wrong: bytes) -> None:
    raw = export(page(1), page(2, "WRONG"), page(3)).encode().replace(b"WRONG", wrong)
    assert brief(read(raw)) == ["en:1", "damaged_record", "en:3"]


def test_line_ends_are_one_character() -> None:
    [document] = read(export(page(1, "a\r\nb&#13;\nc&#13;d")))
    assert isinstance(document, Document)
    assert document.text == "a\nb\nc\nd"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", ["{{", "{{a", "#", "#a", "#a:", "{{ a" * 3, "{{a\n"])
def test_blanks_without_end_take_linear_time(text: str) -> None:
    start = time.process_time()
    assert brief(read(export(page(1, text + " " * 2_000_000 + "b")))) == ["en:1"]
    assert time.process_time() - start < 3


class LongPage(io.RawIOBase):
    """An export with a page of any size, made as it is read."""

    def __init__(self, page_bytes: int) -> None:
        start, _, end = export(page(1), page(2, "LONG"), page(3)).encode().partition(b"LONG")
        self.parts = ((0, start), (len(start) + page_bytes, end))
        self.size = len(start) + page_bytes + len(end)
        self.at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (self.size if whence == io.SEEK_END else 0)
        return self.at

    def read(self, size: int = -1) -> bytes:
        stop = min(self.at + size, self.size)
        data = bytearray(b"x" * (stop - self.at))
        for place, part in self.parts:
            low, high = max(self.at, place), min(stop, place + len(part))
            if low < high:
                data[low - self.at : high - self.at] = part[low - place : high - place]
        self.at = stop
        return bytes(data)


def test_a_page_of_200_mb_is_told_of_and_not_held() -> None:
    reader = Wikipedia(max_page_bytes=8 << 20)
    tracemalloc.start()
    try:
        results = list(reader.read(LongPage(200_000_000), "dump.xml"))  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert brief(results) == ["en:1", "page_too_long", "en:3"]
    assert peak < 40_000_000


@pytest.mark.timeout(30)
def test_tiny_pages_without_number() -> None:
    tiny = "<page><title>A</title><ns>0</ns><id>1</id><revision><text/></revision></page>"
    start = time.process_time()
    assert sum(1 for _ in Wikipedia().read(io.BytesIO(export(tiny * 20_000).encode()), "d")) == 20_000
    assert time.process_time() - start < 10


def test_a_page_over_the_cap_costs_only_itself() -> None:
    xml = export(page(1), page(2, "x" * 3_000_000), page(3))
    assert brief(read(xml, reader=Wikipedia(max_page_bytes=1_000_000))) == ["en:1", "page_too_long", "en:3"]


def test_a_damaged_bz2_stream_costs_only_itself() -> None:
    streams = [
        bz2.compress(s.encode()) for s in (HEAD.format(v=11), page(1), page(2, "x y z " * 500), page(3), TAIL)
    ]
    middle = len(streams[2]) // 2
    streams[2] = streams[2][:middle] + b"\xff\x00\xff" + streams[2][middle + 3 :]
    assert brief(read(b"".join(streams), "x.bz2")) == ["en:1", "damaged_record", "en:3"]


@pytest.mark.timeout(20)
def test_gives_up_a_file_of_damaged_streams_only() -> None:
    data = bz2.compress(HEAD.format(v=11).encode()) + b"BZh91AY&SY" * 20_000
    with pytest.raises(ValueError, match=r"x\.bz2: over 1000 damaged bz2 streams"):
        read(data, "x.bz2")


def test_counts_a_cut_download() -> None:
    assert brief(read(export(page(1)).replace(TAIL, ""))) == ["en:1", "truncated_file"]
    data = bz2.compress(export(page(1), page(2, "".join(map(str, range(300_000))))).encode())
    results = read(data[:-200], "x.bz2")
    assert brief(results)[0] == "en:1"
    assert set(brief(results)[1:]) == {"damaged_record", "truncated_file"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("hello", "not a MediaWiki export"),
        ("", "not a MediaWiki export"),
        (export(page(1)).replace("en.wikipedia", "en.wiktionary"), "en.wiktionary.org, not of a Wikipedia"),
        ('<?xml version="1.0" encoding="latin-1"?>' + export(page(1)), "latin-1"),
    ],
)
def test_refuses_another_file_in_one_line(data: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read(data)
    assert str(error.value).startswith("dump.xml: ")
    assert "\n" not in str(error.value)


def test_resolves_no_entities() -> None:
    bomb = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>\n' + export(
        page(1, "&b;"), page(2)
    )
    assert brief(read(bomb)) == ["damaged_record", "en:2"]


def test_pages_do_not_depend_on_how_the_bytes_come() -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 11) if size and size > 0 else 11)

    xml = export(page(1), page(2), page(3)).encode()
    reader = Wikipedia()
    assert list(reader.read(Drops(xml), "d")) == list(reader.read(io.BytesIO(xml), "d"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bgwiki-latest-pages-articles-shortened.xml.bz2", {"kept": 1, "not_an_article": 2}),
        ("enwiki-minidump-pages-articles.xml.bz2", {"kept": 24, "redirect": 2, "not_an_article": 1}),
        ("nlwiki-20140927-sample-pages-articles.xml.bz2", {"kept": 19, "redirect": 2}),
        (
            "jawiki-2009-testdata-pages-articles.xml.bz2",
            {"kept": 48, "redirect": 8, "not_an_article": 10, "truncated_file": 1},
        ),
    ],
)
def test_counts_the_pages_of_real_dumps(shared_data: Path, name: str, expected: dict[str, int]) -> None:
    path = shared_data / "wikipedia" / name
    with path.open("rb") as stream:
        results = list(Wikipedia().read(stream, str(path)))
    assert Counter(r.reason if isinstance(r, Rejected) else "kept" for r in results) == expected
