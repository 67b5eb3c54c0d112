"""Extraction: what is kept, how it is written, what the page says about itself, and hostile pages."""

from __future__ import annotations

import random
import time
from datetime import date

import pytest

from benchmarks.extraction_hostile import HOSTILE, PAGE, fault, mutated
from stages.extraction.context_features import CONTEXT_NAMES
from stages.extraction.extract import Comments, Extractor
from stages.extraction.features import FIRST_NAMES
from stages.extraction.weights import Provenance, Weights, load_weights

PROSE = (
    "<p>This paragraph has enough words in it, and even a comma, to be taken for what the page is about.</p>"
)


def keep_all(context: dict[str, float] | None = None, first: dict[str, float] | None = None) -> Weights:
    """Weights under which every block scores 0 but for what is given, at threshold 0."""
    return Weights(
        "test",
        0.0,
        dict.fromkeys(FIRST_NAMES, 0.0) | (first or {}),
        0.0,
        {},
        dict.fromkeys(CONTEXT_NAMES, 0.0) | (context or {}),
        0.0,
        Provenance("2026-01-01", "", ()),
    )


EVERYTHING = Extractor(keep_all())


@pytest.fixture(scope="module")
def article() -> Extractor:
    return Extractor(load_weights("article"))


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h1>Head</h1><p>One  \n two.<p>Three", "Head\n\nOne two.\n\nThree"),
        ("<p>a<br>b<br/> c", "a\nb\nc"),
        ("<ul><li>a<li>b<ul><li>c<li><p>d<p>e</ul><li>f</ul>g", "- a\n- b\n  - c\n  - d\n    e\n- f\n\ng"),
        ("<ul><li><h2>a</h2><p>b</ul>", "a\n  b"),
        ("<dl><dt>a<dd>b<dd>c<dt>d</dl>", "a\nb\nc\n\nd"),
        ("<table><tr><th>a<th>b<tr><td>1<td><b>2</b> <br>3</table>c", "a | b\n1 | 2 3\n\nc"),
        ("<table><tr><td><p>a<p>b<td>c</table>", "a\n\nb\n\nc"),
        ("<table><tr><td>menu<td>" + "long " * 79 + "</table>", "menu | " + ("long " * 79).strip()),
        ("<table><tr><td>menu<td>" + "long " * 80 + "</table>", "menu\n\n" + ("long " * 80).strip()),
        ("<pre>\n\n  def f():\r\n\treturn&nbsp;1 &lt; 2\n</pre>", "  def f():\n\treturn 1 < 2"),
        ("<p>see <code>a  b</code> there", "see a b there"),
        ("<p>fo<b>o</b>b<i> a</i>r", "foob ar"),
        ("<p>a&nbsp; \u00a0b&#10;c&thinsp;d", "a b c d"),
        ("<p>&eacute;&notit; &ampx &#x41;&#66 &#0; &#128; &unknown; x", "é¬it; &x AB \ufffd € &unknown; x"),
        ("<p>a\0b", "ab"),
        ("<p>&#" + "1" * 5000 + "; x", "\ufffd x"),
        (b"<p>a\xffb \xe6\x97", "a\ufffdb \ufffd"),
        ("<p>a\r\nb", "a b"),
    ],
)
def test_writes_blocks_as_readable_text(page: str | bytes, text: str) -> None:
    assert EVERYTHING.extract(page).text == text


def test_keeps_the_article_and_drops_menu_and_footer(article: Extractor) -> None:
    page = (
        "<title>Title - Site</title><nav><ul><li><a href=/>Home</a><li><a href=/b>Blog</a></ul></nav>"
        f"<article><h1>Title</h1>{PROSE * 4}</article><footer class=footer><p><a href=x>Terms of use</a></footer>"
    )
    extraction = article.extract(page)
    paragraph = PROSE.removeprefix("<p>").removesuffix("</p>")
    assert extraction.text.split("\n\n")[-4:] == [paragraph] * 4
    assert "Home" not in extraction.text
    assert "Terms" not in extraction.text
    assert (extraction.title, extraction.fallback) == ("Title", "")
    assert extraction.blocks == len(extraction.text.split("\n\n"))


def test_a_string_and_its_utf_8_are_the_same_page(article: Extractor) -> None:
    page = f"<p>Über</p>{PROSE}"
    assert article.extract(page) == article.extract(page.encode())


def test_threshold_decides_how_much_is_kept() -> None:
    weights = keep_all({"first": 1.0}, {"link_share": -2.0})
    page = "<p>plain<p><a>linked</a>"
    assert Extractor(weights).extract(page).text == "plain"
    assert Extractor(weights, threshold=-2.0).extract(page).text == "plain\n\nlinked"


def test_cells_of_a_row_stay_together() -> None:
    weights = keep_all({"first": 1.0}, {"link_share": -1.0, "log_words": 0.5})
    page = "<table><tr><td>some words stand here<td><a>x</a><tr><td><a>y</a><td><a>z</a></table>"
    assert Extractor(weights).extract(page).text == "some words stand here | x"


