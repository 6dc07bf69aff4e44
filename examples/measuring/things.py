"""Things that stand in scenes: their boxes, and the squares around them that a reader looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from vqgan_transformer.scenes import LABELS, Scene

from .cuts import Square, square_cut

__all__ = ["KINDS", "THING_SIDE", "Thing", "mask_of", "things_of"]

KINDS = ("bush", "house", "person", "rock", "tree")
"""What things are looked for."""

THING_SIDE = 64
"""Pixels that a thing, and what is around it, are scaled to."""

_MARGIN = 1.3
"""Side of the square around a thing, in heights or widths of its box, whichever is larger."""

_SMALLEST = 1 / 14
"""Things whose larger side is less than this share of the picture's height are too small to have a shape."""


@dataclass(frozen=True)
class Thing:
    """A thing in a picture: its kind, and its box (left, top, right, bottom) in pixels."""

    kind: str
    box: tuple[float, float, float, float]

    @property
    def square(self) -> Square:
        """The square that is cut around it."""
        left, top, right, bottom = self.box
        side = _MARGIN * max(right - left, bottom - top)
        return (left + right - side) / 2, (top + bottom - side) / 2, side

    def cut(self, image: Tensor, side: int = THING_SIDE) -> Tensor:
        """It and what is around it, in a picture (1, 3, H, W): (1, 3, side, side)."""
        return square_cut(image, self.square, side)


def things_of(scene: Scene) -> list[Thing]:
    """The things of a scene that are large enough to have a shape, the nearest last."""
    things = [Thing(kind, box) for kind, box in scene.objects if kind in KINDS]
    sides = [max(thing.box[2] - thing.box[0], thing.box[3] - thing.box[1]) for thing in things]
    least = _SMALLEST * len(scene.segmentation)
    return [thing for thing, side in zip(things, sides, strict=True) if side >= least]


def mask_of(thing: Thing, segmentation: np.ndarray, side: int) -> np.ndarray:
    """Where the thing's label is in the square around it, bool (side, side); nowhere, if its kind is none."""
    left, top, extent = thing.square
    steps = (np.arange(side) + 0.5) / side * extent
    rows, columns = np.floor(top + steps).astype(int), np.floor(left + steps).astype(int)
    height, width = segmentation.shape
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    labels = segmentation[rows.clip(0, height - 1)][:, columns.clip(0, width - 1)]
    return inside & (labels == LABELS.get(thing.kind, -1))
