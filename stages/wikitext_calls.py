"""A call of a template as its rules see it, and the simple rules: an argument, all of them, a constant.

In: the name and the arguments of `{{name|a|b|key=c}}`, already rendered. Out: text. Numbered parameters (`1=`) take
their place among the others, as in MediaWiki (https://www.mediawiki.org/wiki/Help:Templates).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_NUMBERED = 50  # positions that `7=` can name; no inline template has more
MAX_KEY_CHARACTERS = 30  # what stands before `=` in a longer one is a sentence with an equals sign

_SUPERSCRIPTS = str.maketrans("0123456789+-−()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿ")
_SUPERSCRIPT_CHARACTERS = frozenset("0123456789+-−()n")


@dataclass(frozen=True, slots=True)
class Page:
    """What a template can know of the page: the language of its Wikipedia and its title."""

    language: str
    title: str


@dataclass(slots=True)
class Call:
    """A call: its name as written, with blanks for underscores, and its arguments."""

    name: str
    positional: list[str]
    named: dict[str, str]
    page: Page

    def at(self, index: int) -> str:
        """Positional argument, counted from 0, without the blanks around it; empty when there is none."""
        return self.positional[index].strip() if index < len(self.positional) else ""

    def given(self) -> list[str]:
        """The positional arguments that are not empty, without the blanks around them."""
        return [stripped for argument in self.positional if (stripped := argument.strip())]

    def option(self, *keys: str) -> str:
        """The first of some named arguments that is not empty."""
        return next((value for key in keys if (value := self.named.get(key, ""))), "")


Rule = Callable[[Call], str]


def call_of(name: str, arguments: list[str], page: Page) -> Call:
    """The call with its arguments sorted into positional and named ones."""
    positional: list[str] = []
    named: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        key = key.strip()
        if not equals or len(key) > MAX_KEY_CHARACTERS:
            positional.append(argument)
        elif key.isdecimal() and len(key) < 3 and 1 <= (place := int(key)) <= MAX_NUMBERED:
            positional += [""] * (place - len(positional))
            positional[place - 1] = value.strip()
        else:
            named[key.lower()] = value.strip()
    return Call(name, positional, named, page)


def superscript(text: str) -> str:
    """`2` as `²`, so that 10² is not read as 102; text that has no superscript letters in Unicode stays as it is."""
    return text.translate(_SUPERSCRIPTS) if text and _SUPERSCRIPT_CHARACTERS.issuperset(text) else text


def argument(index: int) -> Rule:
    """The positional argument as it is, with its blanks."""
    return lambda call: call.positional[index] if index < len(call.positional) else ""


def constant(text: str) -> Rule:
    return lambda call: text


def joined(separator: str) -> Rule:
    return lambda call: separator.join(call.given())


def framed(before: str, after: str, index: int = 0) -> Rule:
    """The argument between two signs, or nothing when it is empty."""
    return lambda call: f"{before}{text}{after}" if (text := call.at(index)) else ""


def last(call: Call) -> str:
    return call.positional[-1] if call.positional else ""


def raised(call: Call) -> str:
    return superscript(call.at(0))


def quotation(call: Call) -> str:
    """A quotation on lines of its own, with who said it and where."""
    text = call.option(
        "text", "quote", "texto", "texte", "testo", "zitat", "treść", "citat", "texten"
    ) or call.at(0)
    by = ", ".join(filter(None, (call.at(1), call.at(2)))) or call.option(
        "author", "autor", "auteur", "autore", "sign", "by", "автор"
    )
    return f"\n{text}" + (f"\n— {by}" if text and by else "") + "\n"


def by_name(*table: tuple[str, Rule]) -> dict[str, Rule]:
    """A table of rules by the names of templates, which are in lower case and parted by a comma and a blank."""
    return {name: rule for names, rule in table for name in names.split(", ") if name}
