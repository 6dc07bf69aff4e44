"""Trains the checkpoint `builtin:scenes`: an aligned model of scenes, which follows what is known of one.

    python examples/train_builtin.py FOLDER                       # everything; stops and starts at will
    python examples/train_builtin.py FOLDER --hours 2             # a stretch of two hours; run it again to go on
    python examples/train_builtin.py FOLDER --steps 20 --scenes 8 # a minute, to see it run
    python examples/train_builtin.py FOLDER --init builtin:scenes --steps vqgan=2000 gpt=6000   # further, from its weights
    python examples/train_builtin.py FOLDER --init builtin:scenes --steps vqgan=0 planner=0     # its tokens and planner stay
    ACCELERATE_USE_CPU=true torchrun --nproc_per_node 2 examples/train_builtin.py FOLDER --threads 1   # on two cores: the fastest

The steps, each of which goes on where it was; with --init, one of no updates leaves what there was:
    scenes      draws pictures with what is known of them: labels, depth, people, lines, boxes, season and hour
    vqgan       trains the tokenizer: f = 8, local operations only, so that strips decode as the whole
    decoder     trains the tokenizer's decoder further, against a discriminator; tokens stay
    gpt         trains the generator on crops of 128 pixels, 16×16 tokens
    distil      trains it to paint in one pass what it paints in two under guidance
    planner     trains what draws a coarse label map first, where nothing says what is where
    pipeline    puts everything together in half precision: FOLDER/pipeline
"""

from __future__ import annotations

import _thread
import argparse
import colorsys
import json
import os
import shutil
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from PIL import Image
from scene_folder import NAMES, write_scenes
from warm_start import grown_generator, grown_tokenizer, mean_of_weights

from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CoordinatesCondition,
    DepthCondition,
    GPTTraining,
    ImageCondition,
    ImageSynthesisPipeline,
    KeypointsCondition,
    LayoutCondition,
    SegmentationCondition,
    SlidingWindowSampler,
    VQGANConfig,
    VQGANTraining,
    train_cond_gpt,
    train_planner,
    train_vqgan,
)
from vqgan_transformer.conditions import Condition, label_space
from vqgan_transformer.images import from_pixels
from vqgan_transformer.pipeline.planner import planner_config
from vqgan_transformer.scenes import LABEL_COLOURS, LABEL_GROUPS, LABELS, SEASONS, TIMES_OF_DAY
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.planner_training import planner_recipe

GROUPS = tuple(sorted(LABELS))  # what scenes are painted with: the labels that the generator tells apart
CLASSES = tuple(f"{season} {time}" for season in SEASONS for time in TIMES_OF_DAY)
STEPS = {"vqgan": 16_000, "decoder": 4_000, "gpt": 20_000, "distil": 3_600, "planner": 800}
CROP = 128
LAST = 0.6  # the share of the last weights in the mean with the best ones on held-out scenes
PROCESSES = int(os.environ.get("WORLD_SIZE", "1"))  # an update sees as many crops, however many processes share it
DAYS = 0.7  # the share of seeds that choose a day where a call names no class; the other hours share the rest
DROPOUT = {
    "segmentation": 0.4, "depth": 0.5, "keypoints": 0.35, "condition_image": 0.6, "layout": 0.5, "class_label": 0.15,
}  # fmt: skip
CRUDE = 0.5  # the share of label maps that are drawn as people and segmenters do

TOKENIZER = VQGANConfig(
    channels=32, channel_multipliers=(1, 2, 3), patch_size=2, num_res_blocks=1, decoder_res_blocks=2,
    attention_levels=(), mid_attention=False, norm="channel", latent_channels=96, codebook_size=2048, code_dim=8,
    normalize_codes=True, least_psnr=23.0,
)  # fmt: skip
# what the generator learns to do in one pass; places count a little less than in training: fewer skies have two suns
TEACHER = SlidingWindowSampler(guidance_scale=2.0, condition_strength={"keypoints": 1.25, "coordinates": 0.7})
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
    # two plain numbers tell a place from its neighbours too weakly for a sun to stand where it belongs
    rows_and_columns = CoordinatesCondition(None, downsample_factor=8, octaves=4)
    drawings, boxes = ImageCondition(channels=1), LayoutCondition(labels=[NAMES[LABELS[name]] for name in GROUPS])
    return labels, DepthCondition(), KeypointsCondition(), drawings, boxes, classes, rows_and_columns


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


