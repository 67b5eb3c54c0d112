from __future__ import annotations

import random
from collections import Counter

import pytest

from classifiers.reference_pages import Candidate, Chosen, choose_pages


def page(digest: int, cited: bool, host: str = "", characters: int = 1000, order: int = -1) -> Candidate:
    return Candidate(
        digest if order < 0 else order,
        digest,
        cited,
        host or f"{'c' if cited else 'r'}{digest}.org",
        characters,
    )


def many(seed: int = 1) -> list[Candidate]:
    choose = random.Random(seed)
    return [
        page(
            n, n % 3 == 0, f"h{choose.randint(0, 90)}.org", choose.randint(100, 9000), choose.getrandbits(64)
        )
        for n in range(900)
    ]


def chosen(
    candidates: list[Candidate],
    min_positives: int = 1,
    max_pages: int = 1000,
    max_pages_per_host: int = 1000,
    held_out_fraction: float = 0.1,
) -> Chosen:
    return choose_pages(candidates, 1, min_positives, max_pages, max_pages_per_host, held_out_fraction)


def test_no_host_is_on_both_sides_and_classes_are_equal() -> None:
    found = chosen(many())
    train, held_out = ([p for side in sides for p in side] for sides in found)
    assert {p.host for p in train}.isdisjoint(p.host for p in held_out)
    for ups, downs in found:
        assert len(ups) == len(downs) > 0
        assert all(p.cited for p in ups) and not any(p.cited for p in downs)


def test_length_tells_nothing_about_the_class() -> None:
    pages = [page(n, n % 2 == 0, characters=5000 + n if n % 2 == 0 else 300 + n) for n in range(400)]
    for ups, downs in chosen(pages):
        assert sorted(p.characters for p in ups) == sorted(p.characters for p in downs)
        assert max(p.characters for p in ups) < 700


def test_no_text_is_given_more_characters_than_it_has() -> None:
    lengths = {p.digest: p.characters for p in many()}
    found = [p for sides in chosen(many()) for side in sides for p in side]
    assert all(p.characters <= lengths[p.digest] for p in found)
    assert sum(p.characters for p in found) > 0.9 * sum(lengths[p.digest] for p in found)


def test_a_host_gives_at_most_so_many_pages_to_a_class() -> None:
    found = chosen(many(), max_pages_per_host=2)
    for side in (0, 1):
        hosts = Counter(p.host for sides in found for p in sides[side])
        assert max(hosts.values()) == 2


def test_a_text_counts_once_and_as_cited_when_any_copy_is() -> None:
    pages = [page(n, cited) for n in range(40) for cited in (True, False)]
    pages += [page(n, False) for n in range(100, 140)]
    found = [p for sides in chosen(pages) for side in sides for p in side]
    assert len({p.digest for p in found}) == len(found)
    assert all(p.cited == (p.digest < 100) for p in found)


def test_the_pages_with_the_smallest_hashes_are_taken() -> None:
    pages = [page(n, cited) for n in range(200) for cited in (n % 2 == 0,)]
    found = chosen(pages, max_pages=10, held_out_fraction=0.5)
    assert max(p.order for sides in found for side in sides for p in side) < 20


def test_at_least_200_pages_are_held_out_where_that_leaves_two_thirds() -> None:
    pages = [page(n, n % 2 == 0) for n in range(2000)]
    assert len(chosen(pages).held_out[0]) == 200
    assert len(chosen(pages[:60]).held_out[0]) == 10
    assert len(chosen(pages, held_out_fraction=0.3).held_out[0]) == 300


def test_the_choice_does_not_depend_on_the_order_of_the_pages() -> None:
    pages = many() + [page(n, True, f"copy{n}.org") for n in range(0, 900, 7)]
    shuffled = pages[:]
    random.Random(5).shuffle(shuffled)
    assert chosen(pages, max_pages=100, max_pages_per_host=3) == chosen(
        shuffled, max_pages=100, max_pages_per_host=3
    )


def test_too_few_references_say_the_way_out() -> None:
    pages = [page(n, n < 19) for n in range(100)] + [page(0, True, "copy.org")]
    with pytest.raises(ValueError, match=r"19 reference pages are too few.*models: reference"):
        chosen(pages, min_positives=20)
    with pytest.raises(ValueError, match="5 other pages are too few"):
        chosen([page(n, n >= 5) for n in range(100)], min_positives=20)


def test_one_host_cannot_be_held_out() -> None:
    pages = [page(n, n % 2 == 0, "a.org" if n % 2 == 0 else "") for n in range(100)]
    with pytest.raises(ValueError, match="at least two hosts"):
        chosen(pages)
