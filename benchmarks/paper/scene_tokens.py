"""Scenes as tokens of the built-in tokenizer (f = 8), with the label of each token's place: what the priors are trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.scenes import make_scene
from vqgan_transformer.scenes.labels import LABELS

__all__ = ["CODES", "LABEL_COUNT", "scene_tokens"]

SIDE, FACTOR, CODES, LABEL_COUNT = 128, 8, 1024, len(LABELS)


def scene_tokens(count: int, first_seed: int, folder: Path) -> tuple[Tensor, Tensor]:
    """Tokens and labels of scenes of 128×128 pixels, int64 (count, 16, 16) each; made once and kept in a folder."""
    path = folder / f"tokens_{first_seed}_{count}.npz"
    if not path.is_file():
        vqgan = ImageSynthesisPipeline.from_pretrained("builtin:scenes").vqgan
        numbers = np.full(256, 0)
        numbers[list(LABELS.values())] = range(LABEL_COUNT)
        tokens, labels = [], []
        for seed in range(first_seed, first_seed + count):
            scene = make_scene(seed=seed, size=(SIDE, SIDE))
            image = torch.from_numpy(scene.image).movedim(-1, 0)[None] / 127.5 - 1
            with torch.no_grad():
                tokens.append(vqgan.encode(image)[0].numpy())
            labels.append(numbers[scene.segmentation[FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]])
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(path, tokens=np.stack(tokens), labels=np.stack(labels))
    with np.load(path) as stored:
        return torch.from_numpy(stored["tokens"]).long(), torch.from_numpy(stored["labels"]).long()
