"""Reads what people have for a depth map: numbers in arrays, and the pictures that depth is kept in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..images import as_items, check_one_size
from ..picture_files import is_picture_source, lossy_format, open_picture

__all__ = ["read_depth_maps"]

_NUMBER_MODES = ("L", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_HELP = "Pass an array or tensor (H, W), a gray picture, a path, or a list of these."


def read_depth_maps(value: Any) -> list[np.ndarray]:
    """The maps in a user's input as the numbers that stand in them, whatever these mean.

    Args:
        value: one of these, or a list of them:

            - an array or tensor of numbers `(H, W)`, `(1, H, W)`, `(B, H, W)`, `(B, 1, H, W)`, `(H, W, 1)` or
              `(B, H, W, 1)`;
            - a picture of one channel (PIL mode L, I, I;16, F), or its path;
            - an RGB or opaque RGBA picture, or array `(H, W, 3)`, whose channels are equal;
            - an RGBA picture, or uint8 array `(H, W, 4)`, whose four bytes are a little-endian float32;
            - a dictionary with "predicted_depth", as depth estimators return it.

    Returns:
        float64 `(H, W)` each, all of one size; not yet checked for what is finite. Of a masked array, masked arrays.

    Raises:
        TypeError: for other types and number formats.
        ValueError: for other shapes and modes, channels that differ, and maps of different sizes.
    """
    maps = [depth_map for item in as_items(value, "depth") for depth_map in _read(item)]
    check_one_size([(depth_map.shape[0], depth_map.shape[1]) for depth_map in maps], "depth")
    return [
        np.ma.asarray(depth_map, np.float64) if np.ma.isMaskedArray(depth_map) else depth_map.astype(np.float64)
        for depth_map in maps
    ]


def _read(item: Any) -> list[np.ndarray]:
    """One item of a user's input as maps of numbers (H, W)."""
    if isinstance(item, Mapping):
        if "predicted_depth" not in item:
            raise ValueError(f"depth is a dictionary with {sorted(map(str, item))}, but without 'predicted_depth'.")
        return _read(item["predicted_depth"])  # not "depth", the same in 8 bits
    if isinstance(item, str | Path) and Path(item).suffix in (".npy", ".npz"):
        raise ValueError(f"depth is {str(item)!r}, a file of arrays: pass the array, numpy.load({str(item)!r}).")
    if is_picture_source(item):
        picture = open_picture(item, "depth")
        lossy = lossy_format(item) if picture.mode == "RGBA" else None
        if lossy is not None:
            raise ValueError(
                f"depth is an RGBA picture in a {lossy} file. If its bytes are a float32, compression has changed them: save "
                "it as PNG; if it is gray, pass picture.convert('L')."
            )
        return [_from_picture(picture)]
    if isinstance(item, Tensor):
        return _from_numbers(item.detach().cpu().double().numpy() if item.is_floating_point() else item.cpu().numpy())
    if isinstance(item, np.ndarray):
        return _from_numbers(item)
    raise TypeError(f"depth is given as {type(item).__name__}. {_HELP}")


def _from_picture(picture: Image.Image) -> np.ndarray:
    if picture.mode == "LA" or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode in ("RGB", "RGBA"):
        return _from_colours(np.asarray(picture))
    if picture.mode not in _NUMBER_MODES:
        raise ValueError(
            f"depth has the PIL mode {picture.mode!r}; depth pictures have one channel ({', '.join(_NUMBER_MODES)}), or "
            "equal ones (RGB). If it is gray to the eye, pass picture.convert('L')."
        )
    return np.asarray(picture)


def _from_colours(pixels: np.ndarray) -> np.ndarray:
    """Depth that a picture of several channels stands for: numbers (H, W, 3) or uint8 (H, W, 4) -> (H, W)."""
    gray = bool((pixels[..., :3] == pixels[..., :1]).all())
    opaque = pixels[..., 3] == 255 if pixels.shape[-1] == 4 else np.True_
    if np.all(opaque):
        if gray:
            return pixels[..., 0]
        spread = np.ptp(pixels[..., :3].astype(np.float64), axis=-1).max()
        raise ValueError(
            f"depth is a colour picture (its channels differ by up to {spread:.4g}). Depth has one number for each pixel, "
            "and the colour scales that people view it in cannot be read back: pass the numbers, or a gray picture."
        )
    if gray or np.any(opaque):  # bytes of a float32 are not all equal, and a last byte of 255 makes it no number
        raise ValueError(
            f"{np.mean(~opaque):.1%} of depth are transparent. Put the picture on a background first; fully opaque "
            "pictures are gray values, and RGBA pictures are float32 values only where alpha is nowhere 255."
        )
    return np.ascontiguousarray(pixels).view("<f4")[..., 0]


def _from_numbers(array: np.ndarray) -> list[np.ndarray]:
    if array.dtype.kind not in "fiu":
        raise TypeError(f"depth has values of type {array.dtype}; numbers are expected.")
    shape = array.shape
    if array.ndim == 3 and array.size and (shape[-1] == 3 or (shape[-1] == 4 and array.dtype == np.uint8)):
        return [_from_colours(array)]
    if array.ndim in (3, 4) and shape[-1] == 1:
        array = array[..., 0]
    elif array.ndim == 4 and shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (2, 3) or 0 in shape:
        raise ValueError(f"depth has the shape {shape}, expected (H, W), (B, H, W) or (B, 1, H, W).")
    if array.ndim == 3 and len(array) == 3 and (array.dtype == np.uint8 or (array == array[:1]).all()):
        raise ValueError(
            f"depth of shape {shape} looks like the three channels of one picture. If it is, pass the first, "
            "depth[0]; if it is three maps, pass them as a list."
        )
    return list(array if array.ndim == 3 else array[None])
