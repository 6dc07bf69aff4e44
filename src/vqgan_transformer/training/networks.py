"""The networks of a VQGAN's training, as they are wrapped for several processes, and what is done to them beforehand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..vqgan.model import VQGAN
from .codebook import CodebookTrainer
from .settings import VQGANTraining

__all__ = ["Reconstructor", "channels_last", "freeze_parts"]


class Reconstructor(nn.Module):
    """What a VQGAN does in training: (B, C, H, W) -> reconstruction, codebook loss, tokens."""

    def __init__(self, vqgan: VQGAN, training: VQGANTraining) -> None:
        super().__init__()
        self.vqgan = vqgan
        self.codebook = None
        wanted = training.codebook_learning == "ema" or training.codebook_start or training.revive_below
        if wanted and "codebook" not in training.freeze:
            self.codebook = CodebookTrainer(
                vqgan.quantizer,
                learning=training.codebook_learning or "gradient",
                decay=training.codebook_decay,
                start=training.codebook_start or 0,
                revive_below=training.revive_below or 0.0,
                parts=training.gradient_accumulation,
            )

    def forward(self, images: Tensor, step: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Arguments as for :class:`CodebookTrainer`."""
        latents = self.vqgan.encode_to_latents(images)
        quantized = self.vqgan.quantizer(latents) if self.codebook is None else self.codebook(latents, step, seed)
        reconstruction = self.vqgan.decode_latents(quantized.latents.to(latents.dtype))
        return reconstruction.to(images.dtype), quantized.loss.to(images.dtype), quantized.tokens


def channels_last(module: nn.Module) -> nn.Module:
    """Puts weights into the memory format that convolutions are faster with."""
    options: dict[str, Any] = {"memory_format": torch.channels_last}
    return module.to(**options)


def freeze_parts(vqgan: VQGAN, training: VQGANTraining) -> None:
    """Takes the parts that ``training.freeze`` names out of training.

    Raises:
        ValueError: for parts that cannot be frozen without others, or under a discriminator.
    """
    parts = {
        "encoder": (vqgan.encoder, vqgan.to_codes),
        "decoder": (vqgan.decoder, vqgan.from_codes),
        "codebook": (vqgan.quantizer,),
    }
    for name in training.freeze:
        for module in parts[name]:
            module.requires_grad_(False)
    if "decoder" in training.freeze and training.disc_weight:
        raise ValueError("with a frozen decoder there is nothing for a discriminator to teach: pass disc_weight=0.")
    if "encoder" in training.freeze and "codebook" not in training.freeze:
        raise ValueError("a frozen encoder needs its codes: freeze=('encoder', 'codebook').")
