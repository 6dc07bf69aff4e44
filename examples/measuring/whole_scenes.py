"""Pictures of which little is given: whether they are places, whether boxes hold what they name, and how bright they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scene_folder import NAMES, layout
from torch import Tensor

from vqgan_transformer.scenes import LABELS, Scene, make_scene

from .distances import luminance
from .faithfulness import TrueScenes
from .intervals import Shares, mean_of
from .painting import Case, Checkpoint
from .plausibility import is_plausible, stand_in
from .readers import Readers
from .report import TRUE, Table

__all__ = ["BOXES", "NOTHING", "compare_boxes", "compare_light", "compare_plausibility"]

CLASS, NOTHING, BOXES = Case("class", ("class_label",)), Case("nothing", ()), Case("boxes", ("layout",))
_LABELS = Case("labels", ("segmentation",))
_FILLED = 0.25
_MAPS = (3, 0, 11)
"""Scenes under whose label maps eight seeds choose a season and an hour."""


def compare_plausibility(table: Table, readers: Readers, true: TrueScenes, checkpoints: Sequence[Checkpoint]) -> None:
    """Adds the share of pictures whose labels, as read, form a landscape."""
    exact = [is_plausible(readers.channels_of(scene.segmentation).numpy(), readers.labels) for scene in true.scenes]
    table.add("plausible scenes: exact labels", TRUE, mean_of(Shares.of([(float(each), 1) for each in exact])))
    of_true = mean_of(_plausible(readers, true.pictures))
    for each in checkpoints:
        of_rebuilt = mean_of(_plausible(readers, each.reconstruct(true.scenes)))
        for case in (_LABELS, CLASS, NOTHING):
            row = f"plausible scenes: {case.name} given"
            table.add(row, TRUE, of_true)
            table.add(row, f"{each.name}, reconstructed", of_rebuilt)
            table.add(row, each.name, mean_of(_plausible(readers, each.paint(case, true.scenes))))


def _plausible(readers: Readers, pictures: Sequence[Tensor]) -> Shares:
    """Of what is likeliest at each place: sky, mountains, snow, ground or a thing."""
    stand_ins = [stand_in(name) for name in readers.labels]
    names = sorted(set(stand_ins))
    sums = torch.tensor([[float(each == name) for each in stand_ins] for name in names])
    shares = []
    for picture in pictures:
        likeliest = torch.einsum("n c, c h w -> n h w", sums, readers.read(picture).probabilities).argmax(0)
        shares.append((float(is_plausible(likeliest.numpy(), names)), 1))
    return Shares.of(shares)


def compare_boxes(table: Table, readers: Readers, true: TrueScenes, checkpoints: Sequence[Checkpoint]) -> None:
    """Adds the share of boxes of which at least a fourth is read as the label that they name."""
    row = "boxes that hold what they name"
    table.add(row, TRUE, mean_of(_filled(readers, true.pictures, true.scenes)))
    for checkpoint in checkpoints:
        rebuilt = checkpoint.reconstruct(true.scenes)
        table.add(row, f"{checkpoint.name}, reconstructed", mean_of(_filled(readers, rebuilt, true.scenes)))
        if checkpoint.knows(BOXES):
            pictures = checkpoint.paint(BOXES, true.scenes)
            table.add(f"{row}, boxes alone", checkpoint.name, mean_of(_filled(readers, pictures, true.scenes)))


def _filled(readers: Readers, pictures: Sequence[Tensor], scenes: Sequence[Scene]) -> Shares:
    pairs, names = [], [NAMES[LABELS[name]] for name in readers.labels]
    for picture, scene in zip(pictures, scenes, strict=True):
        labels = readers.read(picture).labels.numpy()
        height, width = labels.shape
        boxes, hits = layout(scene), 0
        for name, left, top, right, bottom in boxes:
            inside = labels[
                int(top * height) : max(1, round(bottom * height)), int(left * width) : max(1, round(right * width))
            ]
            hits += bool(inside.size and (inside == names.index(name)).mean() >= _FILLED)
        pairs.append((hits, len(boxes)))
    return Shares.of(pairs)


def compare_light(table: Table, checkpoints: Sequence[Checkpoint], side: int = 256) -> None:
    """Adds the mean luminance of what seeds 0 to 7 paint without a class, under the label maps of a few scenes."""
    for number in _MAPS:
        scenes = [make_scene(number, (side, side))] * 8
        case = Case(f"labels of scene {number}, seeds 0–7", ("segmentation",))
        for checkpoint in checkpoints:
            values = [(luminance(picture), 1) for picture in checkpoint.paint(case, scenes)]
            table.add(f"mean luminance, {case.name}", checkpoint.name, mean_of(Shares.of(values)))
    for checkpoint in checkpoints:
        values = [(luminance(picture), 1) for picture in checkpoint.paint(NOTHING, [make_scene(0, (side, side))] * 8)]
        table.add("mean luminance, nothing given, seeds 0–7", checkpoint.name, mean_of(Shares.of(values)))
