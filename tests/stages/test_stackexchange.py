import gzip
import hashlib
import io
import json
import random
import struct
import tracemalloc
import zlib
from collections import Counter
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import py7zr
import pytest

from stages.content import content_of, loss_scores
from stages.document import Document, Rejected
from stages.sources import stackexchange, stackexchange_join
from stages.sources.stackexchange import StackExchange
from stages.sources.stackexchange_posts import BadRow, read_posts
from stages.xml_records import Piece

NAME = "dump/beer.stackexchange.com/Posts.xml"


def row(**attributes: str | int) -> str:
    values = {"CreationDate": "2014-01-21T20:26:05.383", "Body": "<p>b</p>", **attributes}
    written = [f'{name}="{escape(str(value))}"'.replace("\n", "&#xA;") for name, value in values.items()]
    return f"  <row {' '.join(written)} />\n"


def question(id: int, **more: str | int) -> str:
    return row(Id=id, PostTypeId=1, **{"Title": f"T{id}", **more})


def answer(id: int, parent: int, score: int, **more: str | int) -> str:
    return row(Id=id, PostTypeId=2, ParentId=parent, Score=score, **{"Body": f"<p>{id}</p>", **more})


def posts(*rows: str) -> bytes:
    return ('\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "".join(rows) + "</posts>").encode()


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w") as seven:
        for name, data in files.items():
            seven.writestr(data, name + ".xml")
    return out.getvalue()


def read(data: bytes, name: str = NAME, reader: StackExchange | None = None) -> list[Document | Rejected]:
    return list((reader or StackExchange()).read(io.BytesIO(data), name))


def documents(results: list[Document | Rejected]) -> list[Document]:
    return [result for result in results if isinstance(result, Document)]


def brief(results: list[Document | Rejected]) -> list[str]:
    return [f"{r.document.id} {r.reason}" if isinstance(r, Rejected) else r.id for r in results]


def test_the_document_says_where_it_is_from() -> None:
    data = posts(question(5, Score=3, AcceptedAnswerId=8), answer(6, 5, 9), answer(8, 5, 10))
    [document] = documents(read(data))
    assert document.id == "beer.stackexchange.com:5"
    assert document.url == "https://beer.stackexchange.com/questions/5"
    assert document.title == "T5"
    assert document.created == datetime(2014, 1, 21, 20, 26, 5, tzinfo=UTC)
    assert document.metadata["accepted"] == "8"
    row = data[document.origin.offset :][: document.origin.length]
    assert row.startswith(b'<row CreationDate="2014') and row.endswith(b"/>")


def test_the_loss_meter_counts_html_and_text() -> None:
    body = "<p>$x$ is <code>a &amp; b</code> 12</p>"
    [document] = documents(read(posts(question(1, Body=body), answer(2, 1, 0, Body="<p>34</p>"))))
    raw = content_of("T1" + body + "<p>34</p>", 1, 3)
    kept = content_of(document.text, 1, 3)
    assert document.scores == {"question_score": 0.0, "answer_count": 1.0, **loss_scores(raw, kept)}


def test_comments_follow_their_posts() -> None:
    """Comments come before the posts in an archive, and say only which post they are on."""
    rows = [
        row(Id=1, PostId=7, Text="on the  second\nanswer"),
        row(Id=3, PostId=5, Text="later on the question", UserId=4),
        row(Id=2, PostId=5, Text="on the question"),
        row(Id=9, PostId=4, Text="on nothing"),
        row(PostId=5, Text="without a number"),
    ]
    text = "<comments>\n" + "".join(rows) + "</comments>"
    data = posts(question(5), answer(6, 5, 2), answer(7, 5, 1))
    comments_first = archive(Comments=text.encode(), Posts=data)
    posts_first = archive(Posts=data, Comments=text.encode())
    for packed, partition_bytes in ((comments_first, 1 << 20), (comments_first, 100), (posts_first, 100)):
        reader = StackExchange(comments=True, partition_bytes=partition_bytes)
        results = read(packed, "beer.stackexchange.com.7z", reader)
        [document] = documents(results)
        assert document.text == (
            "Q: T5\n\nb\n\nComment: on the question\n\nComment: later on the question\n\nA: 6\n\nA: 7\n\n"
            "Comment: on the second answer"
        )
        assert document.scores["comment_count"] == 3.0
        assert (
            "https://beer.stackexchange.com/questions/5#comment3_5 CC-BY-SA-3.0 https://beer.stackexchange.com/users/4"
            in document.metadata["attribution"].split("\n")
        )
        assert sorted(brief(results))[1:] == [
            "beer.stackexchange.com:comment-9 comment_without_post",
            f"beer.stackexchange.com@comment-{len(text) - len('</comments>') - len(rows[-1]) + 2} damaged_comment",
        ]


def test_without_comments_in_the_archive_none_are_counted() -> None:
    packed = archive(Posts=posts(question(1)))
    [document] = documents(read(packed, "a.example.com.7z", StackExchange(comments=True)))
    assert "comment_count" not in document.scores


def test_parts_can_be_left_out() -> None:
    data = posts(question(1, Tags="<a>", AcceptedAnswerId=2), answer(2, 1, 1))
    [document] = documents(read(data, reader=StackExchange(title=False, accepted_mark=True)))
    assert document.text == "Q: b\n\nA (accepted): 2"
    with pytest.raises(ValueError, match="markup redpajama has title, question and answers only"):
        StackExchange(markup="redpajama", tags=True)


def test_reads_both_ways_of_writing_tags() -> None:
    results = read(posts(question(1, Tags="<c++><a b>"), question(2, Tags="|c++|d|")))
    assert [r.metadata["tags"] for r in results if isinstance(r, Document)] == ["c++,a b", "c++,d"]


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("dump/stackoverflow.com-Posts.7z", "stackoverflow.com"),
        ("dump/stackoverflow.com-Posts/Posts.xml", "stackoverflow.com"),
        ("gs://dump/stackoverflow.com-posts.xml", "stackoverflow.com"),
        ("dump/Meta.StackExchange.com/Posts.xml", "meta.stackexchange.com"),
        ("math.stackexchange.com.xml", "math.stackexchange.com"),
    ],
)
def test_the_host_is_the_site_and_not_the_name_of_the_file(name: str, site: str) -> None:
    data = posts(question(1))
    [document] = documents(read(archive(Posts=data) if name.endswith("7z") else data, name))
    assert document.url == f"https://{site}/questions/1"
    assert document.metadata["site"] == site


