"""Parts of a picture that are known while the rest is drawn, made up for training."""

from __future__ import annotations

import numpy as np

__all__ = ["random_known_area"]


def random_known_area(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Where the tokens of a grid are known: bool (h, w).

    Half of the grids know nothing, as when a picture is drawn from scratch. Of the others, three quarters know all but a
    union of one to three rectangles, and a quarter that union alone. Rectangles are of any extent and cut by the border.

    Args:
        generator: decides.
        size: (h, w) of the grid.
    """
    area = np.zeros(size, dtype=bool)
    kind = generator.random()
    if kind < 0.5:
        return area
    for _ in range(generator.integers(1, 4)):
        (top, bottom), (left, right) = (
            (centre - extent / 2, centre + extent / 2)
            for centre, extent in ((side * generator.random(), side * generator.random()) for side in size)
        )
        area[max(0, round(top)) : max(1, round(bottom)), max(0, round(left)) : max(1, round(right))] = True
    return area if kind > 0.875 else ~area
