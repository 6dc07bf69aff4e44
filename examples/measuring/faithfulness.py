"""How much of its conditions is in a picture: what readers read from it, relative to what they read from the true one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vqgan_transformer.scenes import Scene, make_scene

from .distances import frechet, rank_correlation
from .intervals import Interval, Shares, interval_of, mean_of, relative_share
from .painting import Case, Checkpoint
from .people import joints_found, people_of
from .readers import Readers
from .report import TRUE, Table

__all__ = ["Reading", "TrueScenes", "cases_of", "compare_faithfulness"]

_PEOPLE = {"joints, people of 64 px and more": (64, np.inf), "joints, people of 40–64 px": (40, 64)}
_READ_FROM = {"segmentation": "labels", "depth": "depth", "keypoints": "joints", "class_label": "class"}
_LEAST_FOR_FRECHET, _LEAST_FOR_DEPTH = 32, 512  # pictures, pixels


@dataclass(frozen=True)
class Reading:
    """What readers find in pictures, one of each scene: shares by their names, and features (N, 128)."""

    shares: dict[str, Shares]
    features: Tensor


@dataclass(frozen=True)
class TrueScenes:
    """Held-out scenes, the pictures of them, and what readers find in these."""

    scenes: Sequence[Scene]
    pictures: list[Tensor]
    reading: Reading

    @property
    def side(self) -> int:
        """Pixels."""
        return self.scenes[0].image.shape[0]


def cases_of(side: int, guidance: Sequence[float]) -> list[Case]:
    """What is given: each kind alone, and all; at the guidance that ships, and at others where pictures are small.

    Pictures of more than 640 pixels take their time: labels alone, depth alone, and all. Depth is not read of small ones.
    """
    everything = tuple(_READ_FROM)
    alone = [(kind,) for kind in everything if side <= 640 or kind in ("segmentation", "depth")]
    alone = [kinds for kinds in alone if side >= _LEAST_FOR_DEPTH or kinds != ("depth",)]
    settings = [{}, *({"guidance_scale": scale} for scale in guidance if side <= 256)]
    return [
        Case((_READ_FROM[kinds[0]] if len(kinds) == 1 else "all") + _suffix(setting), kinds, setting)
        for setting in settings
        for kinds in [*alone, everything]
    ]


def _suffix(settings: dict[str, float]) -> str:
    return "".join(f", guidance {value:g}" for value in settings.values())


def read(readers: Readers, pictures: Sequence[Tensor], scenes: Sequence[Scene]) -> Reading:
    """Reads pictures that show scenes."""
    names = ["labels", *(["depth"] if len(scenes[0].image) >= _LEAST_FOR_DEPTH else []), *_PEOPLE, "class"]
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    features = []
    for picture, scene in zip(pictures, scenes, strict=True):
        reading = readers.read(picture)
        features.append(reading.features)
        true = readers.channels_of(scene.segmentation)
        pairs["labels"].append((float((reading.labels == true).float().mean()), 1))
        if "depth" in pairs:
            pairs["depth"].append((rank_correlation(reading.depth, torch.from_numpy(scene.depth)), 1))
        for name, (smallest, largest) in _PEOPLE.items():
            people = people_of(scene.keypoints, smallest, largest)
            found = np.array([joints_found(readers.pose, picture, person) for person in people]).reshape(-1, 2)
            pairs[name].append(tuple(found.sum(0)))
        pairs["class"].append((float(readers.class_of(picture) == scene.class_label), 1))
    return Reading({name: Shares.of(values) for name, values in pairs.items()}, torch.stack(features))


def compare_faithfulness(
    table: Table, readers: Readers, true: TrueScenes, checkpoints: Sequence[Checkpoint], guidance: Sequence[float]
) -> None:
    """Adds a row for each measure and case; true pictures and reconstructions stand beside what checkpoints painted."""
    cases, first = cases_of(true.side, guidance), checkpoints[0].name
    rebuilt = {each.name: read(readers, each.reconstruct(true.scenes), true.scenes) for each in checkpoints}
    painted = {
        (case.name, each.name): read(readers, each.paint(case, true.scenes), true.scenes)
        for case in cases
        for each in checkpoints
        if each.knows(case)
    }
    for name, shares in true.reading.shares.items():
        for case in cases:
            if len(case.kinds) == 1 and _READ_FROM[case.kinds[0]] != name.partition(",")[0]:
                continue
            row = f"{name}: {'all' if len(case.kinds) > 1 else 'alone'}{_suffix(case.settings)}"
            table.add(row, TRUE, mean_of(shares))
            for each in checkpoints:
                table.add(row, f"{each.name}, reconstructed", relative_share(rebuilt[each.name].shares[name], shares))
                if (case.name, each.name) in painted:
                    own = painted[case.name, each.name].shares[name]
                    table.add(row, each.name, relative_share(own, shares))
                    if each.name != first and (case.name, first) in painted:
                        ratio = relative_share(own, painted[case.name, first].shares[name])
                        table.add(f"{row}, relative to {first}", each.name, ratio)
    if len(true.scenes) >= _LEAST_FOR_FRECHET:
        _compare_distances(table, readers, true, checkpoints, rebuilt, painted)


def _compare_distances(
    table: Table,
    readers: Readers,
    true: TrueScenes,
    checkpoints: Sequence[Checkpoint],
    rebuilt: dict[str, Reading],
    painted: dict[tuple[str, str], Reading],
) -> None:
    """Fréchet distances, and those of the same scenes with other textures, which no condition tells."""
    first = checkpoints[0].name
    for (case_name, name), reading in painted.items():
        if case_name.startswith("all"):
            row = f"Fréchet distance, {case_name}, relative to"
            own = _frechet_relative(reading, rebuilt[name], true.reading)
            table.add(f"{row} own reconstructions", name, own)
            of_first = _frechet_relative(reading, rebuilt[first], true.reading)
            table.add(f"{row} reconstructions by {first}", name, of_first)
    others = [_with_other_textures(scene) for scene in true.scenes]
    for each in checkpoints:
        reading = read(readers, each.reconstruct(others), true.scenes)
        distance = _frechet_relative(reading, rebuilt[each.name], true.reading)
        table.add(
            "Fréchet distance, other textures, reconstructed, relative to own reconstructions", each.name, distance
        )


def _with_other_textures(scene: Scene) -> Scene:
    people, size = len(scene.keypoints), (scene.image.shape[0], scene.image.shape[1])
    return make_scene(scene.seed, size, people=people, textures=1)


def _frechet_relative(reading: Reading, rebuilt: Reading, true: Reading) -> Interval:
    def measure(chosen: np.ndarray) -> float:
        truth = true.features[chosen]
        return frechet(reading.features[chosen], truth) / frechet(rebuilt.features[chosen], truth)

    return interval_of(measure, len(true.features))
