"""The templates that carry running text, rendered plainly, so that a sentence keeps its words.

In: a template's name and arguments. Out: the text that a reader sees, in short; an empty text for all other templates
(boxes, references, notes, navigation, coordinates, notices). Meanings are those of the templates' own documentation
on each Wikipedia; a template outside the list is never guessed at. Rules that hold on every Wikipedia are here, those
of one alone in `stages.wikitext_local_templates`; the latter come first, since a short name such as `{{s}}` is a
century on one and a stub notice on another.
"""

from __future__ import annotations

import re
from functools import lru_cache

from stages.wikitext_calls import (
    Call,
    Page,
    Rule,
    argument,
    by_name,
    call_of,
    constant,
    framed,
    joined,
    last,
    quotation,
    raised,
    superscript,
)
from stages.wikitext_dates import as_of, date, date_and_age, day_as_written, new_and_old, old_style
from stages.wikitext_functions import render_function
from stages.wikitext_language_names import labelled
from stages.wikitext_local_templates import LOCAL_RULES
from stages.wikitext_numbers import (
    convert,
    currency,
    first_number,
    fraction,
    gauge,
    number,
    power_of_ten,
    quantity,
    value,
)

__all__ = ["MAX_NAME_CHARACTERS", "Page", "render_call", "superscript"]

MAX_NAME_CHARACTERS = 300  # a title of MediaWiki has 255 bytes


def _side_quotation(call: Call) -> str:
    """`{{rquote|right|text|author}}`: the side comes first."""
    call.positional = call.positional[1:]
    return quotation(call)


def _nihongo(call: Call) -> str:
    """`{{nihongo|Tokyo|東京|Tōkyō}}` as `Tokyo (東京, Tōkyō)`."""
    inside = ", ".join(filter(None, (call.at(1), call.at(2))))
    return " ".join(filter(None, (call.at(0), f"({inside})" if inside else "")))


_CHINESE = (
    ("c", "Chinese"), ("s", "simplified Chinese"), ("t", "traditional Chinese"), ("p", "pinyin"),
    ("w", "Wade–Giles"), ("j", "Jyutping"), ("poj", "Pe̍h-ōe-jī"), ("l", "lit."),
)  # fmt: skip


def _chinese(call: Call) -> str:
    """`{{zh|s=北京|p=Běijīng}}` as `simplified Chinese: 北京; pinyin: Běijīng`."""
    given = [(label, call.named[key]) for key, label in _CHINESE if call.named.get(key)]
    return "; ".join(f"lit. '{text}'" if label == "lit." else f"{label}: {text}" for label, text in given)


def _ship(call: Call) -> str:
    """`{{HMS|Hood|51}}` as `HMS Hood (51)`; the last argument says what is left out."""
    words = [argument.strip() for argument in call.positional]
    if call.name.lower() == "ship":
        prefix, words = (words[0] if words else ""), words[1:]
    else:
        prefix = call.name.upper()
    name, number, form = [*words, "", "", ""][:3]
    if form in ("1", "5"):
        return number
    shown = name if form in ("2", "3") else f"{prefix} {name}".strip()
    return f"{shown} ({number})" if number and form not in ("2", "6") else shown


def _ship_class(call: Call) -> str:
    return f"{call.at(0)}-class {call.at(1)}".strip() if call.at(0) else ""


def _labelled(call: Call) -> str:
    """`{{langx|de|Wort}}`: the word after the name of its language, as `{{lang-de|Wort}}`."""
    bare = call.option("label") == "none"
    return call.at(1) if bare else labelled(call.page.language, call.at(0), call.at(1))


def _interval(before: str, after: str) -> Rule:
    """`{{open-closed|0|1}}` as `(0, 1]`."""
    return lambda call: f"{before}{', '.join(ends)}{after}" if (ends := call.given()) else ""


def _interlanguage(call: Call) -> str:
    """`{{ill|Page|de|Seite|lt=words}}` as the words or the page's name; old calls have the language first."""
    page = call.at(1) if re.fullmatch(r"[a-z]{2,3}", call.at(0)) and call.at(1) else call.at(0)
    return call.option("lt", "display", "text", "tekst", "texte", "texto") or page


def _sic(call: Call) -> str:
    text = "".join(argument.strip() for argument in call.positional)
    hidden = any(call.named.get(key) for key in ("hide", "nolink")) and "hide" in call.named
    return text if hidden else f"{text} [sic]".strip()


def _music(call: Call) -> str:
    signs = {"flat": "♭", "b": "♭", "sharp": "♯", "#": "♯", "natural": "♮", "n": "♮"}
    return signs.get(call.at(0).lower(), call.at(0))


