"""A second stage on your own data, under any condition, on a tokenizer that is there.

    python examples/train_second_stage.py DATA RUN --vqgan VQGAN unconditional
    python examples/train_second_stage.py DATA RUN --vqgan VQGAN class_label                       # a folder for each class
    python examples/train_second_stage.py DATA RUN --vqgan VQGAN segmentation --labels labels.txt --map-vqgan LABELS
    python examples/train_second_stage.py DATA RUN --vqgan VQGAN depth --map-vqgan DEPTH           # images/ and depths/
    python examples/train_second_stage.py DATA RUN --vqgan VQGAN keypoints --map-vqgan SKELETONS   # images/, keypoints.json
    python examples/train_second_stage.py DATA RUN --vqgan VQGAN coordinates                       # aligned pictures: faces

VQGAN is a checkpoint, a folder or a Hub id, and so is --map-vqgan, the tokenizer of the condition's maps, which
`train_vqgan(data, run, kind="segmentation" | "depth" | "keypoints")` makes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CoordinatesCondition,
    DepthCondition,
    GPTTraining,
    KeypointsCondition,
    SegmentationCondition,
    Unconditional,
    train_cond_gpt,
)
from vqgan_transformer.conditions import Condition
from vqgan_transformer.training.gpt_training import fitting_config


def make_condition(arguments: argparse.Namespace, vqgan: VQGAN) -> Condition:
    kind = arguments.condition
    maps = VQGAN.from_pretrained(arguments.map_vqgan) if arguments.map_vqgan else None
    if kind == "class_label":
        return ClassCondition(labels=sorted(path.name for path in arguments.data.iterdir() if path.is_dir()))
    if kind == "segmentation":
        return SegmentationCondition(labels=arguments.labels.read_text().split("\n"), vqgan=maps)
    if kind == "coordinates":
        return CoordinatesCondition(vqgan.codebook_size, downsample_factor=vqgan.downsample_factor)
    return {"depth": DepthCondition, "keypoints": KeypointsCondition}[kind](vqgan=maps) if maps else Unconditional()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path, help="the run folder; a run that is there goes on")
    kinds = ("unconditional", "class_label", "segmentation", "depth", "keypoints", "coordinates")
    parser.add_argument("condition", choices=kinds)
    parser.add_argument("--vqgan", required=True)
    parser.add_argument("--map-vqgan")
    parser.add_argument("--labels", type=Path, help="the names of the labels, one a line, in the order of their ids")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--crop-size", type=int, default=256)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--width", type=int, default=512)
    arguments = parser.parse_args()
    if arguments.condition in ("segmentation", "depth", "keypoints") and not arguments.map_vqgan:
        parser.error(f"{arguments.condition} needs --map-vqgan, the tokenizer of its maps")
    if arguments.condition == "segmentation" and arguments.labels is None:
        parser.error("segmentation needs --labels")
    vqgan = VQGAN.from_pretrained(arguments.vqgan)
    condition = make_condition(arguments, vqgan)
    training = GPTTraining.modern(
        max_steps=arguments.steps, batch_size=arguments.batch_size, crop_size=arguments.crop_size, condition_dropout=0.1
    )
    config = fitting_config(
        vqgan, condition, training, n_layer=arguments.layers, n_head=arguments.heads, n_embd=arguments.width
    )
    train_cond_gpt(
        arguments.data, arguments.run, vqgan=vqgan, condition=condition, config=config, training=training, resume=True
    )


if __name__ == "__main__":
    main()
