"""The package's own exceptions, and how their messages point to the right name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["CheckpointError", "UnsafeFileError", "nearest_name"]


class CheckpointError(ValueError):
    """A checkpoint that cannot be loaded: not a checkpoint, incomplete, corrupted, or at odds with its own config."""


class UnsafeFileError(CheckpointError):
    """A file that asks for more than data: code to be run, or memory out of proportion to its size."""


def nearest_name(given: str, known: Iterable[str], most: int = 1) -> str:
    """A sentence for the end of an error message that suggests the known names closest to the given one.

    Args:
        given: what is not known.
        known: what is; case makes no difference.
        most: how many names to suggest.

    Returns:
        " Did you mean 'x'?" or, if nothing comes close, the empty string.
    """
    names = {name.casefold(): name for name in known}
    close = [repr(names[name]) for name in get_close_matches(given.casefold(), names, n=most, cutoff=0.5)]
    if not close:
        return ""
    return f" Did you mean {' or '.join([*filter(None, [', '.join(close[:-1])]), close[-1]])}?"
