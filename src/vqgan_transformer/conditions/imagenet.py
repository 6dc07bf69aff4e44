"""The names of ImageNet's thousand classes."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

__all__ = ["imagenet_names"]


@cache
def imagenet_names() -> tuple[str, ...]:
    """Names in the order of ids, synonyms behind commas, e.g. "tench, Tinca tinca" for 0."""
    return tuple(json.loads((files(__package__ or "") / "imagenet.json").read_text(encoding="utf-8"))["names"])
