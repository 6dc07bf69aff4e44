"""The dictionary of conditions that an aligned model reads: checks, and dropping."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import nearest_name
from .config import CondGPTConfig, ConditionInput

__all__ = ["check_conditions", "check_ids", "dropped"]

_SHAPES = {"labels": "(B, H, W)", "values": "(B, {}, H, W)", "class": "(B,)", "tokens": "(B, h, w)"}
_AXES = {"labels": 3, "values": 4, "class": 1, "tokens": 3}


def check_conditions(
    config: CondGPTConfig, conditions: Mapping[str, Tensor], size: tuple[int, int] | None = None
) -> tuple[int | None, tuple[int, int] | None]:
    """Checks types and shapes of conditions, against what the model reads and against each other.

    Args:
        config: of the GPT.
        conditions: by name.
        size: (h, w) of the token grid, if that is known.

    Returns:
        the number of pictures and (h, w) of the token grid, where the conditions or ``size`` tell them.

    Raises:
        TypeError: for another type of numbers.
        ValueError: for a name that the model does not know and a shape that does not fit.
    """
    assert config.downsample_factor is not None
    batch: int | None = None
    by_name = {one.name: one for one in config.conditions}
    for name, given in conditions.items():
        if name not in by_name:
            known = ", ".join(by_name) or "none"
            raise ValueError(
                f"this GPT has no condition {name!r}.{nearest_name(name, by_name)} Its conditions: {known}."
            )
        extent = _extent(by_name[name], given, config.downsample_factor)
        if batch is not None and len(given) != batch:
            raise ValueError(f"conditions are for {batch} and {len(given)} pictures; give one for each picture.")
        if extent is not None and size is not None and extent != tuple(size):
            raise ValueError(f"the condition {name} is for a grid of {extent} tokens, but the grid is {tuple(size)}.")
        batch, size = len(given), extent or size
    return batch, size


def check_ids(config: CondGPTConfig, conditions: Mapping[str, Tensor]) -> None:
    """Checks that labels, classes and tokens are among those that the model knows.

    Raises:
        ValueError: for ids that are out of range.
    """
    for one in config.conditions:
        if one.form == "values" or one.name not in conditions:
            continue
        low, high = (int(bound) for bound in conditions[one.name].aminmax())
        if low < -1 or high >= one.size:
            raise ValueError(
                f"the condition {one.name} has ids from {low} to {high}, but the GPT knows 0–{one.size - 1}, and -1 "
                "stands for unknown."
            )


def dropped(
    inputs: tuple[ConditionInput, ...], conditions: Mapping[str, Tensor], drop: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Conditions of which some are unknown for some pictures.

    Args:
        inputs: the kinds there are.
        conditions: by name.
        drop: by name, bool (B,), True for the pictures that the kind is unknown for; kinds left out stay.
    """
    unknown = {one.name: torch.nan if one.form == "values" else -1 for one in inputs}
    return {
        name: given.masked_fill(drop[name].to(given.device).view(-1, *[1] * (given.ndim - 1)), unknown[name])
        if name in drop
        else given
        for name, given in conditions.items()
    }


def _extent(one: ConditionInput, given: Tensor, factor: int) -> tuple[int, int] | None:
    """(h, w) of the token grid that a condition is for; ``None`` for a class."""
    if given.is_complex() or given.dtype == torch.bool or given.is_floating_point() != (one.form == "values"):
        wanted = "numbers (float32)" if one.form == "values" else "ids (int64)"
        raise TypeError(f"the condition {one.name} is made of {wanted}, got {given.dtype}.")
    shape = tuple(given.shape)
    if len(shape) != _AXES[one.form] or 0 in shape or (one.form == "values" and shape[1] != one.size):
        wanted = _SHAPES[one.form].format(one.size)
        raise ValueError(f"the condition {one.name} has the shape {wanted}, got {shape}.")
    if one.form == "class":
        return None
    height, width = shape[-2:]
    if one.form == "tokens":
        return height, width
    if height % factor or width % factor:
        raise ValueError(
            f"the condition {one.name} is {height}×{width} pixels, but its sides must be multiples of {factor}."
        )
    return height // factor, width // factor
