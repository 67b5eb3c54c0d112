import pytest

from stages.wikitext import plain_text
from stages.wikitext_calls import Page, call_of
from stages.wikitext_dates import written
from stages.wikitext_names import PAPER_LANGUAGES
from stages.wikitext_numbers import format_number, roman, unformatted
from stages.wikitext_templates import render_call


def shown(template: str, language: str = "en") -> str:
    """The template between two letters, without the blanks beside it."""
    return plain_text(f"a {template} b", language, "Title").removeprefix("a").removesuffix("b").strip(" ")


def test_numbered_arguments_take_their_place() -> None:
    page = Page("en", "T")
    call = call_of("t", ["x", "3=z", "k = v ", "2=y", "a=b c", "0=n", "99=n", "e=mc²"], page)
    assert call.positional == ["x", "y", "z"]
    assert call.named == {"k": "v", "a": "b c", "0": "n", "99": "n", "e": "mc²"}
    sentence = "a sentence that is longer than any key = the rest"
    assert call_of("t", [sentence], page).positional == [sentence]


@pytest.mark.parametrize("name", ["Nowrap", "nowrap ", " NOWRAP", "no_wrap", "\nnowrap\n"])
def test_names_of_templates_do_not_depend_on_case_and_blanks(name: str) -> None:
    assert render_call(name, ["x"], Page("en", "T")) == ("" if name == "no_wrap" else "x")


def test_numbers_have_the_separators_of_the_language() -> None:
    numbers = {language: format_number("-1234567.5", language) for language in PAPER_LANGUAGES}
    dots, blanks = "-1.234.567,5", "-1 234 567,5"
    assert numbers == {
        "en": "-1,234,567.5", "bg": blanks, "ca": dots, "cs": blanks, "da": dots, "de": dots, "es": blanks,
        "fr": blanks, "hr": dots, "hu": blanks, "it": blanks, "nl": dots, "pl": blanks, "pt": blanks, "ro": dots,
        "ru": blanks, "sl": dots, "sr": dots, "sv": blanks, "uk": blanks,
    }  # fmt: skip


def test_four_digits_stay_together_where_the_language_wants_it() -> None:
    together = {language for language in PAPER_LANGUAGES if format_number("1234", language) == "1234"}
    assert together == {"bg", "es", "hu", "pl", "pt", "ru", "uk"}
    assert format_number("999", "en") == "999"


@pytest.mark.parametrize("text", ["", "1,5", "12a", "1.2.3", "५", "²", "-", "1e5"])
def test_what_is_no_number_stays_as_it_is(text: str) -> None:
    assert format_number(text, "de") == text


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_a_number_comes_back_from_its_form(language: str) -> None:
    for number in ("0", "12", "1234", "1234567", "-1234567.25"):
        assert unformatted(format_number(number, language), language) == number


def test_roman_numerals() -> None:
    assert [roman(text) for text in ("1", "4", "14", "1999", "3999", "0", "4000", "XIV", "²", "")] == [
        "I", "IV", "XIV", "MCMXCIX", "MMMCMXCIX", "0", "4000", "XIV", "²", "",
    ]  # fmt: skip


def test_days_are_written_as_the_language_writes_them() -> None:
    assert {language: written(language, "1901", "8", "03") for language in PAPER_LANGUAGES} == {
        "en": "3 August 1901", "bg": "3 август 1901", "ca": "3 d'agost de 1901", "cs": "3. srpna 1901",
        "da": "3. august 1901", "de": "3. August 1901", "es": "3 de agosto de 1901", "fr": "3 août 1901",
        "hr": "3. kolovoza 1901.", "hu": "1901. augusztus 3.", "it": "3 agosto 1901", "nl": "3 augustus 1901",
        "pl": "3 sierpnia 1901", "pt": "3 de agosto de 1901", "ro": "3 august 1901", "ru": "3 августа 1901",
        "sl": "3. avgust 1901", "sr": "3. август 1901.", "sv": "3 augusti 1901", "uk": "3 серпня 1901",
    }  # fmt: skip