# crops at the size in which scenes are drawn; mirrored, the sun would stand on the wrong side
SHARED = {
    "crop_size": CROP, "scale_down": False, "flip": False, "people_share": 0.5, "mixed_precision": "bf16", "checkpoint_every": 500,
    "workers": 2 if PROCESSES == 1 else 0,
}  # fmt: skip
PICTURES = {
    "perceptual": "random", "disc_channels": 32, "disc_layers": 2, "batch_size": 8 // PROCESSES, "people_weight": 6.0, **SHARED
}  # fmt: skip


def train(folder: Path, steps: dict[str, int], init: str | None) -> ImageSynthesisPipeline:
    """The five trainings; each goes on where it was, and one that is complete is read."""
    scenes = folder / "scenes"
    earlier = None if init is None else ImageSynthesisPipeline.from_pretrained(init)
    if earlier is not None and steps["vqgan"] and not steps["gpt"]:
        raise SystemExit(
            "a generator does not know the tokens of a tokenizer that is trained further: vqgan=0 or gpt=STEPS."
        )
    vqgan = train_tokenizer(scenes, folder / "vqgan", steps["vqgan"], earlier)
    if steps["decoder"] or earlier is None:
        vqgan = train_decoder(scenes, folder / "decoder", steps["decoder"], vqgan)
    if earlier is not None and not steps["gpt"]:
        pipe = ImageSynthesisPipeline(vqgan, earlier.gpt, earlier.sampler, earlier.conditions)
    else:
        pipe = train_generator(scenes, folder / "gpt", vqgan, steps["gpt"], earlier)
    if steps["distil"] or earlier is None:
        pipe = distil(scenes, folder / "distil", pipe, steps["distil"])
    if earlier is not None and not steps["planner"]:
        pipe.planner = earlier.planner
        return pipe
    labels, classes = pipe.condition("segmentation"), pipe.condition("class_label")
    pipe.planner = train_planner(
        scenes, folder / "planner", condition=[labels, classes], config=planner_config(labels, [classes], window=(24, 24)),
        training=planner_recipe(max_steps=steps["planner"], batch_size=64 // PROCESSES, mixed_precision="bf16"), resume=True,
    )  # fmt: skip
    return pipe


def train_tokenizer(scenes: Path, folder: Path, steps: int, earlier: ImageSynthesisPipeline | None) -> VQGAN:
    """The first stage, without a discriminator; without steps the earlier one stays as it is."""
    if earlier is not None and not steps:
        return earlier.vqgan
    if earlier is None:
        training = VQGANTraining.modern(max_steps=steps, **PICTURES, disc_weight=0.0)
        return train_vqgan(scenes, folder, config=TOKENIZER, resume=True, training=training)
    pictures = [from_pixels(path) for path in sorted((scenes / "images").iterdir())[:60]]
    training = VQGANTraining.modern(
        max_steps=steps, **PICTURES, disc_weight=0.0, learning_rate=1e-3, whiten=False, codebook_start=0
    )
    grown = grown_tokenizer(earlier.vqgan, TOKENIZER.codebook_size, pictures)
    return train_vqgan(scenes, folder, init=grown, resume=True, training=training)


def train_decoder(scenes: Path, folder: Path, steps: int, vqgan: VQGAN) -> VQGAN:
    """Sharper pictures of the same tokens."""
    training = VQGANTraining.modern(
        max_steps=steps, **PICTURES, freeze=("encoder", "codebook"), disc_weight=0.25, disc_start=0, learning_rate=7e-4,
        whiten=False, codebook_start=0,
        validation_share=0.0,  # the last one counts: what is sharper has larger errors, pixel by pixel
    )  # fmt: skip
    return train_vqgan(scenes, folder, init=vqgan, resume=True, training=training)


def second_stage(steps: int, **changes: Any) -> GPTTraining:
    """The recipe of the generator."""
    recipe = {
        "max_steps": steps, "batch_size": 16 // PROCESSES, "token_variants": 6, "condition_dropout": 0.1, "kind_dropout": DROPOUT,
        "crude_maps": CRUDE, **SHARED,
    }  # fmt: skip
    return GPTTraining.modern(**{**recipe, **changes})


def train_generator(
    scenes: Path, folder: Path, vqgan: VQGAN, steps: int, earlier: ImageSynthesisPipeline | None
) -> ImageSynthesisPipeline:
    """The second stage."""
    kinds = conditions(scenes)
    training = second_stage(steps)
    config = fitting_config(vqgan, kinds, training, conditioning="aligned", **GENERATOR)
    if earlier is None:
        fresh = train_cond_gpt(
            scenes, folder, vqgan=vqgan, condition=kinds, config=config, training=training, resume=True
        )
        return averaged(folder, fresh)
    start = ImageSynthesisPipeline(vqgan, grown_generator(earlier.gpt, vqgan, config), SlidingWindowSampler(), kinds)
    training = training.but(structured_tables=False, learning_rate=1.2e-3)
    return averaged(folder, train_cond_gpt(scenes, folder, init=start, training=training, resume=True))


def averaged(folder: Path, best: ImageSynthesisPipeline) -> ImageSynthesisPipeline:
    """The best one on held-out scenes and the last one err in different ways; guided as the next stage learns it."""
    *_, last = sorted((folder / "checkpoints").iterdir())
    best.gpt = mean_of_weights(best.gpt, ImageSynthesisPipeline.from_pretrained(last).gpt, LAST)
    best.sampler = TEACHER
    return best


def distil(scenes: Path, folder: Path, pipe: ImageSynthesisPipeline, steps: int) -> ImageSynthesisPipeline:
    """Guidance in one pass: the generator learns the logits that it has in two."""
    tokens = folder.parent / "gpt" / "tokens"
    with PartialState().main_process_first():
        if tokens.exists() and not folder.exists():  # crops and their tokens are those of the stage before
            shutil.copytree(tokens, folder / "tokens", copy_function=os.link)
    training = second_stage(steps, distill_guidance=True, structured_tables=False, learning_rate=1e-3)
    student = train_cond_gpt(scenes, folder, init=pipe, training=training, resume=True)
    student.sampler = student.sampler.with_settings(condition_strength={"keypoints": 1.1})
    return student


def assemble(folder: Path, pipe: ImageSynthesisPipeline) -> Path:
    """The pipeline as it is shipped."""
    sampler = pipe.sampler.with_settings(temperature=0.92, top_k=100, min_p=0.005)
    shipped = ImageSynthesisPipeline(pipe.vqgan, pipe.gpt, sampler, pipe.conditions, planner=pipe.planner)
    return shipped.save_pretrained(folder / "pipeline", dtype=torch.float16)


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where scenes, states and the result are kept")
    parser.add_argument("--scenes", type=int, default=6000, help="to train on")
    parser.add_argument("--steps", nargs="+", default=(), metavar="STAGE=STEPS", help="other lengths, or one for all")
    parser.add_argument("--init", metavar="PIPELINE", help="start from the weights of an earlier checkpoint")
    parser.add_argument("--hours", type=float, help="stop after that, at a step from which the next run goes on")
    parser.add_argument("--threads", type=int, default=2, help="CPU cores to use")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.hours is not None:
        # trainings end in good order when they are asked to
        clock = threading.Timer(3600 * arguments.hours, _thread.interrupt_main, (signal.SIGTERM,))
        clock.daemon = True
        clock.start()
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    with state.main_process_first():
        write_scenes(arguments.folder / "scenes", arguments.scenes, arguments.threads * PROCESSES)
    pipe = train(arguments.folder, lengths(arguments.steps), arguments.init)
    if state.is_main_process:
        print(assemble(arguments.folder, pipe))


def lengths(given: Sequence[str]) -> dict[str, int]:
    """Updates of each training: ["100"] for all, or ["gpt=100", "decoder=20"] for some."""
    steps = dict(STEPS)
    for entry in given:
        stage, equals, number = entry.rpartition("=")
        if equals and stage not in STEPS:
            raise SystemExit(f"--steps names {stage!r}, but the stages are {', '.join(STEPS)}.")
        steps |= {stage: int(number)} if equals else dict.fromkeys(STEPS, int(number))
    return steps


if __name__ == "__main__":
    main()
