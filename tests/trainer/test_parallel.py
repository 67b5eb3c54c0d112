from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.utils.flop_counter import FlopCounterMode

from tests.trainer.gloo_processes import run_in_processes
from tests.trainer.small_training import CONFIG, LENGTH, ROWS, SmallTraining, full_weights
from trainer.checkpoint import CheckpointWriter, load, newest_good
from trainer.initialization import initialize
from trainer.layout import Layout
from trainer.model import Transformer
from trainer.parallel import check_layout, clip_gradients
from trainer.presets import MODELS
from trainer.processes import process_group, process_rank

STEPS = 6
ONE = Layout(1, 1, 1)
TWO: dict[str, dict[str, Any]] = {
    "shard": {"layout": Layout(1, 2, 1)},
    "shard, weights stay gathered": {"layout": Layout(1, 2, 1), "reshard_after_forward": False},
    "shard, accumulated": {"layout": Layout(1, 2, 1), "accumulate": 2},
    "shard, selective": {"layout": Layout(1, 2, 1), "checkpointing": "selective"},
    "shard, full": {"layout": Layout(1, 2, 1), "checkpointing": "full"},
    "shard, bf16": {"layout": Layout(1, 2, 1), "precision": "bf16"},
    "replicate, accumulated": {"layout": Layout(2, 1, 1), "accumulate": 2},
    "tensor": {"layout": Layout(1, 1, 2)},
    "tensor, accumulated, selective": {
        "layout": Layout(1, 1, 2),
        "accumulate": 2,
        "checkpointing": "selective",
    },
    "tensor, documents": {"layout": Layout(1, 1, 2), "documents": True},
    "shard, bf16, selective, compiled": {
        "layout": Layout(1, 2, 1),
        "precision": "bf16",
        "checkpointing": "selective",
        "compile_blocks": True,
    },
}
FOUR: dict[str, dict[str, Any]] = {
    "replicate x shard": {"layout": Layout(2, 2, 1)},
    "shard x tensor": {"layout": Layout(1, 2, 2)},
    "shard x tensor, bf16, selective": {
        "layout": Layout(1, 2, 2),
        "precision": "bf16",
        "checkpointing": "selective",
    },
}


def _in_each(cases: dict[str, dict[str, Any]], folder: Path) -> dict[str, object]:
    """Trains each case; process 0 leaves the weights and logits in the folder, all tell losses and norms."""
    told: dict[str, object] = {}
    for name, case in cases.items():
        training = SmallTraining(**case)
        steps = training.run(STEPS)
        weights = dict(full_weights(training.model))
        with torch.no_grad():
            weights["logits"] = training.model(torch.arange(LENGTH)[None]).float().contiguous()
        if process_rank()[0] == 0:
            save_file(weights, folder / f"{name}.safetensors")
        told[name] = {"steps": steps, "rank": [training.rank, training.ranks]}
    return told


def four_processes(folder: Path) -> dict[str, object]:
    with process_group("cpu", timedelta(seconds=60)):
        told = _in_each(FOUR, folder)
        training = SmallTraining(Layout(1, 2, 2))
        training.run(STEPS - 2)
        writer = CheckpointWriter(folder, keep=1)
        writer.save(training.step, training.model, training.optimizer, {})
        writer.wait()
    return told


def two_processes(folder: Path) -> dict[str, object]:
    with process_group("cpu", timedelta(seconds=60)):
        told = _in_each(TWO, folder)
        training = SmallTraining(Layout(1, 2, 1))
        checkpoint, _ = newest_good(folder)
        assert checkpoint is not None
        load(checkpoint, training.model, training.optimizer)
        training.step = checkpoint.step
        told["from four"] = training.run(2)
    return told


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("parallel")


@pytest.fixture(scope="module")
def four(folder: Path) -> list[Any]:
    return run_in_processes(four_processes, 4, folder)


@pytest.fixture(scope="module")
def two(folder: Path, four: list[Any]) -> list[Any]:
    return run_in_processes(two_processes, 2, folder)


@pytest.fixture(scope="module")
def group() -> Iterator[None]:
    with process_group("cpu"):
        yield


@pytest.fixture(scope="module")
def alone(group: None) -> dict[bool, tuple[list[list[float]], dict[str, Tensor]]]:
    """What one process learns, without and with a mask of documents."""
    learned = {}
    for documents in (False, True):
        training = SmallTraining(ONE, documents=documents)
        steps = training.run(STEPS)
        weights = dict(full_weights(training.model))
        with torch.no_grad():
            weights["logits"] = training.model(torch.arange(LENGTH)[None])
        learned[documents] = steps, weights
    return learned


def test_one_process_learns(alone: dict[bool, Any]) -> None:
    losses = [loss for loss, _ in alone[False][0]]
    assert losses[0] == pytest.approx(5.77, abs=0.05)  # ln 321
    assert losses == sorted(losses, reverse=True) and losses[-1] < 5.3


