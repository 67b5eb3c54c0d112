"""The first weights of a model: a seed and a name in, the same numbers out for any device or layout.

Each weight is a pure function of the seed, the name of its parameter and its own position in it. A process
that holds a shard fills just that shard, and all shards together are bit for bit the whole: how many
processes there are does not change what is learned, and 65B parameters over 2,048 devices are 32 million
numbers for each. One CPU core makes about 60 million of them a second (measured).
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

DEVIATION = 0.02  # Radford et al. 2019 and its released code; LLaMA's paper is silent
# Numbers made at once. Above 2^18 they leave the cache of a core, which halves the rate; a GPU wants many.
_AT_ONCE = {"cpu": 1 << 16, "cuda": 1 << 24}

# SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", figure 16): the step
# of the state and the shifts and factors of the finaliser, as signed integers
_STEP = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX = ((30, 0xBF58476D1CE4E5B9 - (1 << 64)), (27, 0x94D049BB133111EB - (1 << 64)), (31, 1))


@torch.no_grad()
def initialize(model: nn.Module, seed: int) -> None:
    """Fill all parameters: normal with deviation 0.02, smaller where a sub-layer joins the residual; norms are one.

    The projections back into the residual (wo, w2) have 0.02 / sqrt(2 * layers), which keeps the variance of
    the residual independent of the depth (Radford et al. 2019, section 2.3). Parameters are plain tensors or
    DTensors in any layout, of any floating-point type, on the device where they stay.
    """
    parameters = dict(model.named_parameters())
    layers = len({name.split(".")[1] for name in parameters if name.startswith("layers.")})
    for name, parameter in parameters.items():
        if parameter.ndim < 2:
            parameter.fill_(1.0)
            continue
        joins_residual = name.endswith(("wo.weight", "w2.weight"))
        deviation = DEVIATION / math.sqrt(2 * layers) if joins_residual else DEVIATION
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        local, first_row, first_column = _local_part(parameter)
        key = int.from_bytes(digest[:8], "little", signed=True)
        _fill(local, key, deviation, first_row, first_column, width=parameter.shape[1])


def _local_part(parameter: Tensor) -> tuple[Tensor, int, int]:
    """What this process holds of a matrix, and the row and column of the whole where that begins."""
    if not isinstance(parameter, DTensor):
        return parameter, 0, 0
    [chunk] = parameter.__create_chunk_list__()  # type: ignore[no-untyped-call]
    local = parameter.to_local()
    assert local.shape == chunk.sizes, "a shard is one rectangle"
    return local, chunk.offsets[0], chunk.offsets[1]


def _fill(part: Tensor, key: int, deviation: float, first_row: int, first_column: int, width: int) -> None:
    """Normal numbers for the rectangle `part` of a matrix of `width` columns which begins at the row and column."""
    device = part.device
    at_once = max(1, _AT_ONCE[device.type] // max(1, part.shape[1]))
    columns = torch.arange(first_column, first_column + part.shape[1], device=device)
    for start in range(0, len(part), at_once):
        rows = part[start : start + at_once]
        begin = first_row + start
        numbers = torch.arange(begin, begin + len(rows), device=device)[:, None] * width + columns
        rows.copy_(normal(numbers, key).mul_(deviation))


def normal(numbers: Tensor, key: int) -> Tensor:
    """Standard normal numbers in float64 for the elements `numbers` (int64) of the stream `key`.

    The 64 bits of SplitMix64's output after step number + 1 from the state `key` give two uniform numbers of
    32 bits each, and these one normal number (Box & Muller 1958).
    """
    bits = (numbers + 1) * _STEP
    bits += key  # integers wrap at 2^64
    for shift, factor in _MIX:
        bits ^= (bits >> shift) & ((1 << (64 - shift)) - 1)  # a logical shift; that of signed integers is not
        bits *= factor
    angle = (bits & 0xFFFFFFFF).double().mul_(2 * math.pi / (1 << 32)).cos_()
    uniform = (bits >> 32 & 0xFFFFFFFF).double().add_(0.5).div_(1 << 32)  # above 0, below 1
    return uniform.log_().mul_(-2).sqrt_().mul_(angle)
