"""Encodes documents with a SentencePiece BPE model: exactly its own ids, several times as fast on running
text.

In: a `tokenizer.model` and texts. Out: arrays of BOS, the ids of the text, EOS.

A piece of a LLaMA-like model never holds a space after another character, and never a line end. So no merge
crosses the border before a space or around a line end: the ids of a text are the ids of its words one after
the other. Words come back often, so their ids are kept in a table. Both properties are checked when a model
is loaded. A literal `<s>` in a text is text: control pieces are only ever added here.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sentencepiece

from tokenizer.shards import TokenizerIdentity, Tokens, token_dtype

SPACE = "\u2581"  # what SentencePiece writes for a space; in a text it means a space too
# A word with the spaces or the line end before it. Every text matches as a row of words when a space is put
# before it.
WORD = re.compile(f"[ {SPACE}]+[^ {SPACE}\n]*|\n[^ {SPACE}\n]*")
JOINS_WORDS = re.compile(f"[^{SPACE}]{SPACE}|\n.|.\n", re.DOTALL)
NORMALIZER_PROBE = ("  \ufb01\u00a0 \uff21\t\n ", f"{SPACE * 3}\ufb01\u00a0{SPACE}\uff21\t\n{SPACE}")
MAX_TABLE_BYTES = 256 << 20  # of remembered words, estimated; the table starts anew beyond
ENTRY_BYTES = 200  # of a word in the table apart from its characters and ids: two objects and a slot
MAX_REMEMBERED_CHARACTERS = 64  # longer words hardly come back


class Encoder:
    """A loaded tokenizer."""

    def __init__(self, model_path: str | os.PathLike[str]) -> None:
        """Loads a model; ValueError when it is damaged or its ids cannot be found word by word."""
        path = Path(model_path)
        model = path.read_bytes()
        try:
            self._model = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            message = " ".join(str(error).split())
            raise ValueError(
                f"{path}: not a SentencePiece model ({message}): train a tokenizer again"
            ) from error
        self.identity = TokenizerIdentity(
            sha256=hashlib.sha256(model).hexdigest(),
            vocabulary_size=self._model.vocab_size(),
            bos_id=self._model.bos_id(),
            eos_id=self._model.eos_id(),
        )
        self._check(path)
        self.dtype = token_dtype(self.vocabulary_size)
        self._bos = np.array([self.bos_id], self.dtype).tobytes()
        self._eos = np.array([self.eos_id], self.dtype).tobytes()
        self._space = self._as_bytes([self._model.piece_to_id(SPACE)])
        self._table: dict[str, bytes] = {}
        self._table_bytes = 0

    def _check(self, path: Path) -> None:
        """What word by word encoding and the shards rest on."""
        advice = "use a BPE model trained like LLaMA's (`llama-corpus run` trains one)"
        if min(self.bos_id, self.eos_id) < 0:
            raise ValueError(f"{path}: the model has no BOS or no EOS: {advice}")
        pieces = [self._model.id_to_piece(id) for id in range(self.vocabulary_size)]
        if joining := next(filter(JOINS_WORDS.search, pieces), None):
            raise ValueError(f"{path}: the piece {joining!r} joins two words or lines: {advice}")
        if SPACE not in pieces or not self._model.is_byte(self._model.piece_to_id("<0x0A>")):
            raise ValueError(f"{path}: the model has no piece for a space or none for bytes: {advice}")
        probe, expected = NORMALIZER_PROBE
        if self._model.normalize(probe) != expected:
            raise ValueError(f"{path}: the model changes texts before it encodes them: {advice}")

    @property
    def vocabulary_size(self) -> int:
        return self.identity.vocabulary_size

    @property
    def bos_id(self) -> int:
        return self.identity.bos_id

    @property
    def eos_id(self) -> int:
        return self.identity.eos_id

    @property
    def sha256(self) -> str:
        """Of the model file, in hex."""
        return self.identity.sha256

    def encode(self, text: str) -> Tokens:
        """BOS, the ids of the text as SentencePiece gives them, EOS; uint16 up to 65,536 pieces, else uint32.

        The array is read-only. UnicodeEncodeError when the text holds a lone surrogate.
        """
        if not text:
            return np.frombuffer(self._bos + self._eos, self.dtype)
        words: list[str] = WORD.findall(" " + text)
        table = self._table
        unseen = list(set(words).difference(table))
        table.update(zip(unseen, self._encode_words(unseen), strict=True))
        encoded = b"".join([self._bos, *map(table.__getitem__, words), self._eos])
        self._forget(unseen)
        return np.frombuffer(encoded, self.dtype)

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
        return np.array(ids, self.dtype).tobytes()

    def decode(self, tokens: Sequence[int] | Tokens) -> str:
        """The text of some ids; BOS and EOS give no text, bytes that are no UTF-8 become U+FFFD."""
        text: str = self._model.decode([int(token) for token in tokens])
        return text
