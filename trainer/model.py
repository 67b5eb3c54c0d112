"""The LLaMA decoder in one file: token ids in, next-token logits or losses out.

Touvron et al. 2023 (arXiv 2302.13971), section 2.2: RMSNorm before each sub-layer (Zhang & Sennrich 2019),
SwiGLU of width 2/3 * 4d (Shazeer 2020), rotary positions at each layer (Su et al. 2021), no biases, output
not tied to the embedding; grouped-query attention (Ainslie et al. 2023, arXiv 2305.13245) as in LLaMA-2 70B.
Parameter names and the interleaved rotary layout are those of Meta's release, so that its checkpoints fit.

A process may hold a part of the heads, of the feed-forward width or of the sequence: no layer assumes how
many of them it sees. The parallelism itself is in `trainer.parallel`.

Letters in the shape comments: B sequences, T positions, C width (`dim`), H heads, K heads of keys and values,
D width of a head, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.loss import linear_cross_entropy
from trainer.presets import ModelConfig


def rotary_tables(width: int, positions: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each [positions, width / 2], in float32 on the CPU.

    Pair i turns by position * base^(-2i / width) (Su et al. 2021, equation 15).
    """
    with torch.device("cpu"):  # the same bits whatever the device of the model
        frequencies = base ** -(torch.arange(0, width, 2, dtype=torch.float32) / width)
        angles = torch.outer(torch.arange(positions, dtype=torch.float32), frequencies)
        return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """`x` [B, T, H, D], each pair of neighbouring features turned by the angle of its position (`cos` [T, D/2])."""
    even, odd = x.float().view(*x.shape[:-1], -1, 2).unbind(-1)  # each [B, T, H, D/2]
    cos, sin = cos[:, None], sin[:, None]  # [T, 1, D/2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).to(x.dtype)


def document_mask(documents: Tensor) -> Tensor:
    """Which position [B, 1, T, T] sees which: those up to itself in the same document of `documents` [B, T].

    Flash attention takes no such mask, so a GPU uses a slower kernel; the default is to train without, as LLaMA.
    """
    same = documents[:, :, None] == documents[:, None, :]
    return same.tril()[:, None]


class KeyValueCache:
    """Keys and values of the positions that a generation has passed, for each layer: [B, K, context, D]."""

    def __init__(self, config: ModelConfig, batch: int, device: torch.device, dtype: torch.dtype) -> None:
        shape = (config.layers, batch, config.key_value_heads, config.context, config.head_width)
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)

    def extend(self, layer: int, start: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Write [B, K, T, D] at `start` and return everything up to there, [B, K, start + T, D] each."""
        end = start + keys.shape[2]
        self.keys[layer, :, :, start:end] = keys
        self.values[layer, :, :, start:end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class Attention(nn.Module):
    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_width = config.head_width
        key_value_width = config.key_value_heads * config.head_width
        self.wq = nn.Linear(config.dim, config.dim, bias=False)
        self.wk = nn.Linear(config.dim, key_value_width, bias=False)
        self.wv = nn.Linear(config.dim, key_value_width, bias=False)
        self.wo = nn.Linear(config.dim, config.dim, bias=False)
        # The rotary tables, one pair of tensors for all layers. They are buffers and no arguments because
        # FSDP's mixed precision rounds floating-point arguments to bfloat16, which spoils late positions.
        self.register_buffer("cos", None, persistent=False)
        self.register_buffer("sin", None, persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None, cache: KeyValueCache | None, start: int) -> Tensor:
        queries = self.wq(x).unflatten(-1, (-1, self.head_width))  # [B, T, H, D]
        keys = self.wk(x).unflatten(-1, (-1, self.head_width))  # [B, T, K, D]
        values = self.wv(x).unflatten(-1, (-1, self.head_width))
        end = start + queries.shape[1]
        cos, sin = self.cos[start:end], self.sin[start:end]
        assert cos.dtype == torch.float32, "rotary tables of another precision: call reset_buffers"
        queries = rotate(queries, cos, sin).transpose(1, 2)  # [B, H, T, D]
        keys = rotate(keys, cos, sin).transpose(1, 2)  # [B, K, T, D]
        values = values.transpose(1, 2)
        if cache is not None:
            keys, values = cache.extend(self.layer, start, keys, values)
        group = queries.shape[1] // keys.shape[1]
        if mask is not None and group > 1:
            # On a GPU flash attention takes groups and no mask, the memory-efficient kernel a mask and no groups.
            keys, values = (
                keys.repeat_interleave(group, 1),
                values.repeat_interleave(group, 1),
            )  # [B, H, T, D]
        # One new position sees every position before it, so after the first call no mask is needed.
        attended = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None and start == 0,
            enable_gqa=mask is None and group > 1,
        )
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

    def forward(
        self, x: Tensor, mask: Tensor | None = None, cache: KeyValueCache | None = None, start: int = 0
    ) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask, cache, start)
        out: Tensor = x + self.feed_forward(self.ffn_norm(x))
        return out


class Head(nn.Linear):
    """The output matrix [V, C]: hidden states [B, T, C] to logits, or with targets to losses."""

    def forward(  # type: ignore[override]
        self, hidden: Tensor, targets: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        if targets is None:
            return F.linear(hidden, self.weight)
        return linear_cross_entropy(hidden, self.weight, targets)


class Transformer(nn.Module):
    """The whole model; its weights are unset until `trainer.initialization` or a checkpoint fills them.

    It may be built under `torch.device("meta")`; `to_empty` then gives it memory, and `reset_buffers` must
    follow.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = nn.Embedding(config.vocabulary, config.dim)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.RMSNorm(config.dim, config.norm_epsilon)
        self.output = Head(config.dim, config.vocabulary, bias=False)
        self.reset_buffers(torch.get_default_device())

    def reset_buffers(self, device: torch.device) -> None:
        """Make the rotary tables, in float32 whatever the precision of the weights, on `device`."""
        cos, sin = rotary_tables(self.config.head_width, self.config.context, self.config.rope_base)
        cos, sin = cos.to(device), sin.to(device)
        for module in self.modules():
            if isinstance(module, Attention):
                module.cos, module.sin = cos, sin

    def forward(
        self,
        tokens: Tensor,
        targets: Tensor | None = None,
        documents: Tensor | None = None,
        cache: KeyValueCache | None = None,
        start: int = 0,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Logits [B, T, V] of the token after each of `tokens` [B, T]; with `targets` [B, T] their losses.

        The losses are cross-entropy in nats: the sum over all tokens, a float32 scalar which carries the
        gradient, and each token's [B, T] in float32, which carries none. `documents` [B, T] numbers the
        document of each token; a token then sees its own document only. `tokens` stand at positions `start`,
        `start` + 1, ..., which stay below the context. With a cache the keys and values of the call are kept
        in it; a call with `start` > 0 takes one token (T = 1) and needs the cache filled up to `start`.
        """
        length = tokens.shape[1]
        assert start + length <= self.config.context, "positions beyond the context"
        assert start == 0 or (cache is not None and length == 1), "a later call takes one token and a cache"
        assert documents is None or cache is None, "a cache holds one document"
        mask = None if documents is None else document_mask(documents)
        x = self.tok_embeddings(tokens)  # [B, T, C]
        for block in self.layers:
            x = block(x, mask, cache, start)
        result: Tensor | tuple[Tensor, Tensor] = self.output(self.norm(x), targets)
        return result
