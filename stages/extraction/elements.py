"""What the scanner knows about HTML: tags by number, what each tag does to text, and the attributes that it reads.

Kinds of tags are those of the HTML Living Standard, sections 4 (elements), 13.1.2 (void elements, raw text) and 15.3
(which elements start a line of their own in a browser). A tag that is not listed is an inline element.
"""

from __future__ import annotations

import html.entities

import numpy as np

from stages.extraction.hashing import hash_table

# Raw text: skipped to the end tag without looking at it.
_RAW = "script style textarea title iframe noframes noembed"
# Their content is markup, but no text of the page: shown in place of something else, or not at all.
_UNSEEN = "template svg object select datalist canvas video audio annotation annotation-xml rp"
_VOID = "meta link base input br img source wbr area col embed param track frame hr"
_BLOCKS = (
    "html head body button form fieldset legend label nav header footer aside main article section div p h1 h2 h3 h4"
    " h5 h6 ul ol li dl dt dd table thead tbody tfoot tr td th caption figure figcaption blockquote pre address hr"
    " center details summary dialog frameset hgroup search menu xmp listing optgroup option"
    " noscript"
)
_INLINE = "a span time math foreignobject"

TAGS: dict[str, int] = {
    name: number
    for number, name in enumerate(
        dict.fromkeys(f"{_BLOCKS} {_RAW} {_UNSEEN} {_VOID} {_INLINE}".split()), start=1
    )
}
TAG_NAMES = ("", *TAGS)  # by number; 0 is every other tag
TAG_COUNT = len(TAG_NAMES)

BLOCK, RAW, UNSEEN, VOID, HEADING, BARRIER = 1, 2, 4, 8, 16, 32  # bits of a kind
KINDS = np.zeros(TAG_COUNT, dtype=np.uint8)
for _names, _bit in (
    (_BLOCKS, BLOCK),
    (_RAW, RAW),
    (_UNSEEN, UNSEEN),
    (_VOID, VOID),
    ("h1 h2 h3 h4 h5 h6", HEADING),
    ("td th caption table object template", BARRIER),  # end tags of blocks inside do not reach beyond
):
    for _name in _names.split():
        KINDS[TAGS[_name]] |= _bit
TAG_HASHES, TAG_NUMBERS = hash_table(TAGS)

# Bits of what an element is in; the element itself counts.
_ANCESTORS = (
    "article main nav header footer aside form table ul ol figure section blockquote a button dl li td label details"
    " address pre figcaption p"
)
ANCESTOR_TAGS = tuple(_ANCESTORS.split())
ANCESTOR_BITS = np.zeros(TAG_COUNT, dtype=np.uint64)
for _bit, _name in enumerate(ANCESTOR_TAGS):
    ANCESTOR_BITS[TAGS[_name]] = 1 << _bit
for _name, _like in (("th", "td"), ("xmp", "pre"), ("listing", "pre")):
    ANCESTOR_BITS[TAGS[_name]] = ANCESTOR_BITS[TAGS[_like]]
IN_PRE = ANCESTOR_BITS[TAGS["pre"]]
IN_HIDDEN = np.uint64(
    1 << 60
)  # attribute hidden, style display:none or visibility:hidden, noscript, a closed dialog
IN_ARIA_HIDDEN = np.uint64(1 << 61)  # aria-hidden="true"
IN_COMMENTS = np.uint64(1 << 62)  # what readers wrote: a class or id of COMMENT_SECTIONS

# What an attribute is read for.
CLASS, ID, WORDS, ROLE, STYLE, HIDDEN, ARIA_HIDDEN, OPEN = 1, 2, 3, 4, 5, 6, 7, 8
NAME, CONTENT, REL, HREF, DATETIME, LANG, TYPE, ITEMPROP = 9, 10, 11, 12, 13, 14, 15, 16
ATTRIBUTE_CODES = 17
_WORDY = (
    "data-testid data-component data-qa data-test data-module data-type data-element data-component-name data-block"
    " aria-label"
)
ATTRIBUTE_HASHES, ATTRIBUTE_NUMBERS = hash_table(
    {
        "class": CLASS,
        "id": ID,
        **dict.fromkeys(_WORDY.split(), WORDS),
        "role": ROLE,
        "itemprop": ITEMPROP,
        "style": STYLE,
        "hidden": HIDDEN,
        "aria-hidden": ARIA_HIDDEN,
        "open": OPEN,
        "name": NAME,
        "property": NAME,
        "content": CONTENT,
        "rel": REL,
        "href": HREF,
        "datetime": DATETIME,
        "lang": LANG,
        "xml:lang": LANG,
        "type": TYPE,
    }
)

# Whole class names and ids of the sections in which blog engines and comment services put readers' comments.
_SECTIONS = (
    "comment comments comment-list comments-list commentlist comment-section comments-section comment-area"
    " comments-area comment-container comments-container comments-wrapper commentarea comment-thread comment-body"
    " comments-title comment-respond respond disqus_thread disqus-thread disqus fb-comments livefyre-comments"
    " article-comments post-comments user-comments usercomments reader-comments coral_thread coral-thread"
    " discussion-thread nocomments wc-comment wpdcom"
)
COMMENT_HASHES, COMMENT_NUMBERS = hash_table(dict.fromkeys(_SECTIONS.split(), 1))

# What the page says about itself; one place (start and end of a value) for each.
OG_TITLE, TITLE, LANGUAGE, META_DATE, JSON_DATE, TIME_DATE, CANONICAL, OG_URL = range(8)
FACT_COUNT = 8
# Open Graph, schema.org, Dublin Core and the names that news sites use for the same.
_DATE_NAMES = (
    "article:published_time og:article:published_time og:published_time datepublished date pubdate"
    " publishdate publish_date publish-date parsely-pub-date sailthru.date dc.date dc.date.issued"
    " dcterms.created dcterms.issued citation_publication_date citation_online_date"
)
META_HASHES, META_FACTS = hash_table(
    {
        "og:title": OG_TITLE,
        "og:url": OG_URL,
        **dict.fromkeys(_DATE_NAMES.split(), META_DATE),
    }
)

# Named character references with and without a semicolon (HTML 13.5), as their first code point.
ENTITY_HASHES, ENTITY_POINTS = hash_table({name: ord(text[0]) for name, text in html.entities.html5.items()})
MAX_ENTITY_BYTES = 1 + max(map(len, html.entities.html5))