def _character(call: Call) -> str:
    """`{{unichar|00A9|COPYRIGHT SIGN}}` as `U+00A9 © COPYRIGHT SIGN`."""
    code = call.at(0)
    if not re.fullmatch(r"[0-9A-Fa-f]{2,6}", code) or int(code, 16) > 0x10FFFF:
        return call.at(1)
    letter = chr(int(code, 16))
    return " ".join(filter(None, (f"U+{code.upper()}", letter if letter.isprintable() else "", call.at(1))))


def _verse(call: Call) -> str:
    """`{{bibleverse|1|Kings|3:25|HE}}` as `1 Kings 3:25`."""
    words = [argument.strip() for argument in call.positional]
    if words and not words[0]:
        words = words[1:]
    end = next((i for i, word in enumerate(words) if re.search(r"[0-9][:,][0-9]", word)), 1)
    return " ".join(filter(None, words[: end + 1]))


_ARPABET_LIKE = {"'": "ˈ", ",": "ˌ", ":": "ː", "_": " ", "-": "-"}


def _english_sounds(call: Call) -> str:
    """`{{IPAc-en|ˈ|æ|s|k|i}}` as `/ˈæski/`; words about the accent and file names are no sounds."""
    sounds = [
        _ARPABET_LIKE.get(word, word)
        for word in call.given()
        if word.lower()
        not in ("us", "uk", "lang", "pron", "local", "also", "audio", "en", "icon", "ipa", "small")
        and not word.lower().endswith((".ogg", ".oga", ".wav", ".mp3"))
    ]
    return f"/{''.join(sounds)}/" if sounds else ""


def _identifier(call: Call) -> str:
    return f"{call.name.upper()} {call.at(0)}" if call.at(0) else ""


def _patent(call: Call) -> str:
    return f"U.S. patent {first_number(call)}" if call.at(0) else ""


def _listed(mark: str) -> Rule:
    return lambda call: "\n" + "".join(f"{mark} {item}\n" for item in call.given())


_COLUMN = re.compile(r"(?:col|kolom|kolumna|spalte|colonne)[0-9]|liste?|inhoud|content|lista|contenuto")


def _columns(call: Call) -> str:
    """`{{columns-list|…}}`, `{{columns|col1=…|col2=…}}`, `{{Mehrspaltige Liste|liste=…}}`: lists set side by side."""
    columns = [text for key, text in call.named.items() if _COLUMN.fullmatch(key)]
    columns += [text for text in call.positional if "\n" in text or "*" in text]
    return "\n" + "\n".join(columns) + "\n"


def _blanks(call: Call) -> str:
    return " "