@pytest.mark.parametrize("stated", ["CC BY-SA 9.0", "all rights reserved"])
def test_a_licence_that_is_not_known_is_not_guessed(stated: str) -> None:
    [document] = documents(read(posts(question(1), answer(2, 1, 0, ContentLicense=stated))))
    assert document.license is None
    assert "https://beer.stackexchange.com/a/2 unknown" in document.metadata["attribution"]


def test_rejects_what_is_no_question_or_answer_with_one() -> None:
    site = "beer.stackexchange.com"
    data = posts(row(Id=1, PostTypeId=5), answer(2, 99, 1), question(3), question(3), row(Id=4, PostTypeId=2))
    assert brief(read(data)) == [
        f"{site}:3",
        f"{site}:2 answer_without_question",
        f"{site}:3 duplicate_post",
        f"{site}:1 not_a_question_or_answer",
        f"{site}:4 damaged_record",
    ]


def test_a_damaged_row_costs_only_itself() -> None:
    data = posts(
        question(1),
        '<row Id="2" PostTypeId="1 />\n',
        '<row Id="3" PostTypeId="1" Title="t" Body="&evil;" />\n',
        '<row Id="4" PostTypeId="1" Title="t" Title="u" Body="b" />\n',
        question(5),
    ).replace(b'Title="T5"', b'Title="T5 \xff"')
    reasons = [r.reason if isinstance(r, Rejected) else r.id.partition(":")[2] for r in read(data + b"")]
    assert reasons == ["1", *["damaged_record"] * 4]


def test_control_characters_are_dropped_however_they_are_written() -> None:
    """RedPajama v1 loses the site at the first of them."""
    data = posts(question(1, Body="<p>x#y</p>"), question(2, Title="a#b")).replace(
        b"#", b"\x00\x1f&#x1;&#0;&#x0B;"
    )
    assert [d.text for d in documents(read(data))] == ["Q: T1\n\nxy", "Q: ab\n\nb"]


def test_takes_a_doctype_and_rows_over_several_lines() -> None:
    data = posts(question(1)).replace(b"<posts>", b'<!DOCTYPE posts SYSTEM "posts.dtd">\n<posts>')
    assert len(read(data.replace(b" PostTypeId", b"\n PostTypeId"))) == 1


