"""Scenes with all that is known of them, in a folder as the train functions read it."""

from __future__ import annotations

import json
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from vqgan_transformer.conditions.label_components import Components
from vqgan_transformer.scenes import LABELS, Scene, line_drawing, make_scene, outlines

__all__ = ["drawing", "layout", "write_scenes"]

SIDES = {256: 1, 512: 2, 1024: 1}  # pixels of a scene's side, and how many of each go into four
SMALLEST_REGION = 0.02  # of the picture, to be named in a layout
NAMES = {number: name.removesuffix("-other") for name, number in LABELS.items()}


def write_scenes(folder: Path, count: int, processes: int) -> None:
    """Pictures, label maps, depth (16 bits, near is large), drawings, keypoints, boxes and classes; what is there is kept."""
    for name in ("images", "segmentations", "depths", "drawings", "records"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    order = [side for side, share in SIDES.items() for _ in range(share)]
    jobs = [(folder, seed, order[seed % len(order)]) for seed in range(count)]
    jobs = [job for job in jobs if not (folder / "records" / f"{job[1]:05d}.json").exists()]
    if jobs:
        with get_context("spawn").Pool(processes) as pool:
            pool.starmap(write_scene, jobs, chunksize=4)
    records = [(folder / "records" / f"{seed:05d}.json").read_text() for seed in range(count)]
    (folder / "metadata.jsonl").write_text("\n".join(records) + "\n")


def write_scene(folder: Path, seed: int, side: int) -> None:
    """One scene; its record comes last, as the sign that it is complete."""
    scene, name = make_scene(seed, (side, side)), f"{seed:05d}.png"
    # pictures are read in every epoch: packing would save less space than time
    Image.fromarray(scene.image).save(folder / "images" / name, compress_level=0)
    Image.fromarray(scene.segmentation).save(folder / "segmentations" / name)
    Image.fromarray((scene.depth * 65535).round().astype(np.uint16)).save(folder / "depths" / name)
    Image.fromarray(drawing(scene, np.random.default_rng(seed))).save(folder / "drawings" / name)
    record = {
        "file_name": f"images/{name}",
        "segmentation_file_name": f"segmentations/{name}",
        "depth_file_name": f"depths/{name}",
        "condition_image_file_name": f"drawings/{name}",
        "keypoints": np.round(scene.keypoints, 2).tolist(),
        "layout": layout(scene),
        "class_label": scene.class_label,
    }
    (folder / "records" / f"{seed:05d}.json").write_text(json.dumps(record))


def drawing(scene: Scene, generator: np.random.Generator) -> np.ndarray:
    """A line drawing, white on black, uint8 (H, W): outlines as a person draws them, or what an edge detector finds."""
    how, softness, threshold = generator.integers(3), generator.uniform(0.6, 2.0), generator.uniform(0.03, 0.08)
    if how == 0:
        lines = outlines(scene.segmentation, scene.depth)
    else:
        lines = line_drawing(scene.image, softness=softness, threshold=threshold)
    for _ in range(int(generator.integers(len(lines) // 512 + 1))):
        thick = lines.copy()
        thick[1:] |= lines[:-1]
        thick[:, 1:] |= lines[:, :-1]
        lines = thick
    return lines.astype(np.uint8) * np.uint8(255)


def layout(scene: Scene) -> list[list[str | float]]:
    """Name and relative box [label, left, top, right, bottom] of the regions of a scene, and of the things in it."""
    each = max(1, len(scene.segmentation) // 128)
    labels = scene.segmentation[::each, ::each].astype(np.int64)
    parts = Components(labels)
    height, width = labels.shape
    boxes: list[list[str | float]] = []
    things = {LABELS[name] for name, _ in scene.objects}
    for number in np.argsort(-parts.areas):
        part = parts[int(number)]
        if parts.areas[number] < SMALLEST_REGION * labels.size or part.label in things:
            continue
        corners = part.left / width, part.top / height, (part.right + 1) / width, (part.bottom + 1) / height
        boxes.append([NAMES[part.label], *(round(corner, 4) for corner in corners)])
    tall, wide = scene.segmentation.shape
    for name, (left, top, right, bottom) in scene.objects:
        boxes.append(
            [name, round(left / wide, 4), round(top / tall, 4), round(right / wide, 4), round(bottom / tall, 4)]
        )
    return boxes
