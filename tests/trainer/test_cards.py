"""The table of cards, and what published trainings reached on them."""

from __future__ import annotations

import pytest

from trainer.cards import CARDS, GIB, REACHED, card_of
from trainer.presets import MODELS


@pytest.mark.parametrize(
    ("device", "gib", "card"),
    [
        ("NVIDIA A100-SXM4-40GB", 39.4, "A100-40GB"),
        ("NVIDIA A100-SXM4-80GB", 79.2, "A100-80GB"),
        ("NVIDIA A100 80GB PCIe", 79.2, "A100-80GB"),
        ("NVIDIA H100 80GB HBM3", 79.1, "H100-80GB"),
        ("NVIDIA H200", 139.8, "H200"),
        ("NVIDIA H100 PCIe", 79.1, None),  # 756 TFLOP/s: another peak
        ("NVIDIA H100 NVL", 93.1, None),
        ("NVIDIA GH200 480GB", 94.5, None),
        ("NVIDIA GeForce RTX 4090", 23.6, None),
    ],
)
def test_knows_a_card_by_the_name_that_torch_gives(device: str, gib: float, card: str | None) -> None:
    assert card_of(device, int(gib * GIB)) is (CARDS[card] if card else None)


def test_peaks_are_dense_bfloat16() -> None:
    assert {card.name: card.peak_flops / 1e12 for card in CARDS.values()} == {
        "A100-40GB": 312, "A100-80GB": 312, "H100-80GB": 989, "H200": 989,
    }  # fmt: skip


def test_mfu_of_the_paper_follows_from_its_gpu_hours() -> None:
    reached = {row.model: round(100 * row.mfu, 1) for row in REACHED[:4]}
    assert reached == {"LLaMA 7B": 46.3, "LLaMA 13B": 54.1, "LLaMA 33B": 47.9, "LLaMA 65B": 49.5}


@pytest.mark.parametrize(
    ("model", "shape", "sequence_length", "tokens_per_second"),
    [
        ("TinyLlama", "1B", 2048, 24_000),
        ("LLaMA-2 7B", "llama2-7B", 4096, 3_760),
        ("LLaMA-2 70B", "llama2-70B", 4096, 380),
    ],
)
def test_other_rows_agree_with_the_tokens_per_second_of_their_source(
    model: str, shape: str, sequence_length: int, tokens_per_second: float
) -> None:
    (row,) = (row for row in REACHED if row.model == model)
    flops = MODELS[shape].flops_per_token(sequence_length)
    assert row.mfu == pytest.approx(tokens_per_second * flops / CARDS[row.card].peak_flops, abs=0.005)


def test_every_card_has_a_training_and_every_training_a_source() -> None:
    assert {row.card for row in REACHED} == CARDS.keys()
    assert all(row.source and 0.3 < row.mfu < 0.7 for row in REACHED)
