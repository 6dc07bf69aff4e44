"""What the server of the painting page is told."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DemoConfig"]


@dataclass(frozen=True)
class DemoConfig:
    """Where the page is served, and what one drawing may cost.

    Args:
        host: the address that is listened on; by default only this machine can reach it.
        port: of it; 0 takes a free one.
        token: what a browser has to bring to paint. By default none on this machine's own address, and a random one on
            any other; an empty one lets everybody in.
        max_pixels: the most pixels that a picture may have.
        max_upload: the most bytes that a request may have.
        max_seconds: the longest time that a drawing may take.
        max_waiting: drawings that may wait for their turn; one is drawn at a time.
        open_browser: show the page in a browser.

    Raises:
        ValueError: for a number out of range.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    token: str | None = None
    max_pixels: int = 2048 * 2048
    max_upload: int = 32 * 2**20
    max_seconds: float = 600.0
    max_waiting: int = 16
    open_browser: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.port < 65536:
            raise ValueError(f"port must lie in 0..65535, got {self.port}.")
        for name in ("max_pixels", "max_upload", "max_waiting"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not self.max_seconds > 0:
            raise ValueError(f"max_seconds must be positive, got {self.max_seconds}.")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        return self.host in ("127.0.0.1", "localhost", "::1")
