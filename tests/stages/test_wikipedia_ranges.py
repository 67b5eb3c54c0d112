"""One dump read in ranges: whatever the cuts, the same outcomes in the same order as by one reader."""

from __future__ import annotations

import bz2
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.document import Document, Rejected
from stages.sources.wikipedia import Wikipedia
from stages.sources.wikipedia_streams import RangeEnd, bz2_events, clean_beginning
from stages.stage import RangeReader
from stages.xml_records import parse_xml
from tests.stages.crafted_bz2 import END_MARK, stream_holding
from tests.stages.test_wikipedia import HEAD, TAIL, brief, export, page

Outcomes = list[Document | Rejected]
BEGINNING = b"BZh91AY&SY"


def whole(data: bytes, name: str = "x.xml.bz2", reader: Wikipedia | None = None) -> Outcomes:
    return list((reader or Wikipedia()).read(io.BytesIO(data), name))


def in_ranges(data: bytes, size: int, name: str = "x.xml.bz2", reader: Wikipedia | None = None) -> Outcomes:
    """The outcomes of all ranges of a size, each read from a stream of its own."""
    reader = reader or Wikipedia()
    return [
        outcome
        for start in range(0, len(data), size)
        for outcome in reader.read_range(io.BytesIO(data), name, start, start + size)
    ]


def packed(*texts: str | bytes) -> bytes:
    return b"".join(bz2.compress(t.encode() if isinstance(t, str) else t) for t in texts)


def cut_up(xml: str, size: int) -> bytes:
    """A file as pbzip2 makes it: streams of equal size, wherever pages begin."""
    raw = xml.encode()
    return packed(*(raw[at : at + size] for at in range(0, len(raw), size)))


PAGES = [
    page(1),
    page(2, "x" * 40),
    page(3, title="Žluť", text="žluť " * 9),
    page(4, extra="<ns>1</ns>"),
    page(5),
]
XML = export(*PAGES)
MULTISTREAM = packed(HEAD.format(v=10), PAGES[0] + PAGES[1], PAGES[2], PAGES[3] + PAGES[4], TAIL)
ALL = ["en:1", "en:2", "en:3", "not_an_article", "en:5"]


def test_is_a_reader_in_ranges() -> None:
    assert isinstance(Wikipedia(), RangeReader)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(MULTISTREAM, id="streams_of_whole_pages"),
        pytest.param(cut_up(XML, 97), id="streams_that_cut_pages"),
        pytest.param(cut_up(XML, 7), id="streams_that_cut_tags"),
        pytest.param(bz2.compress(XML.encode()), id="one_stream"),
        pytest.param(XML.encode(), id="plain"),
        pytest.param(packed(HEAD.format(v=10), b"", *PAGES, b"", b"", TAIL, b""), id="empty_streams"),
        pytest.param(XML.encode("utf-16"), id="plain_utf_16"),
        pytest.param(packed(*(XML.encode("utf-16")[n : n + 99] for n in range(0, 9999, 99))), id="utf_16"),
    ],
)
def test_ranges_of_every_size_give_what_one_reader_gives(data: bytes) -> None:
    expected = whole(data)
    assert brief(expected) == ALL
    for size in (*range(1, 12), 16, 23, 31, 64, 100, 257, 999, len(data) - 1, len(data), len(data) + 1):
        assert in_ranges(data, size) == expected, size
    assert whole(data, reader=Wikipedia(range_bytes=7)) == expected


def test_each_page_is_in_the_range_in_which_its_stream_begins() -> None:
    places = [o.origin.offset for o in whole(MULTISTREAM) if isinstance(o, Document)]
    first, third, fourth = places[0], places[2], places[3]
    assert first == places[1] < third < fourth
    found = [o for o in Wikipedia().read_range(io.BytesIO(MULTISTREAM), "x", third, third + 1)]
    assert brief(found) == ["en:3"]
    assert list(Wikipedia().read_range(io.BytesIO(MULTISTREAM), "x", third + 1, fourth)) == []


def test_a_page_of_plain_xml_is_in_the_range_in_which_it_begins() -> None:
    begins = XML.encode().index(b"<page><title>\xc5\xbd")
    for start, end, expected in ((begins, begins + 1, ["en:3"]), (begins + 1, begins + 9, [])):
        assert brief(list(Wikipedia().read_range(io.BytesIO(XML.encode()), "x", start, end))) == expected


