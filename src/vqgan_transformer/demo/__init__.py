"""The painting page: labels drawn in a browser while the picture appears, and the same as an HTTP API.

Needs the extra ``demo`` (starlette, uvicorn, python-multipart).
"""

from __future__ import annotations

from .config import DemoConfig

__all__ = ["DemoConfig"]
