"""What a window shows: a crop of the condition and of the tokens that are there so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from .schedule import Place

if TYPE_CHECKING:
    from .aligned import AlignedCondition

__all__ = ["GridCondition", "SequenceCondition", "TokenGrid", "WindowCondition"]


@runtime_checkable
class WindowCondition(Protocol):
    """What the pictures of a batch are painted from, as seen from each window.

    Attributes:
        batch: number of pictures B.
    """

    batch: int

    def window(self, top: int, left: int) -> Tensor:
        """The condition's tokens for the window with that origin, int64 (B, C); the same C for every window."""


class GridCondition:
    """A condition laid out like the picture: integers (B, h, w), which the windows crop.

    It goes on beyond its last row and column as they are, for windows that are larger than the grid.
    """

    def __init__(self, grid: Tensor, window: tuple[int, int]):
        self.grid, self.extent = grid, window
        self.batch = len(grid)

    def window(self, top: int, left: int) -> Tensor:
        """(B, height · width of a window)."""
        rows, cols = (
            torch.arange(start, start + extent, device=self.grid.device).clamp(max=length - 1)
            for start, extent, length in zip((top, left), self.extent, self.grid.shape[1:], strict=True)
        )
        return self.grid[:, rows[:, None], cols].flatten(1)


class SequenceCondition:
    """A condition that every window sees whole, such as a class: integers (B, C)."""

    def __init__(self, sequence: Tensor):
        self.sequence = sequence
        self.batch = len(sequence)

    def window(self, top: int, left: int) -> Tensor:
        """(B, C)."""
        return self.sequence


@dataclass
class TokenGrid:
    """Pictures of one size, B of them, that are painted together.

    Attributes:
        condition: what they are painted from.
        tokens: int64 (B, h, w), at least as large as a window if there is one; filled as tokens are drawn.
        keep: bool (B, h, w), where tokens stay as they are; ``None`` for nowhere.
        seeds: of each picture.
        size: rows and columns that were asked for, from the top left; what lies beyond fills up a window.
    """

    condition: WindowCondition | AlignedCondition
    tokens: Tensor
    keep: Tensor | None
    seeds: list[int]
    size: tuple[int, int]

    @property
    def result(self) -> Tensor:
        """The tokens that were asked for, int64 (B, height, width), a view."""
        return self.tokens[:, : self.size[0], : self.size[1]]

    def crop(self, place: Place, window: tuple[int, int], start: int) -> Tensor:
        """The tokens of a place's window, in raster order, from number ``start`` up to the place: (B, T)."""
        stop = place.prefix(window[1])
        crop = self.tokens[:, place.top : place.top + window[0], place.left : place.left + window[1]]
        return crop.flatten(1)[:, start:stop]

    def write(self, place: Place, codes: Tensor) -> None:
        """Puts a code, int64 (B,), at a place, where a picture does not keep its own."""
        there = self.tokens[:, place.row, place.col]
        there.copy_(codes if self.keep is None else there.where(self.keep[:, place.row, place.col], codes))
