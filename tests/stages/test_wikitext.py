import mwparserfromhell
import pytest

from stages.document import Document, Origin, Rejected
from stages.wikitext import CleanWikitext, KeepWikipediaLanguage, page_text, plain_text
from stages.wikitext_names import HIDDEN_NAMESPACES, PAPER_LANGUAGES, SWITCHES


def page(text: str, language: str = "en") -> Document:
    return Document(f"{language}:1", "wikipedia", text, Origin("f"), title="Title", language=language)


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("[[Bus|Coach]]es and [[bus]]es", "Coaches and buses"),
        ("[http://x.example the site] and [http://x.example]!", "the site and !"),
        ("'''Bold''' and ''it'' and l'''arte'' of '''''all'''''", "Bold and it and l'arte of all"),
        ("a<ref name=x>{{cite|b}}</ref> b<ref name=x /> c", "a b c"),
        ("a <!-- b --> c", "a c"),
        ("x\n<!-- alone -->\ny", "x\ny"),
        ("[[File:A.jpg|thumb|A [[cat]] and a {{t|[[dog]]}}]]text[[Category:X]]", "text"),
        ("[[:Category:X]] [[de:Wort]] [[:fr:Mot|mot]] [[#Part]] [[A_b]]", "Category:X mot Part A b"),
        ("{{Infobox|a={{b|c}}\n|d=\n{|\n|x\n|}\n}}Text", "Text"),
        ("a\n{|\n| b\n{|\n| c\n|}\n|}\nd", "a\n\nd"),
        ("{{t|\n{|\n|x\n|}}}a", "a"),
        ("{{t|\n{|\n|x\n}}a", "a"),
        ("== H ==\n== I ==\nb", "I\n\nb"),
        ("__NOTOC__ __FOO__ ____ a", "__FOO__ ____ a"),
        ("<math>a_{b} < [[c]]</math> <nowiki>[[x]] &amp;</nowiki>", "a_{b} < [[c]] [[x]] &"),
        ("a &amp; b&nbsp;c &lt;i&gt;", "a & b c <i>"),
        ("10<sup>6</sup> H<sub>2</sub>O 1<sup>er</sup>", "10⁶ H2O 1er"),
        ("* a\n** b\n# c\n# d\n#* e\n# f\n: g", "- a\n  - b\n1. c\n2. d\n  - e\n3. f\ng"),
        ("a\n== H ==\nb\n=== I ===\n== J ==\n{{x}}", "a\n\nH\n\nb"),
        ("== H ==\n=== I ===\nb", "H\n\nI\n\nb"),
        ("A ({{x}}; born 1950) b ( ) {{x}}, c", "A (born 1950) b, c"),
        ("<pre>\n# a\n  * b\n</pre>", "# a\n  * b"),
        ("a<br/>b <unknown>c</unknown>", "a\nb <unknown>c</unknown>"),
        ("* {{x}}\n* .\n* {{x}}, b", "- b"),
        ("{{{p|default}}} {{{q}}}x", "default x"),
        ("<gallery>\nA.jpg|b\n</gallery>a<table><tr><td>x</td></tr></table>", "a"),
        ("[[a {{b]] c}}", "a"),
        ("[http://x.example [[a]]] b]", "a b]"),
    ],
)
def test_makes_text(wikitext: str, text: str) -> None:
    assert plain_text(wikitext) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{convert|10|km|mi}}", "10 kilometres"),
        ("{{convert|10|to|20|km|mi|abbr=on}}", "10 to 20 km"),
        ("{{convert|5|ft|6|in|m|abbr=on}}", "5 ft 6 in"),
        ("{{lang|fr|''bon''}}", "bon"),
        ("{{lang-de|Wort}}", "German: Wort"),
        ("{{nowrap|a [[b|c]]}}", "a c"),
        ("{{nowrap|1=a=b}}", "a=b"),
        ("{{formatnum:12345}}", "12,345"),
        ("{{birth date|1879|3|14|df=y}}", "14 March 1879"),
        ("{{Birth date|1879|3|14}}", "March 14, 1879"),
        ("{{as of|2010|5}}", "As of May 2010"),
        ("{{unité|892|km|2}}", "892 km²"),
        ("{{frac|1|2}}", "1/2"),
        ("{{val|1.5|e=6|u=km}}", "1.5×10⁶ km"),
        ("{{PAGENAME}}", "Title"),
        ("{{nowrap|{{convert|1|km}}}}", "1 kilometre"),
        ("{{Some box|text}}", ""),
        ("{{#expr:1+1}}", ""),
    ],
)
def test_renders_templates_that_carry_running_text(template: str, text: str) -> None:
    assert plain_text(f"a {template} b", title="Title") == " ".join(f"a {text} b".split())


