"""How far a reconstruction is from its original, by the measure of the kind that is trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from ..conditions import KeypointsCondition
from .losses import label_cross_entropy, reconstruction_loss, segmentation_loss
from .settings import VQGANTraining

__all__ = ["ReconstructionTerm"]

LIMB_WIDTH = 3
"""Pixels around a skeleton's lines that belong to a person for ``people_weight``."""


class ReconstructionTerm:
    """The first term of the objective: pixels, with the perceptual distance where there is one.

    Args:
        training: the recipe, complete.
        perceptual: a module (images, reconstruction) -> distances.
    """

    def __init__(self, training: VQGANTraining, perceptual: nn.Module | None) -> None:
        self.training, self.perceptual = training, perceptual

    def __call__(self, images: Tensor, reconstruction: Tensor, importance: Tensor | None = None) -> Tensor:
        """(B, C, H, W) twice, and what each pixel counts (B, 1, H, W) -> a scalar."""
        kind = self.training.pixel_loss
        if kind == "bce":
            return segmentation_loss(images, reconstruction)
        if kind == "cross_entropy":
            return label_cross_entropy(images, reconstruction)
        assert kind is not None
        weight = self.training.perceptual_weight
        return reconstruction_loss(images, reconstruction, self.perceptual, weight, importance, pixels=kind)

    def importance(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """(B, 1, H, W): what pixels count, more on and around the limbs of drawn skeletons; ``None`` where all are alike."""
        if self.training.people_weight == 1:
            return None
        skeletons = batch[KeypointsCondition.name]
        limbs = (skeletons > -1).any(dim=1, keepdim=True).float()
        near = F.max_pool2d(limbs, 2 * LIMB_WIDTH + 1, stride=1, padding=LIMB_WIDTH)
        return 1 + (self.training.people_weight - 1) * near
