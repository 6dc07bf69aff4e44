"""Cutting one and the same piece out of a picture, its maps and its keypoints. Pure geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor, from_numpy

from .skeleton import JOINTS, LEFT_RIGHT_PAIRS

__all__ = ["Crop"]


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
        people = np.array(people, dtype=np.float64, copy=True).reshape(-1, len(JOINTS), 3)
        height, width = self.size
        people[..., 0] = (people[..., 0] - self.left) * (width / self.width)
        people[..., 1] = (people[..., 1] - self.top) * (height / self.height)
        if self.flipped:
            people[..., 0] = width - 1 - people[..., 0]
            order = np.arange(len(JOINTS))
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
