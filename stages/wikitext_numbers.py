"""Numbers and units in templates: `{{formatnum:}}`, `{{convert}}`, `{{val}}`, `{{unité}}` and their fellows.

In: a call. Out: the number as the reader of that Wikipedia sees it, with its separators and its unit, but without the
value in other units that `{{convert}}` adds in brackets. Separators are MediaWiki's (languages/messages/Messages*.php,
`separatorTransformTable`, `minimumGroupingDigits`), unit names those of Module:Convert; a space that does not break is
a plain one here.
"""

from __future__ import annotations

import re

from stages.wikitext_calls import Call, Rule, superscript

# Language: what parts thousands, what stands before decimals. English where a language is not named.
_SEPARATORS = {
    **dict.fromkeys(("de", "nl", "da", "ro", "hr", "sl", "sr", "ca"), (".", ",")),
    **dict.fromkeys(("fr", "es", "it", "pt", "pl", "cs", "sv", "hu", "ru", "uk", "bg"), (" ", ",")),
}
# Here a number of four digits is not parted: `minimumGroupingDigits` is 2.
_FOUR_DIGITS_TOGETHER = frozenset(("es", "pt", "pl", "hu", "ru", "uk", "bg"))

_NUMBER = re.compile(r"([-−+]?)([0-9]+)(?:\.([0-9]+))?")
_DIGITS = re.compile(r"[0-9]+")
_FRACTION = re.compile(r"([0-9]*)\+?([0-9]+)/+([0-9]+)")

_RANGE_WORDS = {
    "-": "–", "–": "–", "and": " and ", "and(-)": " and ", "to": " to ", "to(-)": " to ", "or": " or ", "by": " by ",
    "x": " × ", "×": " × ", "xx": " × ", "*": " × ", "+/-": " ± ", "±": " ± ", "+": " + ", ",": ", ", "&": " & ",
    "e": " e ", "et": " et ", "à": " à ", "a": " a ", "până la": " până la ", "și": " și ", "och": " och ",
    "til": " til ", "до": " до ", "и": " и ",
}  # fmt: skip
# Symbols where the code is not the symbol.
_SYMBOLS = {
    "C": "°C", "F": "°F", "K": "K", "C-change": "°C", "F-change": "°F", "sqmi": "sq mi", "sqkm": "km²", "km2": "km²",
    "m2": "m²", "m3": "m³", "km3": "km³", "cm2": "cm²", "cm3": "cm³", "mm2": "mm²", "sqft": "sq ft", "cuft": "cu ft",
    "sqm": "m²", "sqyd": "sq yd", "sqin": "sq in", "cumi": "cu mi", "cuyd": "cu yd", "cuin": "cu in", "ft2": "sq ft",
    "mi2": "sq mi", "kph": "km/h", "lbf": "lbf", "m/s2": "m/s²", "PD/km2": "/km²", "/km2": "/km²", "/sqkm": "/km²",
    "PD/sqmi": "/sq mi", "/sqmi": "/sq mi", "USgal": "US gal", "impgal": "imp gal", "L": "L", "l": "L", "ha": "ha",
    "m3/s": "m³/s", "cuft/s": "cu ft/s", "kg/m3": "kg/m³", "g/cm3": "g/cm³", "lb/sqin": "psi",
}  # fmt: skip
# English names, singular and plural; the article's original unit is spelt out unless `abbr` says otherwise.
_ENGLISH_NAMES = {
    "m": ("metre", "metres"), "km": ("kilometre", "kilometres"), "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"), "mi": ("mile", "miles"), "ft": ("foot", "feet"), "in": ("inch", "inches"),
    "yd": ("yard", "yards"), "nmi": ("nautical mile", "nautical miles"), "ly": ("light-year", "light-years"),
    "AU": ("astronomical unit", "astronomical units"), "fathom": ("fathom", "fathoms"),
    "km2": ("square kilometre", "square kilometres"), "sqkm": ("square kilometre", "square kilometres"),
    "m2": ("square metre", "square metres"), "sqm": ("square metre", "square metres"),
    "sqmi": ("square mile", "square miles"), "mi2": ("square mile", "square miles"),
    "sqft": ("square foot", "square feet"), "ft2": ("square foot", "square feet"),
    "sqyd": ("square yard", "square yards"), "acre": ("acre", "acres"), "acres": ("acre", "acres"),
    "ha": ("hectare", "hectares"), "m3": ("cubic metre", "cubic metres"),
    "km3": ("cubic kilometre", "cubic kilometres"),
    "cuft": ("cubic foot", "cubic feet"), "cuyd": ("cubic yard", "cubic yards"), "cumi": ("cubic mile", "cubic miles"),
    "L": ("litre", "litres"), "l": ("litre", "litres"), "USgal": ("US gallon", "US gallons"),
    "impgal": ("imperial gallon", "imperial gallons"), "kg": ("kilogram", "kilograms"), "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"),
    "t": ("tonne", "tonnes"), "LT": ("long ton", "long tons"), "ST": ("short ton", "short tons"),
    "tonne": ("tonne", "tonnes"), "tonnes": ("tonne", "tonnes"), "mile": ("mile", "miles"), "miles": ("mile", "miles"),
    "foot": ("foot", "feet"), "feet": ("foot", "feet"), "inch": ("inch", "inches"), "hectare": ("hectare", "hectares"),
    "st": ("stone", "stone"), "km/h": ("kilometre per hour", "kilometres per hour"),
    "kph": ("kilometre per hour", "kilometres per hour"), "mph": ("mile per hour", "miles per hour"),
    "m/s": ("metre per second", "metres per second"), "kn": ("knot", "knots"), "knots": ("knot", "knots"),
    "hp": ("horsepower", "horsepower"), "kW": ("kilowatt", "kilowatts"), "MW": ("megawatt", "megawatts"),
    "furlong": ("furlong", "furlongs"), "league": ("league", "leagues"),
    "oilbbl": ("barrel", "barrels"), "bbl": ("barrel", "barrels"), "USbsh": ("US bushel", "US bushels"),
}  # fmt: skip
_SPELT_BY_US = (("metre", "meter"), ("litre", "liter"))
_WITHOUT_BLANK = ("°", "/", "%", "′", "″", '"', "'")


