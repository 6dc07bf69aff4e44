"""Finite scalar quantization: each number of a feature is rounded by itself (Mentzer et al. 2023, "FSQ")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from .quantizer import Quantized, Quantizer, at_least_float32, straight_through

__all__ = ["FiniteScalarQuantizer"]

MARGIN = 1e-3
"""By how much the outermost levels are widened, so that they can be reached."""


class FiniteScalarQuantizer(Quantizer):
    """Each number of a feature is bounded and rounded to one of a few levels; a code is a point of that grid.

    There is no codebook to learn: no loss, no codes that die. The token of a code is its levels read as the digits of a
    number, the first digit counting least.

    Args:
        levels: how many values each number of a code takes, two or more; their product is the number of codes.
    """

    levels: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.size = math.prod(levels)
        self.register_buffer("levels", torch.tensor(levels, dtype=torch.get_default_dtype()))

    @classmethod
    def from_config(cls, config: Any) -> FiniteScalarQuantizer:
        """The quantizer that a VQGANConfig describes."""
        return cls(config.code_levels)

    @classmethod
    def check(cls, config: Any) -> None:
        """The levels say how many codes there are, and of which length.

        Raises:
            ValueError: where ``codebook_size`` or ``code_dim`` say something else, or codes should be unit vectors.
        """
        levels = config.code_levels
        if not levels or min(levels) < 2:
            raise ValueError(
                f"quantizer='fsq' needs code_levels, how many values (two or more) each number of a code takes, e.g. "
                f"(8, 5, 5, 5); got {levels}."
            )
        if (config.codebook_size, config.code_dim) != (math.prod(levels), len(levels)):
            raise ValueError(
                f"code_levels={levels} make {math.prod(levels)} codes of length {len(levels)}, got "
                f"codebook_size={config.codebook_size} and code_dim={config.code_dim}."
            )
        if config.normalize_codes:
            raise ValueError("the codes of quantizer='fsq' lie on a grid: it needs normalize_codes=False.")

    @classmethod
    def modern(cls, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """A thousand codes, by the paper's table 1; sizes follow from the levels."""
        levels = chosen.get("code_levels", (8, 5, 5, 5))
        return {"code_levels": levels, "codebook_size": math.prod(levels), "code_dim": len(levels)}

    @property
    def codes(self) -> Tensor:
        """(K, d), all points of the grid, in [-1, 1]."""
        tokens = torch.arange(self.size, device=self.levels.device)
        return rearrange(self.lookup(tokens[None, None]), "1 d 1 k -> k d")

    def forward(self, latents: Tensor) -> Quantized:
        """(B, d, h, w) -> codes, tokens and loss, which is zero."""
        bounded = self._bounded(latents)
        rounded = straight_through(bounded.round(), bounded)
        codes = (rounded / self._zero.to(rounded.dtype)).to(latents.dtype)
        return Quantized(codes, self._number(bounded.round()), latents.new_zeros(()))

    def tokens(self, latents: Tensor) -> Tensor:
        """(B, d, h, w) -> int64 (B, h, w)."""
        return self._number(self._bounded(latents).round())

    def lookup(self, tokens: Tensor) -> Tensor:
        """(B, h, w) -> (B, d, h, w)."""
        digits = tokens[:, None] // self._place_values % self.levels.long()[:, None, None]
        return (digits - self._zero).to(self.levels.dtype) / self._zero.to(self.levels.dtype)

    @property
    def _zero(self) -> Tensor:
        """(d, 1, 1), the digit that stands for zero."""
        return self.levels.long()[:, None, None] // 2

    @property
    def _place_values(self) -> Tensor:
        """(d, 1, 1), what a digit is worth in a token."""
        levels = self.levels.long()
        return (levels.cumprod(0) // levels)[:, None, None]

    def _bounded(self, latents: Tensor) -> Tensor:
        """Between the outermost levels; a feature of zeros lies on the level that stands for zero."""
        wide = at_least_float32(latents)
        levels = self.levels.to(wide.dtype)[:, None, None]
        span = (levels - 1) * (1 + MARGIN) / 2
        offset = (levels % 2 == 0).to(wide.dtype) / 2  # an even number of levels has none in the middle
        return torch.tanh(wide + torch.atanh(offset / span)) * span - offset

    def _number(self, rounded: Tensor) -> Tensor:
        return ((rounded.long() + self._zero) * self._place_values).sum(1)
