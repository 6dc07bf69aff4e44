"""What each way of sampling costs and gives: exact reuse, stride, the aligned form, guidance, condition strength.

    python benchmarks/paper/sampling_options.py [--scenes 24] [--steps 600] [--output outputs/paper]

Paints label maps of scenes with both built-in checkpoints under each setting. Measures CPU seconds a picture, the likelihood of
what was painted under the checkpoint's own exact rule, and how far pictures follow their maps: the mIoU of a segmenter that the
script trains from nothing on scenes. One plot shows all. A script that was stopped goes on.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from results import Kept, plot_points, print_table
from torch import Tensor, nn

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.evaluation import evaluate_faithfulness, generate_samples
from vqgan_transformer.evaluation.label_agreement import confusion_matrix, segmentation_scores
from vqgan_transformer.scenes import make_scene
from vqgan_transformer.scenes.labels import LABELS

SIZE, HALF = (320, 480), (160, 240)  # of pictures, and of what the segmenter sees
NAMES = tuple(LABELS)
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "paper's form, no reuse": ("builtin:scenes-paper", {"memory_limit": 0}),
    "paper's form, exact reuse": ("builtin:scenes-paper", {}),
    "paper's form, stride 2": ("builtin:scenes-paper", {"stride": 2}),
    "paper's form, stride 4": ("builtin:scenes-paper", {"stride": 4}),
    "paper's form, stride 8": ("builtin:scenes-paper", {"stride": 8}),
    "aligned": ("builtin:scenes", {"guidance_scale": 1.0}),
    "aligned, guidance 1.5": ("builtin:scenes", {"guidance_scale": 1.5}),
    "aligned, guidance 2": ("builtin:scenes", {"guidance_scale": 2.0}),
    "aligned, guidance 3": ("builtin:scenes", {"guidance_scale": 3.0}),
    "aligned, strength 1.5": ("builtin:scenes", {"guidance_scale": 1.0, "condition_strength": {"segmentation": 1.5}}),
    "aligned, strength 2": ("builtin:scenes", {"guidance_scale": 1.0, "condition_strength": {"segmentation": 2.0}}),
}


class Segmenter(nn.Module):
    """A small network that tells the labels of scenes."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 24, 48, 64, 64)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in itertools.pairwise(widths))
        self.wide = nn.Conv2d(64, 64, 5, padding=2)
        self.heads = nn.ModuleList(nn.Conv2d(width, len(NAMES), 1) for width in widths[1:])

    def forward(self, pictures: Tensor) -> Tensor:
        """Float (B, 3, H, W) -> logits (B, labels, H, W)."""
        features, logits = pictures, torch.zeros(())
        for number, (down, head) in enumerate(zip(self.down, self.heads, strict=True)):
            features = F.gelu(down(features))
            if number == len(self.down) - 1:
                features = features + F.gelu(self.wide(features))
            logits = logits + F.interpolate(head(features), pictures.shape[2:], mode="bilinear", align_corners=False)
        return logits


