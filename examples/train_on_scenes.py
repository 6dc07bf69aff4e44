"""All of it from nothing: a tokenizer of pictures, one of label maps, and a GPT that paints the one from the other.

    python examples/train_on_scenes.py FOLDER                  # about an hour on two CPU cores; stops and starts at will
    python examples/train_on_scenes.py FOLDER --steps 20       # a minute, to see it run

The scenes are procedural, so nothing is downloaded. For pictures of your own, replace `write_scenes` by a folder with
`images/` and `segmentations/`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from vqgan_transformer import (
    GPTTraining,
    SegmentationCondition,
    VQGANConfig,
    VQGANTraining,
    train_cond_gpt,
    train_vqgan,
)
from vqgan_transformer.scenes import LABEL_COLOURS, LABELS, make_scene
from vqgan_transformer.training.gpt_training import fitting_config

NAMES = sorted(LABELS, key=LABELS.__getitem__)


def write_scenes(folder: Path, count: int) -> None:
    """Pictures and label maps, 256×384, what is there already is kept."""
    for name in ("images", "segmentations"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        target = folder / "segmentations" / f"{seed:05d}.png"
        if target.exists():
            continue
        scene = make_scene(seed, size=(256, 384), time_of_day="day")
        labels = np.searchsorted([LABELS[name] for name in NAMES], np.asarray(scene.segmentation))
        Image.fromarray(scene.image).save(folder / "images" / f"{seed:05d}.png")
        Image.fromarray(labels.astype(np.uint8)).save(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=2000, help="of each training")
    parser.add_argument("--scenes", type=int, default=400)
    arguments = parser.parse_args()
    folder, scenes = arguments.folder, arguments.folder / "scenes"
    write_scenes(scenes, min(arguments.scenes, 10 * arguments.steps))

    shared = {"max_steps": arguments.steps, "batch_size": 8, "crop_size": 128, "short_side": 256}
    small = {"channels": 24, "channel_multipliers": (1, 2, 3, 4), "num_res_blocks": 1, "decoder_res_blocks": 1}
    vqgan = train_vqgan(
        scenes, folder / "vqgan", config=VQGANConfig.modern(**small), resume=True,
        training=VQGANTraining.modern(perceptual="random", disc_channels=32, disc_layers=2, **shared),
    )  # fmt: skip
    palette = [LABEL_COLOURS[name] for name in NAMES]
    labels = train_vqgan(
        scenes, folder / "labels", kind="segmentation", resume=True,
        condition=SegmentationCondition(labels=NAMES, palette=palette),
        config=VQGANConfig.modern(in_channels=len(NAMES), out_channels=len(NAMES), **small),
        training=VQGANTraining.modern(pixel_loss="cross_entropy", **shared),
    )  # fmt: skip
    condition = SegmentationCondition(labels=NAMES, palette=palette, vqgan=labels)
    training = GPTTraining.modern(condition_dropout=0.1, **shared)
    pipe = train_cond_gpt(
        scenes, folder / "gpt", vqgan=vqgan, condition=condition, training=training, resume=True,
        config=fitting_config(vqgan, condition, training, n_layer=6, n_head=6, n_embd=192),
    )  # fmt: skip
    pipe(segmentation=scenes / "segmentations" / "00000.png", seed=0).images[0].save(folder / "picture.png")
    print(f"painted {folder / 'picture.png'}")


if __name__ == "__main__":
    main()
