"""Sky: gradient, sun, moon, stars and clouds."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, planes
from .light import Light
from .noise import Array, Dice, clamp, field, mix, smoothstep

__all__ = ["paint_sky"]


def paint_sky(canvas: Canvas, dice: Dice, light: Light, bottom: int, time_of_day: str) -> None:
    """Paint rows 0 to ``bottom`` with sky and clouds."""
    rise = (np.arange(bottom, dtype=np.float32) + np.float32(0.5)) * np.float32(1 / bottom)
    fade = (rise * rise * (np.float32(0.55) + np.float32(0.45) * rise))[None, :, None]
    canvas.image[:, :bottom] = mix(light.zenith, light.horizon, fade)
    if light.dark:
        _paint_stars(canvas, dice.stream("stars"), bottom)
    _paint_disc(canvas, dice.stream("disc"), light, bottom, time_of_day)
    kind = dice.pick(("clear", "cirrus", "cumulus", "broken", "overcast"), (0.15, 0.15, 0.32, 0.20, 0.18))
    if kind != "clear":
        _paint_clouds(canvas, dice.stream("clouds"), light, bottom, kind)


def _paint_stars(canvas: Canvas, dice: Dice, bottom: int) -> None:
    """Bright points, fewer towards the horizon; about a pixel at 256 rows and a little more at larger sizes."""
    count = int(110 * canvas.width / canvas.height) + 10
    rows = dice.uniforms(0, 1, count)
    columns = (dice.uniforms(0, 1, count) * canvas.width).astype(np.int64)
    glow = (dice.uniforms(0, 1, count) ** 2 * 0.8 + 0.15).astype(np.float32)
    rows = (rows * rows * bottom).astype(np.int64)
    radius = max(0, round(canvas.height / 700))
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            if down * down + right * right <= radius * radius:
                y = np.clip(rows + down, 0, bottom - 1)
                x = np.clip(columns + right, 0, canvas.width - 1)
                canvas.image[:, y, x] = np.maximum(canvas.image[:, y, x], glow)


def _paint_disc(canvas: Canvas, dice: Dice, light: Light, bottom: int, time_of_day: str) -> None:
    """Sun or moon with its glow, on the side that the light comes from, at the place of the hour."""
    height, width = canvas.height, canvas.width
    x = (0.5 + 0.42 * light.side) * width
    low = time_of_day in ("dawn", "dusk")
    y = bottom * 0.8 if low else height * 0.16
    radius = height * (0.030 if low else 0.024)
    down = (np.arange(bottom, dtype=np.float32) - np.float32(y)) * np.float32(1 / height)
    right = (np.arange(width, dtype=np.float32) - np.float32(x)) * np.float32(1 / height)
    squared = (down * down)[:, None] + (right * right)
    spread = {"dawn": 0.05, "day": 0.02, "dusk": 0.05, "night": 0.006}[time_of_day]
    strength = {"dawn": 0.55, "day": 0.5, "dusk": 0.6, "night": 0.22}[time_of_day]
    glow = np.float32(strength * spread) / (squared + np.float32(spread))
    tone = planes(
        {"dawn": (1, 0.88, 0.7), "day": (1, 0.98, 0.9), "dusk": (1, 0.72, 0.34), "night": (0.55, 0.63, 0.8)}[
            time_of_day
        ]
    )
    sky = canvas.image[:, :bottom]
    sky += (tone - sky) * glow
    distance = np.sqrt(squared) * np.float32(height / radius)
    core = planes((0.93, 0.94, 0.88) if light.dark else (1.0, 0.98, 0.88))
    if light.dark:
        spots = field(dice.stream("spots"), squared.shape, radius * 0.8, 2)
        core = core * (np.float32(0.9) + np.float32(0.12) * spots)
        disc = clamp((np.float32(1) - distance) * np.float32(radius) + np.float32(0.5))
    else:
        disc = smoothstep(1.5, 0.75, distance)
    sky += (core - sky) * disc


def _paint_clouds(canvas: Canvas, dice: Dice, light: Light, bottom: int, kind: str) -> None:
    """One deck of clouds in perspective: flatter and denser towards the horizon."""
    height, width = canvas.height, canvas.width
    unit = height * dice.uniform(0.16, 0.3)
    stretch = {"cirrus": 3.2, "cumulus": 1.7, "broken": 1.9, "overcast": 2.2}[kind]
    # Rows of a flat deck, resampled so that they crowd together near the horizon.
    deck_rows = int(bottom * 1.25) + 1
    density = field(dice.stream("shape"), (deck_rows, width), (unit, unit * stretch), 7, 0.52)
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
