"""Whether a machine can hold a picture of a size."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch

from ..geometry import Size
from ..vqgan.model import VQGANConfig
from ..vqgan.strips import is_local
from .parts import PipelineParts

__all__ = ["check_memory"]


def check_memory(size: Size, parts: PipelineParts, kinds: Iterable[str] = (), *, streamed: bool = False) -> None:
    """Refuses a size that the machine cannot hold: its map, and what a VQGAN has to work on as a whole.

    Args:
        size: (height, width) of a picture in pixels.
        parts: of the pipeline that is to paint it.
        kinds: of the conditions that are given.
        streamed: the picture is decoded in strips.

    Raises:
        ValueError: with the memory that is needed and the memory there is.
    """
    needed = {"a map of it": 8 * size[0] * size[1]}
    if not streamed:
        needed["decoding it"] = _memory_needed(size, parts.vqgan.config, parts.dtype.itemsize)
    for name in kinds:
        vqgan = parts.condition(name).tokenizer
        if vqgan is not None and not is_local(vqgan.encoder):
            reason = f"encoding its {name}, whose VQGAN has attention or group normalisation and so must see it whole"
            needed[reason] = _memory_needed(size, vqgan.config, parts.dtype.itemsize)
    there, what = _memory(parts.device), max(needed, key=lambda name: needed[name])
    if there is not None and needed[what] > there:
        raise ValueError(
            f"a picture of {size[0]}×{size[1]} pixels needs about {needed[what] / 2**30:,.0f} GiB of memory for {what}, "
            f"but {parts.device} has {there / 2**30:,.0f} GiB. Ask for a smaller size."
        )


def _memory_needed(size: Size, config: VQGANConfig, itemsize: int) -> int:
    """About how many bytes the widest stage of encoding or decoding one picture takes.

    At each level a residual block holds its input, a normalised copy, a convolved copy and the convolution's own
    scratch space. Measured peaks lie within a factor of two of it.
    """
    levels = (width / (config.patch_size * 2**level) ** 2 for level, width in enumerate(config.widths))
    return int(4 * max(config.in_channels, config.out_channels, *levels) * size[0] * size[1] * itemsize)


def _memory(device: torch.device) -> int | None:
    """Bytes of memory of a device, or None where that cannot be told."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system
        return None
