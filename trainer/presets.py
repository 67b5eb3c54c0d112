"""The shapes of the models: names in, widths, counts of parameters and FLOPs out. Plain numbers; torch is not
needed to plan with them.

LLaMA: Touvron et al. 2023 (arXiv 2302.13971), Table 2, with the constants of the released params.json files.
LLaMA-2: Touvron et al. 2023 (arXiv 2307.09288), Table 1 and section 2.2 (4,096 tokens; grouped-query
attention in the 70B), with the constants of its params.json files.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of one model; widths in features, `context` in tokens. ValueError when the heads do not fit."""

    dim: int
    layers: int
    heads: int
    context: int
    kv_heads: int = 0  # heads of keys and values, shared by heads / kv_heads queries each; 0: heads
    vocabulary: int = 32_000  # arXiv 2302.13971 section 2.1; the released tokenizer has 32,000 pieces
    multiple_of: int = 256  # the feed-forward width is rounded up to a multiple of this; params.json
    ffn_dim_multiplier: float = 1.0  # of the feed-forward width before rounding; params.json of LLaMA-2 70B
    norm_epsilon: float = 1e-6  # params.json of LLaMA 7B, 13B and 33B
    rope_base: float = 10_000.0  # Su et al. 2021 (arXiv 2104.09864), section 3.2.2

    def __post_init__(self) -> None:
        if self.dim % (2 * self.heads) or self.heads % self.key_value_heads:
            raise ValueError(
                f"model: {self.heads} heads and {self.key_value_heads} key and value heads do not fit width "
                f"{self.dim}: heads of an even width, a whole number of them for each key and value head"
            )

    @property
    def head_width(self) -> int:
        return self.dim // self.heads

    @property
    def key_value_heads(self) -> int:
        return self.kv_heads or self.heads

    @property
    def hidden(self) -> int:
        """Width of the feed-forward layer: 2/3 * 4 * dim * `ffn_dim_multiplier`, rounded up to a multiple of
        `multiple_of`, each product cut to a whole number first as in Meta's release."""
        width = int(self.ffn_dim_multiplier * (8 * self.dim // 3))
        return -(-width // self.multiple_of) * self.multiple_of

    @property
    def parameters(self) -> int:
        """Number of parameters, counted from the shapes."""
        attention = 2 * self.dim * self.head_width * (self.heads + self.key_value_heads)
        block = attention + 3 * self.dim * self.hidden + 2 * self.dim
        return 2 * self.vocabulary * self.dim + self.layers * block + self.dim

    def flops_per_token(self, sequence_length: int) -> int:
        """Floating-point operations to train on one token of a sequence of `sequence_length`, forward and backward.

        6 for each parameter except the input embedding, which is a look-up, and 12 * layers * dim *
        sequence_length for attention, of which the causal half is not discounted: the convention of PaLM
        (Chowdhery et al. 2022, arXiv 2204.02311, appendix B). Recomputed activations do not count.
        """
        multiplied = self.parameters - self.vocabulary * self.dim
        return 6 * multiplied + 12 * self.layers * self.dim * sequence_length


MODELS = {
    "toy": ModelConfig(dim=128, layers=4, heads=4, context=256, multiple_of=32),  # a demo on two CPU cores
    # Shapes of llama2.c's stories15M and stories110M (README, table "models"), which count 15M and 110M with
    # the output tied to the embedding; ours are not tied, which adds vocabulary * dim.
    "15M": ModelConfig(dim=288, layers=6, heads=6, context=256, multiple_of=32, norm_epsilon=1e-5),
    "110M": ModelConfig(dim=768, layers=12, heads=12, context=1024, multiple_of=32, norm_epsilon=1e-5),
    # TinyLlama 1.1B: Zhang et al. 2024 (arXiv 2401.02385), Table 1; norm_epsilon of its config.json
    "1B": ModelConfig(dim=2048, layers=22, heads=32, kv_heads=4, context=2048, norm_epsilon=1e-5),
    "7B": ModelConfig(dim=4096, layers=32, heads=32, context=2048),  # arXiv 2302.13971, Table 2
    "13B": ModelConfig(dim=5120, layers=40, heads=40, context=2048),
    "33B": ModelConfig(dim=6656, layers=60, heads=52, context=2048),
    "65B": ModelConfig(dim=8192, layers=80, heads=64, context=2048, norm_epsilon=1e-5),  # its own params.json
    "llama2-7B": ModelConfig(dim=4096, layers=32, heads=32, context=4096, norm_epsilon=1e-5),
    "llama2-13B": ModelConfig(dim=5120, layers=40, heads=40, context=4096, norm_epsilon=1e-5),
    "llama2-70B": ModelConfig(
        dim=8192, layers=80, heads=64, kv_heads=8, context=4096,
        multiple_of=4096, ffn_dim_multiplier=1.3, norm_epsilon=1e-5,
    ),
}  # fmt: skip
