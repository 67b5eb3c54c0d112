"""Dates and centuries in templates, in the language of the Wikipedia.

In: a call. Out: `{{birth date|1879|3|14}}` as `March 14, 1879`, `{{s|XII}}` of the French one as `XIIe siècle`. Names
and order are those that MediaWiki writes dates with (languages/messages/Messages*.php: `january-gen` to `december-gen`,
`dmy date`). What is no date stays as its arguments say it.
"""

from __future__ import annotations

import datetime
import re

from stages.wikitext_calls import Call, Rule
from stages.wikitext_numbers import roman

# Language: the form of a day, and the months in the case that they have in a date.
_CALENDARS = {
    "en": ("{d} {m} {y}", "January February March April May June July August September October November December"),
    "bg": ("{d} {m} {y}", "януари февруари март април май юни юли август септември октомври ноември декември"),
    "ca": ("{d} {m} de {y}", "de_gener de_febrer de_març d'abril de_maig de_juny de_juliol d'agost de_setembre "
           "d'octubre de_novembre de_desembre"),
    "cs": ("{d}. {m} {y}", "ledna února března dubna května června července srpna září října listopadu prosince"),
    "da": ("{d}. {m} {y}", "januar februar marts april maj juni juli august september oktober november december"),
    "de": ("{d}. {m} {y}", "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
    "es": ("{d} de {m} de {y}", "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
           "diciembre"),
    "fr": ("{d} {m} {y}", "janvier février mars avril mai juin juillet août septembre octobre novembre décembre"),
    "hr": ("{d}. {m} {y}.", "siječnja veljače ožujka travnja svibnja lipnja srpnja kolovoza rujna listopada "
           "studenoga prosinca"),
    "hu": ("{y}. {m} {d}.", "január február március április május június július augusztus szeptember október "
           "november december"),
    "it": ("{d} {m} {y}", "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
           "dicembre"),
    "nl": ("{d} {m} {y}", "januari februari maart april mei juni juli augustus september oktober november december"),
    "pl": ("{d} {m} {y}", "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października "
           "listopada grudnia"),
    "pt": ("{d} de {m} de {y}", "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro "
           "dezembro"),
    "ro": ("{d} {m} {y}", "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie "
           "decembrie"),
    "ru": ("{d} {m} {y}", "января февраля марта апреля мая июня июля августа сентября октября ноября декабря"),
    "sl": ("{d}. {m} {y}", "januar februar marec april maj junij julij avgust september oktober november december"),
    "sr": ("{d}. {m} {y}.", "јануар фебруар март април мај јун јул август септембар октобар новембар децембар"),
    "sv": ("{d} {m} {y}", "januari februari mars april maj juni juli augusti september oktober november december"),
    "uk": ("{d} {m} {y}", "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня"),
}  # fmt: skip
_MONTHS = {language: months.split() for language, (_, months) in _CALENDARS.items()}

_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})(?:-([0-9]{1,2}))?")
_YEAR = re.compile(r"[-−]?[0-9]{3,4}|3[2-9]|[4-9][0-9]")


def written(language: str, year: str, month: str = "", day: str = "", month_first: bool = False) -> str:
    """A date in a language; the month is a number or a word, and what is empty is left out."""
    form, _ = _CALENDARS.get(language, _CALENDARS["en"])
    months = _MONTHS.get(language, _MONTHS["en"])
    if month.isdecimal() and 1 <= int(month[:3]) <= 12:
        month = months[int(month) - 1].replace("_", " ")
    elif language == "ca" and month:
        month = f"d'{month}" if month[0].lower() in "ao" else f"de {month}"
    day = day.lstrip("0")
    if month_first and day and month and year:
        return f"{month} {day}, {year}"
    if not month:
        return year or day
    if language == "fr" and day == "1":
        day = "1er"
    if day and year:
        return form.format(d=day, m=month, y=year)
    if day:
        form = "{m} {d}." if language == "hu" else form.partition("{m}")[0] + "{m}"
        return form.format(d=day, m=month)
    if language == "hu":
        return f"{year}. {month}"
    return " ".join(filter(None, (month, year)))


def _three(words: list[str]) -> tuple[str, str, str] | None:
    """Year, month and day out of arguments in either order; None when they are no date."""
    if words and (iso := _ISO.fullmatch(words[0])):
        return iso[1], iso[2], iso[3] or ""
    words = [*words, "", "", ""][:3]
    if _YEAR.fullmatch(words[0]):
        year, month, day = words
    elif not words[1] and not words[2]:
        return None
    else:
        day, month, year = words
    if (day and not day.isdecimal()) or (year and not _YEAR.fullmatch(year) and not year.isdecimal()):
        return None
    if month.isdecimal() and not 1 <= int(month[:3]) <= 12:
        return None
    return year, month, day


def date(call: Call) -> str:
    """`{{birth date|1879|3|14|df=y}}` as `14 March 1879`; month first in English without `df`."""
    words = call.given()[:3]
    found = _three(words)
    if found is None:
        return " ".join(words)
    english = call.page.language in ("en", "simple")
    return written(
        call.page.language, *found, month_first=english and not call.named.get("df", "").startswith("y")
    )


