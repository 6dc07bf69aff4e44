"""Looking at a VQGAN in training: metrics and pictures of the same held-out samples throughout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ..conditions.tokenized_map import TokenizedMap
from ..contact_sheet import contact_sheet
from ..images import to_pil
from ..vqgan.model import VQGAN, VQGANOutput
from .evaluating import evaluating
from .losses import label_accuracy
from .reconstruction_term import ReconstructionTerm
from .samples import CENTRE, Samples, stack
from .settings import VQGANTraining
from .spread import folder_classes, spread

__all__ = ["VQGANValidation"]

SHOWN = 6
"""Samples in a grid of pictures."""


class VQGANValidation:
    """Held-out samples (for pictures, those of training where none are held out), and how a model is measured on them.

    Args:
        samples: chosen from at random over classes; up to ``training.validation_samples`` of them.
        training: the recipe.
        reader: the condition whose maps are tokenized; ``None`` for pictures.
        inputs: batch -> what the VQGAN reads.
        distance: decides which model is best.
        autocast: the precision of training.
    """

    def __init__(
        self,
        samples: Samples,
        training: VQGANTraining,
        reader: TokenizedMap | None,
        inputs: Callable[[dict[str, Tensor]], Tensor],
        distance: ReconstructionTerm,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.samples, self.training, self.reader = samples, training, reader
        self.inputs, self.distance, self.autocast = inputs, distance, autocast
        self.chosen = spread(folder_classes(samples.source.names), training.validation_samples, training.seed)

    def measure(self, model: VQGAN) -> dict[str, float]:
        """On the middle of the samples: the distance as "score", PSNR or accuracy, codes used."""
        sums: dict[str, float] = {}
        used: set[int] = set()
        with evaluating(model):
            for index in self.chosen:  # one by one: held-out PSNR is a mean over pictures
                images = self.inputs(stack([self.samples[CENTRE, index]]))
                with self.autocast():
                    out: VQGANOutput = model(images)
                reconstruction = out.reconstruction.to(images.dtype)
                used.update(torch.unique(out.tokens).cpu().tolist())
                values = {"score": self.distance(images, reconstruction)}
                values |= fidelity(
                    images, reconstruction.clamp(-1, 1) if self.in_pixels else reconstruction, self.in_pixels
                )
                for name, value in values.items():
                    sums[name] = sums.get(name, 0.0) + float(value) / len(self.chosen)
        return sums | {"codes_used": float(len(used))}

    @property
    def in_pixels(self) -> bool:
        """Whether what is tokenized are values in [-1, 1], not labels."""
        return self.training.pixel_loss in ("l1", "l2")

    def picture(self, model: VQGAN) -> Image.Image:
        """Inputs beside their reconstructions, a row for each sample."""
        images = self.inputs(stack([self.samples[CENTRE, index] for index in self.chosen[:SHOWN]]))
        with evaluating(model):
            reconstruction = model(images).reconstruction
        columns = [self._shown(part.float().cpu()) for part in (images, reconstruction)]
        return contact_sheet(list(zip(*columns, strict=True)))

    def _shown(self, part: Tensor) -> list[Image.Image]:
        """What the VQGAN reads or gives, as pictures."""
        return to_pil(part) if self.reader is None else self.reader.show(self.reader.from_tokenizer(part))


def fidelity(images: Tensor, reconstruction: Tensor, in_pixels: bool) -> dict[str, Tensor]:
    """PSNR of values in [-1, 1], accuracy of labels."""
    if in_pixels:
        return {"psnr": 10 * torch.log10(4 / F.mse_loss(reconstruction, images))}
    return {"accuracy": label_accuracy(images, reconstruction)}