_RULES = by_name(
    # text in another dress
    ("nowrap, nobr, nobreak, nobold, noitalic, normal, small, smaller, big, bigger, large, larger, midsize, em, "
     "strong, italic, italics, bold, bolditalic, tq, tqq, xt, kbd, code, mono, monospace, samp, var, mvar, math, "
     "abbr, abbrv, abbrlink, tooltip, hover, sc, smallcaps, small caps, sc1, sub, unicode, dfn, vanchor, visible "
     "anchor, linktext, lcons, polytonic, grec, greek, hebrew, arabic, bracket, keypress, underline, overline, "
     "strikethrough, strike, not a typo, notatypo, proper name, chem2, flag, flagcountry, flagu, srlink, as "
     "written, petit, petites capitales, pc, nobr., gri, center, left, right, block indent, indent, citation "
     "needed span, cn-span, clarify span, disputed inline span, format price, formatprice, longitem, highlight, "
     "abbreviation, nowraplinks, sans-serif, serif, allcaps, iast, nq", argument(0)),
    ("lang, langue, lingua, idioma, taal, cizojazyčně, vjazyce2, cjz, cj, font color, color, colored text, "
     "colour, wikt-lang, wt, m+, audio, pronunciation, rtl-lang, rtl lang, язык, мова, језик, јез, jezik, język, "
     "jęz, kolor, couleur, farbe, färg, цвет, text color, colorize", argument(1)),
    ("langx", _labelled),
    ("transl, transliteration, sort, lang-su-fonts", last),
    ("resize, font size", last),
    ("sup, exp, exposant", raised),
    ("ill, interlanguage link, link-interwiki, illm, ill2, ill-wd, ill-wd2, interlanguage link multi, ilm, iwl, "
     "enlace interlingüístico, ilc, ilh, ligação interlíngua, link-interwiki2", _interlanguage),
    ("open-closed", _interval("(", "]")), ("closed-open", _interval("[", ")")),
    ("closed-closed", _interval("[", "]")), ("open-open", _interval("(", ")")), ("hlist", joined(" · ")),
    ("angbr, angle bracket, angle brackets", framed("⟨", "⟩")),
    ("ipablink, ipa-link", framed("[", "]")), ("ipaslink", framed("/", "/")),
    ("ipa, api, afi, мфа, ipa2, ipa-all, msapi, phon", argument(0)),
    ("ipac-en", _english_sounds),
    ("respell, pronunciation respelling key", joined("-")),
    ("gloss, literal translation", framed("'", "'")), ("lit, literally", framed("lit. '", "'")),
    ("translation", framed("transl. ", "")),
    ("sic", _sic), ("music", _music), ("unichar, u+", _character),
    ("quote, blockquote, bquote, cquote, quotation, zitat, citation bloc, début citation bloc, cytat, citazione, "
     "цитата, citat, citát, idézet, citação, poemquote, block quote, centered pull quote, pull quote, quote1, quote2, "
     "cita bloc, citaat, цитат, cytat d, citace, citacija, poem quote, verse", quotation),
    ("rquote, cquote2", _side_quotation),
    ("bulleted list, blist, unbulleted list, ubl, ulist", _listed("*")), ("ordered list, olist", _listed("#")),
    ("columns-list, col-list, columns, plainlist, flatlist, mehrspaltige liste, colonnes, kolommen2, kolommen3, "
     "kolommen lijst, columnas, kolumny", _columns),
    ("term, dt", lambda call: f"\n; {call.at(0)}\n"), ("defn, dd", lambda call: f"\n: {argument(0)(call)}\n"),
    # numbers, dates, units
    ("convert, cvt, konvertera, convertir, conversie, converti, converter, konverter, konvertiere, convertidor, "
     "převést, pretvori, претворити, перевод единиц", convert),
    ("val", value),
    ("frac, fraction, sfrac, fracció, fracción, дробь, tört", fraction),
    ("e", power_of_ten), ("10^, x10", power_of_ten), ("track gauge, railgauge", gauge),
    ("gaps, chem, mp, mpl, fchim, формула, chimica", joined("")),
    ("unité, unite, unidad, unitat, unità, unidade, unit, unidades, unitats, mennyiség", quantity),
    ("nombre, num, nb, szám, fmtn, format num, formatnum, formnum, numero, número, nombre romain, число, број, "
     "liczba, broj, fnum, formateer getal", number),
    ("nts, number table sorting, sortnumber", first_number),
    ("heure, dtlink", joined(" ")),
    ("date, date-, data, data-, datum, dátum, датум, дата, dato, fecha, birth date, death date, start date, end date, "
     "birth-date, death-date, film date, dts, dob, bdate, start date and age, birth date and age, birth date and age2, "
     "datum narození, datum úmrtí, datum narození a věk, születési dátum, születési dátum és kor, halálozási dátum, "
     "data urodzenia, geboortedatum, датум рођења, датум смрти, datum rođenja, datum smrti, fødselsdato, fødselsdag, "
     "födelsedatum, födelsedatum och ålder, dödsdatum, дата рождения, дата смерти, дата народження, дата на раждане, "
     "fecha de nacimiento, fecha de fallecimiento, fecha de inicio, data de naixement, data de defunció, dni, dnibr, "
     "nascimento, data de nascimento, data nașterii, dn, rojstni datum", date),
    ("death date and age, dda, datum úmrtí a věk", date_and_age),
    ("date de naissance, date de décès, naissance, décès, morte, data de falecimento, data de morte", day_as_written),
    ("birth year and age, birth-year, year", argument(0)),
    ("ma, mya", framed("", " million years ago")), ("us patent", _patent),
    ("as of, asof", as_of), ("oldstyledate, os date", old_style), ("сс, сс2, сс3", new_and_old),
    ("circa, c., ca., ca", lambda call: "c. " + joined("–")(call)),
    ("floruit, fl.", lambda call: "fl. " + joined("–")(call)), ("reign, r.", lambda call: "r. " + joined("–")(call)),
    ("duration", joined(":")),
    ("us$, usd, us dollar", currency("US$")), ("a$, aud, au$", currency("A$")), ("c$, cad, ca$", currency("C$")),
    ("nz$, nzd", currency("NZ$")), ("hk$, hkd", currency("HK$")), ("£, gbp, pound sterling, gbp£", currency("£")),
    ("€, eur, euro, евро, євро", currency("€")), ("inr, indian rupee, rupee, ₹", currency("₹")),
    ("jpy, ¥, yen", currency("¥")), ("cny, rmb, cn¥", currency("CN¥")), ("krw, won, ₩", currency("₩")),
    # names
    ("ship, uss, hms, ss, sms, hmas, hmcs, hmnzs, rms, mv, ms, ins, usns, uscgc, usat", _ship),
    ("sclass, sclass2, sclass-, ship class", _ship_class),
    ("nihongo, nihongo4, japonais, японський, giapponese", _nihongo), ("nihongo2, jap, jpn", argument(0)),
    ("zh, zh-full", _chinese),
    ("bibleverse, bibleref, bibleref2, bibleverse-lb, bibleverse-nb", _verse),
    ("isbn, issn, oclc, doi, asin", _identifier),
    ("нп, нп1, нп2, нп3, нп4, нп5, не переведено, не переведено 3, не переведено 5, не переведено 2, iw, "
     "translation2, не перекладено", lambda call: call.at(1) or call.at(0)),
    # signs
    ("ndash, en dash, –, nbndash, endash, en-dash", constant("–")),
    ("mdash, em dash, —, mdashb, emdash, em-dash", constant("—")),
    ("snd, spnd, spaced ndash, spaced en dash, sndash, dash, spndash, ндаш, тире", constant(" – ")),
    ("spaced mdash, spaced em dash, smdash", constant(" — ")),
    ("nbsp, nbs, space, 0, esd, spaces, thinsp, thin space, hsp, hair space, nnbsp, figure space, em space, en space, "
     "ns, нбсп", _blanks),
    ("'", constant("'")), ("'s", constant("'s")), ("\"'", constant("\"'")), ("'\"", constant("'\"")),
    ("' \"", constant("'\"")), ("\" '", constant("\"'")), ("=", constant("&#61;")), ("!, !-, pipe", constant("|")),
    ("(", constant("{")), (")", constant("}")), ("((", constant("{{")), ("))", constant("}}")),
    ("·, dot, middot, •, bull, bullet, mid dot, ·w, •w, *", constant(" · ")),
    ("pi", constant("π")), ("okina", constant("ʻ")), ("ayin", constant("ʿ")), ("hamza", constant("ʾ")),
    ("..., ellipsis", constant("…")), ("times, ×, tms", constant("×")), ("deg, degree, °", constant("°")),
    ("+-, ±, pm", constant("±")), ("eqm", constant("⇌")), ("radic, sqrt", framed("√", "")),
    ("flat", constant("♭")), ("sharp", constant("♯")), ("natural", constant("♮")),
    ("abs", framed("|", "|")), ("tex", constant("TeX")), ("latex", constant("LaTeX")), ("lord", constant("LORD")),
    ("half, 1/2, ½", constant("½")), ("1/4, ¼", constant("¼")), ("3/4, ¾", constant("¾")), ("1/3", constant("⅓")),
    ("2/3", constant("⅔")), ("co2", constant("CO2")), ("h2o", constant("H2O")), ("break, br, crlf", constant("\n")),
)  # fmt: skip

