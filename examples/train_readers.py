"""Trains the networks that `evaluate_builtin.py` reads pictures with, on true scenes only.

    python examples/train_readers.py FOLDER/scenes FOLDER/readers      # scenes as train_builtin.py writes them
    python examples/train_readers.py FOLDER/scenes FOLDER/readers --steps 20 --cut-scenes 20     # to see it run

They are trained once, and every checkpoint is read by the same ones. What is trained already is kept.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from measuring.reader_training import (
    Cuts,
    train_class_reader,
    train_pose_reader,
    train_scene_reader,
    train_thing_reader,
)
from measuring.readers import Readers

from vqgan_transformer.scenes import LABELS, SEASONS, TIMES_OF_DAY


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("readers", type=Path, help="where the readers are kept")
    parser.add_argument(
        "--steps", type=int, default=1200, help="for labels and depth; the others take their share of it"
    )
    parser.add_argument("--cut-scenes", type=int, default=900, help="that people and things are cut out of")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    labels, classes = tuple(sorted(LABELS)), tuple(f"{season} {hour}" for season in SEASONS for hour in TIMES_OF_DAY)
    readers, steps, scenes = Readers.untrained(labels, classes), arguments.steps, arguments.scenes
    missing = [name for name in readers.networks if not (arguments.readers / f"{name}.pt").exists()]
    cuts = Cuts(arguments.cut_scenes) if {"pose", "thing"} & set(missing) else None
    trainings = {
        "scene": lambda: train_scene_reader(readers.scene, scenes, labels, steps),
        "class": lambda: train_class_reader(readers.style, scenes, classes, steps // 2),
        "pose": lambda: train_pose_reader(readers.pose, cuts, 2 * steps),
        "thing": lambda: train_thing_reader(readers.thing, cuts, steps),
    }
    arguments.readers.mkdir(parents=True, exist_ok=True)
    for name in missing:
        trainings[name]()
        torch.save(readers.networks[name].state_dict(), arguments.readers / f"{name}.pt")
    names = {"labels": labels, "classes": classes}
    (arguments.readers / "readers.json").write_text(json.dumps(names), encoding="utf-8")


if __name__ == "__main__":
    main()
