"""Codes without a codebook: the signs of a feature's numbers are the bits of its token (Yu et al. 2024, "LFQ")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from .inner_product import entropy_loss
from .quantizer import Quantized, Quantizer, at_least_float32, straight_through

__all__ = ["LookupFreeQuantizer"]


class LookupFreeQuantizer(Quantizer):
    """Each number of a feature becomes 1 or -1; the token has a bit for each, the first counting least.

    Args:
        bits: length d of a code; there are 2^d.
        commitment_weight: factor of the pull of features to their codes.
        entropy_weight: factor of :func:`~vqgan_transformer.vqgan.inner_product.entropy_loss`.
        entropy_temperature: by which products of features and codes are divided in it.
    """

    place_values: Tensor

    def __init__(
        self,
        bits: int,
        *,
        commitment_weight: float = 0.25,
        entropy_weight: float = 0.05,
        entropy_temperature: float = 0.01,
    ) -> None:
        super().__init__()
        self.commitment_weight = commitment_weight
        self.entropy_weight = entropy_weight
        self.entropy_temperature = entropy_temperature
        self.register_buffer("place_values", 2.0 ** torch.arange(bits))

    @classmethod
    def from_config(cls, config: Any) -> LookupFreeQuantizer:
        """The quantizer that a VQGANConfig describes."""
        return cls(config.code_dim, commitment_weight=config.commitment_weight, entropy_weight=config.entropy_weight)

    @classmethod
    def check(cls, config: Any) -> None:
        """A code has a bit for each of its numbers.

        Raises:
            ValueError: where ``codebook_size`` says something else, or codes should be unit vectors.
        """
        if config.code_dim > 30 or config.codebook_size != 1 << config.code_dim:
            raise ValueError(
                f"quantizer='lookup_free' has 2^code_dim codes, of at most 30 bits; got codebook_size="
                f"{config.codebook_size} and code_dim={config.code_dim}."
            )
        if config.normalize_codes:
            raise ValueError("the codes of quantizer='lookup_free' are signs: it needs normalize_codes=False.")
        if not config.entropy_weight >= 0:
            raise ValueError(f"entropy_weight must not be negative, got {config.entropy_weight}.")

    @classmethod
    def modern(cls, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Ten bits; the number of codes follows."""
        bits = chosen.get("code_dim", 10)
        return {"codebook_size": 1 << bits, "code_dim": bits}

    @property
    def codes(self) -> Tensor:
        """(K, d), all combinations of signs."""
        tokens = torch.arange(1 << len(self.place_values), device=self.place_values.device)
        return rearrange(self.lookup(tokens[None, None]), "1 d 1 k -> k d")

    def forward(self, latents: Tensor) -> Quantized:
        """(B, d, h, w) -> codes, tokens and loss."""
        tokens = self.tokens(latents)
        codes = self.lookup(tokens).to(latents.dtype)
        loss = self.commitment_weight * (codes - latents).pow(2).mean()
        if self.entropy_weight and self.training:  # over all codes, of which there may be very many
            rows = rearrange(at_least_float32(latents), "b d h w -> (b h w) d")
            products = 2 * rows @ self.codes.to(rows.dtype).T
            loss = loss + self.entropy_weight * entropy_loss(products, self.entropy_temperature)
        return Quantized(straight_through(codes, latents), tokens, loss)

    def tokens(self, latents: Tensor) -> Tensor:
        """(B, d, h, w) -> int64 (B, h, w); zero counts as negative."""
        return ((latents > 0) * self.place_values.long()[:, None, None]).sum(1)

    def lookup(self, tokens: Tensor) -> Tensor:
        """(B, h, w) -> (B, d, h, w)."""
        bits = tokens[:, None] // self.place_values.long()[:, None, None] % 2
        return 2 * bits.to(self.place_values.dtype) - 1
