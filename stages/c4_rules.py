"""C4 made from the crawl: the page rules of C4 as its published builder has them. Pages in, cleaned pages out.

In the order of use: `TakeC4Lines` (the page as C4's WET parser sees it), `c4_url_key` (of the pages of one address the
newest stays), `CleanC4Page` (line and page rules), then line deduplication over all pages in pure parts: `c4_line_keys`
and `c4_owner_tag` (one page), `owned_lines` (all pages), `keep_owned_lines` (one page again).

Source: Raffel et al. 2020 (T5), section 2.2, as coded in TensorFlow Datasets 4.9.10, C4 3.1.0 (text/c4.py and
text/c4_utils.py), order included; the two differ, and then the code counts. docs/c4.md says where.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import md5

import numpy as np
from numpy.typing import NDArray

from stages.document import Document, Rejected
from stages.duplicate_documents import content_key
from stages.sentences import english_sentences

HEADER_PREFIXES = (
    "WARC",
    "CONTENT-",
    "Content-",
)  # C4's parser takes such a line for one of the record's header
END_MARKS = (".", "?", "!", '"')
POLICY_PHRASES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
VALIDATION_DIVISOR = 1000  # C4's validation split: one address in 1,000

# What becomes of a line: kept, removed, or the end of its page.
KEPT = ""
PAGE_ENDS = frozenset({"lorem_ipsum", "curly_bracket"})

_SCHEME = re.compile(r"https?://(?:www\.)?")
_TRACKING = re.compile(r"\?(?:utm_|ref|feed).*")
_CITATION = re.compile(r"\[(?:\d*|edit|citation needed)\]")


def normalize_c4_url(url: str) -> str:
    """An address as C4 compares it: without scheme, `www.`, tracking parameters and slashes at the end.

    As coded: a scheme goes wherever it stands, and all from `?utm_`, `?ref` or `?feed` on goes.
    """
    return _TRACKING.sub("", _SCHEME.sub("", url)).rstrip("/")


def c4_url_key(url: str) -> int:
    """64-bit key of the normalised address; of the pages with one key the newest stays, the first of equals."""
    return content_key(normalize_c4_url(url))


def c4_split(url: str) -> str:
    """`validation` for the addresses whose MD5, after normalisation, is 0 modulo 1,000, else `train`."""
    number = int.from_bytes(md5(normalize_c4_url(url).encode(), usedforsecurity=False).digest())
    return "train" if number % VALIDATION_DIVISOR else "validation"


@dataclass(frozen=True)
class TakeC4Lines:
    """The page as C4's WET parser gives it: title first, lines stripped, blank and header-like ones dropped.

    WET text has the page's title as its first line, so a title that the reader put aside comes back in front. The
    split of C4 (`train` or `validation`) is noted in the metadata as `c4_split`. Reasons: `no_url`, `no_timestamp`,
    `no_text`.
    """

    def __call__(self, document: Document) -> Document | Rejected:
        if not document.url:
            return Rejected(document, "no_url")
        if document.created is None:
            return Rejected(document, "no_timestamp")
        stripped = [line.strip() for line in f"{document.title or ''}\n{document.text}".split("\n")]
        text = "\n".join([line for line in stripped if line and not line.startswith(HEADER_PREFIXES)])
        if not text:
            return Rejected(document, "no_text")
        return document.with_text(text).with_metadata(c4_split=c4_split(document.url))


@dataclass(frozen=True)
class CleanC4Page:
    """Keeps lines that look like sentences, and pages with enough of them; citation marks are deleted.

    Scores: `original_lines`, `kept_lines`. Reasons: `lorem_ipsum`, `curly_bracket` (a kept line has it),
    `too_few_sentences` (the score is their number). A rejection holds the whole text.
    """

    # All four: Raffel et al. 2020 section 2.2; the numbers as in TFDS C4 3.1.0, c4_utils.py.
    max_word_characters: int = 1000  # _MAX_WORD_LENGTH
    min_words_per_line: int = 5  # _MIN_WORDS_PER_LINE; the paper's first version said 3
    min_sentences: int = 3  # _MIN_NUM_SENTENCES; the paper says 5 in one place
    policy_phrases: tuple[str, ...] = POLICY_PHRASES  # _POLICY_SUBSTRINGS

    def line_fate(self, line: str) -> tuple[str, str]:
        """What becomes of a stripped line, and the line without citation marks.

        Fates, tested in this order: `word_too_long`, `no_end_mark`, `too_few_words`, `lorem_ipsum`, `javascript`,
        `curly_bracket`, `policy`, or `KEPT`. The line is not stripped again after a mark was deleted (as coded).
        """
        if len(line) > self.max_word_characters and max(map(len, line.split())) > self.max_word_characters:
            return "word_too_long", line
        if "[" in line:
            line = _CITATION.sub("", line)
        if not line.endswith(END_MARKS) or line.endswith("..."):
            return "no_end_mark", line
        if len(line.split(None, self.min_words_per_line)) < self.min_words_per_line:
            return "too_few_words", line
        lower = line.lower()
        if "lorem ipsum" in lower:
            return "lorem_ipsum", line
        if "javascript" in lower:
            return "javascript", line
        if "{" in line:
            return "curly_bracket", line
        if any(phrase in lower for phrase in self.policy_phrases):
            return "policy", line
        return KEPT, line

    def __call__(self, document: Document) -> Document | Rejected:
        lines = document.text.splitlines()  # as coded: also at form feeds, U+0085, U+2028 and the like
        kept = []
        for raw in lines:
            fate, line = self.line_fate(raw.strip())
            if fate in PAGE_ENDS:
                return Rejected(document, fate)
            if fate == KEPT:
                kept.append(line)
        scored = document.with_scores(original_lines=float(len(lines)), kept_lines=float(len(kept)))
        # Sentences are counted line by line. Each line has at least one, so most pages need no count.
        if len(kept) < self.min_sentences:
            model = english_sentences()
            sentences = sum(model.count(line) for line in kept)
            if sentences < self.min_sentences:
                return Rejected(scored, "too_few_sentences", float(sentences))
        return scored.with_text("\n".join(kept).strip())


def c4_line_keys(text: str) -> NDArray[np.uint64]:
    """The key of each line of a cleaned text, in order: the first 8 bytes of the MD5 of the stripped, lower-case line.

    Two different lines among n share a key with a chance of about n**2 / 2**65 (C4 compares all 128 bits).
    """
    digests = [
        md5(line.strip().lower().encode(), usedforsecurity=False).digest()[:8] for line in text.split("\n")
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def c4_owner_tag(url: str) -> int:
    """The first 32 bits of the MD5 of a page's address as it stands; of the pages with a line, the smallest owns it."""
    return int.from_bytes(md5(url.encode(), usedforsecurity=False).digest()[:4])


