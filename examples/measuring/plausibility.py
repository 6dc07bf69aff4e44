"""Whether labels form a landscape: sky above mountains and hills, these above the ground, and one horizon."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["faults", "is_plausible", "stand_in"]

_SKY = frozenset({"sky-other", "clouds"})
_RELIEF = frozenset({"mountain", "hill", "snow"})  # snow lies on mountains and on the ground
_THINGS = frozenset({"tree", "bush", "rock", "house", "person"})  # these stand anywhere

_COLUMNS = 0.95
"""The share of columns that have to be in order."""

_ASTRAY = 0.06
"""The share of a column's height that may be out of order: what readers and speckles get wrong."""

_BEND = 0.06
"""How far the top of the ground may lie from its median, in heights: shores and headlands are not level."""

_LEVEL = 0.8
"""The share of columns whose ground starts within that."""


def faults(labels: np.ndarray, names: Sequence[str]) -> list[str]:
    """What cannot be in a label map (H, W) of a landscape; nothing, in one that can.

    Going down, nearly every column (95 %) has sky or clouds, then mountains or hills, then ground or water. Any of these may
    be missing in a column, single things are overlooked, and a few places may be astray, as where a reader errs. There is
    sky in the picture, and the ground starts at about one height.

    Args:
        labels: numbers of names; -1 is overlooked.
        names: of labels, as COCO-Stuff calls them.
    """
    layers = np.array([(name in _SKY, name in _RELIEF, _may_be_ground(name)) for name in names] + [(False,) * 3])
    sky, relief, ground = (layers[labels, layer] for layer in range(3))
    astray, highest, lowest = _in_order(sky, relief, ground)
    seen = {
        "no sky": sky.mean() < 0.02,
        "nothing but sky": sky.mean() > 0.98,
        "not sky above mountains above ground": (astray <= _ASTRAY * len(labels)).mean() < _COLUMNS,
        "several horizons": not _is_level(highest, lowest, len(labels)),
    }
    return [fault for fault, is_there in seen.items() if is_there]


def is_plausible(labels: np.ndarray, names: Sequence[str]) -> bool:
    """Whether a label map (H, W) is one of a landscape: one without :func:`faults`."""
    return not faults(labels, names)


def stand_in(name: str) -> str:
    """A label for all that count alike here: a reader that takes a hill for a mountain is not wrong about the landscape."""
    for stands_for_all, names in (("sky-other", _SKY), ("snow", {"snow"}), ("mountain", _RELIEF), ("tree", _THINGS)):
        if name in names:
            return stands_for_all
    return "grass"


def _may_be_ground(name: str) -> bool:
    return name == "snow" or name not in _SKY | _RELIEF | _THINGS


def _is_level(highest: np.ndarray, lowest: np.ndarray, height: int) -> bool:
    """Whether the ground starts at one height, as far as can be seen; in pictures without any ground it does."""
    grounded = lowest < height
    if not grounded.any():
        return True
    highest, lowest = highest[grounded], lowest[grounded]
    middle = np.median((highest + lowest) / 2)
    away = np.maximum(np.maximum(highest - middle, middle - lowest), 0)
    return bool(np.mean(away <= _BEND * height) >= _LEVEL)


def _in_order(sky: np.ndarray, relief: np.ndarray, ground: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each column, how many places contradict the best order of sky, relief, ground; and where the ground starts.

    A column is cut at two rows a <= b so that as many places as possible are sky above a, relief from a to b and ground
    from b on. Where a thing hides b, any row of it would do: the highest and the lowest. Without ground, b is H.
    """
    known = (sky | relief | ground).sum(0)
    above_sky, above_relief, above_ground = (_counted(places) for places in (sky, relief, ground))
    score = np.maximum.accumulate(above_sky - above_relief, axis=0) + above_relief - above_ground
    highest, lowest = score.argmax(0), len(score) - 1 - score[::-1].argmax(0)
    return known - score.max(0) - above_ground[-1], highest, lowest


def _counted(places: np.ndarray) -> np.ndarray:
    """How many places of each column lie above each row, (H + 1, W)."""
    return np.concatenate((np.zeros((1, places.shape[1]), dtype=np.int64), places.cumsum(0)))
