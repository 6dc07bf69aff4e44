"""How a user learns how far a call is: a bar, and a function of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from tqdm import tqdm

__all__ = ["Callback", "check_callback", "reporting"]

Callback = Callable[[int, int, Any], Any]
"""Takes the number of tokens drawn or scored, their total, and a copy of the grids so far: tokens or log-likelihoods."""


def check_callback(callback: Any) -> None:
    """Refuses what cannot be called, or not with what it will be given.

    Raises:
        TypeError: for it.
    """
    if callback is None:
        return
    what = "callback is a function of (tokens drawn, their total, grids so far)"
    if not callable(callback):
        raise TypeError(f"{what}, got {type(callback).__name__}.")
    try:
        signature = inspect.signature(callback)
    except ValueError:  # functions written in C need not have one
        return
    try:
        signature.bind(0, 0, None)
    except TypeError as error:
        raise TypeError(f"{what}, which this one does not take: {error}.") from error


NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


@contextmanager
def reporting(
    progress: bool, callback: Callback | None, options: Mapping[str, Any] = NO_OPTIONS
) -> Iterator[Callback | None]:
    """A callback that moves a bar and calls the user's; ``None`` where there is neither.

    Args:
        progress: show a bar.
        callback: the user's.
        options: of the bar, as ``tqdm`` takes them.
    """
    with tqdm(**{"unit": "token", **options, "disable": not progress or bool(options.get("disable"))}) as bar:

        def report(drawn: int, total: int, so_far: Any) -> None:
            bar.total = total
            bar.update(drawn - bar.n)
            if callback is not None:
                callback(drawn, total, so_far)

        yield report if progress or callback is not None else None
