"""The LLaMA decoder in one file: token ids in, next-token logits out, with the published sizes and two small
ones.

Touvron et al. 2023 (arXiv 2302.13971), section 2.2: RMSNorm before each sub-layer (Zhang & Sennrich 2019),
SwiGLU of width 2/3 * 4d (Shazeer 2020), rotary positions at each layer (Su et al. 2021), no biases, output
not tied to the embedding. Parameter names and the interleaved rotary layout are those of Meta's release, so
that its checkpoints fit.

Letters in the shape comments: B sequences, T positions, C width (`dim`), H heads, D width of a head, V
vocabulary.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.loss import linear_cross_entropy


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of one model; widths in features, `context` in tokens."""

    dim: int
    layers: int
    heads: int
    context: int
    vocabulary: int = (
        32_000  # section 2.1 of the paper: SentencePiece BPE; released tokenizer has 32,000 pieces
    )
    multiple_of: int = (
        256  # the feed-forward width is rounded up to a multiple of this; params.json of the release
    )
    norm_epsilon: float = 1e-6  # params.json of the release
    rope_base: float = 10_000.0  # Su et al. 2021, section 3.2.2

    @property
    def hidden(self) -> int:
        """Width of the feed-forward layer: 2/3 * 4 * dim, rounded up to a multiple of `multiple_of`."""
        return -(-(8 * self.dim // 3) // self.multiple_of) * self.multiple_of

    @property
    def parameters(self) -> int:
        """Number of parameters, counted from the shapes."""
        block = 4 * self.dim**2 + 3 * self.dim * self.hidden + 2 * self.dim
        return 2 * self.vocabulary * self.dim + self.layers * block + self.dim


MODELS = {
    "tiny": ModelConfig(dim=128, layers=4, heads=4, context=256, multiple_of=32),  # a demo on two CPU cores
    "small": ModelConfig(
        dim=512, layers=8, heads=8, context=512, multiple_of=32
    ),  # an afternoon on a workstation
    "7B": ModelConfig(
        dim=4096, layers=32, heads=32, context=2048
    ),  # Table 2 of the paper, as are the next three
    "13B": ModelConfig(dim=5120, layers=40, heads=40, context=2048),
    "33B": ModelConfig(dim=6656, layers=60, heads=52, context=2048),
    "65B": ModelConfig(dim=8192, layers=80, heads=64, context=2048, norm_epsilon=1e-5),  # its own params.json
}


def rotary_tables(width: int, positions: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each [positions, width / 2], in float32.

    Pair i turns by position * base^(-2i / width) (Su et al. 2021, equation 15).
    """
    frequencies = base ** -(torch.arange(0, width, 2, dtype=torch.float32) / width)
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), frequencies)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`x` [B, T, H, D], each pair of neighbouring features turned by the angle of its position (`cos` [T, D/2])."""
    even, odd = x.float().view(*x.shape[:-1], -1, 2).unbind(-1)  # each [B, T, H, D/2]
    cos, sin = cos[:, None], sin[:, None]  # [T, 1, D/2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).to(x.dtype)


class KeyValueCache:
    """Keys and values of the positions that a generation has passed, for each layer: [B, H, context, D]."""

    def __init__(self, config: ModelConfig, batch: int, device: torch.device) -> None:
        shape = (config.layers, batch, config.heads, config.context, config.dim // config.heads)
        self.keys = torch.zeros(shape, device=device)
        self.values = torch.zeros(shape, device=device)

    def extend(self, layer: int, start: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write [B, H, T, D] at `start` and return everything up to there, [B, H, start + T, D] each."""
        end = start + keys.shape[2]
        self.keys[layer, :, :, start:end] = keys
        self.values[layer, :, :, start:end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.heads = config.heads
        self.wq = nn.Linear(config.dim, config.dim, bias=False)
        self.wk = nn.Linear(config.dim, config.dim, bias=False)
        self.wv = nn.Linear(config.dim, config.dim, bias=False)
        self.wo = nn.Linear(config.dim, config.dim, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: KeyValueCache | None, start: int) -> Tensor:
        queries, keys, values = (
            w(x).view(*x.shape[:2], self.heads, -1) for w in (self.wq, self.wk, self.wv)
        )  # each [B, T, H, D]
        queries = rotate(queries, cos, sin).transpose(1, 2)  # [B, H, T, D]
        keys = rotate(keys, cos, sin).transpose(1, 2)
        values = values.transpose(1, 2)
        if cache is not None:
            keys, values = cache.extend(self.layer, start, keys, values)
        # One new position sees every position before it, so after the first call no mask is needed.
        attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=start == 0)
        mixed: Tensor = self.wo(attended.transpose(1, 2).flatten(2))  # [B, H, T, D] -> [B, T, C]
        return mixed


class FeedForward(nn.Module):
    """SwiGLU: w2(silu(w1 x) * w3 x)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.dim, config.hidden, bias=False)
        self.w2 = nn.Linear(config.hidden, config.dim, bias=False)
        self.w3 = nn.Linear(config.dim, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.w2(F.silu(self.w1(x)) * self.w3(x))
        return projected


class Block(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention = Attention(config, layer)
        self.feed_forward = FeedForward(config)
        self.attention_norm = nn.RMSNorm(config.dim, config.norm_epsilon)
        self.ffn_norm = nn.RMSNorm(config.dim, config.norm_epsilon)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: KeyValueCache | None, start: int) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin, cache, start)
        out: Tensor = x + self.feed_forward(self.ffn_norm(x))
        return out


class Transformer(nn.Module):
    """The whole model; its weights are unset until `initialize` or a checkpoint fills them."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config.vocabulary, config.dim)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.RMSNorm(config.dim, config.norm_epsilon)
        self.output = nn.Linear(config.dim, config.vocabulary, bias=False)
        cos, sin = rotary_tables(config.dim // config.heads, config.context, config.rope_base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def states(self, tokens: Tensor, cache: KeyValueCache | None = None, start: int = 0) -> Tensor:
        """The last hidden states [B, T, C] of `tokens` [B, T], which stand at positions `start`, `start` + 1,
        ...

        With a cache the keys and values of the call are kept in it; a call with `start` > 0 takes one token
        (T = 1) and needs the cache filled up to `start`. Positions must stay below the context.
        """
        length = tokens.shape[1]
        assert start + length <= self.config.context, "positions beyond the context"
        assert start == 0 or (cache is not None and length == 1), "a later call takes one token and a cache"
        cos, sin = self.cos[start : start + length], self.sin[start : start + length]
        x = self.tok_embeddings(tokens)  # [B, T, C]
        for block in self.layers:
            x = block(x, cos, sin, cache, start)
        normed: Tensor = self.norm(x)
        return normed

    def forward(self, tokens: Tensor, cache: KeyValueCache | None = None, start: int = 0) -> Tensor:
        """Logits [B, T, V] of the token after each of `tokens` [B, T]; the arguments are those of `states`."""
        logits: Tensor = self.output(self.states(tokens, cache, start))
        return logits

    def loss(self, tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy in nats of `targets` [B, T]: the mean, which has the gradient, and each, without it."""
        return linear_cross_entropy(self.states(tokens), self.output.weight, targets)

    @torch.no_grad()
    def initialize(self, seed: int) -> Transformer:
        """Draw all weights: normal with deviation 0.02, smaller where a sub-layer joins the residual; norms
        are one.

        The projections back into the residual (wo, w2) have 0.02 / sqrt(2 * layers), which keeps the variance
        of the residual independent of the depth (Radford et al. 2019, section 2.3). Each tensor has its own
        seed, made from `seed` and its name, so that its values depend neither on the other tensors nor on the
        device.
        """
        for name, parameter in self.named_parameters():
            if parameter.ndim < 2:
                parameter.fill_(1.0)
                continue
            joins_residual = name.endswith(("wo.weight", "w2.weight"))
            deviation = 0.02 / math.sqrt(2 * self.config.layers) if joins_residual else 0.02
            digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, deviation, generator=generator))
        return self
