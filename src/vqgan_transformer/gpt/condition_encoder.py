"""What an aligned model sees of its conditions: features for each place of the token grid, from maps of full resolution.

A small network of local operations reads the maps in both directions, so that each place sees its surroundings of the
map in pixels. Its receptive field is bounded, so a picture of any size is encoded as crops of it were in training, and a
band of rows by itself as in the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .condition_input import ConditionInput
from .config import CondGPTConfig

__all__ = ["ConditionEncoder"]

ROWS_AT_ONCE = 128
"""Rows of the token grid that are encoded together when a picture is drawn; larger ones are encoded in bands."""


class ConditionEncoder(nn.Module):
    """Features of all conditions of a picture together, for each place of its token grid.

    Maps are read in patches of half a token's extent and meet there, at twice the resolution of tokens. Classes and known
    tokens join at the resolution of tokens. An unknown pixel, class or token has a learned vector of its own, and a kind
    that is absent is unknown everywhere.

    Args:
        config: of the GPT.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        assert config.downsample_factor is not None
        self.inputs = [kind for kind in config.conditions if kind.form in ("labels", "values", "class", "tokens")]
        self.depth = config.condition_depth
        self.patch = config.downsample_factor // 2
        width = config.condition_width
        self.width = width
        self.readers = nn.ModuleDict(
            {
                kind.name: _LabelReader(kind.size, self.patch, width // 2)
                if kind.form == "labels"
                else _ValueReader(kind.size, kind.octaves, self.patch, width // 2)
                if kind.form == "values"
                else _IdReader(kind.size + 1, width)
                for kind in self.inputs
            }
        )
        self.fine = _LocalBlock(width // 2, dilation=1)
        self.to_tokens = nn.Conv2d(width // 2, width, kernel_size=2, stride=2)
        self.blocks = nn.ModuleList(_LocalBlock(width, dilation=2**index) for index in range(config.condition_depth))
        self.norm_out = nn.LayerNorm(width)

    @property
    def reach(self) -> int:
        """How many tokens away from a place a pixel can be and still change the features there."""
        reach: int = 2**self.depth + self.depth  # 1 + the sum of 2^k + 1
        return reach

    def forward(
        self,
        conditions: Mapping[str, Tensor],
        size: tuple[int, int],
        batch: int,
        strength: Mapping[str, float] | None = None,
    ) -> Tensor:
        """Encodes a whole grid.

        Args:
            conditions: by name; see :class:`~.config.ConditionInput` for their forms.
            size: (h, w) of the token grid.
            batch: number of pictures B.
            strength: by name, how much a condition counts where it enters: 0 as if it were unknown, 1 as in training.

        Returns:
            float (B, h, w, condition_width).
        """
        height, width = size
        strength = strength or {}
        weight = self.norm_out.weight
        fine = weight.new_zeros(batch, self.width // 2, 2 * height, 2 * width)
        coarse = weight.new_zeros(batch, self.width, height, width)
        for kind in self.inputs:
            reader: Any = self.readers[kind.name]
            read = unknown = reader.unknown()
            if kind.name in conditions:
                read, amount = reader(conditions[kind.name]), strength.get(kind.name, 1)
                if amount != 1:
                    read = unknown + amount * (read - unknown)
            if isinstance(reader, _IdReader):
                coarse = coarse + read
            else:
                fine = fine + read
        x = self.to_tokens(self.fine(fine)) + coarse
        for block in self.blocks:
            x = block(x)
        features: Tensor = self.norm_out(rearrange(x, "b c h w -> b h w c"))
        return features

    def in_bands(
        self,
        conditions: Mapping[str, Tensor],
        size: tuple[int, int],
        batch: int,
        strength: Mapping[str, float] | None = None,
    ) -> Tensor:
        """As :meth:`forward`, a band of rows at a time, so that little memory is needed besides the result."""
        height, width = size
        bands = []
        for top in range(0, height, ROWS_AT_ONCE):
            bottom = min(top + ROWS_AT_ONCE, height)
            first, last = max(0, top - self.reach), min(height, bottom + self.reach)
            seen = {
                kind.name: self._rows(kind, conditions[kind.name], first, last)
                for kind in self.inputs
                if kind.name in conditions
            }
            bands.append(self(seen, (last - first, width), batch, strength)[:, top - first : bottom - first])
        return torch.cat(bands, dim=1)

    def _rows(self, kind: ConditionInput, given: Tensor, first: int, last: int) -> Tensor:
        # rows of the token grid, cut from a condition of any form
        if kind.form == "class":
            return given
        scale = 1 if kind.form == "tokens" else 2 * self.patch
        return given[..., first * scale : last * scale, :]


class _IdReader(nn.Embedding):
    """A vector for each class or token; the first row stands for what is unknown."""

    def forward(self, ids: Tensor) -> Tensor:
        """Int64 (B,) or (B, h, w) -> (B, width, 1 or h, 1 or w)."""
        ids = ids[:, None, None] if ids.ndim == 1 else ids
        return rearrange(super().forward(ids + 1), "b h w c -> b c h w")

    def unknown(self) -> Tensor:
        """What an id that is unknown gives, (1, width, 1, 1)."""
        return self.weight[0][None, :, None, None]


class _LabelReader(nn.Module):
    """A linear map of one-hot patches: a sum of one vector for each label at each pixel of the patch."""

    def __init__(self, labels: int, patch: int, width: int):
        super().__init__()
        self.patch, self.labels = patch, labels
        # (unknown or label, row and column in the patch)
        self.table = nn.Parameter(torch.randn((labels + 1) * patch**2, width) / patch)

    def forward(self, labels: Tensor) -> Tensor:
        """Int64 (B, H, W) -> (B, width, H / patch, W / patch)."""
        patches = rearrange(labels + 1, "b (h p) (w q) -> b h w (p q)", p=self.patch, q=self.patch)
        entries = patches * self.patch**2 + torch.arange(self.patch**2, device=labels.device)
        summed = F.embedding_bag(entries.flatten(0, 2), self.table, mode="sum")
        return rearrange(summed, "(b h w) c -> b c h w", h=entries.shape[1], w=entries.shape[2])

    def unknown(self) -> Tensor:
        """What a map that is unknown everywhere gives, (1, width, 1, 1)."""
        return self.table[: self.patch**2].sum(0)[None, :, None, None]


class _ValueReader(nn.Module):
    """A linear map of patches of numbers and of their waves, and of which pixels are unknown."""

    def __init__(self, channels: int, octaves: int, patch: int, width: int):
        super().__init__()
        self.octaves = octaves
        self.conv = nn.Conv2d(channels * (1 + 2 * octaves) + 1, width, kernel_size=patch, stride=patch)

    def forward(self, values: Tensor) -> Tensor:
        """Float (B, C, H, W) -> (B, width, H / patch, W / patch)."""
        weight = self.conv.weight
        known = torch.isfinite(values).all(dim=1, keepdim=True)
        angles = [2**octave * math.pi * values for octave in range(self.octaves)]
        waves = [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)]
        numbers = torch.cat((values, *waves), dim=1).to(weight)
        read: Tensor = self.conv(torch.cat((numbers.where(known, 0), (~known).to(weight)), dim=1))
        return read

    def unknown(self) -> Tensor:
        """What a map that is unknown everywhere gives, (1, width, 1, 1)."""
        assert self.conv.bias is not None
        return (self.conv.weight[:, -1].sum((1, 2)) + self.conv.bias)[None, :, None, None]


class _LocalBlock(nn.Module):
    """Two convolutions behind normalisations of each place by itself, added to the input."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w). Beyond the border of the grid the convolutions see zeros."""
        x = x + self.conv1(F.silu(_by_place(self.norm1, x)))
        x = x + self.conv2(F.silu(_by_place(self.norm2, x)))
        return x


def _by_place(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    normed: Tensor = norm(x.permute(0, 2, 3, 1))
    return normed.permute(0, 3, 1, 2)
