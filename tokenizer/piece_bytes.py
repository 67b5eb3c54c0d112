"""How many bytes of text each id of a tokenizer stands for: what turns a loss by token into one by byte.

In: a model. Out: a table of ids, and the bytes of a sequence of tokens. BOS and EOS stand for no text.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tokenizer.sentencepiece_model import BYTE, NORMAL, SPACE, Model

Integers = npt.NDArray[np.int64]


def piece_bytes(model: Model) -> Integers:
    """UTF-8 bytes of the text of each id [V]: 1 of a byte piece, 0 of control pieces."""
    sizes = np.zeros(len(model.pieces), np.int64)
    for id, (kind, piece) in enumerate(zip(model.kinds, model.pieces, strict=True)):
        if kind == NORMAL:
            sizes[id] = len(piece.replace(SPACE, " ").encode("utf-8"))
        elif kind == BYTE:
            sizes[id] = 1
    return sizes


def text_bytes(tokens: Integers, targets: Integers, table: Integers, bos_id: int) -> Integers:
    """Bytes of text that the `targets` [B, T], each of which follows its token in `tokens` [B, T], stand for; by row.

    SentencePiece puts a space before each text, which is no byte of it; the piece that follows BOS holds it.
    """
    first = (tokens == bos_id) & (table[targets] > 0)
    found: Integers = table[targets].sum(axis=1) - first.sum(axis=1)
    return found
