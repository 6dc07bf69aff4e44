"""Label maps as a planner draws them, from true ones: what a generator learns to paint plans from.

A plan has 16 to 24 rows of cells (`pipeline/planner.py`). Scaled up, a tree is a lump in it; a generator that sees such maps
beside true pictures learns to paint a tree there.
"""

from __future__ import annotations

import numpy as np
import torch

from .crude_maps import WORKING_SIDE, shares_in_cells, without
from .label_scaling import enlarged, reduced, scaled_smoothly

__all__ = ["PLANNED", "plan_map"]

PLANNED = 0.3
"""Share of the crude maps that are drawn so; the others as people and segmenters draw."""

ROWS = 15, 27
"""Rows of cells, from the first number to below the second."""


def plan_map(labels: np.ndarray, generator: np.random.Generator, people: int | None = None) -> np.ndarray:
    """A label map reduced to the cells of a plan, each of the label that most of it has, and scaled up with round borders.

    Args:
        labels: int64 (H, W), -1 where unlabelled.
        generator: decides how many rows of cells there are.
        people: the label of people, whom plans leave out: they stand on the map as they are.

    Returns:
        int64 (H, W) of labels of the map, or -1.
    """
    small = reduced(labels, WORKING_SIDE)
    standing = np.zeros(small.shape, dtype=bool) if people is None else small == people
    cell = max(1.0, len(small) / int(generator.integers(*ROWS)))
    shares, names = shares_in_cells(without(small, standing), cell)
    cells = torch.from_numpy(names[shares.argmax(-1)].astype(np.int64))
    [plan] = scaled_smoothly(cells[None], (small.shape[0], small.shape[1])).numpy()
    return enlarged(np.where(standing, small, plan), labels.shape).astype(np.int64)
