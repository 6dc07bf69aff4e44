"""Encoder and decoder of the VQGAN (paper, appendix A, table 7).

Shapes below use B pictures, C channels, H×W pixels and f, the downsampling factor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

__all__ = ["AttentionBlock", "ChannelNorm", "Decoder", "Encoder", "ResidualBlock", "SpatialNorm"]

MakeNorm = Callable[[int], nn.Module]
"""Makes the normalisation of so many channels."""


class ChannelNorm(nn.LayerNorm):
    """Normalises the channels of each pixel by themselves: (B, C, H, W) -> (B, C, H, W).

    Unlike group normalisation it takes no statistics over the picture, so a strip of a picture decodes to exactly
    that strip of the decoded picture.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalises over axis 1."""
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class SpatialNorm(nn.Module):
    """Group normalisation that each place scales and shifts by its code (MoVQ, Zheng et al. 2022, section 3.2)."""

    def __init__(self, channels: int, *, groups: int, code_dim: int):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.scale = nn.Conv2d(code_dim, channels, 1)
        self.shift = nn.Conv2d(code_dim, channels, 1)

    def forward(self, x: Tensor, codes: Tensor) -> Tensor:
        """Features (B, C, H, W) and codes (B, code_dim, h, w) -> (B, C, H, W)."""
        codes = F.interpolate(codes, size=x.shape[-2:], mode="nearest")
        modulated: Tensor = self.norm(x) * self.scale(codes) + self.shift(codes)
        return modulated


def normalisation(channels: int, *, kind: str, groups: int = 32, code_dim: int | None = None) -> nn.Module:
    """The original's group normalisation (32 groups, eps 1e-6), the local one, or one that sees codes, if there are."""
    if kind == "channel":
        return ChannelNorm(channels, eps=1e-6)
    if kind == "spatial" and code_dim is not None:
        return SpatialNorm(channels, groups=groups, code_dim=code_dim)
    return nn.GroupNorm(groups, channels, eps=1e-6)


