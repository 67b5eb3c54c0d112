"""The compiled prediction against fastText's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fasttext
import numpy as np
import pytest

from classifiers.fasttext_file import CompressedModel, read_compressed_model
from classifiers.fasttext_prediction import FastTextClassifier, _huffman_children
from classifiers.language_id import find_model
from stages.sources.common_crawl import CommonCrawl

ALPHABETS = (
    "abcdefghij <>_",
    "etaoin shrdlu 12 \t\v\f\r\0 __label__en",
    "äöüß éèç \u00a0\u2003 ñ",
    "русский текст κείμενο",
    "日本語の文 한국어 ประเทศ",
    "𝒳🎈\u0301\u200d\ufffd\x80",
)


@pytest.fixture(scope="module")
def model() -> CompressedModel:
    found = read_compressed_model(Path(find_model()).read_bytes())
    assert found is not None
    return found


@pytest.fixture(scope="module")
def ours(model: CompressedModel) -> Callable[[str], tuple[str, float] | None]:
    classifier = FastTextClassifier.of(model)
    assert classifier is not None

    def predict(text: str) -> tuple[str, float] | None:
        found = classifier.predict(text.encode())
        return None if found is None else (model.labels[found[0]].decode(), found[1])

    return predict


@pytest.fixture(scope="module")
def theirs() -> Callable[[str], tuple[str, float]]:
    known = fasttext.load_model(find_model())

    def predict(text: str) -> tuple[str, float]:
        ((score, label),) = known.f.predict(text + "\n", 1, 0.0, "strict")
        return label, score

    return predict


@pytest.mark.parametrize(
    "text",
    [
        "the river runs to the sea",
        "",
        " ",
        "de de de",  # words that the model knows
        "</s>",
        "the </s> sea",
        "__label__de",
        "__label__",
        "x__label__de _label__ __label",
        "a\0b\vc\fd\re\tf",
        "<the> river> <runs",
        "x",
        "é",
        "\u00a0",
        "🎈",
        "Комитет " * 3_000,
        "x" * 100_000,
        "é" * 100_000,
    ],
)
def test_label_and_probability_are_fasttext_s(
    text: str,
    ours: Callable[[str], tuple[str, float] | None],
    theirs: Callable[[str], tuple[str, float]],
) -> None:
    assert ours(text) == theirs(text)


def test_label_and_probability_are_fasttext_s_on_random_strings(
    model: CompressedModel,
    ours: Callable[[str], tuple[str, float] | None],
    theirs: Callable[[str], tuple[str, float]],
) -> None:
    random, words = np.random.default_rng(11), [word.decode() for word in model.words]
    for _ in range(3_000):
        letters = ALPHABETS[random.integers(len(ALPHABETS))]
        text = "".join(letters[n] for n in random.integers(len(letters), size=random.integers(60)))
        text += " ".join(words[n] for n in random.integers(len(words), size=random.integers(4)))
        assert ours(text) == theirs(text), text


def test_label_and_probability_are_fasttext_s_on_real_pages(
    shared_data: Path,
    ours: Callable[[str], tuple[str, float] | None],
    theirs: Callable[[str], tuple[str, float]],
) -> None:
    files = sorted((shared_data / "commoncrawl").rglob("*.wet.gz"))
    pages = 0
    for path in files:
        with path.open("rb") as stream:
            for page in CommonCrawl().read(stream, path.name):
                text = getattr(page, "text", "").replace("\n", "")
                assert ours(text) == theirs(text)
                pages += bool(text)
    assert pages > 2_500


def test_a_model_that_knows_nothing_of_a_line_has_no_label(model: CompressedModel) -> None:
    without_end = CompressedModel(
        words=(b"the",),
        labels=(b"__label__en", b"__label__de"),
        label_counts=(9, 4),
        buckets=model.buckets,
        min_characters=2,
        max_characters=4,
        vectors=np.ones((1, 16), np.float32),
        row_of_bucket={},
        nodes=np.ones((2, 16), np.float32),
    )
    classifier = FastTextClassifier.of(without_end)
    assert classifier is not None
    assert classifier.predict(b"xyz") is None
    # One inner node: its product with sixteen ones is 16, and the right child is the more frequent label.
    assert classifier.predict(b"the") == (0, pytest.approx(1.0, abs=2e-5))


def test_the_tree_joins_what_is_rarest() -> None:
    # 1 + 2 = 3 (node 4); then 3 and that 3: the leaf is not smaller, so the node comes first; then the root.
    assert _huffman_children((9, 3, 2, 1)).tolist() == [[3, 2], [4, 1], [5, 0]]
