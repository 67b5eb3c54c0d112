"""Templates that mean something on one Wikipedia alone, or something else there than elsewhere.

In: the language of the Wikipedia and the name of a template. Out: its rule, or None. Most of these are numbers, dates
and centuries, words in another language, and remarks of readers that wrap the words which they doubt
(`{{fakt|words}}`): the words are the article's, the remark is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stages.wikitext_biography import biography
from stages.wikitext_calls import (
    Call,
    Rule,
    argument,
    by_name,
    constant,
    framed,
    joined,
    last,
    quotation,
    raised,
)
from stages.wikitext_dates import (
    century,
    date,
    french_centuries,
    french_century,
    french_century_before,
)
from stages.wikitext_language_names import labelled
from stages.wikitext_numbers import (
    convert,
    currency,
    dimensions,
    first_number,
    measure,
    number,
    quantity,
    roman,
    scientific,
)

# From the name as written (case may count) to a rule, for names that carry their argument in themselves.
ByForm = Callable[[str], Rule | None]


@dataclass(frozen=True)
class LocalRules:
    """The rules of one Wikipedia: by the name in lower case, then by the form of the name."""

    names: Mapping[str, Rule]
    by_form: ByForm | None = None

    def rule_of(self, name: str, key: str) -> Rule | None:
        return self.names.get(key) or (self.by_form(name) if self.by_form else None)


_nothing = constant("")


def _roman(call: Call) -> str:
    return roman(call.at(0))


def _label(code_index: int = 0, text_index: int = 1) -> Rule:
    """`{{en langue|de|Wort}}`: the name of the language, then the word."""
    return lambda call: labelled(call.page.language, call.at(code_index), call.at(text_index))


def _doubted(call: Call) -> str:
    """The words that a reader's remark wraps; a date in their place is that of the remark."""
    words = call.positional[0] if call.positional else call.option("text", "texto", "tekst", "texte", "текст")
    return "" if re.fullmatch(r"\s*[0-9 .:/-]*\s*|\s*[a-zа-яё]+ [0-9]{4}\s*", words, re.IGNORECASE) else words


# fr


def _link_fr(call: Call) -> str:
    """`{{Lien|fr=Page|lang=en|trad=Page|texte=words}}`: the words, or the name of the French page to be."""
    return call.option("texte", "fr") or call.at(2) or call.at(0) or call.option("trad")


def _sovereign(call: Call) -> str:
    """`{{souverain2|Joseph II (empereur)}}` as `Joseph II`."""
    return call.at(0).partition(" (")[0]


def _titled(title: str) -> Rule:
    return lambda call: f"{title} {call.at(0)}".strip()


def _clock(call: Call) -> str:
    """`{{heure|12|30}}` as `12 h 30`, `{{durée|1|5|30}}` as `1 h 5 min 30 s`."""
    words = call.given()
    if len(words) == 2:
        return f"{words[0]} h {words[1]}"
    return " ".join(f"{word} {unit}" for word, unit in zip(words, ("h", "min", "s"), strict=False))


def _interjected(call: Call) -> str:
    """`{{incise|words}}` as `– words –`; with `stop` the second dash is left out."""
    text = call.at(0)
    return f"– {text}" + ("" if call.at(1) == "stop" else " –") if text else ""


_ORDINAL_FR = re.compile(r"([0-9]{1,4}|[IVXLC]+|[ivxlc]+)(er|re|e|d|de|nd|nde|ère|ème|res|es)")
_CENTURY_FR = re.compile(r"([ivxlc]+)(e|er) siècle(.*)", re.IGNORECASE)
_NUMERAL = re.compile(r"[IVXLC]{1,7}")


def _by_form_fr(name: str) -> Rule | None:
    """`{{XIXe siècle}}`, `{{84e|congrès}}`, `{{XI}}`, `{{1er janvier}}`."""
    if match := _CENTURY_FR.fullmatch(name):
        return constant(f"{match[1].upper()}{match[2]} siècle{match[3]}")
    if _ORDINAL_FR.fullmatch(name):
        return lambda call: f"{name} {call.at(0)}".strip()
    if _NUMERAL.fullmatch(name) or re.fullmatch(r"1er [a-zéû]+(?: [0-9]{1,4})?", name):
        return constant(name)
    return None


