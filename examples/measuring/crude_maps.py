"""Pictures from crude label maps: whether the things in them have the shapes of true ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqgan_transformer.scenes import Scene

from .distances import frechet
from .faithfulness import TrueScenes
from .intervals import Shares, interval_of, mean_of
from .painting import Case, Checkpoint
from .readers import Readers
from .report import TRUE, Table
from .things import KINDS, things_of

__all__ = ["CRUDE", "EXACT", "compare_things"]

# the class is given, too, so that light and season are those of the true pictures
EXACT = Case("labels and class", ("segmentation", "class_label"))
CRUDE = Case("crude labels and class", ("crude", "class_label"))
_FEWEST = 12
"""Things of a kind that a distance needs."""


@dataclass(frozen=True)
class _Things:
    """The things of all pictures: features (N, d), which kind each is, whether it is read as that, and in which picture."""

    features: Tensor
    kinds: np.ndarray
    found: np.ndarray
    pictures: np.ndarray

    def of(self, kind: str | None) -> _Things:
        chosen = np.ones(len(self.kinds), dtype=bool) if kind is None else self.kinds == kind
        return _Things(self.features[chosen], self.kinds[chosen], self.found[chosen], self.pictures[chosen])

    def share_found(self, count: int) -> Shares:
        hits, counts = (
            np.bincount(self.pictures, weights, count) for weights in (self.found, np.ones(len(self.found)))
        )
        return Shares(hits, counts)

    def from_pictures(self, chosen: np.ndarray) -> Tensor:
        """The features of things in pictures that are drawn with replacement."""
        times = np.bincount(chosen, minlength=int(self.pictures.max()) + 1)[self.pictures]
        return self.features[np.repeat(np.arange(len(times)), times)]


def _read(readers: Readers, pictures: Sequence[Tensor], scenes: Sequence[Scene]) -> _Things:
    """Looks where the true pictures have their things."""
    cuts, kinds, numbers = [], [], []
    for number, (picture, scene) in enumerate(zip(pictures, scenes, strict=True)):
        for thing in things_of(scene):
            cuts.append(thing.cut(picture))
            kinds.append(thing.kind)
            numbers.append(number)
    read_as, features = readers.read_things(torch.cat(cuts))
    found = np.array([seen == kind for seen, kind in zip(read_as, kinds, strict=True)])
    return _Things(features, np.array(kinds), found, np.array(numbers))


def compare_things(table: Table, readers: Readers, true: TrueScenes, checkpoints: Sequence[Checkpoint]) -> None:
    """Adds the share of things that are read as what they should be, and Fréchet distances of squares around things."""
    count, first = len(true.scenes), checkpoints[0].name
    real = _read(readers, true.pictures, true.scenes)
    rebuilt = {each.name: _read(readers, each.reconstruct(true.scenes), true.scenes) for each in checkpoints}
    for case in (EXACT, CRUDE):
        painted = {each.name: _read(readers, each.paint(case, true.scenes), true.scenes) for each in checkpoints}
        columns = {TRUE: real, **{f"{name}, reconstructed": things for name, things in rebuilt.items()}, **painted}
        for kind in [*(kind for kind in KINDS if (real.kinds == kind).sum() >= _FEWEST), None]:
            row = f"{kind or 'all things'}, from {case.name}"
            for column, things in columns.items():
                table.add(f"{row}: found", column, mean_of(things.of(kind).share_found(count)))
            for column, things in columns.items():
                if column != TRUE:
                    distance = interval_of(_distance(things.of(kind), real.of(kind)), count)
                    table.add(f"{row}: Fréchet distance", column, distance)
            for name, things in painted.items():
                if name != first:
                    of_first = _distance(painted[first].of(kind), real.of(kind))
                    ratio = interval_of(_ratio(_distance(things.of(kind), real.of(kind)), of_first), count)
                    table.add(f"{row}: the same, relative to {first}", name, ratio)


def _distance(things: _Things, real: _Things) -> Callable[[np.ndarray], float]:
    """Of the things in some of the pictures."""

    def measure(chosen: np.ndarray) -> float:
        own, true = things.from_pictures(chosen), real.from_pictures(chosen)
        return frechet(own, true) if len(own) > 1 else np.nan

    return measure


def _ratio(
    measure: Callable[[np.ndarray], float], other: Callable[[np.ndarray], float]
) -> Callable[[np.ndarray], float]:
    return lambda chosen: measure(chosen) / other(chosen)
