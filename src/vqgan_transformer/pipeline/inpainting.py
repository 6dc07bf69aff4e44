"""A picture to complete: what of it is painted anew, what the model sees of the rest, and what comes back unchanged.

The way of a picture: it is laid on the canvas (:func:`read_completions`), the area to paint is filled from its
surroundings so that nothing of what was there can leak (:func:`fill_area`), the whole is encoded, and each token whose
cell the area does not touch is kept (:meth:`Completion.tokens`). When the others are drawn and decoded, the pixels
outside the area are put back, without a seam (:meth:`Completion.composite`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..geometry import Canvas
from ..images import as_items, check_one_size, from_pixels, open_picture
from ..vqgan.model import VQGAN

__all__ = ["Completion", "continue_edges", "encode_on_canvas", "fill_area", "read_completions", "read_masks"]


@dataclass(frozen=True)
class Completion:
    """Pictures to complete, as large as the result.

    Attributes:
        pictures: float32 (B, 3, H, W) in [-1, 1]; anything inside the area.
        area: bool (B, 1, H, W), True where the pictures are painted.
    """

    pictures: Tensor
    area: Tensor

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.pictures)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.pictures.shape[-2], self.pictures.shape[-1]

    @classmethod
    def of_pictures(cls, completions: Sequence[Completion], times: int) -> Completion:
        """Pictures of one size together, each several times, one after another."""
        pictures, area = zip(*((one.pictures, one.area) for one in completions), strict=True)
        return cls(*(torch.cat(part).repeat_interleave(times, dim=0) for part in (pictures, area)))

    def tokens(self, vqgan: VQGAN, canvas: Canvas) -> tuple[Tensor, Tensor]:
        """What is known of the token grid.

        Returns:
            int64 (B, h, w), the tokens of the filled pictures; and bool (B, h, w), True where a token is kept: where no
            pixel of its cell is painted.
        """
        tokens = encode_on_canvas(vqgan, fill_area(self.pictures, self.area), canvas)
        area = continue_edges(self.area.float(), canvas)
        touched = F.max_pool2d(area, canvas.factor)[:, 0] > 0
        return tokens, ~touched

    def composite(self, painted: Tensor) -> Tensor:
        """Painted pictures inside the area, the given ones outside, value for value.

        A tokenizer never gives a picture back exactly, so that a seam would show. What it does to the pixels around the
        area is therefore taken off inside, too: the difference there, continued smoothly into the area, is added
        (a membrane between given values, as in Pérez et al. 2003).

        Args:
            painted: float (B, 3, H, W), inside and outside of the area.
        """
        return torch.where(self.area, painted + fill_area(self.pictures - painted, self.area), self.pictures)


def read_completions(
    image: Any, mask: Any = None, *, origin: tuple[int, int] | None = None, size: tuple[int, int] | None = None
) -> list[Completion]:
    """What a user passes to be completed, checked, and laid on its canvas: one for each picture.

    Args:
        image: pictures, as for :func:`~vqgan_transformer.images.from_pixels`; those of a list may have different sizes.
        mask: the area to paint, as for :func:`read_masks`, one for all pictures or one for each, as large as they are.
            ``None``: only what lies around them.
        origin: (top, left) of the pictures in a larger one, in pixels.
        size: (height, width) of the larger one; by default that of the pictures.

    Raises:
        TypeError: for other types.
        ValueError: for a mask of another size or number, a picture that does not lie inside ``size``, and where there is
            nothing to paint.
    """
    pictures = [one for item in as_items(image, "image") for one in from_pixels(item).split(1)]
    masks: list[Tensor | None] = [None]
    if mask is not None:
        masks = [one for item in as_items(mask, "mask") for one in read_masks(item).split(1)]
    if len(masks) not in (1, len(pictures)):
        raise ValueError(f"{len(pictures)} images and {len(masks)} masks: give one mask, or one for each.")
    each = masks if len(masks) > 1 else masks * len(pictures)
    return [_laid_on_canvas(*pair, origin, size) for pair in zip(pictures, each, strict=True)]


def _laid_on_canvas(
    picture: Tensor, mask: Tensor | None, origin: tuple[int, int] | None, size: tuple[int, int] | None
) -> Completion:
    """A picture (1, 3, h, w) with its mask, bool (1, h, w), in a larger one."""
    height, width = picture.shape[-2:]
    size = (height, width) if size is None else size
    top, left = _checked_origin(origin, (height, width), size)
    canvas = picture.new_zeros(1, 3, *size)
    canvas[..., top : top + height, left : left + width] = picture
    area = torch.ones(1, 1, *size, dtype=torch.bool)
    inside = torch.zeros(1, height, width, dtype=torch.bool) if mask is None else mask
    if inside.shape[-2:] != (height, width):
        raise ValueError(
            f"the mask is {inside.shape[-2]}×{inside.shape[-1]}, the image {height}×{width}: they should be equally "
            "large. The mask marks pixels of the image; what lies around it is painted anyway."
        )
    area[..., top : top + height, left : left + width] = inside
    if not area.any():
        what = "mask= marks the area to paint (white, True or 1), but marks nothing" if mask is not None else "no mask="
        raise ValueError(
            f"there is nothing to paint: {what}. Pass a mask, or a larger size= with origin=(top, left) to paint around "
            "the image."
        )
    return Completion(canvas, area)


def read_masks(value: Any) -> Tensor:
    """Areas to paint, as people mark them: white, True or 1 is painted, black, False or 0 stays.

    Args:
        value: one of these, or a list of them, all of one size:

            - a path, or a PIL picture of mode 1 or L, or of mode RGB with equal channels;
            - an array or tensor `(H, W)`, `(1, H, W)`, `(B, H, W)` or `(B, 1, H, W)` (numpy also `(H, W, 1)`): bool;
              numbers from 0 to 1; or uint8 from 0 to 255.

    Returns:
        bool `(B, H, W)`. What lies between black and white, as along smoothed edges, is painted from the middle on (0.5,
        128).

    Raises:
        TypeError: for other types and number formats.
        ValueError: for other shapes, modes and values.
    """
    masks = [one for item in as_items(value, "mask") for one in _read_mask(item)]
    check_one_size([(len(mask), len(mask[0])) for mask in masks], "mask")
    return torch.from_numpy(np.stack(masks))


def encode_on_canvas(vqgan: VQGAN, pictures: Tensor, canvas: Canvas) -> Tensor:
    """Tokens of pictures that are as large as a canvas: float (B, 3, H, W) in [-1, 1] -> int64 (B, h, w) on the CPU."""
    weight = vqgan.to_codes.weight
    # one at a time, since memory is bounded by the size of one
    return torch.cat([vqgan.encode(one[None].to(weight)).cpu() for one in continue_edges(pictures, canvas)])


def continue_edges(pictures: Tensor, canvas: Canvas) -> Tensor:
    """Float (B, C, H, W) continued to the whole grid of a canvas by repeating the last row and column, as maps are."""
    down, across = (whole - side for whole, side in zip(canvas.painted, canvas.size, strict=True))
    return F.pad(pictures, (0, across, 0, down), mode="replicate")


def fill_area(pictures: Tensor, area: Tensor) -> Tensor:
    """Pictures whose area is filled smoothly from what surrounds it.

    Known pixels are averaged into pictures of half the size, again and again until nothing is unknown; from the
    smallest on, what was unknown is taken from the next smaller one, interpolated (push-pull; Gortler et al. 1996,
    section 3.4). The result does not depend on what was inside the area; where all is unknown it is gray.

    Args:
        pictures: float (B, C, H, W).
        area: bool (B, 1, H, W), True where unknown.

    Returns:
        float (B, C, H, W), equal to ``pictures`` outside the area.
    """
    if not area.any():
        return pictures
    known = pictures.masked_fill(area, 0)
    if area.shape[-2:] == (1, 1):
        return known
    share = F.avg_pool2d((~area).to(pictures.dtype), 2, ceil_mode=True)
    half = F.avg_pool2d(known, 2, ceil_mode=True) / share.clamp(min=0.125)  # at least an eighth unless it is zero
    smaller = fill_area(half, share == 0)
    return torch.where(area, F.interpolate(smaller, size=area.shape[-2:], mode="bilinear"), pictures)


def _checked_origin(origin: tuple[int, int] | None, picture: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    if origin is None:
        if picture != size:
            raise ValueError(
                f"the image is {picture[0]}×{picture[1]}, but size is {size}. To paint around it, say where it lies: "
                "origin=(top, left). To paint it larger, resize the image first."
            )
        return 0, 0
    if not isinstance(origin, Sequence) or isinstance(origin, str) or len(origin) != 2:
        raise TypeError(f"origin is (top, left) of the image in pixels, got {origin!r}.")
    if any(isinstance(side, bool) or not hasattr(side, "__index__") for side in origin):
        raise TypeError(f"origin is (top, left) of the image in whole pixels, got {tuple(origin)!r}.")
    top, left = (side.__index__() for side in origin)
    if top < 0 or left < 0 or top + picture[0] > size[0] or left + picture[1] > size[1]:
        raise ValueError(
            f"an image of {picture[0]}×{picture[1]} at origin {(top, left)} does not lie inside size={size}. Crop it, or "
            "ask for a larger size."
        )
    return top, left


def _read_mask(item: Any) -> np.ndarray:
    """One item of a user's masks as bool (B, H, W)."""
    if isinstance(item, str | Path | Image.Image):
        return _from_picture(open_picture(item, "mask"))[None]
    if isinstance(item, Tensor):
        array = item.detach().cpu().float().numpy() if item.is_floating_point() else item.detach().cpu().numpy()
    elif isinstance(item, np.ndarray):
        array = item[..., 0] if item.ndim == 3 and item.shape[-1] == 1 else item
    else:
        kind = type(item).__name__
        raise TypeError(f"mask should be an array, a tensor, a picture, a path or a list of these; got {kind}.")
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    coloured = array.ndim == 3 and len(array) > 1 and array.shape[-1] in (3, 4)
    if array.ndim not in (2, 3) or 0 in array.shape or coloured:
        raise ValueError(
            f"mask should have the shape (H, W), (B, H, W) or (B, 1, H, W), one number a pixel; got {array.shape}."
        )
    return _marked(array if array.ndim == 3 else array[None])


def _from_picture(picture: Image.Image) -> np.ndarray:
    if picture.mode not in ("1", "L", "RGB"):
        raise ValueError(
            f"mask has the PIL mode {picture.mode!r}; expected black and white in mode 1, L or RGB. Of a picture with "
            "transparency take picture.getchannel('A'), otherwise picture.convert('L')."
        )
    array = np.asarray(picture)
    if array.ndim == 3:
        if (array != array[..., :1]).any():
            raise ValueError("mask is a coloured picture; white marks the area to paint, black what stays.")
        array = array[..., 0]
    return _marked(array)


def _marked(array: np.ndarray) -> np.ndarray:
    """Numbers to bool."""
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "fiu":
        raise TypeError(f"mask has values of type {array.dtype}; bool, or numbers from 0 to 1, are expected.")
    low, high = array.min(), array.max()
    largest = 255 if array.dtype == np.uint8 and high > 1 else 1
    if not 0 <= low <= high <= largest:  # NaN compares as false
        raise ValueError(
            f"mask has values from {low:.4g} to {high:.4g}; bool, numbers from 0 to 1, or uint8 from 0 to 255 are expected."
        )
    return array >= (128 if largest == 255 else 0.5)
