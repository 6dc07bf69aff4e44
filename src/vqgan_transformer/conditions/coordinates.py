"""CoordinatesCondition: where in the whole picture a place lies, for models of aligned data (faces, say)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image
from torch import Tensor

from .condition import AlignedForm, Condition

__all__ = ["CoordinatesCondition", "CoordinatesConfig"]


@dataclass(frozen=True)
class CoordinatesConfig:
    """How coordinates become tokens.

    Args:
        codebook_size: into how many tokens the range from the first to the last pixel is divided. ``None``: coordinates
            are no tokens, but the row and the column of each pixel, for aligned GPTs.
        downsample_factor: pixels that a token stands for, along each side; that of the VQGAN.
        octaves: waves in which a new aligned GPT reads rows and columns beside the numbers themselves (see
            ``ConditionInput``), so that it can tell a place from its neighbours; 4 make the finest a fourth of the picture
            long.

    Raises:
        ValueError: for numbers below 1, octaves below 0 or above 16, and octaves of tokens.
    """

    codebook_size: int | None
    downsample_factor: int = 16
    octaves: int = 0

    def __post_init__(self) -> None:
        for name in ("codebook_size", "downsample_factor"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, got {number}.")
        if not 0 <= self.octaves <= (16 if self.codebook_size is None else 0):
            raise ValueError(f"octaves are for codebook_size=None, from 0 to 16; got {self.octaves}.")


class CoordinatesCondition(Condition):
    """Positions in the whole picture as a condition. It has no parameters.

    Models trained on crops learn from it which part of a picture they draw. As in the original's CoordStage, the
    coordinate of pixel n of a picture of N pixels, counted row by row, is n / N: a rank, neither x nor y. An aligned GPT
    can have both instead: with ``codebook_size=None`` pixel (i, j) of H×W has the coordinates ((i + ½) / H, (j + ½) / W).

    Args:
        codebook_size: the number of tokens, or ``None`` for rows and columns.
        downsample_factor: pixels that a token stands for, along each side.
        octaves: waves of rows and columns that a new aligned GPT reads.

    Raises:
        ValueError: for numbers out of range.
    """

    name: ClassVar[str] = "coordinates"
    spatial: ClassVar[bool] = True
    needs_input: ClassVar[bool] = False
    config_class: ClassVar[type] = CoordinatesConfig
    config: CoordinatesConfig

    def __init__(self, codebook_size: int | None, *, downsample_factor: int = 16, octaves: int = 0):
        super().__init__()
        self.config = CoordinatesConfig(codebook_size, downsample_factor, octaves)

    @property
    def vocab_size(self) -> int:
        """The number of tokens; 0 for rows and columns, which are none."""
        return self.config.codebook_size or 0

    @property
    def channels(self) -> int:
        """Numbers for each pixel: its rank, or row and column."""
        return 2 if self.config.codebook_size is None else 1

    @property
    def downsample_factor(self) -> int:
        """Pixels of a map that a token stands for, along each side."""
        return self.config.downsample_factor

    def parse(self, value: Any) -> Tensor:
        """Coordinate maps that a user passes, e.g. the part of a larger picture's map that is to be drawn.

        Without a map, :meth:`default` gives that of a whole picture.

        Args:
            value: float array or tensor from 0 to less than 1: ranks `(H, W)`, `(B, H, W)` or `(B, 1, H, W)`; rows and
                columns `(2, H, W)` or `(B, 2, H, W)`.

        Returns:
            float32 (B, 1, H, W), or (B, 2, H, W) of rows and columns.

        Raises:
            TypeError: for anything but float arrays and tensors.
            ValueError: for other shapes and values out of range.
        """
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(np.ascontiguousarray(value))
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"coordinates are a float map (H, W), or nothing at all for a whole picture; got {kind}.")
        maps = value.detach()
        if maps.ndim == 3:
            maps = maps[None] if self.channels == 2 else maps[:, None]
        elif maps.ndim == 2:
            maps = maps[None, None]
        if maps.ndim != 4 or 0 in maps.shape or maps.shape[1] != self.channels:
            shapes = "(H, W), (B, H, W) or (B, 1, H, W)" if self.channels == 1 else "(2, H, W) or (B, 2, H, W)"
            raise ValueError(f"coordinates have the shape {shapes}, got {tuple(value.shape)}.")
        low, high = float(maps.min()), float(maps.max())
        if not 0 <= low <= high < 1:
            what = "the rank of a pixel over their number" if self.channels == 1 else "row and column over their number"
            raise ValueError(f"coordinates lie in [0, 1), {what}; got {low:.4g}–{high:.4g}.")
        return maps.float()

    def default(self, size: tuple[int, int]) -> Tensor:
        """The map of a whole picture of (height, width): float32 (1, 1 or 2, H, W)."""
        height, width = size
        if self.channels == 2:
            rows, columns = ((torch.arange(side) + 0.5) / side for side in size)
            return torch.stack((rows[:, None].expand(size), columns.expand(size)))[None]
        ranks = torch.arange(height * width, dtype=torch.float64) / (height * width)
        return rearrange(ranks.float(), "(h w) -> 1 1 h w", h=height)

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """One or two numbers for each pixel."""
        return "values", self.channels

    @property
    def aligned_inputs(self) -> tuple[Mapping[str, Any], ...]:
        """As :class:`Condition` says, with the octaves; coordinates are there in every picture."""
        (read,) = super().aligned_inputs
        return ({**read, "octaves": self.config.octaves, "always_known": True},)

    def check_tokens(self) -> None:
        """Refuses rows and columns, which have no tokens.

        Raises:
            ValueError: that says what is lacking.
        """
        if self.channels == 2:
            raise ValueError("rows and columns have no tokens: give the condition a codebook_size.")

    def encode(self, parsed: Tensor) -> Tensor:
        """Tokens of coordinate maps: the mean of each cell times the number of tokens, rounded half to even.

        Args:
            parsed: float (B, 1, H, W).

        Returns:
            int64 (B, H/f, W/f).

        Raises:
            ValueError: for another shape, sides that are no multiples of f, and rows and columns, which have no tokens.
        """
        factor = self.downsample_factor
        self.check_tokens()
        if parsed.ndim != 4 or parsed.shape[1] != 1 or parsed.shape[2] % factor or parsed.shape[3] % factor:
            raise ValueError(
                f"coordinates have the shape (B, 1, H, W) with sides that are multiples of {factor}, got "
                f"{tuple(parsed.shape)}. extend_to() repeats their edges."
            )
        means = F.avg_pool2d(parsed, factor).clamp(0, 1)
        # a mean within half a step of 1 would round to codebook_size, which is no token; whole pictures stay below
        tokens = (means * self.vocab_size).round().long().clamp(max=self.vocab_size - 1)
        return rearrange(tokens, "b 1 h w -> b h w")

    def show(self, parsed: Tensor, size: tuple[int, int] = (256, 256)) -> list[Image.Image]:
        """Coordinate maps as pictures: gray from black to white, or rows as red and columns as green."""
        if self.channels == 2:
            parsed = torch.cat((parsed, torch.zeros_like(parsed[:, :1])), dim=1)
        return super().show(2 * parsed - 1, size)
