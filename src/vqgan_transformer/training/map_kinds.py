"""What a tokenizer of condition maps reads and gives: one-hot labels, depth, skeletons."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..conditions import Condition, CoordinatesCondition, DepthCondition, KeypointsCondition, SegmentationCondition
from ..vqgan.model import VQGANConfig
from .reports import label_colours, show_map

__all__ = ["condition_of_kind", "from_maps", "show", "to_maps"]


def condition_of_kind(kind: str, given: Condition | None, config: VQGANConfig | None) -> Condition | None:
    """The condition that reads the maps of a kind; ``None`` for pictures.

    Raises:
        ValueError: where the given one is of another kind, and for label maps of which nothing is known.
    """
    if kind == "image":
        if given is not None:
            raise ValueError(
                f"condition={given.name!r} is for its own maps: pass kind={given.name!r}, or leave it out."
            )
        return None
    if given is not None:
        if given.name != kind:
            raise ValueError(f"kind={kind!r} needs a condition of that name, got {given.name!r}.")
        return given
    if kind == "depth":
        return DepthCondition()
    if kind == "keypoints":
        return KeypointsCondition()
    if config is None:
        raise ValueError(
            "segmentation needs condition=SegmentationCondition(labels=…), or a config with a channel a label."
        )
    return SegmentationCondition(labels=[f"label {number}" for number in range(config.in_channels)])


def from_maps(parsed: Tensor, condition: Condition, config: VQGANConfig) -> Tensor:
    """What a condition's ``parse`` gave, as its VQGAN reads it: float (B, in_channels, H, W)."""
    if parsed.is_floating_point():
        return parsed
    channels: Any = condition.config.channels
    if channels is not None:
        parsed = torch.tensor(channels, device=parsed.device)[parsed]
    one_hot = torch.zeros(len(parsed), config.in_channels, *parsed.shape[1:], device=parsed.device)
    return one_hot.scatter_(1, parsed[:, None], 1)


def to_maps(output: Tensor, condition: Condition | None) -> Tensor:
    """A VQGAN's input or output as a map again: the likeliest channel of a label map, others as they are."""
    return output.argmax(1) if isinstance(condition, SegmentationCondition) else output


def show(maps: Tensor, condition: Condition | None) -> Tensor:
    """Maps as pictures (B, 3, H, W) in [-1, 1]."""
    if isinstance(condition, CoordinatesCondition):
        return show_map(2 * maps - 1)
    if not isinstance(condition, SegmentationCondition):
        return show_map(maps)
    palette = condition.space.palette if condition.config.channels is None else None
    return show_map(maps, palette if palette is not None else label_colours(int(maps.max()) + 1))
