"""The aligned form against the paper's: nats a token after equal CPU time, on the same tokens, under the same label maps.

    python benchmarks/forms.py FOLDER [--minutes 6] [--scenes SCENES]
    python benchmarks/forms.py FOLDER --forms aligned middle every  # where an aligned model's blocks hear of conditions

Both are GPTs of eight layers, 192 wide, that learn to draw the tokens of the built-in tokenizer from label maps of scenes,
on crops of 16×16 tokens, by the modern recipe. The aligned form reads the map's pixels; the paper's form reads the tokens of
a tokenizer of label maps, which is trained first and not counted. Steps are as many as fit into the time: 20 steps are
timed beforehand. Prints held-out nats.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vqgan_transformer import (
    VQGAN,
    GPTTraining,
    SegmentationCondition,
    VQGANConfig,
    VQGANTraining,
    train_cond_gpt,
    train_vqgan,
)
from vqgan_transformer.scenes import LABELS, make_scene
from vqgan_transformer.training.conditioning import condition_inputs
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.run_folder import RunFolder

SIZES = {"n_layer": 8, "n_head": 6, "n_embd": 192}
ALIGNED = {"conditioning": "aligned", "rows_above": 4, "columns_beside": 4}
FORMS = {
    "paper": {},
    "aligned": ALIGNED,
    "middle": {**ALIGNED, "condition_layers": (0, 4)},
    "every": {**ALIGNED, "condition_layers": tuple(range(8))},
}
TRIAL = 25
SHARED = {"crop_size": 128, "scale_down": False, "mixed_precision": "bf16", "check_data": False}
NAMES = tuple(sorted(LABELS))
LABEL_TOKENIZER = VQGANConfig(
    in_channels=len(NAMES), out_channels=len(NAMES), channels=32, channel_multipliers=(1, 2), patch_size=4,
    num_res_blocks=1, decoder_res_blocks=1, attention_levels=(), mid_attention=False, norm="channel",
    latent_channels=64, codebook_size=1024, code_dim=8, normalize_codes=True,
)  # fmt: skip


def write_scenes(folder: Path, count: int) -> Path:
    """Pictures of 256 pixels, and label maps with the numbers of ``NAMES``."""
    table = np.zeros(256, np.uint8)
    for number, name in enumerate(NAMES):
        table[LABELS[name]] = number
    for kind in ("images", "segmentations"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        name = f"{seed:04d}.png"
        if not (folder / "segmentations" / name).exists():
            scene = make_scene(seed, (256, 256))
            Image.fromarray(scene.image).save(folder / "images" / name)
            Image.fromarray(table[scene.segmentation]).save(folder / "segmentations" / name)
    return folder


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=6.0, help="of both cores, for each form")
    parser.add_argument("--scenes", type=int, default=600)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=("paper", "aligned"))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    scenes = write_scenes(arguments.folder / "scenes", arguments.scenes)
    labels = train_vqgan(
        scenes, arguments.folder / "labels", kind="segmentation", config=LABEL_TOKENIZER, resume=True,
        training=VQGANTraining.modern(
            max_steps=400, batch_size=8, pixel_loss="cross_entropy", **SHARED
        ),
    )  # fmt: skip
    vqgan = VQGAN.from_pretrained("builtin:scenes")
    for form in arguments.forms:
        condition = SegmentationCondition(labels=NAMES, vqgan=labels if form == "paper" else None)
        train(arguments.folder / f"{form}_trial", scenes, vqgan, condition, form, steps=TRIAL)
        seconds = timed(arguments.folder / f"{form}_trial")
        steps = int(arguments.minutes * 60 * arguments.threads / seconds)
        nats, spent = train(arguments.folder / form, scenes, vqgan, condition, form, steps)
        print(f"{form}: {nats:.3f} nats after {steps} steps, {spent:.0f} CPU seconds", flush=True)


def train(
    folder: Path, scenes: Path, vqgan: VQGAN, condition: SegmentationCondition, form: str, steps: int
) -> tuple[float, float]:
    """Held-out nats a token, and CPU seconds, encoding not counted."""
    training = GPTTraining.modern(
        max_steps=steps, batch_size=16, token_variants=4, log_every=TRIAL // 5, validate_every=steps, **SHARED
    )
    config = fitting_config(vqgan, condition, training, **SIZES, **FORMS[form])
    if form != "paper":  # pictures are drawn from scratch only
        config = replace(config, conditions=condition_inputs((condition,)))
    train_cond_gpt(scenes, folder, vqgan=vqgan, condition=condition, config=config, training=training, resume=True)
    metrics = RunFolder(folder, resume=True).metrics()
    return [line["validation_nats"] for line in metrics if "validation_nats" in line][-1], metrics[-1]["cpu_seconds"]


def timed(folder: Path) -> float:
    """CPU seconds of a step, of the last four fifths of a trial."""
    first, *_, last = [line for line in RunFolder(folder, resume=True).metrics() if "nats" in line]
    return (last["cpu_seconds"] - first["cpu_seconds"]) / (last["step"] - first["step"])


if __name__ == "__main__":
    main()
