"""Squares cut out of pictures, scaled to one size: people, and things that stand in a scene."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

__all__ = ["Square", "square_cut"]

Square = tuple[float, float, float]
"""(left, top, side) in pixels; it may reach beyond the picture."""


def square_cut(image: Tensor, square: Square, side: int) -> Tensor:
    """A square of a picture (1, C, H, W), scaled to `side` pixels; grey (0) beyond the picture's border."""
    left, top, extent = square
    height, width = image.shape[-2:]
    steps = (torch.arange(side) + 0.5) / side * extent
    across, down = 2 * (left + steps) / width - 1, 2 * (top + steps) / height - 1
    grid = rearrange(torch.stack(torch.meshgrid(across, down, indexing="xy"), -1), "h w c -> 1 h w c")
    if extent > 2 * side:  # sampling alone would skip pixels
        image = F.avg_pool2d(image, int(extent // side))
    return F.grid_sample(image.float(), grid.float(), align_corners=False)
