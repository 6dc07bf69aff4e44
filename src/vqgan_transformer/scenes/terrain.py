"""Mountains and hills: skylines that stand one behind the other, with relief, snow and haze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas
from .light import Light
from .noise import Array, Dice, clamp, field, line, mix, ridge_line, shade_of, smoothstep

__all__ = ["Range", "hill_skyline", "mountain_skyline", "paint_hill", "paint_mountain"]


@dataclass(frozen=True)
class Range:
    """One mountain range or hill.

    Attributes:
        skyline: Row of its upper edge at each column, float32 (width,).
        foot: Row where the ground in front begins.
        distance: 0 here, 1 the last range.
        depth: Inverse depth at its foot.
    """

    skyline: Array
    foot: int
    distance: float
    depth: float


def mountain_skyline(dice: Dice, height: int, width: int, foot: float, rise: float, mesa: bool) -> tuple[Array, Array]:
    """Skyline of a range that rises ``rise`` rows above its foot, and the slopes of its large facets."""
    cell = height * dice.uniform(0.13, 0.30)
    jagged = ridge_line(dice.stream("peaks"), width, cell, 10, 0.47)
    coarse = ridge_line(dice.stream("peaks"), width, cell, 4, 0.47)
    swell = line(dice.stream("swell"), width, height * 0.9, 1)
    peaks = np.float32(0.52) + np.float32(0.34) * jagged + np.float32(0.24) * swell
    if mesa:
        peaks = smoothstep(0.42, 0.62, peaks) * np.float32(0.75) + peaks * np.float32(0.12)
    skyline = np.float32(foot) - np.float32(rise) * clamp(peaks, 0.03, 1.6)
    slope = np.zeros(width, np.float32)
    slope[1:] = (coarse[1:] - coarse[:-1]) * np.float32(rise * 0.36)
    return skyline, slope


def hill_skyline(dice: Dice, height: int, width: int, foot: float, rise: float) -> Array:
    """A rounded skyline, often a slope that falls from one side to the other."""
    swell = line(dice.stream("swell"), width, height * dice.uniform(0.4, 0.9), 5, 0.32)
    tilt = dice.uniform(-1.0, 1.0)
    across = np.arange(width, dtype=np.float32) * np.float32(2 / width) - np.float32(1)
    shape = np.float32(0.5) + np.float32(0.42) * swell + np.float32(tilt * 0.45) * across
    result: Array = np.float32(foot) - np.float32(rise) * clamp(shape, 0.04, 1.25)
    return result


def _band(canvas: Canvas, ridge: Range) -> tuple[int, int, Array, Array]:
    """First and last row of a range, coverage and distance below the skyline in picture heights."""
    top = max(0, int(np.min(ridge.skyline)) - 1)
    bottom = min(canvas.height, ridge.foot + 1)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    below = rows + np.float32(0.5) - ridge.skyline
    return top, bottom, clamp(below + np.float32(0.5)), below * np.float32(1 / canvas.height)


def paint_mountain(
    canvas: Canvas, dice: Dice, light: Light, ridge: Range, slope: Array, albedo: Array, snow_line: float | None
) -> None:
    """Paint a range: facets that run down from the peaks, gullies, and snow above a wandering line.

    Args:
        canvas: What is painted on.
        dice: Source of randomness.
        light: The scene's light.
        ridge: Where the range stands.
        slope: Rise of its large facets per column, float32 (width,).
        albedo: Colour of the rock (3, 1, 1).
        snow_line: Height above the foot, in picture heights, above which snow lies; None for none.
    """
    top, bottom, alpha, below = _band(canvas, ridge)
    height, width = canvas.height, canvas.width
    if bottom <= top:
        return
    shape = alpha.shape
    relief = field(dice.texture("relief"), shape, (height * 0.16, height * 0.1), 8, 0.52)
    # The edges between lit and shaded facets start at the peaks and wander as they come down.
    wander = field(dice.texture("wander"), shape, (height * 0.09, height * 0.14), 5)
    columns = np.arange(width, dtype=np.float32) + wander * (below * np.float32(0.85 * height))
    columns += below * np.float32(height * 0.25 * dice.uniform(-1, 1))
    facets = slope[clamp(columns, 0, width - 1).astype(np.int32)] * np.float32(-light.side)
    facing = np.float32(0.46) + clamp(facets, -1.2, 1.2) * np.float32(0.34)
    facing += shade_of(relief, light.side, height * 0.028) * np.float32(0.32)
    facing = clamp(facing, 0.02, 1.1)
    tone = albedo * (np.float32(0.94) + np.float32(0.16) * relief)
    colour = light.on(tone, facing)
    mist = clamp(below * np.float32(1.1), 0, 1) * np.float32(0.35 * light.haze_strength)
    depth = np.float32(ridge.depth) * (np.float32(0.7) + np.float32(0.3) * clamp(below * np.float32(3)))
    far = light.far(colour, ridge.distance)
    canvas.paint(top, 0, mix(far, light.haze, mist * np.float32(ridge.distance)), alpha, "mountain", depth)
    if snow_line is None:
        return
    altitude = (np.float32(ridge.foot - top - 0.5) - np.arange(shape[0], dtype=np.float32))[:, None] / np.float32(
        height
    )
    lies = altitude - np.float32(snow_line) + relief * np.float32(0.055) + wander * np.float32(0.03)
    cover = smoothstep(-0.006, 0.010, lies) * smoothstep(0.0, 0.16, np.float32(0.62) + relief)
    white = light.on(np.float32(0.97) * np.ones((3, 1, 1), np.float32), np.float32(0.12) + facing * np.float32(0.92))
    white = light.far(white, ridge.distance * 0.55)
    canvas.paint(top, 0, mix(white, light.haze, mist * np.float32(ridge.distance)), alpha * cover, "snow", depth)


def paint_hill(
    canvas: Canvas, dice: Dice, light: Light, ridge: Range, colours: tuple[Array, Array], label: str
) -> None:
    """Paint a hill: rounded light and shade, meadows of two colours, fine texture.

    Args:
        canvas: What is painted on.
        dice: Source of randomness.
        light: The scene's light.
        ridge: Where the hill stands.
        colours: The two albedos its cover varies between.
        label: What covers it: "hill" or "snow".
    """
    top, bottom, alpha, below = _band(canvas, ridge)
    height = canvas.height
    if bottom <= top:
        return
    shape = alpha.shape
    relief = field(dice.texture("relief"), shape, (height * 0.07, height * 0.2), 8, 0.5)
    slope = np.zeros(canvas.width, np.float32)
    span = max(1, height // 40)
    slope[span:-span] = (ridge.skyline[2 * span :] - ridge.skyline[: -2 * span]) * np.float32(0.5 / span)
    slope[:span], slope[-span:] = slope[span], slope[-span - 1]
    facing = np.float32(0.62) + clamp(slope * np.float32(light.side), -1, 1) * np.float32(0.5)
    facing = facing + shade_of(relief, light.side, height * 0.022) * np.float32(0.30)
    facing -= clamp(below * np.float32(0.5), 0, 0.16)
    blend = smoothstep(-0.5, 0.7, relief)
    tone = mix(colours[0], colours[1], blend)
    colour = light.far(light.on(tone, clamp(facing, 0.06, 1.1)), ridge.distance)
    depth = np.float32(ridge.depth) * (np.float32(0.6) + np.float32(0.4) * clamp(below * np.float32(4)))
    canvas.paint(top, 0, colour, alpha, label, depth)
