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
from hashlib import sha1
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.document import Document, Rejected

# The 34 signs that cc_net's `UNICODE_PUNCT` names (the full-width 1 among them never takes effect: digits go first).
PUNCTUATION = "，。、„”“«»１」「《》´∶：？！（）；–—．～’…━〈〉【】％►"
CONTROLS = "".join(map(chr, [*range(32), *range(127, 160)]))

_DIGIT = re.compile(r"\d")
_DELETED = re.compile("[" + re.escape(PUNCTUATION + CONTROLS.replace("\n", "")) + "]")
_ASCII_KEY = bytes(
    ord("0") if chr(c).isdigit() else ord(chr(c).lower()) if c < 128 else c for c in range(256)
)
_ASCII_DELETED = bytes(c for c in [*range(32), 127] if c != 10)


def line_hashes(text: str) -> NDArray[np.uint64]:
    """The key of each line of a text, in order; an empty text has one line.

    Key: line stripped and in lower case, each decimal digit of any script as `0`, the 34 signs and the control
    characters (U+0000 to 1F, 7F to 9F) deleted and not stripped again; the first 8 bytes of the SHA-1 of its UTF-8, as
    a little-endian number.
    """
    lines = [line.strip() for line in text.split("\n")]
    if text.isascii():
        keys = "\n".join(lines).encode().translate(_ASCII_KEY, _ASCII_DELETED).split(b"\n")
    else:
        # In pages of most scripts many lines are ASCII; for these one pass over bytes does all three steps.
        is_ascii = [line.isascii() for line in lines]
        plain = "\n".join([line for line, a in zip(lines, is_ascii, strict=True) if a])
        other = "\n".join([line for line, a in zip(lines, is_ascii, strict=True) if not a])
        plain_keys = iter(plain.encode().translate(_ASCII_KEY, _ASCII_DELETED).split(b"\n"))
        other_keys = iter(_DELETED.sub("", _DIGIT.sub("0", other.lower())).encode().split(b"\n"))
        keys = [next(plain_keys if a else other_keys) for a in is_ascii]
    return np.frombuffer(b"".join([sha1(key).digest()[:8] for key in keys]), dtype="<u8").astype(np.uint64)


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
    dropped = np.zeros(hashes.size, dtype=np.bool_)
    if not hashes.size:
        return dropped
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    repeats = np.zeros(hashes.size, dtype=np.bool_)  # not the first line of its key
    np.equal(ordered[1:], ordered[:-1], out=repeats[1:])
    if keep == "none":
        owners = documents[order]
        changes = np.zeros(hashes.size, dtype=np.bool_)
        changes[1:] = repeats[1:] & (owners[1:] != owners[:-1])
        group = np.cumsum(~repeats) - 1
        shared = np.zeros(int(group[-1]) + 1, dtype=np.bool_)
        shared[group[changes]] = True
        repeats |= shared[group]
    dropped[order] = repeats
    return dropped


def keep_lines(document: Document, dropped: NDArray[np.bool_]) -> Document | Rejected:
    """The document without its dropped lines, with scores `original_lines` and `kept_lines`.

    `dropped` has one entry a line of the text, as `line_hashes` counts them. Rejected as `duplicate_lines_only` when no
    line, or only blank ones, are left; the rejection holds the whole text.
    """
    lines = document.text.split("\n")
    if len(lines) != dropped.size:
        raise ValueError(
            f"document {document.id} has {len(lines)} lines but the mask has {dropped.size}; hash it again"
        )
    kept = [line for line, gone in zip(lines, dropped.tolist(), strict=True) if not gone]
    scored = document.with_scores(original_lines=float(len(lines)), kept_lines=float(len(kept)))
    text = "\n".join(kept)
    if not text or text.isspace():
        return Rejected(scored, "duplicate_lines_only", float(len(kept)))
    return scored.with_text(text)
