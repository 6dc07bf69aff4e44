"""Reads what people have for a label map: ids in arrays and pictures, or colours that stand for ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..images import as_items, check_one_size
from ..picture_files import is_picture_source, lossy_format, open_picture
from .label_spaces import Colour, label_space

__all__ = ["fill_unlabelled", "read_label_maps"]

_ID_MODES = ("P", "L", "I", "I;16", "I;16L", "I;16B", "I;16N")
_HELP = "Pass ids 0, 1, 2, … as a PIL picture of mode P, L or I, an integer array or tensor (H, W), or a path."


def read_label_maps(
    value: Any, *, as_colours: bool, unlabelled: int | Colour | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The maps in a user's input, as ids or as colours; nothing is converted that could be meant otherwise.

    Args:
        value: a path, PIL picture, integer array or integer tensor, or a list of these, one for each picture. Arrays:
            `(H, W)`, `(H, W, 1)` or `(B, H, W)` ids, uint8 `(H, W, 3 or 4)` or `(B, H, W, 3 or 4)` colours. Tensors:
            `(H, W)`, `(B, H, W)` or `(B, 1, H, W)` ids, uint8 `(B, 3, H, W)` colours, and `(3, H, W)` if `as_colours`.
        as_colours: the user gave a palette, so colours are expected, also those of the palette inside a picture of
            mode P.
        unlabelled: the id or colour of pixels that nobody labelled.

    Returns:
        Integers `(B, H, W)` are ids, none negative; uint8 `(B, H, W, 3)` are colours. And bool `(B, H, W)`, True where
        nobody labelled a pixel: masked ones, and those that are ``unlabelled``, whose ids mean nothing.

    Raises:
        TypeError: for other types and number formats.
        ValueError: for other shapes and modes, negative ids, transparent pixels, maps of different sizes, and for
            colours and ids in one list.
    """
    maps = [label_map for item in as_items(value, "segmentation") for label_map in _read(item, as_colours)]
    check_one_size([label_map.shape[:2] for label_map in maps], "segmentation")
    if len({label_map.ndim for label_map in maps}) > 1:
        raise ValueError("segmentation mixes maps of ids and maps of colours in one list: pass them one by one.")
    if maps[0].ndim == 2 and len({part.dtype for part in maps}) > 1:
        maps = [part.astype(np.int64) for part in maps]
    ids: np.ndarray = np.stack([np.ma.getdata(part) for part in maps])
    void: np.ndarray = np.stack([np.ma.getmaskarray(part) for part in maps])
    if ids.ndim == 4:
        void = np.any(void, axis=-1)
        if unlabelled is not None and not hasattr(unlabelled, "__index__"):  # an id is told when the colours are read
            void = void | np.all(ids == _as_colour(unlabelled), axis=-1)
        return ids, void
    if as_colours:
        raise ValueError("palette= is for colour pictures, but segmentation holds ids: leave palette out.")
    if unlabelled is not None:
        void |= ids == _as_id(unlabelled)
    if void.any():
        ids = np.where(void, 0, ids)
    lowest, highest = int(ids.min()), int(ids.max())
    if lowest < 0:
        raise ValueError(
            f"segmentation has the negative label {lowest} ({np.mean(ids < 0):.2%} of the pixels are below 0). If it "
            f"means unlabelled, pass unlabelled={lowest}."
        )
    if highest >= 2**31:
        raise ValueError(f"segmentation has the label {highest}; ids are small whole numbers. {_HELP}")
    return ids, void


def fill_unlabelled(labels: Tensor) -> Tensor:
    """Gives each unlabelled pixel, -1, the label of the nearest that has one: int64 (H, W) -> (H, W).

    By jump flooding (Rong and Tan 2006): the place of a labelled pixel is handed on over distances that are halved each
    time. Few pixels get another than the nearest one, and these one that is about as near.

    Raises:
        ValueError: for a map without any label.
    """
    if not bool((labels >= 0).any()):
        raise ValueError("segmentation is unlabelled everywhere: leave it out, or pass a map with labels.")
    rows, columns = (torch.arange(side, device=labels.device) for side in labels.shape)
    here = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    far = 4 * max(labels.shape)
    nearest = torch.where(labels >= 0, here, far)
    step = 1 << (max(labels.shape) - 1).bit_length()
    while step:
        for down in (-step, 0, step):
            for across in (-step, 0, step):
                there = nearest[
                    :, (rows + down).clamp(0, len(rows) - 1)[:, None], (columns + across).clamp(0, len(columns) - 1)
                ]
                closer = (there - here).square().sum(0) < (nearest - here).square().sum(0)
                nearest = torch.where(closer, there, nearest)
        step //= 2
    return labels[nearest[0], nearest[1]]


