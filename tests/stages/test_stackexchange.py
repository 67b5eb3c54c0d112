import gzip
import io
import json
from collections import Counter
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import py7zr
import pytest

from stages.document import Document, Rejected
from stages.sources.stackexchange import StackExchange

NAME = "dump/beer.stackexchange.com/Posts.xml"


def row(**attributes: str | int) -> str:
    values = {"CreationDate": "2014-01-21T20:26:05.383", "Body": "<p>b</p>", **attributes}
    written = [f'{name}="{escape(str(value))}"'.replace("\n", "&#xA;") for name, value in values.items()]
    return f"  <row {' '.join(written)} />\n"


def question(id: int, **more: str | int) -> str:
    return row(Id=id, PostTypeId=1, Title=f"T{id}", **more)


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


def brief(results: list[Document | Rejected]) -> list[str]:
    return [f"{r.document.id} {r.reason}" if isinstance(r, Rejected) else r.id for r in results]


def test_writes_question_and_answers_by_numeric_score() -> None:
    data = posts(
        question(5, Score=3, Tags="<a><b>", AcceptedAnswerId=8, Body="<p>x</p><pre>y\n z</pre>"),
        answer(6, 5, 9),
        answer(7, 5, 10),
        answer(9, 5, -1),
        answer(8, 5, 9),
    )
    [document] = read(data)
    assert isinstance(document, Document)
    assert document.text == "Q: T5\n\nx\n\ny\n z\n\nA: 7\n\nA: 6\n\nA: 8\n\nA: 9"
    assert document.id == "beer.stackexchange.com:5"
    assert document.url == "https://beer.stackexchange.com/questions/5"
    assert document.title == "T5"
    assert document.created == datetime(2014, 1, 21, 20, 26, 5, tzinfo=UTC)
    assert document.scores == {"question_score": 3.0, "answer_count": 4.0}
    assert document.metadata == {"site": "beer.stackexchange.com", "tags": "a,b", "accepted": "8"}
    assert data[document.origin.offset :][: document.origin.length].startswith(b'<row CreationDate="2014')


def test_reads_both_ways_of_writing_tags() -> None:
    results = read(posts(question(1, Tags="<c++><a b>"), question(2, Tags="|c++|d|")))
    assert [r.metadata["tags"] for r in results if isinstance(r, Document)] == ["c++,a b", "c++,d"]


@pytest.mark.parametrize(
    ("attributes", "license"),
    [
        ({"CreationDate": "2011-04-07T23:59:59.000"}, "CC-BY-SA-2.5"),
        ({"CreationDate": "2011-04-08T00:00:00.000"}, "CC-BY-SA-3.0"),
        ({"CreationDate": "2018-05-02T00:00:00.000"}, "CC-BY-SA-4.0"),
        ({"CreationDate": "2011-04-07T00:00:00.000", "ContentLicense": "CC BY-SA 4.0"}, "CC-BY-SA-4.0"),
    ],
)
def test_tells_the_license(attributes: dict[str, str], license: str) -> None:
    [document] = read(posts(question(1, **attributes)))
    assert isinstance(document, Document)
    assert document.license == license


def test_takes_the_latest_license_of_all_parts() -> None:
    [document] = read(posts(question(1), answer(2, 1, 0, ContentLicense="CC BY-SA 4.0")))
    assert isinstance(document, Document)
    assert document.license == "CC-BY-SA-4.0"


def test_rejects_what_is_no_question_or_answer_with_one() -> None:
    site = "beer.stackexchange.com"
    data = posts(row(Id=1, PostTypeId=5), answer(2, 99, 1), question(3), question(3), row(Id=4, PostTypeId=2))
    assert brief(read(data)) == [
        f"{site}:3",
        f"{site}:3 duplicate_post",
        f"{site}:2 answer_without_question",
        f"{site}:1 not_a_question_or_answer",
        f"{site}:4 damaged_record",
    ]


def test_a_damaged_row_costs_only_itself() -> None:
    data = posts(question(1), '<row Id="2" PostTypeId="1 />\n', '<row Id="3" Body="&evil;" />\n', question(4))
    reasons = [r.reason if isinstance(r, Rejected) else r.id.partition(":")[2] for r in read(data)]
    assert reasons == ["1", "4", "damaged_record", "damaged_record"]


