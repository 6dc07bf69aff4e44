"""Putting a scene together: what stands where in each biome, painted from back to front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .canvas import Canvas
from .ground import GroundPlan, Plane, paint_ground
from .labels import LABELS
from .light import Light, light_of, season_colours
from .noise import Array, Dice, mix
from .people import paint_person, pose_figure, visible_keypoints
from .sky import paint_sky
from .terrain import Range, hill_skyline, mountain_skyline, paint_hill, paint_mountain
from .things import paint_house, paint_rock
from .trees import Nursery, paint_forest, shadow
from .water import paint_water

__all__ = ["BIOMES", "compose"]

BIOMES = ("mountains", "lake", "coast", "meadow", "forest", "river", "desert")


@dataclass(frozen=True)
class _Biome:
    """What a biome is made of; pairs are the limits of a random number.

    Attributes:
        horizon: Row of the horizon in picture heights.
        ranges: How many mountain ranges.
        rise: Height of the mountains in picture heights.
        hills: How many hills in front of them.
        wood: Chance that a hill or far shore is wooded.
        trees: How many single trees.
        bushes: How many bushes.
        rocks: How many rocks.
        house: Chance of a cabin.
    """

    horizon: tuple[float, float]
    ranges: tuple[int, int]
    rise: tuple[float, float]
    hills: tuple[int, int]
    wood: float
    trees: tuple[int, int]
    bushes: tuple[int, int]
    rocks: tuple[int, int]
    house: float


_BIOMES = {
    "mountains": _Biome((0.46, 0.60), (2, 3), (0.26, 0.46), (1, 2), 0.7, (2, 9), (0, 4), (2, 8), 0.2),
    "lake": _Biome((0.38, 0.52), (1, 2), (0.14, 0.34), (1, 2), 0.9, (1, 5), (1, 5), (1, 5), 0.25),
    "coast": _Biome((0.36, 0.52), (0, 1), (0.08, 0.2), (0, 1), 0.4, (0, 2), (0, 4), (1, 6), 0.12),
    "meadow": _Biome((0.36, 0.54), (0, 2), (0.08, 0.26), (1, 3), 0.6, (2, 8), (2, 8), (0, 3), 0.35),
    "forest": _Biome((0.34, 0.46), (0, 1), (0.14, 0.28), (1, 2), 1.0, (10, 20), (3, 9), (0, 4), 0.15),
    "river": _Biome((0.38, 0.52), (1, 2), (0.14, 0.36), (1, 2), 0.8, (3, 9), (2, 7), (2, 8), 0.2),
    "desert": _Biome((0.42, 0.56), (1, 2), (0.12, 0.32), (0, 1), 0.0, (0, 1), (2, 7), (2, 8), 0.08),
}


@dataclass(frozen=True)
class _Stage:
    """What every part of the composition needs."""

    canvas: Canvas
    dice: Dice
    light: Light
    plane: Plane
    colours: dict[str, Array]
    nursery: Nursery
    biome: str
    season: str
    snowy: bool
    kinds: tuple[str, ...]


def compose(
    seed: int, size: tuple[int, int], season: str, time_of_day: str, biome: str, people: int
) -> tuple[Canvas, Array]:
    """Paint a scene.

    Returns:
        The canvas, and the keypoints (people, 17, 3) of the people on it.
    """
    height, width = size
    dice = Dice(seed, biome)
    recipe = _BIOMES[biome]
    light = light_of(dice.stream("light"), time_of_day)
    colours, leaves = season_colours(season)
    layout = dice.stream("layout")
    horizon = layout.uniform(*recipe.horizon)
    eye = layout.uniform(1.8, 2.7) if people else layout.uniform(2.0, 4.5)
    plane = Plane(horizon * height, height, width, eye)
    snowy = season == "winter" and biome != "desert" and layout.chance(0.25 if biome == "coast" else 0.85)
    if biome == "desert":
        colours |= {"mountain": mix(colours["mountain"], colours["sand"] * _RED, np.float32(0.7))}
        colours |= {"rock": colours["rock"] * _RED, "hill": mix(colours["sand"], colours["dirt"], np.float32(0.5))}
    stage = _Stage(
        Canvas(height, width), dice, light, plane, colours,
        Nursery(dice.stream("plants"), light, colours, leaves, season, height),
        biome, season, snowy, _plant_kinds(layout, biome, season),
    )  # fmt: skip
    plan = _ground_plan(dice.stream("plan"), stage)
    first = min(height - 2, int(plane.row(_FIRST)))
    paint_sky(stage.canvas, dice.stream("sky"), light, min(height, first + 1), time_of_day)
    _paint_relief(stage, recipe, first, plan)
    cover = paint_ground(stage.canvas, dice.stream("ground"), light, plane, plan, colours, first)
    _paint_far_shore(stage, recipe, plan)
    for water in (plan.water, plan.trail if plan.trail == "river" else None):
        if water:
            paint_water(stage.canvas, dice.stream(water), light, plane, cover, first, water)
    return stage.canvas, _paint_objects(stage, recipe, cover, first, people)


_FIRST = 0.045  # inverse depth of the first visible ground
_RED = np.asarray((1.0, 0.72, 0.50), np.float32).reshape(3, 1, 1)


def _plant_kinds(dice: Dice, biome: str, season: str) -> tuple[str, ...]:
    """Which trees grow here, three to a mixture."""
    leafy = "bare" if season == "winter" else "broadleaf"
    if biome == "mountains":
        return dice.pick((("conifer",) * 3, ("conifer", "conifer", leafy)))
    if biome in ("meadow", "coast"):
        return dice.pick(((leafy,) * 3, (leafy, leafy, "conifer")))
    if biome == "desert":
        return ("bare",) * 3
    return dice.pick((("conifer",) * 3, ("conifer", "conifer", leafy), (leafy,) * 3, (leafy, leafy, "conifer")))


def _ground_plan(dice: Dice, stage: _Stage) -> GroundPlan:
    """What covers the ground of this scene."""
    biome = stage.biome
    base = {"coast": "sand", "desert": "sand"}.get(biome, "grass")
    patch = {"mountains": "gravel", "coast": None, "desert": "dirt", "forest": "dirt", "river": None}.get(biome)
    share = dice.uniform(0.05, 0.35)
    patch = patch if patch and dice.chance(0.7) else None
    if stage.snowy:
        base, patch = "snow", dice.pick((None, base, "rock" if biome == "mountains" else base))
        share = dice.uniform(0.0, 0.25)
    trail = None
    trail_width = dice.uniform(0.16, 0.34)
    if biome == "river":
        trail, trail_width = "river", dice.uniform(0.6, 1.3)
    elif biome not in ("coast", "lake") and dice.chance(0.5):
        trail = dice.pick(("dirt", "gravel", "dirt"))
    beach = "snow" if stage.snowy else dice.pick(("sand", "gravel", "dirt"))
    if biome == "lake":
        return GroundPlan(
            base, patch, share, None, trail_width, "water-other",
            dice.uniform(0.055, 0.12), dice.uniform(0.28, 0.75), beach,
        )  # fmt: skip
    if biome == "coast":
        inland = "snow" if stage.snowy else dice.pick(("sand", "sand", "grass"))
        return GroundPlan(inland, None, share, None, trail_width, "sea", 0.0, dice.uniform(0.28, 0.6), "sand")
    return GroundPlan(base, patch, share, trail, trail_width)


def _snow_line(dice: Dice, stage: _Stage) -> float | None:
    """Where snow begins on the mountains, in picture heights above their foot."""
    if stage.biome == "desert":
        return None
    low, high = {"winter": (0.02, 0.12), "spring": (0.12, 0.22), "autumn": (0.16, 0.27), "summer": (0.18, 0.32)}[stage.season]
    return dice.uniform(low, high)


def _paint_relief(stage: _Stage, recipe: _Biome, first: int, plan: GroundPlan) -> None:
    """Mountains, then hills with their woods, each range nearer and hazier than the one before."""
    canvas, light, height = stage.canvas, stage.light, stage.canvas.height
    layout = stage.dice.stream("relief")
    count, hills = layout.count(*recipe.ranges), layout.count(*recipe.hills)
    rise = layout.uniform(*recipe.rise)
    rise = min(rise, stage.plane.horizon / height * 0.86)
    snow_line = _snow_line(layout, stage)
    for index in range(count):
        part = index / count
        dice = stage.dice.stream(f"range{index}")
        skyline, slope = mountain_skyline(
            dice, height, canvas.width, first, height * rise * (1 - 0.42 * part), stage.biome == "desert"
        )
        ridge = Range(skyline, first, 0.78 - 0.40 * part, _FIRST * (0.2 + 0.3 * part))
        paint_mountain(canvas, dice, light, ridge, slope, stage.colours["mountain"], snow_line)
    for index in range(hills):
        dice = stage.dice.stream(f"hill{index}")
        part = (index + 1) / (hills + 1)
        if plan.water == "sea":
            skyline = _headland(dice, stage, first)
        else:
            skyline = hill_skyline(dice, height, canvas.width, first, height * layout.uniform(0.09, 0.24) * (1.15 - 0.5 * part))
        ridge = Range(skyline, first, 0.42 - 0.3 * part, _FIRST * (0.55 + 0.4 * part))
        label = "snow" if stage.snowy else "hill"
        cover = (stage.colours["snow"],) * 2 if stage.snowy else (stage.colours["hill"], stage.colours["grass2"] * np.float32(0.9))
        paint_hill(canvas, dice, light, ridge, cover, label)
        if dice.chance(recipe.wood):
            tall = height * dice.uniform(0.028, 0.055) * (0.8 + part)
            room = float(first - np.min(skyline))
            rows = int(min(12, max(2, dice.uniform(0.3, 1.0) * room / (0.42 * tall))))
            base = np.minimum(skyline + np.float32(tall * dice.uniform(0.1, 1.2)), np.float32(first))
            paint_forest(
                canvas, dice.stream("wood"), stage.nursery, light, base, tall, rows, dice.uniform(0.35, 1.0),
                stage.kinds, (ridge.depth * 0.9, ridge.depth), ridge.distance,
            )  # fmt: skip


def _headland(dice: Dice, stage: _Stage, first: int) -> Array:
    """A hill that falls to the sea at one side."""
    height, width = stage.canvas.height, stage.canvas.width
    skyline = hill_skyline(dice, height, width, 0.0, height * dice.uniform(0.08, 0.2))
    across = np.arange(width, dtype=np.float32) * np.float32(1 / width)
    if dice.chance(0.5):
        across = np.float32(1) - across
    reach = dice.uniform(0.25, 0.65)
    fall = np.minimum(np.float32(1), np.maximum(np.float32(0), (np.float32(reach) - across) * np.float32(6)))
    return np.float32(first + 1) + skyline * fall + (np.float32(1) - fall) * np.float32(3)


def _paint_far_shore(stage: _Stage, recipe: _Biome, plan: GroundPlan) -> None:
    """A line of trees where the ground begins: at the foot of the hills, mirrored if water follows."""
    dice = stage.dice.stream("shore")
    if plan.water == "sea" or not dice.chance(recipe.wood):
        return
    depth = _FIRST * 1.06 if plan.water else _FIRST * 1.4
    tall = stage.plane.size(dice.uniform(5, 9), depth) * (1.0 + 0.5 * (stage.biome == "forest"))
    tall = min(tall, 0.3 * stage.canvas.height)
    base = np.full(stage.canvas.width, stage.plane.row(depth), np.float32)
    rows = 3 if stage.biome == "forest" else 2
    share = 1.0 if stage.biome == "forest" else dice.uniform(0.2, 0.8)
    paint_forest(
        stage.canvas, dice.stream("trees"), stage.nursery, stage.light, base, max(4.0, tall), 1 if plan.water else rows,
        share, stage.kinds, (depth, depth * 1.1), 0.16,
    )  # fmt: skip


@dataclass(frozen=True)
class _Object:
    """Something that stands on the ground: painted in the order of its depth."""

    depth: float
    x: float
    paint: Callable[[], None]


_LAND = tuple(LABELS[name] for name in ("grass", "sand", "dirt", "gravel", "snow", "rock"))
_TRAILS = tuple(LABELS[name] for name in ("dirt", "gravel"))


def _spot(stage: _Stage, dice: Dice, cover: Array, first: int, limits: tuple[float, float], margin: float, allowed: tuple[int, ...]) -> tuple[float, float] | None:
    """A random place (x, inverse depth) on land, or None after a few tries."""
    canvas = stage.canvas
    for _ in range(8):
        depth, x = dice.uniform(*limits), dice.uniform(margin, 1 - margin) * canvas.width
        row = min(canvas.height - 1, int(stage.plane.row(depth)))
        column = min(canvas.width - 1, max(0, int(x)))
        if row >= first and int(cover[row - first, column]) in allowed:
            return x, depth
    return None


def _paint_objects(stage: _Stage, recipe: _Biome, cover: Array, first: int, people: int) -> Array:
    """Trees, bushes, rocks, a house and people, from the farthest to the nearest."""
    canvas, plane = stage.canvas, stage.plane
    figures = _place_people(stage, cover, first, people)
    objects: list[_Object] = []
    counts = stage.dice.stream("counts")
    spread = max(1.0, canvas.width / canvas.height) ** 1
    grassland = tuple(set(_LAND) - set(_TRAILS)) if stage.biome in ("meadow", "forest", "river") else _LAND
    for kind, limits, count in (
        ("house", (0.09, 0.24), int(counts.chance(recipe.house))),
        ("tree", (0.06, 0.62), counts.count(*recipe.trees)),
        ("bush", (0.10, 1.05), counts.count(*recipe.bushes)),
        ("rock", (0.08, 1.02), counts.count(*recipe.rocks)),
    ):
        for index in range(round(count * spread) if kind != "house" else count):
            dice = stage.dice.stream(f"{kind}{index}")
            low, high = limits
            near = low + (high - low) * dice.uniform(0, 1) ** 2
            spot = _spot(stage, dice, cover, first, (near, near * 1.05), 0.0 if kind != "house" else 0.15, grassland)
            if spot is None:
                continue
            x, depth = spot
            size = _rows_of(dice, kind, plane, depth)
            if any(depth > other and abs(x - at) < size * 0.6 + tall * 0.25 for at, other, tall in figures):
                continue
            objects.append(_Object(depth, x, _painter(stage, dice, kind, x, depth, size)))
    keypoints: dict[int, tuple[Array, Array, float]] = {}
    for index, (x, depth, tall) in enumerate(figures):
        objects.append(_Object(depth, x, _person_painter(stage, index, x, depth, tall, keypoints)))
    for thing in sorted(objects, key=lambda thing: (thing.depth, thing.x)):
        thing.paint()
    found = [visible_keypoints(canvas, *keypoints[index]) for index in range(people)]
    return np.stack(found) if found else np.zeros((0, 17, 3), np.float32)


def _rows_of(dice: Dice, kind: str, plane: Plane, depth: float) -> float:
    """Rows that a thing of that kind covers."""
    low, high = {"house": (4.2, 5.5), "tree": (4.0, 9.5), "bush": (0.6, 1.5), "rock": (0.3, 1.3)}[kind]
    rows = plane.size(dice.uniform(low, high), depth)
    return min(rows, plane.height * {"house": 0.4, "tree": 0.95, "bush": 0.24, "rock": 0.26}[kind])


def _painter(stage: _Stage, dice: Dice, kind: str, x: float, depth: float, size: float) -> Callable[[], None]:
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


def _place_people(stage: _Stage, cover: Array, first: int, people: int) -> list[tuple[float, float, float]]:
    """Where people stand (x, inverse depth) and how many rows they cover."""
    plane, canvas = stage.plane, stage.canvas
    placed: list[tuple[float, float, float]] = []
    for index in range(people):
        dice = stage.dice.stream(f"person{index}")
        metres = dice.uniform(1.55, 1.9)
        best = None
        for attempt in range(10):
            spot = _spot(stage, dice, cover, first, (0.34, 0.96), 0.08, _LAND)
            x, depth = spot if spot else (dice.uniform(0.08, 0.92) * canvas.width, 0.97)
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
    stage: _Stage, index: int, x: float, depth: float, tall: float, keypoints: dict[int, tuple[Array, Array, float]]
) -> Callable[[], None]:
    dice = stage.dice.stream(f"figure{index}")

    def paint() -> None:
        row = stage.plane.row(depth)
        shadow(stage.canvas, stage.light, x, row, tall * 0.4, 0.45)
        points, clear = paint_person(stage.canvas, dice, stage.light, pose_figure(dice.stream("pose")), x, row, tall, depth)
        keypoints[index] = points, clear, depth

    return paint
