from __future__ import annotations

import html as stdlib_html
import random
import re
import time

import numpy as np
import pytest

from stages.content import content_of
from stages.post_html import Markup, count_text, read_post, read_posts
from stages.post_html_redpajama import redpajama_text

# What fuzzed posts are made of: every tag that means something, signs, references and broken ends.
TAGS = "p ul ol li pre code b h2 table tr td blockquote sup sub a br hr"
PIECES = [
    *(f"<{tag}>" for tag in TAGS.split()),
    *(f"</{tag}>" for tag in TAGS.split()),
    *('<a href="http://x.example">', '<pre class="lang-c">', '<img src="u" alt="v">', '<ol start="7">'),
    *(
        '<blockquote class="spoiler">',
        " ",
        "\n",
        "$",
        "$$",
        "\\begin{a}",
        "\\end{a}",
        "`",
        "``",
        "a",
        "b c",
        "12",
    ),
    *(
        "é",
        "世",
        "&amp;",
        "&lt;",
        "&#10;",
        "&nbsp;",
        "&",
        "&copy",
        "<",
        "</",
        "<!-- x -->",
        "<!--",
        "\x00",
        "\r\n",
    ),
    *("\t", "\u00a0", "]", "(", '"', "'>"),
]


def fuzzed(seed: int) -> str:
    chosen = random.Random(seed)
    return "".join(chosen.choice(PIECES) for _ in range(chosen.randint(0, 40)))


def words_by_regex(html: str) -> str:
    """Letters and digits outside of tags, without any layout: an oracle for what may not get lost."""
    html = re.sub(r"<!--.*?(?:-->|$)", "", html, flags=re.S)
    html = re.sub(r"""</?[a-zA-Z](?:"[^"]*"|'[^']*'|[^>"'])*>""", "", html)
    return "".join(c for c in stdlib_html.unescape(html) if c.isalnum())


@pytest.mark.parametrize("markup", ["plain", "markdown"])
def test_no_word_is_lost_or_moved(markup: Markup) -> None:
    """Over posts of whole tags: the letters of the text are those of the HTML, in order; Markdown adds addresses."""
    whole = [p for p in PIECES if p not in ("<", "</", "<!--", '"', "'>", "&copy") and "=" not in p]
    for seed in range(1_500):
        chosen = random.Random(seed)
        html = "".join(chosen.choice(whole) for _ in range(40))
        html = html.replace("<ol>", "<ul>").replace("</ol>", "</ul>")  # numbers are added
        text = "".join(c for c in read_post(html, markup).text.decode() if c.isalnum())
        assert text == words_by_regex(html), (seed, html)


@pytest.mark.parametrize("markup", ["plain", "markdown"])
def test_any_bytes_give_clean_text(markup: Markup) -> None:
    for seed in range(3_000):
        html = fuzzed(seed)
        text = read_post(html, markup).text.decode()
        assert "\x00" not in text and "\r" not in text, seed
        assert text == text.strip("\n"), seed
        assert "\n\n\n" not in text or "<pre" in html, seed


@pytest.mark.parametrize("markup", ["plain", "markdown"])
def test_posts_read_together_are_read_as_alone(markup: Markup) -> None:
    bodies = [fuzzed(seed).encode() for seed in range(200)]
    ends = np.cumsum([0, *map(len, bodies)])
    spans = np.stack([ends[:-1], ends[1:]], axis=1)
    data = np.frombuffer(b"".join(bodies), dtype=np.uint8)
    together = read_posts(data, spans, False, markup)
    assert together == [read_post(body.decode(), markup) for body in bodies]


def test_escaped_posts_are_read_as_what_they_stand_for() -> None:
    for seed in range(300):
        body = fuzzed(seed).replace("\x00", "").replace("\r", "").replace("\t", " ")
        escaped = stdlib_html.escape(body, quote=False).replace('"', "&quot;").replace("\n", "&#xA;").encode()
        data = np.frombuffer(escaped, dtype=np.uint8)
        (read,) = read_posts(data, np.array([[0, len(data)]]), True, "plain")
        assert read == read_post(body), seed


@pytest.mark.parametrize("value", [b"a &nbsp; b", b"&unknown;", b"&", b"&lt", b"&#x41;", b"a & b"])
def test_leaves_a_value_with_other_references_to_an_xml_parser(value: bytes) -> None:
    data = np.frombuffer(value, dtype=np.uint8)
    assert read_posts(data, np.array([[0, len(data)]]), True, "plain") == [None]


def test_counts_as_content_does() -> None:
    for seed in range(500):
        html = fuzzed(seed)
        counted, of_content = read_post(html), content_of(html)
        assert (counted.raw_characters, counted.raw_digits) == (of_content.characters, of_content.digits)
        assert count_text(html) == (of_content.characters, of_content.digits)


def test_counts_formulas_and_code_on_both_sides() -> None:
    html = "<p>$a$ and $$b$$, <code>x = $1 &lt; 2</code> nbsp</p><pre><code>y &amp;\n $z$ é\n</code></pre>"
    for markup in ("plain", "markdown"):
        read = read_post(html, markup)  # type: ignore[arg-type]
        assert (read.raw_formulas, read.formulas) == (3, 3)  # three pairs of signs
        assert (read.raw_code_characters, read.code_characters) == (12, 12)


def test_dropped_code_is_seen_by_the_loss_meter() -> None:
    read = read_post("<p>a</p><svg><code>lost</code></svg>")
    assert (read.raw_code_characters, read.code_characters) == (4, 0)


@pytest.mark.parametrize(
    ("html", "is_block"),
    [
        ("<p>a</p>", 0),
        ("<pre>a</pre>", 1),
        ("<ul><li>a", 1),
        ("<p></p><blockquote>a", 1),
        ("<h2>a", 0),
        ("a<pre>b", 0),
    ],
)
def test_tells_a_text_that_begins_with_a_block(html: str, is_block: int) -> None:
    assert read_post(html).is_block == is_block


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "<div>",
            "<ul><li>",
            "<td>",
            "<table><tr><td>",
            "<b>",
            "<p>x",
            "<code>",
            "<pre>",
            "<sup>x",
            "<svg>",
            "<a <",
        ),
        *(
            '<a href="/">x',
            "<!--",
            "&",
            "`",
            "<blockquote>",
            "<pre>`",
            "</li>",
            "$$\n",
            '<p title="',
            "<code>`</code>",
        ),
    ],
)
def test_time_grows_with_the_length_alone(unit: str) -> None:
    """Were time by the square of the depth or of the signs, a megabyte would take minutes."""
    read_post(unit)  # compiles
    for markup in ("plain", "markdown"):
        started = time.process_time()
        read_post(unit * (1_000_000 // len(unit)), markup)  # type: ignore[arg-type]
        assert time.process_time() - started < 2


def test_bounds_what_deep_lists_write() -> None:
    deep = "<ol start='999999'><li>" * 100 + "<pre>" + "x\n" * 1_000
    assert len(read_post(deep, "markdown").text) < 1_000 * 100


def test_a_post_at_the_cap_is_read() -> None:
    assert len(read_post("<p>" + "word " * 200_000).text) == 999_999


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p>\n\n<p>b</p>", "a\nb"),
        ("<ol>\n<li>a</li>\n</ol>", "*\n\n*a\n"),
        ("<pre>  \n </pre><b> \n </b><i> </i>x", "  \n \n x"),
        ("<script>a</script>b<!-- c -->d", "bd"),
        ("", ""),
    ],
)
def test_redpajama_text_follows_its_rules(html: str, text: str) -> None:
    assert redpajama_text(html) == text
