"""Light and colour: what the hour and the season do to a landscape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import planes
from .noise import Array, Dice, mix

__all__ = ["SEASONS", "TIMES_OF_DAY", "Light", "light_of", "season_colours"]

Colour = tuple[float, float, float]

SEASONS = ("spring", "summer", "autumn", "winter")
TIMES_OF_DAY = ("dawn", "day", "dusk", "night")


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    Attributes:
        side: Where it comes from: -1 far left, 1 far right.
        sun: Colour of direct light (3, 1, 1).
        ambient: Colour of what comes from the sky (3, 1, 1).
        zenith: Sky overhead.
        horizon: Sky at the horizon.
        haze: What distance fades into.
        haze_strength: How quickly it does.
        dark: Whether it is night.
    """

    side: float
    sun: Array
    ambient: Array
    zenith: Array
    horizon: Array
    haze: Array
    haze_strength: float
    dark: bool

    def on(self, albedo: Array, facing: Array | np.floating | float) -> Array:
        """Colour of a surface (3, ...) that faces the light by ``facing`` in [0, 1]."""
        return albedo * (self.ambient + self.sun * facing)

    def seen(self, albedo: Array) -> Array:
        """An albedo (3, 1, 1) as an eye sees it in this light: by night it loses half of its colour."""
        result: Array = mix(albedo, _greyness(albedo), np.float32(0.5)) if self.dark else albedo
        return result

    def far(self, colour: Array, distance: float) -> Array:
        """A colour seen through the air; distance 0 is here, 1 the last mountain range."""
        result: Array = mix(colour, self.haze, np.float32(min(1.0, distance * self.haze_strength)))
        return result


def _greyness(albedo: Array) -> Array:
    """The grey (1, 1, 1) that is as bright as a colour (3, 1, 1)."""
    weighted = albedo * planes((0.30, 0.59, 0.11))
    result: Array = weighted[0:1] + weighted[1:2] + weighted[2:3]
    return result


_SUN: dict[str, Colour] = {
    "dawn": (0.88, 0.62, 0.46),
    "day": (0.86, 0.80, 0.66),
    "dusk": (0.96, 0.54, 0.30),
    "night": (0.34, 0.42, 0.57),
}
_AMBIENT: dict[str, Colour] = {
    "dawn": (0.42, 0.43, 0.54),
    "day": (0.40, 0.47, 0.56),
    "dusk": (0.36, 0.33, 0.45),
    "night": (0.14, 0.19, 0.32),
}
_ZENITH: dict[str, Colour] = {
    "dawn": (0.44, 0.50, 0.76),
    "day": (0.21, 0.46, 0.82),
    "dusk": (0.30, 0.28, 0.54),
    "night": (0.035, 0.085, 0.25),
}
_HORIZON: dict[str, Colour] = {
    "dawn": (0.98, 0.77, 0.69),
    "day": (0.74, 0.86, 0.95),
    "dusk": (1.00, 0.54, 0.24),
    "night": (0.19, 0.30, 0.52),
}
_HAZE: dict[str, Colour] = {
    "dawn": (0.84, 0.73, 0.75),
    "day": (0.66, 0.77, 0.88),
    "dusk": (0.82, 0.54, 0.47),
    "night": (0.18, 0.27, 0.46),
}


# What a season lends to everything, so that it shows where nothing grows, too.
_SEASON: dict[str, Colour] = {
    "spring": (1.03, 0.97, 1.07),
    "summer": (1.02, 1.05, 0.90),
    "autumn": (1.14, 0.97, 0.80),
    "winter": (0.86, 0.97, 1.12),
}
# The sun crosses the sky from left to right: where it stands, and so where all shadows fall, follows from the hour.
_SIDE = {"dawn": -0.8, "day": 0.6, "dusk": 0.8, "night": -0.6}


def light_of(dice: Dice, season: str, time_of_day: str) -> Light:
    """The light of one scene in that season and at that hour, with its own haze."""
    warmth = dice.uniform(-0.02, 0.02)
    dark = time_of_day == "night"
    # Moonlight tells the seasons apart less than daylight does.
    tint = mix(np.float32(1), planes(_SEASON[season]), np.float32(0.5 if dark else 1))
    shift = planes((1 + warmth, 1.0, 1 - warmth)) * tint
    deep = dice.uniform(0.9, 1.1)
    return Light(
        side=_SIDE[time_of_day],
        sun=planes(_SUN[time_of_day]) * shift,
        ambient=planes(_AMBIENT[time_of_day]) * tint,
        zenith=planes(_ZENITH[time_of_day]) * tint * np.float32(deep),
        horizon=planes(_HORIZON[time_of_day]) * shift,
        haze=planes(_HAZE[time_of_day]) * shift,
        haze_strength=dice.uniform(0.6, 0.95),
        dark=dark,
    )


# Albedo by label and season. One row a season would repeat most of it, so what does not change is listed once.
_ALWAYS: dict[str, Colour] = {
    "mountain": (0.52, 0.47, 0.43),
    "rock": (0.52, 0.50, 0.47),
    "sand": (0.88, 0.78, 0.56),
    "dirt": (0.58, 0.43, 0.29),
    "gravel": (0.62, 0.60, 0.57),
    "snow": (0.94, 0.96, 1.00),
    "conifer": (0.16, 0.32, 0.19),
    "trunk": (0.36, 0.26, 0.18),
}
_BY_SEASON: dict[str, dict[str, Colour]] = {
    "spring": {
        "grass": (0.40, 0.58, 0.21),
        "grass2": (0.52, 0.65, 0.27),
        "hill": (0.38, 0.58, 0.22),
        "bush": (0.30, 0.54, 0.18),
    },
    "summer": {
        "grass": (0.33, 0.50, 0.18),
        "grass2": (0.47, 0.57, 0.25),
        "hill": (0.31, 0.49, 0.19),
        "bush": (0.22, 0.43, 0.14),
    },
    "autumn": {
        "grass": (0.56, 0.54, 0.21),
        "grass2": (0.68, 0.55, 0.24),
        "hill": (0.54, 0.45, 0.21),
        "bush": (0.62, 0.32, 0.13),
    },
    "winter": {
        "grass": (0.56, 0.53, 0.34),
        "grass2": (0.62, 0.57, 0.40),
        "hill": (0.46, 0.44, 0.34),
        "bush": (0.38, 0.36, 0.30),
    },
}
_LEAVES: dict[str, tuple[Colour, ...]] = {
    "spring": ((0.44, 0.64, 0.20), (0.50, 0.68, 0.24), (0.58, 0.70, 0.30)),
    "summer": ((0.20, 0.43, 0.12), (0.24, 0.46, 0.13), (0.17, 0.40, 0.13)),
    "autumn": ((0.84, 0.42, 0.10), (0.80, 0.33, 0.09), (0.86, 0.52, 0.12)),
    "winter": ((0.45, 0.38, 0.33), (0.40, 0.35, 0.31), (0.48, 0.42, 0.36)),
}


def season_colours(season: str) -> tuple[dict[str, Array], list[Array]]:
    """Albedos (3, 1, 1) by name, and those of the leaves of three broadleaf trees."""
    colours = {name: planes(colour) for name, colour in {**_ALWAYS, **_BY_SEASON[season]}.items()}
    return colours, [planes(leaf) for leaf in _LEAVES[season]]