def test_the_later_ranges_of_one_stream_are_empty_and_nothing_is_inflated_for_them() -> None:
    data = bz2.compress(XML.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bz2, "BZ2Decompressor", None)
        assert list(Wikipedia().read_range(io.BytesIO(data), "x", 1, len(data))) == []


def damaged_files() -> Iterator[tuple[str, bytes]]:
    streams = [packed(text) for text in (HEAD.format(v=10), *PAGES, TAIL)]
    for number in range(1, len(streams)):
        before, one, after = b"".join(streams[:number]), streams[number], b"".join(streams[number + 1 :])
        middle = len(one) // 2
        yield (
            f"byte_wrong_in_stream_{number}",
            before + one[:middle] + b"\xff\0\xff" + one[middle + 3 :] + after,
        )
        yield f"end_lost_of_stream_{number}", before + one[:-14] + after
        yield f"middle_lost_of_stream_{number}", before + one[: middle - 5] + one[middle + 5 :] + after
        yield f"beginning_lost_of_stream_{number}", before + one[9:] + after
        yield f"bytes_before_stream_{number}", before + b"no bz2" + one + after
        yield f"accident_before_stream_{number}", before + b"no bz2" + BEGINNING + one + after
        yield f"file_ends_in_stream_{number}", before + one[:-3]
    cut = cut_up(XML, 97)
    for at in range(len(cut_up(HEAD.format(v=10), 97)), len(cut), 41):
        yield f"byte_{at}_wrong_of_cut_pages", cut[:at] + bytes([cut[at] ^ 0x55]) + cut[at + 1 :]
        yield f"bytes_from_{at}_lost_of_cut_pages", cut[:at] + cut[at + 60 :]


DAMAGED = dict(damaged_files())


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told_once_whatever_the_ranges(name: str) -> None:
    data = DAMAGED[name]
    expected = whole(data)
    for size in (1, 2, 7, 13, 50, 101, 350):
        assert in_ranges(data, size) == expected, size
    kept = {o.id for o in expected if isinstance(o, Document)}
    assert len(kept) >= 2 or "ends" in name or "cut" in name
    assert len({(o.reason, o.document.id) for o in expected if isinstance(o, Rejected)}) == sum(
        isinstance(o, Rejected) for o in expected
    )


def test_random_damage_is_told_once_whatever_the_ranges() -> None:
    draw = random.Random(5)
    for _ in range(120):
        data = bytearray(draw.choice((MULTISTREAM, cut_up(XML, draw.randrange(5, 400)), XML.encode())))
        for _ in range(draw.randrange(1, 4)):
            at = draw.randrange(len(packed(HEAD.format(v=10))), len(data))
            wrong = draw.choice((b"", b"\0", BEGINNING, draw.randbytes(30)))
            data[at : at + draw.randrange(40)] = wrong
        try:
            expected = whole(bytes(data))
        except ValueError:
            continue  # its head is damaged
        for size in (draw.randrange(1, 60), draw.randrange(60, 900)):
            assert in_ranges(bytes(data), size) == expected


@pytest.mark.parametrize("size", [*range(1, 30), 100, 150])
def test_a_beginning_by_accident_inside_packed_data_is_none(size: int) -> None:
    crafted = stream_holding(b"something " + BEGINNING + b" and so on")
    data = packed(HEAD.format(v=10), PAGES[0]) + crafted + packed(PAGES[1], TAIL)
    assert brief(whole(data)) == ["en:1", "en:2"]
    assert in_ranges(data, size) == whole(data)


@pytest.mark.parametrize("size", [1, 5, 10, 40, 150])
def test_a_forged_end_before_a_forged_beginning_costs_its_stream_only(size: int) -> None:
    crafted = stream_holding(b"something " + bytes.fromhex(END_MARK) + b"sum." + BEGINNING + b" and so on")
    data = packed(HEAD.format(v=10), PAGES[0]) + crafted + packed(PAGES[1], TAIL)
    assert brief(whole(data)) == ["en:1", "damaged_record", "damaged_record", "en:2"]
    assert in_ranges(data, size) == whole(data)


