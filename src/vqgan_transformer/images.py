"""Pictures as people have them (PIL, numpy, tensors, files) to float tensors `(B, 3, H, W)` in [-1, 1], and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from .errors import warn
from .picture_files import LARGEST_PICTURE, in_srgb, is_picture_source, open_picture

__all__ = [
    "LARGEST_PICTURE",
    "as_items",
    "check_one_size",
    "from_pixels",
    "open_picture",
    "split_alpha",
    "to_numpy",
    "to_pil",
    "to_pixels",
]

_COLOUR_MODES = ("RGB", "L", "P", "1", "RGBA", "LA")


def from_pixels(pictures: Any, name: str = "image") -> Tensor:
    """Pictures to the range of the models.

    Args:
        pictures: one of these, or a list of them, all of one size:

            - a path, the bytes of a picture file or an open one, or a PIL picture of mode RGB, L, P, 1, or RGBA and LA
              without transparency; colours are converted to sRGB where the picture has another colour profile;
            - a uint8 numpy array `(H, W, 3)` or `(B, H, W, 3)`, 0 to 255;
            - a float numpy array of these shapes, **0 to 1**, as diffusers and scikit-image have it;
            - a uint8 tensor `(3, H, W)` or `(B, 3, H, W)`, 0 to 255;
            - a float tensor of these shapes, **-1 to 1**, as the models of this package have it; one without a value
              below 0 is taken so too, with a warning;
            - a gray picture `(H, W)` as array or tensor, or with one channel instead of three; it becomes RGB.
        name: what the pictures are to the caller, for error messages.

    Returns:
        float32 `(B, 3, H, W)` in [-1, 1]; an 8-bit value v becomes v / 127.5 - 1.

    Raises:
        TypeError: for other types and number formats.
        ValueError: for other shapes, values out of range or not finite, and sizes that differ.
    """
    tensors = [_to_tensor(item, name) for item in as_items(pictures, name)]
    check_one_size([(tensor.shape[-2], tensor.shape[-1]) for tensor in tensors], name)
    return torch.cat(tensors)


def split_alpha(picture: Any, name: str = "image") -> tuple[Tensor, Tensor]:
    """A picture with transparency, as float32 (1, 3, H, W) in [-1, 1] and its transparent area, bool (1, H, W).

    Args:
        picture: a path, the bytes of a picture file or an open one, a PIL picture, or a uint8 array (H, W, 4). Less than
            half opaque is transparent.
        name: what the picture is to the caller, for error messages.

    Raises:
        TypeError: for other types.
        ValueError: for a picture without transparency.
    """
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[-1] == 4:
        picture = Image.fromarray(picture)
    opened = open_picture(picture, name)
    if opened.mode not in ("RGBA", "LA") and "transparency" not in opened.info:
        raise ValueError(
            f"{name} has the PIL mode {opened.mode!r}, without transparency: pass mask= as a picture or array."
        )
    pixels = np.asarray(in_srgb(opened.convert("RGBA"), name))
    return from_pixels(pixels[..., :3], name), torch.from_numpy(pixels[None, ..., 3] < 128)


def as_items(value: Any, name: str) -> list[Any]:
    """What a user passes for a batch: the items of a list or tuple, or the one thing itself.

    Raises:
        ValueError: for an empty list.
    """
    items = list(value) if isinstance(value, list | tuple) else [value]
    if not items:
        raise ValueError(f"{name} is an empty list: pass at least one.")
    return items


def check_one_size(sizes: Sequence[tuple[int, int]], name: str) -> None:
    """Refuses a batch of different sizes.

    Raises:
        ValueError: with the sizes, each (height, width).
    """
    different = sorted(set(sizes))
    if len(different) > 1:
        raise ValueError(
            f"{name} has different sizes (height, width): {', '.join(map(str, different))}. Resize them, or "
            "pass them one by one."
        )


def to_pixels(images: Tensor, output_type: str = "pil") -> Any:
    """Images of the models in the form people use.

    Args:
        images: float `(B, 3, H, W)`, nominally in [-1, 1]; what lies outside is clipped.
        output_type: "pil" gives a list of PIL pictures; "np" a uint8 array `(B, H, W, 3)`; "pt" a float32 tensor
            `(B, 3, H, W)` in [-1, 1].

    Raises:
        ValueError: for another shape or output type.
    """
    if output_type == "pil":
        return to_pil(images)
    if output_type == "np":
        return to_numpy(images)
    if output_type == "pt":
        _check_images(images)
        return images.float().clamp(-1, 1).cpu()
    raise ValueError(f"output_type must be 'pil', 'np' or 'pt', got {output_type!r}.")


def to_numpy(images: Tensor) -> np.ndarray:
    """Float `(B, 3, H, W)` in [-1, 1] to uint8 `(B, H, W, 3)`: round((x + 1) · 127.5), clipped."""
    _check_images(images)
    pixels = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return rearrange(pixels, "b c h w -> b h w c").cpu().numpy()


def to_pil(images: Tensor) -> list[Image.Image]:
    """Float `(B, 3, H, W)` in [-1, 1] to 8-bit RGB pictures, rounded as by :func:`to_numpy`."""
    return [Image.fromarray(pixels) for pixels in to_numpy(images)]


def _check_images(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images have the shape (B, 3, H, W), got {tuple(images.shape)}.")


def _to_tensor(picture: Any, name: str) -> Tensor:
    """One item of a user's input as float32 (B, 3, H, W)."""
    if is_picture_source(picture):
        return _from_pil(open_picture(picture, name), name)
    if isinstance(picture, np.ndarray):
        return _from_numpy(picture, name)
    if isinstance(picture, Tensor):
        return _from_tensor(picture, name)
    kind = type(picture).__name__
    raise TypeError(f"{name} should be a path, a PIL picture, a numpy array, a tensor or a list of these; got {kind}.")


