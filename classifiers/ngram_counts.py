"""Counts of all n-grams of order 1 to n in tokenised sentences, by sorting integers.

In: sentences as sequences of tokens (SentencePiece pieces). Out: the vocabulary and, for each order, one table of the
distinct n-grams in lexicographic order of word ids. Each sentence is read as `<s> w1 ... wk </s>`; no n-gram crosses a
sentence. An n-gram is not stored as words but as (row of its first n-1 words in the table below, last word), which
packs into one 64-bit key for any order, and every n-gram also knows the row of its last n-1 words: these two links are
all that Kneser-Ney smoothing needs.

Memory: about 60 bytes a token while an order is sorted, and 20 bytes for each distinct n-gram.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
UNKNOWN_ID, BEGIN_ID, END_ID = 0, 1, 2

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]

_MAX_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class NgramTable:
    """The distinct n-grams of one order, row by row in lexicographic order of ids.

    `prefix` is the row of the first n-1 words and `suffix` the row of the last n-1 words in the table of order n-1
    (both 0 for unigrams), `word` the id of the last word, `count` how often the n-gram occurs.
    """

    prefix: Int32Array
    suffix: Int32Array
    word: Int32Array
    count: Int64Array

    def __len__(self) -> int:
        return len(self.word)


@dataclass(frozen=True, slots=True)
class NgramCounts:
    """`words[id]` is the word of an id; `tables[n - 1]` holds the n-grams of order n; `tokens` includes no marks.

    The unigram table has one row for each id, so there row and id are the same; `<unk>` is in it with count 0.
    """

    words: tuple[str, ...]
    tables: tuple[NgramTable, ...]
    sentences: int
    tokens: int


def _read(sentences: Iterable[Sequence[str]]) -> tuple[dict[str, int], Int32Array, int]:
    """Vocabulary in order of first occurrence, and all sentences with their marks as one array of ids."""
    ids = {UNKNOWN: UNKNOWN_ID, BEGIN: BEGIN_ID, END: END_ID}
    marks = frozenset(ids)
    stream = array("i")
    count = 0
    for sentence in sentences:
        count += 1
        stream.append(BEGIN_ID)
        stream.extend(ids.setdefault(word, len(ids)) for word in sentence if word not in marks)
        stream.append(END_ID)
        if len(stream) > _MAX_TOKENS:
            raise ValueError(f"training text has more than {_MAX_TOKENS} tokens; give less text (max_bytes)")
    return ids, np.frombuffer(stream, dtype=np.int32), count


def count_ngrams(sentences: Iterable[Sequence[str]], order: int) -> NgramCounts:
    """Count the n-grams of order 1 to `order`.

    Tokens `<unk>`, `<s>` and `</s>` inside a sentence are dropped, as by lmplz with `--skip_symbols`. Raises ValueError
    when a token is empty or contains white space (it could not be told apart in an ARPA file), when there is no
    sentence, or when there are more than 2^31 - 1 tokens.
    """
    if order < 1:
        raise ValueError(f"order of a language model is {order}; it must be 1 or more")
    ids, stream, sentence_count = _read(sentences)
    if sentence_count == 0:
        raise ValueError("no sentence to train a language model on; give it at least one text")
    for word in ids:
        if not word or word.encode("utf-8").split() != [word.encode("utf-8")] or "\0" in word:
            raise ValueError(
                f"token {word!r} is empty or contains white space; split the text into tokens first"
            )
    length = len(stream)
    # Words from each position to the end of its sentence, both included: no longer n-gram begins there.
    ends = np.flatnonzero(stream == END_ID)
    left = (np.repeat(ends, np.diff(ends, prepend=-1)) - np.arange(length) + 1).astype(np.int32)

    zeros = np.zeros(len(ids), dtype=np.int32)
    counts = np.bincount(stream, minlength=len(ids))
    tables = [NgramTable(zeros, zeros, np.arange(len(ids), dtype=np.int32), counts.astype(np.int64))]
    rows = stream  # rows[i] is the row of the n-gram that begins at i
    for n in range(2, order + 1):
        starts = np.flatnonzero(left >= n)
        keys = rows[starts].astype(np.int64) * len(ids) + stream[starts + n - 1]
        by_key = np.argsort(keys, kind="stable")
        keys = keys[by_key]
        new = np.concatenate(([True], keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, dtype=bool)
        first = starts[by_key[new]]
        edges = np.append(np.flatnonzero(new), len(keys))
        tables.append(
            NgramTable(rows[first], rows[first + 1], stream[first + n - 1], np.diff(edges).astype(np.int64))
        )
        longer = np.full(length, -1, dtype=np.int32)
        longer[starts[by_key]] = np.cumsum(new, dtype=np.int32) - 1
        rows = longer
    return NgramCounts(tuple(ids), tuple(tables), sentence_count, length - 2 * sentence_count)
