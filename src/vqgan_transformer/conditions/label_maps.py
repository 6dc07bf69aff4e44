"""Reads what people have for a label map: ids in arrays and pictures, or colours that stand for ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..images import as_items, check_one_size, open_picture
from .label_spaces import label_space

__all__ = ["read_label_maps"]

_ID_MODES = ("P", "L", "I", "I;16", "I;16L", "I;16B", "I;16N")
_HELP = "Pass ids 0, 1, 2, … as a PIL picture of mode P, L or I, an integer array or tensor (H, W), or a path."


def read_label_maps(value: Any, *, as_colours: bool) -> np.ndarray:
    """The maps in a user's input, as ids or as colours; nothing is converted that could be meant otherwise.

    Args:
        value: a path, PIL picture, integer array or integer tensor, or a list of these, one for each picture. Arrays:
            `(H, W)`, `(H, W, 1)` or `(B, H, W)` ids, uint8 `(H, W, 3 or 4)` or `(B, H, W, 3 or 4)` colours. Tensors:
            `(H, W)`, `(B, H, W)` or `(B, 1, H, W)` ids, uint8 `(B, 3, H, W)` colours, and `(3, H, W)` if `as_colours`.
        as_colours: the user gave a palette, so colours are expected, also those of the palette inside a picture of
            mode P.

    Returns:
        Integers `(B, H, W)` are ids, none negative; uint8 `(B, H, W, 3)` are colours.

    Raises:
        TypeError: for other types and number formats.
        ValueError: for other shapes and modes, negative ids, transparent pixels, maps of different sizes, and for
            colours and ids in one list.
    """
    maps = [one for item in as_items(value, "segmentation") for one in _read(item, as_colours)]
    check_one_size([(one.shape[0], one.shape[1]) for one in maps], "segmentation")
    if len({one.ndim for one in maps}) > 1:
        raise ValueError("segmentation mixes maps of ids and maps of colours in one list: pass them one by one.")
    if maps[0].ndim == 3:
        return np.stack(maps)
    if as_colours:
        raise ValueError("palette= is for colour pictures, but segmentation holds ids: leave palette out.")
    lowest, highest = min(int(one.min()) for one in maps), max(int(one.max()) for one in maps)
    if lowest < 0:
        share = float(np.mean([np.mean(one < 0) for one in maps]))
        raise ValueError(
            f"segmentation has the negative label {lowest} ({share:.2%} of the pixels are below 0). If it means "
            "unlabelled, give these pixels a label, or the id that the label space has for it."
        )
    if highest >= 2**31:
        raise ValueError(f"segmentation has the label {highest}; ids are small whole numbers. {_HELP}")
    return np.stack([one.astype(np.int64) for one in maps]) if len({one.dtype for one in maps}) > 1 else np.stack(maps)


def _read(item: Any, as_colours: bool) -> list[np.ndarray]:
    if isinstance(item, str | Path | Image.Image):
        return [_from_picture(open_picture(item, "segmentation"), as_colours)]
    if isinstance(item, Tensor):
        return _from_tensor(item, as_colours)
    if isinstance(item, np.ndarray):
        return _from_array(item)
    raise TypeError(f"segmentation is given as {type(item).__name__}. {_HELP}")


def _from_picture(picture: Image.Image, as_colours: bool) -> np.ndarray:
    if picture.mode == "P" and not as_colours:
        _check_indices(picture)
    if picture.mode == "RGB" or (picture.mode == "P" and as_colours):
        return np.asarray(picture.convert("RGB"))
    if picture.mode == "RGBA":
        return _opaque(np.asarray(picture))
    if picture.mode in _ID_MODES:
        return np.asarray(picture)
    if picture.mode == "1":
        raise TypeError(f"segmentation is a black-and-white picture (PIL mode 1), which is no label map. {_HELP}")
    raise ValueError(f"segmentation has the PIL mode {picture.mode!r}. {_HELP} Colours (RGB) need a palette.")


def _check_indices(picture: Image.Image) -> None:
    """Refuses an ADE20K colour picture that a program stored as mode P to save space: its indices mean nothing."""
    stored = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    used = [int(index) for index in np.unique(np.asarray(picture)) if index < len(stored)]
    colours = reversed([*enumerate(label_space("ade20k-150").palette or ())])
    # pure red, green, blue and their sums are in everybody's palette and prove nothing
    ids = {colour: label for label, colour in colours if not set(colour) <= {0, 255}}
    found = [(index, ids.get((int(r), int(g), int(b)))) for index, (r, g, b) in zip(used, stored[used], strict=True)]
    known = [index - label for index, label in found if label is not None]
    # true ids stand at their own place, or one further where 0 is unknown
    if len(known) >= 2 and 2 * len(known) > len(found) and not any(shift in (0, 1) for shift in known):
        raise ValueError(
            "segmentation is a picture of mode P in the colours of ADE20K, but its indices are not ADE20K's ids; the "
            "program that saved it seems to have numbered the colours anew. Pass palette='ade20k' to read the colours, "
            "or numpy.asarray(picture) if the indices are the ids."
        )


def _from_array(array: np.ndarray) -> list[np.ndarray]:
    _check_kind(array)
    if 0 in array.shape:
        raise ValueError(f"segmentation is empty: it has the shape {array.shape}.")
    if array.ndim in (3, 4) and array.shape[-1] in (3, 4):
        if array.dtype != np.uint8:
            raise TypeError(
                f"segmentation of shape {array.shape} looks like colours, which are uint8; got {array.dtype}. If it is a "
                "batch of very narrow maps, pass them as a list."
            )
        colours = _opaque(array) if array.shape[-1] == 4 else array
        return list(colours if array.ndim == 4 else colours[None])
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3):
        raise ValueError(f"segmentation has the shape {array.shape}, expected (H, W), (B, H, W) or (H, W, 3) colours.")
    return list(array if array.ndim == 3 else array[None])


def _from_tensor(tensor: Tensor, as_colours: bool) -> list[np.ndarray]:
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point() and tensor.ndim == 4:
        raise TypeError(
            f"segmentation is {tensor.dtype} of shape {tuple(tensor.shape)}, which looks like logits or one-hot maps. "
            "Pass the labels: segmentation.argmax(dim=1)."
        )
    array = tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
    _check_kind(array)
    if (array.ndim == 4 and array.shape[1] == 3) or (array.ndim == 3 and as_colours and len(array) == 3):
        return _from_array(np.moveaxis(array, -3, -1))
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (2, 3) or 0 in array.shape:
        expected = "(H, W), (B, H, W) or (B, 3, H, W) colours"
        raise ValueError(f"segmentation has the shape {tuple(array.shape)}, expected {expected}.")
    return list(array if array.ndim == 3 else array[None])


def _check_kind(array: np.ndarray) -> None:
    """Ids are whole numbers by type: floats may have been scaled or interpolated, booleans are masks."""
    if array.dtype.kind in "iu":
        return
    if array.dtype.kind == "b":
        raise TypeError(
            "segmentation is boolean, which is a mask and no label map. If False and True are the labels 0 and 1, pass "
            "it as integers."
        )
    if array.dtype.kind != "f":
        raise TypeError(f"segmentation has values of type {array.dtype}. {_HELP}")
    if not array.size or not np.isfinite(array).all():
        raise TypeError(f"segmentation is {array.dtype}, empty or with values that are not finite. {_HELP}")
    low, high = array.min(), array.max()
    if np.array_equal(array, np.round(array)):
        raise TypeError(
            f"segmentation is {array.dtype}, though its values are whole numbers ({low:.0f}–{high:.0f}). If they are "
            "ids, convert it: .astype('int64') or .long()."
        )
    raise TypeError(
        f"segmentation is {array.dtype} with values between whole numbers ({low:.4g}–{high:.4g}): a depth map, or "
        f"labels that were resized smoothly or divided by 255? {_HELP}"
    )


def _opaque(pixels: np.ndarray) -> np.ndarray:
    transparent = float(np.mean(pixels[..., 3] < 255))
    if transparent:
        raise ValueError(f"{transparent:.2%} of the pixels of segmentation are transparent; colours must be opaque.")
    return pixels[..., :3]
