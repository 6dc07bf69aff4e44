"""Checkpoints of other programs: read without running anything in them, inspected, written where others read them."""

from __future__ import annotations

from .formats import all_options, companions, read
from .formats.diffusers import save_diffusers
from .inspection import inspect_path
from .released_models import nearest_model, released_model

__all__ = [
    "all_options",
    "companions",
    "inspect_path",
    "nearest_model",
    "read",
    "released_model",
    "save_diffusers",
]
