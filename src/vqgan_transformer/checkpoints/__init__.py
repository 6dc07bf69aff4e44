"""Checkpoints of other programs: read without running anything in them, inspected, written where others read them."""

from __future__ import annotations

from .formats import all_options, companions, read
from .formats.diffusers import save_diffusers
from .inspection import inspect_path

__all__ = ["all_options", "companions", "inspect_path", "read", "save_diffusers"]
