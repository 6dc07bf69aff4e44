"""Putting a scene together: what stands where in each biome, painted from back to front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas
from .ground import GroundPlan, Plane, paint_ground
from .light import light_of, season_colours
from .noise import Array, Dice, mix, smoothstep
from .objects import paint_objects
from .sky import paint_sky
from .stage import FIRST_DEPTH, Stage
from .terrain import Range, hill_skyline, mountain_skyline, paint_hill, paint_mountain
from .trees import Nursery, paint_forest
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
    "mountains": _Biome((0.48, 0.70), (2, 3), (0.30, 0.56), (1, 2), 0.7, (2, 9), (0, 4), (2, 8), 0.36),
    "lake": _Biome((0.40, 0.60), (1, 2), (0.18, 0.44), (1, 2), 0.9, (1, 5), (1, 5), (1, 5), 0.45),
    "coast": _Biome((0.36, 0.58), (0, 1), (0.08, 0.3), (0, 1), 0.4, (0, 2), (0, 4), (1, 6), 0.22),
    "meadow": _Biome((0.38, 0.60), (0, 2), (0.12, 0.36), (1, 3), 0.6, (2, 8), (2, 8), (0, 3), 0.63),
    "forest": _Biome((0.36, 0.54), (0, 1), (0.18, 0.38), (1, 2), 1.0, (10, 20), (3, 9), (0, 4), 0.27),
    "river": _Biome((0.40, 0.58), (1, 2), (0.18, 0.46), (1, 2), 0.8, (3, 9), (2, 7), (2, 8), 0.36),
    "desert": _Biome((0.42, 0.60), (1, 2), (0.14, 0.38), (0, 1), 0.0, (0, 1), (2, 7), (2, 8), 0.15),
}


def compose(
    seed: int, size: tuple[int, int], season: str, time_of_day: str, biome: str, people: int, textures: int = 0
) -> tuple[Canvas, Array]:
    """Paint a scene.

    Returns:
        The canvas, and the keypoints (people, 17, 3) of the people on it.
    """
    height, width = size
    dice = Dice(seed, biome, textures)
    recipe = _BIOMES[biome]
    light = light_of(dice.stream("light"), season, time_of_day)
    colours, leaves = season_colours(season)
    layout = dice.stream("layout")
    horizon = layout.uniform(*recipe.horizon)
    eye = layout.uniform(1.8, 2.7) if people else layout.uniform(2.0, 4.5)
    plane = Plane(horizon * height, height, width, eye)
    snowy = season == "winter" and biome != "desert" and layout.chance(0.25 if biome == "coast" else 0.85)
    if biome == "desert":
        colours |= {"mountain": mix(colours["mountain"], colours["sand"] * _RED, np.float32(0.7))}
        colours |= {"rock": colours["rock"] * _RED, "hill": mix(colours["sand"], colours["dirt"], np.float32(0.5))}
        colours |= {"grass2": colours["sand"] * _RED}
    colours, leaves = {name: light.seen(colour) for name, colour in colours.items()}, [*map(light.seen, leaves)]
    stage = Stage(
        Canvas(height, width), dice, light, plane, colours,
        Nursery(dice.stream("plants"), light, colours, leaves, snowy, height),
        biome, season, snowy, _plant_kinds(layout, biome, season),
    )  # fmt: skip
    plan = _ground_plan(dice.stream("plan"), stage, people)
    first = min(height - 2, int(plane.row(FIRST_DEPTH)))
    paint_sky(stage.canvas, dice.stream("sky"), light, min(height, first + 1), time_of_day)
    _paint_relief(stage, recipe, first, plan)
    cover = paint_ground(stage.canvas, dice.stream("ground"), light, plane, plan, colours, first)
    _paint_far_shore(stage, recipe, plan)
    for water in (plan.water, plan.trail if plan.trail == "river" else None):
        if water:
            paint_water(stage.canvas, dice.stream(water), light, plane, cover, first, water)
    draw = dice.stream("counts")
    counts = {
        "house": int(draw.chance(recipe.house)),
        "tree": draw.count(*recipe.trees),
        "bush": draw.count(*recipe.bushes),
        "rock": draw.count(*recipe.rocks),
    }
    return stage.canvas, paint_objects(stage, counts, cover, first, people)


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


def _ground_plan(dice: Dice, stage: Stage, people: int) -> GroundPlan:
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
        trail, trail_width = "river", dice.uniform(0.4, 0.85)
    elif biome not in ("coast", "lake") and dice.chance(0.5):
        trail = dice.pick(("dirt", "gravel", "dirt"))
    beach = "snow" if stage.snowy else dice.pick(("sand", "gravel", "dirt"))
    # Some shores lie behind the viewer: water down to the lower edge, when nobody needs a place to stand.
    near_shore = dice.uniform(0.28, 0.7)
    if dice.chance(0.25) and not people:
        near_shore = 2.0
    if biome == "lake":
        return GroundPlan(
            base, patch, share, None, trail_width, "water-other",
            dice.uniform(0.055, 0.12), near_shore, beach,
        )  # fmt: skip
    if biome == "coast":
        inland = "snow" if stage.snowy else dice.pick(("sand", "sand", "grass"))
        return GroundPlan(inland, None, share, None, trail_width, "sea", 0.0, near_shore, "sand")
    return GroundPlan(base, patch, share, trail, trail_width)


def _snow_line(dice: Dice, stage: Stage) -> float | None:
    """Where snow begins on the mountains, in picture heights above their foot."""
    if stage.biome == "desert":
        return None
    low, high = {"winter": (0.02, 0.12), "spring": (0.12, 0.22), "autumn": (0.16, 0.27), "summer": (0.18, 0.32)}[
        stage.season
    ]
    return dice.uniform(low, high)


def _paint_relief(stage: Stage, recipe: _Biome, first: int, plan: GroundPlan) -> None:
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
        ridge = Range(skyline, first, 0.78 - 0.40 * part, FIRST_DEPTH * (0.2 + 0.3 * part))
        paint_mountain(canvas, dice, light, ridge, slope, stage.colours["mountain"], snow_line)
    for index in range(hills):
        dice = stage.dice.stream(f"hill{index}")
        part = (index + 1) / (hills + 1)
        if plan.water == "sea":
            skyline = _headland(dice, stage, first)
        else:
            steep = layout.uniform(0.28, 0.46) if layout.chance(0.25) else layout.uniform(0.10, 0.26)
            skyline = hill_skyline(dice, height, canvas.width, first, height * steep * (1.15 - 0.5 * part))
        ridge = Range(skyline, first, 0.42 - 0.3 * part, FIRST_DEPTH * (0.55 + 0.4 * part))
        label = "snow" if stage.snowy else "hill"
        if stage.snowy:
            cover = stage.colours["snow"], stage.colours["snow"]
        else:
            cover = stage.colours["hill"], stage.colours["grass2"] * np.float32(0.9)
        paint_hill(canvas, dice, light, ridge, cover, label)
        if dice.chance(recipe.wood):
            tall = height * dice.uniform(0.028, 0.055) * (0.8 + part)
            room = float(first - np.min(skyline))
            covered = dice.chance(0.3)
            tall = max(tall, 0.14 * room)
            rows = int(min(14, max(2, (1.2 if covered else dice.uniform(0.3, 1.0)) * room / (0.42 * tall))))
            high = dice.uniform(0.1, 0.4) if covered else dice.uniform(0.1, 1.2)
            base = np.minimum(skyline + np.float32(tall * high), np.float32(first))
            paint_forest(
                canvas, dice.stream("wood"), stage.nursery, base, tall, rows,
                1.4 if covered else dice.uniform(0.35, 1.0),
                stage.kinds, (ridge.depth * 0.9, ridge.depth), ridge.distance,
            )  # fmt: skip


def _headland(dice: Dice, stage: Stage, first: int) -> Array:
    """A hill that falls to the sea at one side."""
    height, width = stage.canvas.height, stage.canvas.width
    skyline = hill_skyline(dice, height, width, 0.0, height * dice.uniform(0.08, 0.2))
    across = np.arange(width, dtype=np.float32) * np.float32(1 / width)
    if dice.chance(0.5):
        across = np.float32(1) - across
    reach = dice.uniform(0.25, 0.65)
    fall = smoothstep(0.0, 0.34, np.float32(reach) - across)
    result: Array = np.float32(first + 1) + skyline * fall + (np.float32(1) - fall) * np.float32(3)
    return result


def _paint_far_shore(stage: Stage, recipe: _Biome, plan: GroundPlan) -> None:
    """A line of trees where the ground begins: at the foot of the hills, mirrored if water follows."""
    dice = stage.dice.stream("shore")
    if plan.water == "sea" or not dice.chance(recipe.wood):
        return
    depth = FIRST_DEPTH * 1.06 if plan.water else FIRST_DEPTH * 1.4
    tall = stage.plane.size(dice.uniform(5, 9), depth) * (1.0 + 0.5 * (stage.biome == "forest"))
    tall = min(tall, 0.3 * stage.canvas.height)
    base = np.full(stage.canvas.width, stage.plane.row(depth), np.float32)
    rows = 3 if stage.biome == "forest" else 2
    share = 1.0 if stage.biome == "forest" else dice.uniform(0.2, 0.8)
    paint_forest(
        stage.canvas, dice.stream("trees"), stage.nursery, base, max(4.0, tall), 1 if plan.water else rows,
        share, stage.kinds, (depth, depth * 1.1), 0.16,
    )  # fmt: skip
