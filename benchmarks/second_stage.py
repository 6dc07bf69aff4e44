"""What the second stage learns: CamVid's street scenes from their label maps, by both presets, in nats per token.

    python benchmarks/second_stage.py CAMVID RUNS                # CAMVID has {train,val}/{images,segmentations}

Two small tokenizers (f=16, 256 codes) are trained first, a few minutes each; then a GPT of 4 layers × 128 by the paper's
recipe and by the modern one, the same steps, on 128-pixel crops (8×8 tokens under 8×8 label tokens). Compare with the unigram entropy: what knowing
the frequency of each token gives.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from vqgan_transformer import (
    GPTTraining,
    SegmentationCondition,
    VQGANConfig,
    VQGANTraining,
    train_cond_gpt,
    train_vqgan,
)
from vqgan_transformer.training.gpt_training import fitting_config

LABELS = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "cyclist", "unlabelled",
)  # fmt: skip
CROPS = {"crop_size": 128, "short_side": 192, "batch_size": 8, "log_every": 20, "checkpoints_total_limit": 1}
SMALL = {
    "channels": 16, "channel_multipliers": (1, 2, 3), "patch_size": 4, "num_res_blocks": 1, "decoder_res_blocks": 1,
    "codebook_size": 256,
}  # fmt: skip


def main(camvid: Path, runs: Path, tokenizer_steps: int, steps: int) -> None:
    train, val = camvid / "train", camvid / "val"
    every = max(1, tokenizer_steps // 4)
    tokenizers = VQGANTraining.modern(
        max_steps=tokenizer_steps, disc_weight=0.0, perceptual="random", validate_every=every, checkpoint_every=every,
        picture_every=every, **CROPS,
    )  # fmt: skip
    options = {"validation": val, "resume": True, "progress": False}
    vqgan = train_vqgan(train, runs / "pictures", config=VQGANConfig.modern(**SMALL), training=tokenizers, **options)
    labels = train_vqgan(
        train, runs / "labels", kind="segmentation", condition=SegmentationCondition(labels=LABELS),
        config=VQGANConfig.modern(in_channels=len(LABELS), out_channels=len(LABELS), **SMALL),
        training=tokenizers.but(pixel_loss="cross_entropy"), **options,
    )  # fmt: skip
    condition = SegmentationCondition(labels=LABELS, vqgan=labels)
    every = max(1, steps // 10)
    shared = {"max_steps": steps, "validation_samples": 101, "validate_every": every, "checkpoint_every": every}
    shared |= {"picture_every": steps, **CROPS}
    for preset in (GPTTraining.modern(**shared), GPTTraining.paper(**shared)):
        name = "modern" if preset.structured_tables else "paper"
        config = fitting_config(vqgan, condition, preset, n_layer=4, n_head=4, n_embd=128)
        train_cond_gpt(
            train, runs / f"gpt-{name}", vqgan=vqgan, condition=condition, config=config, training=preset, **options
        )
    for name in ("modern", "paper"):
        for line in (runs / f"gpt-{name}" / "metrics.jsonl").read_text().splitlines():
            record = json.loads(line)
            if "validation_nats" in record:
                print(
                    f"{name:6} step {record['step']:5}  CPU {record['cpu_seconds']:6.0f} s  held-out "
                    f"{record['validation_nats']:.3f} nats per token  (unigram {record['validation_unigram_nats']:.3f})"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camvid", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--tokenizer-steps", type=int, default=500)
    parser.add_argument("--steps", type=int, default=1500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    main(arguments.camvid, arguments.runs, arguments.tokenizer_steps, arguments.steps)
