"""Whose turn it is: one drawing at a time, the newest wish of a page before its older ones, a bounded queue."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["Cancelled", "Desk", "DeskFull", "Job"]

Event = tuple[str, dict[str, Any]]


class Cancelled(Exception):
    """Nobody waits for this drawing any more; the message says why."""


class DeskFull(Exception):
    """Too many drawings are waiting."""


class Job:
    """A drawing that somebody waits for.

    Args:
        work: draws; called in the drawing thread with the job, which it asks :meth:`check` at each step and tells what
            there is to see by :meth:`tell`. What it returns is the last event's data.
        session: whose it is; ``None`` for a wish that no other replaces.
        max_seconds: the longest that it may take.
    """

    def __init__(self, work: Callable[[Job], dict[str, Any]], session: str | None = None, max_seconds: float = 600.0):
        self.work, self.session, self.max_seconds = work, session, max_seconds
        self.events: deque[Event] = deque()
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._reason: str | None = None
        self._started = 0.0
        self._lock = threading.Lock()

    def cancel(self, reason: str) -> None:
        """Ends the drawing at its next step."""
        self._reason = self._reason or reason

    def check(self, *_: Any) -> None:
        """To be called at each step.

        Raises:
            Cancelled: when the drawing is to end.
            TimeoutError: when it has taken too long.
        """
        if self._reason is not None:
            raise Cancelled(self._reason)
        if time.monotonic() - self._started > self.max_seconds:
            raise TimeoutError(
                f"the drawing took longer than {self.max_seconds:g} s, the limit here: ask for a smaller one."
            )

    def tell(self, kind: str, **data: Any) -> None:
        """Says something to who waits; from any thread. Of several places in the queue only the newest is kept."""
        with self._lock:
            if kind == "queued" and self.events and self.events[-1][0] == "queued":
                self.events.pop()
            self.events.append((kind, data))
        self._loop.call_soon_threadsafe(self._news.set)

    async def next_event(self) -> Event:
        """What there is to see next, in order."""
        while True:
            with self._lock:
                if self.events:
                    return self.events.popleft()
                self._news.clear()
            await self._news.wait()

    def run(self) -> None:
        """Draws; the last event is "result", "cancelled" or "error"."""
        self._started = time.monotonic()
        try:
            self.check()
            self.tell("started")
            self.tell("result", **self.work(self))
        except Cancelled as stop:
            self.tell("cancelled", reason=str(stop))
        except Exception as error:
            known = isinstance(error, ValueError | TypeError | TimeoutError | MemoryError)
            self.tell("error", message=str(error) if known else f"{type(error).__name__}: {error}")


class Desk:
    """Takes jobs in, and has them drawn one after another by a thread of its own.

    Args:
        max_waiting: jobs that may wait.
    """

    def __init__(self, max_waiting: int):
        self.max_waiting = max_waiting
        self.waiting: deque[Job] = deque()
        self.current: Job | None = None
        self._drawer = ThreadPoolExecutor(1, thread_name_prefix="drawer")
        self._task: asyncio.Task[None] | None = None

    def submit(self, job: Job) -> None:
        """Puts a job at the end of the queue, and takes back older ones of its session.

        Raises:
            DeskFull: where too many wait.
        """
        if job.session is not None:
            for older in [*self.waiting, *([self.current] if self.current else [])]:
                if older.session == job.session:
                    self.withdraw(older, "a newer one was asked for")
        if len(self.waiting) >= self.max_waiting:
            raise DeskFull(f"{len(self.waiting)} drawings are waiting already; try again in a moment.")
        self.waiting.append(job)
        self._tell_places()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve())

    def withdraw(self, job: Job, reason: str) -> None:
        """Ends a job that is drawn at its next step, and takes one that waits out of the queue at once."""
        job.cancel(reason)
        if job in self.waiting:
            self.waiting.remove(job)
            job.tell("cancelled", reason=reason)
            self._tell_places()

    def close(self) -> None:
        """Ends everything."""
        for job in [*self.waiting, *([self.current] if self.current else [])]:
            self.withdraw(job, "the server stops")
        self._drawer.shutdown(wait=False, cancel_futures=True)

    def _tell_places(self) -> None:
        for place, job in enumerate(self.waiting, start=1 if self.current is not None else 0):
            if place:
                job.tell("queued", place=place)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting:
            self.current = self.waiting.popleft()
            self._tell_places()
            try:
                await loop.run_in_executor(self._drawer, self.current.run)
            finally:
                self.current = None
