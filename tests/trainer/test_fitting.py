"""Which layout fits, and the message when none does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trainer import fitting
from trainer.cards import CARDS, GIB
from trainer.cost import Workload, memory
from trainer.fitting import (
    check_fits,
    choose_layout,
    largest_micro_batch,
    machine_memory,
    smallest_layout,
    tensor_degrees,
)
from trainer.layout import Layout, parse_layout
from trainer.presets import MODELS

A100 = CARDS["A100-80GB"].memory_bytes


def workload(model: str, micro_batch: int = 1, mode: str = "selective") -> Workload:
    return Workload(MODELS[model], 2048, micro_batch, Layout(), mode)  # type: ignore[arg-type]


def test_says_how_much_is_missing_and_what_to_change() -> None:
    work = workload("7B", 4, "none")
    needed = memory(work).total
    with pytest.raises(ValueError) as told:
        check_fits("7B", work, A100)
    assert str(told.value) == (
        f"train.preset: 7B needs {needed / GIB:.1f} GiB on each GPU (100.4 GiB of weights, gradients and moments, "
        f"{(needed - 16 * 6_738_415_616) / GIB:.1f} GiB to work), there are 79.1 GiB, "
        f"{(needed - A100) / GIB:.1f} GiB are missing: train on 2 GPUs with train.shard 2, "
        "train.micro_batch_sequences 1; or take a smaller model (1B fits)"
    )


def test_every_way_out_that_is_named_is_one() -> None:
    work = Workload(MODELS["7B"], 2048, 16, Layout(shard=8), "none")
    with pytest.raises(
        ValueError, match=r"are missing: set train\.micro_batch_sequences to (\d+); or"
    ) as told:
        check_fits("7B", work, A100)
    size = int(str(told.value).split("micro_batch_sequences to ")[1].split(";")[0])
    check_fits("7B", replace(work, micro_batch=size), A100)
    assert 16 % size == 0, "the loop takes divisors only"
    with pytest.raises(ValueError):
        check_fits("7B", replace(work, micro_batch=2 * size), A100)
    assert "set train.activation_checkpointing to full" in str(told.value)
    check_fits("7B", replace(work, checkpointing="full"), A100)


def test_names_checkpointing_with_one_sequence_when_only_both_help() -> None:
    work = Workload(MODELS["65B"], 2048, 64, Layout(shard=16), "selective")
    with pytest.raises(
        ValueError, match=r"activation_checkpointing to full and train\.micro_batch_sequences to 1;"
    ):
        check_fits("65B", work, A100)
    check_fits("65B", replace(work, checkpointing="full", micro_batch=1), A100)


def test_what_fits_is_returned_and_processes_share_the_memory_of_a_machine() -> None:
    work = replace(workload("toy"), compute_bytes=4, sequence_length=256)
    needed = memory(work, "cpu").total
    assert check_fits("toy", work, 2 * needed, "cpu", 2).total == needed
    message = r"toy needs .* on each of 3 processes .* there are .* GiB for all of them, .* are missing: take a larger"
    with pytest.raises(ValueError, match=message):
        check_fits("toy", work, 2 * needed, "cpu", 3)
    with pytest.raises(ValueError, match=r"on this machine .*: take a smaller model \(110M fits\)"):
        check_fits("7B", workload("7B"), 4 * GIB, "cpu")


def test_the_fewest_gpus_that_hold_each_size() -> None:
    """One sequence, what the paper recomputed; on as many GPUs with the least tensor parallelism."""
    fewest = {model: smallest_layout(workload(model), A100) for model in ("1B", "7B", "13B", "33B", "65B")}
    assert {model: str(layout) for model, layout in fewest.items()} == {
        "1B": "1x1x1", "7B": "1x2x1", "13B": "1x4x1", "33B": "1x4x2", "65B": "1x4x4",
    }  # fmt: skip
    assert smallest_layout(workload("65B"), 8 * GIB) is None


def test_shards_stay_in_a_node_and_copies_go_across() -> None:
    assert choose_layout(workload("1B"), 64, 1024, A100) == Layout(8, 8, 1)
    assert choose_layout(workload("7B"), 4, 2048, A100) == Layout(1, 4, 1)
    assert choose_layout(workload("65B"), 2048, 2048, A100) == Layout(64, 32, 1)
    assert choose_layout(workload("7B"), 12, 2048, A100) == Layout(1, 12, 1)


def test_tensor_parallelism_comes_when_the_batch_has_too_few_sequences() -> None:
    assert choose_layout(workload("65B"), 4096, 2048, A100) == Layout(128, 16, 2)
    assert choose_layout(workload("65B"), 1, 2048, A100) is None


def test_tensor_degrees_divide_heads_and_stay_in_a_node() -> None:
    assert tensor_degrees(workload("33B")) == [1, 2, 4]  # 52 heads
    assert tensor_degrees(workload("65B")) == [1, 2, 4, 8]
    assert tensor_degrees(workload("1B")) == [1, 2, 4]  # 4 heads of keys and values


def test_the_largest_micro_batch_is_a_power_of_two_that_divides() -> None:
    work = Workload(MODELS["1B"], 2048, 1, Layout(shard=8), "selective")
    size = largest_micro_batch(work, 128, A100)
    assert memory(replace(work, micro_batch=size)).total <= A100
    assert memory(replace(work, micro_batch=2 * size)).total > A100
    assert largest_micro_batch(work, 12, A100) == 4


def test_a_container_may_have_less_memory_than_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(fitting, "_CGROUP", limit)
    physical = machine_memory()
    limit.write_text("max\n")
    assert machine_memory() == physical > 1 << 28
    limit.write_text("1048576\n")
    assert machine_memory() == 1 << 20


@pytest.mark.parametrize("written", ["", "2x2", "2x2x2x2", "0x1x1", "ax1x1", "1x-1x1", "1x99999999x1"])
def test_refuses_what_is_no_layout(written: str) -> None:
    with pytest.raises(ValueError, match="layout"):
        parse_layout(written)


def test_reads_a_layout_as_it_is_printed() -> None:
    layout = parse_layout("16x128x2")
    assert (layout.replicate, layout.shard, layout.tensor, str(layout)) == (16, 128, 2, "16x128x2")
    assert (layout.processes, layout.readers) == (4096, 2048)
