"""A trie of byte strings with a score each, as a double array: one step is one look into one table.

In: sorted, distinct strings with scores. Out: the table, a row of 16 bytes for each node: `base` + byte is the row of
its child by that byte if that row's `parent` is the node; `value` is the score of the string that ends there, or -inf.
Row 0 is the root. Follows Aoe 1989, "An efficient digital search algorithm by using a double-array structure".
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

ByteArray = npt.NDArray[np.uint8]
Int32Array = npt.NDArray[np.int32]
Float32Array = npt.NDArray[np.float32]
NodeArray = npt.NDArray[np.void]

NODE = np.dtype(
    [("parent", np.uint32), ("base", np.uint32), ("value", np.float32), ("", np.uint32)], align=True
)
_FREE = 0xFFFFFFFF  # as a row's parent


def build(strings: Sequence[bytes], scores: Sequence[float]) -> NodeArray:
    """The table of strings in ascending order, none empty; at most a few rows more than they have prefixes."""
    pool = np.frombuffer(b"".join(strings), dtype=np.uint8)
    starts = np.zeros(len(strings) + 1, dtype=np.int32)
    np.cumsum([len(string) for string in strings], out=starts[1:])
    ranked = np.array(scores, dtype=np.float32)
    nodes = int(_count_nodes(pool, starts))
    room, used = 2 * nodes + 1024, -1
    while used < 0:  # most tables are 98 % full, so the first try nearly always is enough
        table = np.zeros(room, dtype=NODE)
        table["parent"], table["value"] = _FREE, -np.inf
        used = int(_fill(pool, starts, ranked, nodes, table))
        room *= 2
    return table[:used].copy()


@numba.njit(cache=True)
def _count_nodes(pool: ByteArray, starts: Int32Array) -> int:
    """Nodes of the trie of sorted strings, the root included."""
    nodes = 1
    for i in range(len(starts) - 1):
        shared = 0
        if i:
            most = min(starts[i + 1] - starts[i], starts[i] - starts[i - 1])
            while shared < most and pool[starts[i] + shared] == pool[starts[i - 1] + shared]:
                shared += 1
        nodes += starts[i + 1] - starts[i] - shared
    return nodes


@numba.njit(cache=True)
def _fill(
    pool: ByteArray,
    starts: Int32Array,
    scores: Float32Array,
    nodes: int,
    table: NodeArray,
) -> int:
    """Fill the table; how many rows it takes, -1 when there is no room."""
    # Nodes in breadth-first order: the strings that pass through, the byte after which, and their row.
    first, last = np.empty(nodes, dtype=np.int32), np.empty(nodes, dtype=np.int32)
    depth, row_of = np.empty(nodes, dtype=np.int32), np.empty(nodes, dtype=np.int32)
    first[0], last[0], depth[0], row_of[0] = 0, len(starts) - 1, 0, 0
    table[0]["parent"] = 0
    found = 1
    lowest_free, recent, end = 256, 1, 1  # from 256 on any byte's row is that of a base that is positive
    labels = np.empty(256, dtype=np.int32)
    for node in range(nodes):
        low, high, place, row = first[node], last[node], depth[node], row_of[node]
        if starts[low] + place == starts[low + 1]:
            table[row]["value"] = scores[low]
            low += 1
        children = 0
        while low < high:
            label = pool[starts[low] + place]
            next_low = low + 1
            while next_low < high and pool[starts[next_low] + place] == label:
                next_low += 1
            labels[children] = label
            first[found + children], last[found + children] = low, next_low
            children += 1
            low = next_low
        if not children:
            continue
        while table[lowest_free]["parent"] != _FREE:
            lowest_free += 1
        # An only child takes the first free row; brothers are tried from where the last ones went.
        base = lowest_free - labels[0] if children == 1 else recent
        child = 0
        while child < children:
            if base + 256 >= len(table):
                return -1
            if table[base + labels[child]]["parent"] != _FREE:
                base += 1
                child = 0
            else:
                child += 1
        if children > 1:
            recent = base
        table[row]["base"] = base
        for child in range(children):
            table[base + labels[child]]["parent"] = row
            depth[found + child], row_of[found + child] = place + 1, base + labels[child]
        found += children
        end = max(end, base + 256)
    return end
