"""Encodes documents with a SentencePiece BPE model: exactly its own ids, several times as fast.

In: a `tokenizer.model` and texts. Out: arrays of BOS, the ids of the text, EOS.

gigatoken finds the ids; where it is not installed a table of words does. Both give SentencePiece's ids, so the bytes
of shards do not depend on which. A literal `<s>` in a text is text: control pieces are only ever added here.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np

from tokenizer.sentencepiece_model import Model, load_model
from tokenizer.shards import TokenizerIdentity, Tokens, token_dtype
from tokenizer.word_table import WordTable

LOADED = 2  # text encoders that a process keeps: the run's, and one to compare with


class TextEncoder(Protocol):
    """What finds ids; one text at a time."""

    def ids(self, text: str) -> Tokens:
        """SentencePiece's ids of a text that is not empty, of any width. TypeError for lone surrogates."""


def text_encoder(model: Model) -> TextEncoder:
    """gigatoken where it is installed, else the table of words."""
    if importlib.util.find_spec("gigatoken") is None:
        return WordTable(model)
    from tokenizer.gigatoken_encoding import GigatokenEncoder

    return GigatokenEncoder(model)


@lru_cache(maxsize=LOADED)
def _text_encoder(model: Model) -> tuple[TextEncoder, threading.Lock]:
    """The one of this process, with the words it knows by now; the lock because neither kind bears two threads."""
    return text_encoder(model), threading.Lock()


class Encoder:
    """A loaded tokenizer. Encoders of the same model share what finds the ids, so making one again costs little."""

    def __init__(self, model_path: str | os.PathLike[str]) -> None:
        """Loads a model; ValueError when it is damaged or unlike LLaMA's (see `tokenizer.sentencepiece_model`)."""
        self.model = load_model(model_path)
        self.dtype = token_dtype(self.vocabulary_size)

    @cached_property
    def _found_by(self) -> tuple[TextEncoder, threading.Lock]:
        return _text_encoder(self.model)

    @property
    def identity(self) -> TokenizerIdentity:
        return self.model.identity

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
        if text:
            encoder, lock = self._found_by
            with lock:
                try:
                    ids = encoder.ids(text)
                except TypeError:
                    text.encode("utf-8")  # says which character
                    raise
        else:
            ids = np.empty(0, self.dtype)
        encoded = np.empty(len(ids) + 2, self.dtype)
        encoded[0], encoded[-1] = self.bos_id, self.eos_id
        encoded[1:-1] = ids
        encoded.flags.writeable = False
        return encoded

    def decode(self, tokens: Sequence[int] | Tokens) -> str:
        """The text of some ids; BOS and EOS give no text, bytes that are no UTF-8 become U+FFFD."""
        text: str = self.model.processor.decode([int(token) for token in tokens])
        return text
