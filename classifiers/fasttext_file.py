"""What is inside a compressed fastText classifier: its words, labels, n-grams and vectors.

In: the content of an `.ftz` file (`FastText::saveModel`, format 12, of facebookresearch/fastText). Out: what a
prediction needs, or None when the model is not of the kind of lid.176.ftz: vectors in product quantization with the
n-grams that were left of all (`fasttext quantize -cutoff`), single words, labels in a Huffman tree with plain vectors.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC, _FORMAT = 793712314, 12
# Args::save: dimensions, window, epochs, least count, negatives, words in an n-gram, loss, model, buckets, least and
# most characters of an n-gram, update rate; then the sampling threshold
_SETTINGS = "<12id"
_HIERARCHICAL_SOFTMAX, _SUPERVISED = 1, 3
_WORD, _LABEL = 0, 1
_CENTROIDS = 256  # of each stretch of a vector: a code is one byte
_UNPRUNED = -1

Float32Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CompressedModel:
    """A classifier of texts. Vectors have `D` dimensions.

    `words` and `labels` are UTF-8, labels with their prefix. `label_counts` are of the training, from which the Huffman
    tree is made. `vectors` [words + n-grams, D] holds those of the words first; `row_of_bucket` gives the row of an
    n-gram by the bucket of its hash, of `buckets`. An n-gram has `min_characters` to `max_characters`. `nodes`
    [labels, D] are those of the tree.
    """

    words: tuple[bytes, ...]
    labels: tuple[bytes, ...]
    label_counts: tuple[int, ...]
    buckets: int
    min_characters: int
    max_characters: int
    vectors: Float32Matrix
    row_of_bucket: dict[int, int]
    nodes: Float32Matrix


class _Cursor:
    """Reads a file of which nothing is known. ValueError where it ends too early or a number cannot be."""

    def __init__(self, content: bytes | mmap.mmap) -> None:
        self._content, self._at = content, 0

    def take(self, layout: str) -> tuple[Any, ...]:
        size = struct.calcsize(layout)
        return struct.unpack(layout, self._bytes(size))

    def number(self, layout: str, least: int, most: int) -> int:
        (value,) = self.take(layout)
        if not least <= value <= most:
            raise ValueError(f"a number is {value} where {least} to {most} can be")
        return int(value)

    def flag(self) -> bool:
        return bool(self.number("<B", 0, 1))

    def array(self, kind: str, count: int) -> npt.NDArray[Any]:
        dtype = np.dtype(kind)
        return np.frombuffer(self._bytes(dtype.itemsize * count), dtype)

    def string(self) -> bytes:
        end = self._content.find(b"\0", self._at)
        if end < 0:
            raise ValueError("the file ends within a word")
        return self._bytes(end + 1 - self._at)[:-1]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._content):
            raise ValueError("the file ends too early")
        return self._content[self._at - size : self._at]


def read_compressed_model(content: bytes | mmap.mmap) -> CompressedModel | None:
    """The model of a file; None when it is of another kind or no fastText model at all.

    Raises ValueError when the file ends before its model does, or a number in it cannot be.
    """
    cursor, most = _Cursor(content), len(content)
    if content[:8] != struct.pack("<ii", _MAGIC, _FORMAT):
        return None
    cursor.take("<ii")
    settings = cursor.take(_SETTINGS)
    dimensions, words_of_ngram, loss, model = settings[0], settings[5], settings[6], settings[7]
    buckets, min_characters, max_characters = settings[8:11]
    if (words_of_ngram, loss, model) != (1, _HIERARCHICAL_SOFTMAX, _SUPERVISED):
        return None
    entries, word_count, label_count = (cursor.number("<i", 1, most) for _ in range(3))
    cursor.take("<q")  # tokens of the training
    ngram_count = cursor.number("<q", _UNPRUNED, most)
    if ngram_count == _UNPRUNED:
        return None
    if entries != word_count + label_count:
        raise ValueError("words and labels are not as many as the entries")
    read = [(cursor.string(), *cursor.take("<qb")) for _ in range(entries)]
    if [kind for _, _, kind in read] != [_WORD] * word_count + [_LABEL] * label_count:
        raise ValueError("words do not come before labels")
    pruned = cursor.array("<i4", 2 * ngram_count).reshape(-1, 2)
    if not cursor.flag():  # vectors in full
        return None
    vectors = _quantized(cursor, dimensions)
    if ngram_count and not (
        pruned.min() >= 0 and pruned[:, 0].max() < buckets and pruned[:, 1].max() < len(vectors) - word_count
    ):
        raise ValueError("an n-gram has no vector")
    if len(vectors) < word_count:
        raise ValueError("a word has no vector")
    if cursor.flag():
        return None
    rows, columns = cursor.take("<qq")
    if (rows, columns) != (label_count, dimensions):
        raise ValueError("the nodes of the tree are not as many as the labels")
    nodes = cursor.array("<f4", rows * columns).reshape(rows, columns)
    return CompressedModel(
        words=tuple(text for text, _, _ in read[:word_count]),
        labels=tuple(text for text, _, _ in read[word_count:]),
        label_counts=tuple(count for _, count, _ in read[word_count:]),
        buckets=buckets,
        min_characters=min_characters,
        max_characters=max_characters,
        vectors=vectors,
        row_of_bucket={bucket: word_count + row for bucket, row in pruned.tolist()},
        nodes=nodes,
    )


def _quantized(cursor: _Cursor, dimensions: int) -> Float32Matrix:
    """A matrix that was kept in product quantization: each row is the code's centroids times the norm's."""
    has_norms = cursor.flag()
    rows, columns = cursor.take("<qq")
    code_bytes = cursor.number("<i", 0, 1 << 31)
    codes = cursor.array("<u1", code_bytes)
    stretches, centroids = _quantizer(cursor, dimensions)
    if columns != dimensions or code_bytes != rows * len(stretches):
        raise ValueError("the codes are not as many as the vectors")
    codes = codes.reshape(rows, len(stretches))
    table = np.empty((rows, dimensions), np.float32)
    at = 0
    for number, width in enumerate(stretches):
        own = centroids[_CENTROIDS * at : _CENTROIDS * (at + width)].reshape(_CENTROIDS, width)
        table[:, at : at + width] = own[codes[:, number]]
        at += width
    if has_norms:
        norm_codes = cursor.array("<u1", rows)
        _, norms = _quantizer(cursor, 1)
        table *= norms[norm_codes][:, None]
    return table


def _quantizer(cursor: _Cursor, dimensions: int) -> tuple[list[int], npt.NDArray[np.float32]]:
    """ProductQuantizer::load: the width of each stretch of a vector, and the centroids, stretch by stretch."""
    if cursor.number("<i", 1, 1 << 16) != dimensions:
        raise ValueError("a quantizer is of other dimensions than the model")
    count = cursor.number("<i", 1, dimensions)
    width, last = (cursor.number("<i", 1, dimensions) for _ in range(2))
    stretches = [width] * (count - 1) + [last]
    if sum(stretches) != dimensions:
        raise ValueError("the stretches of a quantizer are not its dimensions")
    return stretches, cursor.array("<f4", _CENTROIDS * dimensions)
