"""What a checkpoint's tokenizer gives back of pictures: how near, and how sharp."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from vqgan_transformer.images import from_pixels
from vqgan_transformer.training.perceptual import perceptual_loss

from .distances import fine_detail, psnr
from .faithfulness import TrueScenes
from .intervals import Shares, mean_of, relative_share
from .painting import Checkpoint
from .readers import Readers
from .report import Table

__all__ = ["compare_photographs", "compare_tokenizers"]


def compare_tokenizers(table: Table, readers: Readers, true: TrueScenes, checkpoints: Sequence[Checkpoint]) -> None:
    """Adds PSNR, fine detail and distances of features, of held-out scenes."""
    of_true = true.reading.features
    for checkpoint in checkpoints:
        rebuilt = checkpoint.reconstruct(true.scenes)
        column = f"{checkpoint.name}, reconstructed"
        _add(table, column, true.pictures, rebuilt)
        features = torch.stack([readers.read(picture).features for picture in rebuilt])
        away = (features - of_true).norm(dim=1) / of_true.std(0).norm()
        table.add("distance of the reader's features", column, mean_of(Shares.of([(float(x), 1) for x in away])))


def compare_photographs(
    table: Table, checkpoints: Sequence[Checkpoint], folder: Path, side: int, most: int = 48
) -> None:
    """Adds the same of photographs, which nothing here was trained on: their middles, the shorter side scaled to the side."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))[:most]
    pictures = []
    for file in files:
        with Image.open(file) as picture:
            pictures.append(from_pixels(ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.LANCZOS)))
    for checkpoint in checkpoints:
        with torch.inference_mode():
            rebuilt = [checkpoint.pipe.vqgan.decode(checkpoint.pipe.vqgan.encode(x)).clamp(-1, 1) for x in pictures]
        _add(table, f"{checkpoint.name}, reconstructed", pictures, rebuilt, "photographs: ")


@torch.inference_mode()
def _add(table: Table, column: str, pictures: Sequence[Tensor], rebuilt: Sequence[Tensor], prefix: str = "") -> None:
    pairs, filters = list(zip(pictures, rebuilt, strict=True)), perceptual_loss("random")
    detail, of_true = (Shares.of([(fine_detail(picture), 1) for picture in some]) for some in (rebuilt, pictures))
    away = Shares.of([(float(filters(picture, other).mean()), 1) for picture, other in pairs])
    table.add(f"{prefix}PSNR in dB", column, mean_of(Shares.of([(psnr(*pair), 1) for pair in pairs])))
    table.add(f"{prefix}energy of fine detail, relative to true", column, relative_share(detail, of_true))
    table.add(f"{prefix}distance of random features, × 100", column, mean_of(Shares(100 * away.hits, away.counts)))
