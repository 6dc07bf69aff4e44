"""VQGAN: pictures to token grids and back (paper, section 3.1)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..slots import foreign_formats
from ..storage.pretrained import Pretrained
from ..storage.weights import resolve_dtype
from .autoencoder import Decoder, Encoder
from .config import VQGANConfig
from .quantizer import perplexity
from .quantizer_kinds import QUANTIZERS

__all__ = ["VQGAN", "VQGANConfig", "VQGANOutput"]


@dataclass(frozen=True)
class VQGANOutput:
    """What a forward pass gives.

    Attributes:
        reconstruction: (B, out_channels, H, W).
        tokens: int64 (B, h, w).
        codebook_loss: scalar, the quantizer's term of the training loss (equation 4 without the reconstruction).
        perplexity: scalar, effective number of codes in use in this batch, 1 to codebook_size.
    """

    reconstruction: Tensor
    tokens: Tensor
    codebook_loss: Tensor
    perplexity: Tensor


class VQGAN(Pretrained, nn.Module):
    """Encodes pictures as grids of codebook indices and decodes them.

    Works at every size whose sides are multiples of ``downsample_factor`` (f).

    Example:
        >>> vqgan = VQGAN.from_pretrained("builtin:scenes")
        >>> tokens = vqgan.encode(torch.zeros(1, 3, 64, 96))
        >>> tuple(tokens.shape), tuple(vqgan.decode(tokens).shape)
        ((1, 8, 12), (1, 3, 64, 96))
    """

    config_class: ClassVar[type] = VQGANConfig
    config: VQGANConfig

    def __init__(self, config: VQGANConfig):
        super().__init__()
        self.config = config
        shared: dict[str, Any] = {
            "attention_levels": config.attention_levels,
            "mid_attention": config.mid_attention,
            "latent_channels": config.latent_channels,
            "patch_size": config.patch_size,
            "norm": config.norm,
            "norm_groups": config.norm_groups,
            "dropout": config.dropout,
        }
        self.encoder = Encoder(
            config.in_channels, config.widths, blocks=config.encoder_blocks, downsample=config.downsample, **shared
        )
        if config.has_decoder:
            self.decoder = Decoder(
                config.out_channels, config.widths, blocks=config.decoder_blocks, code_dim=config.code_dim, **shared
            )
        self.quantizer = QUANTIZERS[config.quantizer].from_config(config)
        self.to_codes = nn.Conv2d(config.latent_channels, config.code_dim, 1)
        if config.has_decoder:
            self.from_codes = nn.Conv2d(config.code_dim, config.latent_channels, 1)

    @property
    def downsample_factor(self) -> int:
        """f: pixels a token stands for, along each side."""
        return self.config.downsample_factor

    @property
    def codebook_size(self) -> int:
        """Number of codes; tokens are below it."""
        return self.config.codebook_size

    def encode(self, images: Tensor) -> Tensor:
        """Pictures to tokens.

        Args:
            images: float (B, in_channels, H, W); RGB and depth in [-1, 1], label maps one-hot. H and W multiples of f.

        Returns:
            int64 (B, H/f, W/f), codebook indices.

        Raises:
            ValueError: for another number of axes or channels, or sides that are no multiples of f.
            TypeError: for integer pictures.
        """
        return self.quantizer.tokens(self.encode_to_latents(images))

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens to pictures: integers (B, h, w) -> (B, out_channels, h·f, w·f), about [-1, 1], not clipped.

        Raises:
            ValueError: for another number of axes, a token that is no index of the codebook, or a checkpoint without a
                decoder.
            TypeError: for tokens that are not integers.
        """
        if tokens.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"tokens are codebook indices (int64), got {tokens.dtype}.")
        if tokens.ndim != 3:
            raise ValueError(f"tokens have the shape (B, h, w), got {tuple(tokens.shape)}.")
        low, high = (int(tokens.min()), int(tokens.max())) if tokens.numel() else (0, 0)
        if low < 0 or high >= self.codebook_size:
            raise ValueError(
                f"tokens run from {low} to {high}, but the codebook has indices 0–{self.codebook_size - 1}."
            )
        return self.decode_latents(self.quantizer.lookup(tokens))

    def encode_to_latents(self, images: Tensor) -> Tensor:
        """The encoder's features before they become codes: (B, in_channels, H, W) -> (B, code_dim, H/f, W/f)."""
        self._check_images(images)
        latents: Tensor = self.to_codes(self.encoder((images + 1) / 2 if self.config.unit_range else images))
        return latents

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Codes, or anything in their place, to pictures: (B, code_dim, h, w) -> (B, out_channels, h·f, w·f)."""
        if not self.config.has_decoder:
            raise ValueError("this checkpoint has the encoder's half only: it makes tokens and cannot decode them.")
        images: Tensor = self.decoder(self.from_codes(latents), latents)
        return 2 * images - 1 if self.config.unit_range else images

    def forward(self, images: Tensor) -> VQGANOutput:
        """Reconstructs pictures; arguments and errors as for :meth:`encode`."""
        quantized = self.quantizer(self.encode_to_latents(images))
        return VQGANOutput(
            reconstruction=self.decode_latents(quantized.latents),
            tokens=quantized.tokens,
            codebook_loss=quantized.loss,
            perplexity=perplexity(quantized.tokens, self.codebook_size),
        )

    def save_diffusers(self, folder: str | os.PathLike[str], *, dtype: torch.dtype | str | None = None) -> Path:
        """Writes a folder that ``diffusers.VQModel.from_pretrained`` reads, whole or not at all.

        Args:
            folder: is made if need be.
            dtype: of the weights in the file, as torch.dtype or by name; by default as they are.

        Returns:
            the folder. A VQModel works in the network's own range: pictures in [0, 1] if ``unit_range`` is set.

        Raises:
            ValueError: for a VQGAN that a VQModel cannot express, with what stands in the way.
        """
        folder = Path(folder).expanduser()
        foreign_formats().save_diffusers(self, folder, resolve_dtype(dtype))
        return folder

    def _check_images(self, images: Tensor) -> None:
        channels, factor = self.config.in_channels, self.downsample_factor
        if not images.is_floating_point():
            raise TypeError(f"images are floats (RGB and depth in [-1, 1], label maps one-hot), got {images.dtype}.")
        if images.ndim != 4 or images.shape[1] != channels:
            raise ValueError(f"images have the shape (B, {channels}, H, W), got {tuple(images.shape)}.")
        height, width = images.shape[-2:]
        if height % factor or width % factor or not height or not width:
            raise ValueError(
                f"the sides of images must be multiples of {factor}, got {height}×{width}. Pad or crop them, e.g. to "
                f"{max(1, round(height / factor)) * factor}×{max(1, round(width / factor)) * factor}."
            )
