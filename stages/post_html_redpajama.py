"""The text that RedPajama v1 makes of a post's HTML, for comparisons with it (not used by a recipe).

In: HTML. Out: the text of data_prep/stack_exchange/post_processing.py (branch rp_v1): `<li>` and `<ol>` become a line
with an asterisk, then Beautiful Soup's `get_text` over lxml's tree, whose rules are followed here without Beautiful
Soup: a string of white space only is one line end if it holds one, else one blank, but within `pre` and `textarea`;
the content of script, style and template is no text.
"""

from __future__ import annotations

from lxml import etree

_MARKS = (("<li>", "\n*"), ("</li>", ""), ("<ol>", "\n*"), ("</ol>", ""))
_ASCII_SPACE = " \n\t\f\r"
_KEPT_SPACE = ("pre", "textarea")
_NO_TEXT = ("script", "style", "template")


def redpajama_text(html: str) -> str:
    """The text as RedPajama v1 writes it, its faults included; empty when there is no tree."""
    for tag, mark in _MARKS:
        html = html.replace(tag, mark)
    try:
        root = etree.fromstring(html, etree.HTMLParser(no_network=True))
    except etree.XMLSyntaxError:  # no element in it
        return ""
    if root is None:
        return ""
    out: list[str] = []
    kept = 0

    def add(text: str | None) -> None:
        if text and not kept and not text.strip(_ASCII_SPACE):
            text = "\n" if "\n" in text else " "
        if text:
            out.append(text)

    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        if event == "start":
            kept += element.tag in _KEPT_SPACE
            add(element.text if element.tag not in _NO_TEXT else None)
        else:
            kept -= event == "end" and element.tag in _KEPT_SPACE
            add(element.tail)
    return "".join(out)
