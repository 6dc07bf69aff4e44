"""The area to paint, as people mark it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..images import as_items, check_one_size
from ..picture_files import is_picture_source, open_picture

__all__ = ["read_masks"]


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
    masks = [mask for item in as_items(value, "mask") for mask in _read_mask(item)]
    check_one_size([(len(mask), len(mask[0])) for mask in masks], "mask")
    return torch.from_numpy(np.stack(masks))


def _read_mask(item: Any) -> np.ndarray:
    """One item of a user's masks as bool (B, H, W)."""
    if is_picture_source(item):
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
        advice = {
            "RGBA": "its transparency is picture.getchannel('A'), or pass mask='alpha' with the picture as image=",
            "P": "such pictures hold label maps; the area of one label is numpy.asarray(picture) == label",
        }
        raise ValueError(
            f"mask has the PIL mode {picture.mode!r}; expected black and white in mode 1, L or RGB: "
            f"{advice.get(picture.mode, 'convert it, and see whether it is right')}."
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
            f"mask has values from {low:.4g} to {high:.4g}; bool, numbers from 0 to 1, or uint8 from 0 to 255 are expected. "
            "Of a label map, the area of one label is labels == label."
        )
    if largest == 255:
        _refuse_labels(array)
    return array >= (128 if largest == 255 else 0.5)


def _refuse_labels(array: np.ndarray) -> None:
    """Refuses numbers from 0 to 255 that are labels rather than shades between black and white."""
    values, counts = np.unique(array, return_counts=True)
    ends = counts[(values == 0) | (values == 255)].sum() / array.size
    if (len(values) > 2 and (values[-1] < 255 or ends < 0.5)) or (values[0] > 0 and values[-1] < 255):
        listed = ", ".join(map(str, values[:8])) + ", …" * (len(values) > 8)
        raise ValueError(
            f"mask has the values {listed}, of which {ends:.0%} are black or white, as in a label map. The area of one label "
            "is labels == label; of shades, mask >= 128."
        )
