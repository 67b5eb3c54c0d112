"""Where the CPU seconds of the real pipeline go, step by step. Run by floor_commoncrawl.py.

The tasks of a run are executed in this process, one after the other, without Beam and workers. A timer of CPU time
looks at the stack every two milliseconds and gives the seconds since its last look to the step whose code is the
innermost on the stack, so that nothing in the pipeline has to know of it. Start-up of Python and imports are not in it.
Prints the seconds of each step as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from unittest.mock import patch

from crawl_run import last_step

from pipeline import engine
from pipeline.run import Options, run_pipeline
from pipeline.settings import load_settings
from pipeline.tasks import Task, execute

ROOT = str(Path(__file__).resolve().parents[1]) + "/"
INTERVAL_SECONDS = 0.002

READ, KEYS, DUPLICATES = "read and text", "line keys", "duplicate lines"
LANGUAGE, PERPLEXITY, REFERENCE = "language id", "perplexity", "reference classifier"
PARTS, REST = "documents and part files", "plan, accounts, checksums"

# The beginning of a path in the checkout, or of `path:function`, and the step that it belongs to; the first that fits.
STEP_OF_CODE = (
    ("stages/duplicate_lines.py:line_hashes", KEYS),
    ("stages/line_hashing.py", KEYS),
    ("stages/line_normalising.py", KEYS),
    ("stages/duplicate_lines.py", DUPLICATES),
    ("pipeline/duplicates.py", DUPLICATES),
    ("pipeline/key_files.py", DUPLICATES),
    ("stages/warc", READ),
    ("stages/html_text.py", READ),
    ("stages/sources/common_crawl.py", READ),
    ("classifiers/language_id.py", LANGUAGE),
    ("stages/language.py", LANGUAGE),
    ("classifiers/fasttext_", LANGUAGE),
    ("classifiers/references.py", REFERENCE),
    ("stages/references.py", REFERENCE),
    ("classifiers/", PERPLEXITY),
    ("stages/perplexity.py", PERPLEXITY),
    ("stages/document.py", PARTS),
    ("pipeline/parts.py", PARTS),
    ("pipeline/files.py", PARTS),
    ("pipeline/", REST),
)


def step_of(frame: FrameType | None) -> str:
    """The step of the innermost frame that belongs to one."""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(ROOT):
            place = f"{code.co_filename.removeprefix(ROOT)}:{code.co_name}"
            for beginning, step in STEP_OF_CODE:
                if place.startswith(beginning):
                    return step
        frame = frame.f_back
    return REST


class StepTimer:
    """CPU seconds by step between `start` and `stop`."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._last = 0.0

    def start(self) -> None:
        self._last = time.process_time()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, number: int, frame: FrameType | None) -> None:
        now = time.process_time()
        self.seconds[step_of(frame)] += now - self._last
        self._last = now


@contextlib.contextmanager
def no_workers(workers: int, finished: Callable[[str], None], flags: Sequence[str] = ()) -> Iterator[None]:
    yield


def run_here(run: str, tasks: Sequence[Task], beam_flags: Sequence[str]) -> None:
    for task in tasks:
        execute(run, task)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("run")
    given = parser.parse_args()
    settings, timer = load_settings(given.config), StepTimer()
    options = Options(workers=1, only=last_step(settings), quiet=True)
    with patch.multiple(engine, local_workers=no_workers, run_tasks=run_here):
        timer.start()
        run_pipeline(settings, given.run, options)
        timer.stop()
    print(json.dumps(timer.seconds))


if __name__ == "__main__":
    main()