def test_a_post_of_200_mb_costs_itself_alone() -> None:
    class Endless(io.RawIOBase):
        """A file with a post of 200 MB between two others, made as it is read."""

        first, last = posts(question(1))[: -len("</posts>")], posts(question(3))[len(posts()) - 8 :]
        parts = (first, b'<row Id="2" PostTypeId="1" Body="', 200_000_000, b'" />\n', last)
        size = sum(part if isinstance(part, int) else len(part) for part in parts)
        place = 0

        def readable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            self.place = offset if whence == 0 else self.size
            return self.place

        def read(self, size: int = -1) -> bytes:
            out, start = b"", 0
            for part in self.parts:
                length = part if isinstance(part, int) else len(part)
                inner = max(0, self.place - start)
                if inner < length and len(out) < size:
                    take = min(length - inner, size - len(out))
                    out += b"x" * take if isinstance(part, int) else part[inner : inner + take]
                    self.place += take
                start += length
            return out

    tracemalloc.start()
    try:
        results = list(StackExchange().read(Endless(), NAME))  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sorted(brief(results)) == [
        "beer.stackexchange.com:1",
        "beer.stackexchange.com:3",
        f"beer.stackexchange.com@{len(Endless.first)} post_too_long",
    ]
    assert peak < 60_000_000


def test_ten_to_the_five_answers_to_one_question() -> None:
    rows = [answer(10 + i, 1, i % 1_000, Body="<p>yes</p>") for i in range(100_000)]
    data = posts(question(1), *rows, question(5))
    [document, other] = documents(read(data))
    assert document.scores["answer_count"] == 100_000.0
    assert document.text.count("\n\nA: yes") == 100_000
    assert other.id == "beer.stackexchange.com:5"


def test_a_question_over_the_cap_costs_itself_alone() -> None:
    data = posts(question(1), *[answer(10 + i, 1, i) for i in range(100)], question(5))
    results = read(data, reader=StackExchange(max_document_bytes=5_000))
    assert brief(results) == ["beer.stackexchange.com:1 document_too_long", "beer.stackexchange.com:5"]


def made_site(questions: int) -> bytes:
    """Answers stand far from their questions, in another order."""
    body = "<p>" + "word " * 100 + "</p>"
    rows = [question(i, Body=body) for i in range(1, questions + 1)]
    rows += [answer(10_000_000 + i, 1 + i * 7 % questions, i % 13, Body=body) for i in range(2 * questions)]
    return posts(*rows)


def test_partitions_change_the_order_alone() -> None:
    data = made_site(600)
    whole = documents(read(data))
    assert [int(d.id.partition(":")[2]) for d in whole] == list(range(1, 601))
    assert all(d.scores["answer_count"] == 2.0 for d in whole)
    reader = StackExchange(partition_bytes=100_000)
    parted = documents(read(data, reader=reader))
    assert -(-len(data) // 100_000) == 12
    assert [d.id for d in parted][:3] == [f"beer.stackexchange.com:{i}" for i in (12, 24, 36)]
    assert sorted(parted, key=lambda d: int(d.id.partition(":")[2])) == whole


def test_the_join_holds_a_partition_and_not_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stackexchange_join, "PENDING_BYTES", 50_000)
    monkeypatch.setattr(stackexchange, "_CHUNK_BYTES", 1 << 14)
    data = made_site(1_000)
    peaks = []
    for partition_bytes in (1 << 30, 1 << 16):
        stream = io.BytesIO(data)
        tracemalloc.start()
        try:
            for result in StackExchange(partition_bytes=partition_bytes).read(stream, NAME):
                assert isinstance(result, Document)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert len(data) > 1_800_000
    assert peaks[1] < 1_500_000 and peaks[1] < peaks[0]


def test_reads_an_archive_like_the_file_in_it() -> None:
    data = posts(question(1), answer(2, 1, 1))
    packed = archive(Badges=b"<badges/>", Posts=data, Users=b"<users/>" * 9)
    [from_archive] = documents(read(packed, "x/beer.stackexchange.com.7z"))
    [from_file] = documents(read(data))
    assert (from_archive.id, from_archive.text) == (from_file.id, from_file.text)


def test_an_archive_of_another_table_is_counted_by_name() -> None:
    for name in ("stackoverflow.com-Votes.7z", "stackoverflow.com-Comments.7z"):
        table = name.partition("-")[2].removesuffix(".7z")
        results = read(archive(**{table: b"<votes/>"}), name)
        assert brief(results) == [f"stackoverflow.com:{table} no_posts"]


def test_counts_a_cut_file() -> None:
    results = read(posts(question(1)).replace(b"</posts>", b""))
    assert brief(results) == ["beer.stackexchange.com:1", "beer.stackexchange.com:end truncated_file"]


