"""Whether a machine can hold a picture of a size."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from ..vqgan.model import VQGANConfig

__all__ = ["check_memory", "memory_needed"]


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
