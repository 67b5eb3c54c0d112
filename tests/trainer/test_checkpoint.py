from __future__ import annotations

import errno
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import xxhash
from safetensors import safe_open
from torch import Tensor
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import WriteResult
from torch.distributed.tensor import DTensor
from torch.futures import Future

from tests.trainer.gloo_processes import ProcessesFailedError, run_in_processes
from tests.trainer.small_training import CONFIG, SmallTraining, full_weights
from trainer import checkpoint as checkpoint_module
from trainer.checkpoint import (
    Checkpoint,
    CheckpointWriter,
    _Writer,
    checkpoint_path,
    list_checkpoints,
    load,
    load_weights,
    model_config,
    newest_good,
    read_state,
)
from trainer.layout import Layout
from trainer.model import Transformer
from trainer.processes import process_group, process_rank

ONE, SHARD, TENSOR = Layout(1, 1, 1), Layout(1, 2, 1), Layout(1, 1, 2)


def continued(run: Path, layout: Layout) -> SmallTraining:
    """A training that goes on from the newest checkpoint of a run."""
    training = SmallTraining(layout)
    checkpoint, message = newest_good(run)
    assert checkpoint is not None and not message
    load(checkpoint, training.model, training.optimizer)
    training.step = checkpoint.step
    return training


def digest(training: SmallTraining) -> str:
    """One number for every bit of what this process holds of weights and moments."""
    bits = xxhash.xxh3_64()
    for parameter in training.model.parameters():
        state = training.optimizer.state[parameter]
        for tensor in (parameter, state["exp_avg"], state["exp_avg_sq"]):
            assert isinstance(tensor, DTensor)
            bits.update(tensor.to_local().detach().numpy().tobytes())
        bits.update(str(float(state["step"])).encode())
    return bits.hexdigest()


def save(run: Path, training: SmallTraining, keep: int = 3) -> CheckpointWriter:
    writer = CheckpointWriter(run, keep)
    writer.save(training.step, training.model, training.optimizer, {"rows": 4, "model": asdict(CONFIG)})
    return writer


def two_processes(folder: Path) -> dict[str, object]:
    told: dict[str, object] = {}
    with process_group("cpu", timedelta(seconds=60)):
        training = SmallTraining(SHARD)
        first = training.run(2)
        writer = save(folder / "two", training)
        told["steps"] = first + training.run(2)  # while the checkpoint is written
        writer.wait()
        told["uninterrupted"] = digest(training)

        again = continued(folder / "two", SHARD)
        save(folder / "waited for", again).wait()
        told["again"] = again.run(2)
        told["resumed"] = digest(again)

        told["on other axis"] = continued(folder / "two", TENSOR).run(2)

        again.step = 5
        save(folder / "damaged", training).wait()
        save(folder / "damaged", again).wait()
        if process_rank()[0] == 0:
            newest = checkpoint_path(folder / "damaged", 5)
            flip_a_byte(newest / sorted(read_state(newest).files)[-1])  # one that process 1 checks
        torch.distributed.barrier()
        found, told["message"] = newest_good(folder / "damaged")
        told["used"] = found.path.name if found else None
    return told


def dies_before_the_rename(folder: Path) -> None:
    with process_group("cpu", timedelta(seconds=60)):
        training = SmallTraining(SHARD)
        training.run(1)
        save(folder / "killed", training).wait()
        Path.rename = lambda self, target: os._exit(9)  # type: ignore[method-assign]
        training.run(1)
        save(folder / "killed", training).wait()


