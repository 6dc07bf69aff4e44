"""Sprites drawn from convex polygons with smooth edges."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np

from .noise import Array, clamp

__all__ = ["Drawing"]


class Drawing:
    """A sprite on which polygons are laid one over the other.

    Places are (right, up) in units of which ``unit`` pixels make one; up is 0 at the lower edge of the sprite.

    Args:
        unit: Pixels to a unit.
        across: Where the sprite begins and ends to the right.
        tall: Where it ends above.
        mirrored: Whether left and right are exchanged.

    Attributes:
        sprite: Premultiplied colour and coverage (4, rows, columns), float32 in [0, 1].
    """

    def __init__(self, unit: float, across: tuple[float, float], tall: float, mirrored: bool):
        self._unit = unit
        self._across = across
        self._mirrored = mirrored
        self.sprite = np.zeros((4, ceil(tall * unit) + 1, ceil((across[1] - across[0]) * unit)), np.float32)

    def lay(self, corners: Sequence[tuple[float, float]], colour: Array, opacity: float = 1.0) -> None:
        """Lay a convex polygon over what is there.

        Args:
            corners: Places of its corners, in order around it.
            colour: (3, 1, 1), or (3, rows, columns) of the whole sprite.
            opacity: How much it covers.
        """
        rows, columns = self.sprite.shape[1:]
        begin, end = self._across
        spots = [
            (((end - right) if self._mirrored else (right - begin)) * self._unit, rows - up * self._unit)
            for right, up in corners
        ]
        xs, ys = zip(*spots, strict=True)
        left, last = max(0, int(min(xs)) - 1), min(columns, int(max(xs)) + 2)
        top, bottom = max(0, int(min(ys)) - 1), min(rows, int(max(ys)) + 2)
        if left >= last or top >= bottom:
            return
        x = (np.arange(left, last, dtype=np.float32) + np.float32(0.5))[None]
        y = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5))[:, None]
        around = [*zip(spots, spots[1:] + spots[:1], strict=True)]
        turn = 1.0 if sum(a[0] * b[1] - a[1] * b[0] for a, b in around) > 0 else -1.0
        inside = np.full((bottom - top, last - left), np.float32(1))
        for (x0, y0), (x1, y1) in around:
            length = sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
            if length < 1e-6:
                continue
            along, down = turn * (x1 - x0) / length, turn * (y1 - y0) / length
            # Pixels from the edge, plus one half: coverage of a pixel that the edge crosses.
            edge = (y - np.float32(y0)) * np.float32(along) - (x - np.float32(x0)) * np.float32(down)
            np.minimum(inside, edge + np.float32(0.5), out=inside)
        alpha = clamp(inside) * np.float32(opacity)
        rest = np.float32(1) - alpha
        box = slice(top, bottom), slice(left, last)
        whole = colour.shape[1:] != (1, 1)
        for plane, paint in zip(self.sprite[:3], colour, strict=True):
            plane[box] = plane[box] * rest + clamp(paint[box] if whole else paint) * alpha
        self.sprite[3][box] = self.sprite[3][box] * rest + alpha

    def cropped(self) -> Array:
        """The sprite without the empty columns at its sides."""
        filled = np.flatnonzero(self.sprite[3].any(axis=0))
        return self.sprite[:, :, int(filled[0]) : int(filled[-1]) + 1]
