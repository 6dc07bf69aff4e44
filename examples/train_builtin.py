"""Trains the checkpoint `builtin:scenes`: an aligned model of scenes, for labels, depth, people and classes, alone or together.

    python examples/train_builtin.py FOLDER                       # everything; stops and starts at will
    python examples/train_builtin.py FOLDER --hours 2             # a stretch of two hours; run it again to go on
    python examples/train_builtin.py FOLDER --steps 20 --scenes 8 # a minute, to see it run

The steps, each of which goes on where it was:
    scenes      draws pictures with what is known of them (a folder that `train_vqgan` reads)
    vqgan       trains the tokenizer: f = 8, local operations only, so that strips decode as the whole
    gpt         trains the generator on crops of 128 pixels, 16×16 tokens
    decoder     trains the tokenizer's decoder further, against a discriminator; tokens stay
    planner     trains what draws a coarse label map first, where nothing says what is where
    pipeline    puts everything together in half precision: FOLDER/pipeline
"""

from __future__ import annotations

import _thread
import argparse
import colorsys
import json
import signal
import threading
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vqgan_transformer import (
    ClassCondition,
    CoordinatesCondition,
    DepthCondition,
    GPTTraining,
    ImageSynthesisPipeline,
    KeypointsCondition,
    SegmentationCondition,
    SlidingWindowSampler,
    VQGANConfig,
    VQGANTraining,
    train_cond_gpt,
    train_planner,
    train_vqgan,
)
from vqgan_transformer.conditions import Condition, label_space
from vqgan_transformer.scenes import LABEL_COLOURS, LABEL_GROUPS, LABELS, SEASONS, TIMES_OF_DAY, make_scene
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.planner_training import planner_recipe

SIDES = {256: 1, 512: 2, 1024: 1}  # pixels of a scene's side, and how many of each go into four
GROUPS = tuple(sorted(LABELS))  # what scenes are painted with: the labels that the generator tells apart
CLASSES = tuple(f"{season} {time}" for season in SEASONS for time in TIMES_OF_DAY)
STEPS = {"vqgan": 13_000, "gpt": 13_000, "decoder": 2_500, "planner": 800}
CROP = 128
DAYS = 0.7  # the share of seeds that choose a day where a call names no class; the other hours share the rest
DROPOUT = {"segmentation": 0.35, "depth": 0.45, "keypoints": 0.35, "class_label": 0.15, "coordinates": 0.05}

TOKENIZER = VQGANConfig(
    channels=32, channel_multipliers=(1, 2, 3), patch_size=2, num_res_blocks=1, decoder_res_blocks=2,
    attention_levels=(), mid_attention=False, norm="channel", latent_channels=96, codebook_size=1024, code_dim=8,
    normalize_codes=True, least_psnr=23.0,
)  # fmt: skip
GENERATOR = {"n_layer": 8, "n_head": 6, "n_embd": 192, "rows_above": 4, "columns_beside": 4, "condition_layers": (0, 4)}


def conditions(scenes: Path) -> tuple[Condition, ...]:
    """The kinds that the model learns to follow; the last two are there in every call, asked for or not."""
    space = label_space("coco-stuff-182")
    labels = SegmentationCondition(
        label_space="coco-stuff-182",
        # labels that no scene has are drawn as what stands closest to them
        channels=[GROUPS.index(LABEL_GROUPS[name]) for name in space.names],
        palette=palette(space.names),
        trained_labels=[name for name in space.names if name in LABELS],
    )
    classes = class_condition(scenes)
    rows_and_columns = CoordinatesCondition(None, downsample_factor=8)
    return labels, DepthCondition(), KeypointsCondition(), classes, rows_and_columns


