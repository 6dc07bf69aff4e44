"""Draws people's keypoints as a picture: the one drawing that models are trained with and used with."""

from __future__ import annotations

from math import ceil, floor, hypot

import numpy as np

__all__ = ["JOINTS", "LEFT_RIGHT_PAIRS", "LIMBS", "render_skeletons"]

JOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""The keypoints of a person in the order of COCO; left and right are the person's own."""

LEFT_RIGHT_PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))
"""The keypoints that change places in a mirror: eyes, ears, shoulders, elbows, wrists, hips, knees, ankles."""

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
    figures = [joints for person in people if (joints := _joints(person))]
    heights = [_height(joints) for joints in figures]
    known = [height for height in heights if height]
    usual = float(np.median(known)) if known else 0.0  # for lone joints, which do not say how large the person is
    sized = [(height or usual, joints) for height, joints in zip(heights, figures, strict=True)]
    for height, joints in sorted(sized, key=lambda figure: (figure[0], sorted(map(tuple, figure[1].values())))):
        _draw(canvas, joints, max(_HALF_WIDTH * height, _THINNEST))
    result: np.ndarray = (canvas + np.float32(0.5)).astype(np.uint8)
    return result


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

    Each limb, by its usual length, speaks for a height. Seen at an angle limbs look shorter, never longer, so the upper
    quartile of these heights is taken, which a misplaced joint does not move far.
    """
    heights = [
        hypot(*(joints[end] - joints[start]).tolist()) / usual
        for (start, end), (_, usual) in LIMBS.items()
        if start in joints and end in joints and not {start, end} <= _FACE  # too short to measure by
    ]
    return float(np.percentile(heights, 75)) if heights else 0.0


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
    (left, top), (right, bottom) = start.tolist(), end.tolist()
    reach = radius + 0.5
    low_x, high_x = max(0, floor(min(left, right) - reach)), min(canvas.shape[1], ceil(max(left, right) + reach))
    low_y, high_y = max(0, floor(min(top, bottom) - reach)), min(canvas.shape[0], ceil(max(top, bottom) + reach))
    if low_x >= high_x or low_y >= high_y:
        return
    across = np.arange(low_x, high_x) + (0.5 - left)
    down = (np.arange(low_y, high_y) + (0.5 - top))[:, None]
    x, y = right - left, bottom - top
    if length := x * x + y * y:
        along = np.minimum(np.maximum(across * (x / length) + down * (y / length), 0), 1)
        across, down = across - along * x, down - along * y
    covered = (reach - np.sqrt(across * across + down * down)).astype(np.float32)
    covered = np.minimum(np.maximum(covered, 0), 1)[..., None]
    part = canvas[low_y:high_y, low_x:high_x]
    part += (np.array(colour, dtype=np.float32) - part) * covered
