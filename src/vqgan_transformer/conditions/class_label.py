"""ClassCondition: what kind of picture it is, as one token."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..errors import nearest_name
from ..images import as_items
from .condition import AlignedForm, Condition
from .data_forms import ClassFolders, DataForm, NumberInText, value_of

__all__ = ["ClassCondition", "ClassConfig", "class_id"]


RGB: TypeAlias = tuple[float, float, float]

ColourRange: TypeAlias = tuple[RGB, RGB]
"""The lowest and the highest mean colour of pictures."""

SPREAD = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: its multiples modulo 2^64 lie evenly, however many are taken (Knuth 1973, section 6.4)."""


@dataclass(frozen=True)
class ClassConfig:
    """The classes that a checkpoint knows.

    Args:
        number_of_classes: ids lie below it.
        labels: their names in the order of ids, if they have names; commas separate synonyms, as in ImageNet's list.
        chosen_by_seed: where a call names no class, each picture's seed chooses one, so that a picture is of one style
            throughout. For models that can do without a class.
        weights: how often seeds choose each class, relative to the others; ``None`` for all alike. Of any number of
            seeds that follow each other, each class has about its share, and seed 0 chooses the first of the heaviest.
        colours: for each class the lowest and the highest mean colour of its pictures and of parts of them, two RGB
            triples in [0, 1]. Where a picture is completed without a class, only classes that have such pictures are
            considered. ``None`` where that is not known.

    Raises:
        ValueError: for fewer than one class, another number of names, weights or colours than classes, weights that are
            negative or all zero, weights where no seed chooses, and colours outside of [0, 1].
    """

    number_of_classes: int
    labels: tuple[str, ...] | None = None
    chosen_by_seed: bool = False
    weights: tuple[float, ...] | None = None
    colours: tuple[ColourRange, ...] | None = None

    def __post_init__(self) -> None:
        if self.number_of_classes < 1:
            raise ValueError(f"number_of_classes must be at least 1, got {self.number_of_classes}.")
        if self.labels is not None and len(self.labels) != self.number_of_classes:
            raise ValueError(f"{len(self.labels)} names for {self.number_of_classes} classes: give one for each.")
        for name, values in (("weights", self.weights), ("colours", self.colours)):
            if values is not None and len(values) != self.number_of_classes:
                raise ValueError(f"{len(values)} {name} for {self.number_of_classes} classes: give one for each.")
        if self.weights is not None:
            if not all(0 <= weight < math.inf for weight in self.weights) or not any(self.weights):
                raise ValueError(f"weights are at least 0, and one is more; got {self.weights}.")
            if not self.chosen_by_seed:
                raise ValueError("weights say how often seeds choose a class: they need chosen_by_seed=True.")
        for lowest, highest in self.colours or ():
            if not all(0 <= low <= high <= 1 for low, high in zip(lowest, highest, strict=True)):
                raise ValueError(
                    f"colours are the lowest and the highest RGB in [0, 1] of each class, got {(lowest, highest)}."
                )


