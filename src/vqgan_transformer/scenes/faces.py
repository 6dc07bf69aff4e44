"""Heads: face, hair and what is worn on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .body import (
    FACE,
    LEFT_EAR,
    LEFT_EYE,
    LEFT_SHOULDER,
    NOSE,
    RIGHT_EAR,
    RIGHT_EYE,
    RIGHT_SHOULDER,
    Colour,
    Figure,
    Part,
    moved,
    shaded,
)
from .clothes import Outfit
from .noise import Array

__all__ = ["head_parts"]

_EYE: Colour = (0.10, 0.08, 0.08)
_BEHIND, _FACE, _OVER = 0.04, 0.2, 0.22
"""Orders of what hangs behind the neck, of the face, and of hair and hats over it."""


def head_parts(figure: Figure, outfit: Outfit) -> list[Part]:
    """A head a sixth of the figure's height: from behind all hair, from the side one eye."""
    joints = figure.joints[:, :2]
    middle = moved((joints[LEFT_EAR] + joints[RIGHT_EAR]) / 2, 0, 0.004)
    draw = {"front": _from_the_front, "back": _from_behind}.get(figure.facing, _from_the_side)
    return draw(figure, outfit, middle) + _hat(figure, outfit, middle)


def _bar(order: float, middle: Array, places: tuple[float, ...], radii: tuple[float, float], colour: Colour) -> Part:
    """A part of a head between two places (x, y, x, y) around its middle."""
    start, end = moved(middle, places[0], places[1]), moved(middle, places[2], places[3])
    return Part(order, start, end, radii, colour, FACE, 0.7)


def _long(part: Part) -> Part:
    """The same part, reaching over the shoulders."""
    return replace(part, keypoints=(*FACE, LEFT_SHOULDER, RIGHT_SHOULDER))


def _from_the_front(figure: Figure, outfit: Outfit, middle: Array) -> list[Part]:
    joints, skin, hair = figure.joints[:, :2], outfit.skin, outfit.hair
    turn = float(joints[NOSE, 0] - middle[0])
    parts = [
        _bar(_FACE, middle, (0, 0.026, 0, 0.012), (0.055, 0.054), hair),
        _bar(_FACE, middle, (-0.049, -0.004, 0.049, -0.004), (0.012, 0.012), shaded(skin, 0.9)),
        _bar(_FACE, middle, (0, 0.014, 0, -0.026), (0.049, 0.041), skin),
        _bar(_OVER, middle, (-0.031, 0.046, 0.025, 0.052), (0.020, 0.024), hair),
        _bar(_OVER, middle, (-0.012 + turn, -0.041, 0.012 + turn, -0.041), (0.0048, 0.0048), _lips(skin)),
    ]
    if outfit.long_hair:
        for right in (-0.046, 0.046):
            parts.append(_long(_bar(_OVER, middle, (right, 0.02, right * 1.1, -0.085), (0.016, 0.019), hair)))
    nose = joints[NOSE]
    parts.append(Part(_OVER, moved(nose, 0, 0.008), nose, (0.006, 0.008), shaded(skin, 0.84), FACE, 0.0))
    parts += [Part(_OVER, joints[eye], joints[eye], (0.0078, 0.0078), _EYE, FACE, 0.0) for eye in (LEFT_EYE, RIGHT_EYE)]
    return parts


def _from_the_side(figure: Figure, outfit: Outfit, middle: Array) -> list[Part]:
    ahead, joints, skin, hair = figure.ahead, figure.joints[:, :2], outfit.skin, outfit.hair
    near = 1 - (figure.far_side or 0)
    eye, ear = joints[LEFT_EYE + near], joints[LEFT_EAR + near]
    ear = np.asarray((middle[0], ear[1]))
    parts = [
        _bar(_FACE, middle, (ahead * 0.004, 0.016, ahead * 0.016, -0.027), (0.052, 0.038), skin),
        _bar(_FACE, middle, (ahead * 0.05, -0.006, ahead * 0.059, -0.015), (0.008, 0.009), skin),
        _bar(_OVER, middle, (ahead * 0.044, -0.040, ahead * 0.050, -0.040), (0.005, 0.005), _lips(skin)),
        _bar(_OVER, middle, (ahead * 0.032, 0.054, -ahead * 0.020, 0.044), (0.021, 0.037), hair),
        _bar(_OVER, middle, (-ahead * 0.024, 0.030, -ahead * 0.034, -0.020), (0.036, 0.024), hair),
        Part(_OVER, moved(ear, 0, 0.004), moved(ear, 0, -0.006), (0.012, 0.010), shaded(skin, 0.9), FACE, 0.5),
    ]
    if outfit.long_hair:
        tail = -ahead * 0.036, 0.01, -ahead * 0.046, -0.088
        parts.append(_long(_bar(_OVER, middle, tail, (0.028, 0.022), hair)))
    pupil = moved(eye, -ahead * 0.010, 0)
    parts.append(Part(_OVER, pupil, pupil, (0.0078, 0.0078), _EYE, FACE, 0.0))
    return parts


def _from_behind(figure: Figure, outfit: Outfit, middle: Array) -> list[Part]:
    skin, hair = outfit.skin, outfit.hair
    parts = [
        _bar(_FACE, middle, (-0.049, -0.004, 0.049, -0.004), (0.012, 0.012), shaded(skin, 0.9)),
        _bar(_FACE, middle, (0, 0.024, 0, -0.018), (0.055, 0.045), hair),
    ]
    if outfit.long_hair:
        parts.append(_long(_bar(_OVER, middle, (0, 0.0, 0, -0.088), (0.050, 0.040), hair)))
    return parts


def _lips(skin: Colour) -> Colour:
    """A mouth as dark as its skin lets it be seen."""
    return skin[0] * 0.78, skin[1] * 0.52, skin[2] * 0.52


def _hat(figure: Figure, outfit: Outfit, middle: Array) -> list[Part]:
    """A cap with its brim or rolled edge, and a bobble where it has one."""
    if outfit.hat is None:
        return []
    ahead, brim = figure.ahead, outfit.brim
    return [
        _bar(_OVER, middle, (-0.016 - 0.006 * ahead, 0.058, 0.016 - 0.006 * ahead, 0.058), (0.041, 0.041), outfit.hat),
        _bar(
            _OVER,
            middle,
            (-brim + ahead * 0.004, 0.036, brim + ahead * 0.004, 0.036),
            (0.012, 0.012),
            shaded(outfit.hat, 0.78),
        ),
    ]
