"""Tasks: keys, markers, what makes a task run again; and the engine's behaviour when a worker fails or dies."""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import S3Options

from pipeline import engine, files, tasks
from pipeline.curate import RawInput
from pipeline.plan import Done, Node
from pipeline.settings import UsageError
from pipeline.tasks import Result, Task, execute, is_done
from stages.length import KeepLength
from stages.sources.books import Books


@dataclass(frozen=True)
class Work:
    number: int
    mode: str = "write"


def body(run: str, work: Work) -> Result:
    if work.mode == "fail":
        raise ValueError("input.gz: is damaged; fetch it again")
    if work.mode == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    if work.mode == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    path = f"out/{work.number}.json"
    return Result({path: files.write_json(files.join(run, path), work.number)}, {"number": work.number})


def task(number: int, mode: str = "write") -> Task:
    return Task("step/part", f"part-{number}", body, Work(number, mode), {})


def test_a_task_is_done_when_marker_and_output_stand(tmp_path: Path) -> None:
    run, t = str(tmp_path), task(1)
    assert not is_done(run, t)
    assert execute(run, t) == "work/step/part/part-1.done.json"
    assert is_done(run, t)
    marker = tasks.marker_of(run, t)
    assert marker is not None and marker["statistics"] == {"number": 1}
    assert marker["outputs"]["out/1.json"]["bytes"] == 2
    (tmp_path / "out/1.json").unlink()
    assert not is_done(run, t)


def test_an_output_that_another_task_wrote_over_is_not_taken_for_done(tmp_path: Path) -> None:
    run, t = str(tmp_path), task(1)
    execute(run, t)
    files.write_json(files.join(run, "out/1.json"), 2)  # the same size, later
    os.utime(tmp_path / "out/1.json", (time.time() + 5, time.time() + 5))
    assert not is_done(run, t)
    execute(run, t)
    (tmp_path / "out/1.json").write_bytes(b"")
    assert not is_done(run, t)


def test_where_an_input_lies_does_not_change_the_key() -> None:
    here, there = (RawInput(path, "a.txt", Books()) for path in ("/here/a.txt", "/there/a.txt"))
    assert replace(task(1), descriptor=here).key() == replace(task(1), descriptor=there).key()


def test_a_full_disk_is_one_line_with_the_task(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^step/part part-1: .*No space left"):
        execute(str(tmp_path), task(1, "full"))


def test_a_marker_of_other_code_is_refused(tmp_path: Path) -> None:
    execute(str(tmp_path), task(1))
    done = Done(str(tmp_path))
    with pytest.raises(ValueError, match="another version of the code"):
        done.record(Node("step/part", (), list), [replace(task(1), reads={"other": "1"})])


@pytest.mark.parametrize("flag", ["--runnr=DataflowRunner", "--direct_num_workers=two"])
def test_a_flag_that_beam_does_not_know_is_refused(flag: str) -> None:
    with pytest.raises(UsageError, match=flag.split("=")[0]):
        engine.check_flags([flag])
    engine.check_flags(["--runner=PrismRunner", "--project=p", "--no_save_main_session"])


@pytest.mark.parametrize("runner", ["Foo", "no.such.Runner", "os.Runner"])
def test_a_runner_that_is_not_there_is_refused(runner: str) -> None:
    with pytest.raises(UsageError, match=f"--runner={runner}: "):
        engine.check_flags([f"--runner={runner}"])


def test_settings_inputs_and_code_make_another_key() -> None:
    t = task(1)
    assert t.key() == task(1).key()
    assert t.key() != replace(t, descriptor=Work(1, "other")).key()
    assert t.key() != replace(t, reads={"a": "1"}).key()
    assert replace(t, reads={"a": "1"}).key() != replace(t, reads={"a": "2"}).key()
    stage = replace(t, descriptor=KeepLength(min_characters=3))
    assert stage.key() != replace(t, descriptor=KeepLength(min_characters=4)).key()


def test_code_digest_covers_what_a_module_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: (seen.append(self.name), read(self))[1])
    tasks.code_digest.cache_clear()
    tasks.code_digest(("stages.length",))
    tasks.code_digest.cache_clear()
    assert {"length.py", "document.py"} <= set(seen)
    assert "latex.py" not in seen


def test_nothing_half_written_is_left_when_a_writer_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.create(str(tmp_path / "a.bin")) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_names_step_and_task_in_one_line(tmp_path: Path, workers: int) -> None:
    wanted = "^step/part part-2: input.gz: is damaged; fetch it again$"
    with pytest.raises(ValueError, match=wanted):
        if workers:
            with engine.local_workers(workers, lambda marker: None):
                engine.run_tasks(str(tmp_path), [task(1), task(2, "fail")], ())
        else:
            engine.run_tasks(str(tmp_path), [task(1), task(2, "fail")], ())


def s3_region() -> str | None:
    store = FileSystems.get_filesystem("s3://bucket/a")
    region = store._options.view_as(S3Options).s3_region_name
    assert region is None or isinstance(region, str)
    return region


def test_workers_open_stores_as_the_flags_say() -> None:
    with engine.local_workers(1, lambda marker: None, ["--s3_region_name=eu-north-1"]):
        assert engine._Local.pool is not None
        assert engine._Local.pool.submit(s3_region).result() == "eu-north-1"


def test_a_killed_worker_is_an_error_and_not_a_hang(tmp_path: Path) -> None:
    wanted = r"a worker process was killed .* the same command continues"
    with pytest.raises(ValueError, match=wanted), engine.local_workers(2, lambda marker: None):
        engine.run_tasks(str(tmp_path), [task(1), task(2, "die"), task(3)], ())


def test_bundle_replay_gives_the_same_files(tmp_path: Path) -> None:
    finished: list[str] = []
    with engine.local_workers(2, finished.append):
        engine.run_tasks(str(tmp_path / "a"), [task(1), task(2)], ("--direct_runner_bundle_repeat=1",))
    engine.run_tasks(str(tmp_path / "b"), [task(1), task(2)], ())
    assert len(finished) == 4
    for name in ("out/1.json", "work/step/part/part-2.done.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
