"""The geometry of the sliding window: which window sees a place, and which places are drawn together.

Pure functions of integers. A *place* is a position (row, col) of the token grid that is to be painted; a *window* is
the crop of the grid, of the size that the model was trained on, from which a place's token is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Place", "draws", "raster", "wavefront", "window_origin"]


@dataclass(frozen=True)
class Place:
    """A position of the grid, and where the window that draws it starts."""

    row: int
    col: int
    top: int
    left: int

    @property
    def window(self) -> tuple[int, int]:
        """The window's origin; places of one window share what the model has read in it."""
        return self.top, self.left

    def prefix(self, window_width: int) -> int:
        """How many tokens of the window, in raster order, come before this place."""
        return (self.row - self.top) * window_width + self.col - self.left


def window_origin(index: int, length: int, window: int, stride: int = 1) -> int:
    """Where the window that draws row (or column) ``index`` starts.

    The paper's rule centres a window on its place and keeps it inside the grid: clamp(index - window/2, 0,
    length - window). With a stride, it centres on the middle of a block of ``stride`` places and stays put for them.

    Args:
        index: 0..length-1.
        length: rows (or columns) of the grid, at least ``window``.
        window: rows (or columns) of a window.
        stride: places for which the window stays put, 1..window/2.
    """
    centre = index - index % stride + stride // 2
    return max(0, min(centre - window // 2, length - window))


def draws(size: tuple[int, int], window: tuple[int, int], stride: int = 1) -> tuple[Counter[int], Counter[int]]:
    """How many rows a window with a given top draws, and how many columns one with a given left.

    A window draws their product.
    """
    rows, cols = (
        Counter(window_origin(index, length, extent, stride) for index in range(length))
        for length, extent in zip(size, window, strict=True)
    )
    return rows, cols


def raster(size: tuple[int, int], window: tuple[int, int], stride: int = 1) -> Iterator[list[Place]]:
    """The order of the original: one place at a time, row by row."""
    height, width = size
    for row in range(height):
        for col in range(width):
            yield [_place(row, col, size, window, stride)]


def wavefront(size: tuple[int, int], window: tuple[int, int], stride: int = 1) -> Iterator[list[Place]]:
    """All places whose step is the same, window_width · row + col, at once.

    A place's window ends at most window_width - 1 columns to its right, so of the row above it needs nothing that is
    not drawn one step earlier. That makes window_width · (height - 1) + width steps instead of height · width, and the
    tokens are the same: each sees just what it would have seen in raster order.
    """
    (height, width), lag = size, window[1]
    for step in range(lag * (height - 1) + width):
        first = max(0, -(-(step - width + 1) // lag))
        last = min(height - 1, step // lag)
        yield [_place(row, step - lag * row, size, window, stride) for row in range(first, last + 1)]


def _place(row: int, col: int, size: tuple[int, int], window: tuple[int, int], stride: int) -> Place:
    top, left = (window_origin(i, n, w, stride) for i, n, w in zip((row, col), size, window, strict=True))
    return Place(row, col, top, left)
