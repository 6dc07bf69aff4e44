"""ClassCondition: what kind of picture it is, as one token."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import nearest_name
from ..images import as_items
from .condition import AlignedForm, Condition
from .data_forms import ClassFolders, DataForm, NumberInText

__all__ = ["ClassCondition", "ClassConfig", "class_id"]


@dataclass(frozen=True)
class ClassConfig:
    """The classes that a checkpoint knows.

    Args:
        number_of_classes: ids lie below it.
        labels: their names in the order of ids, if they have names; commas separate synonyms, as in ImageNet's list.
        chosen_by_seed: where a call names no class, each picture's seed chooses one, so that a picture is of one style
            throughout. For models that can do without a class.

    Raises:
        ValueError: for fewer than one class, or another number of names than classes.
    """

    number_of_classes: int
    labels: tuple[str, ...] | None = None
    chosen_by_seed: bool = False

    def __post_init__(self) -> None:
        if self.number_of_classes < 1:
            raise ValueError(f"number_of_classes must be at least 1, got {self.number_of_classes}.")
        if self.labels is not None and len(self.labels) != self.number_of_classes:
            raise ValueError(f"{len(self.labels)} names for {self.number_of_classes} classes: give one for each.")


class ClassCondition(Condition):
    """A class by its id or name; the token is the id itself (the original's Labelator).

    Args:
        labels: names in the order of ids.
        number_of_classes: needed only where there are no names.
        chosen_by_seed: as in :class:`ClassConfig`.

    Example:
        >>> ClassCondition(labels=("spring", "summer", "autumn", "winter")).parse(["winter", 0]).tolist()
        [3, 0]
    """

    name: ClassVar[str] = "class_label"
    also_called: ClassVar[tuple[str, ...]] = ("class_labels", "class_id", "classes", "label_id", "category")
    spatial: ClassVar[bool] = False
    config_class: ClassVar[type] = ClassConfig
    in_data: ClassVar[DataForm] = ClassFolders(("class_label", "label", "class", "fine_label"))

    def __init__(
        self,
        labels: Sequence[str] | None = None,
        *,
        number_of_classes: int | None = None,
        chosen_by_seed: bool = False,
    ):
        super().__init__()
        if number_of_classes is None:
            if labels is None:
                raise ValueError("ClassCondition needs labels= or number_of_classes=.")
            number_of_classes = len(labels)
        self.config = ClassConfig(number_of_classes, None if labels is None else tuple(labels), chosen_by_seed)

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
                words of a name that no other class has.

        Returns:
            int64 (B,).

        Raises:
            TypeError: for anything but whole numbers and names.
            ValueError: for an id or name that is not there (with the nearest names), or that several classes share.
        """
        if isinstance(value, Tensor | np.ndarray):
            if value.ndim > 1:
                raise ValueError(f"class_label is one id, or a list of ids; got the shape {tuple(value.shape)}.")
            value = value.tolist()
        items = as_items(value, self.name)
        return torch.tensor(
            [class_id(item, self.config.labels, self.config.number_of_classes, self.name) for item in items]
        )

    def read_sample(self, sample: Mapping[str, Any]) -> Tensor:
        """The id of a training sample's class; digits in a table of text are a name where there is such a name."""
        value = sample[self.name]
        if isinstance(value, NumberInText) and str(value) in (self.config.labels or ()):
            value = str(value)
        if isinstance(value, str) and value.isdecimal() and self.config.labels is None:
            value = int(value)
        return self.parse(value)[0]

    def call_value(self, sample: Mapping[str, Any]) -> Any:
        """The id."""
        return int(self.read_sample(sample))

    def chosen_by(self, seeds: Sequence[int]) -> Tensor | None:
        """A class for each picture, int64 (B,), that its seed chooses; ``None`` where that is left to the model."""
        if not self.config.chosen_by_seed:
            return None
        numbers = [int(np.random.SeedSequence(seed).generate_state(1)[0]) for seed in seeds]
        return torch.tensor([number % self.vocab_size for number in numbers])

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
        return self.config.labels[label] if self.config.labels is not None else f"class {label}"


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
    label = item.__index__()
    if not 0 <= label < count:
        raise ValueError(f"{name} {label} is out of range: this checkpoint has the classes 0–{count - 1}.")
    return label


def _by_name(item: str, labels: Sequence[str] | None, count: int, name: str) -> int:
    if labels is None:
        raise ValueError(
            f"{name} is the name {item!r}, but this checkpoint has no names: pass an id from 0 to {count - 1}."
        )
    spellings = [[part.strip() for part in (label, *label.split(","))] for label in labels]
    wanted, words = item.strip(), set(_spelt(item).split())
    # where only the case or a hyphen tells two names apart, it does; then any part of a name will do that one class has
    ways: tuple[Callable[[str], bool], ...] = (
        lambda name: name == wanted,
        lambda name: name.casefold() == wanted.casefold(),
        lambda name: _spelt(name) == _spelt(wanted),
        lambda name: bool(words) and words <= set(_spelt(name).split()),
    )
    matching = ([label for label, names in enumerate(spellings) if any(map(way, names))] for way in ways)
    number, candidates = next(((k, found) for k, found in enumerate(matching) if found), (0, []))
    if len(candidates) == 1:
        return candidates[0]
    if candidates and number < 3:
        ids = ", ".join(map(str, candidates))
        raise ValueError(f"several classes are called {item!r}: pass one of the ids {ids}.")
    if candidates:
        raise ValueError(
            f"{item!r} is a part of the names of {len(candidates)} classes, {_listed([labels[k] for k in candidates])}: "
            f"pass one of them, or {name}=[…] with several for a picture of each."
        )
    known = {part.strip() for label in labels for part in label.split(",")}
    raise ValueError(
        f"this checkpoint has no class {item!r}.{nearest_name(item, sorted(known), most=3)} "
        f"It has {len(labels)} classes: {_listed(labels)}."
    )


def _spelt(name: str) -> str:
    """A name in the form in which names are compared."""
    return re.sub(r"[-_\s]+", " ", name.strip().casefold())


def _listed(names: Sequence[str], most: int = 16) -> str:
    """Some names, with dots where there are more."""
    return ", ".join(map(repr, names[:most])) + (", …" if len(names) > most else "")
