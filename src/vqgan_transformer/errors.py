"""The package's own exceptions and warnings, and how their messages point to the right name and line."""

from __future__ import annotations

import struct
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import get_close_matches
from reprlib import Repr

__all__ = [
    "CheckpointError",
    "DataError",
    "Notice",
    "UnsafeFileError",
    "collect_notices",
    "nearest_name",
    "reading",
    "shortened",
    "shown",
    "warn",
]


class CheckpointError(ValueError):
    """A checkpoint that cannot be loaded: not a checkpoint, incomplete, corrupted, or at odds with its own config."""


class UnsafeFileError(CheckpointError):
    """A file that asks for more than data: code to be run, or memory out of proportion to its size."""


class DataError(ValueError):
    """Training data that cannot be trained with; the message names every file and what is the matter with it."""

    def __init__(self, title: str, problems: Sequence[str], most: int = 50):
        more = [f"… and {len(problems) - most} more"] if len(problems) > most else []
        super().__init__("\n  ".join([title, *problems[:most], *more]))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Notice:
    """What a user should know of one of many things that are read.

    Attributes:
        message: the sentence.
        kind: the same for messages that differ in numbers and names only.
    """

    message: str
    kind: str


_collected: ContextVar[list[Notice] | None] = ContextVar("collected", default=None)


def warn(message: str, kind: str | None = None) -> None:
    """Warns, and shows the line of the user's program from which the package was called.

    Args:
        message: what the user should know.
        kind: the same for messages that differ in numbers and names only; by default, of all from one line of the package.
    """
    caller, notices = sys._getframe(1), _collected.get()
    if notices is not None:
        notices.append(Notice(message, kind or f"{caller.f_code.co_filename}:{caller.f_lineno}"))
        return
    level, frame = 1, sys._getframe()
    # decorators of torch, such as no_grad, lie in between
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] in (__package__, "torch"):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


@contextmanager
def collect_notices() -> Iterator[list[Notice]]:
    """Collects, in this thread, what would be warned of; for readers of many samples, who say the same of each."""
    notices: list[Notice] = []
    before = _collected.set(notices)
    try:
        yield notices
    finally:
        _collected.reset(before)


@contextmanager
def reading(where: object) -> Iterator[None]:
    """What goes wrong inside, because a file is other than any program writes it, is a CheckpointError about it.

    Errors that say what they are pass: missing files, missing permissions, unknown arguments, memory that is full.
    """
    try:
        yield
    except (
        LookupError,
        ArithmeticError,
        AttributeError,
        RecursionError,
        EOFError,
        UnicodeError,
        struct.error,
    ) as error:
        raise CheckpointError(
            f"{where} is damaged, or no checkpoint: {type(error).__name__}: {shortened(error)}."
        ) from error
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise CheckpointError(f"{where} cannot be read: {shortened(error)}.") from error


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
    close = [repr(names[name]) for name in get_close_matches(given.casefold(), names, n=most, cutoff=0.6)]
    if not close:
        return ""
    return f" Did you mean {' or '.join([*filter(None, [', '.join(close[:-1])]), close[-1]])}?"


def shortened(text: object, most: int = 100) -> str:
    """A text from a file, or an error's, for a message: with dots in the middle where it is long."""
    if isinstance(text, UnicodeDecodeError):
        text = f"{text.reason} at byte {text.start}"  # its own text may hold the whole file
    text = str(text)
    return text if len(text) <= most else f"{text[: most - 20]}…{text[-19:]}"


def shown(value: object) -> str:
    """A value for a message as Python writes it, shortened, however large or deep it is."""
    return shortened(_LIMITED.repr(value))


_LIMITED = Repr()
_LIMITED.maxlevel, _LIMITED.maxother, _LIMITED.maxstring, _LIMITED.maxlong = 3, 100, 100, 40
