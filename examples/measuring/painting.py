"""Checkpoints that paint scenes under some of their conditions; what is painted is kept as PNG, and not painted again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scene_folder import drawing, layout
from torch import Tensor

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.conditions.crude_maps import crude_map
from vqgan_transformer.images import from_pixels, to_pil
from vqgan_transformer.scenes import Scene

__all__ = ["Case", "Checkpoint", "crude_labels", "given"]

_AT_ONCE = 1024 * 1024
"""Pixels that are painted in one call."""

_OPTIONS: dict[str, dict[str, Any]] = {"crude": {"unlabelled": -1}, "depth": {"near": "large"}}
"""How what is given is to be read."""


@dataclass(frozen=True)
class Case:
    """What is given of a scene, and the settings of a call; without settings, those that a checkpoint ships with."""

    name: str
    kinds: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)


def given(scene: Scene, kind: str) -> Any:
    """What a scene has of a kind of condition; "crude" is a label map as people draw them."""
    return {
        "segmentation": lambda: scene.segmentation,
        "crude": lambda: crude_labels(scene),
        "depth": lambda: scene.depth,
        "keypoints": lambda: scene.keypoints,
        "class_label": lambda: scene.class_label,
        "layout": lambda: layout(scene),
        "condition_image": lambda: drawing(scene, np.random.default_rng(scene.seed)),
    }[kind]()


def crude_labels(scene: Scene) -> np.ndarray:
    """The scene's label map drawn crudely, the same way each time: int64 (H, W), -1 where unlabelled."""
    return crude_map(scene.segmentation.astype(np.int64), np.random.default_rng(scene.seed))


class Checkpoint:
    """A pipeline, and the pictures that it painted so far.

    Args:
        source: a name or folder, or NAME=SOURCE to call it otherwise in tables.
        pictures: a folder.
    """

    def __init__(self, source: str, pictures: Path) -> None:
        name, _, where = source.rpartition("=")
        self.name = name or Path(where).name
        self.pipe = ImageSynthesisPipeline.from_pretrained(where)
        self.pictures = pictures

    @cached_property
    def digest(self) -> str:
        """Of weights and settings: a picture that another state painted is no picture of this one."""
        total = hashlib.sha256()
        parts = [part for part in (self.pipe.vqgan, self.pipe.gpt, self.pipe.planner) if part is not None]
        for part in parts:
            for value in part.state_dict().values():
                total.update(value.detach().contiguous().view(torch.uint8).numpy().tobytes())
        conditions = [(condition.name, condition.config) for condition in self.pipe.conditions]
        total.update(repr((self.pipe.sampler.config, conditions)).encode())
        return total.hexdigest()[:12]

    def knows(self, case: Case) -> bool:
        """Whether it takes all kinds of a case."""
        known = {condition.name for condition in self.pipe.conditions}
        return {"segmentation" if kind == "crude" else kind for kind in case.kinds} <= known

    def paint(self, case: Case, scenes: Sequence[Scene]) -> list[Tensor]:
        """A picture (1, 3, H, W) of each scene, the first one with seed 0."""
        size = scenes[0].image.shape[:2]
        at_once = max(1, _AT_ONCE // (size[0] * size[1]))
        given_kinds = [{kind: given(scene, kind) for kind in case.kinds} for scene in scenes]
        files = [
            self._file(case, scene, number, repr(case.settings).encode(), *map(_bytes, kinds.values()))
            for number, (scene, kinds) in enumerate(zip(scenes, given_kinds, strict=True))
        ]
        missing = [number for number, file in enumerate(files) if not file.exists()]
        for start in range(0, len(missing), at_once):
            chosen = missing[start : start + at_once]
            arguments: dict[str, Any] = {
                "segmentation" if kind == "crude" else kind: [given_kinds[number][kind] for number in chosen]
                for kind in case.kinds
            }
            for kind in case.kinds:
                arguments |= _OPTIONS.get(kind, {})
            if not arguments:
                arguments["num_images"] = len(chosen)
            painted = self.pipe(**arguments, size=size, seed=chosen, progress=False, **case.settings).images
            for number, picture in zip(chosen, painted, strict=True):
                _save(picture, files[number])
        return [_open(file) for file in files]

    @torch.inference_mode()
    def reconstruct(self, scenes: Sequence[Scene]) -> list[Tensor]:
        """What its tokenizer gives back of each scene."""
        files = [self._file(Case("reconstruction", ()), scene, 0, scene.image.tobytes()) for scene in scenes]
        for scene, file in zip(scenes, files, strict=True):
            if not file.exists():
                rebuilt = self.pipe.vqgan.decode(self.pipe.vqgan.encode(from_pixels(scene.image)))
                _save(to_pil(rebuilt.clamp(-1, 1))[0], file)
        return [_open(file) for file in files]

    def _file(self, case: Case, scene: Scene, number: int, *parts: bytes) -> Path:
        """Named after all that decides how the picture looks."""
        total = hashlib.sha256(f"{number} {scene.image.shape}".encode())
        for part in parts:
            total.update(part)
        side = scene.image.shape[0]
        folder = self.pictures / self.digest / f"{side} {case.name}"
        return folder / f"{scene.seed}-{total.hexdigest()[:12]}.png"


def _bytes(value: Any) -> bytes:
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()


def _save(picture: Image.Image, file: Path) -> None:
    """Complete or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    picture.save(unfinished, format="png", compress_level=1)
    unfinished.replace(file)


def _open(file: Path) -> Tensor:
    with Image.open(file) as picture:
        return from_pixels(picture.convert("RGB"))
