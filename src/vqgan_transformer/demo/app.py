"""The server of the painting page: its files, what it knows of the model, and painting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ..pipeline import ImageSynthesisPipeline
from .config import DemoConfig
from .description import describe
from .desk import Desk, DeskFull, Job
from .drawing import paint_order
from .event_stream import EventStream
from .guard import Guard, TooLarge
from .map_file import read_map
from .openapi import openapi
from .order import read_order

__all__ = ["make_app"]

PAGE = Path(__file__).parent / "page"
MOST_PARTS = 16
UPLOAD_SECONDS = 30.0
READ_AT_ONCE = 4
"""Requests whose pictures are in memory at once, beside those that wait for their drawing."""

T = TypeVar("T")


def make_app(pipe: ImageSynthesisPipeline, config: DemoConfig | None = None, *, name: str = "") -> Guard:
    """The page and its HTTP API for a pipeline, as an ASGI application.

    Args:
        pipe: paints; one drawing at a time.
        config: limits, names and token.
        name: of the model, as the page shows it.
    """
    settings = config or DemoConfig()
    desk = Desk(settings.max_waiting)
    description = describe(pipe, name, settings)
    interface = openapi(pipe, description)

    async def page(request: Request) -> Response:
        del request
        return FileResponse(PAGE / "index.html", headers={"cache-control": "no-cache"})

    async def model(request: Request) -> Response:
        del request
        return JSONResponse(description)

    async def api(request: Request) -> Response:
        del request
        return JSONResponse(interface)

    async def paint(request: Request) -> Response:
        order = await _read(request, partial(read_order, pipe, max_pixels=settings.max_pixels))
        job = Job(lambda job: paint_order(pipe, order, job), order.session, settings.max_seconds)
        desk.submit(job)
        return EventStream(job, lambda: desk.withdraw(job, "nobody reads any more"))

    async def read(request: Request) -> Response:
        kind = request.path_params["kind"]
        numbers, notes = await _read(request, partial(read_map, pipe, kind, max_pixels=settings.max_pixels))
        height, width = numbers.shape
        told = {"x-width": str(width), "x-height": str(height), "x-notes": quote(notes)}
        return Response(numbers.astype("<u2").tobytes(), media_type="application/octet-stream", headers=told)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        desk.close()

    routes = [
        Route("/", page),
        Route("/model", model),
        Route("/openapi.json", api),
        Route("/paint", paint, methods=["POST"]),
        Route("/read/{kind}", read, methods=["POST"]),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    application = Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={refusal: _refused for refusal in REFUSALS}
    )
    application.state.reading = asyncio.Semaphore(READ_AT_ONCE)
    return Guard(
        application,
        names=None if not settings.is_local else frozenset({settings.host, "localhost", "127.0.0.1", "::1"}),
        token=settings.token or "",
        max_upload=settings.max_upload,
        open_paths=("/page/", "/openapi.json"),
    )


async def _read(request: Request, understand: Callable[[dict[str, str], dict[str, bytes]], T]) -> T:
    """What the texts and files of a request's form mean; a few requests at a time, beside the event loop."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ValueError("send multipart/form-data: maps as files, and settings as JSON. /openapi.json describes it.")
    form = await asyncio.wait_for(request.form(max_files=MOST_PARTS, max_fields=MOST_PARTS), UPLOAD_SECONDS)
    texts: dict[str, str] = {}
    files: dict[str, bytes] = {}
    try:
        async with request.app.state.reading:  # until here large files lie on the disk
            for part, value in form.multi_items():
                if part in texts or part in files:
                    raise ValueError(f"{part} is there twice.")
                if isinstance(value, UploadFile):
                    files[part] = await value.read()
                else:
                    texts[part] = value
            return await asyncio.to_thread(understand, texts, files)
    finally:
        await form.close()


async def _refused(request: Request, error: Exception) -> Response:
    """The answer to what cannot be done, with the reason."""
    del request
    if isinstance(error, asyncio.TimeoutError):
        return _reason(408, f"the request took longer than {UPLOAD_SECONDS:g} s to arrive.")
    if isinstance(error, DeskFull):
        return _reason(503, error, {"retry-after": "5"})
    if isinstance(error, HTTPException):
        return _reason(error.status_code, error.detail)
    return _reason(413 if isinstance(error, TooLarge) else 400, error)


def _reason(status: int, reason: object, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": str(reason)}, status, headers)


REFUSALS = (ValueError, TypeError, TooLarge, DeskFull, HTTPException, ClientDisconnect, asyncio.TimeoutError)
