"""VQGAN: pictures to token grids and back (paper, section 3.1)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ..slots import foreign_formats
from ..storage.pretrained import Pretrained
from ..storage.weights import resolve_dtype
from .autoencoder import Decoder, Encoder
from .quantizer import GumbelQuantizer, NearestQuantizer, perplexity

__all__ = ["VQGAN", "VQGANConfig", "VQGANOutput"]


@dataclass(frozen=True)
class VQGANConfig:
    """Everything that shapes a VQGAN. The defaults are the paper's f=16 model for 256-pixel crops.

    Args:
        in_channels: channels of a picture: 3 for RGB, 1 for depth, the number of labels for one-hot label maps.
        out_channels: channels of a reconstruction.
        channels: width of the first level.
        channel_multipliers: width of each level relative to the first, highest resolution first. The resolution
            halves between levels.
        num_res_blocks: the encoder's residual blocks at each level, one number for all levels or one for each.
        decoder_res_blocks: the decoder's; ``None`` stands for one more than the encoder's, as in the original.
        attention_levels: levels with attention after each residual block (0 is the highest resolution).
        mid_attention: attention at the core, too.
        downsample: ``"convolution"``, the original's, or ``"average"`` over 2×2 pixels, as in MaskGIT.
        norm: ``"group"``, the original's; ``"channel"``, which looks at one place only, so that with no attention
            all operations are local and a strip of a picture decodes exactly as in the whole; or ``"spatial"``, by
            which a decoder sees its codes at every level (MoVQ).
        norm_groups: of group and spatial normalisation; divides all widths.
        patch_size: side of the squares of pixels that the encoder folds into channels and the decoder unfolds.
        dropout: probability inside residual blocks.
        latent_channels: channels between the encoder and the projection to codes.
        quantizer: ``"nearest"`` code or ``"gumbel"``.
        codebook_size: number of codes.
        code_dim: length of a code.
        normalize_codes: compare and use codes and features as unit vectors.
        commitment_weight: beta of the paper's equation 4.
        legacy_commitment: put beta on the codebook's term instead of the encoder's, as in all published checkpoints
            of the original. Only training sees a difference.
        kl_weight: weight of the Gumbel quantizer's divergence from uniform codes.
        unit_range: the network's own pictures lie in [0, 1], as in MaskGIT and aMUSEd. Those that are encoded and
            decoded lie in [-1, 1] all the same.
        has_decoder: false for checkpoints that can encode only, e.g. Chameleon's.

    Raises:
        ValueError: where two fields contradict each other or one is out of range.
    """

    in_channels: int = 3
    out_channels: int = 3
    channels: int = 128
    channel_multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)
    num_res_blocks: int | tuple[int, ...] = 2
    decoder_res_blocks: int | tuple[int, ...] | None = None
    attention_levels: tuple[int, ...] = (4,)
    mid_attention: bool = True
    downsample: Literal["convolution", "average"] = "convolution"
    norm: Literal["group", "channel", "spatial"] = "group"
    norm_groups: int = 32
    patch_size: int = 1
    dropout: float = 0.0
    latent_channels: int = 256
    quantizer: Literal["nearest", "gumbel"] = "nearest"
    codebook_size: int = 1024
    code_dim: int = 256
    normalize_codes: bool = False
    commitment_weight: float = 0.25
    legacy_commitment: bool = False
    kl_weight: float = 5e-4
    unit_range: bool = False
    has_decoder: bool = True

    def __post_init__(self) -> None:
        levels = len(self.channel_multipliers)
        sizes = {name: getattr(self, name) for name in ("in_channels", "out_channels", "channels", "norm_groups")}
        sizes |= {name: getattr(self, name) for name in ("patch_size", "latent_channels", "codebook_size", "code_dim")}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"VQGANConfig.{name} must be at least 1, got {value}.")
        if levels == 0 or min(self.channel_multipliers) < 1:
            raise ValueError(
                f"channel_multipliers must be one or more positive numbers, got {self.channel_multipliers}."
            )
        for name in ("num_res_blocks", "decoder_res_blocks"):
            blocks = getattr(self, name)
            if isinstance(blocks, tuple) and len(blocks) != levels:
                raise ValueError(f"{name} has {len(blocks)} numbers, but there are {levels} levels: give one for each.")
            if blocks is not None and min(blocks if isinstance(blocks, tuple) else (blocks,)) < 0:
                raise ValueError(f"{name} must not be negative, got {blocks}.")
        if any(not 0 <= level < levels for level in self.attention_levels):
            raise ValueError(f"attention_levels must lie in 0..{levels - 1}, got {self.attention_levels}.")
        choices = {"norm": ("group", "channel", "spatial"), "quantizer": ("nearest", "gumbel")}
        choices |= {"downsample": ("convolution", "average")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, got {getattr(self, name)!r}.")
        if self.norm != "channel" and any(width % self.norm_groups for width in self.widths):
            raise ValueError(
                f"{self.norm} normalisation has {self.norm_groups} groups, so the width of every level must divide by "
                f"{self.norm_groups}; got {list(self.widths)}. Change channels or norm_groups, or pass norm='channel'."
            )
        if self.quantizer == "gumbel" and self.code_dim != self.latent_channels:
            raise ValueError(
                f"the Gumbel quantizer needs code_dim equal to latent_channels, got {self.code_dim} and "
                f"{self.latent_channels}."
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), got {self.dropout}.")

    @classmethod
    def modern(cls, **changes: Any) -> VQGANConfig:
        """A light f=16 model without attention and with short codes of unit length, for new trainings.

        Encoder and decoder are alike, all operations are local, and pixels are folded into channels before the first
        convolution: VQGAN+ (Weber et al. 2024) and ViT-VQGAN (Yu et al. 2022), fitted to small machines. Widen
        ``channels`` where there is a GPU.
        """
        recipe: dict[str, Any] = {
            "channels": 32,
            "channel_multipliers": (1, 2, 3, 4),
            "patch_size": 2,
            "num_res_blocks": (1, 1, 2, 2),
            "decoder_res_blocks": (1, 1, 2, 2),
            "attention_levels": (),
            "mid_attention": False,
            "norm": "channel",
            "latent_channels": 96,
            "codebook_size": 1024,
            "code_dim": 8,
            "normalize_codes": True,
        }
        return cls(**{**recipe, **changes})

    @property
    def downsample_factor(self) -> int:
        """f: pixels a token stands for, along each side."""
        return self.patch_size * 2 ** (len(self.channel_multipliers) - 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, highest resolution first."""
        return tuple(self.channels * multiplier for multiplier in self.channel_multipliers)

    @property
    def encoder_blocks(self) -> tuple[int, ...]:
        """The encoder's residual blocks at each level, highest resolution first."""
        blocks = self.num_res_blocks
        return blocks if isinstance(blocks, tuple) else (blocks,) * len(self.channel_multipliers)

    @property
    def decoder_blocks(self) -> tuple[int, ...]:
        """The decoder's residual blocks at each level, highest resolution first."""
        blocks = self.decoder_res_blocks
        if blocks is None:
            return tuple(count + 1 for count in self.encoder_blocks)
        return blocks if isinstance(blocks, tuple) else (blocks,) * len(self.channel_multipliers)


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
        self.quantizer: NearestQuantizer | GumbelQuantizer
        if config.quantizer == "nearest":
            self.quantizer = NearestQuantizer(
                config.codebook_size,
                config.code_dim,
                normalize=config.normalize_codes,
                commitment_weight=config.commitment_weight,
                legacy=config.legacy_commitment,
            )
        else:
            self.quantizer = GumbelQuantizer(
                config.codebook_size,
                config.code_dim,
                latent_channels=config.latent_channels,
                kl_weight=config.kl_weight,
            )
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
        return self.to_codes(self.encoder((images + 1) / 2 if self.config.unit_range else images))

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Codes, or anything in their place, to pictures: (B, code_dim, h, w) -> (B, out_channels, h·f, w·f)."""
        if not self.config.has_decoder:
            raise ValueError("this checkpoint has the encoder's half only: it makes tokens and cannot decode them.")
        images = self.decoder(self.from_codes(latents), latents)
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
