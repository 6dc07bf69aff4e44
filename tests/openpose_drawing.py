"""Skeleton pictures as OpenPose's users have them, drawn after the facts: limbs are filled ellipses whose half width is 4
pixels, in colours darkened to 0.6; joints are discs of radius 4; the colours go round the hue circle in 18 steps."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw

COLOURS = [tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(hue / 18, 1, 1)) for hue in range(18)]
LIMBS = ("1-2 1-5 2-3 3-4 5-6 6-7 1-8 8-9 9-10 1-11 11-12 12-13 1-0 0-14 14-16 0-15 15-17").split()
FROM_COCO = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)


def openpose_joints(people: np.ndarray) -> np.ndarray:
    """COCO's joints (people, 17, 3) in OpenPose's order (people, 18, 3), with a neck between the shoulders."""
    joints = np.zeros((len(people), 18, 3))
    for place, source in enumerate(FROM_COCO):
        joints[:, place] = people[:, [5, 6]].mean(axis=1) if source is None else people[:, source]
    joints[:, 1, 2] = people[:, [5, 6], 2].min(axis=1)
    return joints


def draw_openpose(people: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """People (people, 17, 3) in COCO's order as a skeleton picture of (height, width)."""
    picture = Image.new("RGB", size[::-1])
    canvas = ImageDraw.Draw(picture)
    for person in openpose_joints(people):
        for number, limb in enumerate(LIMBS):
            start, end = (person[int(joint)] for joint in limb.split("-"))
            if start[2] > 0 and end[2] > 0:
                (x, y), (right, down) = (start + end)[:2] // 2, (end - start)[:2] / 2
                length = np.hypot(right, down) or 1
                turns = np.radians(np.arange(360))
                along, across = np.cos(turns), 4 / length * np.sin(turns)
                outline = np.stack([x + along * right - across * down, y + along * down + across * right], axis=-1)
                dark = tuple(int(0.6 * channel) for channel in COLOURS[number])
                canvas.polygon([tuple(place) for place in outline.round().astype(int).tolist()], fill=dark)
        for (x, y, there), colour in zip(person.astype(int), COLOURS, strict=True):
            if there:
                canvas.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
    return picture
