"""Inpainting and outpainting: the pixels that are known, what the model sees of them, and how they come back unchanged.

Pictures are laid on the canvas (:func:`read_known_pixels`), the area to paint is filled from its surroundings so that
nothing of what was there can leak (:func:`fill_area`), the whole is encoded, and each token whose cell the area does not
touch is kept (:meth:`KnownPixels.tokens`). When the others are drawn and decoded, the pixels outside the area are put
back, without a seam (:meth:`KnownPixels.composite`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import warn
from ..geometry import Canvas, Size, whole_pair
from ..images import as_items, from_pixels, split_alpha
from ..picture_files import is_picture_source, is_turned_unnoticed
from ..vqgan.model import VQGAN
from .masks import read_masks

__all__ = ["KnownPixels", "continue_edges", "encode_on_canvas", "fill_area", "read_known_pixels"]


@dataclass(frozen=True)
class KnownPixels:
    """Pictures of which a part is known: inside them for inpainting, around them for outpainting.

    Attributes:
        pictures: float32 (B, 3, H, W) in [-1, 1]; anything inside the area.
        area: bool (B, 1, H, W), True where the pictures are painted.
    """

    pictures: Tensor
    area: Tensor

    @property
    def size(self) -> Size:
        """(height, width) in pixels."""
        return self.pictures.shape[-2], self.pictures.shape[-1]

    @classmethod
    def of_pictures(cls, known: Sequence[KnownPixels], numbers: Sequence[int], times: int) -> KnownPixels:
        """Some pictures of one size, by their numbers, each several times; ``known`` has one for each, or one for all."""
        each = [known[number if len(known) > 1 else 0] for number in numbers]
        pictures, area = zip(*((pixels.pictures, pixels.area) for pixels in each), strict=True)
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

    def mean_colour(self, number: int) -> list[float]:
        """RGB in [0, 1], the mean of what is known of a picture."""
        colours: list[float] = (self.pictures[number][:, ~self.area[number, 0]].double().mean(1) / 2 + 0.5).tolist()
        return colours

    def psnr(self, number: int, reconstruction: Tensor) -> float:
        """In dB, how near a reconstruction comes to what is known of a picture.

        Args:
            number: of the picture.
            reconstruction: float (3, H, W), about [-1, 1]; pixels that are not known may be anything.
        """
        error = (reconstruction.clamp(-1, 1) - self.pictures[number])[:, ~self.area[number, 0]]
        return 10 * math.log10(4 / max(error.double().square().mean().item(), 1e-12))

    def composite(self, painted: Tensor) -> Tensor:
        """Painted pictures inside the area, the given ones outside, value for value.

        A tokenizer never gives a picture back exactly, so that a seam would show. What it does to the pixels around the
        area is therefore taken off inside, too: the difference there, continued smoothly into the area, is added
        (a membrane between given values, as in Pérez et al. 2003).

        Args:
            painted: float (B, 3, H, W), inside and outside of the area.
        """
        return torch.where(self.area, painted + fill_area(self.pictures - painted, self.area), self.pictures)


def read_known_pixels(
    image: Any, mask: Any = None, *, origin: Any = None, size: Size | None = None
) -> list[KnownPixels]:
    """What a user passes to be inpainted or outpainted, checked, and laid on its canvas: one for each picture.

    Args:
        image: pictures, as for :func:`~vqgan_transformer.images.from_pixels`; those of a list may have different sizes.
        mask: the area to paint, as for :func:`~vqgan_transformer.pipeline.masks.read_masks`, one for all pictures or one
            for each, as large as they are; "alpha" for where the pictures are transparent. ``None``: only what lies
            around them.
        origin: (top, left) of the pictures in a larger one, in pixels; a list has one for each.
        size: (height, width) of the larger one; by default that of the pictures.

    Raises:
        TypeError: for other types.
        ValueError: for a mask of another size or number, a picture that does not lie inside ``size``, and where there is
            nothing to paint.
    """
    items = as_items(image, "image")
    masks: list[Tensor | None] = [None]
    if isinstance(mask, str) and mask == "alpha":
        cut_out = [split_alpha(item, "image") for item in items]
        pictures, masks = [picture for picture, _ in cut_out], [area for _, area in cut_out]
    else:
        pictures = [picture[None] for item in items for picture in from_pixels(item)]
        if mask is not None:
            masks = [area[None] for item in as_items(mask, "mask") for area in read_masks(item)]
            _warn_if_turned(items)
    origins = list(origin) if _is_list_of_pairs(origin) else [origin]
    for name, values in (("mask", masks), ("origin", origins)):
        if len(values) not in (1, len(pictures)):
            raise ValueError(f"{len(pictures)} images and {len(values)} {name}s: give one {name}, or one for each.")
    return [
        _laid_on_canvas(picture, masks[number % len(masks)], origins[number % len(origins)], size)
        for number, picture in enumerate(pictures)
    ]


def _is_list_of_pairs(origin: Any) -> bool:
    return (
        isinstance(origin, list | tuple) and len(origin) > 0 and all(isinstance(pair, list | tuple) for pair in origin)
    )


def _warn_if_turned(items: Sequence[Any]) -> None:
    """Says that photos were turned upright where their size does not show whether the mask was."""
    for item in items:
        if is_picture_source(item) and not hasattr(item, "read") and is_turned_unnoticed(item, "image"):
            warn(
                "image is a photo that was turned upright, as its EXIF orientation says; mask= marks pixels of the upright "
                "picture (PIL.ImageOps.exif_transpose gives it)."
            )


def _laid_on_canvas(picture: Tensor, mask: Tensor | None, origin: Any, size: Size | None) -> KnownPixels:
    """A picture (1, 3, h, w) with its mask, bool (1, h, w), in a larger one."""
    height, width = picture.shape[-2:]
    size = (height, width) if size is None else size
    inside = torch.zeros(1, height, width, dtype=torch.bool) if mask is None else mask
    if inside.shape[-2:] != (height, width):
        turned = (
            " It looks turned: a photo is read upright, as its EXIF orientation says (PIL.ImageOps.exif_transpose); turn "
            "the mask likewise."
        )
        raise ValueError(
            f"the mask is {inside.shape[-2]}×{inside.shape[-1]}, the image {height}×{width}: they should be equally "
            "large. The mask marks pixels of the image; what lies around it is painted anyway."
            + turned
            * (inside.shape[-2:] == (width, height))
        )
    top, left = _top_left(origin, (height, width), size)
    canvas = picture.new_zeros(1, 3, *size)
    canvas[..., top : top + height, left : left + width] = picture
    area = torch.ones(1, 1, *size, dtype=torch.bool)
    area[..., top : top + height, left : left + width] = inside
    if not area.any():
        what = "mask= marks the area to paint (white, True or 1), but marks nothing" if mask is not None else "no mask="
        raise ValueError(
            f"there is nothing to paint: {what}. Pass a mask, or a larger size= with origin=(top, left) to paint around "
            "the image."
        )
    return KnownPixels(canvas, area)


def _top_left(origin: Any, picture: Size, size: Size) -> tuple[int, int]:
    """Where a picture lies in a larger one of ``size``."""
    if origin is None:
        if picture != size:
            raise ValueError(
                f"the image is {picture[0]}×{picture[1]}, but size is {size}. To paint around it, say where it lies: "
                "origin=(top, left). To paint it larger, resize the image first."
            )
        return 0, 0
    top, left = whole_pair(origin, "origin is (top, left) of the image")
    if top < 0 or left < 0 or top + picture[0] > size[0] or left + picture[1] > size[1]:
        raise ValueError(
            f"an image of {picture[0]}×{picture[1]} at origin {(top, left)} does not lie inside size={size}. Crop it, or "
            "ask for a larger size."
        )
    return top, left


def encode_on_canvas(vqgan: VQGAN, pictures: Tensor, canvas: Canvas) -> Tensor:
    """Tokens of pictures that are as large as a canvas: float (B, 3, H, W) in [-1, 1] -> int64 (B, h, w) on the CPU."""
    weight = vqgan.to_codes.weight
    # one at a time, since memory is bounded by the size of one
    return torch.cat([vqgan.encode(picture[None].to(weight)).cpu() for picture in continue_edges(pictures, canvas)])


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
