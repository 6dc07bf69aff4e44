"""The VQGAN that a training starts from; initial weights with which a picture comes through an untrained one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from einops import rearrange
from torch import Tensor, nn

from ..conditions.tokenized_map import TokenizedMap
from ..vqgan.model import VQGAN, VQGANConfig
from .evaluating import evaluating
from .samples import Samples, random_numbers, stack
from .settings import VQGANTraining

__all__ = ["config_to_train", "new_vqgan", "tokenizer_inputs", "whiten", "whiten_by"]


WHITENED_CHANNELS = 32
"""Longer latents keep the directions in which they differ most."""


@torch.no_grad()
def whiten(vqgan: VQGAN, images: Tensor, generator: torch.Generator | None = None) -> None:
    """Draws a VQGAN's convolutions anew and fits its last layer before the codes to some pictures.

    Convolutions keep the variance (PyTorch's own choice divides it by three, which the bottleneck turns into hundreds
    of steps without progress). The last layer before the codes is scaled so that the latents of `images` have mean
    zero and covariance one: without, all would be alike once they have unit length. Long latents keep their directions and
    get a mean variance of one: with covariance one in hundreds of dimensions, all would be about equally far from each
    other, and a few codes near the middle would win them all.

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
    with evaluating(vqgan):  # without dropout
        latents = rearrange(vqgan.encode_to_latents(images), "b d h w -> d (b h w)").double()
    covariance = torch.cov(latents)
    if len(covariance) > WHITENED_CHANNELS:
        covariance = torch.eye(len(covariance)).to(covariance) * covariance.diagonal().mean()
    values, vectors = torch.linalg.eigh(covariance)
    scale = (vectors @ torch.diag(values.clamp(min=1e-8).rsqrt()) @ vectors.T).to(images.dtype)
    layer, middle = vqgan.to_codes, latents.mean(dim=1).to(images.dtype)
    assert layer.bias is not None
    layer.bias.copy_(scale @ (layer.bias - middle))
    layer.weight.copy_(torch.einsum("d e, e c h w -> d c h w", scale, layer.weight))


def config_to_train(
    config: VQGANConfig | None, init: VQGAN | None, reader: TokenizedMap | None, training: VQGANTraining
) -> VQGANConfig:
    """The config of the VQGAN that training starts from, checked against the recipe and the data's form.

    Raises:
        ValueError: where they do not fit.
    """
    if init is not None and config is not None and config != init.config:
        raise ValueError("init= brings its own config: leave config= out.")
    channels = 3 if reader is None else reader.tokenizer_channels
    given = init.config if init is not None else config
    chosen = given if given is not None else VQGANConfig.modern(in_channels=channels, out_channels=channels)
    factor = chosen.downsample_factor
    if training.crop[0] % factor or training.crop[1] % factor:
        raise ValueError(f"crop_size={training.crop_size} must be a multiple of the VQGAN's factor {factor}.")
    if reader is not None:
        reader.check_tokenizer(chosen)
    elif (chosen.in_channels, chosen.out_channels) != (3, 3):
        raise ValueError(
            f"a picture has 3 channels, but the VQGAN's config says {chosen.in_channels} in and {chosen.out_channels} out."
        )
    return chosen


def new_vqgan(config: VQGANConfig, init: VQGAN | None, training: VQGANTraining) -> VQGAN:
    """The VQGAN that training starts from: a copy of ``init``, or one with weights drawn by the recipe's seed."""
    if init is not None:
        vqgan = VQGAN(config).to(init.from_codes.weight.dtype)
        vqgan.load_state_dict(init.state_dict())
        return vqgan
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        return VQGAN(config)


def whiten_by(vqgan: VQGAN, samples: Samples, reader: TokenizedMap | None, seed: int) -> None:
    """Fits an untrained VQGAN to some samples, as :func:`whiten` does."""
    chosen = random_numbers(seed, 3).permutation(len(samples))[: min(32, len(samples))]
    images = tokenizer_inputs(stack([samples[0, int(index)] for index in chosen]), reader, vqgan.config)
    whiten(vqgan, images.to(vqgan.from_codes.weight), torch.Generator().manual_seed(seed))


def tokenizer_inputs(batch: Mapping[str, Tensor], reader: TokenizedMap | None, config: VQGANConfig) -> Tensor:
    """What a VQGAN that is trained reads of a batch, pictures or maps: float (B, in_channels, H, W)."""
    return batch["image"] if reader is None else reader.tokenizer_input(batch[reader.name], config.in_channels)