def normalise(norm: nn.Module, x: Tensor, codes: Tensor | None) -> Tensor:
    """Applies a normalisation; only a spatial one looks at the codes."""
    normalised: Tensor = norm(x, codes) if isinstance(norm, SpatialNorm) else norm(x)
    return normalised


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))); a 1×1 convolution stands in for x where the width changes."""

    def __init__(self, in_channels: int, out_channels: int, *, norm: MakeNorm, dropout: float):
        super().__init__()
        self.norm1 = norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = norm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()

    def forward(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        h = self.conv1(F.silu(normalise(self.norm1, x, codes)))
        h = self.conv2(self.dropout(F.silu(normalise(self.norm2, h, codes))))
        total: Tensor = self.shortcut(x) + h
        return total


class AttentionBlock(nn.Module):
    """Single-head attention over all places of a feature map, added to it."""

    def __init__(self, channels: int, *, norm: MakeNorm):
        super().__init__()
        self.norm = norm(channels)
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        normed = normalise(self.norm, x, codes)
        query, key, value = (
            rearrange(projection(normed), "b c h w -> b 1 (h w) c") for projection in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        total: Tensor = x + self.out(rearrange(attended, "b 1 (h w) c -> b c h w", h=x.shape[2]))
        return total


class Downsample(nn.Conv2d):
    """Halves both sides by a strided convolution, padded on the right and bottom only, as the original does."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, stride=2)

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H/2, W/2)."""
        return super().forward(F.pad(input, (0, 1, 0, 1)))


class Upsample(nn.Conv2d):
    """Doubles both sides by repeating pixels, then convolves."""

    def __init__(self, channels: int):
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        return super().forward(F.interpolate(input, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """What happens at one resolution: residual blocks, each followed by attention if asked, then a change of size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        blocks: int,
        attention: bool,
        norm: MakeNorm,
        dropout: float,
        downsample: str | None = None,
        upsample: bool = False,
    ):
        super().__init__()
        widths = [in_channels] + [out_channels] * blocks
        self.blocks = nn.ModuleList(
            ResidualBlock(before, after, norm=norm, dropout=dropout) for before, after in pairwise(widths)
        )
        self.attentions = nn.ModuleList(AttentionBlock(out_channels, norm=norm) for _ in range(blocks * attention))
        self.downsample: nn.Module | None = None
        if downsample is not None:
            self.downsample = Downsample(widths[-1]) if downsample == "convolution" else nn.AvgPool2d(2)
        self.upsample = Upsample(widths[-1]) if upsample else None

    def forward(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H', W')."""
        for index, block in enumerate(self.blocks):
            x = block(x, codes)
            if self.attentions:
                x = self.attentions[index](x, codes)
        if self.downsample is not None:
            x = self.downsample(x)
        if self.upsample is not None:
            x = self.upsample(x)
        return x


class Middle(nn.Module):
    """The lowest resolution's core: residual block, attention, residual block."""

    def __init__(self, channels: int, *, attention: bool, norm: MakeNorm, dropout: float):
        super().__init__()
        self.block1 = ResidualBlock(channels, channels, norm=norm, dropout=dropout)
        self.attention = AttentionBlock(channels, norm=norm) if attention else None
        self.block2 = ResidualBlock(channels, channels, norm=norm, dropout=dropout)

    def forward(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        x = self.block1(x, codes)
        if self.attention is not None:
            x = self.attention(x, codes)
        x = self.block2(x, codes)
        return x


class Encoder(nn.Module):
    """Pictures to features: (B, in_channels, H, W) -> (B, latent_channels, H/f, W/f).

    Args:
        in_channels: channels of a picture.
        widths: channels of each level, highest resolution first; a level without blocks keeps the width before it.
        blocks: residual blocks of each level.
        attention_levels: the levels with attention.
        mid_attention: whether the core has attention.
        latent_channels: channels of the features.
        patch_size: side of the pixel squares that are folded into channels first.
        downsample: "convolution" or "average", how a level halves the resolution.
        norm: "group", "channel" or "spatial"; spatial normalisation is for decoders, an encoder has groups instead.
        norm_groups: of group and spatial normalisation.
        dropout: probability inside residual blocks.
    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        *,
        blocks: Sequence[int],
        attention_levels: Sequence[int],
        mid_attention: bool,
        latent_channels: int,
        patch_size: int,
        downsample: str,
        norm: str,
        norm_groups: int,
        dropout: float,
    ):
        super().__init__()
        self.patch_size = patch_size
        make_norm = partial(normalisation, kind=norm, groups=norm_groups)
        width = widths[0]
        self.conv_in = nn.Conv2d(in_channels * patch_size**2, width, 3, padding=1)
        self.levels = nn.ModuleList()
        for index, level_width in enumerate(widths):
            self.levels.append(
                Level(
                    width,
                    level_width,
                    blocks=blocks[index],
                    attention=index in attention_levels,
                    norm=make_norm,
                    dropout=dropout,
                    downsample=downsample if index < len(widths) - 1 else None,
                )
            )
            width = level_width if blocks[index] else width
        self.middle = Middle(width, attention=mid_attention, norm=make_norm, dropout=dropout)
        self.norm_out = make_norm(width)
        self.conv_out = nn.Conv2d(width, latent_channels, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, latent_channels, H/f, W/f)."""
        x = self.conv_in(F.pixel_unshuffle(images, self.patch_size) if self.patch_size > 1 else images)
        for level in self.levels:
            x = level(x)
        features: Tensor = self.conv_out(F.silu(self.norm_out(self.middle(x))))
        return features


class Decoder(nn.Module):
    """Features to pictures: (B, latent_channels, h, w) -> (B, out_channels, h·f, w·f).

    Takes the encoder's arguments but ``downsample``, and the length of codes for spatial normalisation; ``widths``,
    ``blocks`` and ``attention_levels`` count from the highest resolution here too, while ``self.levels`` stands in the
    order in which the levels run: lowest resolution first.
    """

    def __init__(
        self,
        out_channels: int,
        widths: Sequence[int],
        *,
        blocks: Sequence[int],
        attention_levels: Sequence[int],
        mid_attention: bool,
        latent_channels: int,
        patch_size: int,
        norm: str,
        norm_groups: int,
        code_dim: int,
        dropout: float,
    ):
        super().__init__()
        self.patch_size = patch_size
        make_norm = partial(normalisation, kind=norm, groups=norm_groups, code_dim=code_dim)
        width = widths[-1]
        self.conv_in = nn.Conv2d(latent_channels, width, 3, padding=1)
        self.middle = Middle(width, attention=mid_attention, norm=make_norm, dropout=dropout)
        self.levels = nn.ModuleList()
        for index in reversed(range(len(widths))):
            self.levels.append(
                Level(
                    width,
                    widths[index],
                    blocks=blocks[index],
                    attention=index in attention_levels,
                    norm=make_norm,
                    dropout=dropout,
                    upsample=index > 0,
                )
            )
            width = widths[index] if blocks[index] else width
        self.norm_out = make_norm(width)
        self.conv_out = nn.Conv2d(width, out_channels * patch_size**2, 3, padding=1)

    def forward(self, latents: Tensor, codes: Tensor | None = None) -> Tensor:
        """(B, latent_channels, h, w) -> (B, out_channels, h·f, w·f).

        Spatial normalisation needs the codes (B, code_dim, h, w) that the latents were made from.
        """
        x = self.middle(self.conv_in(latents), codes)
        for level in self.levels:
            x = level(x, codes)
        x = self.conv_out(F.silu(normalise(self.norm_out, x, codes)))
        return F.pixel_shuffle(x, self.patch_size) if self.patch_size > 1 else x

    @property
    def last_layer(self) -> Tensor:
        """The weight by whose gradients the adversarial term is balanced (paper, equation 7)."""
        return self.conv_out.weight
