"""Codes by largest inner product, all of them trained at every step: index backpropagation (Shi et al. 2024, "IBQ")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .quantizer import Quantized, Quantizer, at_least_float32, straight_through, without_autocast

__all__ = ["InnerProductQuantizer", "entropy_loss"]

LOGITS_AT_ONCE = 2**26
"""Products of features and codes that are in memory at once while tokens are looked for: 256 MB in float32."""


class InnerProductQuantizer(Quantizer):
    """Each feature vector becomes the code with which its inner product is largest.

    In training the choice is a softmax over all codes in the backward pass, so that every code, chosen or not, gets a
    gradient from the decoder: none dies, also of a quarter of a million.

    Args:
        codebook_size: number of codes K.
        code_dim: length d of a code.
        commitment_weight: beta, the factor of the pull of chosen codes to features.
        entropy_weight: factor of :func:`entropy_loss`.
        entropy_temperature: by which inner products are divided in it.
    """

    def __init__(
        self,
        codebook_size: int,
        code_dim: int,
        *,
        commitment_weight: float = 0.25,
        entropy_weight: float = 0.05,
        entropy_temperature: float = 0.01,
    ) -> None:
        super().__init__()
        self.commitment_weight = commitment_weight
        self.entropy_weight = entropy_weight
        self.entropy_temperature = entropy_temperature
        self.codebook = nn.Embedding(codebook_size, code_dim)

    @classmethod
    def from_config(cls, config: Any) -> InnerProductQuantizer:
        """The quantizer that a VQGANConfig describes."""
        return cls(
            config.codebook_size,
            config.code_dim,
            commitment_weight=config.commitment_weight,
            entropy_weight=config.entropy_weight,
        )

    @classmethod
    def check(cls, config: Any) -> None:
        """The length of a code counts here, so codes cannot be unit vectors.

        Raises:
            ValueError: where they should be.
        """
        if config.normalize_codes:
            raise ValueError(
                "inner-product codes differ in length: quantizer='inner_product' needs normalize_codes=False."
            )
        if not config.entropy_weight >= 0:
            raise ValueError(f"entropy_weight must not be negative, got {config.entropy_weight}.")

    @classmethod
    def modern(cls, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """A thousand codes as long as features, as in the published models."""
        return {"codebook_size": 1024, "code_dim": chosen["latent_channels"]}

    @property
    def codes(self) -> Tensor:
        """(K, d)."""
        return self.codebook.weight

    def forward(self, latents: Tensor) -> Quantized:
        """(B, d, h, w) -> codes, tokens and loss."""
        table, wide = at_least_float32(self.codes), at_least_float32(latents)
        with without_autocast(latents.device):
            logits = torch.einsum("b d h w, k d -> b k h w", wide, table)
        tokens = logits.argmax(1)
        chosen = rearrange(F.one_hot(tokens, len(self.codes)), "b h w k -> b k h w").to(logits.dtype)
        weights = straight_through(chosen, logits.softmax(1))
        mixed = torch.einsum(
            "b k h w, k d -> b d h w", weights.to(self.codes.dtype), self.codes
        )  # gradients to all codes
        codes = self.lookup(tokens)
        loss = (mixed - latents).pow(2).mean() + (codes.detach() - latents).pow(2).mean()
        loss = loss + self.commitment_weight * (codes - latents.detach()).pow(2).mean()
        if self.entropy_weight:
            rows = rearrange(logits, "b k h w -> (b h w) k")
            loss = loss + self.entropy_weight * entropy_loss(rows, self.entropy_temperature)
        return Quantized(mixed, tokens, loss)

    def tokens(self, latents: Tensor) -> Tensor:
        """(B, d, h, w) -> int64 (B, h, w); the lowest index wins a tie. Compares in float32 or better."""
        table = at_least_float32(self.codes)
        rows = rearrange(at_least_float32(latents), "b d h w -> (b h w) d")
        with without_autocast(latents.device):
            parts = torch.split(rows, max(1, LOGITS_AT_ONCE // len(table)))
            tokens = torch.cat([(part @ table.T).argmax(1) for part in parts])
        batch, _, height, width = latents.shape
        return tokens.view(batch, height, width)

    def lookup(self, tokens: Tensor) -> Tensor:
        """(B, h, w) -> (B, d, h, w)."""
        return rearrange(F.embedding(tokens, self.codes), "b h w d -> b d h w")


def entropy_loss(logits: Tensor, temperature: float) -> Tensor:
    """Low where each place is sure of its code and all codes are used alike (Yu et al. 2024, MAGVIT-v2, equation 5).

    Args:
        logits: (N, K), one row for each place.
        temperature: by which they are divided.

    Returns:
        a scalar, the mean entropy of a place minus the entropy of the mean over places; at least -ln K.
    """
    log_probabilities = (logits / temperature).log_softmax(1)
    probabilities = log_probabilities.exp()
    of_places = -(probabilities * log_probabilities).sum(1).mean()
    mean = probabilities.mean(0)
    return of_places + (mean * (mean + 1e-5).log()).sum()  # the constant as in the original
