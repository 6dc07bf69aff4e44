"""The painting page's server, running for a test on a free port of this machine, and a small client for it."""

from __future__ import annotations

import base64
import http.client
import io
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image

from vqgan_transformer.demo import DemoConfig


@contextmanager
def serving(pipe: Any, **settings: Any) -> Iterator[int]:
    """Serves a pipeline; gives the port."""
    import uvicorn

    from vqgan_transformer.demo.app import make_app

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    app = make_app(pipe, DemoConfig(**settings), name="builtin:scenes")
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, limit_concurrency=128))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


def png(array: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(array).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def picture(address: str) -> np.ndarray:
    """The picture in a data address."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB"))


def form(settings: Any = None, session: str | None = None, **files: bytes) -> tuple[bytes, dict[str, str]]:
    """A multipart body and its headers."""
    boundary = uuid.uuid4().hex
    texts = {"settings": settings if isinstance(settings, str) else json.dumps(settings or {})}
    texts |= {} if session is None else {"session": session}
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + text.encode()
        for name, text in texts.items()
    ]
    parts += [
        f'Content-Disposition: form-data; name="{name}"; filename="{name}.png"\r\nContent-Type: image/png\r\n\r\n'.encode()
        + data
        for name, data in files.items()
    ]
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return body + b"--" + boundary.encode() + b"--\r\n", {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Painting:
    """A request to paint, and the events that it is answered with."""

    def __init__(self, port: int, settings: Any = None, session: str | None = None, **files: bytes):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        body, headers = form(settings, session, **files)
        self.connection.request("POST", "/paint", body, headers)
        self.answer = self.connection.getresponse()

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        kind = ""
        for line in self.answer:
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                yield kind, json.loads(line[6:])
        self.connection.close()

    def last(self) -> tuple[str, dict[str, Any]]:
        return list(self.events())[-1]
