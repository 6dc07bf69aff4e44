"""Boulders."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, planes
from .light import Light
from .noise import Array, Dice, clamp, field, mix, shade_of, smoothstep

__all__ = ["paint_rock"]

_SUNK = 0.22
"""How much of its half height a boulder lies below the ground."""


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
    """A boulder of about ``size`` rows that lies on the ground at a row, a smaller one leaning on some."""
    tall = max(4, round(size * 1.2))
    wide = max(6, round(size * dice.uniform(1.7, 2.4)))
    up = (np.float32(tall - 0.5) - np.arange(tall, dtype=np.float32))[:, None] * np.float32((1 + _SUNK) / tall)
    up = up - np.float32(_SUNK)
    across = (np.arange(wide, dtype=np.float32) + np.float32(0.5 - wide / 2))[None] * np.float32(2 / wide)
    rough = field(dice.texture("rough"), (tall, wide), max(2.0, tall * 0.55), 8, 0.5)
    companion = dice.uniform(0.34, 0.46), dice.pick((-1.0, 1.0)), dice.chance(0.5)
    centre = 0.22 * companion[1] if companion[2] else 0.0
    body, right, top, forward = _dome(up, across, rough, (-centre, 0.96 - abs(centre), 0.88), dice.uniform(-0.25, 0.25))
    if companion[2]:
        # Of two domes each pixel shows the one that bulges further towards the viewer.
        at = 0.98 * companion[1] * (1 - companion[0])
        nearer = _dome(up, across, rough, (at, companion[0], companion[0] * 1.25), 0.0)
        ahead = nearer[0] > np.float32(0)
        right, top, forward = (np.where(ahead, n, f) for n, f in zip(nearer[1:], (right, top, forward), strict=True))
        body = np.maximum(body, nearer[0])
    alpha = clamp(body * np.float32(0.5 * tall) + np.float32(0.5))
    # The foot disappears in the ground along a shallow curve.
    foot = (up + np.float32(_SUNK) - across * across * np.float32(0.12)) * np.float32(tall / (1 + _SUNK))
    alpha = alpha * clamp(foot)
    bumps = shade_of(rough, light.side, tall * 0.12)
    facing = np.float32(0.16) + forward * np.float32(0.2) + top * np.float32(0.3)
    facing = clamp(facing + right * np.float32(0.52 * light.side) + bumps * np.float32(0.34), 0.02, 1.05)
    # Light hardly reaches where the boulder meets the ground.
    facing = facing * (np.float32(0.45) + np.float32(0.55) * smoothstep(-_SUNK, 0.25, up))
    tone = albedo * (np.float32(0.94) + np.float32(0.2) * rough)
    if snowy:
        cap = smoothstep(0.46, 0.62, top + rough * np.float32(0.16))
        tone = mix(tone, planes((0.95, 0.97, 1.0)), cap)
        facing = mix(facing, np.maximum(facing, np.float32(0.42)), cap)
    colour = light.on(tone, facing)
    sprite = np.concatenate([clamp(colour) * alpha, alpha[None]])
    canvas.paint_premultiplied(int(row) - tall + 1, int(x - wide / 2), sprite, "rock", depth)


def _dome(
    up: Array, across: Array, rough: Array, place: tuple[float, float, float], lean: float
) -> tuple[Array, Array, Array, Array]:
    """A rounded stone: centre, half width and height.

    Returns:
        How far inside each pixel is (0 at the outline), and which way its surface looks: right, up and forward.
    """
    centre, half, high = place
    right = (across - np.float32(centre)) * np.float32(1 / half)
    top = up * np.float32(1 / high) - right * np.float32(lean)
    square = right * right
    distance = np.sqrt(np.float32(0.55) * square + np.float32(0.45) * square * square + top * top)
    inside = np.float32(1) - distance + rough * np.float32(0.09)
    forward = np.sqrt(clamp(np.float32(1) - distance * distance))
    return inside, clamp(right, -1, 1), clamp(top, -1, 1), forward
