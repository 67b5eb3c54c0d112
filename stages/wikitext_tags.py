"""HTML and extension tags in wikitext by what becomes of them, how the end of one is found, and what is kept of it.

A tag in none of these sets is no tag for MediaWiki (Sanitizer.php) and stands in the text as it is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from stages.wikitext_names import words


class Kind(Enum):
    """What a piece is that is kept as it was written."""

    FORMULA = "formula"
    CODE = "code"
    LITERAL = "literal"


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A piece of the page for which the flat text holds a mark: its number between two NULs."""

    kind: Kind
    text: str


# Extension tags (https://www.mediawiki.org/wiki/Parser_extension_tags): their content is no wikitext for the parser.
DROPPED_TAGS = words(
    "ref references gallery timeline imagemap graph score templatestyles mapframe maplink hiero inputbox "
    "categorytree indicator includeonly templatedata charinsert dynamicpagelist"
)
FORMULA_TAGS = words("math chem ce")
CODE_TAGS = words("pre syntaxhighlight source")
VERBATIM_TAGS = FORMULA_TAGS | CODE_TAGS | {"nowiki"}
BLOCK_TAGS = words("p div center blockquote poem hr ul ol dl h1 h2 h3 h4 h5 h6") | CODE_TAGS
LINE_TAGS = words("br li dt dd")
PLAIN_TAGS = words(
    "b i u s em strong small big sub sup span font code tt kbd samp var cite q abbr ins del dfn strike bdi bdo "
    "ruby rb rt rp mark data time wbr noinclude onlyinclude section translate nobr"
)
TABLE_TAGS = words("table tr td th caption thead tbody tfoot")


def _any_case(name: str) -> str:
    return "".join(f"[{c}{c.upper()}]" for c in name)


# The two letters spelt out, so that the search for the literal `</` stays fast.
END_TAGS = {name: re.compile(rf"</{_any_case(name)}\s*>") for name in (*DROPPED_TAGS, *VERBATIM_TAGS, "sup")}
