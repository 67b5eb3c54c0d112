"""The scan of a page: blocks, elements and class words, on small pages and against an HTML5 parser on real ones."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from selectolax.lexbor import LexborHTMLParser

from stages.extraction.elements import IN_ARIA_HIDDEN, IN_COMMENTS, IN_HIDDEN, TAG_NAMES
from stages.extraction.features import block_words
from stages.extraction.layout import lay_out
from stages.extraction.scanner import LINE_BREAK, Page, scan
from stages.extraction.text_run import COMMAS, DIGITS, ENDS, LINK_WORDS, SENTENCE_ENDS, WORDS
from stages.extraction.writing import write_text
from stages.html_text import decode_page
from stages.warc import WarcRecord, read_records

ROOT = Path(__file__).resolve().parents[3]
# What the scanner does not take for text; the parser leaves it out too.
NO_TEXT = (
    "script style noscript template svg iframe noframes noembed textarea select datalist object canvas video audio"
    " annotation annotation-xml rp title"
)


def blocks(page: str | bytes) -> list[tuple[str, str]]:
    """Path and text of each block."""
    data = page.encode() if isinstance(page, str) else page
    scanned = scan(data)
    found = []
    for k, element in enumerate(scanned.block_element.tolist()):
        path = []
        while element > 0:
            path.append(TAG_NAMES[scanned.element_tag[element]] or "?")
            element = int(scanned.element_parent[element])
        first, behind = scanned.block_segments[k].tolist()
        text = "".join(
            "|" if start == LINE_BREAK else data[start:end].decode()
            for start, end in zip(
                scanned.segment_start[first:behind].tolist(),
                scanned.segment_end[first:behind].tolist(),
                strict=True,
            )
        )
        found.append(("/".join(reversed(path)), text.strip()))
    return found


def whole_text(data: bytes) -> str:
    scanned = scan(data)
    keep = np.ones(len(scanned.block_element), dtype=np.bool_)
    written = write_text(np.frombuffer(data, dtype=np.uint8), scanned, lay_out(scanned), keep)
    return html.unescape(written.tobytes().decode("utf-8", "replace"))


def crawled_pages(shared_data: Path, step: int) -> list[bytes]:
    """Every `step`-th of the shared crawl's pages, as UTF-8."""
    pages = []
    number = 0
    for file in sorted((shared_data / "commoncrawl" / "repacked").rglob("*.warc.gz")):
        with file.open("rb") as stream:
            for record in read_records(stream, file.name, 16 << 20):
                if isinstance(record, WarcRecord) and record.type == "response":
                    if number % step == 0:
                        text, _ = decode_page(record.block.partition(b"\r\n\r\n")[2], None)
                        pages.append(text.encode("utf-8", "replace"))
                    number += 1
    return pages


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>one<p>two", [("p", "one"), ("p", "two")]),
        ("<p>one <b>bold</b> word</p>", [("p", "one bold word")]),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", [("ul/li", "a"), ("ul/li", "b"), ("ul/li/ul/li", "c")]),
        ("<dl><dt>a<dd>b<dt>c</dl>", [("dl/dt", "a"), ("dl/dd", "b"), ("dl/dt", "c")]),
        ("<table><tr><td>1<td>2<tr><th>3</table>x", [
            ("table/tr/td", "1"), ("table/tr/td", "2"), ("table/tr/th", "3"), ("", "x"),
        ]),
        ("<h1>a</h2><p>b", [("h1", "a"), ("p", "b")]),
        ("<div>a<br>b<br><br>c</div>", [("div", "a|b|"), ("div", "c")]),
        ("<b><div>a</b>b</div>c", [("?/div", "ab"), ("", "c")]),
        ("<div><table><td>a</div>b</table>c</div>d", [
            ("div/table/td", "a"), ("div/table/td", "b"), ("div", "c"), ("", "d"),
        ]),
        ("<div>a</body></html>b", [("div", "a"), ("div", "b")]),
        ("a < b <3 c<", [("", "a < b <3 c<")]),
        ("a</ x>b</>c<!x>d<?y>e", [("", "abcde")]),
        ("a<!-->b<!--->c<!-- x --!>d<!-- > -- -->e", [("", "abcde")]),
        ("a<!-- never closed <p>b", [("", "a")]),
        ("<p title='a>b' hidden=\"c>d\">e", [("p", "e")]),
        ("<p a=/b/>x", [("p", "x")]),
        ("<script>a<b</script>c", [("", "c")]),
        ("<SCRIPT>a</scRIPT\n>c", [("", "c")]),
        ("<script><!-- <script>a</script>b --></script>c", [("", "c")]),
        ("<script><!-- <script>a</script>b", [("", "b")]),
        ("<script src=x />hidden</script>seen", [("", "seen")]),
        ("<textarea>a</textare</textarea>b", [("", "b")]),
        ("<title>a<p>b", [("", "a"), ("p", "b")]),
        ("<style>a", []),
        ("<template><p>a</template>b<select><option>d</select>", [("", "b")]),
        ("<p>a<svg><g><text>no</text></g></svg>b", [("p", "ab")]),
        ("<div><svg><path></div><p>a", [("p", "a")]),
        ("<svg><g><p>a", [("p", "a")]),
        ("<svg><foreignObject><p>no</foreignObject></svg>a", [("", "a")]),
        ("<p>a<noscript>b</noscript>c", [("p", "a"), ("p/noscript", "b"), ("p", "c")]),
        ("<x-y><z>a</x-y>b</z>", [("", "ab")]),
        ("<pre>\n a\n  b</pre>", [("pre", "a\n  b")]),
        ("<p>...</p><p>&nbsp;</p><p>a", [("p", "a")]),
    ],
)  # fmt: skip
def test_finds_the_blocks(page: str, expected: list[tuple[str, str]]) -> None:
    assert blocks(page) == expected


