"""Cutting one and the same piece out of a picture, its maps and its keypoints. Pure geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor, from_numpy

__all__ = ["LEFT_RIGHT_PAIRS", "Crop", "centre_crop", "random_crop"]

LEFT_RIGHT_PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))
"""COCO's keypoints that change places in a mirror: eyes, ears, shoulders, elbows, wrists, hips, knees, ankles."""


@dataclass(frozen=True)
class Crop:
    """A piece of a picture, scaled to a size and perhaps mirrored.

    Attributes:
        top: of the piece, in pixels of the whole; not necessarily a whole number.
        left: likewise.
        height: likewise.
        width: likewise.
        size: (height, width) in pixels that the piece is scaled to.
        flipped: mirrored left to right, after scaling.
    """

    top: float
    left: float
    height: float
    width: float
    size: tuple[int, int]
    flipped: bool = False

    def of_picture(self, picture: Image.Image) -> Image.Image:
        """A PIL picture -> one of ``size``, smoothly scaled."""
        return self._mirrored(self._resized(picture, Image.Resampling.BICUBIC))

    def of_labels(self, labels: Tensor) -> Tensor:
        """Integers (..., H, W) -> (..., h, w): the nearest label, never a mixture."""
        rows = self._nearest(self.top, self.height, self.size[0], labels.shape[-2])
        columns = self._nearest(self.left, self.width, self.size[1], labels.shape[-1])
        cut = labels[..., from_numpy(rows)[:, None], from_numpy(columns)]
        return cut.flip(-1) if self.flipped else cut

    def of_numbers(self, numbers: Tensor) -> Tensor:
        """Floats (C, H, W) -> (C, h, w), linearly interpolated."""
        pictures = [Image.fromarray(channel.numpy().astype(np.float32)) for channel in numbers]
        cut = [self._mirrored(self._resized(picture, Image.Resampling.BILINEAR)) for picture in pictures]
        return from_numpy(np.stack([np.array(picture) for picture in cut]))

    def of_keypoints(self, people: np.ndarray) -> np.ndarray:
        """COCO keypoints (people, 17, 3) -> likewise: moved, scaled, and in a mirror left and right exchanged.

        Points outside the piece stay where they are, so that a limb may leave the picture.
        """
        people = np.array(people, dtype=np.float64, copy=True).reshape(-1, 17, 3)
        height, width = self.size
        people[..., 0] = (people[..., 0] - self.left) * (width / self.width)
        people[..., 1] = (people[..., 1] - self.top) * (height / self.height)
        if self.flipped:
            people[..., 0] = width - 1 - people[..., 0]
            order = np.arange(17)
            for left, right in LEFT_RIGHT_PAIRS:
                order[[left, right]] = right, left
            people = people[:, order]
        return people

    def _resized(self, picture: Image.Image, filter_: Image.Resampling) -> Image.Image:
        box = (self.left, self.top, self.left + self.width, self.top + self.height)
        whole = all(float(edge).is_integer() for edge in box)
        if whole and (self.height, self.width) == self.size:
            return picture.crop((int(box[0]), int(box[1]), int(box[2]), int(box[3])))
        return picture.resize((self.size[1], self.size[0]), filter_, box=box)

    def _mirrored(self, picture: Image.Image) -> Image.Image:
        return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.flipped else picture

    @staticmethod
    def _nearest(start: float, extent: float, count: int, limit: int) -> np.ndarray:
        places = start + (np.arange(count) + 0.5) * extent / count
        return np.clip(np.floor(places).astype(np.int64), 0, limit - 1)


def random_crop(
    generator: np.random.Generator,
    whole: tuple[int, int],
    size: tuple[int, int],
    short_sides: tuple[int, int] | None,
    flip: bool,
    around: tuple[float, float] | None = None,
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

    Raises:
        ValueError: where the crop does not fit into the picture.
    """
    side, row, column, mirror = generator.random(4)
    scale = 1.0
    if short_sides is not None:
        wanted = short_sides[0] + int(side * (short_sides[1] - short_sides[0] + 1))
        scale = min(1.0, wanted / min(whole))
    if around is not None:
        row, column = (
            _share(place * scale, extent * scale, length, random)
            for place, extent, length, random in zip(around, whole, size, (row, column), strict=True)
        )
    return _piece(whole, size, scale, row, column, flip and mirror < 0.5)


def _share(place: float, extent: float, length: int, random: float) -> float:
    """Where a crop begins, as a share of where it may begin, so that a place lies in its middle half."""
    return min(max((place - (0.25 + 0.5 * random) * length) / max(1.0, extent - length), 0.0), 1 - 1e-9)


def centre_crop(whole: tuple[int, int], size: tuple[int, int], short_sides: tuple[int, int] | None) -> Crop:
    """The middle of a picture, scaled down to the smaller of ``short_sides``, for validation; otherwise as above."""
    scale = 1.0 if short_sides is None else min(1.0, short_sides[0] / min(whole))
    return _piece(whole, size, scale, 0.5, 0.5, False)


def _piece(
    whole: tuple[int, int], size: tuple[int, int], scale: float, row: float, column: float, flipped: bool
) -> Crop:
    scaled = max(1, round(whole[0] * scale)), max(1, round(whole[1] * scale))
    if scaled[0] < size[0] or scaled[1] < size[1]:
        raise ValueError(
            f"it has {whole[0]}×{whole[1]} pixels (height×width), and a crop of {size[0]}×{size[1]} does not fit. Leave "
            "it out, or train with a smaller crop_size."
        )
    top, left = int(row * (scaled[0] - size[0] + 1)), int(column * (scaled[1] - size[1] + 1))
    down, right = whole[0] / scaled[0], whole[1] / scaled[1]
    return Crop(top * down, left * right, size[0] * down, size[1] * right, size, flipped)
