from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from trainer.loss import linear_cross_entropy
from trainer.model import MODELS, KeyValueCache, ModelConfig, Transformer, rotary_tables, rotate

SMALL = ModelConfig(dim=32, layers=2, heads=4, context=16, vocabulary=50, multiple_of=8)


@pytest.mark.parametrize(
    ("name", "parameters", "hidden"),
    [
        ("7B", 6_738_415_616, 11_008),
        ("13B", 13_015_864_320, 13_824),
        ("33B", 32_528_943_616, 17_920),
        ("65B", 65_285_660_672, 22_016),
    ],
)
def test_published_sizes_have_the_published_number_of_parameters(
    name: str, parameters: int, hidden: int
) -> None:
    with torch.device("meta"):
        model = Transformer(MODELS[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert MODELS[name].parameters == parameters
    assert MODELS[name].hidden == hidden


def test_parameter_names_are_those_of_metas_release() -> None:
    names = set(Transformer(SMALL).state_dict())
    assert {name for name in names if not name.startswith("layers.")} == {
        "tok_embeddings.weight", "norm.weight", "output.weight",
    }  # fmt: skip
    assert {name.removeprefix("layers.1.") for name in names if name.startswith("layers.1.")} == {
        "attention.wq.weight", "attention.wk.weight", "attention.wv.weight", "attention.wo.weight",
        "feed_forward.w1.weight", "feed_forward.w2.weight", "feed_forward.w3.weight",
        "attention_norm.weight", "ffn_norm.weight",
    }  # fmt: skip


def test_a_later_token_does_not_change_earlier_logits() -> None:
    model = Transformer(SMALL).initialize(0)
    tokens = torch.arange(16)[None]
    changed = tokens.clone()
    changed[0, 10] = 49
    before, after = model(tokens)[0], model(changed)[0]
    assert torch.equal(before[:10], after[:10])
    assert (before[10:] != after[10:]).any(dim=1).all()


def test_rotated_products_depend_on_the_distance_only() -> None:
    cos, sin = rotary_tables(8, 12, 10_000.0)
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)).unbind(0)
    queries = rotate(query.expand(1, 12, 1, 8), cos, sin)[0, :, 0]
    keys = rotate(key.expand(1, 12, 1, 8), cos, sin)[0, :, 0]
    products = queries @ keys.T
    for distance in range(12):
        assert torch.allclose(products.diagonal(-distance), products[distance, 0], atol=1e-5)
    assert not torch.allclose(products[5, 0], products[0, 0], atol=1e-2)


def test_rotation_turns_neighbouring_features_by_position_times_frequency() -> None:
    cos, sin = rotary_tables(4, 3, 10_000.0)
    x = torch.tensor([1.0, 0.0, 1.0, 0.0]).expand(1, 3, 1, 4)
    # Position 2: angles 2 * 1 and 2 * 10000^(-2/4) = 0.02.
    expected = torch.tensor([-0.41614684, 0.90929743, 0.99980001, 0.01999867])
    assert torch.allclose(rotate(x, cos, sin)[0, 2, 0], expected, atol=1e-6)


def test_cached_generation_gives_the_logits_of_the_whole_sequence() -> None:
    model = Transformer(SMALL).initialize(0)
    tokens = torch.arange(12)[None]
    cache = KeyValueCache(SMALL, 1, torch.device("cpu"))
    parts = [model(tokens[:, :5], cache, 0)] + [model(tokens[:, n : n + 1], cache, n) for n in range(5, 12)]
    assert torch.allclose(torch.cat(parts, 1), model(tokens), atol=1e-6)


def test_initial_weights_have_the_stated_deviations_and_repeat() -> None:
    config = replace(SMALL, dim=128, layers=8, vocabulary=1000)
    model = Transformer(config).initialize(3)
    block = model.layers[5]
    assert model.tok_embeddings.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert block.get_parameter("attention.wq.weight").std().item() == pytest.approx(0.02, rel=0.03)
    assert block.get_parameter("attention.wo.weight").std().item() == pytest.approx(0.005, rel=0.03)
    assert block.get_parameter("feed_forward.w2.weight").std().item() == pytest.approx(0.005, rel=0.03)
    assert bool((block.get_parameter("ffn_norm.weight") == 1).all())
    again, other = Transformer(config).initialize(3), Transformer(config).initialize(4)
    assert torch.equal(model.output.weight, again.output.weight)
    assert not torch.equal(model.output.weight, other.output.weight)


def test_an_untrained_model_expects_each_piece_alike() -> None:
    model = Transformer(SMALL).initialize(0)
    mean, losses = model.loss(torch.arange(16)[None], torch.arange(1, 17)[None])
    assert mean.item() == pytest.approx(3.912, abs=0.05)  # ln 50
    assert losses.shape == (1, 16)


@pytest.mark.parametrize("at_once", [50, 150, 10_000])  # one token, three tokens, all of them
def test_chunked_loss_and_gradients_equal_the_plain_ones(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(linear_cross_entropy.__globals__["_LOGITS_AT_ONCE"], "cpu", at_once)
    random = torch.Generator().manual_seed(1)
    hidden = torch.randn(2, 5, 8, generator=random, requires_grad=True)
    weight = torch.randn(50, 8, generator=random, requires_grad=True)
    targets = torch.randint(0, 50, (2, 5), generator=random)
    mean, losses = linear_cross_entropy(hidden, weight, targets)
    (3 * mean).backward()  # type: ignore[no-untyped-call]
    plain = F.cross_entropy((hidden @ weight.T).flatten(0, 1), targets.flatten(), reduction="none")
    expected = torch.autograd.grad(3 * plain.mean(), (hidden, weight))
    assert torch.allclose(losses.flatten(), plain, atol=1e-6)
    assert mean.item() == pytest.approx(plain.mean().item(), abs=1e-6)
    for tensor, gradient in zip((hidden, weight), expected, strict=True):
        assert tensor.grad is not None and torch.allclose(tensor.grad, gradient, atol=1e-6)
    with torch.no_grad():
        assert torch.allclose(linear_cross_entropy(hidden, weight, targets)[1], losses, atol=1e-6)