def stored(path: Path) -> dict[str, tuple[dict[str, str], bytes]]:
    """The metadata and the tensors' bytes of each file; the order of the former is not fixed by safetensors."""
    contents = {}
    for file in sorted(path.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            metadata = tensors.metadata()
        data = file.read_bytes()
        contents[file.name] = metadata, data[8 + int.from_bytes(data[:8], "little") :]
    return contents


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def two(folder: Path) -> list[Any]:
    return run_in_processes(two_processes, 2, folder)


@pytest.fixture(scope="module", autouse=True)
def group() -> Iterator[None]:
    with process_group("cpu"):
        yield


@pytest.fixture(scope="module")
def alone() -> tuple[list[list[float]], dict[str, Tensor]]:
    """The losses of four steps of one process, and its weights after the second."""
    training = SmallTraining(ONE)
    steps = training.run(2)
    weights = {name: tensor.clone() for name, tensor in full_weights(training.model)}
    return steps + training.run(2), weights


def test_the_same_layout_continues_to_the_same_bits(two: list[Any]) -> None:
    for process in two:
        assert process["resumed"] == process["uninterrupted"]
        assert process["again"] == process["steps"][2:]
    assert two[0]["resumed"] != two[1]["resumed"]  # each process holds another part


def test_what_is_written_meanwhile_is_what_was_there_at_the_save(two: list[Any], folder: Path) -> None:
    meanwhile, waited_for = (read_state(checkpoint_path(folder / run, 2)) for run in ("two", "waited for"))
    assert len(meanwhile.files) == 4
    assert stored(meanwhile.path) == stored(waited_for.path)


def test_two_processes_continue_on_one(two: list[Any], folder: Path, alone: Any) -> None:
    training = continued(folder / "two", ONE)
    for (loss, norm), (loss_alone, norm_alone) in zip(training.run(2), alone[0][2:], strict=True):
        assert abs(loss - loss_alone) < 2e-6 and abs(norm / norm_alone - 1) < 2e-6


def test_sharded_processes_continue_as_tensor_parallel_ones(two: list[Any], alone: Any) -> None:
    for process in two:
        for (loss, norm), (loss_alone, norm_alone) in zip(
            process["on other axis"], alone[0][2:], strict=True
        ):
            assert abs(loss - loss_alone) < 2e-6 and abs(norm / norm_alone - 1) < 2e-6


def test_a_plain_model_gets_the_weights_of_two_processes(two: list[Any], folder: Path, alone: Any) -> None:
    model = Transformer(CONFIG)
    load_weights(checkpoint_path(folder / "two", 2), model)
    for name, parameter in model.named_parameters():
        assert float((parameter.detach() - alone[1][name]).abs().max()) < 3e-5, name


def test_processes_agree_on_what_is_damaged(two: list[Any], folder: Path) -> None:
    assert two[0]["message"] == two[1]["message"]
    assert two[0]["used"] == two[1]["used"] == "step-000004"
    assert two[0]["message"].startswith(
        f"{folder}/damaged/train/checkpoints: step-000005 is damaged (shard-00002-"
    )
    assert two[0]["message"].endswith("): step-000004 is used instead")


def test_a_process_that_is_killed_before_the_rename_leaves_the_last_checkpoint(folder: Path) -> None:
    with pytest.raises(ProcessesFailedError) as failed:
        run_in_processes(dies_before_the_rename, 2, folder, timeout=40)
    assert failed.value.codes == [9, 1]  # process 1 is told, and does not wait for ever
    run = folder / "killed"
    names = sorted(path.name for path in (run / "train" / "checkpoints").iterdir())
    assert names == ["latest", "step-000001", "step-000002.tmp"]
    training = continued(run, ONE)
    assert training.step == 1
    training.run(2)
    save(run, training).wait()
    names = sorted(path.name for path in (run / "train" / "checkpoints").iterdir())
    assert names == ["latest", "step-000001", "step-000003"]


def test_the_copy_is_made_before_the_save_returns(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = continued(run, ONE)
    changed = threading.Event()
    write = _Writer.write_data

    def late(self: _Writer, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        assert changed.wait(20)
        return write(self, plan, planner)

    monkeypatch.setattr(_Writer, "write_data", late)
    writer = save(run / "again", training)
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.zero_()
    changed.set()
    writer.wait()
    assert stored(checkpoint_path(run / "again", 2)) == stored(checkpoint_path(run, 2))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of one process with the checkpoints of steps 1 and 2."""
    training = SmallTraining(ONE)
    for _ in range(2):
        training.run(1)
        save(tmp_path, training).wait()
    return tmp_path


def test_a_checkpoint_says_what_the_loop_gave(run: Path) -> None:
    path = checkpoint_path(run, 2)
    found, message = newest_good(run)
    assert found == read_state(path) and message == ""
    assert found is not None
    assert (found.path, found.step, found.optimizer_steps) == (path, 2, 2)
    assert found.state == {"rows": 4, "model": asdict(CONFIG)}
    assert model_config(found) == CONFIG
    assert json.loads((path / "state.json").read_text())["format_version"] == 2
    for name, (size, hexadecimal) in found.files.items():
        content = (path / name).read_bytes()
        assert (size, hexadecimal) == (len(content), xxhash.xxh3_64(content).hexdigest())


def test_weights_and_moments_are_in_files_of_their_own(run: Path) -> None:
    names = []
    for file in sorted(checkpoint_path(run, 2).glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            names.append(sorted(tensors.keys()))
    weights = sorted(name for name, _ in Transformer(CONFIG).named_parameters())
    assert names == [
        weights,
        sorted(f"{moment}.{name}" for moment in ("exp_avg", "exp_avg_sq") for name in weights),
    ]


def test_large_tensors_go_to_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_module, "MAX_FILE_BYTES", 100_000)
    training = SmallTraining(ONE)
    training.run(1)
    save(tmp_path, training).wait()
    found = read_state(checkpoint_path(tmp_path, 1))
    assert len(found.files) == 18
    assert max(size for size, _ in found.files.values()) < 110_000
    before = digest(training)
    assert digest(continued(tmp_path, ONE)) == before


def test_the_newest_are_kept_and_the_newest_is_named(tmp_path: Path) -> None:
    training = SmallTraining(ONE)
    writer = CheckpointWriter(tmp_path, keep=2)
    for step in range(1, 5):
        writer.save(step, training.model, training.optimizer, {})
    writer.wait()
    assert list_checkpoints(tmp_path) == [checkpoint_path(tmp_path, 3), checkpoint_path(tmp_path, 4)]
    assert (tmp_path / "train" / "checkpoints" / "latest").read_text() == "step-000004\n"


def test_a_forward_pass_before_the_save_changes_nothing(run: Path) -> None:
    training = continued(run, ONE)
    with torch.no_grad():
        training.model(torch.zeros(1, 8, dtype=torch.int64))  # leaves the root's weights gathered
    again = run / "again"
    save(again, training).wait()
    assert stored(checkpoint_path(again, 2)) == stored(checkpoint_path(run, 2))


def test_a_training_that_has_made_no_step_can_be_saved(tmp_path: Path) -> None:
    training = SmallTraining(ONE)
    save(tmp_path, training).wait()
    assert digest(continued(tmp_path, ONE)) == digest(training)
    assert training.run(2) == continued(tmp_path, ONE).run(2) == SmallTraining(ONE).run(2)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGES: dict[str, tuple[Any, str]] = {
    "flipped byte": (
        lambda path: flip_a_byte(path / "shard-00001-model-00001-of-00002.safetensors"),
        r"shard-00001-model-00001-of-00002\.safetensors is not what was written: xxh3-64 \w{16}, was \w{16}",
    ),
    "cut file": (
        lambda path: cut(path / "shard-00001-model-00002-of-00002.safetensors"),
        r"shard-00001-model-00002-of-00002\.safetensors has [\d,]+ bytes, was written with [\d,]+",
    ),
    "missing file": (
        lambda path: (path / "shard-00001-model-00002-of-00002.safetensors").unlink(),
        r"shard-00001-model-00002-of-00002\.safetensors is missing",
    ),
    "foreign file": (
        lambda path: (path / "other.safetensors").write_bytes(b""),
        r"other\.safetensors is not of this checkpoint",
    ),
    "cut state": (lambda path: cut(path / "state.json"), r"state\.json cannot be read: .+"),
    "odd state": (
        lambda path: (path / "state.json").write_text('{"format_version": 2, "files": 7}'),
        r"state\.json cannot be read: .+",
    ),
    "missing state": (lambda path: (path / "state.json").unlink(), r"state\.json is missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_and_told(damage: str, run: Path) -> None:
    harm, reason = DAMAGES[damage]
    harm(checkpoint_path(run, 2))
    found, message = newest_good(run)
    assert found is not None and found.path == checkpoint_path(run, 1)
    folder = run / "train" / "checkpoints"
    assert re.fullmatch(
        rf"{folder}: step-000002 is damaged \({reason}\): step-000001 is used instead", message
    )
    harm(checkpoint_path(run, 1))
    with pytest.raises(
        ValueError,
        match=rf"^{folder}: step-000002 is damaged \({reason}\); step-000001 is damaged \({reason}\): restore one, "
        rf"or begin anew by moving {run}/train away$",
    ):
        newest_good(run)


def test_a_damaged_checkpoint_gives_way_to_the_next_good_one(run: Path) -> None:
    flip_a_byte(checkpoint_path(run, 2) / "shard-00001-model-00001-of-00002.safetensors")
    training = SmallTraining(ONE)
    found, _ = newest_good(run)
    assert found is not None
    load(found, training.model, training.optimizer)
    training.step = 1
    training.run(1)
    save(run, training).wait()
    found, message = newest_good(run)
    assert found is not None and found.path == checkpoint_path(run, 2) and message == ""
    names = sorted(path.name for path in found.path.parent.iterdir())
    assert names == ["latest", "step-000001", "step-000002"]


def test_damaged_checkpoints_of_later_steps_go_with_the_next_good_one(tmp_path: Path) -> None:
    training = SmallTraining(ONE)
    for step in (10, 20):
        training.step = step
        save(tmp_path, training, keep=1 + step // 10).wait()
    cut(checkpoint_path(tmp_path, 20) / "state.json")
    again = SmallTraining(ONE)
    again.step = 15
    save(tmp_path, again, keep=2).wait()  # or keeping the newest two would be keeping one that is good
    assert list_checkpoints(tmp_path) == [checkpoint_path(tmp_path, 10), checkpoint_path(tmp_path, 15)]


def test_a_run_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert newest_good(tmp_path) == (None, "")


def test_a_checkpoint_of_another_version_is_refused(run: Path) -> None:
    file = checkpoint_path(run, 2) / "state.json"
    file.write_text('{"format_version": 1, "step": 2}')
    for read in (lambda: newest_good(run), lambda: read_state(file.parent)):
        with pytest.raises(
            ValueError,
            match=rf"^{file}: checkpoint format 1, this version reads 2: continue with the version",
        ):
            read()


def test_a_checkpoint_of_another_shape_is_refused(run: Path) -> None:
    wider = Transformer(replace(CONFIG, dim=128))
    deeper = Transformer(replace(CONFIG, layers=3))
    with pytest.raises(
        ValueError, match=r"step-000002: does not fit the model \(process 0: Size mismatch .+\): set"
    ):
        load_weights(checkpoint_path(run, 2), wider)
    with pytest.raises(
        ValueError, match=r"step-000002: does not fit the model \(process 0: .*layers\.2\..+\): set"
    ):
        load_weights(checkpoint_path(run, 2), deeper)


@pytest.mark.parametrize("model", [None, 7, {"dim": "64"}, {"dim": 64}, {**asdict(CONFIG), "heads": 5}])
def test_a_checkpoint_without_a_shape_is_refused(model: object, tmp_path: Path) -> None:
    odd = Checkpoint(tmp_path / "step-000002", 2, 2, {"model": model}, {})
    with pytest.raises(
        ValueError, match=r"step-000002/state\.json: no shape of a model in it \(.+\): restore it"
    ):
        model_config(odd)


def test_a_full_disk_is_told_and_leaves_the_last_checkpoint(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> tuple[int, str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    training = continued(run, ONE)
    training.run(1)
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint_module, "size_and_hash", full)
        writer = save(run, training)
        with pytest.raises(
            ValueError, match=r"step-000003: not written \(process 0: .*No space left on device\): mend"
        ):
            writer.wait()
    assert list_checkpoints(run)[-1] == checkpoint_path(run, 2)
    writer.save(3, training.model, training.optimizer, {})
    writer.wait()
    assert list_checkpoints(run)[-1] == checkpoint_path(run, 3)
