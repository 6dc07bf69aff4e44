"""The package's own exceptions, and how their messages point to the right name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["CheckpointError", "UnsafeFileError", "nearest_name"]


class CheckpointError(ValueError):
    """A checkpoint that cannot be loaded: not a checkpoint, incomplete, corrupted, or at odds with its own config."""


class UnsafeFileError(CheckpointError):
    """A file that asks for more than data: code to be run, or memory out of proportion to its size."""


def nearest_name(given: str, known: Iterable[str]) -> str:
    """A sentence for the end of an error message that suggests the known name closest to the given one.

    Returns " Did you mean 'x'?" or, if nothing comes close, the empty string.
    """
    close = get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
