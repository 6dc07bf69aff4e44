"""Layouts in training: read in the forms that data sets have, cut as the picture is, in an order drawn anew each time.

A data set's objects are ``{"bbox": [[left, top, width, height], ...], "categories": [...]}`` in pixels, as Hugging Face's
detection data and COCO have them; or a list of objects as a pipeline takes it, relative to the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..conditions import LayoutCondition
from .crops import Crop

__all__ = ["layout_tokens", "read_layout"]


def read_layout(condition: LayoutCondition, value: Any, whole: tuple[int, int]) -> Tensor:
    """Objects of a picture, float64 (N, 5), as ``condition.parse`` gives them; there may be none.

    Boxes in pixels are cut off at the picture's edge, beyond which data sets often reach by a fraction of a pixel; those
    of which nothing is left are no objects.

    Args:
        condition: knows the labels.
        value: what the data have.
        whole: (height, width) of the picture in pixels.

    Raises:
        ValueError: for objects that the condition does not know, and for more than it has places for.
    """
    if isinstance(value, Mapping):
        labels = value["categories"] if "categories" in value else value["category"]
        left, top, width, height = np.asarray(value["bbox"], dtype=np.float64).reshape(-1, 4).T
        across = np.clip((left, left + width), 0, whole[1])
        down = np.clip((top, top + height), 0, whole[0])
        boxes = np.stack((across[0], down[0], across[1], down[1]), axis=1)
        there = (across[1] > across[0]) & (down[1] > down[0])
        value = [(label, tuple(box)) for label, box, seen in zip(labels, boxes, there, strict=True) if seen]
        objects = condition.parse(value, layout_size=whole)[0] if value else torch.empty(0, 5, dtype=torch.float64)
    else:
        objects = condition.parse(value)[0] if len(value) else torch.empty(0, 5, dtype=torch.float64)
    most = condition.config.max_objects
    if len(objects) > most:
        raise ValueError(f"layout has {len(objects)} objects, but the condition places for {most}: raise max_objects")
    return objects


def layout_tokens(
    condition: LayoutCondition, objects: Tensor, crop: Crop, whole: tuple[int, int], order: np.random.Generator
) -> Tensor:
    """Tokens of the objects that reach into a piece of a picture, int64 (C,); in a mirror, those of the mirrored picture.

    Args:
        condition: makes the tokens.
        objects: float64 (N, 5).
        crop: the piece.
        whole: (height, width) of the picture in pixels.
        order: shuffles the objects, whose order means nothing.
    """
    objects = objects[torch.from_numpy(order.permutation(len(objects)))]
    left, right = crop.left / whole[1], (crop.left + crop.width) / whole[1]
    top, bottom = crop.top / whole[0], (crop.top + crop.height) / whole[0]
    if crop.flipped:
        left, right = 1 - right, 1 - left
        objects = torch.stack(
            (objects[:, 0], 1 - objects[:, 3], objects[:, 2], 1 - objects[:, 1], objects[:, 4]), dim=1
        )
    return condition.encode(objects[None], crop=(left, top, right, bottom))[0]
