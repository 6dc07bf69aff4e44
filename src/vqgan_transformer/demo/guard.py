"""Who may ask: no other page of the browser, no rebound name, nobody without the token, nothing too large."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SAFE_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


DRAIN_SECONDS = 5.0


class Guard:
    """Refuses requests before anything reads them.

    - The ``Host`` header must be one of the server's names: a foreign name that was rebound to this machine is none.
    - An ``Origin`` header must be the server's own: other pages of the browser cannot post.
    - With a token, all but the page's own files need ``Authorization: Bearer TOKEN``.
    - A body may not be longer than the limit, whatever its ``Content-Length`` says.

    Args:
        app: what is guarded.
        names: host names that are the server's; ``None`` for any, where a token protects it.
        token: see above; empty for none.
        max_upload: bytes of a body.
        open_paths: beginnings of paths that need no token.
    """

    def __init__(
        self, app: Any, *, names: frozenset[str] | None, token: str, max_upload: int, open_paths: tuple[str, ...]
    ):
        self.app, self.names, self.token, self.max_upload, self.open_paths = app, names, token, max_upload, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or passes on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope["path"], headers)
        if refusal is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(_drain(receive, 4 * self.max_upload), DRAIN_SECONDS)
            await _answer(send, *refusal)
            return
        left = self.max_upload

        async def counted() -> MutableMapping[str, Any]:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise TooLarge(f"the request has more than {self.max_upload} bytes, the limit here.")
            return message

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                safe_headers = [(name.encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *safe_headers]
            await send(message)

        await self.app(scope, counted, with_headers)

    def _refusal(self, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self.names is not None and _hostname(host) not in self.names:
            return 403, f"this server is not called {host!r}: use its own address, or start it with --host."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.casefold() != host.casefold():
            return 403, f"pages of {origin} may not ask this server."
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and path not in ("/",):
            return 403, "other pages may not ask this server."
        if self.token and not (path == "/" or path.startswith(self.open_paths)):
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return (
                    401,
                    "this server wants a token: Authorization: Bearer TOKEN, or the page's address with ?token=TOKEN.",
                )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.max_upload:
            return 413, f"the request has {length} bytes, the limit here is {self.max_upload}."
        return None


class TooLarge(Exception):
    """A body beyond the limit."""


def _hostname(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").casefold()
    except ValueError:
        return ""


async def _drain(receive: Receive, most: int) -> None:
    """Reads a body that nobody wants, within bounds: who is still sending would not hear the answer."""
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return


async def _answer(send: Send, status: int, message: str) -> None:
    body = json.dumps({"error": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