# de

_HEIGHTS = {"de-nhn": "m ü. NHN", "de-nn": "m ü. NN", "at": "m ü. A.", "ch": "m ü. M.", "li": "m ü. M.",
            "it": "m s.l.m.", "nl": "m NAP", "pl": "m n.p.m.", "de-hn": "m ü. HN"}  # fmt: skip


def _height(call: Call) -> str:
    """`{{Höhe|115|DE-NHN}}` as `115 m ü. NHN`."""
    return f"{first_number(call)} {_HEIGHTS.get(call.at(1).lower(), 'm')}" if call.at(0) else ""


def _section(call: Call) -> str:
    """`{{§|1|BGB}}` as `§ 1 BGB`."""
    return f"§ {' '.join(call.given()[:2])}" if call.given() else ""


def _bible_de(call: Call) -> str:
    """`{{Bibel|Mk|3|25}}` as `Mk 3,25`."""
    words = call.given()[:3]
    return f"{' '.join(words[:2])}{',' + words[2] if len(words) > 2 else ''}"


_WORD_DE = re.compile(r"([A-Za-z][a-z]{1,2})S")
_SCRIPT_DE = re.compile(r"[A-Za-z][a-z]{1,2}[FA]")


def _by_form_de(name: str) -> Rule | None:
    """`{{enS|word}}` as `englisch word`, `{{arF|…}}` as its text."""
    if match := _WORD_DE.fullmatch(name):
        code = match[1].lower()
        return lambda call: labelled("de", code, call.at(0))
    return argument(0) if _SCRIPT_DE.fullmatch(name) else None


# other wikis

_ITALIAN_LANGUAGES = {
    "inglese": "en", "tedesco": "de", "francese": "fr", "spagnolo": "es", "russo": "ru", "latino": "la", "greco": "el",
    "arabo": "ar", "giapponese": "ja", "cinese": "zh", "portoghese": "pt", "olandese": "nl", "polacco": "pl",
    "ebraico": "he", "turco": "tr", "ungherese": "hu", "ceco": "cs", "sloveno": "sl", "croato": "hr", "svedese": "sv",
}  # fmt: skip


def _by_form_it(name: str) -> Rule | None:
    """`{{inglese|word}}` as `in inglese word`, `{{russo|слово|slovo}}` with `, traslitterato slovo`."""
    code = _ITALIAN_LANGUAGES.get(name.lower())
    if code is None:
        return None
    return lambda call: labelled("it", code, call.at(0)) + framed(", traslitterato ", "", 1)(call)


def _verse_it(call: Call) -> str:
    return f"{call.at(0)} {call.at(1)}".strip()


def _boxed(call: Call) -> str:
    """`{{cassetto|titolo=…|testo=…}}`, `{{nota|titolo=…|contenuto=…}}`: paragraphs of the article in a frame."""
    text = call.option("testo", "contenuto") or call.at(1)
    title = call.option("titolo") or (call.at(0) if call.at(1) else "")
    return f"\n\n{title}\n\n{text}\n\n" if text else ""


def _degrees(call: Call) -> str:
    """`{{tmp|2|°C}}` as `2 °C`."""
    return f"{first_number(call)} {call.at(1) or '°C'}" if call.at(0) else ""


def _spoken(unit: str) -> Rule:
    return lambda call: f"{first_number(call)} {unit}" if call.at(0) else ""


def _sub(call: Call) -> str:
    return call.at(0)