@pytest.mark.parametrize("name", [*TWO, *FOUR])
def test_every_layout_learns_what_one_process_learns(
    name: str, folder: Path, alone: dict[bool, Any], request: pytest.FixtureRequest
) -> None:
    processes = request.getfixturevalue("two" if name in TWO else "four")
    case = {**TWO, **FOUR}[name]
    expected, weights = alone[case.get("documents", False)]
    # Of 6 steps at a rate of 0.001, which move a weight by 0.006 at most; the bounds are research figures, doubled.
    loss_bound, norm_bound, weight_bound = (
        (5e-3, 1e-2, 4e-3) if case.get("precision") == "bf16" else (2e-6, 2e-6, 3e-5)
    )
    for process in processes:
        assert process[name]["steps"] == processes[0][name]["steps"]  # to the bit
    for (loss, norm), (loss_alone, norm_alone) in zip(processes[0][name]["steps"], expected, strict=True):
        assert abs(loss - loss_alone) < loss_bound
        assert abs(norm / norm_alone - 1) < norm_bound
    found = load_file(folder / f"{name}.safetensors")
    assert found.keys() == weights.keys()
    logits = found.pop("logits")
    assert float((logits - weights["logits"]).abs().max()) < 50 * weight_bound
    for tensor, value in found.items():
        assert float((value - weights[tensor]).abs().max()) < weight_bound, tensor


def test_two_processes_continue_what_four_began(two: list[Any], alone: dict[bool, Any]) -> None:
    for process in two:
        for (loss, norm), (loss_alone, norm_alone) in zip(
            process["from four"], alone[False][0][-2:], strict=True
        ):
            assert abs(loss - loss_alone) < 2e-6
            assert abs(norm / norm_alone - 1) < 2e-6


def test_tensor_parallel_peers_read_the_same_rows(two: list[Any], four: list[Any]) -> None:
    assert [process["shard"]["rank"] for process in two] == [[0, 2], [1, 2]]
    assert [process["tensor"]["rank"] for process in two] == [[0, 1], [0, 1]]
    assert [process["replicate x shard"]["rank"] for process in four] == [[0, 4], [1, 4], [2, 4], [3, 4]]
    assert [process["shard x tensor"]["rank"] for process in four] == [[0, 2], [0, 2], [1, 2], [1, 2]]


@pytest.mark.filterwarnings("ignore")  # the compiler looks at what it would warn others of
def test_compiled_blocks_learn_the_same(alone: dict[bool, Any]) -> None:
    steps = SmallTraining(ONE, compile_blocks=True, checkpointing="selective").run(2)
    for (loss, norm), (loss_alone, norm_alone) in zip(steps, alone[False][0][:2], strict=True):
        assert abs(loss - loss_alone) < 2e-6
        assert abs(norm / norm_alone - 1) < 2e-6


def test_selective_checkpointing_computes_no_product_again(group: None) -> None:
    products = {}
    for checkpointing in ("none", "selective", "full"):
        training = SmallTraining(ONE, checkpointing=checkpointing)
        with FlopCounterMode(display=False) as counter:
            training.run(1)
        products[checkpointing] = counter.get_total_flops()
    assert products["selective"] == products["none"]
    width, tokens = CONFIG.dim, ROWS * LENGTH
    # wq, wo; wk, wv of half the heads; w1, w3. Nothing needs the output of w2 again; the counter knows no attention.
    again = 2 * tokens * (2 * width**2 + 2 * width * (width // 2) + 2 * width * CONFIG.hidden)
    assert products["full"] - products["none"] == CONFIG.layers * again


def test_the_gradient_norm_is_that_of_all_parameters(group: None) -> None:
    training = SmallTraining(ONE)
    plain = Transformer(CONFIG)
    initialize(plain, seed=1)
    rows = training.rows(1)
    for model in (training.model, plain):
        total, _ = model(rows[:, :-1], rows[:, 1:].contiguous())
        (total / 10).backward()
    unclipped = [copy.deepcopy(parameter.grad) for parameter in plain.parameters()]
    norm = clip_gradients(training.model, 2.0)
    assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(plain.parameters(), 2.0)), rel=1e-6)
    assert norm > 2.0
    for parameter, expected, before in zip(
        training.model.parameters(), plain.parameters(), unclipped, strict=True
    ):
        assert isinstance(parameter.grad, DTensor) and before is not None
        clipped = parameter.grad.full_tensor()
        torch.testing.assert_close(clipped, expected.grad, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(clipped, before * (2.0 / norm), rtol=1e-5, atol=1e-7)


def test_names_stay_those_of_the_model(group: None) -> None:
    names = [name for name, _ in Transformer(CONFIG).named_parameters()]
    training = SmallTraining(ONE, checkpointing="selective", compile_blocks=True)
    assert [name for name, _ in training.model.named_parameters()] == names


def test_a_layout_for_another_number_of_processes_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"^train\.replicate, shard and tensor: 2x4x1 is for 8 processes, there are 4: change them, or start "
        r"8 with torchrun$",
    ):
        check_layout(Layout(2, 4, 1), MODELS["7B"], 2048, 4)


def test_a_tensor_degree_that_divides_is_asked_for() -> None:
    check_layout(Layout(1, 1, 4), MODELS["33B"], 2048, 4)
    with pytest.raises(
        ValueError,
        match=r"^train\.tensor: 8 tensor-parallel processes do not divide heads \(52\) and key and value heads "
        r"\(52\): possible here: 1, 2, 4$",
    ):
        check_layout(Layout(1, 1, 8), MODELS["33B"], 2048, 8)
    odd = replace(MODELS["toy"], heads=4, kv_heads=2)
    with pytest.raises(ValueError, match=r"divide key and value heads \(2\) and the sequence length \(255\)"):
        check_layout(Layout(1, 1, 4), odd, 255, 4)
