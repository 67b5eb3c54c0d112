"""The few templates that carry running text, rendered plainly, so that a sentence keeps its words.

In: a template's name and arguments. Out: the text that a reader sees, in short, or None for all other templates
(boxes, references, notes, navigation), which leave nothing. Template meanings are those of the templates' own
documentation on each Wikipedia; a template outside this list is never guessed at. A name that means one thing on one
Wikipedia and something else on another ({{s}}: a century or a stub) is listed for its language.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Positional = list[str]
Named = dict[str, str]
Rule = Callable[[Positional, Named], str]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SUPERSCRIPTS = str.maketrans("0123456789+-−()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿ")
_SUPERSCRIPT_CHARACTERS = frozenset("0123456789+-−()n")


def superscript(text: str) -> str:
    """`2` as `²`, so that 10² is not read as 102; text that has no superscript letters in Unicode stays as it is."""
    return text.translate(_SUPERSCRIPTS) if text and _SUPERSCRIPT_CHARACTERS.issuperset(text) else text


def _argument(index: int) -> Rule:
    return lambda positional, named: (
        positional[index] if len(positional) > index else named.get(str(index + 1), "")
    )


def _constant(text: str) -> Rule:
    return lambda positional, named: text


def _joined(separator: str) -> Rule:
    return lambda positional, named: separator.join(p.strip() for p in positional if p.strip())


def _last(positional: Positional, named: Named) -> str:
    return positional[-1] if positional else ""


def _quotation(positional: Positional, named: Named) -> str:
    for key in ("text", "quote", "1", "texto", "texte", "testo", "zitat", "treść", "citat"):
        if key in named:
            return named[key]
    return positional[0] if positional else ""


_RANGE_WORDS = {
    "-": "–", "–": "–", "and": " and ", "and(-)": " and ", "to": " to ", "to(-)": " to ", "or": " or ", "by": " by ",
    "x": " × ", "×": " × ", "xx": " × ", "*": " × ", "+/-": " ± ", "±": " ± ", "+": " + ", ",": ", ", "&": " & ",
}  # fmt: skip
_UNITS = {"C": "°C", "F": "°F", "sqmi": "sq mi", "sqkm": "km²", "km2": "km²", "m2": "m²", "m3": "m³", "km3": "km³",
          "cm2": "cm²", "sqft": "sq ft", "cuft": "cu ft", "km/h": "km/h", "mph": "mph", "ft2": "sq ft", "mi2": "sq mi",
          "lb": "lb", "acre": "acres", "mi": "miles", "kph": "km/h", "C-change": "°C", "F-change": "°F"}  # fmt: skip


def _convert(positional: Positional, named: Named) -> str:
    """`{{convert|10|to|20|km|mi}}` as `10 to 20 km`: the value as the editor wrote it, without the conversion."""
    words = [p.strip() for p in positional]
    if not words or not words[0]:
        return ""
    out = words[0]
    i = 1
    while i + 1 < len(words) and words[i] in _RANGE_WORDS:
        out += _RANGE_WORDS[words[i]] + words[i + 1]
        i += 2
    if i < len(words):
        out += " " + _UNITS.get(words[i], words[i])
    # 5 ft 6 in: a second number with its own unit
    if i + 2 < len(words) and re.fullmatch(r"[\d./]+", words[i + 1]) and words[i] in ("ft", "lb", "st", "mi"):
        out += f" {words[i + 1]} {words[i + 2]}"
    return out


def _date(positional: Positional, named: Named) -> str:
    """`{{birth date|1879|3|14|df=y}}` as `14 March 1879`; month first without `df`."""
    numbers = [p.strip() for p in positional if p.strip()][:3]
    if not numbers:
        return ""
    if len(numbers) == 1 or not numbers[1].isdecimal() or not 1 <= int(numbers[1][:3]) <= 12:
        return " ".join(reversed(numbers)) if numbers[0].isdecimal() else " ".join(numbers)
    month = _MONTHS[int(numbers[1]) - 1]
    if len(numbers) == 2:
        return f"{month} {numbers[0]}"
    day = numbers[2].lstrip("0")
    return f"{day} {month} {numbers[0]}" if "df" in named else f"{month} {day}, {numbers[0]}"


def _as_of(positional: Positional, named: Named) -> str:
    numbers = [p.strip() for p in positional if p.strip()][:3]
    return ("as of " if "lc" in named else "As of ") + _date(numbers, {"df": "y"})


def _value(positional: Positional, named: Named) -> str:
    words = [p.strip() for p in positional if p.strip()]
    if not words:
        return ""
    power = f"×10{superscript(named['e'].strip())}" if named.get("e") else ""
    unit = named.get("u") or named.get("ul") or ""
    error = f" ± {words[1]}" if len(words) > 1 else ""
    return words[0] + error + power + (f" {unit.strip()}" if unit else "")


def _quantity(positional: Positional, named: Named) -> str:
    """`{{unité|892|km|2}}` as `892 km²`: a number, then units, each with its exponent if it has one."""
    words = [p.strip() for p in positional if p.strip()]
    out = words[:1]
    for word in words[1:]:
        if len(out) > 1 and re.fullmatch(r"[-−]?\d", word):
            out[-1] += superscript(word)
        else:
            out.append(word)
    return " ".join(out)


def _fraction(positional: Positional, named: Named) -> str:
    words = [p.strip() for p in positional if p.strip()]
    if len(words) == 3:
        return f"{words[0]} {words[1]}/{words[2]}"
    return "/".join(words) if len(words) != 1 else f"1/{words[0]}"


def _nihongo(positional: Positional, named: Named) -> str:
    words = [p.strip() for p in positional[:3]]
    inside = ", ".join(w for w in words[1:] if w)
    return " ".join(w for w in (words[0] if words else "", f"({inside})" if inside else "") if w)


def _ship(positional: Positional, named: Named) -> str:
    return " ".join(p.strip() for p in positional[:2] if p.strip())


def _interlanguage(positional: Positional, named: Named) -> str:
    return named.get("lt") or (positional[0] if positional else "")


def _not_translated(positional: Positional, named: Named) -> str:
    return (positional[1] if len(positional) > 1 and positional[1].strip() else "") or (
        positional[0] if positional else ""
    )


def _century(positional: Positional, named: Named) -> str:
    words = [p.strip() for p in positional if p.strip()]
    if not words or not _CENTURY.fullmatch(words[0]):
        return ""
    ending = words[1] if len(words) > 1 else "er" if words[0] in ("I", "1") else "e"
    return f"{words[0]}{ending} siècle"


def _century_ca(positional: Positional, named: Named) -> str:
    """`{{segle|XIII|s}}` as `segle XIII`; what follows the number is about the link."""
    number = _argument(0)(positional, named).strip()
    return f"segle {number}" if _CENTURY.fullmatch(number) else ""


def _day(positional: Positional, named: Named) -> str:
    """`{{date de décès|21|septembre|1936|11|novembre|1866}}` as `21 septembre 1936`: the first date alone."""
    return _joined(" ")(positional[:3], named)


def _measure(positional: Positional, named: Named) -> str:
    """`{{M|5|M|B}}` as `5 MB`: number, power of ten, prefix and unit, where `-` stands for none."""
    words = [p.strip() for p in positional]
    if not words or not words[0]:
        return ""
    power = f"×10{superscript(named['e'])}" if named.get("e") else ""
    unit = "".join(word for word in words[1:] if word != "-")
    unit = re.sub(r"(?<=[a-zA-Z])[-−]?\d\b", lambda match: superscript(match.group()), unit)
    return f"{words[0]}{power} {unit}".rstrip()


def _power_of_ten(positional: Positional, named: Named) -> str:
    """`{{exp|1,354|−5}}` as `1,354×10⁻⁵`."""
    words = [p.strip() for p in positional]
    return f"{words[0]}×10{superscript(words[1])}" if len(words) > 1 else "".join(words)


def _superscript(positional: Positional, named: Named) -> str:
    return superscript(_argument(0)(positional, named).strip())


def _by_name(*table: tuple[str, Rule]) -> dict[str, Rule]:
    return {name: rule for names, rule in table for name in names.split(", ") if name}


def _rules() -> dict[str, Rule]:
    return _by_name(
        # text in another dress
        ("nowrap, nobr, nobreak, nobold, noitalic, small, smaller, big, bigger, large, larger, resize, em, strong, "
         "italic, sic, bold, tq, kbd, code, mono, monospace, var, mvar, math, abbr, abbrv, tooltip, hover, sc, "
         "smallcaps, small caps, sub, unicode, dfn, vanchor, visible anchor, linktext, ipa, script, "
         "polytonic, music, bracket, keypress, underline, not a typo, proper name, chem2, okina text, "
         "flag, flagcountry, flagu, srlink, langue texte, petit, petites capitales, pc, nobr., lien texte, "
         "api, gri", _argument(0)),
        ("lang, langx, langue, lingua, idioma, taal, cizojazyčně, vjazyce2, cjz, font color, color, colored text, "
         "colour, wikt-lang, wt, audio, pronunciation", _argument(1)),
        ("transl, transliteration, sort, lien", _last),
        ("sup, exp", _superscript),
        ("quote, blockquote, bquote, cquote, quotation, zitat, citation bloc, début citation bloc, cytat, citazione, "
         "цитата, citat, citát, idézet, citação, poemquote, block quote", _quotation),
        # numbers, dates, units
        ("convert, cvt, konvertera, convertir, conversie", _convert),
        ("val", _value),
        ("frac, fraction, sfrac", _fraction),
        ("e", lambda positional, named: "×10" + _superscript(positional, named)),
        ("gaps, chem", _joined("")),
        ("unité, unite, unidad, unitat, unità", _quantity),
        ("nombre, num, szám, fmtn, heure, date, date-, data, dtlink", _joined(" ")),
        ("birth date, death date, birth date and age, death date and age, start date, end date, start date and age, "
         "birth-date, death-date, film date, dts", _date),
        ("as of", _as_of),
        ("circa, c., ca., ca", lambda positional, named: "c. " + _joined("–")(positional, named)),
        ("floruit, fl.", lambda positional, named: "fl. " + _joined("–")(positional, named)),
        ("us$, usd", lambda positional, named: "US$" + _argument(0)(positional, named)),
        ("£, gbp, pound sterling", lambda positional, named: "£" + _argument(0)(positional, named)),
        ("€, eur, euro", lambda positional, named: "€" + _argument(0)(positional, named)),
        ("inr, indian rupee", lambda positional, named: "₹" + _argument(0)(positional, named)),
        # names
        ("ship, uss, hms, ss, sms, hmas, hmcs, rms, mv", _ship),
        ("nihongo", _nihongo),
        ("ill, interlanguage link, link-interwiki, illm, ill2, ill-wd", _interlanguage),
        ("нп, нп1, нп2, нп3, нп4, нп5, не переведено, не переведено 3, не переведено 5, iw", _not_translated),
        # signs
        ("ndash, en dash, –", _constant("–")),
        ("mdash, em dash, —", _constant("—")),
        ("snd, spnd, spaced ndash, spaced en dash, sndash", _constant(" – ")),
        ("nbsp, space, 0, esd, spaces", _constant(" ")),
        ("'", _constant("'")), ("'s", _constant("'s")), ('"\'', _constant("\"'")), ("'\"", _constant("'\"")),
        ("=", _constant("=")), ("!", _constant("|")), ("pipe", _constant("|")),
        ("·, dot, middot, •, bull, bullet", _constant(" · ")),
        ("pi", _constant("π")), ("okina", _constant("ʻ")), ("ayin", _constant("ʿ")), ("hamza", _constant("ʾ")),
        ("...", _constant("…")), ("times", _constant("×")), ("deg, degree", _constant("°")),
        ("1er", _constant("1er")), ("n°, numéro", _constant("no ")), ("avjc, av jc", _constant("av. J.-C.")),
    )  # fmt: skip


_RULES = _rules()
# By language: names that mean this on one Wikipedia only. They come first.
_RULES_OF_LANGUAGE: dict[str, dict[str, Rule]] = {
    "ca": _by_name(("segle", _century_ca)),
    "fr": _by_name(
        ("s, s-, siècle", _century), ("date de naissance, date de décès", _day), ("e", _superscript)
    ),
    "it": _by_name(
        ("ta", _argument(0)),
        ("m", _measure),
        ("exp", _power_of_ten),
        ("e", _constant("")),  # a doubt whether the subject belongs in an encyclopaedia
    ),
}
_CENTURY = re.compile(r"[IVXLC]{1,8}|[0-9]{1,2}", re.IGNORECASE)
# Names that carry their argument in themselves: {{lang-de|Wort}}, {{enS|word}}, {{XIXe siècle}}.
_LANGUAGE_NAME = re.compile(r"[Ll]ang-[A-Za-z-]{2,12}|[A-Za-z][a-z]{1,2}S")
_CENTURY_NAME = re.compile(r"([ivxlc]+)e siècle(.*)")
# {{formatnum:1234}} and its fellows, https://www.mediawiki.org/wiki/Help:Magic_words#Formatting
_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "formatnum": str,
    "lc": str.lower,
    "uc": str.upper,
    "lcfirst": lambda text: text[:1].lower() + text[1:],
    "ucfirst": lambda text: text[:1].upper() + text[1:],
    "nowrap": str,
}
_PAGE_NAMES = frozenset({"pagename", "fullpagename", "basepagename", "subpagename"})


def render_template(name: str, arguments: list[str], title: str, language: str) -> str | None:
    """What a template shows in running text, or None when it is not one of those that are rendered.

    `name` is what stands before the first bar; `arguments` the rest, already rendered. `title` is the page's own,
    `language` that of the Wikipedia.
    """
    name = name.replace("_", " ").strip()
    key = name.lower()
    rule = _RULES_OF_LANGUAGE.get(language, {}).get(key) or _RULES.get(key)
    if rule is None:
        if key in _PAGE_NAMES:
            return title
        function, colon, value = key.partition(":")
        if colon and function in _FUNCTIONS:
            return _FUNCTIONS[function](name[len(function) + 1 :].strip())
        if century := _CENTURY_NAME.fullmatch(key):
            return f"{century[1].upper()}e siècle{century[2]}"
        if not _LANGUAGE_NAME.fullmatch(name) or not arguments:
            return None
        rule = _argument(0)
    positional: Positional = []
    named: Named = {}
    for argument in arguments:
        parameter, equals, value = argument.partition("=")
        parameter = parameter.strip()
        if not equals or len(parameter) > 30:
            positional.append(argument)
        elif parameter.isdecimal():
            if int(parameter[:4]) == len(positional) + 1:
                positional.append(value.strip())
        else:
            named[parameter.lower()] = value.strip()
    return rule(positional, named)
