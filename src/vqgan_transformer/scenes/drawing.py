"""Line drawings of pictures: what is drawn by hand around things, and what an edge detector finds."""

from __future__ import annotations

import numpy as np

from .noise import Array

__all__ = ["line_drawing", "outlines"]


def line_drawing(image: Array, *, softness: float = 1.0, threshold: float = 0.06) -> Array:
    """The lines of a picture: where its colour changes most across a direction, and by more than a threshold.

    Gradients of the blurred picture are thinned to ridges one pixel wide, as by Canny (1986), without following weak ones.

    Args:
        image: Picture, uint8 (height, width, 3).
        softness: Standard deviation of the blur, in pixels at a height of 256.
        threshold: The weakest gradient that is drawn, in full steps of a channel per pixel at a height of 256,
            relative to the picture's own contrast, so that a night has as many lines as a day.

    Returns:
        Bool (height, width), true on lines, which are one pixel wide.
    """
    scale = image.shape[0] / 256
    pixels = image.astype(np.float32).transpose(2, 0, 1) / 255
    pixels = _blurred(pixels, max(0.5, softness * scale))
    contrast = float(pixels.std()) / 0.25
    down, right = np.gradient(pixels, axis=1), np.gradient(pixels, axis=2)
    channel = (down**2 + right**2).argmax(0)[None]
    down, right = (np.take_along_axis(part, channel, axis=0)[0] * scale for part in (down, right))
    strength = np.hypot(down, right)
    ridge: Array = (strength > threshold * max(0.2, contrast)) & _is_ridge(strength, down, right)
    return ridge


def outlines(labels: Array, depth: Array | None = None, *, step: float = 0.05) -> Array:
    """The outlines of regions of a label map, and of what stands before something farther away.

    Args:
        labels: Label ids, integers (height, width).
        depth: Inverse depth in [0, 1], float (height, width).
        step: The difference of inverse depth between neighbours from which on a line is drawn.

    Returns:
        Bool (height, width).
    """
    lines = np.zeros(labels.shape, bool)
    lines[:-1] |= labels[:-1] != labels[1:]
    lines[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    if depth is not None:
        lines[:-1] |= np.abs(np.diff(depth, axis=0)) > step
        lines[:, :-1] |= np.abs(np.diff(depth, axis=1)) > step
    return lines


def _blurred(pixels: Array, deviation: float) -> Array:
    """Two box filters along each axis, nearly a Gaussian, in floating point: (C, H, W).

    Pillow blurs whole levels only, and where a large picture is blurred much each step between levels is a ridge of its own.
    """
    radius = max(1, round(deviation))
    for axis in (1, 2, 1, 2):
        pad = [(0, 0)] * 3
        pad[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(pixels, pad, mode="edge"), axis=axis, dtype=np.float64)
        width = 2 * radius + 1
        later, earlier = (np.take(sums, range(start, start + pixels.shape[axis]), axis=axis) for start in (width, 0))
        pixels = ((later - earlier) / width).astype(np.float32)
    return pixels


def _is_ridge(strength: Array, down: Array, right: Array) -> Array:
    """Where the gradient is no weaker than its two neighbours along its own direction, one of four."""
    height, width = strength.shape
    padded = np.pad(strength, 1)
    steep, flat = np.abs(down) > 2.414 * np.abs(right), np.abs(right) > 2.414 * np.abs(down)
    same = down * right > 0
    ridge = np.zeros(strength.shape, bool)
    directions = (
        (steep, (1, 0)), (flat, (0, 1)), (~steep & ~flat & same, (1, 1)), (~steep & ~flat & ~same, (1, -1)),
    )  # fmt: skip
    for applies, (row, column) in directions:
        ahead, behind = (
            padded[1 + sign * row : 1 + sign * row + height, 1 + sign * column : 1 + sign * column + width]
            for sign in (1, -1)
        )
        ridge |= applies & (strength >= ahead) & (strength > behind)
    return ridge
