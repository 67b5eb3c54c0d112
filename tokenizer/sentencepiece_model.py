"""A SentencePiece model as this room needs it: BPE with byte fallback, nothing normalised, like LLaMA's.

In: a `tokenizer.model`. Out: the loaded processor, its pieces with their scores and kinds, and who it is. What
encoding, export and shards rest on is checked here, once.

SentencePiece's own API gives everything but the kind of a user-defined piece and of the model; those two are read
from the protocol buffer (sentencepiece_model.proto), whose generated module asks for another protobuf than Beam's.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import sentencepiece

from tokenizer.shards import TokenizerIdentity

SPACE = "\u2581"  # what SentencePiece writes for a space; in a text it means a space too
JOINS_WORDS = re.compile(f"[^{SPACE}]{SPACE}|\n.|.\n", re.DOTALL)
NORMALIZER_PROBE = ("  \ufb01\u00a0 \uff21\t\n ", f"{SPACE * 3}\ufb01\u00a0{SPACE}\uff21\t\n{SPACE}")

# Field numbers and values of sentencepiece_model.proto.
PIECES_FIELD, TRAINER_FIELD = 1, 2
PIECE_TYPE_FIELD, MODEL_TYPE_FIELD = 3, 3
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
UNIGRAM, BPE = 1, 2  # unigram is what a model without the field is

ADVICE = "use a BPE model trained like LLaMA's (`llama-corpus run` trains one)"


@dataclass(frozen=True)
class Model:
    """A loaded model. `proto` is the content of its file, which is what makes two models equal."""

    proto: bytes
    processor: sentencepiece.SentencePieceProcessor = field(compare=False)

    @cached_property
    def identity(self) -> TokenizerIdentity:
        return TokenizerIdentity(
            sha256=hashlib.sha256(self.proto).hexdigest(),
            vocabulary_size=self.processor.vocab_size(),
            bos_id=self.processor.bos_id(),
            eos_id=self.processor.eos_id(),
        )

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The pieces in the order of their ids, control and byte pieces under their names (`<s>`, `<0x0A>`)."""
        return tuple(self.processor.id_to_piece(id) for id in range(self.processor.vocab_size()))

    @cached_property
    def scores(self) -> tuple[float, ...]:
        """The score of each piece: of all merges that a text allows the one with the highest comes first."""
        return tuple(self.processor.get_score(id) for id in range(self.processor.vocab_size()))

    @cached_property
    def kinds(self) -> tuple[int, ...]:
        """`NORMAL`, `CONTROL`, `BYTE` ... of each piece."""
        return tuple(
            int(dict(_fields(piece)).get(PIECE_TYPE_FIELD, NORMAL))
            for number, piece in _fields(self.proto)
            if number == PIECES_FIELD and isinstance(piece, bytes)
        )

    @property
    def is_bpe(self) -> bool:
        trainer = next((v for n, v in _fields(self.proto) if n == TRAINER_FIELD), b"")
        assert isinstance(trainer, bytes)
        return dict(_fields(trainer)).get(MODEL_TYPE_FIELD, UNIGRAM) == BPE


def load_model(path: str | os.PathLike[str]) -> Model:
    """Loads and checks a model.

    ValueError when the file is no SentencePiece model, or not of the kind that the module's head names.
    """
    proto = Path(path).read_bytes()
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
    except RuntimeError as error:
        message = " ".join(str(error).split())
        raise ValueError(f"{path}: not a SentencePiece model ({message}): train a tokenizer again") from error
    model = Model(proto, processor)
    if problem := _problem(model):
        raise ValueError(f"{path}: {problem}: {ADVICE}")
    return model


def _problem(model: Model) -> str | None:
    """Why a model is not like LLaMA's, or None."""
    processor, pieces = model.processor, model.pieces
    if min(processor.bos_id(), processor.eos_id()) < 0:
        return "the model has no BOS or no EOS"
    if joining := next(filter(JOINS_WORDS.search, pieces), None):
        return f"the piece {joining!r} joins two words or lines"
    if SPACE not in pieces or not processor.is_byte(processor.piece_to_id("<0x0A>")):
        return "the model has no piece for a space or none for bytes"
    probe, expected = NORMALIZER_PROBE
    if processor.normalize(probe) != expected:
        return "the model changes texts before it encodes them"
    if not model.is_bpe:
        return "the model is not of the type BPE"
    for kind, name in ((USER_DEFINED, "user-defined"), (UNUSED, "unused")):
        if kind in model.kinds:
            return f"the piece {pieces[model.kinds.index(kind)]!r} is {name}"
    return None


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of the fields of a protocol buffer message that SentencePiece has read without error; numbers
    as int, everything else as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}[wire_type]
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A base-128 number, least significant group first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