def scene(seed: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Picture (3, H, W) and numbers of its labels (H, W)."""
    made = make_scene(seed=seed, size=size, time_of_day="day")
    numbers = np.full(256, 0)
    numbers[list(LABELS.values())] = range(len(NAMES))
    return torch.from_numpy(made.image).movedim(-1, 0) / 127.5 - 1, torch.from_numpy(numbers[made.segmentation])


def segmenter(steps: int, path: Path) -> Segmenter:
    """Trained on ever new scenes, some of them blurred as tokenizers blur; made once and kept."""
    torch.manual_seed(0)
    model = Segmenter()
    if path.is_file():
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        pictures, labels = (
            torch.stack(part) for part in zip(*(scene(6 * step + k, HALF) for k in range(6)), strict=True)
        )
        if step % 2:
            pictures = F.interpolate(F.avg_pool2d(pictures, 2), scale_factor=2, mode="bilinear", align_corners=False)
        loss = F.cross_entropy(model(pictures), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return model.eval()


def main(scenes: int, steps: int, output: Path) -> None:
    network = segmenter(steps, output / f"segmenter_{steps}.pt")

    def reader(picture: Image.Image) -> np.ndarray:
        pixels = (
            torch.from_numpy(np.array(picture.resize(HALF[::-1], Image.Resampling.BOX))).movedim(-1, 0)[None] / 127.5
            - 1
        )
        with torch.no_grad():
            logits = F.interpolate(network(pixels), SIZE, mode="bilinear", align_corners=False)
        return logits[0].argmax(0).numpy()

    made = [make_scene(seed=20_000_000 + seed, size=SIZE, time_of_day="day") for seed in range(scenes)]
    maps = [each.segmentation for each in made]
    kept = Kept(output / "sampling_options.json", {"scenes": scenes, "steps": steps})

    def measure(name: str, source: str, settings: dict[str, Any]) -> dict[str, Any]:
        pipe = ImageSynthesisPipeline.from_pretrained(source)
        folder = output / "sampling_options" / f"{scenes}_{name.replace(', ', '_').replace(' ', '_')}"
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was stopped, whose time is not known
        # a class fixes the time of day, which the segmenter knows only one of
        given: dict[str, Any] = {"segmentation": maps, "class_label": [each.class_label for each in made]}
        lists = {condition.name: given[condition.name] for condition in pipe.conditions if condition.name in given}
        start = time.process_time()
        samples = generate_samples(pipe, folder / "samples", batch_size=1, progress=False, **lists, **settings)
        seconds = (time.process_time() - start) / scenes
        result = evaluate_faithfulness(
            pipe,
            reader=reader,
            condition="segmentation",
            reader_labels=NAMES,
            batch_size=1,
            folder=folder,
            progress=False,
            **lists,
            **settings,
        )
        pictures = [Image.open(samples / f"{index:06d}.png") for index in range(scenes)]
        nats = [
            -pipe.log_likelihood(picture, **{name: values[index] for name, values in lists.items()}).item()
            for index, picture in enumerate(pictures)
        ]
        return {
            "seconds": seconds,
            "nats": float(np.mean(nats)),
            "miou": result.numbers["miou"],
            "accuracy": result.numbers["pixel_accuracy"],
        }

    found = {
        name: kept(name, lambda n=name, s=source, a=settings: measure(n, s, a))
        for name, (source, settings) in SETTINGS.items()
    }
    confusion = sum(
        confusion_matrix(labels, torch.from_numpy(reader(Image.fromarray(each.image))), len(NAMES))
        for each, labels in ((each, scene(each.seed, SIZE)[1]) for each in made)
    )
    assert isinstance(confusion, Tensor)
    own = segmentation_scores(confusion.numpy())
    print(
        f"\n{scenes} scenes of {SIZE[0]}×{SIZE[1]} pixels, one thread. Of the scenes themselves the segmenter reads "
        f"{own['pixel_accuracy']:.1%} of the pixels rightly, mIoU {own['miou']:.3f}\n"
    )
    print_table(
        ("setting", "CPU seconds a picture", "nats of what was painted", "mIoU", "pixel accuracy"),
        [(name, r["seconds"], r["nats"], r["miou"], r["accuracy"]) for name, r in found.items()],
    )
    print(
        "\nOurs beyond the paper, which draws each token from its window read anew and gives no such numbers.\n"
        "May be concluded: what each setting costs and changes on these checkpoints. May not: which checkpoint is better by "
        "its nats, since the two have tokenizers of their own; nor that settings rank alike on photographs."
    )
    plot_points(
        output / "sampling_options.png",
        {name: (record["seconds"], record["miou"], record["nats"]) for name, record in found.items()},
        ("CPU seconds a picture", "mIoU", "nats of what was painted"),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=24, help="that are painted under each setting")
    parser.add_argument("--steps", type=int, default=600, help="of the segmenter's training")
    parser.add_argument("--output", type=Path, default=Path("outputs/paper"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    main(given.scenes, given.steps, given.output)