@pytest.mark.parametrize(  # ids without the bytes: those of an archive hold the time
    ("data", "name", "message"),
    [
        (b"hello", NAME, "not a Posts.xml"),
        (b"", NAME, "not a Posts.xml"),
        (posts(question(1)).decode().encode("utf-16"), NAME, "not a Posts.xml"),
        (
            posts(question(1)).replace(b"utf-8", b"windows-1252"),
            NAME,
            "is in windows-1252; convert it to UTF-8",
        ),
        (posts(question(1)), "data/Posts.xml", "cannot tell the site"),
        (posts(question(1)), "stackoverflow-part1.xml", "cannot tell the site"),
        (archive(Notes=b"<users/>"), "a.example.7z", "no Posts.xml in the archive"),
        (archive(Posts=posts(question(1)))[:-9], "a.example.7z", "7z archive"),
        (archive(Posts=posts(question(1)))[:40], "a.example.7z", "7z archive"),
        (archive(Posts=posts(question(1, Body="x" * 9999))), "a.example.7z", "over max_inflated_bytes=5000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_refuses_another_file_in_one_line(data: bytes, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read(data, name, StackExchange(max_inflated_bytes=5000))
    assert str(error.value).startswith(name + ": ")
    assert "\n" not in str(error.value)


def test_refuses_two_tables_of_one_name() -> None:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w") as seven:
        for folder in ("a", "b"):
            seven.writestr(posts(question(1)), f"{folder}/Posts.xml")
    with pytest.raises(ValueError, match=r"two files named Posts\.xml"):
        read(out.getvalue(), "a.example.7z")


def test_refuses_an_encrypted_archive() -> None:
    for header_encryption in (False, True):
        out = io.BytesIO()
        with py7zr.SevenZipFile(out, "w", password="key", header_encryption=header_encryption) as seven:
            seven.writestr(posts(question(1)), "Posts.xml")
        with pytest.raises(ValueError, match="the 7z archive is encrypted"):
            read(out.getvalue(), "a.example.7z")


def test_refuses_a_bomb_before_it_is_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = archive(Posts=posts(question(1)), Votes=b"\0" * 20_000_000)
    monkeypatch.setattr(py7zr.SevenZipFile, "extract", lambda *_, **__: pytest.fail("was inflated"))
    with pytest.raises(ValueError, match="max_inflation_ratio=200"):
        read(packed, "a.example.7z")
    with pytest.raises(ValueError, match="over max_inflated_bytes=1000000"):
        read(packed, "a.example.7z", StackExchange(max_inflated_bytes=1_000_000))


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (
            [{"id": py7zr.FILTER_LZMA2, "dict_size": 1 << 24}],
            "needs 16777216 bytes to be inflated, over max_decoder",
        ),
        (
            [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}],
            "needs 16777216 bytes to be inflated, over max_decoder",
        ),
        ([{"id": py7zr.FILTER_DEFLATE}], "uses method 040108; pack it anew"),
    ],
)
def test_refuses_what_a_decoder_would_need(filters: list[dict[str, int]], message: str) -> None:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", filters=filters) as seven:
        seven.writestr(posts(question(1)), "Posts.xml")
    with pytest.raises(ValueError, match=message):
        read(out.getvalue(), "a.example.7z", StackExchange(max_decoder_bytes=1 << 23))


@pytest.mark.parametrize(
    "filters", [[{"id": py7zr.FILTER_BZIP2}], [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}]]
)
def test_reads_the_methods_of_the_dumps(filters: list[dict[str, int]]) -> None:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", filters=filters) as seven:
        seven.writestr(posts(question(1)), "Posts.xml")
    assert brief(read(out.getvalue(), "a.example.com.7z")) == ["a.example.com:1"]


def test_refuses_a_header_that_states_too_much() -> None:
    """The stated size of the header, at bytes 20 to 28, is that of a petabyte; its checksum is right."""
    data = bytearray(archive(Posts=posts(question(1))))
    data[20:28] = struct.pack("<Q", 1 << 50)
    data[8:12] = struct.pack("<L", zlib.crc32(data[12:32]))
    with pytest.raises(ValueError, match="the 7z archive cannot be read"):
        read(bytes(data), "a.example.7z")


def test_a_damaged_archive_ends_in_one_line() -> None:
    whole = archive(Posts=posts(question(1, Body="x y z " * 300)))
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0x5A
        try:
            read(bytes(damaged), "a.example/Posts.xml" if place < 6 else "a.example.7z")
        except ValueError as error:
            assert "\n" not in str(error)