@pytest.mark.parametrize(
    ("language", "template", "text"),
    [
        ("fr", "{{s|XII}}", "XIIe siècle"),
        ("fr", "{{s-|I|er}}", "Ier siècle"),
        ("fr", "{{siècle|12}}", "12e siècle"),
        ("fr", "{{XIXe siècle}}", "XIXe siècle"),
        ("fr", "{{s|uccelli}}", ""),
        ("it", "{{S|uccelli}}", ""),
        ("it", "{{S|Toscana|isole}}", ""),
        ("en", "{{s|XII}}", ""),
        ("fr", "{{Date de naissance|11|novembre|1866}}", "11 novembre 1866"),
        ("fr", "{{Date de décès|21|septembre|1936|11|novembre|1866}}", "21 septembre 1936"),
        ("fr", "{{e|2}}", "²"),
        ("it", "{{E|non enciclopedico}}", ""),
        ("it", "{{Exp|1,354|−5}}", "1,354×10⁻⁵"),
        ("ca", "{{segle|XIII|s}}", "segle XIII"),
        ("ca", "{{segle|XX}}", "segle XX"),
        ("ro", "{{conversie|22|–|25|C|F}}", "22–25 °C"),
        ("ro", "{{conversie|4|C-change|sigfig=1}}", "4 °C"),
        ("ro", "{{conversie|17385|km²|0|abbr=on}}", "17385 km²"),
        ("it", "{{TA|158 221}}", "158 221"),
        ("it", "{{M|1|c|m}}", "1 cm"),
        ("it", "{{M|5|M|B}}", "5 MB"),
        ("it", "{{M|61.000||km/h}}", "61.000 km/h"),
        ("it", "{{m|1,12|e=-3|-|Pa}}", "1,12×10⁻³ Pa"),
        ("it", "{{M|3986005|e=8|-|-}}", "3986005×10⁸"),
        ("it", "{{M|9,01218|-|u}}", "9,01218 u"),
        ("it", "{{M|112|-|p|m}}", "112 pm"),
        ("it", "{{M|1848|-|kg/m3}}", "1848 kg/m³"),
        ("it", "{{M|21.088}}", "21.088"),
        ("it", "{{M}}", ""),
    ],
)
def test_renders_a_template_as_its_own_wiki_does(language: str, template: str, text: str) -> None:
    assert plain_text(f"a {template} b", language) == " ".join(f"a {text} b".split())


def test_a_page_of_a_stub_notice_alone_has_no_text() -> None:
    rejected = CleanWikitext()(page("{{S|uccelli}}\n{{Box|a=b}}\n[[Categoria:X]]", "it"))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "no_text"


def test_knows_the_namespaces_of_a_language() -> None:
    assert plain_text("[[Datei:A.jpg|mini|x]]a[[Kategorie:B]]", "de") == "a"
    assert plain_text("[[Файл:A.jpg|мини|x]]a[[Категория:B]]", "ru") == "a"
    assert plain_text("-{Н}-ато", "sr") == "Нато"


def test_what_is_never_closed_costs_a_paragraph_not_the_article() -> None:
    assert plain_text("{{Box|a=b\n\ntext") == "text"
    assert plain_text("a\n{| \n| x\n== H ==\ntext") == "a\n\nH\n\ntext"
    assert plain_text("a [[b|c d") == "a b|c d"
    assert plain_text("a <ref>b") == "a b"


def test_removes_a_page_without_text() -> None:
    rejected = CleanWikitext()(page("{{x}}\n[[Category:Y]]"))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "no_text"


def test_keeps_the_metadata() -> None:
    document = CleanWikitext()(page("'''a'''").with_metadata(cited_urls="http://x.example"))
    assert isinstance(document, Document)
    assert (document.text, document.metadata["cited_urls"]) == ("a", "http://x.example")


def test_keeps_the_twenty_languages_of_the_paper() -> None:
    keep = KeepWikipediaLanguage()
    assert len(keep.languages) == 20
    assert isinstance(keep(page("a", "sr")), Document)
    rejected = keep(page("a", "ja"))
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.detail) == ("language_not_wanted", "ja")


