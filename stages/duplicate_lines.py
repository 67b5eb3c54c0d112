"""Line deduplication as CCNet does it: keys of lines in, a mask of the lines to drop, and the shortened document out.

Three pure parts, so that only 64-bit keys have to meet in one place: `line_hashes` (one document), `duplicated_lines`
(all lines of a window) and `keep_lines` (one document again). A line is what stands between two `\\n` of the text. The
blank line is a line like any other: its key is in nearly every document, so blank lines vanish, and with them lines of
nothing but the signs below.

Source: CCNet (Wenzek et al. 2020, section 3.1) as its published code has it, which differs from the paper's wording:
accents and ASCII punctuation stay in the key.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stages.document import Document, Rejected
from stages.line_hashing import Algorithm, hash_lines, hash_normalised
from stages.line_normalising import character_table

# The 34 signs that cc_net's `UNICODE_PUNCT` names (the full-width 1 among them never takes effect: digits go first).
PUNCTUATION = "，。、„”“«»１」「《》´∶：？！（）；–—．～’…━〈〉【】％►"
CONTROLS = "".join(map(chr, [*range(32), *range(127, 160)]))

_DIGIT = re.compile(r"\d")
_DELETED = re.compile("[" + re.escape(PUNCTUATION + CONTROLS.replace("\n", "")) + "]")


def line_hashes(text: str, algorithm: Algorithm = "sha1") -> NDArray[np.uint64]:
    """The key of each line of a text, in order; an empty text has one line.

    Key: line stripped and in lower case, each decimal digit of any script as `0`, the 34 signs and the control
    characters (U+0000 to 1F, 7F to 9F) deleted and not stripped again; the hash of its UTF-8. `sha1` is CCNet's: the
    first 8 bytes of the SHA-1 as a little-endian number. `xxh64` (XXH64, seed 0) costs less and collides no more often
    by chance, but lines with one key can be made on purpose.
    """
    hashes, unsure = hash_lines(text.encode(), _characters(), algorithm)
    if unsure.size:
        lines = text.split("\n")
        stripped = "\n".join([lines[n].strip() for n in unsure.tolist()])
        keys = _DELETED.sub("", _DIGIT.sub("0", stripped.lower())).encode().split(b"\n")
        hashes[unsure] = [hash_normalised(key, algorithm) for key in keys]
    return hashes


@cache
def _characters() -> NDArray[np.uint32]:
    return character_table(PUNCTUATION + CONTROLS)


def duplicated_lines(
    hashes: NDArray[np.uint64],
    documents: NDArray[np.uint64],
    keep: Literal["none", "first"] = "none",
) -> NDArray[np.bool_]:
    """Which lines of a window to drop, given each line's key and the number of its document, in order of position.

    `none`, CCNet's rule: a key seen in two or more documents loses all its lines, the first as well; a key seen in one
    document only keeps its first line. `first`: a key keeps its first line, wherever the others are.
    """
    if hashes.shape != documents.shape:
        raise ValueError(
            f"one document number a line: {hashes.size} keys but {documents.size} document numbers"
        )
    # One run of the order is one key. The sort need not be stable: of a run, only its least position is asked for.
    return _repeats(np.argsort(hashes), hashes, documents, keep == "none")


@njit(cache=True)
def _repeats(
    order: NDArray[np.int64], hashes: NDArray[np.uint64], documents: NDArray[np.uint64], shared_go: bool
) -> NDArray[np.bool_]:
    dropped = np.zeros(order.size, dtype=np.bool_)
    start = 0
    while start < order.size:
        first = order[start]
        shared = False
        stop = start + 1
        while stop < order.size and hashes[order[stop]] == hashes[first]:
            shared |= documents[order[stop]] != documents[first]
            stop += 1
        if stop > start + 1:
            for n in range(start, stop):
                dropped[order[n]] = True
                first = min(first, order[n])
            dropped[first] = shared_go and shared
        start = stop
    return dropped


def keep_lines(document: Document, dropped: NDArray[np.bool_]) -> Document | Rejected:
    """The document without its dropped lines, with scores `original_lines` and `kept_lines`.

    `dropped` has one entry a line of the text, as `line_hashes` counts them. Rejected as `duplicate_lines_only` when no
    line, or only blank ones, are left; the rejection holds the whole text.
    """
    text = document.text
    lines = text.count("\n") + 1
    if lines != dropped.size:
        raise ValueError(
            f"document {document.id} has {lines} lines but the mask has {dropped.size}; hash it again"
        )
    kept = lines - int(np.count_nonzero(dropped))
    if kept == 0:
        text = ""
    elif kept < lines:
        cuts = _cuts(np.frombuffer(text.encode("utf-32-le"), dtype="<u4"), dropped).tolist()
        if not dropped[0]:
            cuts.insert(0, -1)
        if not dropped[-1]:
            cuts.append(len(text))
        text = "\n".join([text[a + 1 : b] for a, b in zip(cuts[::2], cuts[1::2], strict=True)])
    scores = {**document.scores, "original_lines": float(lines), "kept_lines": float(kept)}
    if not text or text.isspace():
        return Rejected(replace(document, scores=scores), "duplicate_lines_only", float(kept))
    return replace(document, text=text, scores=scores)


@njit(cache=True)
def _cuts(characters: NDArray[np.uint32], dropped: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where the line ends stand that have a dropped line on one side and a kept one on the other."""
    cuts = np.empty(dropped.size, dtype=np.int64)
    count = line = 0
    for at in range(characters.size):
        if characters[at] == 10:
            line += 1
            if dropped[line] != dropped[line - 1]:
                cuts[count] = at
                count += 1
    return cuts[:count]
