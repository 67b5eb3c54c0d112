"""One training a run: two of them would write the same checkpoints and metrics."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_training(run: Path) -> Iterator[None]:
    """Holds RUN/train/lock, which the end of the process frees too; ValueError when another training holds it."""
    path = run / "train" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"{run / 'train'}: is being trained by another process: wait for its end"
            ) from error
        yield
