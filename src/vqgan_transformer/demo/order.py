"""What a request orders: files and settings of a form, as arguments of the pipeline. Nothing in it can name a file here."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from PIL import Image

from ..errors import nearest_name
from ..images import open_picture
from ..pipeline import ImageSynthesisPipeline
from ..sampler.sampler import SamplerConfig

__all__ = ["Order", "read_order", "read_picture"]

FORMATS = ("PNG", "JPEG", "WEBP")
CALL = ("size", "seed", "resize", "origin", "composite", "num_candidates")
PICTURES = ("image", "mask")
DRAFT = ("picture", "area")
MOST_CANDIDATES = 16


@dataclass(frozen=True)
class Order:
    """A picture that is wanted.

    Attributes:
        arguments: of the pipeline's call.
        picture: for a draft: the picture so far.
        area: for a draft: what has changed in the maps, white where it has.
        session: of the page that asks; its newest order wins.
    """

    arguments: dict[str, Any]
    picture: Image.Image | None = None
    area: Image.Image | None = None
    session: str | None = None


def read_order(
    pipe: ImageSynthesisPipeline, texts: Mapping[str, str], files: Mapping[str, bytes], max_pixels: int
) -> Order:
    """An order from the parts of a form.

    Args:
        pipe: what paints; its conditions and their options are what may be given.
        texts: "settings", JSON as ``sample --config`` takes it; "session".
        files: pictures by the name of their condition; "image" and "mask" to inpaint; "picture" and "area" for a draft.
        max_pixels: of each picture.

    Raises:
        ValueError: for what cannot be understood, or is not allowed.
    """
    for name in texts.keys() - {"settings", "session"}:
        raise ValueError(f"{name!r} should be a file, or stand in settings.")
    maps = [condition.name for condition in pipe.conditions if condition.spatial]
    pictures = {}
    for name, data in files.items():
        known = (*maps, *PICTURES, *DRAFT)
        if name not in known:
            raise ValueError(f"there is no map {name!r} here.{nearest_name(name, known)} There are {', '.join(known)}.")
        pictures[name] = read_picture(name, data, max_pixels)
    settings = _settings(pipe, texts.get("settings", "{}"))
    size = settings.get("size")
    if size is not None and size[0] * size[1] > max_pixels:
        raise ValueError(
            f"a picture has at most {max_pixels} pixels here, {size[0]}×{size[1]} has {size[0] * size[1]}."
        )
    drafted = {name: pictures.pop(name) for name in DRAFT if name in pictures}
    if len(drafted) == 1:
        raise ValueError("a draft needs both picture and area.")
    return Order(
        settings | pictures, drafted.get("picture"), drafted.get("area"), texts.get("session", "")[:64] or None
    )


def read_picture(name: str, data: bytes, max_pixels: int) -> Image.Image:
    """A picture file that was sent, looked at before it is read."""
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:
        raise ValueError(f"{name} is no picture that can be read here ({', '.join(FORMATS)}).") from error
    if picture.width * picture.height > max_pixels:
        raise ValueError(
            f"{name} has {picture.width * picture.height} pixels; a picture has at most {max_pixels} here. Make it smaller."
        )
    return open_picture(picture, name)


def _settings(pipe: ImageSynthesisPipeline, text: str) -> dict[str, Any]:
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"settings is no JSON: {error}.") from error
    if not isinstance(settings, dict):
        raise ValueError("settings is a JSON object of options by name.")
    settings.pop("command", None)
    maps = {condition.name for condition in pipe.conditions if condition.spatial}
    values = {condition.name for condition in pipe.conditions} - maps
    options = {option for condition in pipe.conditions for option in condition.option_names}
    options |= {f"{condition.name}_{option}" for condition in pipe.conditions for option in condition.option_names}
    known = {*CALL, *maps, *values, *options, *(field.name for field in fields(SamplerConfig))}
    for name, value in settings.items():
        if name not in known:
            raise ValueError(f"settings has {name!r}, which is no option here.{nearest_name(name, known)}")
        if name in maps and _has_text(value):
            # a text could be taken for the path of a file of this machine
            raise ValueError(f"{name} is sent as a file, or in numbers.")
    if "size" in settings:
        settings["size"] = _size(settings["size"])
    candidates = settings.get("num_candidates", 1)
    if isinstance(candidates, int) and candidates > MOST_CANDIDATES:
        raise ValueError(f"num_candidates is at most {MOST_CANDIDATES} here.")
    return settings


def _size(size: Any) -> tuple[int, int]:
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise ValueError(f"size is [height, width] in pixels, got {size!r}.")
    return size[0], size[1]


def _has_text(value: Any) -> bool:
    """Whether there is a string in nested lists and mappings, beside the names of a mapping's entries."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            return True
        waiting += current.values() if isinstance(current, dict) else current if isinstance(current, list) else []
    return False
