"""Procedural landscapes with exact class, segmentation, depth and keypoints: training data that is never used up."""

from __future__ import annotations

from .drawing import line_drawing, outlines
from .labels import LABEL_COLOURS, LABEL_GROUPS, LABELS
from .scene import BIOMES, SEASONS, TIMES_OF_DAY, Scene, make_scene

__all__ = [
    "BIOMES", "LABELS", "LABEL_COLOURS", "LABEL_GROUPS", "SEASONS", "TIMES_OF_DAY", "Scene", "line_drawing", "make_scene",
    "outlines",
]  # fmt: skip
