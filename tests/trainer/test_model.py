from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from trainer.initialization import initialize
from trainer.model import Attention, KeyValueCache, Transformer, document_mask, rotary_tables, rotate
from trainer.presets import MODELS, ModelConfig

PLAIN = ModelConfig(dim=32, layers=2, heads=4, context=16, vocabulary=50, multiple_of=8)
GROUPED = replace(PLAIN, kv_heads=2)
CPU = torch.device("cpu")

# Every seventh logit after three tokens of a text, as computed when the model was first proved against
# transformers' (test_hf_parity.py).
GOLDEN = [
    0.741204, -0.688034, -0.70423, -0.055332, -0.577027, -0.507832, 0.709042, 0.916407,
    0.583703, 1.016765, 0.308032, 0.198384, 0.384461, -0.783181, 1.423391, 2.650968,
    1.272491, 1.417274, 0.762151, 0.578777, -0.536538, -0.523982, -0.012857, 0.661803,
]  # fmt: skip
GOLDEN_GROUPED = [
    -1.118843, 0.509009, 0.469417, 0.414894, -0.10752, -0.400965, 1.002432, 1.057631,
    -0.780367, 0.474584, -0.540418, 2.206258, 0.458671, 0.270031, 0.568592, -0.100712,
    1.488875, 0.592465, -1.159975, 1.928673, -0.098169, 0.396591, 0.243209, 0.107215,
]  # fmt: skip


def made(config: ModelConfig, seed: int = 0) -> Transformer:
    model = Transformer(config)
    initialize(model, seed)
    return model


def tokens(rows: int, length: int = 16, vocabulary: int = 50, seed: int = 1) -> Tensor:
    return torch.randint(0, vocabulary, (rows, length), generator=torch.Generator().manual_seed(seed))


def test_parameter_names_are_those_of_metas_release() -> None:
    names = set(Transformer(PLAIN).state_dict())
    assert {name for name in names if not name.startswith("layers.")} == {
        "tok_embeddings.weight", "norm.weight", "output.weight",
    }  # fmt: skip
    assert {name.removeprefix("layers.1.") for name in names if name.startswith("layers.1.")} == {
        "attention.wq.weight", "attention.wk.weight", "attention.wv.weight", "attention.wo.weight",
        "feed_forward.w1.weight", "feed_forward.w2.weight", "feed_forward.w3.weight",
        "attention_norm.weight", "ffn_norm.weight",
    }  # fmt: skip


@pytest.mark.parametrize(("config", "golden"), [(PLAIN, GOLDEN), (GROUPED, GOLDEN_GROUPED)])
def test_the_logits_of_fixed_weights_never_change(config: ModelConfig, golden: list[float]) -> None:
    # Weights far from their small beginnings, so that attention and SwiGLU have a say.
    model = made(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8 if weight.ndim == 2 else 1)
        logits = model(torch.tensor([[1, 48, 7, 7, 30, 2, 1, 19]]))[0, :, ::7]
    assert logits[[0, 3, 7]].flatten().tolist() == pytest.approx(golden, abs=1e-5)


@pytest.mark.parametrize("config", [PLAIN, GROUPED])
def test_a_later_token_does_not_change_earlier_logits(config: ModelConfig) -> None:
    model = made(config)
    before = torch.arange(16)[None]
    after = before.clone()
    after[0, 10] = 49
    one, other = model(before)[0], model(after)[0]
    assert torch.equal(one[:10], other[:10])
    assert (one[10:] != other[10:]).any(dim=1).all()


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


def test_grouped_queries_share_keys_and_values() -> None:
    """Grouped-query attention is attention with the keys and values of each group written out for each head."""
    grouped = made(GROUPED)
    plain = Transformer(PLAIN)
    weights = grouped.state_dict()
    for name, weight in weights.items():
        if name.endswith(("wk.weight", "wv.weight")):
            heads = weight.view(2, 8, 32).repeat_interleave(2, 0)  # [K, D, C] -> [H, D, C]
            weights[name] = heads.flatten(0, 1)
    plain.load_state_dict(weights)
    assert torch.allclose(grouped(tokens(2)), plain(tokens(2)), atol=1e-6)


def test_losses_are_those_of_the_logits() -> None:
    model = made(PLAIN)
    inputs, targets = tokens(3), tokens(3, seed=2)
    total, losses = model(inputs, targets)
    expected = -model(inputs).log_softmax(-1).gather(2, targets[..., None])[..., 0]
    assert torch.allclose(losses, expected, atol=1e-6)
    assert total.item() == pytest.approx(expected.sum().item(), rel=1e-6)


@pytest.mark.parametrize("name", ["toy", "15M"])
def test_an_untrained_model_expects_each_piece_alike(name: str) -> None:
    model = made(replace(MODELS[name], vocabulary=4096))
    total, losses = model(tokens(1, 64, 4096), tokens(1, 64, 4096, seed=2))
    assert total.item() / losses.numel() == pytest.approx(8.318, abs=0.1)  # ln 4096


