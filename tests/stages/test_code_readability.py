"""Readable code, by the numbers of three profiles; RedPajama v1's decisions on all shared blobs."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stages.code_files import is_source_file
from stages.code_readability import (
    KeepReadableCode,
    alphabetic_characters,
    alphanumeric_characters,
    visible_characters,
)
from stages.document import Document, Origin, Rejected


def code(text: str, path: str = "a.py") -> Document:
    return Document("r:p:b", "github", text, Origin("f"), metadata={"path": path})


def reason(stage: KeepReadableCode, document: Document) -> str:
    outcome = stage(document)
    return outcome.reason if isinstance(outcome, Rejected) else "kept"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 1_000 + "\nb" * 20, "kept"),
        ("a" * 1_001 + "\nb" * 20, "line_too_long"),
        (("a" * 101 + "\n") * 3, "mean_line_too_long"),
        ("{}" * 20 + "abc", "few_alphanumerics"),
        ("abcd" + "-" * 12, "kept"),
        (" \n", "no_text"),
        ("", "no_text"),
    ],
)
def test_keeps_readable_code(text: str, expected: str) -> None:
    assert reason(KeepReadableCode(), code(text)) == expected


def test_the_mean_line_counts_its_end_in_redpajama_only() -> None:
    text = ("a" * 100 + "\n") * 3
    assert reason(KeepReadableCode(), code(text)) == "mean_line_too_long"
    assert reason(KeepReadableCode("the-stack"), code(text)) == "kept"
    assert reason(KeepReadableCode("the-stack"), code(text.replace("\n", "a\n"))) == "mean_line_too_long"


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.xml", "\n<?xml version='1.0'?>\n<a>text</a>\n", "xml_file"),
        ("a.xsl", "<?xml version='1.0'?>\n<a>text</a>\n", "kept"),
        ("a.py", "x" * 50 + "\n" + "x" * 50 + "<?xml version=", "kept"),
        ("a.md", "word " * 300, "kept"),
        ("a.py", "word " * 300, "line_too_long"),
        ("a.html", "<p>" + ("w" * 24 + "\n") * 4 + "w", "kept"),
        ("a.html", "<p>" + ("w" * 24 + "\n") * 4, "little_visible_text"),
        (
            "a.html",
            "<p class='" + ("c" * 47 + "\n") * 10 + "'>" + ("w" * 21 + "\n") * 5,
            "little_visible_text",
        ),
        ("a.yml", "a: b\n" * 11, "few_letters"),
        ("a.yml", "ab: bcd\n" * 11, "kept"),
        ("a.yml", "ab: bcd\n", "data_file_too_short"),
        ("a.json", "ab: bcd\n" * 626, "data_file_too_long"),
        ("a.scm", "(1 2 3 4 abc)\n" * 9, "few_letters"),
        ("a.py", "(1 2 3 4 abc)\n" * 9, "kept"),
    ],
)
def test_starcoder_has_rules_for_markup_and_data(path: str, text: str, expected: str) -> None:
    assert reason(KeepReadableCode("starcoder"), code(text, path)) == expected
    if expected not in ("kept", "line_too_long"):
        assert reason(KeepReadableCode("redpajama-v1"), code(text, path)) == "kept"


@pytest.mark.parametrize(
    ("html", "visible"),
    [
        ("<b>ab</b> c", 4),
        ("<script>var a = '<b>';</script>x", 1),
        ("<STYLE>a</STYLE >x<!-- <p> y -->z", 2),
        ("a < b", 2),
        ("<!-- never closed", 0),
        ("<script>never closed", 0),
        ("<script", 0),
        ("İ<B>x</B>", 2),
        ("", 0),
    ],
)
def test_counts_visible_text(html: str, visible: int) -> None:
    assert visible_characters(html) == visible


def test_counts_of_letters_agree_with_python() -> None:
    source = random.Random(3)
    alphabet = "aZ09 _-\n\t\x7f\x80é½²ⅣЖ中ٓ٣🙂_"
    for _ in range(300):
        text = "".join(source.choices(alphabet, k=source.randrange(40)))
        assert alphanumeric_characters(text) == sum(map(str.isalnum, text))
        assert alphabetic_characters(text) == sum(map(str.isalpha, text))


# What RedPajama v1 does to a header, rebuilt here from goldens/github/README.md: its statistics are of that text.
BLOCK = re.compile(r"/\*[^*]*\*+(?:[^/*][^*]*\*+)*/")


def redpajama_v1_header_cut(text: str) -> str:
    if block := BLOCK.search(text):
        if "copyright" in block[0].lower():
            return text[: block.start()] + text[block.end() :]
        return text
    lines = text.split("\n")
    first = 0
    while first < len(lines) and (not lines[first] or lines[first].startswith(("//", "#", "--"))):
        first += 1
    return "\n".join(lines[first:]) if first else text


def test_decides_as_redpajama_on_every_blob(shared_data: Path) -> None:
    """The profile `redpajama-v1` after the reference's own header cut: every statistic and every verdict is equal.

    `LICENSE` at the root is skipped there before the filter; an empty text is `no_text` here and dropped there.
    """
    contents = pq.read_table(shared_data / "github" / "bigquery-export" / "contents-000000000000.parquet")
    texts = dict(zip(contents.column("id").to_pylist(), contents.column("content").to_pylist(), strict=True))
    golden = shared_data / "goldens" / "github" / "redpajama-v1-header.jsonl.gz"
    verdicts = {"kept": 0, "dropped": 0}
    for line in gzip.decompress(golden.read_bytes()).splitlines():
        row = json.loads(line)
        if row.get("outcome") == "no content":
            continue
        text = redpajama_v1_header_cut(texts[row["id"]])
        assert hashlib.sha1(text.encode()).hexdigest() == row["out_sha1"]
        stated = row["filter_without_token_rule"]
        for file in row["files"]:
            path = file.partition(":")[2]
            outcome = KeepReadableCode()(code(text, path))
            kept = isinstance(outcome, Document) and is_source_file(path)
            verdict = stated if isinstance(stated, str) else stated[file]
            assert verdict == ("kept" if kept else "dropped"), file
            verdicts[verdict] += 1
        scored = outcome.document if isinstance(outcome, Rejected) else outcome
        if scored.scores:
            stats = row["stats"]
            # The reference takes `\\r` for part of the line end; the texts of a run have `\\n` alone.
            longest = stats["max_line_length"] + ("\r\n" in text)
            assert scored.scores["code_max_line_characters"] == longest, row["files"]
            assert scored.scores["code_mean_line_characters"] == pytest.approx(
                stats["avg_line_length"], abs=1e-6
            )
            assert scored.scores["code_alphanumeric_fraction"] == pytest.approx(stats["alnum_prop"], abs=1e-6)
    assert sum(verdicts.values()) >= 2_764
