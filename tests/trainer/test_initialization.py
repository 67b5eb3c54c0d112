from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.distributed.tensor.placement_types import Placement
from torch.testing._internal.distributed.fake_pg import FakeStore

from trainer.initialization import initialize, normal
from trainer.model import Transformer
from trainer.presets import ModelConfig

SHAPE = ModelConfig(dim=32, layers=2, heads=4, kv_heads=2, context=16, vocabulary=50, multiple_of=8)


@pytest.fixture
def one_of_eight() -> Iterator[None]:
    """This process as one of eight, of which the others are not there: enough to see which shard it holds."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=8)
    yield
    dist.destroy_process_group()


def mesh_with_this_process_at(place: int, *shape: int) -> DeviceMesh:
    """A mesh of that shape in which this process, the first, has changed places with another."""
    ranks = torch.arange(math.prod(shape))
    ranks[0], ranks[place] = place, 0
    return DeviceMesh("cpu", ranks.view(shape), mesh_dim_names=("data", "tensor"))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def whole(seed: int = 3, shape: ModelConfig = SHAPE) -> dict[str, Tensor]:
    model = Transformer(shape)
    initialize(model, seed)
    return weights(model)


def one_normal_number(number: int, key: int) -> float:
    """SplitMix64 and Box-Muller, written with Python's integers and floats."""
    mask = (1 << 64) - 1
    z = (key + (number + 1) * 0x9E3779B97F4A7C15) & mask
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
    z ^= z >> 31
    uniform, angle = ((z >> 32) + 0.5) / 2**32, (z & 0xFFFFFFFF) / 2**32 * 2 * math.pi
    return math.sqrt(-2 * math.log(uniform)) * math.cos(angle)


@pytest.mark.parametrize("key", [0, 1, -1, 0x0123456789ABCDEF, -(1 << 63)])
def test_numbers_are_those_of_splitmix64_and_box_muller(key: int) -> None:
    numbers = [0, 1, 2, 1000, 1 << 33, (1 << 62) + 5]
    expected = [one_normal_number(number, key) for number in numbers]
    assert normal(torch.tensor(numbers), key).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_million_numbers_are_distributed_normally() -> None:
    x = normal(torch.arange(1_000_000), 77)
    assert x.mean().item() == pytest.approx(0, abs=0.004)  # four standard errors, as below
    assert x.var().item() == pytest.approx(1, abs=0.006)
    assert (x**3).mean().item() == pytest.approx(0, abs=0.016)
    assert (x**4).mean().item() == pytest.approx(3, abs=0.04)
    edges = torch.special.ndtri(torch.arange(1, 64) / 64).double()
    counts = torch.bincount(torch.bucketize(x, edges), minlength=64).double()
    assert ((counts - 15_625).square() / 15_625).sum().item() < 110  # chi-squared, 63 degrees: p > 0.0002
    for distance in (1, 2, 50, 4096):
        assert (x[distance:] * x[:-distance]).mean().item() == pytest.approx(0, abs=0.004)


def test_a_weight_depends_on_the_seed_the_name_and_its_place_alone() -> None:
    key = int.from_bytes(hashlib.sha256(b"3/output.weight").digest()[:8], "little", signed=True)
    expected = [0.02 * one_normal_number(32 * 49 + column, key) for column in range(32)]
    assert whole()["output.weight"][49].tolist() == pytest.approx(expected, rel=1e-6)
    longer = whole(shape=ModelConfig(32, 2, 4, 16, 2, vocabulary=60, multiple_of=8))
    assert torch.equal(longer["output.weight"][:50], whole()["output.weight"])
    assert not torch.equal(whole(4)["output.weight"], whole()["output.weight"])
    assert not torch.equal(whole()["tok_embeddings.weight"], whole()["output.weight"])


def test_weights_have_the_stated_deviations() -> None:
    made = whole(shape=ModelConfig(dim=128, layers=8, heads=4, context=16, vocabulary=1000, multiple_of=32))
    block = {name.removeprefix("layers.5."): weight for name, weight in made.items()}
    assert made["tok_embeddings.weight"].std().item() == pytest.approx(0.02, rel=0.02)
    assert block["attention.wq.weight"].std().item() == pytest.approx(0.02, rel=0.03)
    assert block["attention.wo.weight"].std().item() == pytest.approx(0.005, rel=0.03)
    assert block["feed_forward.w2.weight"].std().item() == pytest.approx(0.005, rel=0.03)
    assert bool((block["ffn_norm.weight"] == 1).all())


def test_numbers_at_once_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = whole()
    monkeypatch.setattr("trainer.initialization._AT_ONCE", {"cpu": 33})
    made = whole()
    assert all(torch.equal(made[name], weight) for name, weight in expected.items())


def test_other_precisions_begin_with_the_same_weights() -> None:
    model = Transformer(SHAPE).to(torch.bfloat16)
    initialize(model, 3)
    for (name, weight), expected in zip(weights(model).items(), whole().values(), strict=True):
        assert weight.dtype == torch.bfloat16
        assert torch.equal(weight, expected.to(torch.bfloat16)), name


@pytest.mark.parametrize(
    "placements",
    [
        (Shard(0), Replicate()),
        (Replicate(), Shard(1)),
        (Shard(0), Shard(1)),
        (Shard(1), Shard(0)),
        (Replicate(), Replicate()),
    ],
    ids=str,
)
def test_shards_of_any_layout_are_bitwise_the_whole(
    placements: tuple[Placement, Placement], one_of_eight: None
) -> None:
    class One(nn.Module):
        def __init__(self, weight: Tensor) -> None:
            super().__init__()
            self.weight = nn.Parameter(weight)

    plain = One(torch.empty(9, 10))  # uneven by 2 and by 4: the last of four gets nothing of the 9 rows
    initialize(plain, 5)
    for place in range(8):
        mesh = mesh_with_this_process_at(place, 2, 4)
        sharded = One(torch.distributed.tensor.empty(9, 10, device_mesh=mesh, placements=placements))
        initialize(sharded, 5)
        expected = plain.weight.detach()
        for placement, coordinate, parts in zip(placements, divmod(place, 4), (2, 4), strict=True):
            if isinstance(placement, Shard):
                chunks = expected.chunk(parts, placement.dim)
                nothing = expected.narrow(placement.dim, 0, 0)
                expected = chunks[coordinate] if coordinate < len(chunks) else nothing
        weight = sharded.weight
        assert isinstance(weight, DTensor)
        assert torch.equal(weight.to_local(), expected)


def test_fsdp_with_tensor_parallelism_begins_with_the_weights_of_one_process(one_of_eight: None) -> None:
    expected = whole()
    plan = {
        "attention.wq": ColwiseParallel(),
        "attention.wo": RowwiseParallel(),
        "feed_forward.w2": RowwiseParallel(),
    }
    for place in range(4):
        data, tensor = divmod(place, 2)
        mesh = mesh_with_this_process_at(place, 2, 2)
        with torch.device("meta"):
            model = Transformer(SHAPE)
        for block in model.layers:
            parallelize_module(block, mesh["tensor"], plan)
            fully_shard(block, mesh=mesh["data"])
        fully_shard(model, mesh=mesh["data"])
        model.to_empty(device="cpu")
        initialize(model, 3)
        for name, weight in weights(model).items():
            part = expected[name]
            if name.endswith("wq.weight"):
                part = part.chunk(2, 0)[tensor]
            if name.endswith(("wo.weight", "w2.weight")):
                part = part.chunk(2, 1)[tensor]
            assert isinstance(weight, DTensor)
            assert torch.equal(weight.to_local(), part.chunk(2, 0)[data]), name
