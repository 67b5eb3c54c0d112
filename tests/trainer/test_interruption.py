from __future__ import annotations

import os
import signal
import threading

import pytest

from trainer.interruption import interruption


def test_signals_are_remembered_and_handlers_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruption() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # the scheduler's, and torchrun's own
        assert interrupted()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_interrupt_acts_at_once() -> None:
    with interruption() as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_off_the_main_thread_nothing_is_handled() -> None:
    found: list[bool] = []

    def ask() -> None:
        with interruption() as interrupted:
            found.append(interrupted())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert found == [False]
