import pytest

from stages.xml_records import NoRecords, Piece, RecordSplitter, parse_xml


def split(data: bytes, chunk: int, max_bytes: int = 1000) -> tuple[bytes | None, list[Piece]]:
    splitter = RecordSplitter("row", max_bytes)
    pieces: list[Piece] = []
    for start in range(0, len(data), chunk):
        pieces += splitter.feed(data[start : start + chunk])
    pieces += splitter.close()
    return splitter.head, pieces


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 50, 1000])
def test_cuts_the_same_for_all_sizes_of_chunks(chunk: int) -> None:
    data = b"<rows><row a='1'/>\n<row>x</row><rowing/><row/></rows>"
    head, pieces = split(data, chunk)
    assert head == b"<rows>"
    assert [(p.offset, p.data) for p in pieces] == [
        (6, b"<row a='1'/>\n"),
        (19, b"<row>x</row><rowing/>"),
        (40, b"<row/></rows>"),
    ]


@pytest.mark.parametrize("chunk", [*range(1, 40), 1000])
def test_gives_up_a_record_over_the_cap_and_no_other(chunk: int) -> None:
    data = b"<rows><row/><row>" + b"x" * 14 + b"<row>" + b"x" * 16 + b"<row>" + b"x" * 99 + b"<row/>"
    _, pieces = split(data, chunk, max_bytes=20)
    assert [(p.offset, len(p.data), p.too_long) for p in pieces] == [
        (6, 6, False),
        (12, 19, False),
        (31, 0, True),
        (52, 0, True),
        (156, 6, False),
    ]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 50])
def test_cuts_utf_16_at_whole_characters_only(encoding: str, chunk: int) -> None:
    shifted = b"\x01" + "<row ".encode(encoding) + b"\x01"  # between two characters, these bytes are no tag
    data = "<rows><row/>".encode(encoding) + shifted + "<row>ж</row>".encode(encoding)
    splitter = RecordSplitter("row", 1000, encoding)
    pieces: list[Piece] = []
    for start in range(0, len(data), chunk):
        pieces += splitter.feed(data[start : start + chunk])
    pieces += splitter.close()
    assert [(p.offset, p.data.decode(encoding)[:5]) for p in pieces] == [(12, "<row/"), (36, "<row>")]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_from_the_middle_of_a_stream_what_comes_before_the_first_record_is_dropped(chunk: int) -> None:
    data = b"w a='1'/> tail </row>" + b"x" * 2000 + b"<row>2</row><row>3</row>"
    splitter = RecordSplitter("row", 1000, offset=500, with_head=False)
    pieces: list[Piece] = []
    for start in range(0, len(data), chunk):
        pieces += splitter.feed(data[start : start + chunk])
    assert splitter.record_begins == 2533 and splitter.rest == b"<row>3</row>"
    pieces += splitter.close()
    assert [(p.offset, p.data) for p in pieces] == [(2521, b"<row>2</row>"), (2533, b"<row>3</row>")]


def test_where_bytes_are_missing_the_record_ends_and_the_next_tag_begins_another() -> None:
    splitter = RecordSplitter("row", 1000)
    pieces = [*splitter.feed(b"<rows><row>1</row><row>2"), *splitter.cut(), *splitter.feed(b"3</row><row>4")]
    assert splitter.record_begins == 31
    pieces += splitter.close()
    assert [p.data for p in pieces] == [b"<row>1</row>", b"<row>2", b"<row>4"]


def test_no_tag_is_put_together_over_missing_bytes() -> None:
    splitter = RecordSplitter("row", 1000)
    pieces = [*splitter.feed(b"<rows><row>1</row><ro"), *splitter.cut(), *splitter.feed(b"w>2<row>3")]
    pieces += splitter.close()
    assert [p.data for p in pieces] == [b"<row>1</row><ro", b"<row>3"]


def test_refuses_a_stream_without_records() -> None:
    with pytest.raises(NoRecords, match="no <row> in the first"):
        split(b"x" * 5000, 1000)


def test_resolves_no_entities_and_reports_in_one_line() -> None:
    assert "c" not in (parse_xml(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>').text or "")
    with pytest.raises(ValueError, match="Opening and ending tag mismatch") as error:
        parse_xml(b"<a>\n<b></a>")
    assert "\n" not in str(error.value)
