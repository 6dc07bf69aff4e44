"""A job's events as a stream (text/event-stream) that holds nothing for somebody who has gone or does not read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from .desk import Job
from .guard import Receive, Scope, Send

__all__ = ["EventStream"]

LAST = ("result", "cancelled", "error")
READ_SECONDS = 20.0
"""How long a reader may take for one event."""
HEARTBEAT_SECONDS = 10.0


class EventStream(Response):
    """Sends the events of a job until its last one.

    Args:
        job: whose events.
        leave: called when nobody reads any more.
    """

    media_type = "text/event-stream"

    def __init__(self, job: Job, leave: Callable[[], None]):
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self.raw_headers = [header for header in self.raw_headers if header[0] != b"content-length"]
        self.job, self.leave = job, leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the stream."""
        sending = asyncio.create_task(self._send_all(send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.leave()
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await asyncio.wait_for(send(start), READ_SECONDS)
        kind = ""
        while kind not in LAST:
            try:
                kind, data = await asyncio.wait_for(self.job.next_event(), HEARTBEAT_SECONDS)
            except asyncio.TimeoutError:
                kind, text = "", ": still there\n\n"  # a proxy might close a silent connection
            else:
                text = f"event: {kind}\ndata: {json.dumps(data)}\n\n"
            chunk: dict[str, Any] = {"type": "http.response.body", "body": text.encode(), "more_body": True}
            await asyncio.wait_for(send(chunk), READ_SECONDS)
        await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), READ_SECONDS)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
