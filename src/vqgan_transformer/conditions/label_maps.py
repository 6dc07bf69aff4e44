"""Reads what people have for a label map: ids in arrays and pictures, or colours that stand for ids."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..images import open_picture
from .label_spaces import label_space

__all__ = ["count_labels", "read_label_maps", "shares"]

_ID_MODES = ("P", "L", "I", "I;16", "I;16L", "I;16B", "I;16N")
_HELP = "Pass ids 0, 1, 2, … as a PIL picture of mode P, L or I, an integer array or tensor (H, W), or a path."


def read_label_maps(value: Any, *, as_colours: bool) -> list[np.ndarray]:
    """The maps in a user's input, as ids or as colours; nothing is converted that could be meant otherwise.

    Args:
        value: a path, PIL picture, integer array or integer tensor, or a list of these, one for each picture. Arrays:
            `(H, W)`, `(H, W, 1)` or `(B, H, W)` ids, uint8 `(H, W, 3 or 4)` or `(B, H, W, 3 or 4)` colours. Tensors:
            `(H, W)`, `(B, H, W)` or `(B, 1, H, W)` ids, uint8 `(B, 3, H, W)` colours, and `(3, H, W)` if `as_colours`.
        as_colours: the user gave a palette, so colours are expected, also those of the palette inside a picture of
            mode P.

    Returns:
        Arrays of one size: integers `(H, W)` are ids, none negative; uint8 `(H, W, 3)` are colours.

    Raises:
        TypeError: for other types and number formats.
        ValueError: for other shapes and modes, negative ids, transparent pixels, maps of different sizes.
    """
    items = list(value) if isinstance(value, list | tuple) else [value]
    if not items:
        raise ValueError("segmentation is an empty list: pass at least one map.")
    maps = [one for item in items for one in _read(item, as_colours)]
    sizes = sorted({one.shape[:2] for one in maps})
    if len(sizes) > 1:
        raise ValueError(f"the maps of one call must have one size, got {sizes} (height, width). Pass them one by one.")
    for one in maps:
        if as_colours and one.ndim == 2:
            raise ValueError("palette= is for colour pictures, but segmentation holds ids: leave palette out.")
        if one.ndim == 2 and one.dtype.kind == "i" and int(one.min()) < 0:
            share = float(np.mean(one < 0))
            raise ValueError(
                f"segmentation has the negative label {int(one.min())} ({share:.1%} of the pixels are below 0). If it "
                "means unlabelled, give these pixels a label, or the id that this label space has for it."
            )
    return maps


def count_labels(labels: np.ndarray) -> dict[int, int]:
    """The ids in a map, in rising order, and how many pixels each has."""
    if labels.dtype.itemsize <= 2 and labels.dtype.kind == "u":
        counts = np.bincount(labels.ravel())
        return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}
    ids, counts = np.unique(labels, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def shares(parts: Iterable[tuple[str, int]], total: int, most: int = 6) -> str:
    """For messages: what there is and how much of it, the largest first: "a (62.1%), b (3.0%) and 4 more"."""
    ranked = sorted(parts, key=lambda part: -part[1])
    text = ", ".join(f"{name} ({count / total:.2%} of the pixels)" for name, count in ranked[:most])
    return text + (f" and {len(ranked) - most} more" if len(ranked) > most else "")


def _read(item: Any, as_colours: bool) -> list[np.ndarray]:
    if isinstance(item, str | Path | Image.Image):
        return [_from_picture(open_picture(item, "segmentation"), as_colours)]
    if isinstance(item, Tensor):
        return _from_tensor(item, as_colours)
    if isinstance(item, np.ndarray):
        return _from_array(item)
    raise TypeError(f"segmentation is given as {type(item).__name__}. {_HELP}")


def _from_picture(picture: Image.Image, as_colours: bool) -> np.ndarray:
    if picture.mode in _ID_MODES and not (as_colours and picture.mode == "P"):
        if picture.mode == "P":
            _check_indices(picture)
        return np.asarray(picture)
    if picture.mode in ("RGB", "P"):
        return np.asarray(picture.convert("RGB"))
    if picture.mode == "RGBA":
        return _opaque(np.asarray(picture))
    if picture.mode == "1":
        raise TypeError(f"segmentation is a black-and-white picture (PIL mode 1), which is no label map. {_HELP}")
    raise ValueError(f"segmentation has the PIL mode {picture.mode!r}. {_HELP} Colours (RGB) need a palette.")


def _check_indices(picture: Image.Image) -> None:
    """Refuses an ADE20K colour picture that a program stored as mode P to save space: its indices mean nothing."""
    stored = np.array(picture.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    used = [int(index) for index in np.unique(np.asarray(picture)) if index < len(stored)]
    ids = {colour: label for label, colour in reversed([*enumerate(label_space("ade20k-150").palette or ())])}
    meant = [(index, ids.get((int(r), int(g), int(b)))) for index, (r, g, b) in zip(used, stored[used], strict=True)]
    known = [(index, label) for index, label in meant if label is not None]
    if len(known) >= 2 and len(known) >= len(meant) - 1 and not any(index - label in (0, 1) for index, label in known):
        raise ValueError(
            "segmentation is a picture of mode P in the colours of ADE20K, but its indices are not ADE20K's ids; the "
            "program that saved it seems to have numbered the colours anew. Pass palette='ade20k' to read the colours, or "
            "numpy.asarray(picture) if the indices are the ids."
        )


def _from_array(array: np.ndarray) -> list[np.ndarray]:
    _check_kind(array)
    if 0 in array.shape:
        raise ValueError(f"segmentation is empty: it has the shape {array.shape}.")
    if array.ndim in (3, 4) and array.shape[-1] in (3, 4):
        if array.dtype != np.uint8:
            raise TypeError(
                f"segmentation of shape {array.shape} looks like colours; these are uint8, got {array.dtype}."
            )
        colours = _opaque(array) if array.shape[-1] == 4 else array
        return list(colours if array.ndim == 4 else colours[None])
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3):
        raise ValueError(f"segmentation has the shape {array.shape}, expected (H, W), (B, H, W) or (H, W, 3) colours.")
    return list(array if array.ndim == 3 else array[None])


def _from_tensor(tensor: Tensor, as_colours: bool) -> list[np.ndarray]:
    if tensor.is_floating_point() and tensor.ndim == 4:
        raise TypeError(
            f"segmentation is {tensor.dtype} of shape {tuple(tensor.shape)}, which looks like logits or one-hot maps. "
            "Pass the labels: segmentation.argmax(dim=1)."
        )
    array = tensor.detach().cpu().float().numpy() if tensor.is_floating_point() else tensor.detach().cpu().numpy()
    _check_kind(array)
    if 0 in array.shape:
        raise ValueError(f"segmentation is empty: it has the shape {tuple(array.shape)}.")
    if array.ndim == 4 and array.shape[1] == 3 or array.ndim == 3 and as_colours and len(array) == 3:
        return _from_array(np.moveaxis(array, -3, -1))
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (2, 3):
        raise ValueError(
            f"segmentation has the shape {tuple(array.shape)}, expected (H, W), (B, H, W) or (B, 3, H, W) colours."
        )
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
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise TypeError(f"segmentation is {array.dtype} and has values that are not finite. {_HELP}")
        if array.size and np.array_equal(array, np.round(array)):
            raise TypeError(
                f"segmentation is {array.dtype}, though its values are whole numbers ({array.min():.0f}–{array.max():.0f}). "
                "If they are ids, convert it: .astype('int64') or .long()."
            )
        raise TypeError(
            f"segmentation is {array.dtype} with values between whole numbers ({array.min():.4g}–{array.max():.4g}): a "
            f"depth map, or labels that were resized smoothly or divided by 255? {_HELP}"
        )
    raise TypeError(f"segmentation has values of type {array.dtype}. {_HELP}")


def _opaque(pixels: np.ndarray) -> np.ndarray:
    transparent = float(np.mean(pixels[..., 3] < 255))
    if transparent:
        raise ValueError(
            f"{transparent:.1%} of the pixels of segmentation are transparent; colour maps must be opaque."
        )
    return pixels[..., :3]
