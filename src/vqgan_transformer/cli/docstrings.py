"""What the docstrings of functions and dataclasses say of each argument, for the help of their flags."""

from __future__ import annotations

import inspect
import re
from typing import Any

__all__ = ["argument_texts", "plain", "summary"]

_ROLE = re.compile(r":\w+:`~?\.*(?:[\w.]+\.)?(\w+)`")
_CODE = re.compile(r"`+([^`]+)`+")


def argument_texts(target: Any) -> dict[str, str]:
    """The text of each argument in the docstrings' ``Args:`` sections, a dataclass' bases included.

    Args:
        target: a function, a method or a class.
    """
    texts: dict[str, str] = {}
    for source in reversed(inspect.getmro(target)) if inspect.isclass(target) else (target,):
        texts |= _arguments(source.__dict__.get("__doc__") if inspect.isclass(source) else source.__doc__)
    return texts


def summary(target: Any) -> str:
    """The first line of a docstring."""
    return plain((target.__doc__ or "").strip().split("\n")[0])


def plain(text: str) -> str:
    """A docstring's text without its markup, on one line."""
    return " ".join(_CODE.sub(r"\1", _ROLE.sub(r"\1", text)).split())


def _arguments(docstring: str | None) -> dict[str, str]:
    texts: dict[str, str] = {}
    lines = inspect.cleandoc(docstring or "").split("\n")
    if "Args:" not in lines:
        return texts
    name = ""
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith(" "):
            break  # the next section
        if start := re.match(r" {4}\*{0,2}(\w+): (.*)", line):
            name = start[1]
            texts[name] = start[2]
        elif name:
            texts[name] += " " + line.strip()
    return {name: plain(text) for name, text in texts.items()}
