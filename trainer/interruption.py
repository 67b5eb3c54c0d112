"""An end in order: the signals that ask a training to stop are remembered until its step is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interruption() -> Iterator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM has come. A second SIGINT acts at once, a second SIGTERM does not: schedulers send it
    to every process, and torchrun passes its own on. Off the main thread Python allows no handlers."""
    received = False

    def handle(number: int, frame: object) -> None:
        nonlocal received
        received = True
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)  # also where a shell has had it ignored

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in previous:
            signal.signal(number, handle)
        yield lambda: received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
