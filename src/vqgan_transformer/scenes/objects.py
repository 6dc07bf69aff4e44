"""What stands on the ground: where it fits, and painted from the farthest to the nearest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .ground import Plane
from .houses import paint_house
from .labels import LABELS
from .noise import Array, Dice
from .people import paint_person, pose_figure, visible_keypoints
from .rocks import paint_rock
from .stage import Stage
from .trees import shadow

__all__ = ["paint_objects"]


@dataclass(frozen=True)
class _Object:
    """Something that stands on the ground: painted in the order of its depth."""

    depth: float
    x: float
    paint: Callable[[], None]


_LAND = tuple(LABELS[name] for name in ("grass", "sand", "dirt", "gravel", "snow", "rock"))
_TRAILS = tuple(LABELS[name] for name in ("dirt", "gravel"))


def _spot(
    stage: Stage,
    dice: Dice,
    cover: Array,
    first: int,
    limits: tuple[float, float],
    margin: float,
    allowed: tuple[int, ...],
) -> tuple[float, float] | None:
    """A random place (x, inverse depth) on land, or None after a few tries."""
    canvas = stage.canvas
    for _ in range(8):
        depth, x = dice.uniform(*limits), dice.uniform(margin, 1 - margin) * canvas.width
        row = min(canvas.height - 1, int(stage.plane.row(depth)))
        column = min(canvas.width - 1, max(0, int(x)))
        if row >= first and int(cover[row - first, column]) in allowed:
            return x, depth
    return None


def _any_land(stage: Stage, dice: Dice, cover: Array, first: int) -> tuple[float, float]:
    """A place on whatever land there is in the nearer half, or at the lower edge of a flooded picture."""
    plane = stage.plane
    top = max(0, int(plane.row(0.3)) - first)
    dry = np.flatnonzero(np.isin(cover[top:-1], _LAND))
    if not len(dry):
        return dice.uniform(0.1, 0.9) * plane.width, 0.97
    row, column = divmod(int(dry[int(dice.uniform(0, 1) * len(dry))]), plane.width)
    return column + 0.5, float(plane.depth(row + top + first + 0.5))


# Inverse depths between which things stand.
_DEPTHS = {"house": (0.15, 0.36), "tree": (0.06, 0.62), "bush": (0.10, 1.05), "rock": (0.08, 1.02)}


def paint_objects(stage: Stage, counts: dict[str, int], cover: Array, first: int, people: int) -> Array:
    """Paint trees, bushes, rocks, houses and people.

    Args:
        stage: The scene so far: sky, relief, ground and water.
        counts: How many of "house", "tree", "bush" and "rock" at a square picture; a wider one has room for more.
        cover: Label ids of the ground, rows ``first`` to the last.
        first: First row of the ground.
        people: How many people.

    Returns:
        Keypoints (people, 17, 3) as in `Scene`.
    """
    canvas, plane = stage.canvas, stage.plane
    figures = _place_people(stage, cover, first, people)
    objects: list[_Object] = []
    spread = max(1.0, canvas.width / canvas.height)
    off_trail = stage.biome in ("meadow", "forest", "river")
    allowed = tuple(label for label in _LAND if label not in _TRAILS) if off_trail else _LAND
    for kind, count in counts.items():
        low, high = _DEPTHS[kind]
        for index in range(_houses(stage, count) if kind == "house" else round(count * spread)):
            dice = stage.dice.stream(f"{kind}{index}")
            share = dice.uniform(0, 1)
            near = low + (high - low) * share * share
            spot = _spot(stage, dice, cover, first, (near, near * 1.05), 0.15 if kind == "house" else 0.0, allowed)
            if spot is None:
                continue
            x, depth = spot
            size = _rows_of(dice, kind, plane, depth)
            # Nobody is hidden behind a tree.
            if any(depth > other and abs(x - at) < size * 0.6 + tall * 0.25 for at, other, tall in figures):
                continue
            objects.append(_Object(depth, x, _painter(stage, dice, kind, x, depth, size)))
    keypoints: dict[int, tuple[Array, Array, float]] = {}
    for index, (x, depth, tall) in enumerate(figures):
        objects.append(_Object(depth, x, _person_painter(stage, index, x, depth, tall, keypoints)))
    for thing in sorted(objects, key=lambda thing: (thing.depth, thing.x)):
        canvas.begin_thing()
        thing.paint()
    skeletons = [visible_keypoints(canvas, *keypoints[index]) for index in range(people)]
    return np.stack(skeletons) if skeletons else np.zeros((0, 17, 3), np.float32)


def _houses(stage: Stage, count: int) -> int:
    """How many houses stand here where there is place: some have a neighbour."""
    return count + int(count > 0 and stage.dice.stream("neighbour").chance(0.3))


def _rows_of(dice: Dice, kind: str, plane: Plane, depth: float) -> float:
    """Rows that a thing of that kind covers."""
    low, high = {"house": (4.4, 5.8), "tree": (4.0, 9.5), "bush": (0.6, 1.5), "rock": (0.3, 1.3)}[kind]
    rows = plane.size(dice.uniform(low, high), depth)
    room = plane.row(depth) * dice.uniform(0.72, 0.96)  # a tip stays in the picture
    return min(rows, room, plane.height * {"house": 0.38, "tree": 0.95, "bush": 0.24, "rock": 0.26}[kind])


def _painter(stage: Stage, dice: Dice, kind: str, x: float, depth: float, size: float) -> Callable[[], None]:
    canvas, light = stage.canvas, stage.light
    row = stage.plane.row(depth)

    def paint() -> None:
        if size < 2:
            return
        shadow(canvas, light, x, row, size * {"house": 1.2, "tree": 0.55, "bush": 1.4, "rock": 1.5}[kind], 0.42)
        if kind == "house":
            paint_house(canvas, dice.stream("look"), light, x, row, size, depth, stage.snowy)
        elif kind == "rock":
            paint_rock(canvas, dice.stream("look"), light, stage.colours["rock"], x, row, size, depth, stage.snowy)
        else:
            plant = "bush" if kind == "bush" else dice.pick(stage.kinds)
            sprite = stage.nursery.sprite(plant, dice.count(0, 2), round(size))
            sprite = stage.nursery.through_air(sprite, max(0.0, 0.14 - depth * 0.4))
            top, left = int(row) - sprite.shape[1] + 2, int(x - sprite.shape[2] / 2)
            canvas.paint_premultiplied(top, left, sprite, kind, depth)

    return paint


def _place_people(stage: Stage, cover: Array, first: int, people: int) -> list[tuple[float, float, float]]:
    """Where people stand (x, inverse depth) and how many rows they cover."""
    plane = stage.plane
    placed: list[tuple[float, float, float]] = []
    for index in range(people):
        dice = stage.dice.stream(f"person{index}")
        metres = dice.uniform(1.55, 1.9)
        best = None
        for _ in range(10):
            spot = _spot(stage, dice, cover, first, (0.34, 0.96), 0.08, _LAND)
            x, depth = spot or _any_land(stage, dice, cover, first)
            tall = plane.size(metres, depth)
            clear = min((abs(x - at) / (0.3 * (tall + other)) for at, _, other in placed), default=9.0)
            if best is None or clear > best[0]:
                best = clear, x, depth, tall
            if clear > 1:
                break
        assert best is not None
        placed.append(best[1:])
    return placed


def _person_painter(
    stage: Stage, index: int, x: float, depth: float, tall: float, keypoints: dict[int, tuple[Array, Array, float]]
) -> Callable[[], None]:
    dice = stage.dice.stream(f"figure{index}")

    def paint() -> None:
        row = stage.plane.row(depth)
        shadow(stage.canvas, stage.light, x, row, tall * 0.4, 0.45)
        points, clear = paint_person(
            stage.canvas, dice, stage.light, pose_figure(dice.stream("pose")), x, row, tall, depth, stage.season
        )
        keypoints[index] = points, clear, depth

    return paint
