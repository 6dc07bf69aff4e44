"""What is painted on: picture, labels and depth that change together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .labels import LABELS
from .noise import Array, clamp

__all__ = ["Box", "Canvas"]

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are exclusive."""


@dataclass
class _Thing:
    """A single thing: its label, how many pixels are its own wherever they lie, and where on the canvas it is."""

    label: str = ""
    pixels: int = 0
    boxes: list[tuple[slice, slice]] = field(default_factory=list)


class Canvas:
    """A picture, its label map and its inverse depth, painted from back to front; single things are kept apart.

    Colour planes come first and are float32 in [0, 1]: whole rows are then contiguous, which makes painting fast.

    Args:
        height: Rows.
        width: Columns.
    """

    def __init__(self, height: int, width: int):
        self.height = height
        self.width = width
        self.image = np.zeros((3, height, width), np.float32)
        self.labels = np.full((height, width), LABELS["sky-other"], np.uint8)
        self.depth = np.zeros((height, width), np.float32)
        self._things: list[_Thing] = []
        self._owners = np.full((height, width), -1, np.int16)

    def paint(self, top: int, left: int, colour: Array, alpha: Array, label: str, depth: Array | float) -> None:
        """Lay colour over a box.

        Args:
            top: First row of the box, inside the canvas, as is the whole box.
            left: First column.
            colour: (3, h, w), or (3, 1, 1) for one colour.
            alpha: (h, w) coverage; the pixel changes its label where it is at least one half.
            label: COCO-Stuff name.
            depth: Inverse depth, (h, w) or one number.
        """
        rows, columns = alpha.shape
        box = slice(top, top + rows), slice(left, left + columns)
        for plane, paint in zip(self.image, colour, strict=True):
            under = plane[box]
            under += (paint - under) * alpha
        solid = alpha >= np.float32(0.5)
        np.copyto(self.labels[box], np.uint8(LABELS[label]), where=solid)
        np.copyto(self.depth[box], np.asarray(depth, np.float32), where=solid)

    def begin_thing(self) -> None:
        """Sprites that are painted from now on, in front of all ground and forests, are one more single thing."""
        self._things.append(_Thing())

    def paint_premultiplied(self, top: int, left: int, sprite: Array, label: str, depth: float) -> None:
        """Lay a sprite (4, h, w) with premultiplied colour anywhere, also partly or wholly outside the canvas."""
        rows, columns = sprite.shape[1:]
        thing = self._things[-1] if self._things else None
        if thing:
            thing.label = label
            thing.pixels += int(np.count_nonzero(sprite[3] >= np.float32(0.5)))
        first, last = max(0, -top), min(rows, self.height - top)
        begin, end = max(0, -left), min(columns, self.width - left)
        if first >= last or begin >= end:
            return
        sprite = sprite[:, first:last, begin:end]
        box = slice(top + first, top + last), slice(left + begin, left + end)
        rest = np.float32(1) - sprite[3]
        for plane, paint in zip(self.image, sprite[:3], strict=True):
            under = plane[box]
            under *= rest
            under += paint
        solid = sprite[3] >= np.float32(0.5)
        np.copyto(self.labels[box], np.uint8(LABELS[label]), where=solid)
        np.copyto(self.depth[box], np.float32(depth), where=solid)
        if thing:
            thing.boxes.append(box)
            np.copyto(self._owners[box], np.int16(len(self._things) - 1), where=solid)

    def things(self, share: float, least: float) -> tuple[tuple[str, Box], ...]:
        """The single things that are in view, in the order they were painted in.

        Args:
            share: The part of its pixels that is seen of a thing, at least; those outside the canvas are not seen.
            least: How many pixels are seen of it, at least.

        Returns:
            Label name and box (left, top, right, bottom) around the pixels that are seen, right and bottom exclusive.
        """
        seen = []
        for number, thing in enumerate(self._things):
            if not thing.boxes:
                continue
            top, left = (min(box[axis].start for box in thing.boxes) for axis in (0, 1))
            bottom, right = (max(box[axis].stop for box in thing.boxes) for axis in (0, 1))
            own = self._owners[top:bottom, left:right] == number
            pixels = int(np.count_nonzero(own))
            if pixels < max(1.0, least, share * thing.pixels):
                continue
            rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
            box = left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1
            seen.append((thing.label, box))
        return tuple(seen)

    def stamp(
        self,
        sprite: Array,
        tops: Array,
        lefts: Array,
        brightness: Array,
        label: str,
        depths: Array,
    ) -> None:
        """Lay one premultiplied sprite (4, h, w) in many places at once, later ones over earlier ones."""
        rows, columns = sprite.shape[1:]
        down = tops[:, None, None] + np.arange(rows)[:, None]
        right = lefts[:, None, None] + np.arange(columns)
        inside = (down >= 0) & (down < self.height) & (right >= 0) & (right < self.width)
        inside &= sprite[3] > np.float32(0.02)
        places = (down * self.width + right)[inside]
        which = np.broadcast_to(np.arange(len(tops))[:, None, None], inside.shape)[inside]
        texel = np.broadcast_to(np.arange(rows * columns).reshape(rows, columns), inside.shape)[inside]
        flat = sprite.reshape(4, -1)
        rest = np.float32(1) - flat[3][texel]
        light = brightness.astype(np.float32)[which]
        for plane, paint in zip(self.image.reshape(3, -1), flat[:3], strict=True):
            plane[places] = plane[places] * rest + paint[texel] * light
        solid = flat[3][texel] >= np.float32(0.5)
        self.labels.reshape(-1)[places[solid]] = LABELS[label]
        self.depth.reshape(-1)[places[solid]] = depths.astype(np.float32)[which[solid]]

    def darken(self, top: int, left: int, amount: Array) -> None:
        """Multiply a box by ``1 - amount`` (h, w): a cast shadow; the box may reach outside the canvas."""
        rows, columns = amount.shape
        first, last = max(0, -top), min(rows, self.height - top)
        begin, end = max(0, -left), min(columns, self.width - left)
        if first >= last or begin >= end:
            return
        keep = np.float32(1) - amount[first:last, begin:end]
        self.image[:, top + first : top + last, left + begin : left + end] *= keep

    def pixels(self) -> Array:
        """The picture as uint8 (height, width, 3)."""
        levels = clamp(self.image) * np.float32(255) + np.float32(0.5)
        return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))


def planes(colour: Sequence[float]) -> Array:
    """One colour as (3, 1, 1) float32, ready to be broadcast over the planes of a canvas."""
    return np.asarray(colour, np.float32).reshape(3, 1, 1)
