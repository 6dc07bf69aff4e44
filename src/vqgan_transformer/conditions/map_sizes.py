"""Maps scaled and continued to the size of a picture. Pure geometry."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import Size

__all__ = ["continued", "scaled"]


def scaled(maps: Tensor, size: Size) -> Tensor:
    """Maps (..., H, W) scaled to (height, width): nearest for labels, bilinear for numbers (anti-aliased on the way down)."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    if maps.is_floating_point():
        return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=True)
    rows, cols = (_nearest_places(old, new, maps.device) for old, new in zip(maps.shape[-2:], size, strict=True))
    return maps[..., rows[:, None], cols]


def continued(maps: Tensor, size: Size) -> Tensor:
    """Maps (..., H, W) continued to (height, width) by repeating their last row and column.

    Raises:
        ValueError: for a size smaller than the map.
    """
    (height, width), (new_height, new_width) = maps.shape[-2:], size
    if new_height < height or new_width < width:
        raise ValueError(f"a map of {height}×{width} cannot be extended to the smaller {new_height}×{new_width}.")
    rows = torch.arange(new_height, device=maps.device).clamp(max=height - 1)
    cols = torch.arange(new_width, device=maps.device).clamp(max=width - 1)
    return maps if (height, width) == (new_height, new_width) else maps[..., rows[:, None], cols]


def _nearest_places(old: int, new: int, device: torch.device) -> Tensor:
    """For each of `new` places along a side, the one of `old` places in which its centre lies."""
    return (2 * torch.arange(new, device=device) + 1) * old // (2 * new)