def _from_pil(picture: Image.Image, name: str) -> Tensor:
    picture = in_srgb(picture, name)
    if picture.mode not in _COLOUR_MODES:
        deep = picture.mode.startswith("I") or picture.mode == "F"
        advice = (
            "pass numbers from 0 to 1, e.g. numpy.asarray(picture) / 65535 for 16 bits; picture.convert() would cut them off"
            if deep
            else "convert it, e.g. with picture.convert('RGB'), and see whether the colours are right"
        )
        raise ValueError(
            f"{name} has the PIL mode {picture.mode!r}; expected one of {', '.join(_COLOUR_MODES)}: {advice}."
        )
    if picture.mode in ("RGBA", "LA") or "transparency" in picture.info:
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
        if alpha.min() < 255:
            raise ValueError(
                f"{np.mean(alpha < 255):.1%} of {name} are transparent. Put it on a background first, "
                "e.g. with PIL.Image.alpha_composite."
            )
    return _from_numpy(np.asarray(picture.convert("RGB")), name)


def _from_numpy(array: np.ndarray, name: str) -> Tensor:
    if array.ndim == 2 or (array.ndim in (3, 4) and array.shape[-1] == 1):  # gray
        array = np.repeat(array if array.ndim > 2 else array[..., None], 3, axis=-1)
    if array.ndim not in (3, 4) or array.shape[-1] != 3 or 0 in array.shape:
        hint = " numpy pictures have their channels last." if array.ndim > 2 and array.shape[-3] == 3 else ""
        raise ValueError(f"{name} should have the shape (H, W, 3) or (B, H, W, 3), got {array.shape}.{hint}")
    if array.dtype == np.uint8:
        values = torch.from_numpy(array.astype(np.float32)) / 127.5 - 1
    elif array.dtype.kind == "f":
        _check_range(float(array.min()), float(array.max()), 0, name, "numpy arrays", "[0, 1]")
        values = torch.from_numpy(array.astype(np.float32)) * 2 - 1
    else:
        raise TypeError(f"{name} should be a uint8 array (0–255) or a float array in [0, 1], got {array.dtype}.")
    return rearrange(values if array.ndim == 4 else values[None], "b h w c -> b c h w").contiguous()


def _from_tensor(tensor: Tensor, name: str) -> Tensor:
    if tensor.ndim == 2 or (tensor.ndim in (3, 4) and tensor.shape[-3] == 1):  # gray
        tensor = (tensor if tensor.ndim > 2 else tensor[None]).repeat_interleave(3, dim=-3)
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape:
        hint = " Tensors have their channels first." if tensor.ndim > 2 and tensor.shape[-1] == 3 else ""
        raise ValueError(f"{name} should have the shape (3, H, W) or (B, 3, H, W), got {tuple(tensor.shape)}.{hint}")
    if tensor.dtype == torch.uint8:
        values = tensor.float() / 127.5 - 1
    elif tensor.is_floating_point():
        values = tensor.detach().float()
        low, high = float(values.min()), float(values.max())
        _check_range(low, high, -1, name, "tensors", "[-1, 1]")
        if 0 <= low < high:
            warn(
                f"{name} is a float tensor from {low:.4g} to {high:.4g}, read as [-1, 1] like all tensors, so it has no "
                "dark places. If yours is in [0, 1], as torchvision's ToTensor makes it, pass 2 * tensor - 1."
            )
    else:
        raise TypeError(f"{name} should be a uint8 tensor (0–255) or a float tensor in [-1, 1], got {tensor.dtype}.")
    return values if values.ndim == 4 else values[None]


def _check_range(low: float, high: float, lowest: int, name: str, kind: str, range_: str) -> None:
    if not low <= high or high - low == float("inf"):  # NaN compares as false
        raise ValueError(f"{name} has values that are not finite (NaN or infinity). Replace them before the call.")
    if low < lowest or high > 1:
        raise ValueError(
            f"{name} has values from {low:.4g} to {high:.4g}; float {kind} are read as {range_} "
            "(numpy arrays [0, 1], tensors [-1, 1], uint8 0–255). Rescale it."
        )
