"""The names of objects and classes that published checkpoints know, in the order of their ids."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from .label_spaces import label_space

__all__ = ["coco_objects", "imagenet_classes", "open_images_objects"]


@cache
def imagenet_classes() -> tuple[str, ...]:
    """ImageNet's thousand classes, synonyms behind commas, e.g. "tench, Tinca tinca" for 0."""
    return _names("imagenet.json")


@cache
def open_images_objects() -> tuple[str, ...]:
    """The 340 boxable classes of Open Images that the original's scene models know."""
    return _names("open_images.json")


@cache
def coco_objects() -> tuple[str, ...]:
    """The 80 things and 91 kinds of stuff of COCO as the original's scene models number them.

    It orders categories by their official numbers as *text*: 1, 10, 100, 101, and so on.
    """
    space = label_space("coco-stuff-182")
    numbers = [number for number, name in enumerate(space.names, start=1) if name not in space.unused]
    return tuple(space.names[number - 1] for number in sorted(numbers, key=str))


def _names(table: str) -> tuple[str, ...]:
    return tuple(json.loads((files(__package__ or "") / table).read_text(encoding="utf-8"))["names"])
