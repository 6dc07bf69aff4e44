"""Pictures from crude label maps: whether the things in them have the shapes of true ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqgan_transformer.scenes import Scene, make_scene

from .distances import frechet
from .faithfulness import TrueScenes
from .intervals import Shares, interval_of, mean_of
from .painting import Case, Checkpoint, crude_labels
from .readers import Readers
from .report import TRUE, Table
from .things import KINDS, Thing, mask_of, things_of

__all__ = ["CRUDE", "EXACT", "compare_things", "scenes_with_things"]

# the class is given, too, so that light and season are those of the true pictures
EXACT = Case("labels and class", ("segmentation", "class_label"))
CRUDE = Case("crude labels and class", ("crude", "class_label"))
_SHOWN = 0.3
"""The share of a thing that a crude map has to show."""

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


def scenes_with_things(first: int, side: int, count: int) -> list[Scene]:
    """Scenes of seeds from the first one on, which have a house and two people in turn."""
    scenes: list[Scene] = []
    for seed in itertools.count(first):
        if len(scenes) == count:
            break
        with_people = len(scenes) % 2 == 1
        scene = make_scene(seed, (side, side), people=2 if with_people else None)
        if with_people or any(thing.kind == "house" for thing in things_of(scene)):
            scenes.append(scene)
    return scenes


def _drawn_crudely(scene: Scene) -> list[Thing]:
    """The things of which the crude map shows something, where they are."""
    crude, shown = crude_labels(scene), []
    for thing in things_of(scene):
        true, drawn = (mask_of(thing, labels, 32) for labels in (scene.segmentation, crude))
        if (true & drawn).sum() >= _SHOWN * true.sum():
            shown.append(thing)
    return shown


def _read(readers: Readers, pictures: Sequence[Tensor], scenes: Sequence[Scene]) -> _Things:
    """Looks where the true pictures have their things, those that the crude maps show."""
    cuts, kinds, numbers = [], [], []
    for number, (picture, scene) in enumerate(zip(pictures, scenes, strict=True)):
        for thing in _drawn_crudely(scene):
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
