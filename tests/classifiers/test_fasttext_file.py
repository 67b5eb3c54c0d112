from __future__ import annotations

import struct
from pathlib import Path

import fasttext
import numpy as np
import pytest

from classifiers.fasttext_file import read_compressed_model
from classifiers.fasttext_prediction import FastTextClassifier
from classifiers.language_id import LanguageIdentifier, find_model

LINES = [
    "__label__en the river runs to the sea and the boat is on the water",
    "__label__de der Fluss zum Meer und das Boot auf dem Wasser",
    "__label__fr la mer et le bateau sont sur la rivière",
] * 40


def trained(folder: Path, **settings: object) -> fasttext.FastText._FastText:
    (folder / "lines.txt").write_text("\n".join(LINES), "utf-8")
    usual = {"loss": "hs", "dim": 8, "bucket": 500, "minn": 2, "maxn": 4, "thread": 1, "verbose": 0}
    return fasttext.train_supervised(str(folder / "lines.txt"), epoch=2, **{**usual, **settings})


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with most of its n-grams cut off, and norms of their own."""
    folder = tmp_path_factory.mktemp("fasttext")
    model = trained(folder)
    model.quantize(str(folder / "lines.txt"), cutoff=300, qnorm=True, retrain=False)
    model.save_model(str(folder / "small.ftz"))
    return folder / "small.ftz"


@pytest.mark.parametrize("path", ["small", "lid.176"])
def test_words_labels_and_vectors_are_those_that_fasttext_reads(path: str, compressed: Path) -> None:
    file = str(compressed) if path == "small" else find_model()
    model, known = read_compressed_model(Path(file).read_bytes()), fasttext.load_model(file)
    assert model is not None
    assert [word.decode() for word in model.words] == known.get_words()
    assert [label.decode() for label in model.labels] == known.get_labels()
    assert sorted(model.label_counts, reverse=True) == list(model.label_counts)
    vectors = np.stack([known.get_input_vector(row) for row in range(len(model.vectors))])
    assert np.array_equal(model.vectors, vectors)
    ngrams = len(model.vectors) - len(model.words)
    assert sorted(model.row_of_bucket.values()) == list(range(len(model.words), len(model.vectors)))
    assert ngrams == {"small": 300 - len(model.words), "lid.176": 42_765}[path]
    args = known.f.getArgs()
    assert (model.buckets, model.min_characters, model.max_characters) == (args.bucket, args.minn, args.maxn)
    assert model.nodes.shape == (len(model.labels), model.vectors.shape[1])


def test_a_model_of_another_kind_is_none(tmp_path: Path) -> None:
    in_full = trained(tmp_path)
    in_full.save_model(str(tmp_path / "full.bin"))
    unpruned = trained(tmp_path)
    unpruned.quantize()
    unpruned.save_model(str(tmp_path / "unpruned.ftz"))
    softmax = trained(tmp_path, loss="softmax")
    softmax.quantize(str(tmp_path / "lines.txt"), cutoff=300)
    softmax.save_model(str(tmp_path / "softmax.ftz"))
    pairs = trained(tmp_path, wordNgrams=2)
    pairs.quantize(str(tmp_path / "lines.txt"), cutoff=300)
    pairs.save_model(str(tmp_path / "pairs.ftz"))
    for name in ("full.bin", "unpruned.ftz", "softmax.ftz", "pairs.ftz"):
        assert read_compressed_model((tmp_path / name).read_bytes()) is None, name
    assert read_compressed_model(b"not a model") is None


def test_a_model_whose_tree_is_compressed_too_is_none(compressed: Path) -> None:
    content = bytearray(compressed.read_bytes())
    flag = len(content) - 4 * 3 * 8 - 16 - 1  # before the numbers of rows and columns, and three nodes of 8
    assert content[flag] == 0
    content[flag] = 1
    assert read_compressed_model(bytes(content)) is None


def test_a_model_of_other_sizes_is_judged_by_fasttext(compressed: Path) -> None:
    model = read_compressed_model(compressed.read_bytes())
    assert model is not None and FastTextClassifier.of(model) is None
    identifier, known = LanguageIdentifier(str(compressed)), fasttext.load_model(str(compressed))
    assert identifier.languages == {"en", "de", "fr"}
    for text in ("the river", "das Boot", "xyz"):
        labels, scores = known.predict(text)
        assert identifier.predict(text) == (labels[0].removeprefix("__label__"), min(1.0, float(scores[0])))


def test_a_file_that_ends_too_early_is_refused_wherever_it_ends(compressed: Path) -> None:
    content = compressed.read_bytes()
    for size in [*range(8, 400, 7), *range(400, len(content), 499), len(content) - 1]:
        with pytest.raises(ValueError):
            read_compressed_model(content[:size])


@pytest.mark.parametrize(
    ("offset", "layout", "value", "message"),
    [
        (64, "<i", -5, "a number is -5"),  # entries
        (64, "<i", 1 << 30, "a number is 1073741824"),
        (68, "<i", 1, "words and labels are not as many as the entries"),
        (84, "<q", 1 << 40, "a number is"),  # n-grams
        (84, "<q", -7, "a number is -7"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    compressed: Path, offset: int, layout: str, value: int, message: str
) -> None:
    content = bytearray(compressed.read_bytes())
    struct.pack_into(layout, content, offset, value)
    with pytest.raises(ValueError, match=message):
        read_compressed_model(bytes(content))


def test_random_damage_is_refused_or_read_and_never_leads_outside(compressed: Path) -> None:
    content, random = compressed.read_bytes(), np.random.default_rng(5)
    for _ in range(500):
        damaged = bytearray(content)
        damaged[random.integers(8, len(content))] ^= int(random.integers(1, 256))
        try:
            model = read_compressed_model(bytes(damaged))
        except ValueError:
            continue
        if model is not None:
            assert all(0 <= bucket < model.buckets for bucket in model.row_of_bucket)
            assert all(0 <= row < len(model.vectors) for row in model.row_of_bucket.values())
