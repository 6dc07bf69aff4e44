"""LPIPS by its published weights, or any other module that compares two pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..training.perceptual import perceptual_loss
from .published_weights import LPIPS_TRUNKS, weights_hash

__all__ = ["PerceptualDistance"]


class PerceptualDistance:
    """How different two pictures look.

    Args:
        lpips: "alex" or "vgg": LPIPS (Zhang et al. 2018) with its published weights; the path of a file with them; or any
            module that takes two batches (B, 3, H, W) in [-1, 1] and gives a number for each pair. "alex" is what the
            authors of LPIPS recommend for measuring, "vgg" what tokenizers are trained with.

    Attributes:
        name: what the metric is called.
        digest: SHA-256 of the weights.

    Raises:
        RuntimeError: where the weights cannot be had; names the file, its size and its SHA-256.
        ValueError: for another name, or other weights.
    """

    def __init__(self, lpips: str | Path | nn.Module = "alex") -> None:
        if isinstance(lpips, nn.Module):
            self.module: Any = lpips.eval()
            self.name = f"perceptual_distance [{type(lpips).__name__}]"
        else:
            if lpips in LPIPS_TRUNKS:
                LPIPS_TRUNKS[str(lpips)].fetch()
            elif not Path(lpips).expanduser().is_file():
                raise ValueError(
                    f"lpips= is one of {', '.join(map(repr, LPIPS_TRUNKS))}, a weights file or a module, got {lpips!r}."
                )
            self.module = perceptual_loss(str(lpips))
            self.name = f"lpips_{lpips}" if lpips in LPIPS_TRUNKS else f"lpips [{Path(lpips).name}]"
        self.digest = weights_hash(self.module)

    def to(self, device: torch.device) -> PerceptualDistance:
        """Moves it."""
        self.module.to(device)
        return self

    @torch.no_grad()
    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] twice -> (B,)."""
        distances: Tensor = self.module(first, second)
        return distances.reshape(len(first), -1).mean(1)
