"""Logarithm and exponential from basic operations in a fixed order: the same bits on every machine with IEEE 754."""

from __future__ import annotations

from numba import njit

_LN_2 = 0.6931471805599453
_LOG2_E = 1.4426950408889634


@njit(cache=True)
def log1p(value: float) -> float:
    """ln(1 + value) for value >= 0, from basic operations only; within 1e-12."""
    rest = 1.0 + value
    twos = 0
    while rest >= 1.5:
        rest *= 0.5
        twos += 1
    part = (rest - 1.0) / (rest + 1.0)  # ln(rest) = 2 artanh(part), |part| is at most 1/5
    square = part * part
    power = part
    total = 0.0
    for odd in range(1, 30, 2):
        total += power / odd
        power *= square
    return 2.0 * total + twos * _LN_2


@njit(cache=True)
def sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)) from basic operations only; within 1e-12. Beyond +-30 as at +-30."""
    value = min(max(-value, -30.0), 30.0)
    scaled = value * _LOG2_E
    twos = int(scaled + 0.5) if scaled >= 0.0 else -int(0.5 - scaled)
    rest = value - twos * _LN_2
    term = 1.0
    total = 1.0
    for step in range(1, 16):
        term *= rest / step
        total += term
    for _ in range(abs(twos)):
        total = total * 2.0 if twos > 0 else total * 0.5
    return 1.0 / (1.0 + total)
