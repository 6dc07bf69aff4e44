"""Initial weights with which a picture comes through an untrained VQGAN, so that learning starts at once."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn

from ..vqgan.model import VQGAN

__all__ = ["whiten"]


@torch.no_grad()
def whiten(vqgan: VQGAN, images: Tensor, generator: torch.Generator | None = None) -> None:
    """Draws a VQGAN's convolutions anew and fits its last layer before the codes to some pictures.

    Convolutions keep the variance (PyTorch's own choice divides it by three, which the bottleneck turns into hundreds
    of steps without progress). The last layer before the codes is scaled so that the latents of `images` have mean
    zero and covariance one: without, all would be alike once they have unit length.

    Args:
        vqgan: is changed.
        images: (B, in_channels, H, W), a few dozen.
        generator: of the weights.
    """
    for module in vqgan.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    latents = rearrange(vqgan.encode_to_latents(images), "b d h w -> d (b h w)").double()
    values, vectors = torch.linalg.eigh(torch.cov(latents))
    scale = (vectors @ torch.diag(values.clamp(min=1e-8).rsqrt()) @ vectors.T).to(images.dtype)
    layer, middle = vqgan.to_codes, latents.mean(dim=1).to(images.dtype)
    assert layer.bias is not None
    layer.bias.copy_(scale @ (layer.bias - middle))
    layer.weight.copy_(torch.einsum("d e, e c h w -> d c h w", scale, layer.weight))