def counts(page: str, column: int) -> list[int]:
    return [int(value) for value in scan(page.encode()).block_counts[:, column]]


def test_counts_words_in_quarters() -> None:
    page = "<p>two words<p>f&uuml;r don't café<p>漢字<p>ไทย<p>a—b &nbsp;"
    assert counts(page, WORDS) == [8, 12, 4, 3, 8]


def test_counts_marks_of_many_scripts() -> None:
    page = "<p>One, two. 3!<p>一、二。<p>أ، ب؟<p>अ।<p>said &ldquo;so&rdquo;"
    assert counts(page, SENTENCE_ENDS) == [2, 1, 1, 1, 0]
    assert counts(page, COMMAS) == [1, 1, 1, 0, 0]
    assert counts(page, ENDS) == [1, 1, 1, 1, 1]
    assert counts(page, DIGITS) == [1, 0, 0, 0, 0]


def test_words_of_a_link_end_with_it_or_with_the_next() -> None:
    assert counts("<p>a <a href=x>b c</a> d<p><a>e<p>f", LINK_WORDS) == [8, 4, 0]
    assert counts("<div><a href=x><div>b</div></a>c</div>", LINK_WORDS) == [4, 0]
    assert counts("<div><a>b<div><a>c</a>d</div>", LINK_WORDS) == [4, 4]


def bits(page: str) -> int:
    scanned = scan(page.encode())
    return int(scanned.element_ancestors[scanned.block_element[0]])


@pytest.mark.parametrize(
    ("page", "bit"),
    [
        ("<div hidden><p>a", IN_HIDDEN),
        ("<div style='color:red; DISPLAY : none'><p>a", IN_HIDDEN),
        ("<div style=visibility:hidden><p>a", IN_HIDDEN),
        ("<dialog><p>a", IN_HIDDEN),
        ("<noscript><p>a", IN_HIDDEN),
        ("<div aria-hidden=true><p>a", IN_ARIA_HIDDEN),
        ("<div id=Comments><p>a", IN_COMMENTS),
        ("<ol class='x comment-list'><li>a", IN_COMMENTS),
    ],
)
def test_knows_what_is_hidden_and_what_is_a_comment(page: str, bit: np.uint64) -> None:
    assert bits(page) & int(IN_HIDDEN | IN_ARIA_HIDDEN | IN_COMMENTS) == int(bit)


