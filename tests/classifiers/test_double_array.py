from __future__ import annotations

import random

import numpy as np
import pytest

from classifiers.double_array import NodeArray, build


def walk(table: NodeArray, string: bytes) -> float:
    """The score at the end of a string; NaN where the trie does not go on."""
    node = 0
    for byte in string:
        child = int(table[node]["base"]) + byte
        if table[child]["parent"] != node:
            return float("nan")
        node = child
    return float(table[node]["value"])


def test_holds_each_string_with_its_score() -> None:
    table = build([b"a", b"ab", b"b\xff"], [-1.0, -2.0, -3.0])
    assert [walk(table, s) for s in (b"a", b"ab", b"b\xff")] == [-1.0, -2.0, -3.0]
    assert walk(table, b"b") == -np.inf
    assert np.isnan(walk(table, b"abc"))
    assert np.isnan(walk(table, b"c"))


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_dictionary_of_prefixes(seed: int) -> None:
    choose = random.Random(seed)
    strings = sorted(
        {bytes(choose.choices(range(1, 256 if seed % 2 else 6), k=choose.randint(1, 9))) for _ in range(3000)}
    )
    scores = {string: -float(i) for i, string in enumerate(strings)}
    table = build(strings, list(scores.values()))
    prefixes = {string[:n] for string in strings for n in range(len(string) + 1)}
    assert all(walk(table, prefix) == scores.get(prefix, -np.inf) for prefix in prefixes)
    others = {bytes(choose.choices(range(1, 256), k=3)) for _ in range(1000)} - prefixes
    assert all(np.isnan(walk(table, other)) for other in others)
    assert len(table) < len(prefixes) + 1024