# Names that carry their argument in themselves: {{lang-de|Wort}}, {{enS|word}}, {{јез-нем|Wort}}, {{IPA-de|vɔʁt}}.
_LANGUAGE_NAME = re.compile(r"(?:lang|јез|jez|jezik|мова|ling)-([^\W_]{2,4})(-[a-z-]{2,12})?")
_SOUND_NAME = re.compile(r"ipa-[a-z]{2,4}")
_SCRIPT_NAME = re.compile(r"script/[a-z -]{2,30}")


def _with_label(code: str) -> Rule:
    def rule(call: Call) -> str:
        text = call.at(0)
        bare = call.option("label") == "none" or call.option("links", "link") == "no_label"
        return text if bare else labelled(call.page.language, code, text)

    return rule


def _rule_by_form(key: str, language: str) -> Rule | None:
    """The rule of a name that carries its argument in itself."""
    if match := _LANGUAGE_NAME.fullmatch(key):
        return argument(0) if match[2] else _with_label(match[1])
    if _SOUND_NAME.fullmatch(key):
        return framed("[", "]")
    if _SCRIPT_NAME.fullmatch(key):
        return argument(0)
    return None


@lru_cache(maxsize=1 << 16)
def _rule_of(name: str, language: str) -> tuple[str, Rule | None, bool]:
    """The name with blanks for underscores, its rule, and whether it may be a function or a variable."""
    name = " ".join(name.replace("_", " ").split())
    key = name.lower()
    local = LOCAL_RULES.get(language)
    rule = (local.rule_of(name, key) if local else None) or _RULES.get(key) or _rule_by_form(key, language)
    return name, rule, rule is None and (":" in key or name.isupper())


def render_call(name: str, arguments: list[str], page: Page) -> str:
    """What a template or a function shows in running text; empty when it is not one of those that are rendered.

    `name` is what stands before the first bar; `arguments` the rest, already rendered.
    """
    if len(name) > MAX_NAME_CHARACTERS:
        head, colon, _ = name.partition(":")
        return render_function(name, arguments, page) if colon and len(head) < MAX_NAME_CHARACTERS else ""
    plain, rule, may_be_function = _rule_of(name, page.language)
    if rule is not None:
        return rule(call_of(plain, arguments, page))
    return render_function(name.strip(), arguments, page) if may_be_function else ""
