"""Networks that read scenes: labels, depth and class from a picture, joints from a person, the kind of a thing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqgan_transformer.scenes import LABELS

from .things import KINDS

__all__ = [
    "THUMBNAIL",
    "ClassReader",
    "PoseReader",
    "Readers",
    "SceneReader",
    "SceneReading",
    "ThingReader",
    "channel_table",
]

THUMBNAIL = 64
"""Side of the picture, as a whole, that a class is told from."""


class SceneReader(nn.Module):
    """A U-Net from pictures (B, 3, H, W), sides multiples of 32, to label logits and depth."""

    def __init__(self, labels: int, widths: tuple[int, ...] = (24, 48, 64, 96, 128)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, widths[0], 3, padding=1)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(_double(narrow, wide) for narrow, wide in pairs)
        self.up = nn.ModuleList(_double(wide + narrow, narrow) for narrow, wide in reversed(pairs))
        self.labels, self.depth = nn.Conv2d(widths[0], 4 * labels, 1), nn.Conv2d(widths[0], 4, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, labels, H, W), (B, 1, H, W), and what the coarsest level has on average, (B, 128)."""
        x, skips = self.stem(F.pixel_unshuffle(images, 2)), []
        for layer in self.down:
            skips.append(x)
            x = layer(F.max_pool2d(x, 2))
        features = x.mean((2, 3))
        for layer in self.up:
            skip = skips.pop()
            x = layer(torch.cat((F.interpolate(x, size=skip.shape[-2:]), skip), dim=1))
        x = F.relu(x)
        return F.pixel_shuffle(self.labels(x), 2), F.pixel_shuffle(self.depth(x), 2), features


class ClassReader(nn.Module):
    """From a whole picture (B, 3, H, W), seen as a thumbnail, to class logits."""

    def __init__(self, classes: int, widths: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_double(narrow, wide) for narrow, wide in pairwise(widths))
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """(B, classes)."""
        x = self.stem(F.adaptive_avg_pool2d(images, THUMBNAIL))
        for layer in self.down:
            x = layer(F.max_pool2d(x, 2))
        return self.head(x.mean((2, 3)))


class PoseReader(nn.Module):
    """From a person (B, 3, 96, 96) to where each joint is: logits (B, 17, 24 · 24)."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_double(narrow, wide) for narrow, wide in pairwise(widths))
        self.up = nn.ModuleList((_double(128 + 96, 96), _double(96 + 64, 64)))
        self.head = nn.Conv2d(64, 17, 1)

    def forward(self, people: Tensor) -> Tensor:
        """Sides are 96 pixels."""
        x, skips = self.stem(F.pixel_unshuffle(people, 2)), []
        for layer in self.down:
            skips.append(x)
            x = layer(F.max_pool2d(x, 2))
        for layer, skip in zip(self.up, (skips[2], skips[1]), strict=True):
            x = layer(torch.cat((F.interpolate(x, size=skip.shape[-2:]), skip), dim=1))
        return self.head(F.relu(x)).flatten(2)


class ThingReader(nn.Module):
    """From the square around a thing (B, 3, 64, 64) to its kind, the last one being none, and to its shape."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 96), features: int = 48) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, widths[0], 3, padding=1)
        self.down = nn.ModuleList(_double(narrow, wide) for narrow, wide in pairwise(widths))
        self.squeeze = nn.Sequential(nn.Linear(4 * widths[-1], features), nn.ReLU())
        self.head = nn.Linear(features, len(KINDS) + 1)
        self.shape = nn.Linear(features, 16 * 16)

    def forward(self, things: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, kinds + 1) logits, (B, 16, 16) logits of the thing's shape, and the features (B, 48) that both come from."""
        x = self.stem(F.pixel_unshuffle(things, 2))
        for layer in self.down:
            x = layer(F.max_pool2d(x, 2))
        features = self.squeeze(F.adaptive_avg_pool2d(x, 2).flatten(1))
        return self.head(features), self.shape(features).unflatten(1, (16, 16)), features


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class SceneReading:
    """What is read of a picture: probabilities of labels (channels, H, W), depth (H, W), features (128,)."""

    probabilities: Tensor
    depth: Tensor
    features: Tensor

    @property
    def labels(self) -> Tensor:
        """The channel of the likeliest label, (H, W)."""
        return self.probabilities.argmax(0)


@dataclass(frozen=True)
class Readers:
    """All of them, and what their numbers mean.

    Attributes:
        labels: names of the channels of labels.
        classes: names of the classes.
    """

    scene: SceneReader
    style: ClassReader
    pose: PoseReader
    thing: ThingReader
    labels: tuple[str, ...]
    classes: tuple[str, ...]

    @classmethod
    def untrained(cls, labels: tuple[str, ...], classes: tuple[str, ...]) -> Readers:
        """With initial weights of seed 0."""
        torch.manual_seed(0)
        networks = SceneReader(len(labels)), ClassReader(len(classes)), PoseReader(), ThingReader()
        return cls(*networks, labels, classes)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks, and what their files are called."""
        return {"scene": self.scene, "class": self.style, "pose": self.pose, "thing": self.thing}

    @classmethod
    def load(cls, folder: Path) -> Readers:
        """Those that `train_readers.py` keeps in a folder."""
        if not (folder / "readers.json").exists():
            raise SystemExit(
                f"there are no readers in {folder}; train them: python examples/train_readers.py SCENES {folder}"
            )
        names = json.loads((folder / "readers.json").read_text(encoding="utf-8"))
        readers = cls.untrained(tuple(names["labels"]), tuple(names["classes"]))
        for name, network in readers.networks.items():
            network.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True))
            network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        return readers

    @torch.inference_mode()
    def read(self, image: Tensor) -> SceneReading:
        """A picture (1, 3, H, W), as it is and, if it is large, from afar: at every half of its size down to 256 pixels.

        The reader sees some 200 pixels around a place, too little of a large picture to tell hills from meadows.
        """
        size, scaled = image.shape[-2:], [image]
        while min(scaled[-1].shape[-2:]) >= 512:
            scaled.append(F.avg_pool2d(scaled[-1], 2))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            seen = [self.scene(picture.contiguous(memory_format=torch.channels_last)) for picture in scaled]
        logits = sum(F.interpolate(each.float().log_softmax(1), size=size, mode="bilinear") for each, _, _ in seen)
        depth = sum(F.interpolate(each.float(), size=size, mode="bilinear") for _, each, _ in seen)
        return SceneReading(logits.softmax(1)[0], depth[0, 0] / len(seen), seen[0][2][0].float())

    @torch.inference_mode()
    def class_of(self, image: Tensor) -> str:
        """The class of a picture (1, 3, H, W)."""
        return self.classes[int(self.style(image)[0].argmax())]

    @torch.inference_mode()
    def read_things(self, cuts: Tensor) -> tuple[list[str | None], Tensor]:
        """The kinds of things in squares (N, 3, 64, 64), and their features (N, 48)."""
        logits, _, features = self.thing(cuts)
        return [(*KINDS, None)[int(kind)] for kind in logits.argmax(1)], features

    def channels_of(self, ids: np.ndarray) -> Tensor:
        """COCO-Stuff ids (H, W) of what scenes are painted with, as channels of the reader; -1 for other ids."""
        return torch.from_numpy(channel_table(self.labels)[ids])


def channel_table(labels: tuple[str, ...]) -> np.ndarray:
    """The channel of each COCO-Stuff id, int64 (182 + 1,); -1 for labels that scenes are not painted with, and last for -1."""
    table = np.full(183, -1)
    for channel, name in enumerate(labels):
        table[LABELS[name]] = channel
    return table