def class_condition(scenes: Path) -> ClassCondition:
    """Seasons and hours, days first, with the mean colours that the pictures of each have, whole and in quarters."""
    weights = [DAYS / len(SEASONS) if name.endswith(" day") else round((1 - DAYS) / 12, 6) for name in CLASSES]
    colours: dict[str, list[np.ndarray]] = {name: [] for name in CLASSES}
    for line in (scenes / "metadata.jsonl").read_text().splitlines():
        record = json.loads(line)
        image = np.asarray(Image.open(scenes / record["file_name"])) / 255
        quarters = image.reshape(2, len(image) // 2, 2, -1, 3).mean((1, 3)).reshape(4, 3)
        colours[record["class_label"]] += [*quarters, quarters.mean(0)]
    unknown = [np.zeros(3), np.ones(3)]  # of a class that no scene has
    ranges = [np.array(colours[name] or unknown) for name in CLASSES]
    lowest, highest = (np.round([bound(own, axis=0) for own in ranges], 3).tolist() for bound in (np.min, np.max))
    pairs = [(tuple(low), tuple(high)) for low, high in zip(lowest, highest, strict=True)]
    return ClassCondition(labels=CLASSES, chosen_by_seed=True, weights=weights, colours=pairs)


def palette(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """A colour for each label, all different: the scenes' own for what they paint, hues a golden angle apart for others."""
    taken, colours = set(LABEL_COLOURS.values()), []
    for number, name in enumerate(names):
        hue, value = 0.618034 * number % 1, 0.95 - 0.3 * (number % 3) / 2
        red, green, blue = (round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, 0.75, value))
        colours.append(LABEL_COLOURS.get(name, (red, green, blue)))
        if name not in LABEL_COLOURS and colours[-1] in taken:
            raise ValueError(f"the colour of {name!r} is taken.")
        taken.add(colours[-1])
    return colours


def write_scenes(folder: Path, count: int, processes: int) -> None:
    """Pictures, label maps, depth (16 bits, near is large), keypoints and classes; what is there already is kept."""
    for name in ("images", "segmentations", "depths", "records"):
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
    record = {
        "file_name": f"images/{name}",
        "segmentation_file_name": f"segmentations/{name}",
        "depth_file_name": f"depths/{name}",
        "keypoints": np.round(scene.keypoints, 2).tolist(),
        "class_label": scene.class_label,
    }
    (folder / "records" / f"{seed:05d}.json").write_text(json.dumps(record))


def train(folder: Path, steps: dict[str, int]) -> ImageSynthesisPipeline:
    """The four trainings; each goes on where it was, and one that is complete is read."""
    scenes = folder / "scenes"
    # crops at the size in which scenes are drawn; mirrored, the sun would stand on the wrong side
    shared = {
        "crop_size": CROP, "scale_down": False, "flip": False, "people_share": 0.6, "mixed_precision": "bf16",
        "workers": 2, "checkpoint_every": 500,
    }  # fmt: skip
    perceptual = {"perceptual": "random", "disc_channels": 32, "disc_layers": 2, "batch_size": 8, "people_weight": 6.0}
    vqgan = train_vqgan(
        scenes, folder / "vqgan", config=TOKENIZER, resume=True,
        training=VQGANTraining.modern(max_steps=steps["vqgan"], **perceptual, **shared, disc_weight=0.0),
    )  # fmt: skip
    training = GPTTraining.modern(
        max_steps=steps["gpt"], batch_size=16, token_variants=5, condition_dropout=0.1, kind_dropout=DROPOUT, **shared
    )
    kinds = conditions(scenes)
    config = fitting_config(vqgan, kinds, training, conditioning="aligned", **GENERATOR)
    pipe = train_cond_gpt(
        scenes, folder / "gpt", vqgan=vqgan, condition=kinds, config=config, training=training, resume=True
    )
    pipe.vqgan = train_vqgan(
        scenes, folder / "decoder", init=vqgan, resume=True,
        training=VQGANTraining.modern(
            max_steps=steps["decoder"], **perceptual, **shared, freeze=("encoder", "codebook"), disc_weight=0.3,
            disc_start=0, learning_rate=5e-4, whiten=False, codebook_start=0,
        ),
    )  # fmt: skip
    pipe.planner = train_planner(
        scenes, folder / "planner", condition=[pipe.condition("segmentation"), pipe.condition("class_label")], resume=True,
        training=planner_recipe(max_steps=steps["planner"], mixed_precision="bf16"),
    )  # fmt: skip
    return pipe


def assemble(folder: Path, pipe: ImageSynthesisPipeline) -> Path:
    """The pipeline as it is shipped."""
    strength = {"keypoints": 1.25}
    sampler = SlidingWindowSampler(temperature=0.95, top_k=100, guidance_scale=2.0, condition_strength=strength)
    shipped = ImageSynthesisPipeline(pipe.vqgan, pipe.gpt, sampler, pipe.conditions, planner=pipe.planner)
    return shipped.save_pretrained(folder / "pipeline", dtype=torch.float16)


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where scenes, states and the result are kept")
    parser.add_argument("--scenes", type=int, default=4000, help="to train on")
    parser.add_argument("--steps", type=int, help="of each training, to try it")
    parser.add_argument("--hours", type=float, help="stop after that, at a step from which the next run goes on")
    parser.add_argument("--threads", type=int, default=2, help="CPU cores to use")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.hours is not None:
        # trainings end in good order when they are asked to
        clock = threading.Timer(3600 * arguments.hours, _thread.interrupt_main, (signal.SIGTERM,))
        clock.daemon = True
        clock.start()
    write_scenes(arguments.folder / "scenes", arguments.scenes, arguments.threads)
    pipe = train(arguments.folder, STEPS if arguments.steps is None else dict.fromkeys(STEPS, arguments.steps))
    print(assemble(arguments.folder, pipe))


if __name__ == "__main__":
    main()
