from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from trainer.config import DEFAULTS
from trainer.model import Transformer
from trainer.presets import MODELS, ModelConfig

# Name, parameters and feed-forward width. LLaMA-2's are those of its checkpoints (6.7, 13.0 and 69.0 billion).
PUBLISHED = [
    ("1B", 1_100_048_384, 5_632),
    ("7B", 6_738_415_616, 11_008),
    ("13B", 13_015_864_320, 13_824),
    ("33B", 32_528_943_616, 17_920),
    ("65B", 65_285_660_672, 22_016),
    ("llama2-7B", 6_738_415_616, 11_008),
    ("llama2-13B", 13_015_864_320, 13_824),
    ("llama2-70B", 68_976_648_192, 28_672),
]


@pytest.mark.parametrize(("name", "parameters", "hidden"), PUBLISHED)
def test_published_sizes_have_the_published_number_of_parameters(
    name: str, parameters: int, hidden: int
) -> None:
    assert MODELS[name].parameters == parameters
    assert MODELS[name].hidden == hidden


@pytest.mark.parametrize("name", MODELS)
def test_a_model_on_the_meta_device_has_as_many_parameters_as_its_shape_says(name: str) -> None:
    with torch.device("meta"):
        model = Transformer(MODELS[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == MODELS[name].parameters


def test_small_sizes_have_the_number_of_their_names_without_the_output_matrix() -> None:
    counts = {name: MODELS[name].parameters - 32_000 * MODELS[name].dim for name in ("15M", "110M")}
    assert counts == {"15M": 15_191_712, "110M": 109_529_856}


def test_each_size_has_its_norm_epsilon_and_context() -> None:
    coarse = {name for name, model in MODELS.items() if model.norm_epsilon == 1e-5}
    assert coarse == {"15M", "110M", "1B", "65B", "llama2-7B", "llama2-13B", "llama2-70B"}
    assert {model.norm_epsilon for name, model in MODELS.items() if name not in coarse} == {1e-6}
    assert [MODELS[name].context for name in ("toy", "7B", "65B", "llama2-70B")] == [256, 2048, 2048, 4096]
    assert [MODELS[name].key_value_heads for name in ("1B", "65B", "llama2-70B")] == [4, 64, 8]


def test_every_size_has_defaults_of_training() -> None:
    assert list(DEFAULTS) == list(MODELS)
    tokens = {name: DEFAULTS[name].batch_sequences * MODELS[name].context for name in MODELS}
    assert tokens["65B"] == tokens["llama2-7B"] == tokens["llama2-70B"] == 1 << 22
    assert DEFAULTS["llama2-70B"].steps * tokens["llama2-70B"] == pytest.approx(2e12, rel=1e-5)
    assert DEFAULTS["1B"].steps * tokens["1B"] == pytest.approx(3e12, rel=1e-5)
    assert DEFAULTS["110M"].steps * tokens["110M"] == pytest.approx(20 * MODELS["110M"].parameters, rel=1e-3)


def test_flops_are_six_for_each_weight_of_a_product_and_twelve_for_each_pair_of_positions_and_feature() -> (
    None
):
    config = ModelConfig(dim=8, layers=3, heads=2, kv_heads=1, context=16, vocabulary=10, multiple_of=4)
    assert config.hidden == 24
    # attention 8*8 + 8*4 + 8*4 + 8*8, feed-forward 3*8*24, two norms of 8; three blocks, a norm and the output
    weights = 3 * (192 + 576 + 16) + 8 + 80
    assert config.flops_per_token(16) == 6 * weights + 12 * 3 * 8 * 16
    assert MODELS["7B"].flops_per_token(2048) == pytest.approx(4.29e10, rel=1e-3)
    assert MODELS["65B"].flops_per_token(2048) == pytest.approx(4.06e11, rel=1e-3)


@pytest.mark.parametrize("change", [{"heads": 3}, {"heads": 8, "kv_heads": 3}, {"dim": 24, "heads": 8}])
def test_refuses_heads_that_do_not_fit(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"heads .* do not fit width"):
        replace(ModelConfig(dim=32, layers=1, heads=4, context=8), **change)


def test_shapes_are_read_without_torch() -> None:
    code = "import sys, trainer.presets; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False"]
