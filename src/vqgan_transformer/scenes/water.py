"""Water that mirrors what stands behind it."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, planes
from .ground import Plane
from .labels import LABELS
from .light import Light
from .noise import Array, Dice, clamp, field, mix, smoothstep

__all__ = ["paint_water"]

_BODY = {"water-other": (0.10, 0.36, 0.40), "river": (0.16, 0.36, 0.36), "sea": (0.04, 0.34, 0.50)}
_SHALLOW = {"water-other": (0.26, 0.52, 0.48), "river": (0.34, 0.46, 0.38), "sea": (0.26, 0.68, 0.68)}


def paint_water(canvas: Canvas, dice: Dice, light: Light, plane: Plane, cover: Array, first: int, label: str) -> None:
    """Paint the water pixels of the ground: the mirrored picture, its own colour, ripples, foam on a sea's edge.

    Args:
        canvas: What is painted on; everything behind the water is there already.
        dice: Source of randomness.
        light: The scene's light.
        plane: The ground plane.
        cover: Label ids of rows ``first`` to the last.
        first: First row of the ground.
        label: "water-other", "river" or "sea".
    """
    wet = cover == LABELS[label]
    lines = np.flatnonzero(wet.any(axis=1))
    if not len(lines):
        return
    start, stop = int(lines[0]), int(lines[-1]) + 1
    wet = wet[start:stop]
    height, width = canvas.height, canvas.width
    rows = np.arange(first + start, first + stop, dtype=np.float32)[:, None]
    depth = plane.depth(rows + np.float32(0.5))
    # Far shore by column: the first wet row; columns without water never use it. A river mirrors about its far end:
    # its banks would tear the mirror image apart.
    edge = (first + start + np.argmax(wet, axis=0)).astype(np.float32)
    edge = np.minimum(edge, np.float32(first + start) + np.float32(0.0 if label == "river" else 0.08 * height))
    calm = dice.uniform(0.3, 1.0) * (1.0 if label != "sea" else 1.6)
    ripple = _ripples(dice.texture("ripples"), plane, rows[:, 0], width)
    sway = ripple * (depth * np.float32(calm * 0.055 * height) + np.float32(0.3))
    # A picture with little sky has none left to mirror near the viewer: its mirror image is squeezed instead.
    squeeze = np.minimum(
        np.float32(1), edge * np.float32(0.96) / np.maximum(np.float32(first + stop) - edge, np.float32(1))
    )
    source = clamp(edge - (rows - edge) * squeeze + sway, 0, first + start + height * 0.08).astype(np.int32)
    source = np.minimum(source, np.maximum(edge.astype(np.int32) - 1, 0))
    columns = clamp(np.arange(width, dtype=np.float32) + sway * np.float32(0.35), 0, width - 1).astype(np.int32)
    mirror = np.take(canvas.image.reshape(3, -1), source * width + columns, axis=1)
    # Grazing rays are mirrored, steep ones see into the water.
    shine = clamp(np.float32(0.92 if label != "sea" else 0.66) - depth * np.float32(0.62))
    near = _distance_to_shore(cover[start : stop + 1] == LABELS[label])[: stop - start]
    body = mix(
        planes(_BODY[label]),
        planes(_SHALLOW[label]),
        (smoothstep(0.16, 0.0, near * np.float32(1 / height)) * clamp(depth * 3))[None],
    )
    body = light.on(body, np.float32(0.75) + ripple * np.float32(0.25))
    colour = mix(body, mirror * np.float32(0.93), shine)
    glint = clamp(ripple - np.float32(0.25)) * (np.float32(0.20) * clamp(depth * 2 + np.float32(0.15)))
    colour += (light.horizon - colour) * glint
    colour *= np.float32(1) - clamp(-ripple - np.float32(0.3)) * np.float32(0.18)
    if label == "sea":
        crest = field(dice.texture("foam"), wet.shape, (height * 0.02, height * 0.10), 6, 0.68)
        foam = smoothstep(
            0.075,
            0.0,
            near * np.float32(1 / height) / clamp(depth * np.float32(1.6), 0.2, 1) + crest * np.float32(0.035),
        )
        foam += smoothstep(0.75, 1.0, ripple * np.float32(0.6) + crest * np.float32(0.6)) * np.float32(0.5)
        white = light.on(planes((1.0, 1.0, 1.0)), np.float32(0.72))
        colour = mix(colour, white, clamp(foam * np.float32(0.85)))
    box = canvas.image[:, first + start : first + stop]
    np.copyto(box, colour, where=wet)


def _ripples(dice: Dice, plane: Plane, rows: Array, width: int) -> Array:
    """Long flat waves that crowd together with distance: about [-1, 1]."""
    count = len(rows)
    height = plane.height
    deck = field(dice, (count + height, width), (height * 0.035, height * 0.16), 6, 0.62)
    depth = np.maximum(plane.depth(rows + 0.5), 0.01)
    away = 1.0 / depth
    position = (away[:1] - away) / (away[0] - away[-1] + 1e-6)
    blend = position * 0.72 + np.linspace(0.0, 0.28, count)
    place = clamp((blend * (count + height * 0.5)).astype(np.float32), 0, count + height - 1)
    return deck[place.astype(np.int32)]


def _distance_to_shore(wet: Array) -> Array:
    """Rows from each water pixel down to the land in front of it, float32; huge where there is none."""
    rows = np.arange(wet.shape[0], dtype=np.float32)[:, None]
    land = np.where(wet, np.float32(1e6), rows)
    below = np.minimum.accumulate(land[::-1], axis=0)[::-1]
    return below - rows
