"""Networks that read scenes: labels, depth, class from a picture, joints from a person. Trained on true scenes only."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from vqgan_transformer import ClassCondition, DepthCondition, SegmentationCondition, VQGANTraining
from vqgan_transformer.images import from_pixels, open_picture
from vqgan_transformer.scenes import make_scene
from vqgan_transformer.training.crops import LEFT_RIGHT_PAIRS
from vqgan_transformer.training.data import open_data
from vqgan_transformer.training.optimizers import make_optimizer, set_learning_rate
from vqgan_transformer.training.samples import Batches, Samples, loader

__all__ = ["ClassReader", "PoseReader", "SceneReader", "people_of", "read_joints", "train_readers"]

READERS = 20_000_000
"""Seeds from here on are scenes that only readers see."""

THUMBNAIL = 64
"""Side of the picture, as a whole, that a class is told from."""

PERSON_SIDE = 96
"""Pixels that a person is scaled to before joints are read."""

MARGIN = 1.35
"""Side of the square that is cut around a person, in heights or widths of their joints' box, whichever is larger."""


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


def _double(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def train_readers(
    scenes: Path, labels: SegmentationCondition, classes: ClassCondition, steps: int
) -> tuple[SceneReader, ClassReader, PoseReader]:
    """Trains all on a folder of scenes; what is trained is kept beside it."""
    trainings = {
        "scene": (
            SceneReader(max(labels.config.channels) + 1),
            partial(_train_scene_reader, labels=labels, steps=steps),
        ),
        "class": (ClassReader(classes.vocab_size), partial(_train_class_reader, classes=classes, steps=steps)),
        "pose": (PoseReader(), lambda reader, _: _train_pose_reader(reader, 3 * steps)),
    }
    for name, (reader, train) in trainings.items():
        kept = scenes.parent / f"{name}_reader.pt"
        if not kept.exists():
            train(reader, scenes)
            torch.save(reader.state_dict(), kept)
        reader.load_state_dict(torch.load(kept, weights_only=True))
        reader.eval()
    return tuple(reader for reader, _ in trainings.values())  # type: ignore[return-value]


def _train_scene_reader(reader: SceneReader, scenes: Path, labels: SegmentationCondition, steps: int) -> None:
    training = VQGANTraining(crop_size=256, scale_down=False, seed=7)
    conditions = (labels, DepthCondition())
    samples = Samples(open_data(scenes, ("image", *(one.name for one in conditions))), training, conditions)
    channels = torch.tensor(labels.config.channels)

    def loss(batch: dict[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, depth, _ = reader(batch["image"].contiguous(memory_format=torch.channels_last))
        return F.cross_entropy(logits.float(), channels[batch["segmentation"]]) + 2 * F.l1_loss(
            depth.float(), batch["depth"]
        )

    _fit(reader, loss, loader(samples, Batches(len(samples), 7, 6, stop=steps), workers=2), steps)


def _train_class_reader(
    reader: ClassReader, scenes: Path, classes: ClassCondition, steps: int, batch_size: int = 48
) -> None:
    source = open_data(scenes, ("image", "class_label"))
    pictures = torch.cat([
        F.adaptive_avg_pool2d(from_pixels(open_picture(source[index]["image"], "image")), THUMBNAIL + 8)
        for index in range(len(source))
    ])  # fmt: skip
    wanted = classes.parse([source[index]["class_label"] for index in range(len(source))])
    generator = torch.Generator().manual_seed(7)

    def batches() -> Any:
        for _ in range(steps):
            chosen = torch.randint(len(pictures), (batch_size,), generator=generator)
            top, left = (int(torch.randint(9, (), generator=generator)) for _ in range(2))
            cut = pictures[chosen][..., top : top + THUMBNAIL, left : left + THUMBNAIL]
            yield {
                "pictures": cut.flip(-1) if torch.rand((), generator=generator) < 0.5 else cut,
                "classes": wanted[chosen],
            }

    def loss(batch: dict[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = reader(batch["pictures"].contiguous(memory_format=torch.channels_last))
        return F.cross_entropy(logits.float(), batch["classes"])

    _fit(reader, loss, batches(), steps)


def _train_pose_reader(reader: PoseReader, steps: int, count: int = 900, batch_size: int = 32) -> None:
    cuts, joints = [], []
    for seed in range(count):  # scenes of their own, since most of the others have nobody
        scene = make_scene(READERS + seed, (320, 320), people=3)
        picture = from_pixels(scene.image)
        for person in people_of(scene.keypoints, smallest=24):
            cuts.append(_cut(picture, person, side=3 * PERSON_SIDE // 2))
            joints.append(_in_cut(person) * 1.5)
    people, points = torch.cat(cuts), torch.from_numpy(np.stack(joints)).float()
    generator = torch.Generator().manual_seed(7)
    order = torch.arange(17)
    for left, right in LEFT_RIGHT_PAIRS:
        order[left], order[right] = right, left

    def batches() -> Any:
        for _ in range(steps):
            chosen = torch.randint(len(people), (batch_size,), generator=generator)
            x, y = people[chosen], points[chosen].clone()
            # another scale and place, every other one mirrored
            side = int(torch.randint(PERSON_SIDE - 12, 3 * PERSON_SIDE // 2 - 16, (), generator=generator))
            room = 3 * PERSON_SIDE // 2 - side
            top, left = (int(torch.randint(room // 4, room - room // 4, (), generator=generator)) for _ in range(2))
            x = F.interpolate(x[..., top : top + side, left : left + side], size=(PERSON_SIDE, PERSON_SIDE), mode="bilinear", antialias=True)  # fmt: skip
            y[..., :2] = (y[..., :2] - torch.tensor([left, top])) * (PERSON_SIDE / side)
            if torch.rand((), generator=generator) < 0.5:
                x = x.flip(-1)
                y[..., 0] = PERSON_SIDE - 1 - y[..., 0]
                y = y[:, order]
            yield {"people": x, "joints": y}

    def loss(batch: dict[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = reader(batch["people"].contiguous(memory_format=torch.channels_last)).float()
        joints, side = batch["joints"], PERSON_SIDE // 4
        cells = (joints[..., :2] / 4).floor().long()
        seen = (joints[..., 2] > 0) & (cells >= 0).all(-1) & (cells < side).all(-1)
        place = (cells[..., 1] * side + cells[..., 0]).where(seen, -100)
        return F.cross_entropy(logits.transpose(1, 2), place)

    _fit(reader, loss, batches(), steps)


def _fit(model: nn.Module, loss: Any, batches: Any, steps: int) -> None:
    model.to(memory_format=torch.channels_last).train()
    optimizer = make_optimizer(
        model, "muon", betas=(0.9, 0.99), weight_decay=1e-3, outer=("stem", "head", "labels", "depth")
    )
    for step, batch in enumerate(batches):
        set_learning_rate(optimizer, 2e-3 * min(1.0, (step + 1) / 50) * (1 - step / steps))
        value = loss(batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 0:
            print(f"{type(model).__name__}, step {step} of {steps}: {float(value.detach()):.3f}", flush=True)


def people_of(keypoints: np.ndarray, smallest: float = 0, largest: float = np.inf) -> list[np.ndarray]:
    """The people (17, 3) with at least eight joints in view, whose joints span so many pixels."""
    chosen = []
    for person in np.asarray(keypoints, dtype=np.float64).reshape(-1, 17, 3):
        seen = person[person[:, 2] == 2]
        if len(seen) >= 8 and smallest <= np.ptp(seen[:, :2], axis=0).max() < largest:
            chosen.append(person)
    return chosen


def read_joints(reader: PoseReader, image: Tensor, person: np.ndarray) -> np.ndarray:
    """Where the reader sees the joints of someone in a picture (1, 3, H, W): (17, 2) as x, y."""
    with torch.inference_mode():
        place = reader(_cut(image, person, PERSON_SIDE))[0].argmax(1)
    left, top, extent = _square(person)
    cells = torch.stack((place % (PERSON_SIDE // 4), place // (PERSON_SIDE // 4)), dim=1).numpy()
    return (cells * 4 + 2) * (extent / PERSON_SIDE) + np.array([left, top])


def _square(person: np.ndarray) -> tuple[float, float, float]:
    """(left, top, side) of the square around someone."""
    seen = person[person[:, 2] > 0, :2]
    extent = MARGIN * np.ptp(seen, axis=0).max()
    left, top = (seen.max(0) + seen.min(0)) / 2 - extent / 2
    return float(left), float(top), float(extent)


def _cut(image: Tensor, person: np.ndarray, side: int) -> Tensor:
    """Someone in a picture (1, 3, H, W), scaled to a square of some pixels; grey beyond the picture's border."""
    left, top, extent = _square(person)
    height, width = image.shape[-2:]
    steps = (torch.arange(side) + 0.5) / side * extent
    grid = torch.stack(
        torch.meshgrid(2 * (left + steps) / width - 1, 2 * (top + steps) / height - 1, indexing="xy"), -1
    )
    if extent > 2 * side:  # sampling alone would skip pixels
        image = F.avg_pool2d(image, int(extent // side))
    return F.grid_sample(image.float(), rearrange(grid, "h w c -> 1 h w c").float(), align_corners=False)


def _in_cut(person: np.ndarray) -> np.ndarray:
    """Joints (17, 3) in pixels of the square as it is read."""
    left, top, extent = _square(person)
    out = person.copy()
    out[:, :2] = (person[:, :2] - np.array([left, top])) * (PERSON_SIDE / extent)
    return out
