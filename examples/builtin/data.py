"""Scenes to train on: rendered once into files that are mapped into memory, then cut into crops."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from vqgan_transformer.scenes import LABELS, make_scene

GROUPS: tuple[str, ...] = tuple(sorted(LABELS))  # the painted labels: one channel of the label VQGAN each
PERSON = GROUPS.index("person")
CHANNEL_OF_LABEL = {identifier: GROUPS.index(name) for name, identifier in LABELS.items()}

# How many scenes of each side are rendered, and how often crops come from them. The main use is a megapixel painted
# through a window of 256 pixels, so most crops are small parts of large scenes; some are whole small ones.
COUNTS = {256: 1200, 512: 700, 1024: 300}
SHARES = {256: 0.15, 512: 0.25, 1024: 0.60}
HELD_OUT_SEED = 10_000_000  # scenes from here on are for evaluation only


@dataclass(frozen=True)
class SceneFile:
    """All scenes of one side: pictures `(N, S, S, 3)` and label channels `(N, S, S)`, both uint8 on disk."""

    pictures: np.ndarray
    groups: np.ndarray
    done: np.ndarray

    @classmethod
    def open(cls, folder: Path, side: int, count: int | None = None) -> SceneFile:
        """Opens the files of one side; with `count`, creates them."""
        shapes = {"pictures": (count, side, side, 3), "groups": (count, side, side), "done": (count,)}
        arrays = {}
        for name, shape in shapes.items():
            path = folder / f"{name}_{side}.npy"
            if count is not None and not path.exists():
                np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
            arrays[name] = np.load(path, mmap_mode="r+")
        return cls(**arrays)


def draw_scene(side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One daylight scene: picture `(S, S, 3)` and label channels `(S, S)`, uint8.

    Only daylight: the paper's form sees nothing but the label map, and a map does not tell night from noon. A model
    that has to guess changes its mind from one part of the picture to the next.
    """
    scene = make_scene(seed, (side, side), time_of_day="day")
    table = np.zeros(256, np.uint8)
    for identifier, channel in CHANNEL_OF_LABEL.items():
        table[identifier] = channel
    return np.asarray(scene.image), table[np.asarray(scene.segmentation)]


def _draw(job: tuple[Path, int, int]) -> None:
    folder, side, index = job
    file = SceneFile.open(folder, side)
    file.pictures[index], file.groups[index] = draw_scene(side, seed=1000 * side + index)
    file.done[index] = 1


def render(folder: Path, processes: int) -> None:
    """Draws whatever scenes are not there yet."""
    jobs = []
    for side, count in COUNTS.items():
        done = SceneFile.open(folder, side, count).done
        jobs += [(folder, side, index) for index in range(count) if not done[index]]
    with get_context("spawn").Pool(processes) as pool:
        for number, _ in enumerate(pool.imap_unordered(_draw, jobs, chunksize=4), start=1):
            if number % 100 == 0:
                print(f"{number} of {len(jobs)} scenes", flush=True)


def held_out(side: int, count: int) -> tuple[Tensor, Tensor]:
    """Scenes that nothing is trained on: pictures `(N, 3, S, S)` in [-1, 1], label channels int64 `(N, S, S)`."""
    scenes = [draw_scene(side, seed=HELD_OUT_SEED + index) for index in range(count)]
    return as_images(np.stack([p for p, _ in scenes])), torch.from_numpy(np.stack([g for _, g in scenes])).long()


def as_images(pictures: np.ndarray) -> Tensor:
    """uint8 `(N, H, W, 3)` -> float `(N, 3, H, W)` in [-1, 1], channels last in memory."""
    return rearrange(torch.from_numpy(np.ascontiguousarray(pictures)).float() / 127.5 - 1, "n h w c -> n c h w")


def one_hot(groups: Tensor) -> Tensor:
    """int64 `(N, H, W)` -> float `(N, number of groups, H, W)`, channels last in memory."""
    return rearrange((groups[..., None] == torch.arange(len(GROUPS))).float(), "n h w c -> n c h w")


class Scenes:
    """The rendered scenes, as a source of random crops."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.files = {side: SceneFile.open(folder, side) for side in COUNTS}
        self.rng = np.random.default_rng(seed)
        self.people = {side: self._find_people(file) for side, file in self.files.items()}

    def crops(self, count: int, side: int, people: float = 0.0) -> tuple[Tensor, Tensor]:
        """Random crops, half of them mirrored.

        Args:
            count: How many.
            side: Of each, in pixels.
            people: The share that is cut around someone.

        Returns:
            pictures `(count, 3, side, side)` in [-1, 1] and label channels int64 `(count, side, side)`.
        """
        pictures, groups = [], []
        for _ in range(count):
            whole = int(self.rng.choice(list(SHARES), p=list(SHARES.values())))
            index, top, left = self._place(whole, side, near_people=self.rng.random() < people)
            step = -1 if self.rng.random() < 0.5 else 1
            cut = (index, slice(top, top + side), slice(left, left + side))
            pictures.append(self.files[whole].pictures[cut][:, ::step])
            groups.append(self.files[whole].groups[cut][:, ::step])
        return as_images(np.stack(pictures)), torch.from_numpy(np.stack(groups)).long()

    def _place(self, whole: int, side: int, near_people: bool) -> tuple[int, int, int]:
        if near_people and len(self.people[whole]):
            index, row, column = self.rng.choice(self.people[whole])
            corner = np.array([row, column]) - self.rng.integers(side // 4, 3 * side // 4, size=2)
            top, left = np.clip(corner, 0, whole - side)
            return int(index), int(top), int(left)
        top, left = self.rng.integers(0, whole - side + 1, size=2)
        return int(self.rng.integers(len(self.files[whole].done))), int(top), int(left)

    def _find_people(self, file: SceneFile, each: int = 16) -> np.ndarray:
        # (places, 3): scene, row, column
        places = [np.zeros((0, 3), np.int64)]
        for index, groups in enumerate(file.groups):
            found = np.argwhere(groups[::4, ::4] == PERSON) * 4
            if len(found):
                chosen = found[self.rng.integers(len(found), size=each)]
                places.append(np.concatenate([np.full((each, 1), index), chosen], axis=1))
        return np.concatenate(places)
