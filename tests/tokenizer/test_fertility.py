"""Fertility: the counts of a text, and their ratios."""

from __future__ import annotations

from pathlib import Path

from tokenizer.encoding import Encoder
from tokenizer.fertility import Fertility, FertilityMeter
from tokenizer.training import train_tokenizer


def test_counts_bytes_words_tokens_and_the_fallback_to_bytes(tmp_path: Path) -> None:
    train_tokenizer(["ab cd\n"] * 20, tmp_path / "m", vocabulary=266)
    encoder = Encoder(tmp_path / "m")
    meter = FertilityMeter(encoder)
    text = "ab\n\tab é\r\n"  # the line ends and the tab have no pieces; é falls back to two bytes
    found = meter.measure(text)
    assert found == Fertility(bytes=11, words=3, tokens=len(encoder.encode(text)) - 2, byte_tokens=2)
    assert meter.measure("") == Fertility()


def test_adds_up_and_gives_the_ratios() -> None:
    found = Fertility(60, 10, 20, 1) + Fertility(20, 0, 5, 4)
    assert found.as_json() == {
        "bytes": 80,
        "words": 10,
        "tokens": 25,
        "byte_tokens": 5,
        "bytes_per_token": 3.2,
        "tokens_per_word": 2.5,
        "byte_fallback_fraction": 0.2,
    }
    assert Fertility().as_json()["bytes_per_token"] is None
