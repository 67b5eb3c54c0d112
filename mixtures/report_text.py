"""How the mixture report writes numbers and foreign text: figures with units, fractions, visible controls.

All functions are pure and give plain strings; escaping for HTML is the template engine's work.
"""

from __future__ import annotations

import re

ABSENT = "–"

_COUNT_UNITS = (" M", " B", " T", " Q")
_BYTE_UNITS = (" kB", " MB", " GB", " TB", " PB", " EB")

# Bounded repeats keep both patterns linear in the text, whatever it holds.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV4 = re.compile(rf"(?<![\d.]){_OCTET}(?:\.{_OCTET}){{3}}(?![\d.])")

# Controls print as their Unicode pictures; those without one, and those that reorder text, as their code point.
_NAMED = [
    *range(0x80, 0xA0),
    0x061C,
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),
    0x2028,
    0x2029,
    *range(0x2066, 0x206A),
]
_VISIBLE: dict[int, str] = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **{code: f"⟨U+{code:04X}⟩" for code in [*_NAMED, 0xFEFF]},
}


def _scaled(value: float, units: tuple[str, ...], first: float) -> str:
    """Three significant digits and the largest unit that leaves at least one digit before the point."""
    value /= first
    unit = 0
    while float(f"{value:.3g}") >= 1000 and unit + 1 < len(units):
        value /= 1000
        unit += 1
    decimals = 0 if float(f"{value:.3g}") >= 100 else 1 if float(f"{value:.2f}") >= 10 else 2
    return f"{value:,.{decimals}f}{units[unit]}"


def count(number: int | None) -> str:
    """A count: exact below a million (`380,112`), from there on three digits and a unit (`12.3 M`, `1.40 T`)."""
    if number is None:
        return ABSENT
    if abs(number) < 1_000_000:
        return f"{number:,}"
    return ("-" if number < 0 else "") + _scaled(abs(number), _COUNT_UNITS, 1e6)


def size(number: int | None) -> str:
    """A number of bytes in decimal units: `812 B`, `1.40 kB`, `12.3 MB`, `3.30 TB`."""
    if number is None:
        return ABSENT
    if abs(number) < 1000:
        return f"{number} B"
    return ("-" if number < 0 else "") + _scaled(abs(number), _BYTE_UNITS, 1e3)


def decimal(value: float | None, digits: int = 2) -> str:
    """A number with a fixed count of decimals, or a dash for None."""
    return ABSENT if value is None else f"{value:,.{digits}f}"


def share(fraction: float | None) -> str:
    """A fraction as a percentage with one decimal; never rounded up to all nor down to nothing."""
    if fraction is None:
        return ABSENT
    if 0 < fraction < 0.0005:
        return "<0.1 %"
    if 0.9995 <= fraction < 1:
        return ">99.9 %"
    return f"{100 * fraction:,.1f} %"


def fine_share(fraction: float | None) -> str:
    """A small fraction as a percentage with two decimals; never rounded down to nothing."""
    if fraction is None:
        return ABSENT
    return "<0.01 %" if 0 < fraction < 0.00005 else f"{100 * fraction:,.2f} %"


def ratio(part: float, whole: float) -> str:
    """`part` of `whole` as a percentage, a dash where the whole is nothing."""
    return share(part / whole) if whole else ABSENT


def scalar(value: str | int | float | bool | None) -> str:
    """A figure of unknown meaning: counts grouped, fractions to four digits, texts as they are."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return value


def visible(text: str) -> str:
    """The text with control characters and marks that reorder it made visible; line feeds and tabs stay."""
    return text.translate(_VISIBLE)


def masked(text: str) -> str:
    """The text with e-mail addresses and IPv4 addresses masked, for texts that are shown to people."""
    return _IPV4.sub("[ip address]", _EMAIL.sub("[e-mail]", text))


def markdown_cell(text: str) -> str:
    """The text on one line, with whatever Markdown or HTML would read as markup escaped."""
    line = re.sub(r"\s+", " ", visible(text))
    line = re.sub(r"([\\`*\[\]|~])", r"\\\1", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
