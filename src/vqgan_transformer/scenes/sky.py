"""Sky: gradient, sun, moon, stars and clouds."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from .canvas import Canvas, planes
from .light import Light
from .noise import Array, Dice, clamp, field, mix, smoothstep

__all__ = ["paint_sky"]


@dataclass(frozen=True)
class _Disc:
    """Sun or moon: on the side that the light comes from, at the place of the hour, whatever the scene.

    Attributes:
        x: Column of its centre.
        y: Row of its centre.
        radius: In pixels.
    """

    x: float
    y: float
    radius: float

    def away(self, rows: Array, columns: Array) -> Array:
        """Distance from the centre, in radii, of all pairs (rows, columns) of pixel centres."""
        down, right = rows - np.float32(self.y), columns - np.float32(self.x)
        result: Array = np.sqrt((down * down)[:, None] + right * right) * np.float32(1 / self.radius)
        return result


def paint_sky(canvas: Canvas, dice: Dice, light: Light, bottom: int, time_of_day: str) -> None:
    """Paint rows 0 to ``bottom`` with sky and clouds."""
    rise = (np.arange(bottom, dtype=np.float32) + np.float32(0.5)) * np.float32(1 / bottom)
    fade = (rise * rise * (np.float32(0.55) + np.float32(0.45) * rise))[None, :, None]
    canvas.image[:, :bottom] = mix(light.zenith, light.horizon, fade)
    low = time_of_day in ("dawn", "dusk")
    disc = _Disc(
        (0.5 + 0.42 * light.side) * canvas.width,
        canvas.height * (0.25 if low else 0.16),
        canvas.height * (0.042 if low else 0.038),
    )
    kind = dice.pick(("clear", "cirrus", "cumulus", "broken", "overcast"), (0.15, 0.15, 0.32, 0.20, 0.18))
    if light.dark:
        _paint_stars(canvas, dice.stream("stars"), disc, bottom)
    if kind != "clear":
        _paint_clouds(canvas, dice.stream("clouds"), light, bottom, kind)
    if kind != "overcast" or time_of_day != "day":
        _paint_disc(canvas, dice.stream("disc"), disc, bottom, time_of_day)


def _paint_stars(canvas: Canvas, dice: Dice, disc: _Disc, bottom: int) -> None:
    """Small soft discs of varied brightness, fewer towards the horizon and none near the moon."""
    count = round(38 * canvas.width / canvas.height)
    rows, columns = dice.uniforms(0, 1, count), dice.uniforms(0, 1, count) * canvas.width
    rows = rows * (0.4 + 0.6 * rows) * bottom
    # Wide enough at 256 rows to fill a pixel and part of its neighbours; finer, in proportion, in larger pictures.
    radii = dice.uniforms(0.75, 1.1, count) * sqrt(canvas.height / 256)
    glow = dice.uniforms(0.45, 1.0, count)
    clear = (rows - disc.y) ** 2 + (columns - disc.x) ** 2 > (2.6 * disc.radius) ** 2
    tone = np.asarray((0.92, 0.95, 1.0))[:, None]
    reach = int(1.5 * sqrt(canvas.height / 256)) + 1
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            y, x = np.floor(rows).astype(np.int64) + down, np.floor(columns).astype(np.int64) + right
            off = np.sqrt((y + 0.5 - rows) ** 2 + (x + 0.5 - columns) ** 2)
            cover = np.clip(radii + 0.5 - off, 0, 1) * glow
            here = clear & (cover > 0) & (y >= 0) & (y < bottom) & (x >= 0) & (x < canvas.width)
            y, x = y[here], x[here]
            under = canvas.image[:, y, x]
            canvas.image[:, y, x] = np.maximum(under, mix(under, tone, cover[here]).astype(np.float32))


_SPREAD = {"dawn": 8.0, "day": 8.0, "dusk": 8.0, "night": 5.0}
"""Squared radii within which the glow around the disc falls to a half."""
_STRENGTH = {"dawn": 0.68, "day": 0.65, "dusk": 0.82, "night": 0.45}
_GLOW = {"dawn": (1, 0.88, 0.7), "day": (1, 0.98, 0.9), "dusk": (1, 0.72, 0.34), "night": (0.55, 0.66, 0.86)}
_CORE = {"dawn": (1, 0.93, 0.76), "day": (1, 0.98, 0.86), "dusk": (1, 0.86, 0.54), "night": (0.95, 0.96, 0.92)}


def _paint_disc(canvas: Canvas, dice: Dice, disc: _Disc, bottom: int, time_of_day: str) -> None:
    """Sun or moon, crisp, in a glow that thins the clouds before it; the moon with its seas."""
    away = disc.away(
        np.arange(bottom, dtype=np.float32) + np.float32(0.5),
        np.arange(canvas.width, dtype=np.float32) + np.float32(0.5),
    )
    sky = canvas.image[:, :bottom]
    spread = np.float32(_SPREAD[time_of_day])
    glow = spread * np.float32(_STRENGTH[time_of_day]) / (away * away + spread)
    sky += (planes(_GLOW[time_of_day]) - sky) * glow
    top, left = max(0, int(disc.y - disc.radius) - 2), max(0, int(disc.x - disc.radius) - 2)
    near = away[top : int(disc.y + disc.radius) + 3, left : int(disc.x + disc.radius) + 3]
    core = np.broadcast_to(planes(_CORE[time_of_day]), (3, *near.shape))
    if time_of_day == "night":
        spots = field(dice.texture("spots"), near.shape, (near.shape[0] / 4.5, near.shape[1] / 4.5), 3)
        seas = smoothstep(0.05, 0.55, spots) * smoothstep(1.0, 0.7, near)
        core = core * (np.float32(1) - planes((0.36, 0.31, 0.22)) * seas)
    cover = clamp((np.float32(1) - near) * np.float32(disc.radius) + np.float32(0.5))
    canvas.paint(top, left, core, cover, "sky-other", 0.0)


def _paint_clouds(canvas: Canvas, dice: Dice, light: Light, bottom: int, kind: str) -> None:
    """One deck of clouds in perspective: flatter and denser towards the horizon."""
    height, width = canvas.height, canvas.width
    unit = height * dice.uniform(0.16, 0.3)
    stretch = {"cirrus": 3.2, "cumulus": 1.7, "broken": 1.9, "overcast": 2.2}[kind]
    # Rows of a flat deck, resampled so that they crowd together near the horizon.
    deck_rows = int(bottom * 1.25) + 1
    density = field(dice.stream("shape"), (deck_rows, width), (unit, unit * stretch), 7, 0.48)
    rise = (np.arange(bottom, dtype=np.float32) + np.float32(0.5)) * np.float32(1 / bottom)
    position = (rise / (np.float32(1.45) - rise) * np.float32(0.45 / 1.0)) * np.float32(deck_rows - 2)
    low = clamp(position, 0, deck_rows - 2).astype(np.int64)
    density = mix(density[low], density[low + 1], (position - low.astype(np.float32))[:, None])
    cover = {"cirrus": -0.25, "cumulus": -0.18, "broken": 0.25, "overcast": 0.9}[kind] + dice.uniform(-0.12, 0.12)
    softness = {"cirrus": 1.1, "cumulus": 0.30, "broken": 0.5, "overcast": 0.7}[kind]
    weight = density + np.float32(cover)
    alpha = smoothstep(0.0, softness, weight)
    if kind == "cirrus":
        alpha *= np.float32(0.85)
    # A cloud is brighter where it thins out towards the light and darker below its thick parts.
    step = max(1, round(height * 0.018))
    towards = weight.copy()
    if light.side < 0:
        towards[:, step:] = weight[:, :-step]
    else:
        towards[:, :-step] = weight[:, step:]
    above = np.empty_like(weight)
    above[step:], above[:step] = weight[:-step], weight[:1]
    facing = clamp(np.float32(0.62) + (weight - towards) * np.float32(0.45) - (above - weight) * np.float32(0.55))
    facing -= clamp(weight - np.float32(0.5), 0, 1) * np.float32(0.30 if kind in ("overcast", "broken") else 0.12)
    bright, shaded = _cloud_tones(light)
    colour = mix(shaded, bright, clamp(facing))
    fog = (rise * rise * rise * np.float32(0.55))[None, :, None]
    colour = mix(colour, light.horizon, fog)
    alpha *= np.float32(1) - (rise * rise * rise * rise)[:, None] * np.float32(0.55)
    canvas.paint(0, 0, colour, alpha, "clouds", 0.0)


def _cloud_tones(light: Light) -> tuple[Array, Array]:
    """Colours of a cloud's lit and shaded side."""
    bright = clamp(light.ambient * np.float32(0.55) + light.sun * np.float32(0.95))
    if not light.dark:
        bright = mix(bright, planes((1, 1, 1)), np.float32(0.45))
    shaded = mix(light.ambient * np.float32(1.15), light.horizon, np.float32(0.4))
    return bright, shaded
