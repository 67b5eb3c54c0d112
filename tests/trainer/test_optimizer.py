from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from trainer.config import TrainSettings
from trainer.optimizer import SpikeRule, learning_rate, make_optimizer

SETTINGS = TrainSettings(
    preset="toy",
    steps=1000,
    batch_sequences=4,
    sequence_length=32,
    learning_rate=3e-4,
    warmup_steps=100,
    seed=0,
)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (1, 3e-6),  # a hundredth of the peak
        (50, 1.5e-4),
        (100, 3e-4),  # the peak, where the warmup ends
        (550, 3e-4 * 0.55),  # half way down: (1 + 0.1) / 2
        (1000, 3e-5),  # a tenth of the peak
        (2000, 3e-5),
    ],
)
def test_the_rate_is_a_ramp_and_a_cosine_to_a_tenth(step: int, rate: float) -> None:
    assert learning_rate(step, SETTINGS) == pytest.approx(rate, rel=1e-12)


def test_the_paper_schedule_of_7b() -> None:
    paper = replace(SETTINGS, steps=238_418, warmup_steps=2000)
    assert learning_rate(1000, paper) == pytest.approx(1.5e-4)
    step = 60_000
    angle = math.pi * (step - 2000) / (238_418 - 2000)
    assert learning_rate(step, paper) == pytest.approx(3e-5 + 2.7e-4 * (1 + math.cos(angle)) / 2)


def test_without_warmup_the_first_rate_is_the_peak() -> None:
    assert learning_rate(0, replace(SETTINGS, warmup_steps=0)) == 3e-4


def test_matrices_decay_and_norms_do_not() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4, bias=False), torch.nn.RMSNorm(4))
    optimizer = make_optimizer(model, SETTINGS)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer.step()
    matrix, norm = model.parameters()
    torch.testing.assert_close(matrix, before[0] * (1 - 3e-4 * 0.1))
    assert torch.equal(norm, before[1])


def calm(steps: int) -> list[tuple[float, float]]:
    return [(3.0 + 0.1 * (-1) ** step, 1.0 + 0.05 * (-1) ** step) for step in range(steps)]


def test_a_planted_spike_alone_is_left_out() -> None:
    rule = SpikeRule(deviations=6, window=16)
    losses = [*calm(20), (9.0, 1.0), *calm(20), (3.0, 7.0), *calm(20)]
    verdicts = [rule.left_out(*step) for step in losses]
    assert [number for number, verdict in enumerate(verdicts) if verdict] == [20, 41]
    assert verdicts[20] is not None and verdicts[20].startswith("loss 9, over 3 + 6 x 0.1")
    assert verdicts[41] is not None and verdicts[41].startswith("gradient norm 7, over 1 + 6 x 0.05")


def test_nothing_is_left_out_before_half_a_window() -> None:
    rule = SpikeRule(deviations=6, window=16)
    assert [rule.left_out(*step) for step in [*calm(7), (90.0, 1.0)]] == [None] * 8
    assert rule.left_out(9000.0, 1.0)


def test_a_lasting_change_of_level_is_left_out_only_at_first() -> None:
    rule = SpikeRule(deviations=6, window=16)
    verdicts = [rule.left_out(*step) for step in [*calm(16), *[(9.0, 1.0)] * 16]]
    assert verdicts[16] and not any(verdicts[18:])


def test_no_deviations_leave_out_nothing() -> None:
    rule = SpikeRule(deviations=0, window=16)
    assert not any(rule.left_out(*step) for step in [*calm(16), (1e9, 1e9)])


def test_a_continued_rule_decides_as_the_first_one() -> None:
    whole = SpikeRule(6, 16)
    steps = [*calm(30), (9.0, 1.0), *calm(5)]
    expected = [whole.left_out(*step) for step in steps]
    first = SpikeRule(6, 16)
    begun = [first.left_out(*step) for step in steps[:25]]
    second = SpikeRule(6, 16, first.recent)
    assert begun + [second.left_out(*step) for step in steps[25:]] == expected
