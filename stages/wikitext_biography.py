"""The first sentence of a life on the Italian Wikipedia, which its `{{Bio}}` writes out of parameters.

In: the call, with `Nome`, `LuogoNascita`, `Attività` and so on. Out: `Ada Rossi (Lodi, 3 marzo 1902 – Pisa, 1950) è
stata una pittrice e scultrice italiana.` Form and parameters are those of the template's documentation (Template:Bio
of that Wikipedia); the grammar of the article is that of the language. Where `Attività` is missing, only the name and
the days are written, followed by `FineIncipit`.
"""

from __future__ import annotations

import re

from stages.wikitext_calls import Call

# un, but uno before these
_UNO = re.compile(r"(?:s[^aeiouàèéìòù\W]|z|gn|ps|pn|x|y)", re.IGNORECASE)
_VOWEL = re.compile(r"[aeiouàèéìòùh]", re.IGNORECASE)
_SENTENCE_ENDS = tuple(".:;!?…")
_MARKUP = re.compile(r"^[\s'\[\"«]+")


def _article(word: str, woman: bool) -> str:
    word = _MARKUP.sub("", word)
    if woman:
        return "un'" if _VOWEL.match(word) else "una "
    return "uno " if _UNO.match(word) else "un "


def _day(call: Call, event: str) -> str:
    """`Lodi, 3 marzo 1902` of `Nascita` or `Morte`."""
    place = call.option(f"luogo{event}alt", f"luogo{event}")
    day = " ".join(filter(None, (call.option(f"giornomese{event}"), call.option(f"anno{event}"))))
    return ", ".join(filter(None, (place, day)))


def _work(call: Call) -> str:
    """`pittrice, scultrice e poetessa`; `AttivitàAltre` says itself how it follows."""
    works = [work for key in ("attività", "attività2", "attività3") if (work := call.option(key))]
    others = call.option("attivitàaltre")
    if others or len(works) < 2:
        blank = " " if others[:1].isalpha() else ""
        return ", ".join(works) + blank + others
    return ", ".join(works[:-1]) + " e " + works[-1]


def biography(call: Call) -> str:
    """The sentence; an empty text when the call has no name."""
    names = [call.option("nome"), call.option("cognome")]
    if call.option("cognomeprima"):
        names.reverse()
    name = " ".join(filter(None, (call.option("titolo"), *names)))
    if not name:
        return ""
    name = f"'''{name}'''"
    if pseudonym := call.option("pseudonimo"):
        name = f"'''{pseudonym}''', pseudonimo di {name}"
    after = call.option("postcognome", "postcognomevirgola")
    if after:
        name += (
            after if after[0] in ",;" else f", {after}" if "postcognomevirgola" in call.named else f" {after}"
        )
    born, died = _day(call, "nascita"), _day(call, "morte")
    days = f" ({born} – {died})" if born and died else f" ({born or '… – ' + died})" if born or died else ""
    if rest := call.option("fineincipit"):
        return f"{name}{days}{'' if rest[0] in ',.;' else ' '}{rest}"
    work = _work(call)
    if not work:
        return name + days
    woman = call.option("sesso").upper() == "F"
    verb = ("è stata " if woman else "è stato ") if call.option("annomorte") else "è "
    before = call.option("preattività")
    start = f"{before} " if before else verb + _article(work, woman)  # `PreAttività = fu un` has its own verb
    people = call.option("nazionalità")
    if woman and people.endswith("o"):
        people = people[:-1] + "a"
    end = call.option("postnazionalità")
    end += "" if end.rstrip("'\" »\n")[-1:] in _SENTENCE_ENDS else "."
    blank = "" if end[0] in ",.;:)" else " "
    return f"{name}{days} {start}{' '.join(filter(None, (work, people)))}{blank}{end}"
