"""The connected components of a label map, found by its horizontal runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Component", "Components"]


@dataclass(frozen=True)
class Component:
    """One connected component of a label map.

    Attributes:
        number: of the component in :attr:`Components.numbers`.
        label: its label.
        rows: of its horizontal runs, in ascending order, int (R,).
        starts: the first column of each run.
        stops: the column after the last of each run.
    """

    number: int
    label: int
    rows: np.ndarray
    starts: np.ndarray
    stops: np.ndarray

    @property
    def top(self) -> int:
        """The first row."""
        return int(self.rows[0])

    @property
    def bottom(self) -> int:
        """The last row."""
        return int(self.rows[-1])

    @cached_property
    def left(self) -> int:
        """The first column."""
        return int(self.starts.min())

    @cached_property
    def right(self) -> int:
        """The last column."""
        return int(self.stops.max()) - 1

    @cached_property
    def extents(self) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last column of each row from top to bottom."""
        firsts = np.flatnonzero(np.diff(self.rows, prepend=-1))
        return np.minimum.reduceat(self.starts, firsts), np.maximum.reduceat(self.stops, firsts) - 1

    def places(self, generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of random places in it, all equally likely."""
        ends = np.cumsum(self.stops - self.starts)
        chosen = generator.integers(ends[-1], size=count)
        run = np.searchsorted(ends, chosen, side="right")
        return self.rows[run], self.stops[run] - (ends[run] - chosen)


class Components:
    """All connected components of a label map, each place being next to the four beside, above and below it.

    Args:
        labels: integers (H, W).
        apart: bool (H, W), places that do not hang together with the others; none by default.

    Attributes:
        numbers: int (H, W), which component a place belongs to.
        labels: int (N,), the label of each component.
        areas: int (N,), their places.
        edges: bool (N, 4), whether they touch the map's top, bottom, left and right.
        widths: int (N,), of the boxes around them.
    """

    def __init__(self, labels: np.ndarray, apart: np.ndarray | None = None):
        height, width = labels.shape
        kinds = labels if apart is None else 2 * labels + apart
        begins = np.ones((height, width), dtype=bool)
        begins[:, 1:] = kinds[:, 1:] != kinds[:, :-1]
        runs = np.cumsum(begins).reshape(height, width) - 1
        rows, starts = np.nonzero(begins)
        stops = np.append(starts[1:], 0)
        stops[stops == 0] = width
        root = _joined(len(rows), *_neighbours(kinds, runs))
        _, number = np.unique(root, return_inverse=True)
        order = np.argsort(number, kind="stable")
        firsts = np.flatnonzero(np.diff(number[order], prepend=-1))
        self._rows, self._starts, self._stops = rows[order], starts[order], stops[order]
        self._bounds = np.append(firsts, len(order))
        self.numbers = number[runs]
        self.labels = labels[self._rows[firsts], self._starts[firsts]]
        self.areas = np.add.reduceat(self._stops - self._starts, firsts)
        tops, bottoms = self._rows[firsts], self._rows[self._bounds[1:] - 1]
        lefts, rights = np.minimum.reduceat(self._starts, firsts), np.maximum.reduceat(self._stops, firsts)
        self.edges = np.stack([tops == 0, bottoms == height - 1, lefts == 0, rights == width], axis=1)
        self.widths = rights - lefts

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> Component:
        part = slice(self._bounds[number], self._bounds[number + 1])
        return Component(number, int(self.labels[number]), self._rows[part], self._starts[part], self._stops[part])


def _neighbours(kinds: np.ndarray, runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of runs of one kind that touch from row to row, each pair once."""
    same = kinds[1:] == kinds[:-1]
    upper, lower = runs[:-1][same], runs[1:][same]
    new = np.ones(len(upper), dtype=bool)
    new[1:] = (upper[1:] != upper[:-1]) | (lower[1:] != lower[:-1])
    return upper[new], lower[new]


def _joined(count: int, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The smallest run that each of `count` runs hangs together with."""
    root = np.arange(count)
    while (root[upper] != root[lower]).any():
        least = np.minimum(root[upper], root[lower])
        np.minimum.at(root, root[upper], least)
        np.minimum.at(root, root[lower], least)
        while (root != root[root]).any():
            root = root[root]
    return root