def test_parts_of_a_date() -> None:
    assert written("en", "1901", "8", "3", month_first=True) == "August 3, 1901"
    assert [written("en", *parts) for parts in (("1901",), ("1901", "8"), ("", "8", "3"), ("", "", "3"))] == [
        "1901", "August 1901", "3 August", "3",
    ]  # fmt: skip
    assert written("hu", "1901", "8") == "1901. augusztus"
    assert written("hu", "", "8", "3") == "augusztus 3."
    assert written("fr", "1901", "mai", "1") == "1er mai 1901"
    assert written("en", "1901", "13", "3") == "3 13 1901"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{start date|2001}}", "2001"),
        ("{{start date|2001|5}}", "May 2001"),
        ("{{birth date|1901|8|3|mf=y}}", "August 3, 1901"),
        ("{{birth date and age|1901|8|3}}", "August 3, 1901"),
        ("{{death date and age|df=yes|1960|1|4|1913|11|7}}", "4 January 1960 (aged 46)"),
        ("{{death date and age|1960|1|4}}", "January 4, 1960"),
        ("{{start date|no|date}}", "no date"),
        ("{{birth date|1901|99|3}}", "1901 99 3"),
        ("{{OldStyleDate|14 July|1789|3 July}}", "14 July [O.S. 3 July] 1789"),
        ("{{convert|1275|cc}}", "1275 cc".replace("1275", "1,275")),
        ("{{convert|2|x|4|ft}}", "2 × 4 feet"),
        ("{{convert|5+1/2|mi}}", "5 1/2 miles"),
        ("{{convert|1/2|mi}}", "1/2 mile"),
        ("{{convert|10|m|sp=us}}", "10 meters"),
        ("{{convert|8|ft|6|in|adj=on}}", "8-foot 6-inch"),
        ("{{convert|150|m|ft|adj=mid|-tall}}", "150-metre-tall"),
        ("{{ma|300}} {{US patent|1781541}}", "300 million years ago U.S. patent 1,781,541"),
        ("{{convert}}", ""),
        ("{{convert|10}}", "10"),
        ("{{val|5|0.1|u=%}}", "5 ± 0.1%"),
        ("{{e}}", ""),
        ("{{track gauge|1435mm}}", "1,435 mm"),
        ("{{track gauge|narrow}}", ""),
        ("{{ship||Titanic}}", "Titanic"),
        ("{{ship|HMS|Ark|91|6}}", "HMS Ark"),
        ("{{SS|Aa|1901|2}}", "Aa"),
        ("{{sclass|Ark|cruiser|1}}", "Ark-class cruiser"),
        ("{{nihongo|Town|町|machi}}", "Town (町, machi)"),
        ("{{zh|s=町|p=dīng|l=town}}", "simplified Chinese: 町; pinyin: dīng; lit. 'town'"),
        ("{{IPAc-en|us|ˈ|a|b|ə|audio.ogg}}", "/ˈabə/"),
        ("{{IPA-de|ˈaː|lang}}", "[ˈaː]"),
        ("{{respell|AH|buh}}", "AH-buh"),
        ("{{sic}}", "[sic]"),
        ("{{sic|hide=y|teh}}", "teh"),
        ("{{sic|teh}}", "teh [sic]"),
        ("{{music|flat}}", "♭"),
        ("{{unichar|00A9|COPYRIGHT SIGN}}", "U+00A9 © COPYRIGHT SIGN"),
        ("{{unichar|110000|X}}", "X"),
        ("{{bibleverse|1|Kings|3:25|HE}}", "1 Kings 3:25"),
        ("{{bibleverse||Mark|3:25|9}}", "Mark 3:25"),
        ("{{ISBN|978-0}}", "ISBN 978-0"),
        ("{{lang-de|Wort|label=none}}", "Wort"),
        ("{{lang-xyz|Wort}}", "Wort"),
        ("{{script/Hebrew|א}}", "א"),
        ("{{chem|H|2|O}}", "H2O"),
        ("{{font color|red|words}}", "words"),
        ("{{color|red|words}}", "words"),
        ("{{=}}{{!}}{{(}}{{)}}", "=|{}"),
        ("{{formatnum:12,345.5|R}}", "12345.5"),
        ("{{formatnum:12345|NOSEP}}", "12345"),
        ("{{uc:ab}}{{ucfirst:cd}}{{lcfirst:EF}}", "ABCdeF"),
        ("{{padleft:7|3}}{{padleft:7|3|x}}", "007xx7"),
        ("{{plural:1|boat|boats}}{{plural:2|boat|boats}}", "boatboats"),
        ("{{#ifeq:a|a|yes|no}}{{#ifeq:a|b|yes|no}}{{#ifeq:a|b|yes}}", "yesno"),
        ("{{#switch:c|a=1|b|c=2|3}}{{#switch:d|a=1|#default=4}}{{#switch:d|a=1}}{{#switch:d|a=1|3}}", "243"),
        ("{{#switch:a|a|b=5|c=6}}", "5"),
        ("{{#tag:ref|note}}{{#invoke:M|f}}{{#expr:1}}{{CURRENTDAY}}{{DEFAULTSORT:x}}", ""),
        ("{{ordered list|x|y}}", "\n1. x\n2. y\n"),
        ("{{columns|col1=\n* x|col2=\n* y}}", "\n- x\n- y\n"),
        ("{{reign|1066|1087}}", "r. 1066–1087"),
    ],
)  # fmt: skip
def test_renders(template: str, text: str) -> None:
    assert shown(template) == text


