"""What a window shows: a crop of the condition and of the tokens that are there so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..gpt.conditioning import Conditioning
from .schedule import GridPosition

__all__ = ["PictureCondition", "TokenGrid", "WholeCondition", "WindowCondition", "WindowsCondition"]


@runtime_checkable
class WindowCondition(Protocol):
    """What the pictures of a batch are painted from, as seen from each window.

    Attributes:
        batch: number of pictures B.
    """

    batch: int

    def window(self, top: int, left: int) -> Any:
        """The condition for the window with that origin: tokens int64 (B, C), the same C for every window.

        For a GPT that reads a dictionary, a dictionary of tensors whose first axis is B.
        """


class PictureCondition(ABC):
    """What pictures are painted from, as the sampler has it.

    Attributes:
        batch: number of pictures B.
        names: of the kinds that are given; none where the condition has no names.
    """

    batch: int
    names: tuple[str, ...] = ()

    @abstractmethod
    def window(self, top: int, left: int) -> Any:
        """The condition for the window with that origin."""

    @abstractmethod
    def whole(self) -> Any:
        """The condition of the whole pictures.

        Raises:
            TypeError: where there are only those of windows.
        """

    @abstractmethod
    def with_known(self, tokens: Tensor, known: Tensor) -> PictureCondition:
        """The same, with the picture's known tokens where the GPT reads them; (B, h, w) each."""

    @abstractmethod
    def to(self, device: torch.device) -> PictureCondition:
        """The same on a device."""


class WindowsCondition(PictureCondition):
    """A condition that makes what each window shows, and is asked for it when that is due.

    Args:
        made: the condition.
        conditioning: of the GPT.
        device: where windows are put.
    """

    def __init__(self, made: WindowCondition, conditioning: Conditioning, device: torch.device | None = None):
        self.made, self.conditioning, self.device, self.batch = made, conditioning, device, made.batch

    def window(self, top: int, left: int) -> Any:
        """The condition for the window with that origin."""
        return self.conditioning.joined(lambda parts: parts[0].to(self.device), [self.made.window(top, left)])

    def whole(self) -> Any:
        """There is none."""
        raise TypeError(f"this GPT takes conditions of whole pictures, got {type(self.made).__name__}.")

    def with_known(self, tokens: Tensor, known: Tensor) -> WindowsCondition:
        """The same: what windows show is the condition's business."""
        return self

    def to(self, device: torch.device) -> WindowsCondition:
        """The same, whose windows are put on a device."""
        return WindowsCondition(self.made, self.conditioning, device)


class WholeCondition(PictureCondition):
    """The condition of whole pictures, of which each window shows its part.

    Args:
        condition: what the GPT reads: a grid (B, h, w) or a sequence (B, C) of tokens, or a dictionary.
        conditioning: of the GPT, which knows what a window shows of it.
        extent: (height, width) of a window.
        batch: number of pictures.
    """

    def __init__(self, condition: Any, conditioning: Conditioning, extent: tuple[int, int], batch: int):
        self.condition, self.conditioning, self.extent, self.batch = condition, conditioning, extent, batch
        self.names = conditioning.given(condition)

    def whole(self) -> Any:
        """The condition of the whole pictures."""
        return self.condition

    def window(self, top: int, left: int) -> Any:
        """The condition for the window with that origin."""
        return self.conditioning.window(self.condition, top, left, self.extent)

    def with_known(self, tokens: Tensor, known: Tensor) -> WholeCondition:
        """The same, with the picture's known tokens where the GPT reads them; (B, h, w) each."""
        told = self.conditioning.with_known(self.condition, tokens, known)
        return WholeCondition(told, self.conditioning, self.extent, self.batch)

    def to(self, device: torch.device) -> WholeCondition:
        """The same on a device."""
        moved = self.conditioning.joined(lambda parts: parts[0].to(device), [self.condition])
        return WholeCondition(moved, self.conditioning, self.extent, self.batch)


@dataclass
class TokenGrid:
    """Pictures of one size, B of them, that are painted together.

    Attributes:
        condition: what they are painted from.
        tokens: int64 (B, h, w), at least as large as a window if there is one; filled as tokens are drawn.
        keep: bool (B, h, w), where tokens stay as they are; ``None`` for nowhere.
        seeds: of each picture.
        size: rows and columns that were asked for, from the top left; what lies beyond fills up a window.
        window: rows and columns of a window.
    """

    condition: PictureCondition
    tokens: Tensor
    keep: Tensor | None
    seeds: list[int]
    size: tuple[int, int]
    window: tuple[int, int]

    @property
    def painted(self) -> tuple[int, int]:
        """Rows and columns that are drawn."""
        return self.tokens.shape[1], self.tokens.shape[2]

    @property
    def result(self) -> Tensor:
        """The tokens that were asked for, int64 (B, height, width), a view."""
        return self.tokens[:, : self.size[0], : self.size[1]]

    def tell_known(self) -> None:
        """Adds the tokens that stay to the condition, for a GPT that reads them on all sides of a place."""
        if self.keep is not None:
            height, width = self.size
            self.condition = self.condition.with_known(self.result, self.keep[:, :height, :width])

    def crop(self, place: GridPosition, start: int) -> Tensor:
        """The tokens of a place's window, in raster order, from number ``start`` up to the place: (B, T)."""
        height, width = self.window
        crop = self.tokens[:, place.top : place.top + height, place.left : place.left + width]
        return crop.flatten(1)[:, start : place.prefix(width)]

    def write(self, place: GridPosition, codes: Tensor) -> None:
        """Puts a code, int64 (B,), at a place, where a picture does not keep its own."""
        there = self.tokens[:, place.row, place.col]
        there.copy_(codes if self.keep is None else there.where(self.keep[:, place.row, place.col], codes))
