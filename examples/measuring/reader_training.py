"""Trains the readers, on true scenes only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqgan_transformer import DepthCondition, SegmentationCondition, VQGANTraining
from vqgan_transformer.images import from_pixels, open_picture
from vqgan_transformer.scenes import Scene, make_scene
from vqgan_transformer.training.data import open_data
from vqgan_transformer.training.optimizers import make_optimizer, set_learning_rate
from vqgan_transformer.training.samples import Batches, Samples, loader

from .people import PERSON_SIDE, cut_of, joints_in_cut, people_of
from .readers import THUMBNAIL, ClassReader, PoseReader, SceneReader, ThingReader, channel_table
from .things import KINDS, THING_SIDE, Thing, mask_of, things_of

__all__ = ["Cuts", "train_class_reader", "train_pose_reader", "train_scene_reader", "train_thing_reader"]

_SEEDS = 20_000_000
"""Seeds from here on are scenes that only readers see."""

Loss = Callable[[dict[str, Tensor]], Tensor]


def train_scene_reader(
    reader: SceneReader, scenes: Path, labels: tuple[str, ...], steps: int, batch_size: int = 6
) -> None:
    """On crops of a folder of scenes, of 256 pixels whatever the size in which these are drawn."""
    training = VQGANTraining(crop_size=256, scale_down=False, seed=7)
    conditions = (SegmentationCondition(label_space="coco-stuff-182"), DepthCondition())
    samples = Samples(open_data(scenes, ("image", *(kind.name for kind in conditions))), training, conditions)
    channels = torch.from_numpy(channel_table(labels))

    def loss(batch: dict[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, depth, _ = reader(batch["image"].contiguous(memory_format=torch.channels_last))
        of_labels = F.cross_entropy(logits.float(), channels[batch["segmentation"]], ignore_index=-1)
        return of_labels + 2 * F.l1_loss(depth.float(), batch["depth"])

    _fit(reader, loss, iter(loader(samples, Batches(len(samples), 7, batch_size, stop=steps), workers=0)), steps)


def train_class_reader(
    reader: ClassReader, scenes: Path, classes: tuple[str, ...], steps: int, most: int = 2000, batch_size: int = 48
) -> None:
    """On whole pictures of a folder of scenes, small and moved a little."""
    source = open_data(scenes, ("image", "class_label"))
    count = min(most, len(source))
    pictures = torch.cat([
        F.adaptive_avg_pool2d(from_pixels(open_picture(source[index]["image"], "image")), THUMBNAIL + 8)
        for index in range(count)
    ])  # fmt: skip
    wanted = torch.tensor([classes.index(source[index]["class_label"]) for index in range(count)])
    generator = torch.Generator().manual_seed(7)

    def batches() -> Iterator[dict[str, Tensor]]:
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


class Cuts:
    """Squares around people and things: pictures, and what is known of each.

    Attributes:
        people: (N, 3, 144, 144), half as large again as they are read.
        joints: (N, 17, 3) in their pixels.
        things: (M, 3, 96, 96), half as large again as they are read.
        kinds: (M,) numbers of kinds, the last one of squares in which nothing stands.
        shapes: (M, 24, 24), where the thing is.
    """

    def __init__(self, count: int, side: int = 320) -> None:
        """From scenes of their own, each with three people, since most scenes of a folder have nobody."""
        people, joints, things, kinds, shapes = [], [], [], [], []
        for seed in range(count):
            scene = make_scene(_SEEDS + seed, (side, side), people=3)
            picture = from_pixels(scene.image)
            for person in people_of(scene.keypoints, smallest=24):
                people.append(cut_of(picture, person, 3 * PERSON_SIDE // 2))
                joints.append(joints_in_cut(person) * 1.5)
            for kind, thing in [
                *((KINDS.index(thing.kind), thing) for thing in things_of(scene)),
                *_nothing(scene, seed),
            ]:
                things.append(thing.cut(picture, 3 * THING_SIDE // 2))
                kinds.append(kind)
                shapes.append(mask_of(thing, scene.segmentation, 24))
        self.people, self.joints = torch.cat(people), torch.from_numpy(np.stack(joints)).float()
        self.things, self.kinds = torch.cat(things), torch.tensor(kinds)
        self.shapes = torch.from_numpy(np.stack(shapes)).float()


def _nothing(scene: Scene, seed: int, most: int = 3) -> list[tuple[int, Thing]]:
    """Squares of a scene in which nothing stands."""
    dice, side = np.random.default_rng(seed), len(scene.segmentation)
    places = []
    for _ in range(4 * most):
        extent = dice.uniform(0.1, 0.45) * side
        left, top = dice.uniform(0, side - extent, 2)
        box = (left, top, left + extent, top + extent)
        if not any(mask_of(Thing(kind, box), scene.segmentation, 16).mean() > 0.03 for kind in KINDS):
            places.append((len(KINDS), Thing("none", box)))
    return places[:most]


def train_pose_reader(reader: PoseReader, cuts: Cuts, steps: int, batch_size: int = 32) -> None:
    """On people as they are: mirrored, they would wear the colours of their left on their right."""
    generator = torch.Generator().manual_seed(7)

    def batches() -> Iterator[dict[str, Tensor]]:
        for _ in range(steps):
            chosen = torch.randint(len(cuts.people), (batch_size,), generator=generator)
            (people,), joints = _moved([cuts.people[chosen]], PERSON_SIDE, generator, cuts.joints[chosen].clone())
            yield {"people": people, "joints": joints}

    def loss(batch: dict[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = reader(batch["people"].contiguous(memory_format=torch.channels_last)).float()
        joints, side = batch["joints"], PERSON_SIDE // 4
        cells = (joints[..., :2] / 4).floor().long()
        seen = (joints[..., 2] > 0) & (cells >= 0).all(-1) & (cells < side).all(-1)
        place = (cells[..., 1] * side + cells[..., 0]).where(seen, -100)
        return F.cross_entropy(logits.transpose(1, 2), place)

    _fit(reader, loss, batches(), steps)


def train_thing_reader(reader: ThingReader, cuts: Cuts, steps: int, batch_size: int = 64) -> None:
    """On squares around things, as many of each kind as of nothing, every other batch mirrored."""
    generator = torch.Generator().manual_seed(7)
    of_kind = [torch.nonzero(cuts.kinds == kind)[:, 0] for kind in range(len(KINDS) + 1)]
    of_kind = [places for places in of_kind if len(places)]

    def batches() -> Iterator[dict[str, Tensor]]:
        for _ in range(steps):
            chosen = torch.cat([
                places[torch.randint(len(places), (batch_size // len(of_kind),), generator=generator)]
                for places in of_kind
            ])  # fmt: skip
            shapes = F.interpolate(cuts.shapes[chosen, None], size=cuts.things.shape[-2:], mode="nearest")
            moved, _ = _moved([cuts.things[chosen], shapes], THING_SIDE, generator)
            if torch.rand((), generator=generator) < 0.5:
                moved = [pictures.flip(-1) for pictures in moved]
            shape = F.adaptive_avg_pool2d(moved[1], 16)[:, 0]
            yield {"things": moved[0], "kinds": cuts.kinds[chosen], "shapes": shape}

    def loss(batch: dict[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            kinds, shapes, _ = reader(batch["things"].contiguous(memory_format=torch.channels_last))
        of_shape = F.binary_cross_entropy_with_logits(shapes.float(), batch["shapes"])
        return F.cross_entropy(kinds.float(), batch["kinds"]) + of_shape

    _fit(reader, loss, batches(), steps)


def _moved(
    pictures: list[Tensor], side: int, generator: torch.Generator, points: Tensor | None = None
) -> tuple[list[Tensor], Tensor]:
    """Pictures (B, C, S, S) of which a square is cut and scaled to one side, and points in them that move along."""
    whole = pictures[0].shape[-1]
    cut = int(torch.randint(3 * whole // 4, whole + 1, (), generator=generator))
    top, left = (int(torch.randint(whole - cut + 1, (), generator=generator)) for _ in range(2))
    pictures = [
        F.interpolate(x[..., top : top + cut, left : left + cut], size=(side, side), mode="bilinear", antialias=True)
        for x in pictures
    ]
    if points is None:
        return pictures, torch.empty(0)
    points[..., :2] = (points[..., :2] - torch.tensor([left, top])) * (side / cut)
    return pictures, points


def _fit(model: nn.Module, loss: Loss, batches: Iterator[dict[str, Tensor]], steps: int) -> None:
    model.to(memory_format=torch.channels_last).train()
    outer = ("stem", "head", "labels", "depth", "shape", "squeeze")
    optimizer = make_optimizer(model, "muon", betas=(0.9, 0.99), weight_decay=1e-3, outer=outer)
    start = time.perf_counter()
    for step, batch in enumerate(batches):
        set_learning_rate(optimizer, 2e-3 * min(1.0, (step + 1) / 50) * (1 - step / steps))
        value = loss(batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 0 or step == steps - 1:
            took = time.perf_counter() - start
            print(
                f"{type(model).__name__}, step {step} of {steps}, {took:.0f} s: {float(value.detach()):.3f}", flush=True
            )
