"""Layouts as label maps, which aligned GPTs read: each pixel has the label of the smallest box that it lies in."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..geometry import Canvas, Size
from .crop import Crop
from .map_sizes import continued

__all__ = ["OUTLINE", "boxes_in_part", "canvas_map", "label_map"]

OUTLINE = 2.0
"""Pixels along the edges of a box, inside of it, that are unlabelled, so that neighbours of one name stay apart.

As many in a crop as in a whole picture, whatever its size: so a GPT that learned from crops knows them."""

THINNEST = 4
"""An outline takes at most a fourth of a box' width on either side, and of its height, so that small ones keep a label."""


def label_map(objects: Tensor, number_of_classes: int, crop: Crop, whole: Size) -> Tensor:
    """The map of a piece of a picture.

    Whose centre lies in a box (left and top edge included) has its label, or -1 on its outline; the smallest box wins.
    So the order of objects means nothing.

    Args:
        objects: float (N, 5): id with attributes, left, top, right, bottom, relative to the whole; negative ids are none.
        number_of_classes: of labels; ids beyond tell attributes, which a map does not show.
        crop: the piece.
        whole: (height, width) of the picture in pixels.

    Returns:
        int64 (h, w) of the crop's size, -1 where no box is.
    """
    height, width = crop.size
    down, across = crop.height / height, crop.width / width  # pixels of the whole
    rows, columns = crop.top + (np.arange(height) + 0.5) * down, crop.left + (np.arange(width) + 0.5) * across
    labels = np.full(crop.size, -1, dtype=np.int64)
    for token, left, top, right, bottom in _largest_first(objects.double().cpu().numpy()):
        vertical, horizontal = (top * whole[0], bottom * whole[0]), (left * whole[1], right * whole[1])
        labels[_between(rows, *vertical), _between(columns, *horizontal)] = -1
        inner = _between(rows, *_inside(*vertical, down)), _between(columns, *_inside(*horizontal, across))
        labels[inner] = int(token) % number_of_classes
    found = torch.from_numpy(labels)
    return found.flip(-1) if crop.flipped else found


def canvas_map(objects: Tensor, number_of_classes: int, canvas: Canvas) -> Tensor:
    """The map of a whole picture, continued to its token grid: int64 (H, W); see :func:`label_map`."""
    whole = Crop(0, 0, *canvas.size, size=canvas.size)
    return continued(label_map(objects, number_of_classes, whole, canvas.size), canvas.painted)


def boxes_in_part(objects: Tensor, box: tuple[int, int, int, int], whole: Size) -> Tensor:
    """Objects of a picture as those of a part of it, cut off at its edge.

    Args:
        objects: float (..., 5), as :func:`label_map` takes them.
        box: (top, left, bottom, right) of the part in pixels.
        whole: (height, width) of the picture in pixels.

    Returns:
        likewise, -1 for objects that do not reach into the part.
    """
    top, left, bottom, right = box
    start, extent = objects.new_tensor([left, top] * 2), objects.new_tensor([right - left, bottom - top] * 2)
    boxes = ((objects[..., 1:] * objects.new_tensor([whole[1], whole[0]] * 2) - start) / extent).clamp(0, 1)
    seen = (objects[..., 0] >= 0) & (boxes[..., :2] < boxes[..., 2:]).all(-1)
    return torch.cat((objects[..., :1], boxes), dim=-1).where(seen[..., None], -1)


def _largest_first(objects: np.ndarray) -> np.ndarray:
    """Objects (N, 5) by their area; those of one area by their ids, then by where they are."""
    there = objects[objects[:, 0] >= 0]
    area = (there[:, 3] - there[:, 1]) * (there[:, 4] - there[:, 2])
    ordered: np.ndarray = there[np.lexsort((*there.T[::-1], -area))]
    return ordered


def _between(places: np.ndarray, low: float, high: float) -> slice:
    """Those of ascending places that lie in low..high, low included."""
    first, last = np.searchsorted(places, (low, high))
    return slice(int(first), int(last))


def _inside(low: float, high: float, pixel: float) -> tuple[float, float]:
    """A box' extent along one axis without its outline."""
    outline = min(OUTLINE * pixel, (high - low) / THINNEST)
    return low + outline, high - outline
