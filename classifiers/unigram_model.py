"""What is inside a SentencePiece unigram model: its pieces with their scores, and its table of characters.

In: the bytes of a `.sp.model` file (one protocol buffer message, `ModelProto` of sentencepiece_model.proto). Out: what
segmentation needs, or None when the model is not of the kind that `sentencepiece.SentencePieceTrainer` makes by
default for `model_type=unigram`, as CCNet's are. Only the fields named here are read, by the numbers of the schema.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# ModelProto
_PIECE, _TRAINER, _NORMALIZER = 1, 2, 3
# ModelProto.SentencePiece
_TEXT, _SCORE, _TYPE = 1, 2, 3
_NORMAL, _UNKNOWN, _CONTROL = 1, 2, 3
# TrainerSpec
_MODEL_TYPE, _BLANK_AS_SUFFIX, _BYTE_FALLBACK = 3, 24, 35
_UNIGRAM = 1
# NormalizerSpec
_CHARSMAP, _DUMMY_PREFIX, _REMOVE_EXTRA_BLANKS, _ESCAPE_BLANKS = 2, 3, 4, 5

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class UnigramModel:
    """`pieces` are UTF-8, `scores` natural logarithms in 32 bits; `charsmap` is the compiled table of characters."""

    pieces: tuple[bytes, ...]
    scores: tuple[float, ...]
    charsmap: bytes


def read_unigram_model(content: bytes) -> UnigramModel | None:
    """The model of a file; None when it is not unigram, or departs from the trainer's defaults in what a text becomes:
    user-defined, unused or byte pieces, blanks at the end of a piece, blanks kept as they are.

    Raises ValueError when the bytes end before a field does.
    """
    pieces: list[bytes] = []
    scores: list[float] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for number, value in _fields(content):
        if number == _PIECE and isinstance(value, bytes):
            piece = dict(_fields(value))
            kind, text, score = piece.get(_TYPE, _NORMAL), piece.get(_TEXT, b""), piece.get(_SCORE, bytes(4))
            if kind in (_UNKNOWN, _CONTROL):
                continue
            if kind != _NORMAL or not isinstance(text, bytes) or not isinstance(score, bytes) or not text:
                return None
            pieces.append(text)
            scores.append(struct.unpack("<f", score)[0])
        elif number == _TRAINER and isinstance(value, bytes):
            trainer = dict(_fields(value))
        elif number == _NORMALIZER and isinstance(value, bytes):
            normalizer = dict(_fields(value))
    charsmap = normalizer.get(_CHARSMAP, b"")
    usual = (
        trainer.get(_MODEL_TYPE, _UNIGRAM) == _UNIGRAM
        and not trainer.get(_BLANK_AS_SUFFIX, 0)
        and not trainer.get(_BYTE_FALLBACK, 0)
        and all(normalizer.get(field, 1) for field in (_DUMMY_PREFIX, _REMOVE_EXTRA_BLANKS, _ESCAPE_BLANKS))
    )
    if not usual or not pieces or not isinstance(charsmap, bytes):
        return None
    return UnigramModel(tuple(pieces), tuple(scores), charsmap)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) in order; numbers of fixed size stay bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        wire = tag & 7
        if wire == _VARINT:
            number, place = _varint(message, place)
            yield tag >> 3, number
            continue
        if wire == _BYTES:
            size, place = _varint(message, place)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"SentencePiece model has wire type {wire} at byte {place}; get the file again")
        if place + size > len(message):
            raise ValueError(f"SentencePiece model ends inside a field at byte {place}; get the file again")
        yield tag >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError(f"SentencePiece model has a broken number at byte {place}; get the file again")