def test_takes_a_doctype_and_rows_over_several_lines() -> None:
    data = posts(question(1)).replace(b"<posts>", b'<!DOCTYPE posts SYSTEM "posts.dtd">\n<posts>')
    assert len(read(data.replace(b" PostTypeId", b"\n PostTypeId"))) == 1


def test_rejects_posts_over_the_caps() -> None:
    data = posts(question(1, Body="x" * 300_000), question(2, Body="x" * 3_000_000), question(3))
    results = read(data, reader=StackExchange(max_row_bytes=1_000_000))
    assert [r.reason if isinstance(r, Rejected) else r.title for r in results] == [
        "post_too_long",
        "T3",
        "post_too_long",
    ]


def test_joins_over_partitions_and_flushes_to_disk() -> None:
    """Answers stand far from their questions and every partition is written in several parts."""
    body = "<p>" + "word " * 100 + "</p>"
    rows = [question(i, Body=body) for i in range(1, 301)]
    rows += [answer(1000 + i, 1 + i % 300, i, Body=body) for i in range(600)]
    results = read(posts(*rows), reader=StackExchange(partitions=3))
    assert all(isinstance(r, Document) and r.scores["answer_count"] == 2.0 for r in results)
    assert [r.id for r in results if isinstance(r, Document)][:3] == [
        f"beer.stackexchange.com:{i}" for i in (3, 6, 9)
    ]


def test_reads_an_archive_like_the_file_in_it() -> None:
    data = posts(question(1), answer(2, 1, 1))
    packed = archive(Badges=b"<badges/>", Posts=data, Users=b"<users/>" * 9)
    [from_archive] = read(packed, "x/beer.stackexchange.com.7z")
    [from_file] = read(data)
    assert isinstance(from_archive, Document)
    assert isinstance(from_file, Document)
    assert (from_archive.id, from_archive.text) == (from_file.id, from_file.text)
    [document] = read(packed, "gs://dumps/stackoverflow.com-Posts.7z")
    assert isinstance(document, Document)
    assert document.url == "https://stackoverflow.com/questions/1"


def test_counts_a_cut_file() -> None:
    results = read(posts(question(1)).replace(b"</posts>", b""))
    assert brief(results) == ["beer.stackexchange.com:1", "beer.stackexchange.com:end truncated_file"]


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"hello", NAME, "not a Posts.xml"),
        (posts(question(1)), "data/Posts.xml", "cannot tell the site"),
        (archive(Users=b"<users/>"), "a.example.7z", "0 files named Posts.xml"),
        (archive(Posts=posts(question(1)))[:-9], "a.example.7z", "7z archive"),
        (archive(Posts=posts(question(1, Body="x" * 9999))), "a.example.7z", "over max_inflated_bytes=5000"),
    ],
)
def test_refuses_another_file_in_one_line(data: bytes, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        read(data, name, StackExchange(max_inflated_bytes=5000))
    assert str(error.value).startswith(name + ": ")
    assert "\n" not in str(error.value)


def test_a_damaged_archive_ends_in_one_line() -> None:
    whole = archive(Posts=posts(question(1, Body="x y z " * 300)))
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0x5A
        try:
            read(bytes(damaged), "a.example/Posts.xml" if place < 6 else "a.example.7z")
        except ValueError as error:
            assert "\n" not in str(error)


def test_matches_the_reference_on_real_sites(shared_data: Path) -> None:
    """RedPajama v1: the same questions with as many answers; its one document more is a tag-wiki excerpt."""
    golden: dict[str, int] = {}
    with gzip.open(
        shared_data / "goldens" / "stackexchange" / "redpajama-v1.jsonl.gz", "rt", encoding="utf-8"
    ) as lines:
        for line in lines:
            item = json.loads(line)
            golden[f"{item['site']}:{item['id']}"] = item["answers"]
    seen: Counter[str] = Counter()
    for site in ("ai", "beer", "datascience.meta", "matheducators"):
        path = shared_data / "stackexchange" / f"{site}.stackexchange.com.7z"
        with path.open("rb") as stream:
            for result in StackExchange().read(stream, str(path)):
                if isinstance(result, Document):
                    assert golden.pop(result.id) == result.scores["answer_count"]
                    seen["kept"] += 1
                else:
                    seen[result.reason] += 1
    assert list(golden) == ["datascience.meta.stackexchange.com:2515"]
    assert seen == {"kept": 1738, "not_a_question_or_answer": 411}
