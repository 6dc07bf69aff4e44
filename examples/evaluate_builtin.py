"""Measures a pipeline of the aligned form on scenes that nothing was trained on.

    python examples/evaluate_builtin.py FOLDER                  # the folder that train_builtin.py wrote scenes into
    python examples/evaluate_builtin.py FOLDER --source FOLDER/pipeline --pictures 48

How much of a condition is in the pictures? Networks learn to read labels, depth, joints and classes from true scenes, and
then read them from generated ones. The numbers are relative to what they read from true pictures; ``alone`` is where only
this condition was given, ``together`` where all were. Fréchet distances are between the readers' features of generated and
of true pictures, relative to those of reconstructions; all other numbers are shares.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from readers import ClassReader, PoseReader, SceneReader, people_of, read_joints, train_readers
from torch import Tensor

from vqgan_transformer import ClassCondition, ImageSynthesisPipeline, SegmentationCondition
from vqgan_transformer.evaluation import contact_sheet
from vqgan_transformer.images import from_pixels, to_pil
from vqgan_transformer.scenes import Scene, make_scene

HELD_OUT = 10_000_000  # seeds from here on are for evaluation only
READ_FROM = {"segmentation": "labels", "depth": "depth", "keypoints": "joints", "class_label": "class"}
PEOPLE = {"40–64 px": (40, 64), "64 px and more": (64, np.inf)}


@dataclass(frozen=True)
class Readers:
    """The networks, and the conditions whose names and channels they speak of."""

    scene: SceneReader
    style: ClassReader
    pose: PoseReader
    labels: SegmentationCondition
    classes: ClassCondition

    @torch.inference_mode()
    def read(self, image: Tensor, scene: Scene) -> dict[str, Any]:
        """What can be said of a picture (1, 3, H, W) that shows a scene."""
        (logits, depth, features), classes = self.scene(image), self.style(image)
        channels = torch.tensor(self.labels.config.channels)[torch.from_numpy(scene.segmentation).long()]
        found: dict[str, Any] = {
            "labels": float((logits.argmax(1)[0] == channels).float().mean()),
            "class": float(self.classes.config.labels[int(classes[0].argmax())] == class_name(scene)),
            "features": features[0],
        }
        if max(image.shape[-2:]) >= 512:
            found["depth"] = rank_correlation(depth[0, 0], torch.from_numpy(scene.depth))
        for name, (smallest, largest) in PEOPLE.items():
            joints = [
                np.linalg.norm(read_joints(self.pose, image, person) - person[:, :2], axis=1)[person[:, 2] == 2]
                / np.ptp(person[person[:, 2] == 2, :2], axis=0).max()
                for person in people_of(scene.keypoints, smallest, largest)
            ]
            if joints:
                found[f"joints, people of {name}"] = [float(hit) for hit in np.concatenate(joints) < 0.1]
        return found


def class_name(scene: Scene) -> str:
    """As the checkpoint calls it."""
    return f"{scene.season} {scene.time_of_day}"


def rank_correlation(one: Tensor, other: Tensor, each: int = 4) -> float:
    """Spearman's, of every fourth row and column."""
    ranks = [x[::each, ::each].flatten().double().argsort().argsort().double() for x in (one, other)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def frechet(one: Tensor, other: Tensor) -> float:
    """The Fréchet distance between Gaussians fitted to features (N, d)."""
    difference = one.mean(0) - other.mean(0)
    first, second = one.T.cov().double(), other.T.cov().double()
    mixed = torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt().sum()
    return float(difference.double().square().sum() + first.trace() + second.trace() - 2 * mixed)


def means(records: list[dict[str, Any]]) -> dict[str, float]:
    """The mean of each number over pictures; of joints over all joints."""
    names = sorted({name for record in records for name in record} - {"features"})
    return {
        name: float(np.mean(np.concatenate([np.atleast_1d(r[name]) for r in records if name in r]))) for name in names
    }


def draw(pipe: ImageSynthesisPipeline, scenes: list[Scene], kinds: tuple[str, ...], **settings: Any) -> list[Tensor]:
    """Pictures of scenes under some of their conditions."""
    given = {
        "segmentation": [scene.segmentation for scene in scenes],
        "depth": [scene.depth for scene in scenes],
        "keypoints": [scene.keypoints for scene in scenes],
        "class_label": [class_name(scene) for scene in scenes],
    }
    size = scenes[0].image.shape[:2]
    out = pipe(**{kind: given[kind] for kind in kinds}, size=size, seed=0, output_type="pt", progress=False, **settings)
    return list(out.images.split(1))


@torch.no_grad()
def evaluate(pipe: ImageSynthesisPipeline, readers: Readers, scenes: list[Scene], folder: Path) -> dict[str, Any]:
    """All numbers of one size."""
    true = [from_pixels(scene.image) for scene in scenes]
    rebuilt = [pipe.vqgan.decode(pipe.vqgan.encode(image)).clamp(-1, 1) for image in true]
    kinds = tuple(READ_FROM)
    side = scenes[0].image.shape[0]

    def read(pictures: list[Tensor]) -> list[dict[str, Any]]:
        return [readers.read(picture, scene) for picture, scene in zip(pictures, scenes, strict=True)]

    of_true, of_rebuilt = read(true), read(rebuilt)
    base = means(of_true)
    results: dict[str, Any] = {"true": base, "reconstructions": relative(means(of_rebuilt), base)}
    errors = torch.stack([(one - other).square().mean() for one, other in zip(true, rebuilt, strict=True)])
    results["psnr"] = float((10 * torch.log10(4 / errors)).mean())
    for guidance in (1.0, 2.0, 3.0):
        alone: dict[str, float] = {}
        for kind, prefix in READ_FROM.items():
            if not any(name.startswith(prefix) for name in base):
                continue
            pictures = draw(pipe, scenes, (kind,), guidance_scale=guidance)
            numbers = relative(means(read(pictures)), base)
            alone |= {name: value for name, value in numbers.items() if name.startswith(prefix)}
        pictures = draw(pipe, scenes, kinds, guidance_scale=guidance)
        of_drawn = read(pictures)
        results[f"guidance {guidance:g}"] = {"alone": alone, "together": relative(means(of_drawn), base)}
        rows = [[scene.image, to_pil(picture)[0]] for scene, picture in zip(scenes[:8], pictures[:8], strict=True)]
        contact_sheet(rows, ["true", "painted"], height=side).save(folder / f"{side}_guidance_{guidance:g}.png")
        if len(scenes) >= 32:
            true_, rebuilt_, drawn = (
                torch.stack([r["features"] for r in rs]) for rs in (of_true, of_rebuilt, of_drawn)
            )
            results[f"guidance {guidance:g}"]["fréchet"] = frechet(drawn, true_) / frechet(rebuilt_, true_)
    return results


def relative(numbers: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    """Each number as a share of that of true pictures."""
    return {name: value / base[name] for name, value in numbers.items() if base[name]}


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source", default="builtin:scenes")
    parser.add_argument(
        "--steps", type=int, default=1200, help="of training for the reader of labels and depth; the others take more"
    )
    parser.add_argument("--pictures", type=int, default=64, help="of 256×256 pixels; larger ones are fewer")
    parser.add_argument("--sides", type=int, nargs="+", default=(256, 512, 1024))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pipe = ImageSynthesisPipeline.from_pretrained(arguments.source)
    labels, classes = pipe.condition("segmentation"), pipe.condition("class_label")
    readers = Readers(*train_readers(arguments.folder / "scenes", labels, classes, arguments.steps), labels, classes)
    pictures = arguments.folder / "evaluation"
    pictures.mkdir(exist_ok=True)
    for side in arguments.sides:
        start, count = time.perf_counter(), max(2, 256 * 256 * arguments.pictures // side**2)
        # every other picture has people
        scenes = [make_scene(HELD_OUT + n, (side, side), people=2 if n % 2 else None) for n in range(count)]
        report = {f"{count} of {side}×{side}": evaluate(pipe, readers, scenes, pictures)}
        text = json.dumps(report, indent=2, ensure_ascii=False)
        (pictures / f"{side}.json").write_text(text, encoding="utf-8")
        print(f"{text}\n{time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
