"""Fills the places of a map that have no reading, smoothly, from those around them."""

from __future__ import annotations

import numpy as np

__all__ = ["fill_gaps"]

SWEEPS = 16
"""How often the gaps of a level are relaxed; more changes nothing that one can see."""


def fill_gaps(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A map whose gaps are filled from the readings around them; readings stay as they are.

    Each gap becomes a membrane stretched between the readings at its rim, where every place is about the mean of its
    four neighbours (Laplace's equation; beyond the picture's edge the map goes on as it is). It is solved from coarse
    to fine: squares of 2×2 places are averaged over their readings until no gap is left, then each level starts from
    the coarser one. What is filled in lies between the smallest and the largest reading.

    Args:
        values: float `(H, W)`; whatever stands in the gaps is not looked at.
        known: bool `(H, W)`, where there are readings.

    Returns:
        float `(H, W)`.

    Raises:
        ValueError: if there is no reading at all.
    """
    if not known.any():
        raise ValueError("there is no reading to fill the gaps from.")
    if known.all():
        return values
    coarse = fill_gaps(*_halve(values, known))
    filled = np.where(known, values, coarse.repeat(2, 0).repeat(2, 1)[: known.shape[0], : known.shape[1]])
    for _ in range(SWEEPS):
        filled = np.where(known, values, _mean_of_neighbours(filled))
    return filled


def _halve(values: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the readings in each square of 2×2, and where there are any: (H, W) -> (H/2, W/2), rounded up."""
    odd = [(0, side % 2) for side in known.shape]
    squares = known.shape[0] // 2 + odd[0][1], 2, known.shape[1] // 2 + odd[1][1], 2
    count = np.pad(known, odd).reshape(squares).sum(axis=(1, 3))
    total = np.pad(np.where(known, values, 0), odd).reshape(squares).sum(axis=(1, 3))
    return total / np.maximum(count, 1), count > 0


def _mean_of_neighbours(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, 1, mode="edge")
    result: np.ndarray = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
    return result
