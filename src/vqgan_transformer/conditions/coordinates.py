"""CoordinatesCondition: where in the whole picture a place lies, for models of aligned data (faces, say)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image
from torch import Tensor

from .condition import Condition

__all__ = ["CoordinatesCondition", "CoordinatesConfig"]


@dataclass(frozen=True)
class CoordinatesConfig:
    """How coordinates become tokens.

    Args:
        codebook_size: into how many tokens the range from the first to the last pixel is divided.
        downsample_factor: pixels that a token stands for, along each side; that of the VQGAN.

    Raises:
        ValueError: for numbers below 1.
    """

    codebook_size: int
    downsample_factor: int = 16

    def __post_init__(self) -> None:
        for name in ("codebook_size", "downsample_factor"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")


class CoordinatesCondition(Condition):
    """Raster positions as a condition: the original's CoordStage. It has no parameters.

    The coordinate of pixel n of a picture of N pixels, counted row by row, is n / N: a rank, neither x nor y. Models
    trained on crops of aligned pictures learn from it which part they draw.

    Args:
        codebook_size: the number of tokens.
        downsample_factor: pixels that a token stands for, along each side.
    """

    name: ClassVar[str] = "coordinates"
    spatial: ClassVar[bool] = True
    config_class: ClassVar[type] = CoordinatesConfig

    def __init__(self, codebook_size: int, *, downsample_factor: int = 16):
        super().__init__()
        self.config = CoordinatesConfig(codebook_size, downsample_factor)

    @classmethod
    def from_config(cls, config: CoordinatesConfig) -> CoordinatesCondition:
        """A condition with the numbers of a config."""
        return cls(config.codebook_size, downsample_factor=config.downsample_factor)

    @property
    def vocab_size(self) -> int:
        """The number of tokens."""
        return self.config.codebook_size

    @property
    def downsample_factor(self) -> int:
        """Pixels of a map that a token stands for, along each side."""
        return self.config.downsample_factor

    def parse(self, value: Any) -> Tensor:
        """Coordinate maps that a user passes, e.g. the part of a larger picture's map that is to be drawn.

        Without a map, :meth:`default` gives that of a whole picture.

        Args:
            value: float array or tensor `(H, W)`, `(1, H, W)`, `(B, H, W)` or `(B, 1, H, W)`, from 0 to less than 1.

        Returns:
            float32 (B, 1, H, W).

        Raises:
            TypeError: for anything but float arrays and tensors.
            ValueError: for other shapes and values out of range.
        """
        if isinstance(value, np.ndarray):
            value = torch.from_numpy(np.ascontiguousarray(value))
        if not isinstance(value, Tensor) or not value.is_floating_point():
            kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"coordinates are a float map (H, W), or nothing at all for a whole picture; got {kind}.")
        if value.ndim == 4 and value.shape[1] == 1:
            value = value[:, 0]
        if value.ndim not in (2, 3) or 0 in value.shape:
            raise ValueError(f"coordinates have the shape (H, W), (B, H, W) or (B, 1, H, W), got {tuple(value.shape)}.")
        low, high = float(value.min()), float(value.max())
        if not 0 <= low <= high < 1:
            raise ValueError(
                f"coordinates lie in [0, 1), the rank of a pixel over their number; got {low:.4g}–{high:.4g}."
            )
        maps = value.detach().float()
        return maps[:, None] if maps.ndim == 3 else maps[None, None]

    def default(self, size: tuple[int, int]) -> Tensor:
        """The map of a whole picture of (height, width): float32 (1, 1, H, W), pixel n of N being n / N."""
        height, width = size
        ranks = torch.arange(height * width, dtype=torch.float64) / (height * width)
        return rearrange(ranks.float(), "(h w) -> 1 1 h w", h=height)

    def encode(self, parsed: Tensor) -> Tensor:
        """Tokens of coordinate maps: the mean of each cell times the number of tokens, rounded half to even.

        Args:
            parsed: float (B, 1, H, W).

        Returns:
            int64 (B, H/f, W/f).

        Raises:
            ValueError: for another shape, or sides that are no multiples of f.
        """
        factor = self.downsample_factor
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
        """Coordinate maps as gray pictures, from black to white."""
        return super().show(2 * parsed - 1, size)