@pytest.mark.parametrize(
    "page",
    [
        "<body style=display:none><p>a",
        "<div style='display:block'><p>a",
        "<div aria-hidden=false><p>a",
        "<dialog open><p>a",
        "<p class='comment-count no-comments'>a",
        "<body class=comments><p>a",
    ],
)
def test_knows_what_is_not(page: str) -> None:
    assert bits(page) & int(IN_HIDDEN | IN_ARIA_HIDDEN | IN_COMMENTS) == 0


def test_splits_class_names_into_words() -> None:
    data = b"<div class='postBody main-text2col x' role=main><p id=intro_Text data-other=no>a"
    assert block_words(scan(data), data) == [
        ["intro", "text", "post", "body", "main", "text", "col", "@main"]
    ]


def test_same_tags_and_classes_give_the_same_path_whatever_the_id() -> None:
    scanned = scan(b"<div><p class=lead id=ab>x<p class=lead id=cd>y<p class=text>z</div><p class=lead>u")
    paths = [int(scanned.element_path[e]) for e in scanned.block_element]
    assert paths[0] == paths[1]
    assert len(set(paths)) == 3


def test_too_large_pages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.extraction.scanner.MAX_BYTES", 3)
    with pytest.raises(ValueError, match="a page of 4 bytes: at most 3 can be scanned"):
        scan(b"<p>a")


def test_no_visible_word_is_lost_on_real_pages(shared_data: Path) -> None:
    words = lost = 0
    for data in crawled_pages(shared_data, 12):
        tree = LexborHTMLParser(data.decode("utf-8", "replace"))
        tree.strip_tags(NO_TEXT.split())
        seen = set(re.findall(r"[^\W_]+", tree.body.text(separator="\n") if tree.body else ""))
        text = whole_text(data)
        lost += sum(word not in text for word in seen - set(re.findall(r"[^\W_]+", text)))
        words += len(seen)
    assert words > 100_000
    assert lost <= 0.001 * words


def arrays_of(page: Page) -> bytes:
    return b"".join(array.tobytes() for array in page)


def test_compiled_and_plain_versions_are_equal(shared_data: Path, tmp_path: Path) -> None:
    pages = [page for page in crawled_pages(shared_data, 150) if len(page) < 60_000][:4]
    pages.append(
        b"<div><svg><p>a&uuml;<!-- x --><script><!-- <script></script>--></script><pre>\n b</pre>\xff\xe6"
    )
    for number, page in enumerate(pages):
        (tmp_path / f"{number}.html").write_bytes(page)
    code = (
        "import sys, pathlib, warnings, hashlib\n"
        "warnings.simplefilter('ignore')\n"  # NumPy warns of hashes that wrap
        "from stages.extraction.extract import Extractor\n"
        "from stages.extraction.scanner import scan\n"
        "from stages.extraction.weights import load_weights\n"
        "extractor = Extractor(load_weights('article'))\n"
        "for name in sys.argv[1:]:\n"
        "    data = pathlib.Path(name).read_bytes()\n"
        "    arrays = b''.join(array.tobytes() for array in scan(data))\n"
        "    print(hashlib.sha256(arrays + repr(extractor.extract(data)).encode()).hexdigest())\n"
    )
    names = [str(tmp_path / f"{number}.html") for number in range(len(pages))]
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, *names],
            cwd=ROOT,
            env={"NUMBA_DISABLE_JIT": disabled, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for disabled in ("0", "1")
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") == len(pages) > 1