def test_learns_one_batch_by_heart() -> None:
    model = made(
        ModelConfig(dim=64, layers=2, heads=4, kv_heads=2, context=32, vocabulary=64, multiple_of=32)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    inputs, targets = tokens(4, 32, 64), tokens(4, 32, 64, seed=2)
    inputs[:, 0] = torch.arange(4)  # rows that begin alike could not be told apart
    for _ in range(100):
        total, _ = model(inputs, targets)
        (total / targets.numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert model(inputs, targets)[0].item() / targets.numel() < 0.01


@pytest.mark.parametrize("config", [PLAIN, GROUPED])
def test_masked_documents_are_as_if_each_stood_alone(config: ModelConfig) -> None:
    model = made(config)
    lengths = [[5, 8, 3], [16]]
    documents = torch.stack(
        [torch.repeat_interleave(torch.arange(len(row)), torch.tensor(row)) for row in lengths]
    )
    packed, targets = tokens(2), tokens(2, seed=2)
    _, losses = model(packed, targets, documents)
    for row, parts in enumerate(lengths):
        alone = [
            model(text[None], target[None])[1][0]
            for text, target in zip(
                torch.split(packed[row], parts), torch.split(targets[row], parts), strict=True
            )
        ]
        assert torch.allclose(losses[row], torch.cat(alone), atol=1e-5)
    assert not torch.allclose(losses[0, 5:], model(packed, targets)[1][0, 5:], atol=1e-4)


def test_a_token_sees_its_own_document_up_to_itself() -> None:
    assert document_mask(torch.tensor([[0, 0, 1]])).int().tolist() == [[[[1, 0, 0], [1, 1, 0], [0, 0, 1]]]]


@pytest.mark.parametrize("config", [PLAIN, GROUPED])
def test_cached_generation_gives_the_logits_of_the_whole_sequence(config: ModelConfig) -> None:
    model = made(config)
    whole = tokens(2, 12)
    cache = KeyValueCache(config, 2, CPU, torch.float32)
    assert cache.keys.shape == (2, 2, config.key_value_heads, 16, 8)
    parts = [model(whole[:, :5], cache=cache)]
    parts += [model(whole[:, n : n + 1], cache=cache, start=n) for n in range(5, 12)]
    assert torch.allclose(torch.cat(parts, 1), model(whole), atol=1e-6)


def test_attention_works_on_a_part_of_the_heads() -> None:
    """As tensor parallelism cuts it: rows of wq, wk and wv, columns of wo; the parts add up to the whole."""
    whole = made(GROUPED).layers[0].get_submodule("attention")
    x = torch.randn(2, 16, 32, generator=torch.Generator().manual_seed(0))
    added = torch.zeros(2, 16, 32)
    for half in range(2):
        part = Attention(GROUPED, 0)
        part.cos, part.sin = rotary_tables(8, 16, 10_000.0)
        for name, cut in (("wq", 0), ("wk", 0), ("wv", 0), ("wo", 1)):
            weight = whole.get_parameter(f"{name}.weight").detach()
            part.get_submodule(name).weight = nn.Parameter(weight.chunk(2, cut)[half])
        added += part(x, None, None, 0)
    assert torch.allclose(added, whole(x, None, None, 0), atol=1e-6)


def gradients(model: Transformer) -> dict[str, Tensor]:
    model.zero_grad()
    model(tokens(2), tokens(2, seed=2))[0].backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_recomputed_activations_give_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(GROUPED)
    expected = gradients(model)
    for block in model.layers:
        plain = block.forward
        monkeypatch.setattr(
            block, "forward", lambda *given, plain=plain: checkpoint(plain, *given, use_reentrant=False)
        )
    found = gradients(model)
    assert len(expected) == 2 + 1 + 2 * 9
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())


@pytest.mark.filterwarnings("ignore")  # those of the compiler itself
def test_a_compiled_block_is_the_same_function_without_breaks() -> None:
    model = made(replace(GROUPED, layers=1))
    eager, logits = gradients(model), model(tokens(2))
    model.layers[0].compile(fullgraph=True)
    compiled = gradients(model)
    assert torch.allclose(model(tokens(2)), logits, atol=1e-6)
    for name, gradient in eager.items():
        assert torch.allclose(compiled[name], gradient, rtol=1e-4, atol=1e-5), name


def test_a_model_from_the_meta_device_is_the_same_model() -> None:
    with torch.device("meta"):
        model = Transformer(GROUPED)
    assert all(parameter.is_meta for parameter in model.parameters())
    model.to_empty(device=CPU)
    model.reset_buffers(CPU)
    initialize(model, 0)
    assert torch.equal(model(tokens(1)), made(GROUPED)(tokens(1)))


def test_rotary_tables_stay_in_float32() -> None:
    model = made(PLAIN).to(torch.bfloat16)
    with pytest.raises(AssertionError, match="rotary tables of another precision: call reset_buffers"):
        model(tokens(1))
    model.reset_buffers(CPU)
    assert model(tokens(1)).dtype == torch.bfloat16


def test_positions_beyond_the_context_are_refused() -> None:
    with pytest.raises(AssertionError, match="positions beyond the context"):
        Transformer(PLAIN)(tokens(1, 17))