def test_rows_read_fast_are_as_an_xml_parser_reads_them() -> None:
    """Any row, whole or damaged at random, gives the same either way; nearly all whole ones are read fast."""
    chosen = random.Random(5)
    signs = ["<p>", "</p>", "&", "a", " ", "\n", '"', "'", "é", "世", "<", ">", "&lt;", "x=1", "\t", "1"]
    pieces = []
    for number in range(1, 600):
        text = "".join(chosen.choice(signs) for _ in range(chosen.randint(0, 12)))
        kind = chosen.choice([1, 1, 2, 2, 5, 40])
        fields: dict[str, str | int] = {"Id": number, "PostTypeId": kind, "Title": text, "Body": text + "<p>"}
        fields |= {
            "ParentId": chosen.choice(["7", "-7", "x", ""]),
            "Score": chosen.choice(["3", "-3", "", "9" * 30]),
        }
        names = list(fields)
        chosen.shuffle(names)
        data = bytearray(row(**{name: fields[name] for name in names}).strip().encode())
        for _ in range(chosen.choice([0, 0, 1, 2])):
            data[chosen.randrange(5, len(data))] = chosen.choice(b'"&<= a/>;\x00\n')
        pieces.append(Piece(bytes(data), number))
    usual = read_posts(pieces, "plain")
    exact = [read_posts([Piece(b"<row\n" + piece.data[5:], piece.offset)], "plain")[0] for piece in pieces]
    for piece, one, other in zip(pieces, usual, exact, strict=True):
        if isinstance(one, BadRow) and isinstance(other, BadRow):
            assert (one.id, one.reason) == (other.id, other.reason), piece
        else:
            assert one == other, piece
    assert sum(isinstance(post, BadRow) for post in usual) > 100


@pytest.mark.parametrize(
    "name", ["ViewCount", "CreationDate", "Score", "LastEditorDisplayName", "Title", "Body"]
)
def test_a_wrong_reference_anywhere_makes_a_row_damaged(name: str) -> None:
    data = posts(question(1), row(Id=2, PostTypeId=1, **{name: "#"}).replace("#", "&bad;"))
    assert brief(read(data))[1:] == ["beer.stackexchange.com@162 damaged_record"]


@pytest.mark.parametrize("site", ["ai", "beer", "datascience.meta", "matheducators"])
def test_reproduces_redpajama_with_scores_as_numbers(shared_data: Path, site: str) -> None:
    """Every document of RedPajama v1, letter by letter, with the answers in numeric order, but for its tag wiki."""
    golden = {}
    path = shared_data / "goldens" / "stackexchange" / "redpajama-v1.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            item = json.loads(line)
            if item["site"] == f"{site}.stackexchange.com":
                golden[f"{item['site']}:{item['id']}"] = (
                    item["numeric_text_sha1"],
                    item["url"],
                    item["answers"],
                )
    path = shared_data / "stackexchange" / f"{site}.stackexchange.com.7z"
    with path.open("rb") as stream:
        for document in StackExchange(markup="redpajama").read(stream, str(path)):
            if isinstance(document, Document):
                sha1 = hashlib.sha1(document.text.encode()).hexdigest()
                assert golden.pop(document.id) == (sha1, document.url, document.scores["answer_count"])
    assert list(golden) == (["datascience.meta.stackexchange.com:2515"] if site == "datascience.meta" else [])


def test_reads_the_site_on_which_redpajama_ends(shared_data: Path) -> None:
    """history.meta has a DOCTYPE; its comments are in the archive."""
    path = shared_data / "stackexchange" / "history.meta.stackexchange.com.7z"
    seen: Counter[str] = Counter()
    with path.open("rb") as stream:
        for result in StackExchange(comments=True).read(stream, str(path)):
            seen["kept" if isinstance(result, Document) else result.reason] += 1
            if isinstance(result, Document):
                seen["comments"] += int(result.scores["comment_count"])
    assert seen["kept"] == 556 and seen["not_a_question_or_answer"] == 6
    assert seen["comments"] + seen["comment_without_post"] == 3454


def test_real_archives_and_folders_give_the_same(shared_data: Path) -> None:
    for site in ("beer", "datascience.meta"):
        texts = []
        for name in (f"{site}.stackexchange.com.7z", f"{site}.stackexchange.com/Posts.xml"):
            path = shared_data / "stackexchange" / name
            with path.open("rb") as stream:
                results = list(StackExchange().read(stream, str(path)))
            texts.append([(r.id, r.text, r.license, r.metadata) for r in documents(results)])
        assert texts[0] == texts[1] and texts[0]
