"""How large a picture is to be: reading the request, and refusing what the machine cannot hold."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .vqgan.model import VQGANConfig

__all__ = ["Canvas", "check_memory", "memory_needed", "requested_size", "round_up", "same_aspect"]


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


def requested_size(size: Any, height: int | None, width: int | None) -> tuple[int, int] | None:
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
    if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
        raise TypeError(f"size is (height, width) in pixels, got {size!r}.")
    if any(isinstance(side, bool) or not hasattr(side, "__index__") for side in size):
        raise TypeError(f"size is (height, width) in whole pixels, got {tuple(size)!r}.")
    rows, cols = (side.__index__() for side in size)
    if rows < 1 or cols < 1:
        raise ValueError(f"size is (height, width) in pixels, both at least 1, got {(rows, cols)}.")
    return rows, cols


def round_up(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """The smallest size not below ``size`` whose sides are multiples of ``factor``."""
    height, width = (-(-side // factor) * factor for side in size)
    return height, width


def same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one is the other scaled, up to the rounding of a side to whole pixels."""
    (height, width), (large_height, large_width) = sorted((size, other))
    # the larger one, scaled to one side of the smaller, must be right within a pixel along the other
    return abs(large_height * width / large_width - height) < 1 or abs(large_width * height / large_height - width) < 1


def memory_needed(size: tuple[int, int], config: VQGANConfig, itemsize: int) -> int:
    """About how many bytes the widest stage of encoding or decoding one picture takes.

    At each level a residual block holds its input, a normalised copy, a convolved copy and the convolution's own
    scratch space. Measured peaks lie within a factor of two of it.
    """
    levels = (width / (config.patch_size * 2**level) ** 2 for level, width in enumerate(config.widths))
    return int(4 * max(config.in_channels, config.out_channels, *levels) * size[0] * size[1] * itemsize)


def check_memory(size: tuple[int, int], needed: Mapping[str, int], device: torch.device) -> None:
    """Refuses a size that the device cannot hold.

    Args:
        size: of a picture in pixels.
        needed: bytes, by what needs them; not at the same time.
        device: where they are needed.

    Raises:
        ValueError: with the memory that is needed and the memory there is.
    """
    there = _memory(device)
    what = max(needed, key=lambda name: needed[name])
    if there is not None and needed[what] > there:
        raise ValueError(
            f"a picture of {size[0]}×{size[1]} pixels needs about {needed[what] / 2**30:,.0f} GiB of memory for {what}, "
            f"but {device} has {there / 2**30:,.0f} GiB. Ask for a smaller size."
        )


def _memory(device: torch.device) -> int | None:
    """Bytes of memory of a device, or None where that cannot be told."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system
        return None