def test_agrees_with_mwparserfromhell_on_plain_markup() -> None:
    wikitext = (
        "'''Ant''' is [[insect|an insect]] of [[Asia]].<ref>x</ref>\n\n== Life ==\n''Ants'' live.<!-- no -->\n"
        "{{Box|a=b}}The [http://x.example end] &amp; more.\n"
    )
    parsed = mwparserfromhell.parse(wikitext)
    for tag in parsed.ifilter_tags(matches=lambda node: str(node.tag) == "ref"):
        parsed.remove(tag)
    assert plain_text(wikitext).split() == parsed.strip_code().split()


def test_leaves_no_hole_where_a_template_carried_words() -> None:
    """The reference drops every template: `with a total area of , 90% of which`."""
    wikitext = (
        "It has an area of {{convert|12|km2}}, 90% of which is ''{{lang|fr|forêt}}'' since {{circa|1900}}."
    )
    assert (
        plain_text(wikitext) == "It has an area of 12 square kilometres, 90% of which is forêt since c. 1900."
    )


def test_keeps_formulas_which_the_reference_drops() -> None:
    assert plain_text("The energy is <math>E = mc^2</math>, as is {{math|''x''<sup>2</sup>}}.") == (
        "The energy is E = mc^2, as is x²."
    )


def test_does_not_leave_category_names_at_the_end() -> None:
    assert plain_text("Text.\n\n[[Category:Mills]]\n[[category: Towns |Aa]]\n[[fr:Moulin]]") == "Text."


def test_drops_headings_with_nothing_beneath() -> None:
    assert plain_text("Text.\n== References ==\n<references/>\n== External links ==\n{{commons}}") == "Text."


def test_keeps_capitals_between_underscores_that_are_no_switch() -> None:
    """The reference deletes any `__CAPITALS__`, and `____`."""
    assert plain_text("Call __FILE__ and ____ here. __NOTOC__") == "Call __FILE__ and ____ here."


def test_knows_switches_of_the_page_in_the_languages_of_the_paper() -> None:
    for name in (
        "СОДЕРЖАНИЕ_НЕТ",
        "BEZOBSAHU",
        "БЕЗ_ОГЛАВЛЕНИЯ",
        "NINCSTARTALOMJEGYZÉK",
        "SEMTDC",
        "БЕЗСАДРЖАЈА",
    ):
        expected = f"a __{name}__" if name.casefold() not in SWITCHES else "a"
        assert plain_text(f"a __{name}__") == expected
    assert "БЕЗ_ОГЛАВЛЕНИЯ".casefold() in SWITCHES
    assert "содержание_нет" not in SWITCHES


@pytest.mark.parametrize("language", PAPER_LANGUAGES)
def test_drops_captions_and_categories_under_every_name_of_the_namespace(language: str) -> None:
    """The reference leaves captions under names that are not in its table, and links inside of them."""
    names = HIDDEN_NAMESPACES.get(language, frozenset(("file", "image", "media", "category")))
    assert {"file", "image", "media", "category"} <= names
    for name in names:
        for written in (name, name.capitalize(), name.upper()):
            assert plain_text(f"a[[{written}:B.jpg|thumb|the [[c|d]] {{{{lang|fr|e}}}}]]", language) == "a", (
                written
            )


def test_a_prefix_that_is_no_language_is_the_title_of_a_page() -> None:
    assert plain_text("[[CSI: Miami]] and [[Re: Two|two]][[sv:Tre]][[zh-min-nan:Si]]") == "CSI: Miami and two"


def test_tells_what_it_kept_of_the_raw_text() -> None:
    table = "{|\n|<math>y</math>\n|}"
    code = "<syntaxhighlight>\na = 5\nb\n</syntaxhighlight>"
    wikitext = f"Ab 12<ref>34</ref> <math>x^2</math> <chem>N</chem>\n{table}\n{code}"
    document = CleanWikitext()(page(wikitext))
    assert isinstance(document, Document)
    assert document.text == "Ab 12 x^2 N\n\na = 5\nb"
    assert dict(document.scores) == {
        "raw_characters": float(len("".join(wikitext.split()))),
        "kept_characters": 12.0,
        "raw_digits": 6.0,
        "kept_digits": 4.0,
        "raw_formulas": 3.0,
        "kept_formulas": 2.0,
        "raw_code_characters": 4.0,
        "kept_code_characters": 4.0,
    }


def test_code_without_an_end_has_no_characters() -> None:
    kept = CleanWikitext()(page("a <pre> b"))
    assert isinstance(kept, Document)
    assert (kept.scores["raw_code_characters"], kept.scores["kept_code_characters"]) == (0.0, 0.0)
    assert page_text("a <source>bc d</source>").code_characters == 3