LOCAL_RULES: dict[str, LocalRules] = {
    "en": LocalRules(by_name(("bc, bce, bc.", framed("", " BC")), ("ad", framed("AD ", "")))),
    "bg": LocalRules(by_name(("s, нобр, без пренос", argument(0)), ("век", century("", " век")),
                             ("лв, лева", currency("", " лв.")))),
    "ca": LocalRules(by_name(
        ("segle", century("segle ")), ("segles", lambda call: f"segles {' i '.join(call.given()[:2])}"),
        ("romanes, romans", _roman), ("versaleta, versaletes", argument(0)), ("citació, cita", framed("«", "»")),
        ("cc, cal citació, citació necessària, qui?, quan?, aclarir", _doubted), ("e", raised),
        ("any", argument(0)), ("nombre, unitat", quantity),
    )),
    "cs": LocalRules(by_name(
        ("nezalamovat, kapitálky, malé, velké", argument(0)), ("doplňte zdroj, zdroj?", _doubted),
        ("převod jednotek, jednotky", convert), ("století", century("", ". století")),
    )),
    "da": LocalRules(by_name(("kilde mangler, kilde?, hvem?, hvornår?", _doubted), ("nbspnum, tal", number))),
    "de": LocalRules(by_name(
        ("\", zitat-inline, „", framed("„", "“")), ("höhe", _height), ("§", _section), ("bibel", _bible_de),
        ("absatz", constant("\n")), ("arab, arabisch, kyrillisch, polytonisch, hebr, farbe, kapitälchen", argument(0)),
        ("formatnum, formnum", first_number), ("bruch", joined("/")), ("s", _nothing),
    ), _by_form_de),
    "es": LocalRules(by_name(
        ("siglo", century("siglo ")), ("cita, comillas", framed("«", "»")), ("versalita, versalitas, abreviatura, "
         "abr", argument(0)), ("cita requerida, petición de cita, quién, cuándo, aclarar, cr", _doubted),
        ("número romano, romanos", _roman), ("ordinal", framed("", ".º")), ("fecha de inicio y edad", date),
    )),
    "fr": LocalRules(by_name(
        ("s, s-, siècle, siècle-", french_century), ("sp, sp-, s2, s2-, s3, siècles", french_centuries),
        ("-s, -s-, siècle av", french_century_before), ("e", raised), ("ind, indice", _sub),
        ("lien", _link_fr), ("souverain2, souverain, souverain-, souverain3", _sovereign),
        ("n°, numéro, nº, numero", lambda call: f"no {call.at(0)}".strip()),
        ("avjc, av jc, av. j.-c., avjc-", constant("av. J.-C.")), ("apjc, ap jc", constant("apr. J.-C.")),
        ("m., monsieur", _titled("M.")), ("mme, madame", _titled("Mme")), ("mlle", _titled("Mlle")),
        ("dr", _titled("Dr")), ("pr", _titled("Pr")), ("mgr", _titled("Mgr")), ("st", _titled("St")),
        ("ste", _titled("Ste")),
        ("me", _titled("Me")),
        ("p., page", _titled("p.")), ("pp.", _titled("pp.")), ("vol.", _titled("vol.")), ("chap.", _titled("chap.")),
        ("éd.", constant("éd.")), ("etc., etc", constant("etc.")), ("nb p., nb p", framed("", " p.")),
        ("tmp, température", _degrees), ("heure, durée", _clock), ("dunité", dimensions), ("km, mètre", _spoken("km")),
        ("incise", _interjected), ("citation, guil, guillemets, \", cita", framed("« ", " »")),
        ("citation étrangère", lambda call: f"« {call.at(0)} »" if call.at(0) else ""),
        ("latin, grec ancien, anglais, allemand, arabe, hébreu, russe, italien, espagnol, turc, sanskrit, "
         "nobr romains, nom-, rom-maj, rom, romain, abréviation, abr, abréviation discrète, citation de scène, term, "
         "coquille, nobr, allographe, terme défini, terme, corr", argument(0)),
        ("langue avec nom, lang avec nom", last), ("en langue, en-langue", _label()),
        ("ancre, ,, référence souhaitée section", _nothing),
        ("refnec, référence nécessaire, refsou, référence souhaitée, passage évasif, pas clair, quand, qui, citation "
         "nécessaire, référence insuffisante, source insuffisante, référence non conforme, lesquels, lequel, précision "
         "nécessaire, pertinence, non neutre passage, par qui, où, comment, pourquoi, combien, évasif, refins, "
         "référence à confirmer, vérification, attribuer passage, travail inédit passage, c'est-à-dire", _doubted),
    ), _by_form_fr),
    "hr": LocalRules(by_name(("nobr, bez prijeloma", argument(0)), ("stoljeće", century("", ". stoljeće")),
                             ("citat potreban", _doubted))),
    "hu": LocalRules(by_name(
        ("kiskapitális, kisbetű, nobr, nem törik", argument(0)), ("ny, nyelv", argument(1)), ("szám", number),
        ("forrás?, forr, ki?, mikor?, pontosabban", _doubted), ("század", century("", ". század")),
    )),
    "it": LocalRules(by_name(
        ("ta, tutto attaccato, maiuscoletto, piccolo, grande, nobr, numero", argument(0)), ("m", measure),
        ("exp", scientific), ("e, s", _nothing),  # a doubt whether the subject belongs here; a stub
        ("m s.l.m.", lambda call: f"{call.at(0)} m s.l.m.".strip()), ("colore", argument(1)), (",", constant(",")),
        ("citazione necessaria, chiarire, cn, senza fonte, non chiaro, dubbio, chi?, quando?, quale?, da chi?, "
         "citazione necessaria 2, senzafonte, cita fonte", _doubted),
        ("bio", biography), ("cassetto, nota", _boxed), ("q", quotation), ("sp", constant(" ")),
        ("passo biblico, bibbia", _verse_it), ("unità", quantity), ("secolo", century("", " secolo")),
        ("€", currency("", " €")), ("valuta", currency()), ("citazione, quote", quotation),
        ("tex", constant("TeX")), ("d.c.", constant("d.C.")), ("a.c.", constant("a.C.")),
    ), _by_form_it),
    "nl": LocalRules(by_name(
        ("bron?, feit, wie?, wanneer?, welke?, bronvraag", _doubted), ("smal, klein, kleinkapitaal", argument(0)),
        ("eeuw", century("", "e eeuw")),
    )),
    "pl": LocalRules(by_name(
        ("w, wiek", century("", " w.")), ("fakt, kto, kiedy, gdzie, jakie, jaki, zdanie, styl", _doubted),
        ("j, jęz, języktekst, jtekst", argument(1)), ("małe, skrót, kapitaliki, nobr, unikod", argument(0)),
        ("liczba", number), ("r", _nothing),
    )),
    "pt": LocalRules(by_name(
        ("séc, século, sec", century("século ")), ("fmtn, fmtn2", number),
        ("carece de fontes, carece de fontes2, quem?, quem, quando?, quando, onde?, qual?, esclarecer, "
         "carece de fonte melhor, fonte-melhor", _doubted),
        ("número romano", _roman), ("pepb", framed("[", "]")), ("citar", framed("“", "”")), ("nobr", argument(0)),
        ("link", lambda call: call.at(2) or call.at(1)),
    )),
    "ro": LocalRules(by_name(("nc, necesită citare, cine?, când?, fapt", _doubted),
                             ("secol, secolul", century("secolul al ", "-lea")),
                             ("dn", date))),
    "ru": LocalRules(by_name(
        ("s, нобр, nobr, fr, comment, подсказка, фраза, малые прописные, капитель, уменьшенный, small", argument(0)),
        ("число, num", number), ("век", century("", " век")), ("удар, ударение, '", constant("\u0301")),
        ("audio", _nothing),
        ("кто, кто?, что, когда, где, уточнить, нет аи 2, прояснить, каких?, какой, какие, сколько, насколько, "
         "источник?, обновить, проверить, аи?", _doubted), ("нет аи", _nothing),
        ("руб, ₽, рублей", currency("", " ₽")), ("долл, $", currency("$")),
    )),
    "sl": LocalRules(by_name(("stoletje", century("", ". stoletje")), ("dokaži, kdo?, kdaj?", _doubted))),
    "sr": LocalRules(by_name(("нобр, nobr", argument(0)), ("век", century("", " век")),
                             ("чињеница, ко?, када?", _doubted),
                             ("број", number))),
    "sv": LocalRules(by_name(
        ("källa behövs, källa?, vem, vem?, när, när?, vilka, vilka?, klargör, förtydliga, tydliggör", _doubted),
        ("kapitäler, språk", last), ("sekel", century("", ". århundradet")),
    )),
    "uk": LocalRules(by_name(
        ("s, нобр, nobr, підказка, comment, малі", argument(0)), ("число", number),
        ("століття", century("", " століття")),
        ("наголос, '", constant("\u0301")), ("джерело, хто?, коли?, де?, уточнити, що?", _doubted),
        ("грн, гривня, гривень, ₴", currency("", " грн")), ("руб", currency("", " руб.")),
    )),
}  # fmt: skip
