"""What the reader of a page sees and a text of it lacks: numbers, words, and the holes that they leave.

`missing` counts, over the prose lines of a page's wikitext, the words and numbers that a reader sees, and how many of
them a text does not have (as multisets over the page). A prose line begins with a letter, a digit, a quotation mark
or a link, has forty characters or more, and stands outside of references, comments and tables. A reader sees: the
text of the line, the words of links, and of an inline template one argument, since the others are codes: the longest
positional argument for words, the first one with a digit for numbers. Templates that show a note, a remark, a place
on the map or a sign without words are not counted (`INVISIBLE`). The same rule is put to both texts; it knows nothing
of what we render.

`holes` counts the traces in a text itself: a comma or a full stop after a blank or after a preposition, brackets with
nothing in them or that begin with a comma, two blanks in a sentence.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from stages.wikitext_names import ENGLISH_HIDDEN_NAMESPACES, HIDDEN_NAMESPACES, INTERLANGUAGE

INVISIBLE = re.compile(
    r"(?:sfn|harv|cite|citation|citar|cita |cita$|r$|rp$|ref|efn|note|fn|refn|cref|#|clarify|citation needed|cn$|fact|"
    r"who|when|which|where|by whom|page needed|dubious|dead link|verify|failed|"
    r"better source|update|coord|coor |flagicon|"
    r"bandiera|drapeau|legend|clear|-$|anchor|ancora|audio|pronunc|prononc|ipa|api$|respell|inflation|link |"
    r"in lang|[a-z]{2} icon|ref-|odn|нет аи|чињеница|wayback|webarchiv|isbn|issn|oclc|doi|dnb|portal|youtube|"
    r"commons|wikt|see|main|vedi|fldez|metadaten|population|statistiek|počet|currentyear|defaultsort|or$|imagemap|"
    r"nuclide|24hlm|format price|formatnum|numeral|noisbn|link audio|référence|bron|vague|according|specify|full|"
    r"self-published|time needed|disputed|sic$|not verified|request|original research|expand|split|merge|cleanup|"
    r"fb|fb-|cas|doc|webcit|unreliable|primary|largethumb|ship|cita libro|cita web|naznb|autocat|med$|flag)",
    re.IGNORECASE,
)
MIN_PROSE_CHARACTERS = 40

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NOTE = re.compile(
    r"<(ref|gallery|math|timeline|source|syntaxhighlight|pre|chem|ce|score|imagemap)\b[^<>]*?(?:/>|>.*?</\1\s*>)",
    re.DOTALL | re.IGNORECASE,
)
_TABLE = re.compile(r"^[ :*#]*\{\|.*?^[ \t]*\|\}", re.DOTALL | re.MULTILINE)
_PROSE = re.compile(r"[\w'\"\[«„“(]")
_TEMPLATE = re.compile(r"\{\{([^{}|]*)((?:\|[^{}]*)?)\}\}")
_LINK = re.compile(r"\[\[([^\[\]|]*)(?:\|([^\[\]]*))?\]\]")
_EXTERNAL = re.compile(r"\[(?:[a-z]+:)?//[^\s\[\]]*\s*([^\[\]]*)\]|(?:https?|ftp)://\S*", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/?p|/?div)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_QUOTES = re.compile(r"''+")
_TOKEN = re.compile(r"[0-9]+|[^\W\d_]{2,}")
_HOLES = re.compile(
    r"(?<=\w) [,.](?=\s|$)|\(\s*[,;:)]|(?<=\w)  +(?=\w)"
    r"|\b(?:of|to|with|from|by|about|at|between|von|mit|auf|bei|du|des|di|da|della|del|van|met|med|av|od|do|до|от|из|від)"
    r" ?[,.;)](?=\s|$)"
)


@dataclass(frozen=True, slots=True)
class Missing:
    """Words and numbers that the reader sees, and those of them that a text lacks."""

    words: int
    missing_words: int
    numbers: int
    missing_numbers: int


def seen_tokens(wikitext: str, language: str) -> Counter[str]:
    """Words and numbers of the prose lines of a page as its reader sees them."""
    text = _TABLE.sub("", _NOTE.sub("", _COMMENT.sub("", wikitext)))
    hidden = HIDDEN_NAMESPACES.get(language, ENGLISH_HIDDEN_NAMESPACES) | INTERLANGUAGE

    def shown(match: re.Match[str]) -> str:
        prefix, colon, _ = match[1].partition(":")
        return "" if colon and prefix.strip().lower() in hidden else (match[2] or match[1])

    tokens: Counter[str] = Counter()
    for line in text.split("\n"):
        if len(line) < MIN_PROSE_CHARACTERS or not _PROSE.match(line):
            continue
        line = _TAG.sub("", _BREAK.sub(" ", _EXTERNAL.sub(r"\1", _LINK.sub(shown, line))))
        line = _QUOTES.sub("'", line)
        if "[[" in line or "]]" in line:
            continue  # a caption with links, a file over several lines
        for _ in range(3):  # templates in templates
            line, found = _TEMPLATE.subn(_argument_seen, line)
            if not found:
                break
        if "{{" not in line and "}}" not in line:
            tokens.update(_TOKEN.findall(_normal(line)))
    return tokens


def _argument_seen(match: re.Match[str]) -> str:
    if INVISIBLE.match(match[1].strip()):
        return " "
    arguments = [a for a in match[2].split("|")[1:] if not re.match(r"\s*[a-z]{2,20}\s*=", a, re.IGNORECASE)]
    arguments = [re.sub(r"^\s*[0-9]\s*=", "", argument) for argument in arguments]
    number = next((argument for argument in arguments if re.search(r"[0-9]", argument)), "")
    longest = max(arguments, key=len, default="")
    if longest == number or number == "":
        return longest if len(longest) > 3 or number else ""
    return (
        number if len(longest) < 4 else f"{number} {longest}" if not re.search("[0-9]", longest) else number
    )


def _normal(text: str) -> str:
    """One form of a letter and one of a number: NFKC, `12,345` and `12 345` as `12345`."""
    text = unicodedata.normalize("NFKC", html.unescape(text))
    return re.sub(r"(?<=[0-9])[,.  '](?=[0-9]{3}(?![0-9]))", "", text)


def missing(seen: Counter[str], text: str) -> Missing:
    """How much of what is seen a text lacks."""
    lacking = seen - Counter(_TOKEN.findall(_normal(text)))
    numbers = sum(count for token, count in seen.items() if token[0].isdigit())
    missing_numbers = sum(count for token, count in lacking.items() if token[0].isdigit())
    return Missing(seen.total() - numbers, lacking.total() - missing_numbers, numbers, missing_numbers)


def holes(text: str) -> int:
    """Traces of something that is gone from sentences."""
    return sum(len(_HOLES.findall(line)) for line in text.split("\n") if len(line) >= MIN_PROSE_CHARACTERS)
