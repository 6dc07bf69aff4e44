"""What a VQGAN is trained on: reconstruction, perceptual, codebook and adversarial terms, each a pure function.

The objective of "Taming Transformers for High-Resolution Image Synthesis" (section 3.1) is

    reconstruction + perceptual + codebook + lambda * adversarial

where lambda (equation 7) balances the gradients that the first and the last term send into the decoder's last layer.
Numbers agree with the original program, including its 1e-4 in that quotient where the paper prints 1e-6.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

__all__ = [
    "RandomFeatureLoss",
    "adversarial_loss",
    "balance",
    "discriminator_loss",
    "label_accuracy",
    "label_cross_entropy",
    "lecam_loss",
    "reconstruction_loss",
    "segmentation_loss",
]


def reconstruction_loss(
    images: Tensor,
    reconstruction: Tensor,
    perceptual: nn.Module | None = None,
    perceptual_weight: float = 1.0,
    weight: Tensor | None = None,
    pixels: Literal["l1", "l2"] = "l1",
) -> Tensor:
    """Mean absolute error of every element, plus a perceptual distance spread over the same elements.

    Args:
        images: `(B, C, H, W)`, the originals.
        reconstruction: `(B, C, H, W)`.
        perceptual: A module `(images, reconstruction) -> distances` that broadcast against `(B, C, H, W)`, such as an
            LPIPS that returns `(B, 1, 1, 1)`. None leaves the term out.
        perceptual_weight: Its factor.
        weight: How much each pixel counts, broadcastable to `(B, C, H, W)`. None: all alike, as in the paper.
        pixels: "l1", or "l2" for the mean squared error.

    Returns:
        A scalar, the negative log likelihood of the original program's records.
    """
    error = images - reconstruction
    error = error.abs() if pixels == "l1" else error.square()
    if weight is not None:
        error = error * weight
    if perceptual is not None:
        error = error + perceptual_weight * perceptual(images, reconstruction)
    return error.mean()


def segmentation_loss(labels: Tensor, logits: Tensor) -> Tensor:
    """Binary cross-entropy of a label map's reconstruction: each label against its own logit, as the paper has it.

    Args:
        labels: `(B, N, H, W)`, one-hot; all zero where the label is unknown.
        logits: `(B, N, H, W)`, what a VQGAN with N output channels gives.

    Returns:
        The mean over all elements of known pixels, a scalar.
    """
    known = labels.any(dim=1, keepdim=True)
    loss = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), weight=known.to(logits.dtype))
    return loss * (known.numel() / known.sum().clamp(min=1))


def label_cross_entropy(labels: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of a label map's reconstruction: one label a pixel; arguments and result as above."""
    return F.cross_entropy(logits, labels.argmax(1).where(labels.any(dim=1), -100))


def label_accuracy(labels: Tensor, logits: Tensor) -> Tensor:
    """The share of known pixels whose likeliest label is the right one; arguments as above."""
    known = labels.any(dim=1)
    return ((logits.argmax(1) == labels.argmax(1)) & known).sum() / known.sum().clamp(min=1)


def adversarial_loss(logits_fake: Tensor) -> Tensor:
    """What the generator minimises: the discriminator's mean logit for its pictures, negated."""
    return -logits_fake.mean()


def discriminator_loss(logits_real: Tensor, logits_fake: Tensor, kind: Literal["hinge", "vanilla"] = "hinge") -> Tensor:
    """What the discriminator minimises.

    Args:
        logits_real: Logits of originals, any shape.
        logits_fake: Logits of detached reconstructions, any shape.
        kind: "hinge" (the default of all published models) or "vanilla", the cross-entropy of the first GANs.

    Raises:
        ValueError: `kind` is neither.
    """
    if kind == "hinge":
        return 0.5 * (F.relu(1.0 - logits_real).mean() + F.relu(1.0 + logits_fake).mean())
    if kind == "vanilla":
        return 0.5 * (F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean())
    raise ValueError(f"kind is {kind!r}; a discriminator is trained with 'hinge' or 'vanilla'.")


def balance(reconstruction: Tensor, adversarial: Tensor) -> Tensor:
    """The adaptive weight, lambda of equation 7: how much stronger reconstruction pulls at the decoder's last layer than the adversary.

    Args:
        reconstruction: The reconstruction loss's gradient at the last layer's weight, perceptual term included.
        adversarial: The gradient of `adversarial_loss` there.

    Returns:
        A detached scalar in [0, 1e4].
    """
    result: Tensor = (reconstruction.norm() / (adversarial.norm() + 1e-4)).clamp(0.0, 1e4).detach()
    return result


def lecam_loss(logits_real: Tensor, logits_fake: Tensor, mean_real: Tensor, mean_fake: Tensor) -> Tensor:
    """Keeps a discriminator's logits near their running means (Tseng et al. 2021, "Regularizing GANs under limited data").

    Args:
        logits_real: Logits of originals.
        logits_fake: Logits of reconstructions.
        mean_real: The running mean of the former, a scalar.
        mean_fake: That of the latter.
    """
    return F.relu(logits_real - mean_fake).square().mean() + F.relu(mean_real - logits_fake).square().mean()


class RandomFeatureLoss(nn.Module):
    """A perceptual distance without a pretrained network: features of fixed random convolutions at several scales.

    Even untrained filters compare edges and textures rather than pixels. As in LPIPS, features are scaled to unit
    length at every place before they are subtracted. Needs no download and no weights: filters come from a seed.
    """

    def __init__(self, in_channels: int = 3, channels: int = 24, scales: int = 3, seed: int = 0) -> None:
        """Draws the filters.

        Args:
            in_channels: Channels of the pictures.
            channels: Random filters at each scale.
            scales: How often the picture is halved, plus one; scales on which it is smaller than a filter (5 pixels) are
                left out.
            seed: Of the filters.
        """
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        for scale in range(scales):
            filters = torch.empty(channels, in_channels, 5, 5)
            nn.init.orthogonal_(rearrange(filters, "k c h w -> k (c h w)"), generator=generator)
            # Half of the filters ignore brightness: they answer to edges only, whatever the light.
            filters[::2] -= filters[::2].mean(dim=(2, 3), keepdim=True)
            self.register_buffer(f"filters_{scale}", filters, persistent=False)
        self.scales = scales

    def forward(self, images: Tensor, reconstruction: Tensor) -> Tensor:
        """`(B, C, H, W)` twice -> a scalar, zero for equal pictures."""
        distance = images.new_zeros(())
        scales = next((s for s in range(1, self.scales) if min(images.shape[-2:]) >> s < 5), self.scales)
        for scale in range(scales):
            filters = self.get_buffer(f"filters_{scale}").to(images.dtype)
            original = _unit_length(F.leaky_relu(F.conv2d(images, filters, stride=2), 0.2))
            distance = (
                distance
                + (original - _unit_length(F.leaky_relu(F.conv2d(reconstruction, filters, stride=2), 0.2))).abs().mean()
            )
            if scale + 1 < scales:
                images, reconstruction = F.avg_pool2d(images, 2), F.avg_pool2d(reconstruction, 2)
        return distance / scales


def _unit_length(features: Tensor) -> Tensor:
    # The constant keeps flat areas, whose features are nearly zero, from being compared by their rounding noise.
    return features / (features.square().mean(dim=1, keepdim=True) + 0.01).sqrt()
