"""Ids of texts by a table of words: exactly SentencePiece's, in plain Python, where gigatoken cannot be installed.

A piece of a LLaMA-like model never holds a space after another character, and never a line end
(`tokenizer.sentencepiece_model` checks it). So no merge crosses the border before a space or around a line end: the ids
of a text are the ids of its words one after the other. Words come back often, so their ids are kept in a table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from tokenizer.sentencepiece_model import SPACE, Model
from tokenizer.shards import Tokens, token_dtype

# A word with the spaces or the line end before it. Every text matches as a row of words when a space is put
# before it.
WORD = re.compile(f"[ {SPACE}]+[^ {SPACE}\n]*|\n[^ {SPACE}\n]*")
MAX_TABLE_BYTES = 256 << 20  # of remembered words, estimated; the table starts anew beyond
ENTRY_BYTES = 200  # of a word in the table apart from its characters and ids: two objects and a slot
MAX_REMEMBERED_CHARACTERS = 64  # longer words hardly come back


class WordTable:
    def __init__(self, model: Model) -> None:
        self._model = model.processor
        self._dtype = token_dtype(model.identity.vocabulary_size)
        self._space = self._as_bytes([self._model.piece_to_id(SPACE)])
        self._table: dict[str, bytes] = {}
        self._table_bytes = 0

    def ids(self, text: str) -> Tokens:
        """The ids of a text that is not empty. TypeError when it holds a lone surrogate."""
        words: list[str] = WORD.findall(" " + text)
        table = self._table
        unseen = list(set(words).difference(table))
        table.update(zip(unseen, self._encode_words(unseen), strict=True))
        encoded = b"".join(map(table.__getitem__, words))
        self._forget(unseen)
        return np.frombuffer(encoded, self._dtype)

    def _encode_words(self, words: Sequence[str]) -> list[bytes]:
        """The ids of each word alone, as bytes.

        SentencePiece puts a space before whatever it encodes, unless that is empty. So a word that begins with a
        space is passed without it, and the id of that space is cut off a word that begins with a line end.
        """
        plain = [word if word[0] == "\n" else word[1:] for word in words]
        rows: list[list[int]] = self._model.encode(plain, num_threads=1)
        encoded = []
        for word, ids in zip(words, rows, strict=True):
            if word in (" ", SPACE):
                encoded.append(self._space)
            else:
                encoded.append(self._as_bytes(ids[1:] if word[0] == "\n" else ids))
        return encoded

    def _forget(self, added: Sequence[str]) -> None:
        """Takes long words out of the table again, and empties it when it has grown too large."""
        table = self._table
        for word in added:
            if len(word) > MAX_REMEMBERED_CHARACTERS:
                del table[word]
            else:
                self._table_bytes += ENTRY_BYTES + len(word) + len(table[word])
        if self._table_bytes > MAX_TABLE_BYTES:
            table.clear()
            self._table_bytes = 0

    def _as_bytes(self, ids: Sequence[int]) -> bytes:
        return np.array(ids, self._dtype).tobytes()
