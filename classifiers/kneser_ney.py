"""Interpolated modified Kneser-Ney language models in NumPy, written as ARPA text.

In: tokenised sentences. Out: a back-off model in the ARPA format that KenLM reads (log10 probabilities and back-offs).
Follows Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1998), and the choices of
KenLM's lmplz (Heafield et al. 2013, "Scalable modified Kneser-Ney language model estimation"): nothing is pruned,
n-grams that begin with `<s>` keep their counts at every order, unigrams are interpolated with the uniform distribution
over all words but `<s>`, and `<unk>` gets only that uniform share. Sums and products are made in 32 bits in lmplz's
order, so that the probabilities are lmplz's to the bit; logarithms are rounded correctly, where lmplz takes what the C
library gives, so that they differ in the last bit at most. Equal sentences give equal bytes.

Memory: that of `ngram_counts`, and 8 bytes more for each distinct n-gram.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.ngram_counts import BEGIN_ID, Int32Array, NgramCounts, NgramTable, count_ngrams

Float32Array = npt.NDArray[np.float32]
Discounts = tuple[float, float, float]

FALLBACK_DISCOUNTS: Discounts = (0.5, 1.0, 1.5)  # lmplz --discount_fallback: for counts 1, 2, 3 and more
LEAST_PROBABILITY = 1e-99  # ARPA's customary log10 of zero is -99
_ROWS_AT_A_TIME = 1 << 18


@dataclass(frozen=True, slots=True)
class Estimates:
    """Probabilities and back-off weights of one order, row by row as in its n-gram table; not logarithms.

    The highest order has no back-off weights.
    """

    table: NgramTable
    probability: Float32Array
    backoff: Float32Array | None
    discounts: Discounts


def adjusted_counts(tables: Sequence[NgramTable], n: int) -> Int32Array:
    """Counts of order n as Kneser-Ney uses them.

    The highest order and n-grams that begin with `<s>` keep how often they occur; all others count the distinct words
    that come before them. The unigram `<s>` counts 0: it is never predicted.
    """
    table = tables[n - 1]
    if n == len(tables):
        counts = table.count.copy()
    else:
        counts = _occurrences(tables[n].suffix, len(table))
        begin = _beginning_sentences(tables, n)
        counts[begin] = table.count[begin]
    if n == 1:
        counts[BEGIN_ID] = 0
    return counts


def _beginning_sentences(tables: Sequence[NgramTable], n: int) -> slice:
    """The rows of order n that begin with `<s>`: they are side by side, as a table is in lexicographic order."""
    begin, end = BEGIN_ID, BEGIN_ID + 1
    for table in tables[1:n]:
        begin, end = (
            int(row) for row in np.searchsorted(table.prefix, np.array([begin, end], dtype=np.int32))
        )
    return slice(begin, end)


@numba.njit(cache=True)
def _occurrences(values: Int32Array, size: int) -> Int32Array:
    counts = np.zeros(size, dtype=np.int32)
    for value in values:
        counts[value] += 1
    return counts


def estimate_discounts(counts: Int32Array) -> Discounts:
    """D1, D2 and D3+ from how many n-grams have adjusted count 1, 2, 3 and 4 (Chen and Goodman 1998, equation 26).

    `FALLBACK_DISCOUNTS` when one of the first three is absent or a discount falls outside 0..count, as lmplz with
    `--discount_fallback`: so it is with texts that are very short or very repetitive.
    """
    n1, n2, n3, n4 = (np.float32(np.count_nonzero(counts == count)) for count in range(1, 5))
    if not (n1 and n2 and n3):
        return FALLBACK_DISCOUNTS
    y = n1 / np.float32(float(n1) + 2.0 * float(n2))
    discounts = tuple(
        float(np.float32(count) - np.float32(count + 1) * y * more / fewer)
        for count, (fewer, more) in enumerate(((n1, n2), (n2, n3), (n3, n4)), start=1)
    )
    d1, d2, d3 = discounts
    return (d1, d2, d3) if 0 <= d1 <= 1 and 0 <= d2 <= 2 and 0 <= d3 <= 3 else FALLBACK_DISCOUNTS


@numba.njit(cache=True)
def _interpolate(
    table_prefix: Int32Array,
    table_suffix: Int32Array,
    counts: Int32Array,
    discounts: Float32Array,
    lower: Float32Array,
    probability: Float32Array,
    weights: Float32Array,
) -> None:
    """`p(w | context) = (count - D) / total + weight(context) * p(w | shorter)`; rows of a context are side by side.

    `discounts[k]` is taken from count k, the last from 3 and more; `weights` keeps its value where nothing follows.
    """
    row = 0
    while row < len(counts):
        context, end = table_prefix[row], row
        total, ones, twos, more = 0, 0, 0, 0
        while end < len(counts) and table_prefix[end] == context:
            total += counts[end]
            ones += counts[end] == 1
            twos += counts[end] == 2
            more += counts[end] >= 3
            end += 1
        weight = discounts[1] * np.float32(ones)
        weight += discounts[2] * np.float32(twos)
        weight += discounts[3] * np.float32(more)
        weight /= np.float32(total)
        weights[context] = weight
        while row < end:
            own = (np.float32(counts[row]) - discounts[min(counts[row], 3)]) / np.float32(total)
            probability[row] = own + weight * lower[table_suffix[row]]
            row += 1


def estimate(counts: NgramCounts) -> list[Estimates]:
    """Estimates for each order from 1 up.

    The back-off of an n-gram is the interpolation weight that it has as a context, 1 when nothing follows it.
    """
    tables = counts.tables
    lower: Float32Array = np.array([1.0 / (len(counts.words) - 1)], dtype=np.float32)  # all words but <s>
    estimates: list[Estimates] = []
    for n, table in enumerate(tables, start=1):
        adjusted = adjusted_counts(tables, n)
        discounts = estimate_discounts(adjusted)
        probability = np.empty(len(table), dtype=np.float32)
        weights = np.ones(len(lower), dtype=np.float32)
        _interpolate(
            table.prefix,
            table.suffix,
            adjusted,
            np.array([0.0, *discounts], dtype=np.float32),
            lower,
            probability,
            weights,
        )
        if n == 1:
            probability[BEGIN_ID] = 1.0
        else:
            estimates[-1] = replace(estimates[-1], backoff=weights)
        estimates.append(Estimates(table, probability, None, discounts))
        lower = probability
    return estimates


def train(sentences: Iterable[Sequence[str]], order: int, path: str | os.PathLike[str]) -> list[Discounts]:
    """Train a model of `order` on tokenised sentences, write it to `path`, and return the discounts of each order.

    Raises ValueError for what `count_ngrams` does not take.
    """
    counts = count_ngrams(sentences, order)
    estimates = estimate(counts)
    with open(path, "wb") as stream:
        write_arpa(stream, counts.words, estimates)
    return [e.discounts for e in estimates]


def write_arpa(stream: BinaryIO, words: Sequence[str], estimates: Sequence[Estimates]) -> None:
    """Write the ARPA text: shortest decimal forms of 32-bit log10 values, rows in order of ids."""
    stream.write(b"\\data\\\n")
    for n, e in enumerate(estimates, start=1):
        stream.write(f"ngram {n}={len(e.table)}\n".encode())
    spelling = pa.array(words, type=pa.large_string())
    tables = [e.table for e in estimates]
    for n, e in enumerate(estimates, start=1):
        stream.write(f"\n\\{n}-grams:\n".encode())
        for rows in _slices(len(e.table)):
            columns = [spelling.take(pa.array(ids)) for ids in _word_ids(tables, n, rows)]
            fields = [_log10(e.probability[rows]), _join(columns, " ")]
            if e.backoff is not None:
                fields.append(_log10(e.backoff[rows]))
            _write_text(stream, _join([_join(fields, "\t"), _text("\n")], ""))
    stream.write(b"\n\\end\\\n")


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, type=pa.large_string())


def _join(columns: Sequence[pa.Array | pa.Scalar], separator: str) -> pa.Array:
    return pc.binary_join_element_wise(*columns, _text(separator))


def _slices(length: int) -> Iterator[slice]:
    for start in range(0, length, _ROWS_AT_A_TIME):
        yield slice(start, min(start + _ROWS_AT_A_TIME, length))


def _word_ids(tables: Sequence[NgramTable], n: int, rows: slice) -> list[Int32Array]:
    """The ids of these n-grams, one array for each of the n places."""
    columns = [tables[n - 1].word[rows]]
    row = tables[n - 1].prefix[rows]
    for table in reversed(tables[: n - 1]):
        columns.append(table.word[row])
        row = table.prefix[row]
    return columns[::-1]


def _log10(values: Float32Array) -> pa.Array:
    """log10 as text; rounding must not lift a probability above 1, which KenLM refuses."""
    logs = (
        np.minimum(np.log10(np.maximum(values.astype(np.float64), LEAST_PROBABILITY)), 0.0) + 0.0
    )  # no -0.0
    return pa.array(logs.astype(np.float32)).cast(pa.large_string())


def _write_text(stream: BinaryIO, lines: pa.Array) -> None:
    """Write strings that end in a newline one after the other: the value buffer of the array is that very text."""
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int64)
    begin, end = offsets[lines.offset], offsets[lines.offset + len(lines)]
    stream.write(memoryview(lines.buffers()[2])[begin:end])
