"""Where documents go: by name alone, for ever the same."""

from __future__ import annotations

import pytest

from tokenizer.order import keyed_hash, shard_of, shuffle_key, split_of

IDS = [f"document-{number}" for number in range(5000)]


def test_holds_out_the_same_documents_for_ever() -> None:
    held = [id for id in IDS if split_of("books", id, 0.001) == "validation"]
    assert held == ["document-3316", "document-4756", "document-4986"]


def test_holds_out_about_the_fraction_and_only_adds_when_it_grows() -> None:
    small, large = (
        {id for id in IDS if split_of("books", id, fraction) == "validation"} for fraction in (0.01, 0.05)
    )
    assert small < large
    assert 35 <= len(small) <= 65
    assert 210 <= len(large) <= 290
    assert not any(split_of("books", id, 0.0) == "validation" for id in IDS)


def test_refuses_a_fraction_that_leaves_no_training() -> None:
    with pytest.raises(ValueError, match=r"validation fraction 1\.0: must be at least 0 and below 1"):
        split_of("books", "1", 1.0)


def test_orders_by_seed_source_and_id() -> None:
    assert shuffle_key(1, "books", "a") == 218790733185674466
    keys = {shuffle_key(seed, source, id) for seed in (1, 2) for source in ("books", "c4") for id in IDS}
    assert len(keys) == 4 * len(IDS)
    assert shuffle_key(0, "books", "a") != keyed_hash("split", 0, "books", "a")


def test_puts_the_same_sequence_in_any_number_of_shards() -> None:
    keys = sorted(shuffle_key(1, "books", id) for id in IDS)
    for shards in (1, 3, 7):
        numbers = [shard_of(key, shards) for key in keys]
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(shards))
    assert (shard_of(0, 7), shard_of(2**64 - 1, 7)) == (0, 6)
