"""Settings are checked when they are made: a wrong type or number is refused then, not hours later."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

__all__ = ["check_choices", "check_flags", "check_numbers", "checked_number"]


def check_numbers(settings: object, kind: type[int] | type[float], ranges: Mapping[str, str]) -> None:
    """Checks fields of a frozen dataclass that hold a number, two numbers, or ``None``, as their types say.

    Whole numbers of other libraries (NumPy's) become Python's, so that settings can be written as JSON.

    Args:
        settings: whose fields are checked and, where they hold another library's numbers, replaced.
        kind: int for whole numbers, float for any.
        ranges: field -> interval, e.g. "[0, 1)": square brackets include the end, round ones do not.

    Raises:
        ValueError: for a number out of range, NaN or infinity, for one number in place of two or none, and for a fraction or a boolean where a whole number is
            asked for.
    """
    types = {field.name: str(field.type) for field in fields(settings)}  # type: ignore[arg-type]  # any dataclass
    for name, interval in ranges.items():
        value = getattr(settings, name)
        if value is None and "None" in types[name]:
            continue
        label = f"{type(settings).__name__}.{name}"
        if isinstance(value, tuple | list) or types[name].startswith("tuple"):
            if "tuple" not in types[name]:
                raise ValueError(f"{label} takes one number, got {value!r}.")
            if not isinstance(value, tuple | list) or len(value) != 2:
                raise ValueError(f"{label} takes two numbers, got {value!r}.")
            checked: Any = tuple(checked_number(label, part, kind, interval) for part in value)
        else:
            checked = checked_number(label, value, kind, interval)
        object.__setattr__(settings, name, checked)


def checked_number(label: str, value: Any, kind: type[int] | type[float], interval: str) -> int | float:
    """A number as Python's own; arguments and errors as for :func:`check_numbers`."""
    abstract: Any = numbers.Integral if kind is int else numbers.Real
    if not isinstance(value, abstract) or isinstance(value, bool):
        hint = f" (write {int(value)})" if kind is int and isinstance(value, float) and value.is_integer() else ""
        raise ValueError(f"{label} must be a {'whole ' if kind is int else ''}number, got {value!r}{hint}.")
    low, high = map(float, interval[1:-1].split(","))
    number = kind(value)
    above = number >= low if interval[0] == "[" else number > low
    below = number <= high if interval[-1] == "]" else number < high
    if not (above and below):  # False for NaN, too
        rule = f"lie in {interval}"
        if not math.isfinite(number):
            rule = "be finite"
        elif math.isinf(high):
            rule = "be positive" if interval[0] == "(" else "not be negative" if low == 0 else f"be at least {low:g}"
        raise ValueError(f"{label} must {rule}, got {value}.")
    return number


def check_choices(settings: object, choices: Mapping[str, tuple[Any, ...]]) -> None:
    """Checks fields that have a few values.

    Raises:
        ValueError: for another value, with those there are.
    """
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {getattr(settings, name)!r}.")


def check_flags(settings: object) -> None:
    """Checks fields of a frozen dataclass that are on or off, as their types say.

    Raises:
        ValueError: for anything but True and False, such as "no", which would count as on.
    """
    for field in fields(settings):  # type: ignore[arg-type]  # any dataclass
        value = getattr(settings, field.name)
        if field.type in ("bool", "bool | None") and not isinstance(value, bool):
            if value is None and field.type != "bool":
                continue
            raise ValueError(f"{type(settings).__name__}.{field.name} is True or False, got {value!r}.")
