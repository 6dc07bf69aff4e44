"""What each ingredient of the modern VQGAN recipe is worth at this machine's scale: the recipe with one thing changed.

    python benchmarks/ablation.py PHOTOS RUNS [--steps 150]     # PHOTOS has train/ and val/

A small f=8 model, 64-pixel crops, no discriminator (its ingredients need longer runs), the same steps for all. Prints
held-out PSNR of the average weights, how many codes are used, and CPU seconds; metrics are in RUNS/<name>/metrics.jsonl.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from vqgan_transformer import VQGANConfig, VQGANTraining, train_vqgan

CONFIG: dict[str, Any] = {
    "channels": 24, "channel_multipliers": (1, 2, 4), "num_res_blocks": (0, 1, 1), "decoder_res_blocks": (0, 1, 1),
    "codebook_size": 512,
}  # fmt: skip
# name: (changes of the model, changes of the recipe)
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "modern": ({}, {}),
    "AdamW for Muon": ({}, {"optimizer": "adamw"}),
    "no whitening": ({}, {"whiten": False}),
    "codes from the start": ({}, {"codebook_start": 0}),
    "codes by gradient": ({}, {"codebook_learning": "gradient"}),
    "no revival": ({}, {"revive_below": 0.0}),
    "codes by gradient, from the start, no revival": (
        {},
        {"codebook_learning": "gradient", "codebook_start": 0, "revive_below": 0.0},
    ),
    "finite scalars (FSQ)": ({"quantizer": "fsq", "code_levels": (8, 8, 8)}, {}),
    "signs (LFQ)": ({"quantizer": "lookup_free", "code_dim": 9}, {}),
    "inner products (IBQ)": ({"quantizer": "inner_product"}, {}),
    "Gumbel codes": ({"quantizer": "gumbel"}, {}),
    "long free codes": ({"code_dim": 96, "normalize_codes": False}, {}),
    "no average": ({}, {"ema_decay": None}),
    "constant rate": ({}, {"schedule": "constant"}),
    "attention": ({"attention_levels": (2,), "mid_attention": True}, {}),
}


def main(photos: Path, runs: Path, steps: int, names: list[str]) -> None:
    for name in names or list(VARIANTS):
        model, recipe = VARIANTS[name]
        shared: dict[str, Any] = {
            "max_steps": steps, "batch_size": 8, "crop_size": 64, "short_side": 128, "perceptual": "random",
            "disc_weight": 0.0, "validate_every": steps, "picture_every": steps, "checkpoint_every": steps,
            "validation_samples": 100, "check_data": False,
        }  # fmt: skip
        run = runs / name.replace(" ", "-").replace(",", "")
        train_vqgan(
            photos / "train", run, config=VQGANConfig.modern(**{**CONFIG, **model}), validation=photos / "val",
            training=VQGANTraining.modern(**{**shared, **recipe}), resume=True, progress=False,
        )  # fmt: skip
        record = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
        print(
            f"{name:46} {record['validation_psnr']:6.2f} dB  {record['validation_codes_used']:4.0f} of 512 codes  "
            f"{record['cpu_seconds']:5.0f} CPU s",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("names", nargs="*", help="some of the variants (default: all)")
    parser.add_argument("--steps", type=int, default=150)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    main(arguments.photos, arguments.runs, arguments.steps, arguments.names)
