"""The ground plane in perspective: covers, paths, rivers and shores."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

from .canvas import Canvas
from .labels import LABELS
from .light import Light
from .noise import Array, Dice, clamp, field, line, mix, smoothstep, tile, wave

__all__ = ["Plane", "paint_ground"]


@dataclass(frozen=True)
class Plane:
    """The flat ground: inverse depth grows evenly from 0 at the horizon to 1 at the lower edge.

    Attributes:
        horizon: Row of the horizon (not an integer, may be hidden).
        height: Rows of the picture.
        width: Columns of the picture.
        eye: Height of the camera above the ground in metres.
    """

    horizon: float
    height: int
    width: int
    eye: float

    def depth(self, row: Any) -> Any:
        """Inverse depth of the ground at a row, or at an array of them."""
        return (row - self.horizon) / (self.height - self.horizon)

    def row(self, depth: float) -> float:
        """Row of the ground at an inverse depth."""
        return self.horizon + depth * (self.height - self.horizon)

    def size(self, metres: float, depth: float) -> float:
        """Rows covered by something that stands upright at that inverse depth."""
        return metres / self.eye * depth * (self.height - self.horizon)


@dataclass(frozen=True)
class GroundPlan:
    """What lies where on the ground.

    Attributes:
        base: Label of the main cover.
        patch: Label of a second cover in patches, or None.
        patch_share: About how much of the ground the patches take.
        trail: Label of a winding strip ("dirt", "gravel", "river"), or None.
        trail_width: Its width in units of the ground plane (1 is a picture height at the lower edge).
        water: Label of a lake or sea, or None.
        far_shore: Inverse depth where water begins.
        near_shore: Inverse depth where it ends.
        beach: Label of the strip along the near shore.
    """

    base: str
    patch: str | None = None
    patch_share: float = 0.3
    trail: str | None = None
    trail_width: float = 0.2
    water: str | None = None
    far_shore: float = 0.06
    near_shore: float = 0.4
    beach: str = "sand"


def _texture(dice: Dice, plane: Plane, first: int, scale: float, gain: float, smooth: bool = False) -> Array:
    """Noise that lies on the ground plane, rows ``first`` to the last; filtered with distance."""
    size = 64
    while size < plane.height:
        size *= 2
    level = tile(dice, size, 8, gain)
    out = np.empty((plane.height - first, plane.width), np.float32)
    rows = np.arange(first, plane.height, dtype=np.float32) + np.float32(0.5)
    depth = np.maximum(plane.depth(rows), np.float32(0.004)).astype(np.float32)
    away = (np.float32(size * 0.55 * scale) / depth).astype(np.float32)
    across = (np.arange(plane.width, dtype=np.float32) - np.float32(plane.width / 2)) * np.float32(
        scale * size / plane.height
    )
    shift = float(size) * 64
    # Rows are the farther apart on the plane, the farther away they lie: by the square of it. Each level serves rows
    # that step over about one of its texels; a finer one would alias into a weave.
    for near, far in pairwise([1.1, *(sqrt(scale * 0.8 / 2**coarser) for coarser in range(6)), 0.0]):
        chosen = np.flatnonzero((depth <= near) & (depth > far))
        if len(chosen):
            here = slice(chosen[0], chosen[-1] + 1)
            side = level.shape[0]
            shrink = np.float32(side / size)
            u = (across / depth[here, None] + np.float32(shift)) * shrink
            out[here] = _look_up(level, u, away[here] * shrink, smooth)
        if level.shape[0] > 16:
            level = (level[0::2] + level[1::2]) * np.float32(0.5)
            level = (level[:, 0::2] + level[:, 1::2]) * np.float32(0.5)
    return out


def _look_up(level: Array, u: Array, v: Array, smooth: bool) -> Array:
    """Texels of a periodic square at columns ``u`` (rows, columns) and rows ``v`` (rows,), nearest or bilinear."""
    side = level.shape[0]
    flat = level.reshape(-1)
    column, row = u.astype(np.int32), v.astype(np.int32)
    upper = ((row & (side - 1)) * side)[:, None]
    here = column & (side - 1)
    if not smooth:
        result: Array = flat[upper + here]
        return result
    right = (column + 1) & (side - 1)
    lower = (((row + 1) & (side - 1)) * side)[:, None]
    part_u, part_v = u - column, (v - row)[:, None]
    above = mix(flat[upper + here], flat[upper + right], part_u)
    below = mix(flat[lower + here], flat[lower + right], part_u)
    result = mix(above, below, part_v)
    return result


def _trail_offset(dice: Dice, plane: Plane, depth: Array) -> Array:
    """How far right of the middle a winding strip runs at each row, in pixels, float32."""
    away = 1.0 / np.maximum(depth, 0.01)
    bend = dice.uniform(0.3, 0.9)
    curve = wave(away * dice.uniform(0.05, 0.10) + dice.uniform(0, 1)) * bend
    curve = curve + wave(away * dice.uniform(0.16, 0.30) + dice.uniform(0, 1)) * bend * 0.45
    start = dice.uniform(-0.25, 0.25) * plane.width / plane.height
    lean = dice.uniform(-0.05, 0.05)
    result: Array = ((start + curve * 0.55) * depth + lean + curve * 0.10) * plane.height
    return result


def cover_map(dice: Dice, plane: Plane, plan: GroundPlan, first: int) -> Array:
    """Which label lies at each pixel of rows ``first`` to the last: uint8 ids."""
    shape = plane.height - first, plane.width
    rows = np.arange(first, plane.height, dtype=np.float64) + 0.5
    depth = plane.depth(rows)
    cover = np.full(shape, LABELS[plan.base], np.uint8)
    broad = _texture(dice.stream("broad"), plane, first, 0.16, 0.5, smooth=True)
    if plan.patch:
        cover[broad > np.float32(0.62 - plan.patch_share * 1.1)] = LABELS[plan.patch]
    columns = np.arange(plane.width, dtype=np.float32) - np.float32(plane.width / 2)
    if plan.trail:
        middle = _trail_offset(dice.stream("trail"), plane, depth).astype(np.float32)
        half = (plan.trail_width * 0.5 * depth * plane.height).astype(np.float32)[:, None] * (
            1 + np.float32(0.16) * broad
        )
        away = np.abs(columns - middle[:, None])
        if plan.trail == "river":
            cover[away < half * np.float32(1.16) + np.float32(0.5)] = LABELS["gravel"]
        cover[away < half] = LABELS[plan.trail]
    if plan.water:
        shore = dice.stream("shore")
        tilt = shore.uniform(-0.35, 0.35)
        wobble = line(shore.stream("near"), plane.width, plane.height * 0.35, 6, 0.5)
        near = plan.near_shore * (1 + 0.28 * wobble + tilt * columns / plane.width)
        wobble = line(shore.stream("far"), plane.width, plane.height * 0.3, 5, 0.5)
        far = plan.far_shore * (1 + (0.0 if plan.water == "sea" else 0.35) * wobble)
        at = depth[:, None].astype(np.float32)
        margin = at - near.astype(np.float32) * (1 + np.float32(0.05) * broad)
        cover[(margin >= 0) & (margin < np.float32(0.16 if plan.water == "sea" else 0.05))] = LABELS[plan.beach]
        cover[(margin < 0) & (at > far.astype(np.float32))] = LABELS[plan.water]
    return cover


def paint_ground(
    canvas: Canvas, dice: Dice, light: Light, plane: Plane, plan: GroundPlan, colours: dict[str, Array], first: int
) -> Array:
    """Paint the plane from row ``first`` down; water gets its mirror later.

    Returns:
        The cover, uint8 label ids of rows ``first`` to the last.
    """
    cover = cover_map(dice.stream("cover"), plane, plan, first)
    fine = _texture(dice.texture("fine"), plane, first, 1.0, 0.62, smooth=True)
    meadow = _texture(dice.texture("meadow"), plane, first, 0.22, 0.55, smooth=True)
    rows = np.arange(first, plane.height, dtype=np.float32) + np.float32(0.5)
    depth = plane.depth(rows).astype(np.float32)[:, None]
    table = np.zeros((3, 256), np.float32)
    contrast = np.zeros(256, np.float32)
    for name, amount in _CONTRAST.items():
        table[:, LABELS[name]] = colours[name][:, 0, 0]
        contrast[LABELS[name]] = amount
    tone = np.take(table, cover, axis=1)
    grassy = cover == LABELS["grass"]
    blend = smoothstep(-0.5, 0.6, meadow) * grassy
    tone += (colours["grass2"] - tone) * blend
    rough = contrast[cover]
    texture = np.float32(1) + fine * rough + meadow * np.float32(0.07)
    if grassy.any():
        upright = grassy * clamp(depth * np.float32(0.9), 0, 0.6) * np.float32(0.36)
        texture += _blades(dice.texture("blades"), plane, meadow) * upright
    texture = clamp(texture, 0.4, 1.5)
    swell = np.zeros_like(meadow)
    swell[:, 1:] = (meadow[:, :-1] - meadow[:, 1:]) * np.float32(light.side * plane.height * 0.014) * depth
    facing = clamp(
        np.float32(0.72) + clamp(swell, -1, 1) * np.float32(0.22) - clamp(depth - np.float32(0.75)) * np.float32(0.3)
    )
    colour = light.on(tone * texture, facing)
    veil = clamp(np.float32(0.5) - depth * np.float32(3.2), 0, 1) * np.float32(light.haze_strength * 0.85)
    colour = mix(colour, light.haze, veil)
    canvas.image[:, first:] = colour
    canvas.labels[first:] = cover
    canvas.depth[first:] = depth
    return cover


def _blades(dice: Dice, plane: Plane, meadow: Array) -> Array:
    """Grass that stands up: upright grain that leans this way and that, as the ``meadow`` (rows, columns) rolls."""
    rows, columns = meadow.shape
    reach = int(plane.height * 0.05) + 1
    blades = field(dice, (rows, columns + 2 * reach), (plane.height * 0.026, plane.height * 0.011), 4, 0.6)
    lean = clamp(meadow * np.float32(plane.height * 0.03), -reach, reach).astype(np.int32)
    start = np.arange(rows, dtype=np.int32)[:, None] * np.int32(columns + 2 * reach)
    result: Array = blades.reshape(-1)[start + np.arange(reach, columns + reach, dtype=np.int32) + lean]
    return result


_CONTRAST = {"grass": 0.16, "sand": 0.08, "snow": 0.04, "dirt": 0.14, "gravel": 0.20, "hill": 0.3, "rock": 0.3}
