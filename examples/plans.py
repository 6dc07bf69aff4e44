"""Which share of label maps shows a place that can be: sky above ground, one horizon.

python examples/plans.py PIPELINE                      # of true scenes, and of the pipeline's plans
python examples/plans.py PIPELINE --sheet plans.png    # the plans as a picture, too
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.contact_sheet import contact_sheet
from vqgan_transformer.scenes import LABELS, make_scene

DEPTHS: Sequence[Sequence[str]] = (
    ("sky-other", "clouds"),
    ("mountain", "snow"),
    ("hill", "grass", "dirt", "gravel", "sand", "river", "sea", "water-other"),
)
"""What lies behind what: a later row stands in front, and so below, the earlier ones. Things stand anywhere, and snow lies
on mountains as on the ground."""

COLUMNS = 0.95  # of a map that must be in order
JUMP = 0.35  # of the height: the most by which the end of the sky may differ 1/16 of the width further on


def depths(labels: np.ndarray) -> np.ndarray:
    """0 for sky, 1 for mountains and snow, 2 for ground and water, -1 for things: int (H, W) of label ids (H, W)."""
    table = np.full(max(LABELS.values()) + 1, -1)
    for depth, names in enumerate(DEPTHS):
        table[[LABELS[name] for name in names]] = depth
    return np.where(labels < 0, -1, table[labels])


def faults(labels: np.ndarray) -> list[str]:
    """What cannot be in a label map (H, W) of a landscape; nothing, in one that can."""
    depth = depths(labels)
    height, width = depth.shape
    found = []
    if np.isin(depth[0], (-1, 0)).mean() < COLUMNS or not (depth[0] == 0).any():
        found.append("no sky at the top")
    nearest = np.maximum.accumulate(depth, axis=0)  # of what is above, and here
    behind = (depth >= 0) & (depth < nearest)  # what is further away lies below what is nearer
    if (behind & (depth == 0)).any(0).mean() > 1 - COLUMNS:
        found.append("sky below ground")
    if (behind & (labels == LABELS["mountain"])).any(0).mean() > 1 - COLUMNS:
        found.append("mountains below ground")
    if not (depth[-1] != 0).all():
        found.append("no ground at the bottom")
    ends = np.where(depth == 0, np.arange(height)[:, None], -1).max(0) / height
    open_columns, step = ends >= 0, max(1, round(width / 16))  # things may hide the sky
    jumps = np.abs(ends[step:] - ends[:-step])[open_columns[step:] & open_columns[:-step]]
    if len(jumps) and (jumps > JUMP).mean() > 1 - COLUMNS:
        found.append("several horizons")
    return found


def plausible_share(maps: Iterable[np.ndarray]) -> float:
    """Share of label maps (H, W) without faults."""
    return float(np.mean([not faults(labels) for labels in maps]))


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
        found = Counter(fault for labels in maps for fault in faults(labels))
        print(f"{title}: {plausible_share(maps):.1%} plausible; {', '.join(f'{n} × {f}' for f, n in found.items())}")
    if arguments.sheet is not None:
        shown = pipe.condition("segmentation").show(plans[:24])
        contact_sheet([shown[start : start + 6] for start in range(0, len(shown), 6)]).save(arguments.sheet)
        print(*names[:24], sep=", ")


if __name__ == "__main__":
    main()
