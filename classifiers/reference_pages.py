"""Which crawled pages teach the reference classifier, and which test it.

In: for each page its hash, host, length and whether Wikipedia cites it; no text. Out: the pages of each class to train
on and those held out. Nothing but the words may tell the classes apart, so three ways in which they differ are closed:
a host is in training or held out, never both, and gives at most so many pages to a class; texts are cut so that both
classes have the same lengths; a text counts once. (RedPajama v1 asks positives for 1,000 characters and negatives for
none, and takes the first pages of each file: its classifier can tell length and order.) The choice depends on the set
of pages only, not on their order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import xxhash

LEAST_HELD_OUT = (
    200  # of each class, where that leaves two thirds to train: an AUC of 0.7 is then known to 0.05
)


class Candidate(NamedTuple):
    """A page that may be chosen: the smallest `order` first; `digest` is that of its text, which names it, and the
    first `characters` of the text may be trained on."""

    order: int
    digest: int
    cited: bool
    host: str
    characters: int


class Chosen(NamedTuple):
    """Pages of each class, as many positives as negatives in each of the two sides, in order of their hashes; the first
    `characters` of their texts count, and these are the same numbers in both classes."""

    train: tuple[list[Candidate], list[Candidate]]
    held_out: tuple[list[Candidate], list[Candidate]]


def choose_pages(
    candidates: Iterable[Candidate],
    seed: int,
    min_positives: int,
    max_pages: int,
    max_pages_per_host: int,
    held_out_fraction: float,
) -> Chosen:
    """The positives and negatives to train on and to hold out.

    A class has at most `max_pages`. ValueError when there are fewer than `min_positives` distinct pages of a class, or
    pages of a single host.
    """
    classes = _distinct(candidates)
    for name, pages in zip(("reference", "other"), classes, strict=True):
        if len(pages) < min_positives:
            raise ValueError(
                f"{len(pages)} {name} pages are too few to train the reference classifier (min_positives is "
                f"{min_positives}); set `models: reference` to a published model, or match references by host"
            )
    positives, negatives = (_capped(pages, max_pages_per_host)[:max_pages] for pages in classes)
    hosts = _held_out_hosts(positives, negatives, seed, held_out_fraction)
    sides = [
        _matched(
            [page for page in positives if (page.host in hosts) is held],
            [page for page in negatives if (page.host in hosts) is held],
        )
        for held in (False, True)
    ]
    return Chosen(*sides)


def _distinct(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Each text once, cited when any of its pages is, under the first of these by hash; both classes in order."""
    pages: dict[int, Candidate] = {}
    for page in candidates:
        known = pages.get(page.digest)
        if known is None or (not page.cited, page) < (not known.cited, known):
            pages[page.digest] = page
    ordered = sorted(pages.values())
    return [page for page in ordered if page.cited], [page for page in ordered if not page.cited]


def _capped(pages: list[Candidate], max_pages_per_host: int) -> list[Candidate]:
    seen: Counter[str] = Counter()
    kept = []
    for page in pages:
        seen[page.host] += 1
        if seen[page.host] <= max_pages_per_host:
            kept.append(page)
    return kept


def _matched(
    positives: list[Candidate], negatives: list[Candidate]
) -> tuple[list[Candidate], list[Candidate]]:
    """As many of both classes, the first by hash, paired by rank of length; each pair is cut to its shorter page."""
    count = min(len(positives), len(negatives))
    ups, downs = (
        sorted(pages[:count], key=lambda page: (page.characters, page)) for pages in (positives, negatives)
    )
    lengths = [min(up.characters, down.characters) for up, down in zip(ups, downs, strict=True)]
    cut_ups, cut_downs = (
        sorted(page._replace(characters=length) for page, length in zip(pages, lengths, strict=True))
        for pages in (ups, downs)
    )
    return cut_ups, cut_downs


def _held_out_hosts(
    positives: list[Candidate], negatives: list[Candidate], seed: int, fraction: float
) -> set[str]:
    """Hosts by order of hash until enough of each class is held out; none that would take over half of a class."""
    classes = (positives, negatives)
    counts: dict[str, list[int]] = {}
    for side, pages in enumerate(classes):
        for page in pages:
            counts.setdefault(page.host, [0, 0])[side] += 1
    smaller = min(map(len, classes))
    wanted = math.ceil(max(fraction * smaller, min(LEAST_HELD_OUT, smaller / 3)))
    taken, chosen = [0, 0], set()

    def order(host: str) -> tuple[bytes, str]:
        return xxhash.xxh3_128_digest(host.encode("utf-8"), seed=seed), host

    for host in sorted(counts, key=order):
        missing = any(counts[host][side] and taken[side] < wanted for side in (0, 1))
        fits = all(2 * (taken[side] + counts[host][side]) <= len(classes[side]) for side in (0, 1))
        if missing and fits:
            chosen.add(host)
            taken = [taken[side] + counts[host][side] for side in (0, 1)]
    if not all(taken):
        raise ValueError(
            "reference classifier needs pages of at least two hosts in each class; give more hosts"
        )
    return chosen