class ClassCondition(Condition):
    """A class by its id or name; the token is the id itself (the original's Labelator).

    Args:
        labels: names in the order of ids.
        number_of_classes: needed only where there are no names.
        chosen_by_seed: as in :class:`ClassConfig`.
        weights: likewise.
        colours: likewise.

    Example:
        >>> ClassCondition(labels=("spring", "summer", "autumn", "winter")).parse(["winter", 0]).tolist()
        [3, 0]
    """

    name: ClassVar[str] = "class_label"
    also_called: ClassVar[tuple[str, ...]] = ("class_labels", "class_id", "classes", "label_id", "category")
    spatial: ClassVar[bool] = False
    config_class: ClassVar[type] = ClassConfig
    config: ClassConfig
    in_data: ClassVar[DataForm] = ClassFolders(("class_label", "label", "class", "fine_label"))

    def __init__(
        self,
        labels: Sequence[str] | None = None,
        *,
        number_of_classes: int | None = None,
        chosen_by_seed: bool = False,
        weights: Sequence[float] | None = None,
        colours: Sequence[ColourRange] | None = None,
    ):
        super().__init__()
        if number_of_classes is None:
            if labels is None:
                raise ValueError("ClassCondition needs labels= or number_of_classes=.")
            number_of_classes = len(labels)
        self.config = ClassConfig(
            number_of_classes,
            None if labels is None else tuple(labels),
            chosen_by_seed,
            None if weights is None else tuple(map(float, weights)),
            None if colours is None else tuple(colours),
        )

    @property
    def vocab_size(self) -> int:
        """The number of classes."""
        return self.config.number_of_classes

    @property
    def aligned_input(self) -> tuple[AlignedForm, int] | None:
        """An id."""
        return "class", self.vocab_size

    def parse(self, value: Any) -> Tensor:
        """Class ids of ids or names.

        Args:
            value: an id or a name, or a list, 1-D integer array or tensor of them, one for each picture. Names are
                compared without regard to case, hyphens and underscores; one of several synonyms is enough, and so are
                words of a name. Among several classes that have these words each picture's seed chooses.

        Returns:
            int64 (B,). A number below -1 stands for several classes: -1 minus the sum of 2^k for each class k.

        Raises:
            TypeError: for anything but whole numbers and names.
            ValueError: for an id or name that is not there (with the nearest names), or that several classes share.
        """
        if isinstance(value, Tensor | np.ndarray):
            if value.ndim > 1:
                raise ValueError(f"class_label is one id, or a list of ids; got the shape {tuple(value.shape)}.")
            value = value.tolist()
        items = as_items(value, self.name)
        return torch.tensor([self._id_or_several(item) for item in items])

    def _id_or_several(self, item: Any) -> int:
        """A class, or a number below -1 for those that have some words in their names."""
        labels, count = self.config.labels, self.config.number_of_classes
        several = classes_with(item, labels) if isinstance(item, str) and labels is not None else []
        if 1 < len(several) and count < 63:  # bits of an int64
            return -1 - sum(1 << label for label in several)
        return class_id(item, labels, count, self.name)

    def settled(self, parsed: Tensor, seeds: Sequence[int]) -> Tensor:
        """Ids in which each seed has chosen among several classes: int64 (B,) as it is, or one for each seed."""
        if not len(parsed) or int(parsed.min()) >= -1:
            return parsed
        rows = parsed.repeat_interleave(len(seeds) // len(parsed)).tolist()
        return torch.tensor([_chosen(_classes(label), seed) for label, seed in zip(rows, seeds, strict=True)])

    def read_sample(self, sample: Mapping[str, Any]) -> Tensor:
        """The id of a training sample's class; digits in a table of text are a name where there is such a name."""
        value = value_of(sample, self.name)
        if isinstance(value, NumberInText) and str(value) in (self.config.labels or ()):
            value = str(value)
        if isinstance(value, str) and value.isdecimal() and self.config.labels is None:
            value = int(value)
        label = self.parse(value)[0]
        if int(label) < 0:
            raise ValueError(f"class_label {value!r} is a part of several names: {self.describe(label)}.")
        return label

    def call_value(self, sample: Mapping[str, Any]) -> Any:
        """The id."""
        return int(self.read_sample(sample))

    def chosen_by(self, seeds: Sequence[int]) -> Tensor | None:
        """A class for each picture, int64 (B,), that its seed chooses; ``None`` where that is left to the model."""
        if not self.config.chosen_by_seed:
            return None
        if self.config.weights is not None:
            return torch.tensor([_chosen_by_weight(self.config.weights, seed) for seed in seeds])
        return torch.tensor([_chosen(range(self.vocab_size), seed) for seed in seeds])

    def may_have(self, colour: Sequence[float]) -> Tensor:
        """Which classes have pictures of a mean colour, or come nearest to it; all where ``colours`` is not known."""
        if self.config.colours is None:
            return super().may_have(colour)
        lowest, highest = torch.tensor(self.config.colours, dtype=torch.float64).unbind(1)
        known = torch.tensor(colour, dtype=torch.float64)
        distance = (known - known.clamp(lowest, highest)).abs().sum(1)
        return distance <= distance.min()

    def encode(self, parsed: Tensor) -> Tensor:
        """Class ids (B,) -> tokens (B, 1).

        Raises:
            ValueError: for ids that are no classes.
        """
        if parsed.ndim != 1 or (len(parsed) and not 0 <= int(parsed.min()) <= int(parsed.max()) < self.vocab_size):
            raise ValueError(f"class ids have the shape (B,) and lie in 0–{self.vocab_size - 1}, got {parsed}.")
        return parsed[:, None]

    def describe(self, parsed: Tensor) -> str:
        """The name of a class, or its id."""
        label = int(parsed)
        if label < -1:
            return " or ".join(self.describe(torch.tensor(class_id)) for class_id in _classes(label))
        return self.config.labels[label] if self.config.labels is not None else f"class {label}"


def _chosen(classes: Sequence[int], seed: int) -> int:
    """One of some classes, by the seed of a picture."""
    return classes[int(np.random.SeedSequence(seed).generate_state(1)[0]) % len(classes)]


def _chosen_by_weight(weights: Sequence[float], seed: int) -> int:
    """The class in whose share of [0, 1) a seed falls; the heaviest classes come first, seeds are spread evenly."""
    order = sorted(range(len(weights)), key=lambda label: -weights[label])
    place = seed * SPREAD % 2**64 / 2**64 * sum(weights)
    ends = accumulate(weights[label] for label in order)
    return next((label for label, end in zip(order, ends, strict=True) if place < end), order[0])


def _classes(label: int) -> list[int]:
    """The classes that a number below -1 stands for; of an id, the id itself."""
    return [label] if label >= -1 else [number for number in range(63) if (-1 - label) >> number & 1]


def class_id(item: Any, labels: Sequence[str] | None, count: int, name: str) -> int:
    """The id of a class that a user gives by its id or name.

    Args:
        item: what the user gives.
        labels: names in the order of ids, if there are names; commas separate synonyms.
        count: ids lie below it.
        name: what the item is to the caller, for error messages.

    Raises:
        TypeError: for anything but whole numbers and names.
        ValueError: for an id or name that is not there (with the nearest names), or that several classes share.
    """
    if isinstance(item, str):
        return _by_name(item, labels, count, name)
    if isinstance(item, bool) or not hasattr(item, "__index__"):
        raise TypeError(f"{name} is an id (a whole number) or a name, got {item!r}.")
    label: int = item.__index__()
    if not 0 <= label < count:
        raise ValueError(f"{name} {label} is out of range: this checkpoint has the classes 0–{count - 1}.")
    return label


def _by_name(item: str, labels: Sequence[str] | None, count: int, name: str) -> int:
    if labels is None:
        raise ValueError(
            f"{name} is the name {item!r}, but this checkpoint has no names: pass an id from 0 to {count - 1}."
        )
    candidates = _called(item, labels)
    if not candidates:
        candidates = classes_with(item, labels)
        if len(candidates) > 1:
            listed = _listed([labels[label] for label in candidates])
            raise ValueError(
                f"{item!r} is a part of the names of {len(candidates)} classes, {listed}: pass one of them."
            )
    if len(candidates) > 1:
        raise ValueError(f"several classes are called {item!r}: pass one of the ids {', '.join(map(str, candidates))}.")
    if candidates:
        return candidates[0]
    known = {part.strip() for label in labels for part in label.split(",")}
    raise ValueError(
        f"this checkpoint has no class {item!r}.{nearest_name(item, sorted(known), most=3)} "
        f"It has {len(labels)} classes: {_listed(labels)}."
    )


def _called(item: str, labels: Sequence[str]) -> list[int]:
    """The classes of a name, of which commas separate several: as it is written, or else up to case, or up to spelling."""
    names = [[part.strip() for part in (label, *label.split(","))] for label in labels]
    ways: tuple[Callable[[str], str], ...] = (str.strip, lambda name: name.strip().casefold(), _spelt)
    matches = ([label for label, spellings in enumerate(names) if way(item) in map(way, spellings)] for way in ways)
    return next(filter(None, matches), [])


def classes_with(item: str, labels: Sequence[str]) -> list[int]:
    """The classes that have all words of an item in one of their names, if no name is the item itself."""
    words = set(_spelt(item).split())
    if not words or _called(item, labels):
        return []
    return [
        label
        for label, names in enumerate(labels)
        if any(words <= {*_spelt(name).split()} for name in names.split(","))
    ]


def _spelt(name: str) -> str:
    """A name in the form in which names are compared."""
    return re.sub(r"[-_\s]+", " ", name.strip().casefold())


def _listed(names: Sequence[str], most: int = 16) -> str:
    """Some names, with dots where there are more."""
    return ", ".join(map(repr, names[:most])) + (", …" if len(names) > most else "")
