"""What every part of a composition needs."""

from __future__ import annotations

from dataclasses import dataclass

from .canvas import Canvas
from .ground import Plane
from .light import Light
from .noise import Array, Dice
from .trees import Nursery

__all__ = ["FIRST_DEPTH", "Stage"]

FIRST_DEPTH = 0.045
"""Inverse depth of the first visible ground: farther things stand behind it."""


@dataclass(frozen=True)
class Stage:
    """A scene in the making.

    Attributes:
        canvas: What is painted on.
        dice: Source of randomness.
        light: The scene's light.
        plane: The ground in perspective.
        colours: Albedos by name.
        nursery: Where plants come from.
        biome: Name of the biome.
        season: Name of the season.
        snowy: Whether snow lies on the ground.
        kinds: Which trees grow here, three to a mixture.
    """

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
