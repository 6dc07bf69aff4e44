"""Draws people's keypoints as a picture: the one drawing that models are trained with and used with."""

from __future__ import annotations

import numpy as np

__all__ = ["JOINTS", "LIMBS", "render_skeletons"]

JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""The keypoints of a person in the order of COCO; left and right are the person's own."""

Colour = tuple[int, int, int]

LIMBS: dict[tuple[str, str], tuple[Colour, float]] = {
    ("left_hip", "right_hip"): ((150, 150, 170), 0.105),
    ("right_shoulder", "right_hip"): ((205, 0, 95), 0.29),
    ("left_shoulder", "left_hip"): ((95, 0, 215), 0.29),
    ("right_hip", "right_knee"): ((255, 200, 0), 0.245),
    ("left_hip", "left_knee"): ((0, 215, 160), 0.245),
    ("right_knee", "right_ankle"): ((185, 115, 0), 0.24),
    ("left_knee", "left_ankle"): ((0, 145, 60), 0.24),
    ("neck", "right_shoulder"): ((255, 0, 0), 0.1),
    ("neck", "left_shoulder"): ((40, 60, 255), 0.1),
    ("neck", "nose"): ((255, 255, 255), 0.115),
    ("nose", "right_eye"): ((255, 110, 190), 0.035),
    ("nose", "left_eye"): ((150, 190, 255), 0.035),
    ("right_eye", "right_ear"): ((255, 60, 150), 0.05),
    ("left_eye", "left_ear"): ((90, 140, 255), 0.05),
    ("right_shoulder", "right_elbow"): ((255, 70, 0), 0.165),
    ("left_shoulder", "left_elbow"): ((0, 120, 255), 0.165),
    ("right_elbow", "right_wrist"): ((255, 150, 70), 0.15),
    ("left_elbow", "left_wrist"): ((0, 220, 255), 0.15),
}
"""Pairs of joints in the order they are drawn; the colour of the bar between them, warm on the person's right, cold on
its left; and its usual length in heights of a standing person. The neck is the middle of the shoulders."""

_HALF_WIDTH = 0.02
"""Half the width of a limb, in heights of a standing person: a limb of the scenes' people is about as wide."""

_THINNEST = 0.75
"""Pixels; a thinner bar would no longer be seen by a tokenizer."""

_FACE = frozenset(JOINTS[:5])


def render_skeletons(people: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture of the skeletons of people, on black.

    Limbs are anti-aliased bars, joints lighter discs. Their width is relative to the size of the person, which is
    estimated from the limbs that are there, so a person drawn at twice the size is the same picture at twice the
    resolution, and one who is partly outside or partly hidden is drawn with the limbs they would have as a whole.
    Larger people are drawn over smaller ones; the order in which they are given makes no difference.

    Args:
        people: float `(people, 17, 3)` in the order of :data:`JOINTS`: x and y in pixels of the picture, whose top left
            corner is (0, 0); joints whose third number is 0 are not there. Coordinates may lie outside the picture.
        size: (height, width) of the picture in pixels.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        ValueError: for another shape, or coordinates of joints that are there but not finite.
    """
    people = np.asarray(people, dtype=np.float64)
    if people.ndim != 3 or people.shape[1:] != (len(JOINTS), 3):
        raise ValueError(f"people have the shape (people, {len(JOINTS)}, 3), got {people.shape}.")
    canvas = np.zeros((*size, 3), dtype=np.float32)
    figures = [_joints(person) for person in people]
    measured = [(height, joints) for joints in figures if joints and (height := _height(joints))]
    known = [height for height, _ in measured]
    usual = float(np.median(known)) if known else 0.0  # for lone joints, which do not say how large the person is
    measured += [(usual, joints) for joints in figures if joints and not _height(joints)]
    for height, joints in sorted(measured, key=lambda figure: (figure[0], sorted(map(tuple, figure[1].values())))):
        _draw(canvas, joints, max(_HALF_WIDTH * height, _THINNEST))
    return (canvas + np.float32(0.5)).astype(np.uint8)


def _joints(person: np.ndarray) -> dict[str, np.ndarray]:
    """The joints of a person (17, 3) that are there, and the neck, by name."""
    there = {name: spot[:2] for name, spot in zip(JOINTS, person, strict=True) if spot[2] > 0}
    if there and not np.isfinite(list(there.values())).all():
        raise ValueError("people have joints whose coordinates are not finite. Set their visibility to 0.")
    if {"left_shoulder", "right_shoulder"} <= there.keys():
        there["neck"] = (there["left_shoulder"] + there["right_shoulder"]) / 2
    return there


def _height(joints: dict[str, np.ndarray]) -> float:
    """How tall a person would stand, in pixels; 0 if there is no limb to tell it from.

    Seen at an angle limbs look shorter, never longer; so the height is the one that the longest limbs, for their kind,
    speak for. It is the mean of the first three, as one may be a mistake.
    """
    heights = [
        float(np.hypot(*(joints[end] - joints[start]))) / usual
        for (start, end), (_, usual) in LIMBS.items()
        if start in joints and end in joints and not {start, end} <= _FACE  # too short to measure by
    ]
    longest = sorted(heights)[-3:]
    return float(np.mean(longest)) if longest else 0.0


def _draw(canvas: np.ndarray, joints: dict[str, np.ndarray], half_width: float) -> None:
    """One person: bars between joints, then discs on the joints, which the colour of the limb beyond them tints."""
    tints: dict[str, Colour] = {}
    for (start, end), (colour, _) in LIMBS.items():
        tints[start] = tints.get(start, colour)
        tints[end] = colour
        if start in joints and end in joints:
            # the face is small: thinner bars keep its parts apart
            slim = 0.6 if {start, end} <= _FACE else 1.0
            _bar(canvas, joints[start], joints[end], max(slim * half_width, _THINNEST), colour)
    for name, spot in joints.items():
        if name != "neck":
            radius = half_width * (0.8 if name in _FACE else 1.3)
            light = tuple((value + 255) // 2 for value in tints[name])
            _bar(canvas, spot, spot, max(radius, _THINNEST), light)


def _bar(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float, colour: tuple[int, ...]) -> None:
    """A bar with round ends, or a disc; a pixel is covered by as much of it as its centre lies inside."""
    low = np.floor(np.minimum(start, end) - radius - 0.5).clip(0, canvas.shape[1::-1]).astype(int)
    high = np.ceil(np.maximum(start, end) + radius + 0.5).clip(0, canvas.shape[1::-1]).astype(int)
    if (low >= high).any():
        return
    across = np.arange(low[0], high[0]) + 0.5 - start[0]
    down = (np.arange(low[1], high[1]) + 0.5 - start[1])[:, None]
    x, y = end - start
    along = ((across * x + down * y) / max(x * x + y * y, 1e-12)).clip(0, 1)
    distance = np.hypot(across - along * x, down - along * y)
    covered = (radius + 0.5 - distance).clip(0, 1).astype(np.float32)[..., None]
    part = canvas[low[1] : high[1], low[0] : high[0]]
    part += (np.asarray(colour, dtype=np.float32) - part) * covered
