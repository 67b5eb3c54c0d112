"""Parser functions and variables: `{{formatnum:}}`, `{{uc:}}`, `{{#if:}}`, `{{PAGENAME}}`.

In: the name of a call that is no template, with its arguments already rendered. Out: what it gives, or an empty text
for all that depends on the day, the wiki or a module (`{{CURRENTYEAR}}`, `{{#invoke:}}`, `{{#expr:}}`), and for notes
(`{{#tag:ref|...}}`). Meanings: https://www.mediawiki.org/wiki/Help:Magic_words, Help:Extension:ParserFunctions.
"""

from __future__ import annotations

from collections.abc import Callable

from stages.wikitext_calls import Page
from stages.wikitext_names import words
from stages.wikitext_numbers import format_number, unformatted

_PAGE_NAMES = words(
    "pagename fullpagename basepagename subpagename rootpagename articlepagename subjectpagename "
    # bg ca hu ru uk es
    "страница nomdelaplana oldalneve lapteljesneve названиестраницы полноеназваниестраницы назва_сторінки "
    "nombredepagina nombredepágina"
)
_CASES: dict[str, Callable[[str], str]] = {
    "lc": str.lower,
    "uc": str.upper,
    "lcfirst": lambda text: text[:1].lower() + text[1:],
    "ucfirst": lambda text: text[:1].upper() + text[1:],
}
MAX_PADDED = 100  # characters that {{padleft:}} may make


def _formatnum(first: str, rest: list[str], page: Page) -> str:
    option = rest[0].strip().upper() if rest else ""
    if option == "R":
        return unformatted(first, page.language)
    return first if option == "NOSEP" else format_number(first, page.language)


def _if(first: str, rest: list[str], page: Page) -> str:
    return _chosen(rest, 0 if first else 1)


def _if_equal(first: str, rest: list[str], page: Page) -> str:
    return _chosen(rest, 1 if rest and first == rest[0].strip() else 2)


def _switch(first: str, rest: list[str], page: Page) -> str:
    """`{{#switch:b|a|b=x|#default=y}}`: a case without a value falls through to the next value."""
    hit, default = False, ""
    for i, case in enumerate(rest):
        key, equals, result = case.partition("=")
        if not equals:
            if i == len(rest) - 1:
                return case.strip()
            hit = hit or key.strip() == first
        elif hit or key.strip() == first:
            return result.strip()
        elif key.strip() == "#default":
            default = result.strip()
    return default


def _padded(first: str, rest: list[str], page: Page) -> str:
    width = int(rest[0]) if rest and rest[0].strip().isdecimal() and len(rest[0]) < 4 else 0
    return first.rjust(min(width, MAX_PADDED), (rest[1].strip()[:1] if len(rest) > 1 else "") or "0")


def _plural(first: str, rest: list[str], page: Page) -> str:
    return _chosen(rest, 0 if first in ("1", "-1") else min(1, len(rest) - 1))


def _chosen(rest: list[str], index: int) -> str:
    return rest[index].strip() if 0 <= index < len(rest) else ""


_FUNCTIONS: dict[str, Callable[[str, list[str], Page], str]] = {
    "formatnum": _formatnum,
    "#formatnum": _formatnum,
    "#if": _if,
    "#ifeq": _if_equal,
    "#switch": _switch,
    "padleft": _padded,
    "plural": _plural,
}


def render_function(name: str, arguments: list[str], page: Page) -> str:
    """What `{{name|arguments}}` gives when it is a function or a variable, else an empty text."""
    function, colon, first = name.partition(":")
    key = function.strip().lower()
    if not colon:
        return page.title if key in _PAGE_NAMES else ""
    if rule := _FUNCTIONS.get(key):
        return rule(first.strip(), arguments, page)
    if case := _CASES.get(key):
        return case(first.strip())
    return ""
