"""SIGINT and SIGTERM, which save before they stop: noted by the training process, not seen by its workers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["held_back", "ignore_stop_signals", "stop_signals"]

STOP = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM instead of dying of them; outside the main thread nothing changes."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, frame: object) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in STOP}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Processes that are started within are not hit by a signal to the whole group before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows there are no groups of this kind
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_stop_signals(worker: int) -> None:
    """What a worker process begins with: a terminal's Ctrl-C and a scheduler's SIGTERM reach it, too.

    It goes on to serve the step that is under way. Only the process that it works for can end it.
    """
    del worker
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
        threading.Thread(target=_end_with_parent, daemon=True).start()
    elif hasattr(os, "setsid"):  # macOS: out of the terminal's group
        os.setsid()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


def _end_with_parent() -> None:
    """Takes the signals that are blocked everywhere else in this process."""
    while True:
        caught = signal.sigwaitinfo(STOP)
        if caught.si_signo == signal.SIGTERM and caught.si_pid == os.getppid():
            os._exit(0)
