"""MinHash values against datasketch's own."""

from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash

from stages.minhash import EMPTY, minhash


@pytest.mark.parametrize("permutations", [1, 7, 112, 128, 260])
@pytest.mark.parametrize("count", [0, 1, 2, 1_000])
def test_values_are_those_of_datasketch(permutations: int, count: int) -> None:
    keys = np.random.default_rng(count + permutations).integers(0, 2**64, count, dtype=np.uint64)
    reference = MinHash(num_perm=permutations, seed=1, scheme="affine32", hashfunc=int)
    reference.update_batch((keys & np.uint64(0xFFFFFFFF)).tolist())
    found = minhash(keys, permutations)
    assert found.dtype == np.uint32
    assert found.tolist() == reference.hashvalues.tolist()


def test_extreme_keys_are_those_of_datasketch() -> None:
    keys = np.array([0, 1, 2**31, 2**32 - 1, 2**64 - 1], dtype=np.uint64)
    for key in keys:
        reference = MinHash(num_perm=64, seed=1, scheme="affine32", hashfunc=int)
        reference.update_batch([int(key) & 0xFFFFFFFF])
        assert minhash(np.array([key]), 64).tolist() == reference.hashvalues.tolist()


def test_order_and_repeats_do_not_matter() -> None:
    keys = np.arange(1, 50, dtype=np.uint64)
    assert minhash(np.concatenate([keys[::-1], keys]), 112).tolist() == minhash(keys, 112).tolist()


def test_a_set_without_members_is_empty_everywhere() -> None:
    assert minhash(np.zeros(0, dtype=np.uint64), 5).tolist() == [int(EMPTY)] * 5
