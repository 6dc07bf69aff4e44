"""The geometry of the sliding window: which window sees a place, and which places are drawn together.

Pure functions of integers. A *place* is a position (row, col) of the token grid that is to be painted; a *window* is
the crop of the grid, of the size that the model was trained on, from which a place's token is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

__all__ = ["GridPosition", "neighbourhoods", "together", "wavefront", "window_origin", "without"]


class GridPosition(NamedTuple):
    """A position of a grid, where the window that draws it starts, and which grid of several it is."""

    row: int
    col: int
    top: int
    left: int
    grid: int = 0

    @property
    def window(self) -> tuple[int, int, int]:
        """The grid and the window's origin; places of one window share what the model has read in it."""
        return self.grid, self.top, self.left

    def prefix(self, window_width: int) -> int:
        """How many tokens of the window, in raster order, come before this place."""
        return (self.row - self.top) * window_width + self.col - self.left


def window_origin(index: int, length: int, window: int, stride: int = 1, centre: int | None = None) -> int:
    """Where the window that draws row (or column) ``index`` starts.

    The paper's rule puts a place in the middle of its window and keeps the window inside the grid: clamp(index -
    window/2, 0, length - window). With a stride, the middle of a block of ``stride`` places is put there, as far as the
    whole block fits in, and the window stays put for them.

    Args:
        index: 0..length-1.
        length: rows (or columns) of the grid, at least ``window``.
        window: rows (or columns) of a window.
        stride: places for which the window stays put, 1..window.
        centre: where in a window that no border holds back the place lies, 0..window-1; window/2 by default.
    """
    block = index - index % stride
    inside = (window // 2 if centre is None else centre) - stride // 2
    return max(0, min(block - max(0, min(inside, window - stride)), length - window))


def wavefront(
    size: tuple[int, int], window: tuple[int, int], stride: int = 1, centre: tuple[int, int] | None = None
) -> Iterator[list[GridPosition]]:
    """All places whose step is the same, window_width · row + col, at once.

    A place's window ends at most window_width - 1 columns to its right, so of the row above it needs nothing that is
    not drawn one step earlier. That makes window_width · (height - 1) + width steps instead of height · width, and the
    tokens are the same: each sees just what it would have seen in raster order.
    """
    place_at = _places(size, window, stride, centre)
    for line in _lines(size, window[1]):
        yield [place_at(row, col) for row, col in line]


def neighbourhoods(size: tuple[int, int], columns_beside: int) -> Iterator[list[GridPosition]]:
    """All places whose step is the same, columns_beside · row + col, at once: for models with local attention.

    What a place sees of the row above ends with the position columns_beside to its right, which is of the same step and
    reads a token of the step before. Places have no window: their origin is (0, 0).
    """
    for line in _lines(size, columns_beside):
        if line:  # a narrow row may be complete before the next one begins
            yield [GridPosition(row, col, 0, 0) for row, col in line]


def without(schedule: Iterable[list[GridPosition]], keep: np.ndarray) -> Iterator[list[GridPosition]]:
    """The schedule without the places where ``keep``, bool (h, w), is True, and without steps that have no other."""
    for places in schedule:
        drawn = [place for place in places if not keep[place.row, place.col]]
        if drawn:
            yield drawn


def together(schedules: Sequence[Iterable[list[GridPosition]]]) -> Iterator[list[GridPosition]]:
    """The schedules of several grids, step by step at once: step t of each, as long as it has one."""
    for steps in zip_longest(*schedules, fillvalue=[]):
        yield [place._replace(grid=grid) for grid, places in enumerate(steps) for place in places]


def _lines(size: tuple[int, int], lag: int) -> Iterator[list[tuple[int, int]]]:
    """Rows and columns with equal lag · row + col, for all that occur, in ascending order."""
    height, width = size
    for step in range(lag * (height - 1) + width):
        first = max(0, -(-(step - width + 1) // lag))
        last = min(height - 1, step // lag)
        yield [(row, step - lag * row) for row in range(first, last + 1)]


def _places(
    size: tuple[int, int], window: tuple[int, int], stride: int, centre: tuple[int, int] | None
) -> Callable[[int, int], GridPosition]:
    tops, lefts = (
        [window_origin(index, size[axis], window[axis], stride, centre and centre[axis]) for index in range(size[axis])]
        for axis in range(2)
    )
    return lambda row, col: GridPosition(row, col, tops[row], lefts[col])