@pytest.mark.parametrize("padding", range(8))
def test_finds_beginnings_behind_each_padding(padding: int) -> None:
    """The end of a stream is not aligned to bytes; texts are drawn until each shift has come."""
    end, draw = int(END_MARK, 16), random.Random(0)
    for number in range(1, 200):
        first = bz2.compress(draw.randbytes(number))
        if (int.from_bytes(first, "big") >> (32 + padding)) & ((1 << 48) - 1) == end:
            break
    else:
        raise AssertionError("no text with this padding")
    data = first + packed("more")
    assert clean_beginning(io.BytesIO(data), 1, len(data)) == len(first)
    assert clean_beginning(io.BytesIO(data), len(first), len(first) + 1) == len(first)
    assert clean_beginning(io.BytesIO(data), 1, len(first)) is None
    events = list(bz2_events(io.BytesIO(data), "x", 0, len(first)))
    assert events.index(RangeEnd()) == 2  # behind the start and the bytes of the first


class Trickle(io.BytesIO):
    """A file that gives a few bytes at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 11) if size and size > 0 else 11)


@pytest.mark.parametrize("data", [MULTISTREAM, XML.encode(), DAMAGED["byte_wrong_in_stream_2"]])
def test_outcomes_do_not_depend_on_how_the_bytes_come(data: bytes) -> None:
    assert list(Wikipedia().read(Trickle(data), "x.xml.bz2")) == whole(data)


def test_a_page_over_the_cap_costs_only_itself_in_every_range() -> None:
    reader = Wikipedia(max_page_bytes=1_000)
    long = page(2, "".join(map(str, range(9_000))))
    for data in (export(PAGES[0], long, PAGES[2]).encode(), cut_up(export(PAGES[0], long, PAGES[2]), 3_000)):
        expected = whole(data, reader=reader)
        assert brief(expected) == ["en:1", "page_too_long", "en:3"]
        for size in (9, 500, 5_000):
            assert in_ranges(data, size, reader=reader) == expected


def found_again(data: bytes, document: Document) -> bytes:
    """The XML of a page by one seek to its origin."""
    place, stream = document.origin, io.BytesIO(data)
    stream.seek(place.offset)
    if "page_offset" not in document.metadata:
        return stream.read(place.length)
    inflated = bz2.BZ2File(stream)
    inflated.read(int(document.metadata["page_offset"]))
    return inflated.read(place.length)


@pytest.mark.parametrize("data", [MULTISTREAM, cut_up(XML, 97), bz2.compress(XML.encode()), XML.encode()])
def test_a_page_is_found_again_with_one_seek(data: bytes) -> None:
    documents = [o for o in whole(data) if isinstance(o, Document)]
    assert [found_again(data, d).decode() + "\n" for d in documents] == [PAGES[n] for n in (0, 1, 2, 4)]


def test_pages_of_real_dumps_are_found_again_with_one_seek(shared_data: Path) -> None:
    for path in sorted((shared_data / "wikipedia").glob("*.bz2")):
        data = path.read_bytes()
        if len(data) > 1_000_000:
            continue
        for document in [o for o in whole(data, path.name) if isinstance(o, Document)][-3:]:
            xml = found_again(data, document)
            if path.name.startswith("bgwiki-latest"):
                xml = xml.decode("utf-16-le").encode()
            element = parse_xml(xml, huge=True)
            assert element.findtext("{*}title") == document.title
            assert element.findtext("{*}revision/{*}text") == document.text


def test_real_pages_in_ranges_are_those_of_one_reader(shared_data: Path) -> None:
    path = shared_data / "wikipedia" / "nlwiki-20140927-sample-pages-articles.xml.bz2"
    xml = bz2.decompress(path.read_bytes()).decode()
    expected = [(o.id, o.text) for o in whole(xml.encode(), path.name) if isinstance(o, Document)]
    data = cut_up(xml, 20_000)
    for size in (3_000, 20_000, 70_000):
        found = in_ranges(data, size, path.name)
        assert [(o.id, o.text) for o in found if isinstance(o, Document)] == expected


def test_a_range_of_no_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="range_bytes must be at least 1"):
        Wikipedia(range_bytes=0)
