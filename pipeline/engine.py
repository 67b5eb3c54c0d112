"""The bridge to Beam: one DoFn that runs tasks.

Beam distributes descriptions of work; documents move through files. On a cluster the DoFn calls the task directly.
When the pipeline runs inside this process (FnApiRunner, the local default, named because `DirectRunner` changes its
meaning with the network) the DoFn hands its tasks to a pool of worker processes, so that all cores are used and a
killed worker is an error at once and not a hang. No code here knows which runner it is: the pool is there or it is not.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, _BeamArgumentParser
from apache_beam.runners.runner import create_runner
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.settings import UsageError, nearest
from pipeline.shuffle_keys import GatherKeys, is_shuffled
from pipeline.tasks import Task, execute

LOCAL_RUNNER = "--runner=FnApiRunner"

# The modules that tasks need, imported once in the server process that workers are forked from.
PRELOADED = ("pipeline.plan_run",)


class _Local:
    """What the DoFn finds when it runs inside the process that started the run."""

    pool: ProcessPoolExecutor | None = None
    finished: Callable[[str], None] | None = None
    interrupted = False


def _leave_with(run_alive: Connection) -> None:
    try:
        run_alive.recv_bytes()
    except EOFError:
        os._exit(1)


def open_stores(flags: Sequence[str]) -> None:
    """From here on this process opens files in stores as Beam's flags say; s3 is not opened without any."""
    FileSystems.set_options(PipelineOptions(list(flags)))


def _start_worker(run_alive: Connection, flags: Sequence[str]) -> None:
    """Workers leave Ctrl-C to the run, and end when the run is killed, so that nobody writes after it.

    The run holds the other end of `run_alive` and never writes: what comes is its end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(run_alive,), daemon=True).start()
    open_stores(flags)


@contextlib.contextmanager
def local_workers(workers: int, finished: Callable[[str], None], flags: Sequence[str] = ()) -> Iterator[None]:
    """Gives in-process pipelines a pool of `workers` processes; `finished(marker)` is called as each task ends. `flags`
    are Beam's, as for `open_stores`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    run_alive, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start_worker, initargs=(run_alive, flags)
    )
    _Local.pool, _Local.finished, _Local.interrupted = pool, finished, False

    def interrupt(number: int, frame: object) -> None:
        _Local.interrupted = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except BaseException:
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise
    else:
        pool.shutdown()
    finally:
        signal.signal(signal.SIGINT, before)
        held.close()
        run_alive.close()
        _Local.pool, _Local.finished = None, None


class RunTasks(beam.DoFn):
    """Runs each task; its output is the path of the task's marker."""

    def __init__(self, run: str) -> None:
        self._run = run

    def start_bundle(self) -> None:
        self._futures: dict[Future[str], Task] = {}

    def process(self, task: Task) -> Iterator[str]:
        if _Local.pool is None:
            yield execute(self._run, task)
            return
        try:
            self._futures[_Local.pool.submit(execute, self._run, task)] = task
        except BrokenProcessPool as error:
            raise self._killed() from error

    def finish_bundle(self) -> Iterator[Any]:
        for future in as_completed(self._futures):
            try:
                marker = future.result()
            except BrokenProcessPool as error:
                raise self._killed() from error
            if _Local.finished is not None:
                _Local.finished(marker)
            yield WindowedValue(marker, 0, (GlobalWindow(),))

    def _killed(self) -> ValueError:
        open_tasks = [t for f, t in self._futures.items() if not f.done() or f.exception()]
        running = ", ".join(f"{t.step} {t.name}" for t in open_tasks[:3]) or "no task"
        return ValueError(
            f"a worker process was killed (out of memory?) while these were running or waiting: {running}; "
            "the same command continues from there, fewer --workers need less memory"
        )


def check_flags(flags: Sequence[str]) -> None:
    """Raises UsageError for a flag that no options of Beam know, which Beam itself would drop without a word, and for a
    runner that is not there."""
    parser = _BeamArgumentParser(
        add_help=False, allow_abbrev=False, exit_on_error=False, conflict_handler="resolve"
    )
    for options in PipelineOptions.__subclasses__():
        options._add_argparse_args(parser)
    try:
        _, unknown = parser.parse_known_args(list(flags))
    except (argparse.ArgumentError, SystemExit) as error:
        raise UsageError(f"Beam's flags after --: {error}") from error
    if unknown:
        known = [option for action in parser._actions for option in action.option_strings]
        raise UsageError(f"Beam knows no {unknown[0]}; {nearest(unknown[0].split('=')[0], known)}")
    runner = PipelineOptions(list(flags)).view_as(StandardOptions).runner
    if runner is not None:
        try:
            create_runner(runner)
        except (ValueError, ImportError, AttributeError) as error:
            raise UsageError(f"Beam's flags after --: --runner={runner}: {error}") from error


def run_tasks(run: str, tasks: Sequence[Task], beam_flags: Sequence[str]) -> None:
    """Runs tasks as one Beam pipeline and waits for it.

    Raises the ValueError of the first task that fails; nothing of an unfinished task counts as done.
    """
    if not tasks:
        return
    flags = list(beam_flags)
    if not any(flag == "--runner" or flag.startswith("--runner=") for flag in flags):
        flags.insert(0, LOCAL_RUNNER)
        # What fails is raised here and told in one line; Beam would log its own stack of the same error before.
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    options = PipelineOptions(flags)
    pipeline = beam.Pipeline(options=options)
    shuffled = [task for task in tasks if is_shuffled(task)]
    others = [task for task in tasks if not is_shuffled(task)]
    elements = pipeline | "Tasks" >> beam.Create(others, reshuffle=False)
    spread = elements | "Spread" >> beam.Reshuffle()
    if shuffled:
        spread = (spread, pipeline | "GatherKeys" >> GatherKeys(run, shuffled)) | beam.Flatten()
    spread | "RunTasks" >> beam.ParDo(RunTasks(run))
    try:
        pipeline.run().wait_until_finish()
    except RuntimeError:
        if _Local.interrupted:  # Beam makes a RuntimeError of it
            raise KeyboardInterrupt from None
        raise
    except ValueError as error:
        raise ValueError(str(error).removesuffix(" [while running 'RunTasks']")) from error