@pytest.mark.parametrize(
    ("comments", "text"), [("scored", "post"), ("kept", "post\n\nnice one"), ("dropped", "post")]
)
def test_comments_are_scored_kept_or_dropped(comments: Comments, text: str) -> None:
    page = "<p>post<div id=comments><p>nice one<p><a>reply</a></div>"
    weights = keep_all({"first": 1.0}, {"in_comments": -1.0})
    assert Extractor(weights, comments=comments).extract(page).text == text
    if comments == "dropped":
        assert Extractor(keep_all(), comments=comments).extract(page).text == text


def test_an_unknown_setting_of_comments_is_an_error() -> None:
    with pytest.raises(ValueError, match="comments 'no' is not one of scored, kept, dropped"):
        Extractor(keep_all(), comments="no")  # type: ignore[arg-type]


def test_hidden_text_is_dropped_unless_it_is_most_of_the_page() -> None:
    hidden, shown = "<p style='display: none'>secret words</p>", "<p>four words are shown</p>"
    assert EVERYTHING.extract(hidden + shown).text == "four words are shown"
    assert EVERYTHING.extract(hidden * 3 + shown).text == "\n\n".join(
        ["secret words"] * 3 + ["four words are shown"]
    )
    assert (
        Extractor(keep_all(), hidden=True).extract(hidden + shown).text
        == "secret words\n\nfour words are shown"
    )


def test_falls_back_to_the_best_subtree_then_to_the_whole_page() -> None:
    page = "<nav><a>menu of links</a></nav><div><p>some text<p>and more</div>"
    best = Extractor(keep_all({"first": 1.0}, {"link_share": -2.0, "log_words": 0.5}), threshold=9.0).extract(
        page
    )
    assert (best.text, best.fallback) == ("some text\n\nand more", "best_subtree")
    whole = Extractor(
        keep_all({"first": 1.0}, {"link_share": -2.0, "log_words": -0.5}), threshold=9.0
    ).extract(page)
    assert (whole.text, whole.fallback, whole.blocks) == (
        "menu of links\n\nsome text\n\nand more",
        "whole_page",
        3,
    )


@pytest.mark.parametrize("page", ["", "<", "<p>", "<script>x", "...", "&nbsp;"])
def test_a_page_without_words_gives_no_text(article: Extractor, page: str) -> None:
    extraction = article.extract(page)
    assert (extraction.text, extraction.title, extraction.blocks) == ("", "", 0)


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("<title>Head &amp; more | Site</title>", "Head & more | Site"),
        ("<title>T | Site</title><meta property=og:title content=' O  g '>", "O g"),
        ("<title>The Heading | Site</title><h1>The  <i>Heading</i></h1>", "The Heading"),
        ("<title>An article | Site</title><h1>Site</h1>", "An article | Site"),
        ("<h1>Alone</h1>", "Alone"),
        ("<svg><title>icon</title></svg>", ""),
    ],
)
def test_title(head: str, title: str) -> None:
    assert EVERYTHING.extract(head + "<p>x").title == title


@pytest.mark.parametrize(
    ("head", "day"),
    [
        ("<meta property=article:published_time content=2021-03-04T05:06:07Z>", date(2021, 3, 4)),
        ('<script type="application/ld+json">{"datePublished" : "2020-02-29"}</script>', date(2020, 2, 29)),
        ("<script>{\"datePublished\": \"2020-02-29\"}</script>", None),
        ("<time datetime=2019-01-01>x</time><meta name=date content=20180101>", date(2018, 1, 1)),
        ("<time datetime=2019-01-01>x</time><meta name=date content=tomorrow>", date(2019, 1, 1)),
        ("<time datetime=2019-13-01>x</time>", None),
        ("<time datetime=0001-01-01>x</time>", None),
    ],
)  # fmt: skip
def test_date(head: str, day: date | None) -> None:
    assert EVERYTHING.extract(head + "<p>x").date == day


def test_language_and_canonical_address() -> None:
    page = "<html LANG=pt_BR><link rel=canonical href='https://a.example/b?c=1&amp;d=2'><p>x"
    found = EVERYTHING.extract(page)
    assert (found.language, found.canonical_url) == ("pt-br", "https://a.example/b?c=1&d=2")
    found = EVERYTHING.extract(
        "<html lang='{{ lang }}'><link rel=canonical href=/b><meta property=og:url content=http://c/>"
    )
    assert (found.language, found.canonical_url) == (None, "http://c/")


def test_blocks_tell_why(article: Extractor) -> None:
    blocks = article.blocks(f"<nav><a href=x>Menu</a></nav><article>{PROSE * 3}</article>")
    assert [(block.path, block.words, block.kept) for block in blocks] == [
        ("nav", 1.0, False),
        *[("article/p", 20.0, True)] * 3,
    ]
    assert blocks[0].score < 0 < blocks[1].score


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_shapes_are_quick_and_give_valid_text(article: Extractor, name: str) -> None:
    page = HOSTILE[name](200_000)
    begin = time.process_time()
    extraction = article.extract(page)
    assert time.process_time() - begin < 1.0  # most take 1 to 50 ms; a quadratic way takes minutes
    assert fault(extraction) == ""


def test_mutated_pages_give_valid_text(article: Extractor) -> None:
    source = random.Random(11)
    for _ in range(500):
        assert fault(article.extract(mutated(PAGE, source))) == ""