def date_and_age(call: Call) -> str:
    """`{{death date and age|1936|9|21|1866|11|14}}` as `September 21, 1936 (aged 69)`; without two dates, the first."""
    words = call.given()
    later, earlier = _three(words[:3]), _three(words[3:6])
    shown = date(call)
    if later is None or earlier is None or not all(part.isdecimal() for part in (*later, *earlier)):
        return shown
    (y, m, d), (by, bm, bd) = (tuple(map(int, parts)) for parts in (later, earlier))
    age = y - by - ((m, d) < (bm, bd))
    return f"{shown} (aged {age})" if call.page.language in ("en", "simple") and 0 <= age < 150 else shown


def day_as_written(call: Call) -> str:
    """`{{date de décès|21|septembre|1936|11|novembre|1866}}` as `21 septembre 1936`: the first date alone."""
    words = call.given()[:3]
    found = _three(words)
    return written(call.page.language, *found) if found else " ".join(words)


def as_of(call: Call) -> str:
    words = call.given()[:3]
    found = _three(words)
    shown = written("en", *found) if found else " ".join(words)
    start = "as of" if call.named.get("lc") else "As of"
    return call.named.get("alt") or (call.named.get("pre", "") + f"{start} {shown}").strip()


def old_style(call: Call) -> str:
    """`{{OldStyleDate|14 July|1789|3 July}}` as `14 July [O.S. 3 July] 1789`."""
    day, year, old = call.at(0), call.at(1), call.at(2)
    label = {"ru": "", "uk": "", "bg": ""}.get(call.page.language, "O.S. ")
    return " ".join(filter(None, (day, f"[{label}{old}]" if old else "", year)))


_NEW_STYLE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_JULIAN_DAY_OF_ORDINAL = 1_721_425  # Julian day number of the day before 1 January of year 1


def _julian(day: datetime.date) -> tuple[int, int, int]:
    """Year, month and day of the Julian calendar (Explanatory Supplement to the Astronomical Almanac, 15.11)."""
    count = day.toordinal() + _JULIAN_DAY_OF_ORDINAL + 32_082
    years = (4 * count + 3) // 1461
    rest = count - 1461 * years // 4
    months = (5 * rest + 2) // 153
    return years - 4800 + months // 10, months + 3 - 12 * (months // 10), rest - (153 * months + 2) // 5 + 1


def new_and_old(call: Call) -> str:
    """`{{СС3|14.07.1789}}` as `3 (14) июля 1789`: the day of the Julian calendar first."""
    match = _NEW_STYLE.fullmatch(call.at(0))
    if match is None:
        return old_style(call)
    day, month, year = map(int, match.groups())
    try:
        old_year, old_month, old_day = _julian(datetime.date(year, month, day))
    except ValueError:  # no such day
        return call.at(0)
    language = call.page.language
    if old_year != year:
        before = written(language, str(old_year), str(old_month), str(old_day))
        return f"{before} ({written(language, match[3], match[2], match[1])})"
    if old_month != month:
        before = written(language, "", str(old_month), str(old_day))
        return f"{before} ({written(language, '', match[2], match[1])}) {year}"
    return f"{old_day} ({day}) {written(language, match[3], match[2])}"


_CENTURY = re.compile(r"[IVXLC]{1,8}|[0-9]{1,2}", re.IGNORECASE)


def century(before: str = "", after: str = "") -> Rule:
    """`{{segle|XIII}}` as `segle XIII`, `{{w|XIX}}` as `XIX w.`; nothing when it is no century (a stub's subject)."""

    def rule(call: Call) -> str:
        numeral = call.at(0)
        return f"{before}{roman(numeral).upper()}{after}" if _CENTURY.fullmatch(numeral) else ""

    return rule


def _french_ordinal(numeral: str, ending: str = "") -> str:
    return numeral + (ending or ("er" if numeral in ("I", "1") else "e"))


def french_century(call: Call) -> str:
    """`{{s|XII}}` and `{{s|XII|e}}` as `XIIe siècle`."""
    numeral = call.at(0)
    return f"{_french_ordinal(numeral, call.at(1))} siècle" if _CENTURY.fullmatch(numeral) else ""


def french_century_before(call: Call) -> str:
    """`{{-s|V|e}}` as `Ve siècle av. J.-C.`"""
    shown = french_century(call)
    return f"{shown} av. J.-C." if shown else ""


def french_centuries(call: Call) -> str:
    """`{{sp|XII|e|au|XIII|e}}` as `XIIe au XIIIe siècle`, `{{s2|XII|XIII}}` as `XIIe et XIIIe siècles`."""
    out: list[str] = []
    numerals = 0
    for word in call.given():
        if _CENTURY.fullmatch(word):
            numerals += 1
            out.append(_french_ordinal(word))
        elif word not in ("e", "er", "s"):
            out.append(word)
    if len(out) == 2 and numerals == 2:
        out.insert(1, "et")
    plural = "siècles" if "et" in out or len(out) == 1 else "siècle"
    return " ".join([*out, plural]) if numerals > 1 else french_century(call)
