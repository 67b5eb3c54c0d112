import pytest

from stages.post_html import MAX_HTML_CHARACTERS, html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a <b>b</b>\nc</p>\n\n<p>d</p>", "a b c\n\nd"),
        ("<pre><code>if x &lt; 1:\n    y\n</code></pre><p>z</p>", "if x < 1:\n    y\n\nz"),
        ("<pre>  a\n b</pre>", "  a\n b"),
        ("<ul>\n<li>a</li>\n<li><p>b</p></li></ul>", "- a\n- b"),
        ("<ol start='3'><li>a<ul><li>b</li></ul></li><li>c</li></ol>", "3. a\n  - b\n4. c"),
        ("a<br>b <code>c  d</code> <a href='u'>e</a><img src='x' alt='y'>", "a\nb c d e"),
        ("<table><tr><th>a</th><th>b</th></tr>\n<tr><td>1</td>\n<td>2</td></tr></table>", "a | b\n1 | 2"),
        ("<blockquote><p>q</p></blockquote>tail", "q\n\ntail"),
        ("<script>x</script><!-- c -->a &amp; b", "a & b"),
        ("<p>$x < y$ &nbsp; z", "$x < y$ z"),
        ("<h2>T</h2><p>a</p><hr>", "T\n\na"),
        ("", ""),
        ("  \n", ""),
    ],
)
def test_keeps_the_shape_that_carries_meaning(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_refuses_html_over_the_cap() -> None:
    with pytest.raises(ValueError, match="200001 characters"):
        html_to_text("x" * (MAX_HTML_CHARACTERS + 1))


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["<div>", "<ul><li>", "<td>", "<table><tr><td>", "<b>", "<p>x"])
def test_survives_deep_nesting(unit: str) -> None:
    assert html_to_text(unit * (60_000 // len(unit))).replace("x", "").replace("\n", "").strip(" -•") == ""
