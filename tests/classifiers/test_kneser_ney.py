from __future__ import annotations

import gzip
import math
import random
from collections import Counter
from pathlib import Path

import kenlm
import numpy as np
import pytest

from classifiers.kneser_ney import FALLBACK_DISCOUNTS, train

Entry = tuple[float, float]


def read_arpa(lines: list[str]) -> dict[str, Entry]:
    fields = [line.rstrip("\n").split("\t") for line in lines]
    return {f[1]: (float(f[0]), float(f[2]) if len(f) > 2 else 0.0) for f in fields if len(f) > 1}


def corpus(sentences: int, seed: int) -> list[list[str]]:
    choose = random.Random(seed)
    words = [chr(ord("a") + i) for i in range(12)]
    weights = [1 / (i + 1) for i in range(12)]
    return [choose.choices(words, weights, k=choose.randint(0, 9)) for _ in range(sentences)]


class SlowKneserNey:
    """The definition, one n-gram at a time, over dictionaries."""

    def __init__(self, sentences: list[list[str]], order: int) -> None:
        self.order = order
        raw: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order + 1)]
        for sentence in sentences:
            marked = ["<s>", *sentence, "</s>"]
            for n in range(1, order + 1):
                raw[n].update(tuple(marked[i : i + n]) for i in range(len(marked) - n + 1))
        self.words = {w for (w,) in raw[1]} - {"<s>"} | {"<unk>"}
        self.count: list[dict[tuple[str, ...], int]] = [{} for _ in range(order + 1)]
        for n in range(1, order + 1):
            for ngram, times in raw[n].items():
                if ngram == ("<s>",):
                    continue
                if n == order or ngram[0] == "<s>":
                    self.count[n][ngram] = times
                else:
                    self.count[n][ngram] = sum(1 for longer in raw[n + 1] if longer[1:] == ngram)
        self.discount = [self.discounts(n) for n in range(order + 1)]

    def discounts(self, n: int) -> list[float]:
        t = Counter(self.count[n].values())
        if not (t[1] and t[2] and t[3]):
            return [0.0, *FALLBACK_DISCOUNTS]
        y = t[1] / (t[1] + 2 * t[2])
        found = [k - (k + 1) * y * t[k + 1] / t[k] for k in (1, 2, 3)]
        ok = all(0 <= d <= k for k, d in enumerate(found, start=1))
        return [0.0, *(found if ok else FALLBACK_DISCOUNTS)]

    def probability(self, context: tuple[str, ...], word: str) -> float:
        n = len(context) + 1
        followers = {ngram[-1]: c for ngram, c in self.count[n].items() if ngram[:-1] == context}
        lower = self.probability(context[1:], word) if context else 1 / len(self.words)
        if not followers:
            return lower
        total = sum(followers.values())
        weight = sum(self.discount[n][min(c, 3)] for c in followers.values()) / total
        own = followers.get(word, 0)
        return (own - self.discount[n][min(own, 3)]) / total + weight * lower


@pytest.mark.parametrize(("sentences", "order"), [(120, 3), (8, 4), (1, 2)])
def test_equals_the_slow_definition(tmp_path: Path, sentences: int, order: int) -> None:
    texts = corpus(sentences, seed=7) if sentences > 1 else [["a", "b", "a"]]
    train(texts, order, tmp_path / "lm.arpa")
    arpa = read_arpa((tmp_path / "lm.arpa").read_text().splitlines())
    slow = SlowKneserNey(texts, order)
    assert arpa.pop("<s>")[0] == 0.0
    assert arpa["<unk>"][0] == pytest.approx(math.log10(slow.probability((), "<unk>")), abs=1e-6)
    for ngram, (log, _) in arpa.items():
        *context, word = ngram.split(" ")
        assert log == pytest.approx(math.log10(slow.probability(tuple(context), word)), abs=1e-6), ngram
    assert len(arpa) == sum(map(len, slow.count)) + 1  # and <unk>


def test_probabilities_sum_to_one_after_any_context(tmp_path: Path) -> None:
    texts = corpus(300, seed=3)
    train(texts, 4, tmp_path / "lm.arpa")
    config = kenlm.Config()
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    config.show_progress = False
    model = kenlm.Model(str(tmp_path / "lm.arpa"), config)
    words = [*"abcdefghijkl", "</s>", "<unk>"]
    choose = random.Random(5)
    for _ in range(50):
        state, after = kenlm.State(), kenlm.State()
        model.BeginSentenceWrite(state) if choose.random() < 0.5 else model.NullContextWrite(state)
        for word in choose.choices([*words[:-2], "never"], k=choose.randint(0, 5)):
            following = kenlm.State()
            model.BaseScore(state, word, following)
            state = following
        assert sum(10 ** model.BaseScore(state, word, after) for word in words) == pytest.approx(
            1.0, abs=1e-5
        )


def test_same_sentences_give_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train(corpus(200, seed=1), 5, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_repetitive_text_gets_the_fallback_discounts(tmp_path: Path) -> None:
    assert train([["a", "b"]] * 9, 2, tmp_path / "lm.arpa") == [FALLBACK_DISCOUNTS, FALLBACK_DISCOUNTS]


def test_discounts_are_those_that_lmplz_prints_for_the_ccnet_golden(
    shared_data: Path, tmp_path: Path
) -> None:
    pieces = shared_data / "goldens" / "ccnet" / "models" / "en.pieces.txt.gz"
    with gzip.open(pieces, "rt", encoding="utf-8", newline="\n") as stream:
        discounts = train((line.split() for line in stream), 5, tmp_path / "lm.arpa")
    assert [f"{d1:.6g} {d2:.6g} {d3:.6g}" for d1, d2, d3 in discounts] == [
        "0.229249 1.50535 2.3429",
        "0.729676 1.22419 1.61798",
        "0.884034 1.49848 1.76758",
        "0.949862 1.7041 1.79354",
        "0.577021 1.97517 1.87935",
    ]


def test_equals_lmplz_on_the_ccnet_golden(shared_data: Path, tmp_path: Path) -> None:
    models = shared_data / "goldens" / "ccnet" / "models"
    with gzip.open(models / "en.pieces.txt.gz", "rt", encoding="utf-8", newline="\n") as stream:
        train((line.split() for line in stream), 5, tmp_path / "lm.arpa")
    with gzip.open(models / "en.arpa.gz", "rt", encoding="utf-8", newline="\n") as stream:
        expected = read_arpa(stream.readlines())
    with open(tmp_path / "lm.arpa", encoding="utf-8", newline="\n") as ours:
        found = read_arpa(ours.readlines())
    assert len(found) == 277_943
    assert found.keys() == expected.keys()
    pairs = np.array([(found[ngram], expected[ngram]) for ngram in expected], dtype=np.float32)
    steps = np.abs(pairs[:, 0] - pairs[:, 1]) / np.spacing(np.abs(pairs[:, 1]))
    assert steps.max() <= 2  # of 32-bit numbers: lmplz takes the logarithm that the C library gives
    assert (steps > 0).mean() < 0.2
