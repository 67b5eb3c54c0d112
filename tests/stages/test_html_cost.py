"""What a page costs a tree-building parser: limits, real pages, and the parser itself as the oracle."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree, Node

from stages.html_cost import MAX_INDENTATION, MAX_NAMES, broken_limit, page_cost
from stages.html_open_elements import MAX_NODES, MAX_STEPS
from stages.warc import WarcRecord, read_records

broken_limit(b"<p>")  # compiled before any time is taken

DEEP = f"over {MAX_STEPS} steps through open elements"
MANY = f"over {MAX_NODES} elements"
NAMES = f"over {MAX_NAMES} names of tags or attributes"
LISTS = f"over {MAX_INDENTATION} characters of indentation in nested lists"

# Each takes over five seconds, or over a gigabyte, when it is parsed and written as text.
SLOW = {
    "<ol><li>x" * 3_000: LISTS,
    "<ol><li>" * 1_000 + "x<br>" * 200_000: LISTS,
    "<ul></ul>x" * 200_000: LISTS,
    "<b></div>" * 100_000: DEEP,
    "<div>" * 100_000: DEEP,
    "<div/>" * 100_000: DEEP,
    "<a><i>x</a>" * 300_000: DEEP,
    "<math><mi>" * 2_000 + "</b>" * 2_000_000: DEEP,
    "<div><select></div></select>" * 50_000: DEEP,
    "<table><tr><td></div><div>" * 50_000: DEEP,
    "<svg><font color=x/>" * 50_000: DEEP,
    "<b></x a='><!--'>" + "<div>" * 50_000: DEEP,
    "<svg><style>" + "<div>" * 50_000: DEEP,
    "<frameset>" * 50_000: DEEP,
    "<frameset><plaintext>" * 50_000: DEEP,
    "<p>x" * 4_000_000: MANY,
    "".join(f"<x{n}>" for n in range(250_000)): NAMES,
    "".join(f"<x a{n}></x>" for n in range(250_000)): NAMES,
    ("<p " + " ".join(f"a{n}" for n in range(3_000)) + ">x</p>") * 100: DEEP,
}


@pytest.mark.parametrize("html", SLOW, ids=lambda html: html[:24])
def test_a_page_made_to_be_slow_is_told_in_time_linear_in_it(html: str) -> None:
    data = html.encode()
    begin = time.process_time()
    assert broken_limit(data) == SLOW[html]
    assert time.process_time() - begin < 1


def test_formatting_that_is_opened_again_in_each_paragraph_counts_each_time() -> None:
    page = b"".join(b"<p><b c=%d>x</p>" % n for n in range(300))
    assert page_cost(page).nodes == 300 * 3 + 300 * 299 // 2


FINE = (
    "<p>One<p>Two<p>",
    "<ul><li>a<li>b</ul>",
    "<table><tr><td>a<td><b>b<tr><td>c</table>",
    "<table><tr><td><font size=2><div>a</td></table>",
    "<script><div><div></script>",
    "<!--<div>-->",
    "<svg><path d=x /><path/></svg>",
    "<font color=red><div>x</font></div>",
    "<p><b>x</p>",
    "<select><option>a<option>b</select>",
    "<form><input></form>",
    "<dl><dt>a<dd>b<dt>c</dl>",
    "<ruby>a<rt>b</ruby>",
    "<h1>a</h2>",
)


@pytest.mark.parametrize("html", FINE, ids=lambda html: html[:24])
def test_what_real_pages_leave_open_costs_little(html: str) -> None:
    page = html.encode() * 1_000
    assert broken_limit(page) == ""
    found = page_cost(page)
    assert found.steps < 12 * found.nodes


def test_real_pages_are_far_from_the_limits(shared_data: Path) -> None:
    checked = 0
    most = [0, 0, 0]
    for path in sorted((shared_data / "commoncrawl").rglob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in read_records(stream, path.name):
                if isinstance(record, WarcRecord) and record.type == "response":
                    page = record.block.partition(b"\r\n\r\n")[2]
                    assert broken_limit(page) == ""
                    found = page_cost(page)
                    most = [
                        max(most[0], found.nodes),
                        max(most[1], found.steps),
                        max(most[2], found.indentation),
                    ]
                    checked += 1
    assert checked > 2_855
    assert 5 * most[0] < MAX_NODES and 5 * most[1] < MAX_STEPS and 5 * most[2] < MAX_INDENTATION, most


PIECES = (
    "a b i font nobr span x1 p div li ul ol dd dl h1 table tr td th tbody caption colgroup select option optgroup"
    " button form object template svg math g mi foreignobject desc title style script textarea xmp iframe noembed"
    " noframes annotation-xml br hr img input pre ruby rt frameset body head html col marquee noscript dialog"
)


def piece(chance: random.Random) -> str:
    name = chance.choice(PIECES.split())
    kinds = [
        f"<{name}>",
        f"<{name} c={{n}}>",
        f"<{name}/>",
        f"</{name}>",
        "x",
        "<font color=x>",
        "</x a='>'>",
    ]
    kinds += ["<!-- ", "-->", "<![CDATA[", "]]>", "<annotation-xml encoding=text/html>"]
    return chance.choices(kinds, [50, 8, 4, 26, 8, 2, 1, 1, 1, 1, 1, 1])[0]


def shape(tree: HTMLTree) -> tuple[int, int]:
    """Depth and number of nodes of a tree."""
    node: Node | None = tree.document
    depth = deepest = count = 0
    while node is not None:
        count += 1
        deepest = max(deepest, depth)
        if node.first_child is not None:
            node = node.first_child
            depth += 1
            continue
        while node is not None and node.next is None:
            node = node.parent
            depth -= 1
        node = node.next if node is not None and depth > 0 else None
    return deepest, count


@pytest.mark.parametrize("seed", range(4))
def test_finds_whatever_the_parser_makes_deep_or_large(seed: int) -> None:
    """Random markup, over and over: depth, nodes and text of the true tree are bounded by what was counted."""
    chance = random.Random(seed)
    for _ in range(150):
        first = "".join(piece(chance) for _ in range(chance.randint(0, 4)))
        again = "".join(piece(chance) for _ in range(chance.randint(1, 6)))
        html = first + "".join(again.replace("{n}", str(n)) for n in range(400))
        found = page_cost(html.encode())
        tree = HTMLTree.parse(html)
        deepest, count = shape(tree)
        characters = len(extract_plain_text(tree, main_content=False))
        assert deepest < 100 or deepest**2 <= 8 * found.steps, (first, again)
        assert count <= 6 * found.nodes + 2_000, (first, again)
        assert characters <= 2 * len(html) + 4 * found.indentation + 1_000, (first, again)


def test_any_bytes_are_counted() -> None:
    chance = random.Random(5)
    for size in range(200):
        page = bytes(chance.choices(b"<>/!-=\"' abp[]\xff\0", k=size))
        assert broken_limit(page) == ""
