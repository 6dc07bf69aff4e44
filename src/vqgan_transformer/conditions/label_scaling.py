"""Label maps in another size, without labels that were not there."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["enlarged", "nearest", "reduced", "scaled_smoothly"]


def reduced(labels: np.ndarray, longest: int) -> np.ndarray:
    """A map whose longest side has at most so many places, int32, each that in the middle of what it stands for."""
    scale = min(1.0, longest / max(labels.shape))
    return nearest(labels, *(max(1, round(side * scale)) for side in labels.shape)).astype(np.int32)


def enlarged(labels: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A map scaled up whose slanting edges become finer rather than stairs (Scale2x, Mazzoleni 2001)."""
    while max(size) >= 2 * max(labels.shape) and min(labels.shape) > 1:
        padded = np.pad(labels, 1, mode="edge")
        above, below, left, right = padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
        finer = np.empty((labels.shape[0], 2, labels.shape[1], 2), dtype=labels.dtype)
        slanting = (above != below) & (left != right)
        for row, column, vertical, horizontal in (
            (0, 0, above, left), (0, 1, above, right), (1, 0, below, left), (1, 1, below, right),
        ):  # fmt: skip
            finer[:, row, :, column] = np.where(slanting & (vertical == horizontal), vertical, labels)
        labels = finer.reshape(2 * labels.shape[0], 2 * labels.shape[1])
    return nearest(labels, size[0], size[1])


def nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A map scaled to (height, width), each place that of the nearest middle."""
    if labels.shape == (height, width):
        return labels
    rows = (2 * np.arange(height) + 1) * labels.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * labels.shape[1] // (2 * width)
    scaled: np.ndarray = labels[rows][:, columns]
    return scaled


def scaled_smoothly(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Label maps scaled up with round borders: each pixel has the label that weighs most there, bilinearly.

    Args:
        labels: int64 (B, h, w).
        size: (height, width) of the result.

    Returns:
        int64 (B, height, width).
    """
    best = torch.zeros(len(labels), *size, dtype=torch.int64)
    most = torch.full(best.shape, -1.0)
    for label in sorted({*labels.flatten().tolist()}):
        [weight] = F.interpolate((labels == label).float()[None], size, mode="bilinear", align_corners=False)
        best, most = best.masked_fill(weight > most, label), torch.maximum(weight, most)
    return best
