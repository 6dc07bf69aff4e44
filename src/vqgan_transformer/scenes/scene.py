"""A landscape and everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import nearest_name
from .canvas import Box
from .composition import BIOMES, compose
from .light import SEASONS, TIMES_OF_DAY
from .noise import Array, Dice

__all__ = ["BIOMES", "SEASONS", "TIMES_OF_DAY", "Scene", "make_scene"]

_SMALLEST, _LARGEST, _MOST_PEOPLE = 32, 8192, 16


@dataclass(frozen=True)
class Scene:
    """A procedural landscape with exact annotations.

    Attributes:
        image: Picture, uint8 (height, width, 3).
        segmentation: COCO-Stuff ids (0 to 181), uint8 (height, width).
        depth: Inverse depth in [0, 1], near is large, the sky is 0; float32 (height, width).
        keypoints: COCO keypoints (people, 17, 3) as x, y in pixels and visibility (0 outside the picture, 1 hidden,
            2 in view), float32.
        season: One of `SEASONS`.
        time_of_day: One of `TIMES_OF_DAY`.
        biome: One of `BIOMES`.
        seed: The number it grew from.
        objects: The single things that are in view (house, tree, bush, rock, person), the nearest last: COCO-Stuff name
            and box (left, top, right, bottom) around its visible pixels, right and bottom exclusive. Left out are
            things of which less than three tenths or less than 24 pixels in 256×256 are seen, and the trees of forests.
    """

    image: Array
    segmentation: Array
    depth: Array
    keypoints: Array
    season: str
    time_of_day: str
    biome: str
    seed: int
    objects: tuple[tuple[str, Box], ...] = ()

    @property
    def class_label(self) -> str:
        """Season and time of day, as the built-in checkpoint names its classes, e.g. "spring dawn"."""
        return f"{self.season} {self.time_of_day}"


def make_scene(
    seed: int,
    size: tuple[int, int] = (256, 256),
    *,
    season: str | None = None,
    time_of_day: str | None = None,
    biome: str | None = None,
    people: int | None = None,
    textures: int = 0,
) -> Scene:
    """Paint a landscape.

    The same arguments give the same arrays on every machine. The same seed at another size of the same aspect gives
    the same place with finer or coarser detail.

    Args:
        seed: Which scene; a non-negative integer.
        size: Height and width in pixels, at least 32 each.
        season: One of `SEASONS`, or None to draw one.
        time_of_day: One of `TIMES_OF_DAY`, or None to draw one.
        biome: One of `BIOMES`, or None to draw one.
        people: How many people, or None to draw it (most scenes have none).
        textures: Which textures; another non-negative number paints other grass, leaves, rock and waves in the same place,
            where a pixel at the edge of a leaf or of snow may have another label.

    Returns:
        The scene.

    Raises:
        ValueError: A size, name or number out of range.
        TypeError: A seed, size or number of people that is no integer.
    """
    seed = _integer("seed", seed, 0, None)
    height, width = _sides(size)
    textures = _integer("textures", textures, 0, None)
    dice = Dice(seed, "scene")
    # Everything is drawn, asked for or not: naming the season leaves the rest of the scene in place.
    drawn_season, drawn_time, drawn_biome = dice.pick(SEASONS), dice.pick(TIMES_OF_DAY), dice.pick(BIOMES)
    drawn_people = dice.pick((0, 1, 2, 3), (0.6, 0.22, 0.12, 0.06))
    season = _name("season", season, SEASONS, drawn_season)
    time_of_day = _name("time_of_day", time_of_day, TIMES_OF_DAY, drawn_time)
    biome = _name("biome", biome, BIOMES, drawn_biome)
    count = drawn_people if people is None else _integer("people", people, 0, _MOST_PEOPLE)
    canvas, keypoints = compose(seed, (height, width), season, time_of_day, biome, count, textures)
    depth = np.minimum(canvas.depth, np.float32(1))  # things that stand just below the lower edge are nearer
    objects = canvas.things(share=0.3, least=24 * height * width / 256**2)
    return Scene(canvas.pixels(), canvas.labels, depth, keypoints, season, time_of_day, biome, seed, objects)


def _integer(what: str, given: object, low: int, high: int | None) -> int:
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)):
        raise TypeError(f"{what} must be an integer, not {given!r}.")
    if given < low or (high is not None and given > high):
        limits = f"at least {low}" if high is None else f"between {low} and {high}"
        raise ValueError(f"{what} must be {limits}, not {given}.")
    return int(given)


def _sides(size: object) -> tuple[int, int]:
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise ValueError(f"size must be (height, width), not {size!r}.")
    height, width = (
        _integer(f"{side} in size", given, _SMALLEST, _LARGEST)
        for side, given in zip(("height", "width"), size, strict=True)
    )
    return height, width


def _name(what: str, given: str | None, known: tuple[str, ...], drawn: str) -> str:
    if given is None:
        return drawn
    if given not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, not {given!r}.{nearest_name(str(given), known)}")
    return given