def owned_lines(keys: NDArray[np.uint64], owners: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which lines to drop, given each line's key and the owner tag of its page, in order of position.

    Of each key one line stays: the first in the page with the smallest tag. Two pages of one tag (one pair in 2**32;
    C4 compares all 128 bits) are ordered by position.
    """
    if keys.shape != owners.shape:
        raise ValueError(f"one owner tag a line: {keys.size} keys but {owners.size} tags")
    dropped = np.zeros(keys.size, dtype=np.bool_)
    order = np.lexsort((owners, keys))
    dropped[order[1:]] = keys[order[1:]] == keys[order[:-1]]
    return dropped


def keep_owned_lines(
    document: Document,
    dropped: NDArray[np.bool_],
    min_sentences: int = 3,  # TFDS C4 3.1.0: _MIN_NUM_SENTENCES again, now of the whole text
) -> Document | Rejected:
    """The page without its dropped lines, with the score `kept_lines`.

    `dropped` has one entry a line of the text, as `c4_line_keys` counts them. Reasons: `duplicate_lines_only`,
    `too_few_sentences` (the score is their number); the rejection holds the whole text.
    """
    lines = document.text.split("\n")
    if len(lines) != dropped.size:
        raise ValueError(
            f"document {document.id} has {len(lines)} lines but the mask has {dropped.size}; hash it again"
        )
    kept = [line for line, gone in zip(lines, dropped.tolist(), strict=True) if not gone]
    scored = document.with_scores(kept_lines=float(len(kept)))
    text = "\n".join(kept)
    if not text:
        return Rejected(scored, "duplicate_lines_only", 0.0)
    sentences = english_sentences().count(text, at_most=min_sentences)
    if sentences < min_sentences:
        return Rejected(scored, "too_few_sentences", float(sentences))
    return scored.with_text(text)
