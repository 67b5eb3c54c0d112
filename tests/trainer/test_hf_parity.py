"""The model beside LlamaForCausalLM of Hugging Face's transformers: the same weights, logits and gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trainer.initialization import initialize
from trainer.model import Transformer
from trainer.presets import ModelConfig

if TYPE_CHECKING:
    import transformers
else:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed: extra parity")

# Their names, by ours; in the layers each begins with "model.layers.N.".
NAMES = {
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
OUTSIDE = {"tok_embeddings": "model.embed_tokens", "norm": "model.norm", "output": "lm_head"}


def their_name(name: str) -> str:
    name = name.removesuffix(".weight")
    if name in OUTSIDE:
        return f"{OUTSIDE[name]}.weight"
    _, layer, part = name.split(".", 2)
    return f"model.layers.{layer}.{NAMES[part]}.weight"


def their_order(name: str, weight: Tensor, head_width: int) -> Tensor:
    """Rows of wq and wk in the order of their rotary layout: a head's first features of pairs, then the second."""
    if not name.endswith(("wq.weight", "wk.weight")):
        return weight
    pairs = weight.view(-1, head_width // 2, 2, weight.shape[1])  # [heads, D/2, 2, C]
    return pairs.transpose(1, 2).reshape(weight.shape)


def twins(config: ModelConfig) -> tuple[Transformer, torch.nn.Module]:
    ours = Transformer(config)
    initialize(ours, 0)
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.dim,
            intermediate_size=config.hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.key_value_heads,
            max_position_embeddings=config.context,
            rms_norm_eps=config.norm_epsilon,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_base},
            tie_word_embeddings=False,
            attention_bias=False,
        )
    )
    weights = {
        their_name(name): their_order(name, parameter.detach(), config.head_width)
        for name, parameter in ours.named_parameters()
    }
    theirs.load_state_dict(weights)
    return ours, theirs


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(dim=64, layers=2, heads=4, context=64, vocabulary=320, multiple_of=32),
        ModelConfig(dim=96, layers=3, heads=6, kv_heads=2, context=128, vocabulary=320, multiple_of=32),
        ModelConfig(dim=256, layers=4, heads=4, context=256, vocabulary=1000, norm_epsilon=1e-5),
        ModelConfig(
            dim=128, layers=4, heads=8, kv_heads=1, context=64, vocabulary=320,
            multiple_of=64, ffn_dim_multiplier=1.3, rope_base=500_000.0,
        ),
    ],
    ids=["plain", "two groups", "wide", "one group, other width and rotary base"],
)  # fmt: skip
def test_logits_and_gradients_are_those_of_transformers(config: ModelConfig) -> None:
    ours, theirs = twins(config)
    random = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, config.vocabulary, (2, config.context), generator=random)
    targets = torch.randint(0, config.vocabulary, (2, config.context), generator=random)
    logits = theirs(input_ids=tokens).logits
    assert (ours(tokens) - logits).abs().max().item() < 1e-5

    total, losses = ours(tokens, targets)
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
    assert (losses - expected).abs().max().item() < 1e-5
    (total / targets.numel()).backward()
    expected.mean().backward()  # type: ignore[no-untyped-call]
    their_gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        assert parameter.grad is not None
        found, wanted = (
            their_order(name, parameter.grad, config.head_width),
            their_gradients.pop(their_name(name)),
        )
        assert wanted is not None
        assert ((found - wanted).norm() / wanted.norm()).item() < 1e-5, name
    assert not their_gradients


def test_their_rotary_layout_is_not_ours() -> None:
    config = ModelConfig(dim=64, layers=1, heads=4, context=64, vocabulary=320, multiple_of=32)
    ours, theirs = twins(config)
    weight = ours.layers[0].get_parameter("attention.wq.weight").detach()
    theirs.get_parameter("model.layers.0.self_attn.q_proj.weight").data.copy_(weight)
    tokens = torch.arange(64)[None]
    assert (ours(tokens) - theirs(input_ids=tokens).logits).abs().max().item() > 1e-4
