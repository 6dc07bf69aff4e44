"""Rocks and houses."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, planes
from .light import Light
from .noise import Array, Dice, clamp, field, mix, shade_of, smoothstep

__all__ = ["paint_house", "paint_rock"]


def paint_rock(
    canvas: Canvas,
    dice: Dice,
    light: Light,
    albedo: Array,
    x: float,
    row: float,
    size: float,
    depth: float,
    snowy: bool,
) -> None:
    """A boulder of ``size`` rows that lies on the ground at a row."""
    tall = max(4, round(size * 1.3))
    wide = max(5, round(size * dice.uniform(1.5, 2.3)))
    down = (np.arange(tall, dtype=np.float32) + np.float32(0.5))[:, None] / np.float32(tall)
    across = (np.arange(wide, dtype=np.float32) + np.float32(0.5 - wide / 2)) * np.float32(2 / wide)
    rough = field(dice.stream("rough"), (tall, wide), max(2.0, tall * 0.45), 9, 0.55)
    square = across * across
    crown = np.float32(0.96) - np.float32(0.35) * square - np.float32(0.55) * square * square
    crown = crown + across * np.float32(dice.uniform(-0.3, 0.3)) + rough * np.float32(0.2)
    above = (down - (np.float32(1.08) - crown)) * np.float32(tall)
    alpha = clamp(above + np.float32(0.5)) * clamp(
        (np.float32(0.96) - down - across * across * 0.12 + rough * np.float32(0.05)) * tall
    )
    alpha = alpha * clamp((np.float32(0.99) - np.abs(across)) * np.float32(wide / 2))
    facing = np.float32(0.5) + across * np.float32(0.35 * light.side) - (down - np.float32(0.55)) * np.float32(0.7)
    facing = facing + shade_of(rough, light.side, tall * 0.14) * np.float32(0.35)
    facing = clamp(
        np.floor(facing * np.float32(7)) * np.float32(1 / 7) * np.float32(0.5) + facing * np.float32(0.5), 0.03, 1.1
    )
    tone = albedo * (np.float32(0.92) + np.float32(0.22) * rough)
    if snowy:
        tone = mix(tone, planes((0.95, 0.97, 1.0)), smoothstep(0.62, 0.74, facing + rough * np.float32(0.1)))
    colour = light.on(tone, facing)
    sprite = np.concatenate([clamp(colour) * alpha, alpha[None]])
    canvas.paint_premultiplied(int(row) - tall + 1, int(x - wide / 2), sprite, "rock", depth)


def paint_house(
    canvas: Canvas, dice: Dice, light: Light, x: float, row: float, size: float, depth: float, snowy: bool
) -> None:
    """A cabin of ``size`` rows, gable and long side in view, with a door, windows and a chimney; lit after dark."""
    tall = max(8, round(size))
    wide = round(tall * 1.55)
    down = ((np.arange(tall, dtype=np.float32) + np.float32(0.5)) / np.float32(tall))[:, None]
    across = ((np.arange(wide, dtype=np.float32) + np.float32(0.5)) / np.float32(wide))[None]
    if dice.chance(0.5):
        across = np.float32(1) - across
        gable_light = -1.0
    else:
        gable_light = 1.0
    sharp = np.float32(tall)
    wall = planes(dice.pick(((0.55, 0.36, 0.22), (0.78, 0.72, 0.62), (0.62, 0.20, 0.15), (0.44, 0.33, 0.25))))
    tiles = planes(dice.pick(((0.42, 0.20, 0.16), (0.30, 0.28, 0.30), (0.36, 0.27, 0.20))))
    if snowy:
        tiles = planes((0.93, 0.95, 1.0))
    split, eaves, top = 0.40, 0.50, 0.08
    boards = np.float32(1) - np.float32(0.16) * ((down * 14 - np.floor(down * 14)) < np.float32(0.3))
    gable_lit = 0.35 + 0.4 * max(0.0, -gable_light * light.side)
    side_lit = 0.35 + 0.4 * max(0.0, gable_light * light.side)
    colour = (
        np.where(across < np.float32(split), light.on(wall, gable_lit), light.on(wall * np.float32(0.95), side_lit))
        * boards
    )
    slope = np.abs(across - np.float32(split / 2)) * np.float32((eaves - top) / (split / 2)) + np.float32(top)
    gable = (across < np.float32(split)) * clamp((down - slope) * sharp)
    side = (across >= np.float32(split)) * (across < np.float32(0.97)) * (down > np.float32(eaves))
    lean = (down - np.float32(top)) * np.float32(0.24 / (eaves - top))
    roof = (across > np.float32(split / 2) + lean * np.float32(0.92)) * (
        across < np.float32(0.80) + lean * np.float32(0.9)
    )
    roof = roof * (down > np.float32(top)) * (down < np.float32(eaves + 0.05))
    rim = (np.abs(down - slope) < np.float32(0.045)) * (across < np.float32(split + 0.03))
    chimney = (
        (np.abs(across - np.float32(0.66)) < np.float32(0.035)) * (down < np.float32(0.3)) * (down > np.float32(0.0))
    )
    alpha = clamp(np.maximum(np.maximum(gable, side), np.maximum(np.maximum(roof, rim), chimney)).astype(np.float32))
    door = (np.abs(across - np.float32(0.2)) < np.float32(0.055)) * (down > np.float32(0.66))
    panes = (np.abs(across - np.float32(0.56)) < np.float32(0.045)) + (
        np.abs(across - np.float32(0.80)) < np.float32(0.045)
    )
    panes = panes * (np.abs(down - np.float32(0.70)) < np.float32(0.085))
    colour = np.where(chimney & (roof < 1), light.on(planes((0.45, 0.38, 0.35)), np.float32(0.5)), colour)
    colour = np.where(door, light.on(planes((0.24, 0.16, 0.11)), np.float32(0.5)), colour)
    glass = planes((1.0, 0.80, 0.38)) if light.dark else light.on(planes((0.30, 0.38, 0.46)), np.float32(0.6))
    colour = np.where(panes > 0, glass, colour)
    rows = np.float32(1) - np.float32(0.12) * ((down * 22 - np.floor(down * 22)) < np.float32(0.35))
    colour = np.where(
        (roof > 0) | (rim > 0),
        light.on(tiles, np.float32(0.42 + 0.35 * max(0.0, gable_light * light.side))) * rows,
        colour,
    )
    sprite = np.concatenate([clamp(colour) * alpha, alpha[None]]).astype(np.float32)
    canvas.paint_premultiplied(int(row) - tall + 1, int(x - wide / 2), sprite, "house", depth)
