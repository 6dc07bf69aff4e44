"""DepthCondition: maps of inverse depth, near being large."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..images import as_items, check_one_size, open_picture
from ..vqgan.model import VQGAN, VQGANConfig
from .condition import Condition, encode_in_parts

__all__ = ["DepthCondition", "DepthConfig"]

_GRAY_MODES = ("L", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")


@dataclass(frozen=True)
class DepthConfig:
    """What a checkpoint knows of depth.

    Args:
        vqgan: the tokenizer of depth maps, of one input channel; ``None`` for models that read maps directly.

    Raises:
        ValueError: for a VQGAN of several channels.
    """

    vqgan: VQGANConfig | None = None

    def __post_init__(self) -> None:
        if self.vqgan is not None and self.vqgan.in_channels != 1:
            raise ValueError(f"the depth VQGAN needs one input channel, got {self.vqgan.in_channels}.")


class DepthCondition(Condition):
    """Depth as a condition.

    Args:
        vqgan: encodes maps in [-1, 1].

    Raises:
        ValueError: for a VQGAN of several channels.
    """

    name: ClassVar[str] = "depth"
    spatial: ClassVar[bool] = True
    config_class: ClassVar[type] = DepthConfig

    def __init__(self, *, vqgan: VQGAN | None = None):
        super().__init__()
        self.config = DepthConfig(None if vqgan is None else vqgan.config)
        self.vqgan = vqgan

    @classmethod
    def from_config(cls, config: DepthConfig) -> DepthCondition:
        """A condition with a new VQGAN, if the config has one."""
        return cls(vqgan=None if config.vqgan is None else VQGAN(config.vqgan))

    @property
    def vocab_size(self) -> int:
        """The number of tokens that maps are encoded with."""
        return 0 if self.vqgan is None else self.vqgan.codebook_size

    @property
    def downsample_factor(self) -> int:
        """Pixels of a map that a token stands for, along each side."""
        return 1 if self.vqgan is None else self.vqgan.downsample_factor

    def parse(self, value: Any) -> Tensor:
        """Depth maps, each scaled so that its farthest place is -1 and its nearest 1, as the original does.

        Args:
            value: **inverse depth, near is large**, in any unit: what MiDaS, DPT and Depth Anything give, and their
                pictures in which near is white. Depth in metres is the other way round: pass 1 / metres. An array or
                tensor of numbers `(H, W)`, `(1, H, W)`, `(B, H, W)` or `(B, 1, H, W)`; a gray picture (PIL mode L, I,
                I;16, F); a path; or a list of these, all of one size.

        Returns:
            float32 (B, 1, H, W) in [-1, 1]. A map that is the same everywhere becomes -1 (all far), with a warning.

        Raises:
            TypeError: for other types and number formats.
            ValueError: for other shapes, colour pictures, values that are not finite, and maps of different sizes.
        """
        maps = [one for item in as_items(value, self.name) for one in _read(item)]
        check_one_size([(len(one), len(one[0])) for one in maps], self.name)
        return torch.stack([torch.from_numpy(_normalised(one))[None] for one in maps])

    def encode(self, parsed: Tensor) -> Tensor:
        """Tokens of depth maps: float (B, 1, H, W) in [-1, 1] -> int64 (B, h, w).

        Raises:
            ValueError: for another shape, sides that are no multiples of :attr:`downsample_factor`, and for a condition
                without a VQGAN.
        """
        if self.vqgan is None:
            raise ValueError("this condition has no VQGAN that could encode depth maps: pass vqgan= when making it.")
        dtype = next(self.vqgan.parameters()).dtype
        return encode_in_parts(self.vqgan, parsed, lambda maps: maps.to(dtype))


def _read(item: Any) -> list[np.ndarray]:
    """One item of a user's input as maps of float64 (H, W)."""
    if isinstance(item, str | Path | Image.Image):
        picture = open_picture(item, "depth")
        if picture.mode not in _GRAY_MODES:
            raise ValueError(
                f"depth has the PIL mode {picture.mode!r}; a depth picture has one channel ({', '.join(_GRAY_MODES)}). "
                "If all channels are the same, pass picture.convert('L')."
            )
        array = np.asarray(picture)
    elif isinstance(item, Tensor):
        array = item.detach().cpu().double().numpy() if item.is_floating_point() else item.detach().cpu().numpy()
    elif isinstance(item, np.ndarray):
        array = item
    else:
        kind = type(item).__name__
        raise TypeError(f"depth should be an array, a tensor, a gray picture, a path or a list of these; got {kind}.")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"depth has values of type {array.dtype}; numbers are expected.")
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(f"depth has the shape {array.shape}, expected (H, W), (B, H, W) or (B, 1, H, W).")
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        raise ValueError(
            f"depth of shape {array.shape} looks like a colour picture; depth has one number for each pixel."
        )
    array = array.astype(np.float64)
    strange = float(np.mean(~np.isfinite(array)))
    if strange:
        raise ValueError(f"{strange:.2%} of the depth values are NaN or infinite. Fill them before the call.")
    return list(array if array.ndim == 3 else array[None])


def _normalised(depth: np.ndarray) -> np.ndarray:
    """(H, W) of any range -> float32 (H, W), its minimum -1 and its maximum 1."""
    low, high = depth.min(), depth.max()
    if low == high:
        warnings.warn("depth is the same everywhere; it is read as far away (-1).", stacklevel=5)
        return np.full(depth.shape, -1, dtype=np.float32)
    with np.errstate(over="ignore"):
        span = high - low
    if not np.isfinite(span) or span < np.finfo(np.float64).tiny:
        raise ValueError(
            f"depth runs from {low:.3g} to {high:.3g}, a range that cannot be scaled. Rescale it yourself."
        )
    return (2 * ((depth - low) / span) - 1).astype(np.float32)
