"""Interpolated modified Kneser-Ney language models in NumPy, written as ARPA text.

In: tokenised sentences. Out: a back-off model in the ARPA format that KenLM reads (log10 probabilities and back-offs).
Follows Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1998), and the choices of
KenLM's lmplz (Heafield et al. 2013, "Scalable modified Kneser-Ney language model estimation"): nothing is pruned,
n-grams that begin with `<s>` keep their counts at every order, unigrams are interpolated with the uniform distribution
over all words but `<s>`, and `<unk>` gets only that uniform share. Equal sentences give equal bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.ngram_counts import BEGIN_ID, Int32Array, Int64Array, NgramCounts, NgramTable, count_ngrams

Float64Array = npt.NDArray[np.float64]
Discounts = tuple[float, float, float]

FALLBACK_DISCOUNTS: Discounts = (0.5, 1.0, 1.5)  # lmplz --discount_fallback: for counts 1, 2, 3 and more
LEAST_PROBABILITY = 1e-99  # ARPA's customary log10 of zero is -99
_ROWS_AT_A_TIME = 1 << 18


@dataclass(frozen=True, slots=True)
class Estimates:
    """Probabilities and back-off weights of one order, row by row as in its n-gram table; not logarithms."""

    table: NgramTable
    probability: Float64Array
    backoff: Float64Array
    discounts: Discounts


def adjusted_counts(tables: Sequence[NgramTable], n: int) -> Int64Array:
    """Counts of order n as Kneser-Ney uses them.

    The highest order and n-grams that begin with `<s>` keep how often they occur; all others count the distinct words
    that come before them. The unigram `<s>` counts 0: it is never predicted.
    """
    table = tables[n - 1]
    if n == len(tables):
        counts = table.count.copy()
    else:
        counts = np.bincount(tables[n].suffix, minlength=len(table)).astype(np.int64)
        begins = _begins_sentence(tables, n)
        counts[begins] = table.count[begins]
    if n == 1:
        counts[BEGIN_ID] = 0
    return counts


def _begins_sentence(tables: Sequence[NgramTable], n: int) -> npt.NDArray[np.bool_]:
    first: npt.NDArray[np.bool_] = tables[0].word == BEGIN_ID
    for table in tables[1:n]:
        first = first[table.prefix]
    return first


def estimate_discounts(counts: Int64Array) -> Discounts:
    """D1, D2 and D3+ from how many n-grams have adjusted count 1, 2, 3 and 4 (Chen and Goodman 1998, equation 26).

    `FALLBACK_DISCOUNTS` when one of the first three is absent or a discount falls outside 0..count, as lmplz with
    `--discount_fallback`: so it is with texts that are very short or very repetitive.
    """
    of_count = np.bincount(np.minimum(counts, 5), minlength=6)
    n1, n2, n3, n4 = (int(number) for number in of_count[1:5])
    if not (n1 and n2 and n3):
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    in_range = all(0 <= discount <= count for count, discount in enumerate(discounts, start=1))
    return discounts if in_range else FALLBACK_DISCOUNTS


def estimate(counts: NgramCounts) -> list[Estimates]:
    """Estimates for each order from 1 up: `p(w | context) = (count - D) / total + weight(context) * p(w | shorter)`.

    The back-off of an n-gram is the interpolation weight that it has as a context, 1 when nothing follows it.
    """
    tables = counts.tables
    uniform = 1.0 / (len(counts.words) - 1)  # all words but <s>
    lower: Float64Array = np.array([uniform])
    estimates: list[Estimates] = []
    weights: list[Float64Array] = []
    for n, table in enumerate(tables, start=1):
        adjusted = adjusted_counts(tables, n)
        discounts = estimate_discounts(adjusted)
        discount = np.array([0.0, *discounts])[np.minimum(adjusted, 3)]
        contexts = 1 if n == 1 else len(tables[n - 2])
        total = np.bincount(table.prefix, weights=adjusted, minlength=contexts)
        discounted = np.bincount(table.prefix, weights=discount, minlength=contexts)
        followed = total > 0
        weight = np.ones(contexts)
        np.divide(discounted, total, out=weight, where=followed)
        probability = (adjusted - discount) / total[table.prefix] + weight[table.prefix] * lower[table.suffix]
        if n == 1:
            probability[BEGIN_ID] = 1.0
        weights.append(weight)
        estimates.append(Estimates(table, probability, np.ones(len(table)), discounts))
        lower = probability
    return [
        Estimates(e.table, e.probability, weights[n] if n < len(weights) else e.backoff, e.discounts)
        for n, e in enumerate(estimates, start=1)
    ]


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
            if n < len(estimates):
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


def _log10(values: Float64Array) -> pa.Array:
    """log10 as text; rounding must not lift a probability above 1, which KenLM refuses."""
    logs = np.minimum(np.log10(np.maximum(values, LEAST_PROBABILITY)), 0.0) + 0.0  # + 0.0 makes -0.0 plain 0
    return pa.array(logs.astype(np.float32)).cast(pa.large_string())


def _write_text(stream: BinaryIO, lines: pa.Array) -> None:
    """Write strings that end in a newline one after the other: the value buffer of the array is that very text."""
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int64)
    begin, end = offsets[lines.offset], offsets[lines.offset + len(lines)]
    stream.write(memoryview(lines.buffers()[2])[begin:end])