@pytest.mark.parametrize(
    ("language", "template", "text"),
    [
        ("de", "{{enS|hill}} {{xxS|x}} {{arF|ا}}", "englisch hill x ا"),
        ("de", "{{Bibel|Mk|3|25}}", "Mk 3,25"),
        ("de", "{{Höhe|12}}", "12 m"),
        ("fr", "{{XI}} {{Ier}} {{IIe}} {{1re}} {{30e|anniversaire}}", "XI Ier IIe 1re 30e anniversaire"),
        ("fr", "{{sp|XII|e|au|XIII|e}} {{sp-|XII|e|et|XIII|e|s}}", "XIIe au XIIIe siècle XIIe et XIIIe siècles"),
        ("fr", "{{incise|dit-il}} {{incise|dit-il|stop}} {{citation|mot}}", "– dit-il – – dit-il « mot »"),
        ("fr", "{{souverain2|Joseph II (empereur)}} {{M.|Roche}} {{tmp|2|°C}}", "Joseph II M. Roche 2 °C"),
        ("fr", "{{en langue|de|Wort}} {{langue|la|vox}}", "en allemand : Wort vox"),
        ("fr", "{{dunité|10|20|m}} {{durée|1|5|30}}", "10 × 20 m 1 h 5 min 30 s"),
        ("fr", "{{refnec|date=mai 2010|vieux}}", "vieux"),
        ("it", "{{TA|5 h}} {{colore|red|rosso}} {{russo|слово|slovo}} {{passo biblico|Rm|16,11}}",
         "5 h rosso in russo слово, traslitterato slovo Rm 16,11"),
        ("it", "{{cassetto|titolo=Prova|testo=Detto.}}", "\n\nProva\n\nDetto.\n\n"),
        ("it", "{{citazione necessaria|maggio 2010}} {{cn|vero}}", "vero"),
        ("it", "{{secolo|XX}} {{€|12345}}", "XX secolo 12 345 €"),
        ("ru", "{{СС3|03.01.1900}} {{СС3|03.03.1900}}", "22 декабря 1899 (3 января 1900) 19 февраля (3 марта) 1900"),
        ("ru", "{{СС|14 июля|1789|3 июля}} {{СС3|31.02.1900}}", "14 июля [3 июля] 1789 31.02.1900"),
        ("ru", "{{век|19}} {{s|5 м}} {{comment|слово|x}} {{руб|12345}}", "XIX век 5 м слово 12 345 ₽"),
        ("uk", "{{століття|19}} {{грн|5}}", "XIX століття 5 грн"),
        ("pl", "{{w|19}} {{j|en|mill}}", "XIX w. mill"),
        ("pt", "{{séc|XX}} {{lang-en|mill}}", "século XX em inglês: mill"),
        ("es", "{{siglo|XX}} {{número romano|14}}", "siglo XX XIV"),
        ("sr", "{{јез-енгл|mill}}", "енгл. mill"),
        ("en", "{{BC|322}} {{AD|12}} {{BC}}", "322 BC AD 12"),
        ("en", "{{w|XIX}} {{s|XII}} {{höhe|12}} {{cn|words}}", ""),
    ],
)  # fmt: skip
def test_renders_on_its_own_wikipedia(language: str, template: str, text: str) -> None:
    assert shown(template, language) == text


BIO = "{{Bio|Nome=Ada|Cognome=Rossi|Sesso=F|AnnoNascita=1902"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (f"{BIO}|Attività=attrice}}}}", "Ada Rossi (1902) è un'attrice."),
        (f"{BIO}|Attività=attrice|Nazionalità=italiana|PostNazionalità=, nota a Lodi}}}}",
         "Ada Rossi (1902) è un'attrice italiana, nota a Lodi."),
        (f"{BIO}|AnnoMorte=1950|Attività=a|Attività2=b|Attività3=c}}}}",
         "Ada Rossi (1902 – 1950) è stata un'a, b e c."),
        (f"{BIO}|Attività=pittrice|AttivitàAltre=, [[poeta|poetessa]] e madre}}}}",
         "Ada Rossi (1902) è una pittrice, poetessa e madre."),
        (f"{BIO}|FineIncipit=fu regina}}}}", "Ada Rossi (1902) fu regina"),
        ("{{Bio|Titolo=San|Nome=Ugo|Sesso=M|LuogoMorte=Pisa|AnnoMorte=900|Attività=santo}}",
         "San Ugo (… – Pisa, 900) è stato un santo."),
        ("{{Bio|Nome=Ugo|Cognome=Li|CognomePrima=sì|Sesso=M|Attività=scrittore}}", "Li Ugo è uno scrittore."),
        ("{{Bio|Nome=Ugo|Pseudonimo=Il Re|PreAttività=fu un|Attività=poeta}}", "Il Re, pseudonimo di Ugo fu un poeta."),
        ("{{Bio|Attività=poeta}}x", "x"),
    ],
)  # fmt: skip
def test_writes_the_first_sentence_of_an_italian_life(call: str, text: str) -> None:
    assert plain_text(call, "it") == text
