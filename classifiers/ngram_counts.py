"""Counts of all n-grams of order 1 to n in tokenised sentences, by counting sorts of positions.

In: sentences as sequences of tokens (SentencePiece pieces). Out: the vocabulary and, for each order, one table of the
distinct n-grams in lexicographic order of word ids. Each sentence is read as `<s> w1 ... wk </s>`; no n-gram crosses a
sentence. An n-gram is not stored as words but as (row of its first n-1 words in the table below, last word), and every
n-gram also knows the row of its last n-1 words: these two links are all that Kneser-Ney smoothing needs.

Positions sorted by their word are, moved back by n-1, positions sorted by their n-th word; one stable counting sort by
the row of the first n-1 words then puts all n-grams in order, whatever the order n.

Memory: 25 bytes a token while counting, and 16 bytes for each distinct n-gram of any order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
UNKNOWN_ID, BEGIN_ID, END_ID = 0, 1, 2

Int32Array = npt.NDArray[np.int32]
UInt8Array = npt.NDArray[np.uint8]

MAX_ORDER = 6  # KenLM reads no higher one as it is built by default
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
    count: Int32Array

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
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"order of a language model is {order}; it must be 1 to {MAX_ORDER}")
    ids, stream, sentence_count = _read(sentences)
    if sentence_count == 0:
        raise ValueError("no sentence to train a language model on; give it at least one text")
    for token in ids:
        if not token or token.encode("utf-8").split() != [token.encode("utf-8")] or "\0" in token:
            raise ValueError(
                f"token {token!r} is empty or contains white space; split the text into tokens first"
            )
    zeros = np.zeros(len(ids), dtype=np.int32)
    by_word = np.empty(len(stream), dtype=np.int32)
    counts = _sort_by_word(stream, len(ids), by_word)
    tables = [NgramTable(zeros, zeros, np.arange(len(ids), dtype=np.int32), counts)]
    reach = _words_to_the_end(stream, order)
    rows = stream  # rows[i] is the row of the n-gram that begins at i
    for n in range(2, order + 1):
        cursor = _room_of_prefixes(rows, reach, n, len(tables[-1]))
        positions = np.empty(cursor[-1], dtype=np.int32)
        _sort_by_prefix(by_word, rows, reach, n, cursor, positions)
        del cursor
        distinct = int(_count_distinct(stream, rows, n, positions))
        prefix, suffix, word, count = (np.empty(distinct, dtype=np.int32) for _ in range(4))
        longer = np.empty(len(stream) if n < order else 0, dtype=np.int32)
        _fill_table(stream, rows, n, positions, prefix, suffix, word, count, longer)
        tables.append(NgramTable(prefix, suffix, word, count))
        rows = longer
    tokens = len(stream) - 2 * sentence_count
    return NgramCounts(tuple(ids), tuple(tables), sentence_count, tokens)


@numba.njit(cache=True)
def _sort_by_word(stream: Int32Array, words: int, by_word: Int32Array) -> Int32Array:
    """Fill `by_word` with all positions, sorted by their word and then by place; how often each word occurs."""
    counts = np.zeros(words, dtype=np.int32)
    for word in stream:
        counts[word] += 1
    cursor = np.zeros(words, dtype=np.int64)
    for word in range(1, words):
        cursor[word] = cursor[word - 1] + counts[word - 1]
    for place in range(len(stream)):
        by_word[cursor[stream[place]]] = place
        cursor[stream[place]] += 1
    return counts


@numba.njit(cache=True)
def _words_to_the_end(stream: Int32Array, most: int) -> UInt8Array:
    """How many words stand from each position to the end of its sentence, both included; `most` when there are more."""
    reach = np.empty(len(stream), dtype=np.uint8)
    left = 0
    for place in range(len(stream) - 1, -1, -1):
        left = 1 if stream[place] == END_ID else min(left + 1, most)
        reach[place] = left
    return reach


@numba.njit(cache=True)
def _room_of_prefixes(rows: Int32Array, reach: UInt8Array, n: int, prefixes: int) -> Int32Array:
    """Where the n-grams of each prefix begin among all in order; the last is their number."""
    starts = np.zeros(prefixes + 1, dtype=np.int32)
    for place in range(len(rows)):
        if reach[place] >= n:
            starts[rows[place] + 1] += 1
    for row in range(prefixes):
        starts[row + 1] += starts[row]
    return starts


@numba.njit(cache=True)
def _sort_by_prefix(
    by_word: Int32Array,
    rows: Int32Array,
    reach: UInt8Array,
    n: int,
    cursor: Int32Array,
    positions: Int32Array,
) -> None:
    """Fill `positions` with the beginnings of all n-grams in lexicographic order."""
    for last in by_word:
        place = last - n + 1
        if place >= 0 and reach[place] >= n:
            positions[cursor[rows[place]]] = place
            cursor[rows[place]] += 1


@numba.njit(cache=True)
def _count_distinct(stream: Int32Array, rows: Int32Array, n: int, positions: Int32Array) -> int:
    distinct, row, word = 0, -1, -1
    for place in positions:
        if rows[place] != row or stream[place + n - 1] != word:
            distinct += 1
            row, word = rows[place], stream[place + n - 1]
    return distinct


@numba.njit(cache=True)
def _fill_table(
    stream: Int32Array,
    rows: Int32Array,
    n: int,
    positions: Int32Array,
    prefix: Int32Array,
    suffix: Int32Array,
    word: Int32Array,
    count: Int32Array,
    longer: Int32Array,
) -> None:
    """Fill the columns of order n, and in `longer`, unless it is empty, the row of the n-gram at each position."""
    row = -1
    for place in positions:
        if row < 0 or rows[place] != prefix[row] or stream[place + n - 1] != word[row]:
            row += 1
            prefix[row], suffix[row] = rows[place], rows[place + 1]
            word[row], count[row] = stream[place + n - 1], 0
        count[row] += 1
        if len(longer):
            longer[place] = row
