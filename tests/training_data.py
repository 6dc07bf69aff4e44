"""Small folders of pictures, maps and keypoints, and models of milliseconds, for the tests of training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from vqgan_transformer import VQGAN, GPTTraining, VQGANConfig, VQGANTraining

TINY: dict[str, Any] = {
    "channels": 8, "channel_multipliers": (1, 2), "num_res_blocks": 0, "decoder_res_blocks": 0, "latent_channels": 8,
    "codebook_size": 16, "code_dim": 4,
}  # fmt: skip
SHORT: dict[str, Any] = {
    "max_steps": 6, "batch_size": 2, "crop_size": 16, "short_side": 20, "log_every": 1, "validate_every": 3,
    "picture_every": 6, "checkpoint_every": 3, "validation_share": 0.25,
}  # fmt: skip


def tiny_vqgan(**changes: Any) -> VQGANConfig:
    """A VQGAN of f = 4 with 16 codes."""
    return VQGANConfig.modern(**{**TINY, **changes})


def short_training(**changes: Any) -> VQGANTraining:
    """Six steps of the modern recipe with a small discriminator."""
    small = {"perceptual": "random", "disc_channels": 8, "disc_layers": 1}
    return VQGANTraining.modern(**{**SHORT, **small, **changes})


def short_gpt_training(**changes: Any) -> GPTTraining:
    """Six steps on two crops of each picture."""
    return GPTTraining(**{**SHORT, "learning_rate": 1e-3, "token_variants": 2, **changes})


def tokenizer(channels: int = 3, seed: int = 0) -> VQGAN:
    """An untrained VQGAN of f = 4 whose 16 codes lie far apart."""
    torch.manual_seed(seed)
    vqgan = VQGAN(tiny_vqgan(in_channels=channels, out_channels=channels)).eval()
    torch.nn.init.normal_(vqgan.quantizer.codebook.weight)
    return vqgan


def write_pictures(folder: Path, count: int = 8, size: tuple[int, int] = (24, 32)) -> Path:
    """Pictures 0.png, 1.png, …: smooth colours with a square."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(picture(number, size)).save(folder / f"{number}.png")
    return folder


def picture(number: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """uint8 (H, W, 3)."""
    rng = np.random.default_rng(number)
    small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    pixels = np.array(small.resize(size[::-1], Image.Resampling.BICUBIC))
    top, left = rng.integers(0, size[0] - 6), rng.integers(0, size[1] - 6)
    pixels[top : top + 6, left : left + 6] = rng.integers(0, 256, 3)
    return pixels


def write_scenes(folder: Path, count: int = 8, size: tuple[int, int] = (24, 32)) -> Path:
    """Pictures with label maps (3 labels), depths and keypoints beside them."""
    write_pictures(folder / "images", count, size)
    (folder / "segmentations").mkdir()
    (folder / "depths").mkdir()
    images, annotations = [], []
    for number in range(count):
        rng = np.random.default_rng(1000 + number)
        labels = np.zeros(size, np.uint8)
        labels[size[0] // 2 :] = 1
        labels[:, : int(rng.integers(2, size[1]))] = 2
        Image.fromarray(labels).save(folder / "segmentations" / f"{number}.png")
        ramp = np.linspace(0, 1 + number, size[0], dtype=np.float32)[:, None]
        np.save(folder / "depths" / f"{number}.npy", np.broadcast_to(ramp, size).copy())
        images.append({"id": number, "file_name": f"{number}.png", "height": size[0], "width": size[1]})
        points = np.stack([rng.uniform(0, size[1], 17), rng.uniform(0, size[0], 17), np.full(17, 2.0)], axis=1)
        annotations.append({"image_id": number, "id": number, "category_id": 1, "keypoints": points.ravel().tolist()})
    coco = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (folder / "keypoints.json").write_text(json.dumps(coco))
    return folder
