"""What a training costs: against autograd, hand arithmetic and published figures."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from trainer.cards import CARDS, GIB
from trainer.cost import (
    LOGITS_AT_ONCE,
    Workload,
    block_parameters,
    expected,
    hardware_flops_per_token,
    kept_per_token,
    memory,
)
from trainer.layout import Layout
from trainer.loss import _LOGITS_AT_ONCE
from trainer.model import Transformer
from trainer.presets import MODELS, ModelConfig

A100 = CARDS["A100-80GB"]


def workload(model: str, layout: Layout = Layout(), **changes: object) -> Workload:  # noqa: B008
    shape = MODELS[model]
    return replace(Workload(shape, shape.context, 1, layout), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kv_heads", [0, 2])
def test_counts_what_autograd_keeps_of_a_block(kv_heads: int) -> None:
    """In bfloat16 on a CPU. There the norm is made of small operations, which keep its input and its output before the
    weight in float32; a GPU's fused norm keeps its input alone, in bfloat16."""
    shape = ModelConfig(
        dim=256, layers=1, heads=8, kv_heads=kv_heads, context=64, multiple_of=32, vocabulary=8
    )
    model = Transformer(shape).to(torch.bfloat16)
    model.reset_buffers(torch.device("cpu"))
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    x = torch.randn(2, 64, 256, dtype=torch.bfloat16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.layers[0](x)
    held = sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / (2 * 64)
    of_small_norms = 2 * (2 * 4 * 256 - 2 * 256)
    assert held - of_small_norms == kept_per_token(shape)


def test_seven_billion_parameters_take_sixteen_bytes_each_on_one_device() -> None:
    held = memory(workload("7B"))
    assert held.state == 16 * 6_738_415_616  # 108 GB
    assert (held.weights, held.moments) == (4 * 6_738_415_616, 8 * 6_738_415_616)
    shared = memory(workload("7B", Layout(4, 8, 2)))
    assert shared.state == 16 * math.ceil(6_738_415_616 / 16)


def test_activations_of_seven_billion_are_near_the_estimate_of_eight_and_a_half_gib() -> None:
    """8.5 GiB for 2,048 tokens without checkpointing is an estimate between what runs uncompiled and what a compiler
    leaves, which makes silu(w1 x) and its product again instead of keeping both: 2 F elements less."""
    shape = MODELS["7B"]
    eager = 2048 * shape.layers * kept_per_token(shape) / GIB
    compiled = eager - 2048 * shape.layers * 2 * shape.hidden / GIB
    assert (round(eager, 2), round(compiled, 2)) == (9.38, 8.04)
    assert compiled < 8.5 < eager


def test_bytes_per_token_by_hand() -> None:
    shape = ModelConfig(dim=64, layers=2, heads=4, kv_heads=2, context=8, multiple_of=16, vocabulary=32)
    assert (shape.hidden, shape.key_value_heads * shape.head_width) == (176, 32)
    assert kept_per_token(shape) == 2 * (6 * 64 + 2 * 32 + 4 * 176) + 4 * 4 + 2 * 4
    assert kept_per_token(shape, checkpointing="selective") == 2 * (5 * 64 + 2 * 32 + 2 * 176) + 4 * 4
    assert kept_per_token(shape, checkpointing="full") == 2 * 64
    assert kept_per_token(shape, 2) == 2 * 2 * 64 + (2 * (4 * 64 + 2 * 32 + 4 * 176) + 4 * 4 + 2 * 4) // 2
    assert kept_per_token(shape, width=4) == 2 * (kept_per_token(shape) - 24) + 24


def test_blocks_embedding_output_and_norm_are_all_parameters() -> None:
    for shape in MODELS.values():
        rest = 2 * shape.vocabulary * shape.dim + shape.dim
        assert shape.layers * block_parameters(shape) + rest == shape.parameters


def test_keeping_gathered_weights_costs_the_whole_model() -> None:
    given_back, kept = (
        memory(workload("7B", reshard_after_forward=reshard)).gathered for reshard in (True, False)
    )
    assert kept - given_back == 2 * 30 * block_parameters(MODELS["7B"])


def test_reserves_nothing_on_a_cpu_and_a_chunk_of_logits_is_that_of_the_loss() -> None:
    assert memory(workload("toy"), "cpu").reserve == 0
    assert memory(workload("toy")).reserve == 2 * 10**9
    assert _LOGITS_AT_ONCE == LOGITS_AT_ONCE
    small, large = (memory(workload("7B", micro_batch=size)).head for size in (1, 64))
    assert small == 2048 * 32_000 * 8 + 32_000 * 4096 * 6
    assert large == LOGITS_AT_ONCE["cuda"] // 32_000 * 32_000 * 8 + 32_000 * 4096 * 6


def test_full_recomputation_costs_a_third_of_the_blocks() -> None:
    shape = MODELS["7B"]
    of_blocks = shape.flops_per_token(2048) - 6 * shape.vocabulary * shape.dim - 6 * shape.dim
    made = hardware_flops_per_token(shape, 2048, "full") - shape.flops_per_token(2048)
    assert made * 3 == of_blocks
    for mode in ("none", "selective"):
        assert hardware_flops_per_token(shape, 2048, mode) == shape.flops_per_token(2048)  # type: ignore[arg-type]


def test_sixty_five_billion_take_the_days_of_the_paper() -> None:
    """Section 2.4: around 380 tokens/s/GPU on 2,048 A100-80GB, approximately 21 days for 1.4T tokens."""
    found = expected(MODELS["65B"], 2048, A100, 2048, 1.4e12)
    assert found.tokens_per_second == pytest.approx(380, abs=1)
    assert found.days == pytest.approx(21, abs=0.3)
    assert (found.basis.model, found.comparable) == ("LLaMA 65B", True)


@pytest.mark.parametrize(
    ("model", "tokens", "hours"),
    [("7B", 1.0e12, 82_432), ("13B", 1.0e12, 135_168), ("33B", 1.4e12, 530_432), ("65B", 1.4e12, 1_022_362)],
)
def test_gpu_hours_of_the_paper_come_out_within_a_per_cent(model: str, tokens: float, hours: float) -> None:
    found = expected(MODELS[model], 2048, A100, 1024, tokens)
    assert found.days * 24 * 1024 == pytest.approx(hours, rel=0.01)


def test_says_when_nothing_of_that_size_is_known() -> None:
    found = expected(MODELS["65B"], 2048, CARDS["H200"], 64, 1.4e12)
    assert (found.comparable, found.basis.model, found.low, found.high) == (False, "LLaMA-3 8B", 0.545, 0.545)
    near = expected(MODELS["7B"], 2048, A100, 64, 1e12)
    assert (near.comparable, round(near.low, 3), near.high) == (True, 0.463, 0.642)


def test_more_recomputation_than_was_published_is_slower_and_less_is_not_faster() -> None:
    shape = MODELS["7B"]
    published, full = (
        expected(shape, 2048, A100, 8, 1e12, mode).tokens_per_second for mode in ("selective", "full")
    )  # type: ignore[arg-type]
    work = shape.flops_per_token(2048) / hardware_flops_per_token(shape, 2048, "full")
    assert full == pytest.approx(published * work)
    h200 = [expected(shape, 2048, CARDS["H200"], 1, 1e12, mode).mfu for mode in ("none", "full")]  # type: ignore[arg-type]
    assert h200 == [0.545, 0.545]