def format_number(text: str, language: str) -> str:
    """`{{formatnum:12345.6}}` of a language; text that is no number in the form of a computer stays as it is."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return text.strip()
    sign, whole, decimals = match.groups()
    thousands, point = _SEPARATORS.get(language, (",", "."))
    if len(whole) > (4 if language in _FOUR_DIGITS_TOGETHER else 3):
        head = len(whole) % 3
        groups = [whole[:head]] * bool(head) + [whole[i : i + 3] for i in range(head, len(whole), 3)]
        whole = thousands.join(groups)
    return f"{sign}{whole}{point}{decimals}" if decimals else f"{sign}{whole}"


def unformatted(text: str, language: str) -> str:
    """`{{formatnum:12.345,6|R}}`: the number in the form of a computer."""
    thousands, point = _SEPARATORS.get(language, (",", "."))
    plain = text.replace("\u00a0", " ").replace("\u202f", " ").strip()
    return plain.replace(thousands, "").replace(point, ".")


def number(call: Call) -> str:
    return " ".join([format_number(word, call.page.language) for word in call.given()])


def first_number(call: Call) -> str:
    return format_number(call.at(0), call.page.language)


def _amount(text: str, language: str) -> str:
    """The number of a conversion, with fractions as they are read: `5+1/2` and `5+1//2` as `5 1/2`."""
    if fraction := _FRACTION.fullmatch(text):
        return " ".join(filter(None, (fraction[1], f"{fraction[2]}/{fraction[3]}")))
    return format_number(text, language) if language == "en" else text


def _unit(code: str, call: Call, amount: str) -> str:
    """The unit with the blank before it."""
    options = call.named
    adjective = options.get("adj", "") in ("on", "mid", "pre", "j")
    names = _ENGLISH_NAMES.get(code) if call.page.language in ("en", "simple") else None
    short = call.name.lower() == "cvt"  # https://en.wikipedia.org/wiki/Template:Cvt: with `abbr=on`
    if names and options.get("abbr", "on" if short else "") not in (
        "on",
        "in",
        "comma",
        "~",
        "values",
        "none",
        "h0",
    ):
        name = (
            names[0]
            if adjective or amount in ("1", "−1", "-1") or ("/" in amount and "+" not in amount)
            else names[1]
        )
        if options.get("sp") == "us":
            for theirs, ours in _SPELT_BY_US:
                name = name.replace(theirs, ours)
        return f"-{name.replace(' ', '-')}" if adjective else f" {name}"
    symbol = _SYMBOLS.get(code, code)
    return symbol if symbol[:1] in ("/", "%") else f" {symbol}"


def convert(call: Call) -> str:
    """`{{convert|10|to|20|km|mi}}` as `10 to 20 kilometres`, `{{convert|5|ft|6|in}}` as `5 feet 6 inches`."""
    words = [word.strip() for word in call.positional]
    if not words or not words[0]:
        return ""
    language = call.page.language
    amount = words[0]
    out = _amount(amount, language)
    i = 1
    while i + 1 < len(words) and words[i] in _RANGE_WORDS:
        amount = words[i + 1]
        out += _RANGE_WORDS[words[i]] + _amount(amount, language)
        i += 2
    if i < len(words) and words[i] and call.option("disp") != "number":
        out += _unit(words[i], call, amount)
        if words[i] in ("ft", "lb", "st", "mi", "yd", "foot", "feet") and i + 2 < len(words):
            second, code = words[i + 1], words[i + 2]
            if re.fullmatch(r"[0-9][0-9.+/]*", second) and (code in _ENGLISH_NAMES or code in _SYMBOLS):
                out += f" {_amount(second, language)}{_unit(code, call, second)}"
    if call.option("adj") == "mid" and len(words) > i + 1 and words[-1][:1] in ("-", " "):
        out += words[-1]  # {{convert|150|m|ft|adj=mid|-tall}}: 150-metre-tall
    return out


def value(call: Call) -> str:
    """`{{val|1.5|0.2|e=6|u=km}}` as `1.5 ± 0.2×10⁶ km`."""
    words = call.given()
    if not words:
        return ""
    power = f"×10{superscript(call.named['e'])}" if call.named.get("e") else ""
    unit = call.option("u", "ul", "upl")
    error = ""
    if len(words) > 2:  # {{val|5|+2|-1}}: above and below
        error = f" {words[1]} {words[2]}"
    elif len(words) == 2:
        error = words[1] if words[1].startswith("(") else f" ± {words[1]}"
    before = call.option("p", "pre")
    blank = "" if unit.startswith(_WITHOUT_BLANK) else " "
    return f"{before}{words[0]}{error}{power}" + (f"{blank}{unit}" if unit else "")


def quantity(call: Call) -> str:
    """`{{unité|12345|km|2}}` as `12 345 km²`: a number, then units, each with its exponent if it has one."""
    words = call.given()
    if not words:
        return ""
    out = [format_number(words[0], call.page.language)]
    if call.named.get("e"):
        out[0] += f"×10{superscript(call.named['e'])}"
    for word in words[1:]:
        if len(out) > 1 and re.fullmatch(r"[-−]?[0-9]", word):
            out[-1] += superscript(word)
        else:
            out.append(format_number(word, call.page.language))
    return " ".join(out)


def dimensions(call: Call) -> str:
    """`{{dunité|10|20|m}}` as `10 × 20 m`."""
    words = call.given()
    numbers = [
        format_number(word, call.page.language) for word in words if _NUMBER.fullmatch(word.replace(",", "."))
    ]
    return " ".join([" × ".join(numbers), *words[len(numbers) :]]).strip()


def measure(call: Call) -> str:
    """`{{M|5|M|B}}` of the Italian Wikipedia as `5 MB`: number, prefix and unit, where `-` stands for none."""
    words = [word.strip() for word in call.positional]
    if not words or not words[0]:
        return ""
    power = f"×10{superscript(call.named['e'])}" if call.named.get("e") else ""
    unit = "".join(word for word in words[1:] if word != "-")
    unit = re.sub(r"(?<=[a-zA-Z])[-−]?\d\b", lambda match: superscript(match.group()), unit)
    return f"{words[0]}{power} {unit}".rstrip()


def fraction(call: Call) -> str:
    words = call.given()
    if len(words) == 3:
        return f"{words[0]} {words[1]}/{words[2]}"
    return "/".join(words) if len(words) != 1 else f"1/{words[0]}"


def power_of_ten(call: Call) -> str:
    """`{{e|6}}` as `×10⁶`."""
    return f"×10{superscript(call.at(0))}" if call.at(0) else ""


def scientific(call: Call) -> str:
    """`{{exp|1,354|−5}}` of the Italian Wikipedia as `1,354×10⁻⁵`."""
    return f"{call.at(0)}×10{superscript(call.at(1))}" if call.at(1) else call.at(0)


def gauge(call: Call) -> str:
    """`{{track gauge|1435mm}}` as `1,435 mm`; a number without a unit is in millimetres."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(mm|m|cm|ft|in)?", call.at(0))
    return f"{format_number(match[1], call.page.language)} {match[2] or 'mm'}" if match else ""


_ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
          (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))  # fmt: skip


def roman(text: str) -> str:
    """`14` as `XIV`; what is no number under 4000 stays as it is."""
    text = text.strip()
    if not _DIGITS.fullmatch(text) or not 0 < len(text) < 5 or not 0 < (left := int(text)) < 4000:
        return text
    out = ""
    for worth, letters in _ROMAN:
        times, left = divmod(left, worth)
        out += letters * times
    return out


def currency(before: str = "", after: str = "") -> Rule:
    """An amount with the sign of its currency: `{{US$|5 million}}` as `US$5 million`."""

    def rule(call: Call) -> str:
        amount = call.at(0)
        return f"{before}{format_number(amount, call.page.language)}{after}" if amount else ""

    return rule
