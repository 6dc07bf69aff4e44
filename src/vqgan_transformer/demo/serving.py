"""Serving the page: the address, the token, and a good end."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import replace

from ..pipeline import ImageSynthesisPipeline
from .config import DemoConfig

__all__ = ["serve"]

MOST_CONNECTIONS = 128


def serve(
    pipe: ImageSynthesisPipeline, config: DemoConfig, *, name: str = "", tell: Callable[[str], None] = print
) -> None:
    """Serves the painting page until it is interrupted.

    Args:
        pipe: paints.
        config: where, for whom, and within which limits.
        name: of the model, as the page shows it.
        tell: is told the page's address when it can be opened.

    Raises:
        ImportError: without the extra ``demo``.
        OSError: where the address cannot be listened on.
    """
    try:
        import python_multipart  # noqa: F401
        import uvicorn

        from .app import make_app
    except ImportError as error:
        raise ImportError(f"the painting page needs {error.name}: pip install 'vqgan_transformer[demo]'") from error
    if config.token is None:
        config = replace(config, token="" if config.is_local else secrets.token_urlsafe(16))
    listener = socket.socket(socket.AF_INET6 if ":" in config.host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"cannot listen on {config.host}:{config.port} ({error.strerror}): choose another --port."
        ) from error
    host = f"[{config.host}]" if ":" in config.host else config.host
    address = f"http://{host}:{listener.getsockname()[1]}/" + (f"?token={config.token}" if config.token else "")
    settings = uvicorn.Config(
        make_app(pipe, config, name=name),
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=3,
        server_header=False,
    )
    server = uvicorn.Server(settings)
    tell(address)
    if config.open_browser:
        threading.Timer(1.0, webbrowser.open, [address]).start()
    with listener:
        server.run(sockets=[listener])
