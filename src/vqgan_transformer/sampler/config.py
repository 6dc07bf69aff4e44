"""SamplerConfig: how tokens are drawn."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SamplerConfig"]

LARGEST = 10_000
"""No guidance or strength beyond it means anything, and logits must not overflow."""


@dataclass(frozen=True)
class SamplerConfig:
    """How tokens are drawn.

    Args:
        temperature: divides the logits; below 1 favours likely codes.
        top_k: draw among the k likeliest codes only (the paper's pictures: 100); ``None`` for all.
        top_p: then among the likeliest codes that together reach probability p.
        guidance_scale: how far to move from the logits without the condition through those with it; 1 is no guidance.
            Other values need a model that was trained with a dropped condition, and cost twice the work, but for the one
            that a model has learnt (``CondGPTConfig.guidance``). For models with several conditions, a dictionary from a
            kind's name guides by each kind by itself.
        stride: places, down and across, for which a window stays put. 1 is the paper's rule. A larger stride saves
            most of the work but lets a place see less of one side: an approximation.
        centre: row and column inside a window (that no border holds back) of the place it draws; half of the window's
            height and width by default, as in most of the original's scripts. Its scene-layout models need (7, 7).
        memory_limit: bytes of keys and values that may wait for the next row; half of what is free on the device by
            default. Less makes more work where windows serve several rows (a stride, the borders), not other tokens.
        condition_strength: for models with several conditions, from a kind's name to how much it counts, at no further
            work: 0 as if it were not given, 1 as in training. Somewhat more than 1 makes pictures follow it more closely.
        guidance_schedule: with a number p guidance grows along the raster of a window, from none to guidance_scale s: at
            place t of T it is 1 + (s - 1) · (1 - cos(π · (t / T)^p)) / 2 (RAR; Yu et al. 2024). ``None`` keeps it the
            same everywhere.
        min_p: then among codes at least so likely in relation to the likeliest one (Nguyen et al. 2024); 0 for all.

    Raises:
        TypeError: for what is no number.
        ValueError: for a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = 100
    top_p: float = 1.0
    guidance_scale: float | dict[str, float] = 1.0
    stride: int = 1
    centre: tuple[int, int] | None = None
    memory_limit: int | None = None
    condition_strength: dict[str, float] = field(default_factory=dict)
    guidance_schedule: float | None = None
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.condition_strength, dict):
            raise TypeError(
                f"condition_strength is a dictionary, such as {{'keypoints': 1.5}}, got {self.condition_strength!r}."
            )
        if self.centre is not None and (not isinstance(self.centre, tuple | list) or len(self.centre) != 2):
            raise TypeError(f"centre is (row, column) inside a window, got {self.centre!r}.")
        for name, number in (
            ("temperature", _number), ("top_k", _whole), ("top_p", _number), ("guidance_scale", _number),
            ("stride", _whole), ("centre", _whole), ("memory_limit", _whole), ("condition_strength", _number),
            ("guidance_schedule", _number), ("min_p", _number),
        ):  # fmt: skip
            value: Any = getattr(self, name)
            if isinstance(value, dict):
                value = {kind: number(name, each) for kind, each in value.items()}
            elif isinstance(value, tuple | list) and name == "centre":
                value = tuple(number(name, each) for each in value)
            elif value is not None or name in ("temperature", "guidance_scale", "stride", "min_p"):
                value = number(name, value)
            object.__setattr__(self, name, value)
        if self.top_p is None:  # as transformers spells "all"
            object.__setattr__(self, "top_p", 1.0)
        scales = self.guidance_scale if isinstance(self.guidance_scale, dict) else {"": self.guidance_scale}
        if not self.temperature > 0 or self.temperature == float("inf"):
            raise ValueError(
                f"temperature must be a positive number, got {self.temperature}. For the likeliest code, use top_k=1."
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1 (or None for all codes), got {self.top_k}.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], got {self.top_p}.")
        if not all(0 <= scale <= LARGEST for scale in scales.values()):
            raise ValueError(f"guidance_scale must be a number from 0 to {LARGEST:,}, got {self.guidance_scale}.")
        if not all(0 <= strength <= LARGEST for strength in self.condition_strength.values()):
            raise ValueError(f"condition_strength has numbers from 0 to {LARGEST:,}, got {self.condition_strength}.")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must lie in [0, 1], got {self.min_p}.")
        if self.guidance_schedule is not None and not 0 < self.guidance_schedule <= LARGEST:
            raise ValueError(
                f"guidance_schedule is a power, a number from 0 to {LARGEST:,}, got {self.guidance_schedule}."
            )
        if self.stride < 1:
            raise ValueError(f"stride must be at least 1, got {self.stride}.")
        if self.memory_limit is not None and self.memory_limit < 0:
            raise ValueError(f"memory_limit is a number of bytes, got {self.memory_limit}.")
        if self.centre is not None and min(self.centre) < 0:
            raise ValueError(f"centre counts from 0, got {self.centre}.")

    @property
    def filters(self) -> dict[str, Any]:
        """What decides which codes are drawn among, and how: the arguments of :func:`~.draw.filter_logits`."""
        return {name: getattr(self, name) for name in ("temperature", "top_k", "top_p", "min_p")}


def _whole(name: str, value: Any) -> int:
    """A whole number of any type that stands for one."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError as error:
        raise TypeError(f"{name} must be a whole number, got {value!r}.") from error


def _number(name: str, value: Any) -> float:
    """A number of any type that stands for one."""
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__") or getattr(value, "ndim", 0) > 0:
        raise TypeError(f"{name} must be a number, got {value!r}.")
    return value if type(value) in (int, float) else float(value)
