"""Pages as labelled blocks: which stay, in what order, with which words."""

from __future__ import annotations

import random

import numpy as np

from pipeline.fit_pages import KnownPage
from pipeline.labelled_blocks import gather_blocks, label_page, label_pages
from stages.extraction.features import FIRST_NAMES
from tests.pipeline.extraction_pages import page, pages


def test_labels_the_blocks_of_a_page_and_lists_the_words_around_them() -> None:
    html = (
        '<body><div class="menuTop">Home</div><main id="text" role="main"><p class="text">One two three four.</p>'
        "<p>five<br>six</p></main></body>"
    )
    found = label_page(KnownPage("a", "f", html.encode(), "One two three four. five six", "s", "article", ""))
    assert found is not None
    assert [text.strip() for text in found.texts] == ["Home", "One two three four.", "five\nsix"]
    assert found.main.tolist() == [0.0, 1.0, 1.0]
    assert found.found == 1.0
    assert found.word_counts.tolist() == [1.0, 4.0, 2.0]
    assert found.features.shape == (3, len(FIRST_NAMES))
    around = [
        sorted(found.words[k] for k in found.path_words[start:end])
        for start, end in zip(found.path_starts[:-1], found.path_starts[1:], strict=True)
    ]
    assert around == [["menu", "top"], ["@main", "text", "text"], ["@main", "text"]]


def test_leaves_out_pages_without_text_and_silver_texts_that_are_not_on_the_page() -> None:
    html = b"<p>one two three four five six seven eight</p>"
    known = "one two three four five six seven eight"
    assert label_page(KnownPage("a", "f", b"<script>x</script>", known, "s", "article", "")) is None
    assert label_page(KnownPage("a", "f", html, known, "s", "article", "", silver=True)) is not None
    assert label_page(KnownPage("a", "f", html, f"{known} and more", "s", "article", "", silver=True)) is None
    assert label_page(KnownPage("a", "f", html, f"{known} and more", "s", "article", "")) is not None


def test_order_of_the_pages_and_repeated_ones_change_nothing() -> None:
    given = pages(12)
    shuffled = given + given[:5]
    random.Random(3).shuffle(shuffled)
    assert [p.digest for p in label_pages(given)] == [p.digest for p in label_pages(shuffled)]
    assert len(label_pages(shuffled)) == 12


def test_keeps_the_same_pages_in_any_order_when_they_are_too_many() -> None:
    given = pages(12)
    kept = [p.digest for p in label_pages(given, max_blocks=70)]
    assert 2 < len(kept) < 12
    assert [p.digest for p in label_pages(given[::-1], max_blocks=70)] == kept
    assert sum(map(len, label_pages(given, max_blocks=70))) <= 70


def test_a_word_must_be_on_enough_sites() -> None:
    given = [page(0, "a.org"), page(1, "a.org"), page(2, "b.org", extra="rare"), page(3, "c.org")]
    data = gather_blocks(label_pages(given), min_sites=3)
    assert "rare" not in data.vocabulary
    assert {"menu", "story", "footer"} <= set(data.vocabulary)
    assert list(data.vocabulary) == sorted(data.vocabulary)
    assert len(data.site_has_word) == 3
    assert data.bounds[-1] == len(data.labels) == len(data.blocks)
    rows = data.rows(np.array([2, 0]))
    assert rows.tolist() == [
        *range(data.bounds[2], data.bounds[3]), *range(data.bounds[0], data.bounds[1])
    ]  # fmt: skip
    assert all(word < len(data.vocabulary) for word in data.blocks.words.tolist())
