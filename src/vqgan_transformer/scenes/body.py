"""What a figure is made of: keypoints, and rounded bars that are drawn one over the other."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from .light import Light
from .noise import Array, clamp

__all__ = ["Colour", "Figure", "Part", "along", "draw_parts", "moved", "shaded"]

Colour = tuple[float, float, float]

NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR = range(5)
LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ELBOW, RIGHT_ELBOW, LEFT_WRIST, RIGHT_WRIST = range(5, 11)
LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE, LEFT_ANKLE, RIGHT_ANKLE = range(11, 17)
FACE = NOSE, LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR


@dataclass(frozen=True)
class Figure:
    """A posed figure.

    Attributes:
        joints: Keypoints x (right), y (up) and z (towards the viewer) in body heights, feet at y = 0; float64 (17, 3).
        facing: "front", "back", "left" or "right": where the nose points in the picture.
    """

    joints: Array
    facing: str

    @property
    def ahead(self) -> float:
        """Where the nose points: -1 left, 1 right, 0 towards the viewer or away."""
        return {"left": -1.0, "right": 1.0}.get(self.facing, 0.0)

    @property
    def far_side(self) -> int | None:
        """Which side of the body (0 is its left) a profile turns away."""
        return {"left": 1, "right": 0}.get(self.facing)

    def outward(self, side: int) -> float:
        """Where the outer side of the limbs of that side is: -1 left in the picture, 1 right, 0 towards the viewer."""
        return {"front": 1.0, "back": -1.0}.get(self.facing, 0.0) * (1 - 2 * side)


@dataclass(frozen=True)
class Part:
    """A rounded bar of a figure, in body heights.

    Attributes:
        order: Parts of higher order are drawn over lower ones.
        start: One end (x, y).
        end: The other end.
        radii: Half thickness at the two ends.
        albedo: Colour.
        keypoints: The keypoints that are seen when this part is seen at their place.
        roundness: How much lighter it is on the side of the light: 0 for flat, 1 for a limb.
        cuts: Whether start and end are cut straight, as a hem is, instead of rounded.
    """

    order: float
    start: Array
    end: Array
    radii: tuple[float, float]
    albedo: Colour
    keypoints: tuple[int, ...]
    roundness: float = 1.0
    cuts: tuple[bool, bool] = (False, False)


def moved(place: Array, right: float, up: float) -> Array:
    """A place (x, y) in body heights, moved."""
    result: Array = place + np.asarray((right, up))
    return result


def along(start: Array, end: Array, share: float, outward: float = 0.0) -> Array:
    """The place at that share of the way between two others, moved sideways: a hanging limb's to the right."""
    result: Array = start + (end - start) * share
    if outward:
        right, up = (float(step) for step in end - start)
        length = max(sqrt(right * right + up * up), 1e-6)
        result = moved(result, -up / length * outward, right / length * outward)
    return result


def shaded(colour: Colour, share: float) -> Colour:
    """A darker (below 1) or lighter shade of a colour."""
    red, green, blue = (min(1.0, channel * share) for channel in colour)
    return red, green, blue


_GLEAM, _MOONLIGHT = (0.5, 0.5, 0.5), (0.46, 0.54, 0.70)
"""Of its own colour, what a figure shows in any light by day and by night, so that it can be told from the dark."""
_SMALLEST = 0.6
"""Radius in pixels below which a part grows fainter instead of thinner."""


def draw_parts(
    parts: list[Part], rows: float, foot: tuple[float, float], size: tuple[int, int], light: Light
) -> tuple[Array, Array]:
    """Draw the parts, from back to front, of a figure of ``rows`` rows that stands at ``foot`` (x, y).

    Returns:
        A sprite with premultiplied colour, float32 (4, height, width), and which part owns each pixel, -1 for none.
    """
    paint = np.zeros((4, *size), np.float32)
    shade = np.full(size, 0.55, np.float32)
    owner = np.full(size, -1, np.int16)
    for number, part in enumerate(parts):
        _draw_part(paint, shade, owner, number, part, rows, foot, light.side)
    albedo = light.seen(paint[:3])
    floor = np.asarray(_MOONLIGHT if light.dark else _GLEAM, np.float32).reshape(3, 1, 1)
    lit = np.maximum(light.on(albedo, clamp(shade, 0.08, 1.0)), albedo * floor)
    np.minimum(lit, paint[3], out=paint[:3])
    return paint, owner


def _draw_part(
    paint: Array,
    shade: Array,
    owner: Array,
    number: int,
    part: Part,
    rows: float,
    foot: tuple[float, float],
    side: float,
) -> None:
    """Lay a part over albedo and coverage (4, h, w), over how far pixels face the light, and over whose they are."""
    start_x, start_y = float(part.start[0]) * rows + foot[0], foot[1] - float(part.start[1]) * rows
    end_x, end_y = float(part.end[0]) * rows + foot[0], foot[1] - float(part.end[1]) * rows
    thickest = max(part.radii) * rows
    first, second = (max(radius * rows, _SMALLEST) for radius in part.radii)
    reach = max(first, second) + 1.5
    top, bottom = max(0, int(min(start_y, end_y) - reach)), min(shade.shape[0], int(max(start_y, end_y) + reach) + 1)
    left, right = max(0, int(min(start_x, end_x) - reach)), min(shade.shape[1], int(max(start_x, end_x) + reach) + 1)
    if top >= bottom or left >= right or thickest < 0.25:
        return
    down = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - start_y)
    across = np.arange(left, right, dtype=np.float32) + np.float32(0.5 - start_x)
    step_x, step_y = end_x - start_x, end_y - start_y
    length = max(step_x * step_x + step_y * step_y, 1e-6)
    share = across * np.float32(step_x / length) + down * np.float32(step_y / length)
    reached = share * np.float32(sqrt(length)) + np.float32(0.5) if any(part.cuts) else share
    np.minimum(np.maximum(share, np.float32(0), out=share), np.float32(1), out=share)
    off_x, off_y = across - share * np.float32(step_x), down - share * np.float32(step_y)
    alpha = share * np.float32(second - first) - np.sqrt(off_x * off_x + off_y * off_y) + np.float32(first + 0.5)
    if part.cuts[0]:
        np.minimum(alpha, reached, out=alpha)
    if part.cuts[1]:
        np.minimum(alpha, np.float32(sqrt(length) + 1) - reached, out=alpha)
    np.minimum(np.maximum(alpha, np.float32(0), out=alpha), np.float32(1), out=alpha)
    if thickest < _SMALLEST:
        alpha *= np.float32(thickest / _SMALLEST)
    box = slice(top, bottom), slice(left, right)
    under = paint[:, top:bottom, left:right]
    under += (np.asarray((*part.albedo, 1.0), np.float32).reshape(4, 1, 1) - under) * alpha
    tilt = part.roundness / max(first, second)
    lean_x, lean_y = 0.34 * side * tilt, -0.12 * tilt
    if length > thickest * thickest:  # what is long is lit across, so that joints show no seam
        slope = (step_y * lean_x - step_x * lean_y) / length
        lean_x, lean_y = slope * step_y, -slope * step_x
    centre = 0.55 - 0.5 * (lean_x * step_x + lean_y * step_y)
    facing = across * np.float32(lean_x) + down * np.float32(lean_y) + np.float32(centre)
    shade[box] += (facing - shade[box]) * alpha
    np.copyto(owner[box], np.int16(number), where=alpha >= np.float32(0.5))
