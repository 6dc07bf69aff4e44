"""Sizes: what is asked for, and on which token grid it lies."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

__all__ = ["Canvas", "Size", "count", "requested_size", "round_up", "same_aspect", "whole_pair"]

Size = tuple[int, int]
"""(height, width), in pixels unless it says otherwise."""


@dataclass(frozen=True)
class Canvas:
    """A picture, and the token grid that it is cut from.

    Attributes:
        size: (height, width) of the picture in pixels.
        factor: f, the pixels that a token stands for along each side.
        window: (height, width) in tokens of what the GPT sees at once.
    """

    size: tuple[int, int]
    factor: int
    window: tuple[int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """(height, width) of the token grid."""
        return self.painted[0] // self.factor, self.painted[1] // self.factor

    @property
    def painted(self) -> tuple[int, int]:
        """(height, width) in pixels of what the token grid decodes to: ``size`` or a little more."""
        return round_up(self.size, self.factor)


def requested_size(size: Any, height: int | None, width: int | None) -> Size | None:
    """(height, width) in pixels from either way of saying it; ``None`` if neither is given.

    Raises:
        TypeError: for sizes that are not whole numbers.
        ValueError: for sizes below 1, or a request that is half given or given twice.
    """
    if size is None and height is None and width is None:
        return None
    if size is not None and (height is not None or width is not None):
        raise ValueError(f"give either size={size} or height= and width=, not both.")
    if size is None:
        if height is None or width is None:
            raise ValueError(f"height= and width= go together, got height={height} and width={width}.")
        size = (height, width)
    rows, cols = whole_pair(size, "size is (height, width)")
    if rows < 1 or cols < 1:
        raise ValueError(f"size is (height, width) in pixels, both at least 1, got {(rows, cols)}.")
    return rows, cols


def count(value: Any, name: str) -> int:
    """A whole number from 1 on, of any type that stands for one.

    Raises:
        TypeError: for what is no whole number.
        ValueError: for one below 1.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name} must be a whole number from 1 on, got {value!r}.")
    if number < 1:
        raise ValueError(f"{name} must be a whole number from 1 on, got {number}.")
    return number


def whole_pair(value: Any, meaning: str) -> tuple[int, int]:
    """Two whole numbers of pixels, of any type that stands for such a number.

    Args:
        value: what a user passes.
        meaning: what it is, for the error message, e.g. "size is (height, width)".

    Raises:
        TypeError: for anything else.
    """
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise TypeError(f"{meaning} in pixels, got {value!r}.")
    if any(isinstance(side, bool) or not hasattr(side, "__index__") for side in value):
        raise TypeError(f"{meaning} in whole pixels, got {tuple(value)!r}.")
    try:
        first, second = (side.__index__() for side in value)
    except TypeError as error:  # arrays and tensors of floats have the method, too
        raise TypeError(f"{meaning} in whole pixels, got {tuple(value)!r}.") from error
    return first, second


def round_up(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """The smallest size not below ``size`` whose sides are multiples of ``factor``."""
    height, width = (-(-side // factor) * factor for side in size)
    return height, width


def same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one is the other scaled, up to the rounding of a side to whole pixels."""
    (height, width), (large_height, large_width) = sorted((size, other))
    # the larger one, scaled to one side of the smaller, must be right within a pixel along the other
    return abs(large_height * width / large_width - height) < 1 or abs(large_width * height / large_height - width) < 1
