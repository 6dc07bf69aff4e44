"""Which piece of a picture a sample is cut to: a random one in training, the middle for validation."""

from __future__ import annotations

import numpy as np

from ..conditions.crop import Crop
from ..conditions.skeleton import LEFT_RIGHT_PAIRS

__all__ = ["LEFT_RIGHT_PAIRS", "Crop", "centre_crop", "random_crop"]


def random_crop(
    generator: np.random.Generator,
    whole: tuple[int, int],
    size: tuple[int, int],
    short_sides: tuple[int, int] | None,
    flip: bool,
    around: tuple[float, float] | None = None,
    *,
    scale_up: bool = False,
) -> Crop:
    """A random piece of a picture.

    Args:
        generator: whose numbers decide.
        whole: (height, width) of the picture.
        size: (height, width) of the crop.
        short_sides: the picture is scaled down until its short side is drawn from this range; ``None``: it is not.
        flip: whether every other crop is mirrored.
        around: (row, column) in pixels of the picture of what must be seen, somewhere in the middle half of the crop if
            the picture's border allows it.
        scale_up: whether a picture that is smaller than the crop is scaled up to it.

    Raises:
        ValueError: where the crop does not fit into the picture.
    """
    side, row, column, mirror = generator.random(4)
    scale = 1.0
    if short_sides is not None:
        wanted = short_sides[0] + int(side * (short_sides[1] - short_sides[0] + 1))
        scale = min(1.0, wanted / min(whole))
    scale = _enough(scale, whole, size) if scale_up else scale
    if around is not None:
        row, column = (
            _share(place * scale, extent * scale, length, random)
            for place, extent, length, random in zip(around, whole, size, (row, column), strict=True)
        )
    return _piece(whole, size, scale, row, column, flip and mirror < 0.5)


def _share(place: float, extent: float, length: int, random: float) -> float:
    """Where a crop begins, as a share of where it may begin, so that a place lies in its middle half."""
    return min(max((place - (0.25 + 0.5 * random) * length) / max(1.0, extent - length), 0.0), 1 - 1e-9)


def centre_crop(
    whole: tuple[int, int], size: tuple[int, int], short_sides: tuple[int, int] | None, *, scale_up: bool = False
) -> Crop:
    """The middle of a picture, scaled down to the smaller of ``short_sides``, for validation; otherwise as above."""
    scale = 1.0 if short_sides is None else min(1.0, short_sides[0] / min(whole))
    return _piece(whole, size, _enough(scale, whole, size) if scale_up else scale, 0.5, 0.5, False)


def _enough(scale: float, whole: tuple[int, int], size: tuple[int, int]) -> float:
    """The scale, or the least one at which a crop fits into the picture."""
    return max(scale, *(wanted / there for wanted, there in zip(size, whole, strict=True)))


def _piece(
    whole: tuple[int, int], size: tuple[int, int], scale: float, row: float, column: float, flipped: bool
) -> Crop:
    scaled = max(1, round(whole[0] * scale)), max(1, round(whole[1] * scale))
    if scaled[0] < size[0] or scaled[1] < size[1]:
        raise ValueError(
            f"it has {whole[0]}×{whole[1]} pixels (height×width), and a crop of {size[0]}×{size[1]} does not fit. Leave "
            "it out, train with a smaller crop_size, or with scale_up=True."
        )
    top, left = int(row * (scaled[0] - size[0] + 1)), int(column * (scaled[1] - size[1] + 1))
    down, right = whole[0] / scaled[0], whole[1] / scaled[1]
    return Crop(top * down, left * right, size[0] * down, size[1] * right, size, flipped)
