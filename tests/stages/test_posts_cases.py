"""Every construct of a post by itself: `tests/cases/posts/NAME.in.html` gives `NAME.out.txt` (plain) and `NAME.out.md`
(Markdown), a dump `NAME.in.xml` gives `NAME.out.json`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from stages.document import Document
from stages.post_html import Markup, read_post
from stages.sources.stackexchange import StackExchange

CASES = Path(__file__).resolve().parents[1] / "cases" / "posts"
HTML = sorted(path.name.removesuffix(".in.html") for path in CASES.glob("*.in.html"))
DUMPS = sorted(path.name.removesuffix(".in.xml") for path in CASES.glob("*.in.xml"))
PLUS = StackExchange(markup="markdown", tags=True, accepted_mark=True, comments=True)


def test_there_are_cases() -> None:
    assert len(HTML) >= 30 and len(DUMPS) >= 5


@pytest.mark.parametrize("markup", ["plain", "markdown"])
@pytest.mark.parametrize("name", HTML)
def test_html(name: str, markup: Markup) -> None:
    html = (CASES / f"{name}.in.html").read_text(encoding="utf-8")
    suffix = "txt" if markup == "plain" else "md"
    expected = (CASES / f"{name}.out.{suffix}").read_text(encoding="utf-8").removesuffix("\n")
    assert read_post(html, markup).text.decode() == expected


@pytest.mark.parametrize("name", DUMPS)
def test_dump(name: str) -> None:
    """What the JSON says of each outcome, in order; `text` is of `llama1`, `plus` of that recipe."""
    data = (CASES / f"{name}.in.xml").read_bytes()
    outcomes = [
        list(reader.read(io.BytesIO(data), "dumps/ships.example.com/Posts.xml"))
        for reader in (StackExchange(), PLUS)
    ]
    expected = json.loads((CASES / f"{name}.out.json").read_text(encoding="utf-8"))
    found = []
    for wanted, plain, plus in zip(expected, *outcomes, strict=True):
        if isinstance(plain, Document) and isinstance(plus, Document):
            all_facts = {
                "id": plain.id,
                "text": plain.text,
                "plus": plus.text,
                "license": plain.license,
                "url": plain.url,
                **plain.metadata,
            }
        else:
            assert not isinstance(plain, Document) and not isinstance(plus, Document)
            all_facts = {"id": plain.document.id, "reason": plain.reason}
        found.append({key: all_facts.get(key) for key in wanted})
    assert found == expected
