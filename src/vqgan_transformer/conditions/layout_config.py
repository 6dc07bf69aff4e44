"""LayoutConfig: how the objects of a layout become tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["ATTRIBUTES", "Attribute", "LayoutConfig"]

ATTRIBUTES = {"group_of": 1, "occluded": 2, "depiction": 4, "inside": 8}
"""Attributes of an object, as Open Images has them, and the bit of each in an object's token."""

Attribute = Literal["group_of", "occluded", "depiction", "inside"]


@dataclass(frozen=True)
class LayoutConfig:
    """How objects become tokens.

    Each object is a token for what it is, and one for each of its points. A point's token is its cell in a square grid
    of as many cells as fit into the vocabulary, row by row. Unused objects, and nothing else, have the last token of the
    vocabulary.

    Args:
        number_of_classes: of objects; ids lie below it.
        labels: their names in the order of ids, if they have names.
        vocab_size: tokens there are; the original's scene models have 8192, hence 90×90 cells.
        max_objects: places for objects that a window has.
        points: of an object: ``"corners"``, top left and bottom right, or its ``"centre"``.
        encode_crop: append the corners of the window in the whole picture, to which the points are relative. Without
            it, they are relative to the window.
        attributes: of :data:`ATTRIBUTES`, those that the object's token tells.

    Raises:
        ValueError: where the vocabulary is too small for the objects, and for numbers out of range.
    """

    number_of_classes: int
    labels: tuple[str, ...] | None = None
    vocab_size: int = 8192
    max_objects: int = 30
    points: Literal["corners", "centre"] = "corners"
    encode_crop: bool = True
    attributes: tuple[Attribute, ...] = ()

    def __post_init__(self) -> None:
        for name in ("number_of_classes", "max_objects"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.labels is not None and len(self.labels) != self.number_of_classes:
            raise ValueError(f"{len(self.labels)} names for {self.number_of_classes} classes: give one for each.")
        if self.points not in ("corners", "centre"):
            raise ValueError(f"points must be 'corners' or 'centre', got {self.points!r}.")
        for attribute in self.attributes:
            if attribute not in ATTRIBUTES:
                raise ValueError(f"attributes are of {', '.join(ATTRIBUTES)}, got {attribute!r}.")
        needed = self.number_of_classes * (1 + sum({ATTRIBUTES[attribute] for attribute in self.attributes})) + 1
        if self.vocab_size < max(needed, 4):
            raise ValueError(
                f"{self.number_of_classes} classes with {len(self.attributes)} attributes need {needed} tokens, but "
                f"vocab_size is {self.vocab_size}."
            )

    @property
    def sections(self) -> int:
        """Cells along a side of the grid of points."""
        return math.isqrt(self.vocab_size)

    @property
    def none(self) -> int:
        """The token of an unused place."""
        return self.vocab_size - 1

    @property
    def length(self) -> int:
        """Tokens of a condition: 92 with the original's settings, 62 with centres."""
        return self.max_objects * (3 if self.points == "corners" else 2) + 2 * self.encode_crop
