"""Which share of label maps shows a place that can be: sky above ground, one horizon.

python examples/plans.py PIPELINE                      # of true scenes, and of the pipeline's plans
python examples/plans.py PIPELINE --sheet plans.png    # the plans as a picture, too
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from measuring.plausibility import faults, is_plausible

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.conditions import label_space
from vqgan_transformer.contact_sheet import contact_sheet
from vqgan_transformer.scenes import make_scene

NAMES = label_space("coco-stuff-182").names


def planned(
    pipe: ImageSynthesisPipeline, seeds: Sequence[int], size: tuple[int, int]
) -> tuple[torch.Tensor, list[str]]:
    """The plans of pictures whose seeds choose the class, int64 (B, H, W), and the names of the classes."""
    if pipe.planner is None:
        raise SystemExit("this pipeline has no planner.")
    classes = pipe.condition("class_label")
    chosen = classes.chosen_by(seeds)
    followed = {} if chosen is None else {classes.name: chosen}
    names = ["" if chosen is None else classes.describe(label) for label in (seeds if chosen is None else chosen)]
    return pipe.planner.plan(pipe.conditions, followed, size, seeds)["segmentation"], names


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a pipeline with a planner")
    parser.add_argument("--plans", type=int, default=100, help="how many, of the seeds from 0 on")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), help="height and width of the pictures")
    parser.add_argument("--sheet", type=Path, help="a picture of the first 24")
    arguments = parser.parse_args()
    pipe, size = ImageSynthesisPipeline.from_pretrained(arguments.source), tuple(arguments.size)
    plans, names = planned(pipe, range(arguments.plans), size)
    held_out = (make_scene(10_000_000 + seed, size).segmentation.astype(int) for seed in range(arguments.plans))
    for title, maps in (("true scenes", list(held_out)), ("plans", list(plans.numpy()))):
        found = Counter(fault for labels in maps for fault in faults(labels, NAMES))
        share = np.mean([is_plausible(labels, NAMES) for labels in maps])
        print(f"{title}: {share:.1%} plausible; {', '.join(f'{count} × {fault}' for fault, count in found.items())}")
    if arguments.sheet is not None:
        shown = pipe.condition("segmentation").show(plans[:24])
        contact_sheet([shown[start : start + 6] for start in range(0, len(shown), 6)]).save(arguments.sheet)
        print(*names[:24], sep=", ")


if __name__ == "__main__":
    main()