def _as_id(unlabelled: Any) -> int:
    if isinstance(unlabelled, bool) or not hasattr(unlabelled, "__index__"):
        raise TypeError(f"unlabelled is the id of pixels that nobody labelled, such as 255; got {unlabelled!r}.")
    result: int = unlabelled.__index__()
    return result


def _as_colour(unlabelled: Any) -> Colour:
    try:
        red, green, blue = (channel.__index__() for channel in unlabelled)
    except (TypeError, ValueError, AttributeError):
        raise TypeError(
            "segmentation is a colour picture, so unlabelled= is the colour (r, g, b) of pixels that nobody labelled; got "
            f"{unlabelled!r}."
        ) from None
    return red, green, blue


def _read(item: Any, as_colours: bool) -> list[np.ndarray]:
    if is_picture_source(item):
        picture = open_picture(item, "segmentation")
        if not as_colours and (picture.mode in _ID_MODES or _is_gray(picture)):
            _refuse_lossy(
                item, "holds ids in" if picture.mode in _ID_MODES else "is a gray colour picture, of ids it seems, in"
            )
        return [_from_picture(picture, as_colours)]
    if isinstance(item, Tensor):
        return _from_tensor(item, as_colours)
    if isinstance(item, np.ndarray):
        return _from_array(item)
    raise TypeError(f"segmentation is given as {type(item).__name__}. {_HELP}")


def _is_gray(picture: Image.Image) -> bool:
    """Whether a picture has three channels that are equal, as formats without a gray mode keep ids."""
    if picture.mode != "RGB":
        return False
    pixels = np.asarray(picture)
    return bool((pixels == pixels[..., :1]).all())


def _refuse_lossy(item: Any, what: str) -> None:
    """Refuses ids that compression has changed: along edges there are ids of labels that nobody drew."""
    lossy = lossy_format(item)
    if lossy is not None:
        raise ValueError(
            f"segmentation {what} a {lossy} file, whose compression changes them. Save label maps as PNG; if the file "
            "was saved without loss, pass numpy.asarray(picture)."
        )


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
    pairs = [(index, ids.get((int(r), int(g), int(b)))) for index, (r, g, b) in zip(used, stored[used], strict=True)]
    known = [index - label for index, label in pairs if label is not None]
    # true ids stand at their own place, or one further where 0 is unknown
    if len(known) >= 2 and 2 * len(known) > len(pairs) and not any(shift in (0, 1) for shift in known):
        raise ValueError(
            "segmentation is a picture of mode P in the colours of ADE20K, but its indices are not ADE20K's ids; the "
            "program that saved it seems to have numbered the colours anew. Pass palette='ade20k' to read the colours, "
            "or numpy.asarray(picture) if the indices are the ids."
        )


def _from_array(array: np.ndarray) -> list[np.ndarray]:
    _refuse_one_hot(array, "axis")
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
    _refuse_one_hot(array, "dim")
    _check_kind(array)
    if (array.ndim == 4 and array.shape[1] == 3) or (array.ndim == 3 and as_colours and len(array) == 3):
        return _from_array(np.moveaxis(array, -3, -1))
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim not in (2, 3) or 0 in array.shape:
        expected = "(H, W), (B, H, W) or (B, 3, H, W) colours"
        raise ValueError(f"segmentation has the shape {tuple(array.shape)}, expected {expected}.")
    return list(array if array.ndim == 3 else array[None])


def _refuse_one_hot(array: np.ndarray, axis_argument: str) -> None:
    """Refuses a channel for each label, 1 where a pixel has it and 0 elsewhere, which would be read as many pictures."""
    if array.ndim not in (3, 4) or array.dtype.kind not in "iuf" or not array.size:
        return
    if array.min() != 0 or array.max() != 1 or not np.isin(array, (0, 1)).all():
        return
    for axis in (array.ndim - 3, array.ndim - 1):
        if array.shape[axis] > 2 and (array.sum(axis=axis) == 1).all():
            raise (TypeError if array.dtype.kind == "f" else ValueError)(
                f"segmentation of shape {array.shape} looks like one-hot maps, a channel of 0 and 1 for each label. Pass the "
                f"labels: segmentation.argmax({axis_argument}={axis}). If it is a batch of maps with the labels 0 and 1, "
                "pass them as a list."
            )


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
    if array.ndim > 2 and max(array.shape[-1], array.shape[-3]) > 4:
        sums_to_one = [axis for axis in (-3, -1) if np.allclose(array.sum(axis=axis), 1, atol=1e-3)]
        axis = array.ndim + (sums_to_one or [-3 if array.shape[-3] > 4 and array.shape[-1] > 4 else -1])[0]
        raise TypeError(
            f"segmentation is {array.dtype} of shape {array.shape}, which looks like logits or probabilities of labels. Pass "
            f"the labels: segmentation.argmax({axis}), along the axis of labels."
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
