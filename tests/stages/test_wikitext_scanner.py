import time

import pytest

from stages.wikitext import page_text, plain_text
from stages.wikitext_scanner import MAX_DEPTH, MAX_TITLE_CHARACTERS

SIZES = (40_000, 400_000)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    ["{{", "{{{", "[[", "}}", "{|\n", "<ref>", "<ref ", "<!--", "{{a|", "''", "'''''", "[http://a ", "{{nowrap|", "(",
     " )", "(,", " ,)", ",", "__", "<a ", "=", "*", "# x\n", "<sup>", "&", "-{", "{{nowrap|x}}", "'''a''b", "<table>",
     "\n== a", " ", ":",
     "<nowiki>", "\x00", "[[a|", "[[a\n", "[[a [[b|{{c}}]] ", "|}\n", "\n|", "[[a|b\n{|\n", "{{lang|fr|",
     "{{PAGENAME}}",
     "{{#switch:a|", "== a ==\n{|\n", "{{a\n\n", "</ref>", "[[a]", "__NOTOC__", "<math>"],
)  # fmt: skip
def test_takes_linear_time(unit: str) -> None:
    """Ten times the text in no more than thirty times the time, with room for a busy machine."""
    times = []
    for size in SIZES:
        text = unit * (size // len(unit)) + "|}} x"
        start = time.process_time()
        page_text(text, "sr", "T" * 10_000)
        times.append(time.process_time() - start)
    assert times[1] < max(0.5, 30 * times[0])


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("opening", "closing"), [("{{a|", "}}"), ("[[a|", "]]"), ("{|\n", "\n|}"), ("<table>", "</table>")]
)
def test_marks_nested_a_hundred_thousand_deep_do_not_cost_the_rest(opening: str, closing: str) -> None:
    depth = 100_000
    start = time.process_time()
    text = plain_text(f"before\n{opening * depth}x{closing * depth}\n\nafter")
    assert time.process_time() - start < 5
    assert text.startswith("before")
    assert text.endswith("after")


def test_marks_as_deep_as_the_limit_close_as_they_opened() -> None:
    depth = MAX_DEPTH - 2
    assert plain_text("a " + "{{nowrap|" * depth + "b" + "}}" * depth + " c") == "a b c"


def test_a_title_of_any_length_costs_no_more_than_a_title() -> None:
    assert len(plain_text("{{PAGENAME}}", "en", "T" * 10_000)) == MAX_TITLE_CHARACTERS


def test_a_name_of_a_template_of_any_length_is_no_name() -> None:
    assert plain_text("a {{" + "lang|fr " * 10_000 + "}} b") == "a fr lang b"
    assert plain_text("a {{" + "x" * 10_000 + "|b}} c") == "a c"
    assert plain_text("{{lc:" + "A" * 1_000 + "}}") == "a" * 1_000


def test_a_link_that_goes_over_a_line_gives_way_to_the_next() -> None:
    assert plain_text("a [[b\nc [[d|e]] [[f\n[[g]]") == "a b\nc e f\ng"


def test_a_number_of_broken_links_does_not_let_a_table_through() -> None:
    broken = "[[a\n" * (2 * MAX_DEPTH)
    assert plain_text(broken + "\n{|\n| cell\n|}\nend").endswith("a\n\nend")


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("{{t|\n|}}a", "a"),
        ("{{t|a=|}}a", "a"),
        ("{|\n|}}\na", ""),
        ("{|\n| {{t|}}\n|}\na", "a"),
        (":{|\n| b\n|}\na", "a"),
        ("text {| no table", "text {| no table"),
        ("{{{{{a}}}}}b", "b"),
        ("{{nowrap|{{{x|y}}}}}", "y"),
        ("}}a{{b}} }", "}}a }"),
        ("a | b", "a | b"),
        ("[http://a.example b | c]", "b | c"),
        ("[[a|[http://b.example c]]]", "c"),
        ("<nowiki/>a<ref/>b<math/>", "ab"),
        ("a<sup>0123456789</sup>", "a0123456789"),
        ("a <div class=x>b</div> <nosuchtag>c", "a\n\nb\n\n<nosuchtag>c"),
    ],
)  # fmt: skip
def test_reads_marks_as_mediawiki_does(wikitext: str, text: str) -> None:
    assert plain_text(wikitext) == text
