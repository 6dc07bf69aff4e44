"""How a user learns how far a call is: a bar, and a function of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

__all__ = ["Callback", "check_callback", "reporting"]

Callback = Callable[[int, int, Any], Any]
"""Takes the number of tokens drawn, their total, and the token grids so far, a copy."""


def check_callback(callback: Any) -> None:
    """Refuses what cannot be called.

    Raises:
        TypeError: for it.
    """
    if callback is not None and not callable(callback):
        raise TypeError(
            f"callback is a function of (tokens drawn, their total, grids so far), got {type(callback).__name__}."
        )


@contextmanager
def reporting(progress: bool, callback: Callback | None) -> Iterator[Callback | None]:
    """A callback that moves a bar and calls the user's; ``None`` where there is neither."""
    with tqdm(unit="token", disable=not progress) as bar:

        def report(drawn: int, total: int, so_far: Any) -> None:
            bar.total = total
            bar.update(drawn - bar.n)
            if callback is not None:
                callback(drawn, total, so_far)

        yield report if progress or callback is not None else None
