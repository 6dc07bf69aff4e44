"""Codebooks: from continuous features to discrete codes (paper, section 3.1, equations 2 to 4)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

__all__ = ["GumbelQuantizer", "NearestQuantizer", "Quantized", "perplexity"]


class Quantized(NamedTuple):
    """Features replaced by codes.

    Attributes:
        latents: (B, code_dim, h, w), with gradients passed straight through to the features.
        tokens: int64 (B, h, w), indices into the codebook.
        loss: scalar, the quantizer's own term of the training loss.
    """

    latents: Tensor
    tokens: Tensor
    loss: Tensor


def without_autocast(device: torch.device) -> AbstractContextManager:
    """In half precision the nearest of many codes is often another one: comparing is done in full."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def at_least_float32(tensor: Tensor) -> Tensor:
    """A tensor of half precision as float32; others as they are."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def straight_through(value: Tensor, gradient_from: Tensor) -> Tensor:
    """``value`` in the forward pass, the identity on ``gradient_from`` in the backward pass."""
    return gradient_from + (value - gradient_from).detach()


def perplexity(tokens: Tensor, codebook_size: int) -> Tensor:
    """Exp of the entropy of the codes' frequencies in ``tokens``: 1 (one code) to codebook_size (all equally)."""
    dtype = torch.float32 if tokens.device.type == "mps" else torch.float64  # which has no float64
    frequencies = torch.bincount(tokens.flatten(), minlength=codebook_size).to(dtype) / tokens.numel()
    return torch.exp(-torch.special.xlogy(frequencies, frequencies).sum())


class NearestQuantizer(nn.Module):
    """Each feature vector becomes its nearest code.

    Args:
        codebook_size: number of codes K.
        code_dim: length d of a code.
        normalize: compare and return unit vectors (ViT-VQGAN, Yu et al. 2022), whatever the length of what is stored.
        commitment_weight: beta of equation 4.
        legacy: weight the two terms of equation 4 as the published checkpoints were trained, with beta on the
            codebook's term instead of the encoder's. It changes the loss only.
    """

    def __init__(
        self, codebook_size: int, code_dim: int, *, normalize: bool, commitment_weight: float, legacy: bool
    ) -> None:
        super().__init__()
        self.normalize = normalize
        self.commitment_weight = commitment_weight
        self.legacy = legacy
        self.codebook = nn.Embedding(codebook_size, code_dim)
        nn.init.uniform_(self.codebook.weight, -1 / codebook_size, 1 / codebook_size)

    @property
    def codes(self) -> Tensor:
        """(K, d), the codes as they are compared and looked up."""
        return F.normalize(self.codebook.weight, dim=-1) if self.normalize else self.codebook.weight

    def forward(self, latents: Tensor) -> Quantized:
        """(B, d, h, w) -> codes, tokens and loss."""
        if self.normalize:
            latents = F.normalize(latents, dim=1)
        tokens = self.tokens(latents)
        codes = self.lookup(tokens)
        to_encoder = (codes.detach() - latents).pow(2).mean()
        to_codebook = (codes - latents.detach()).pow(2).mean()
        beta = self.commitment_weight
        loss = to_encoder + beta * to_codebook if self.legacy else beta * to_encoder + to_codebook
        return Quantized(straight_through(codes, latents), tokens, loss)

    def tokens(self, latents: Tensor) -> Tensor:
        """(B, d, h, w) -> int64 (B, h, w); the lowest index wins a tie. Compares in float32 or better."""
        latents, codes = at_least_float32(latents), at_least_float32(self.codebook.weight)
        if self.normalize:
            latents, codes = F.normalize(latents, dim=1), F.normalize(codes, dim=-1)
        flat = rearrange(latents, "b d h w -> (b h w) d")
        with without_autocast(latents.device):
            # |z - e|^2 without forming differences; in the order of the original, so that near ties fall alike
            distances = flat.pow(2).sum(1, keepdim=True) + codes.pow(2).sum(1) - 2 * flat @ codes.T
        batch, _, height, width = latents.shape
        return distances.argmin(1).view(batch, height, width)

    def lookup(self, tokens: Tensor) -> Tensor:
        """(B, h, w) -> (B, d, h, w)."""
        return rearrange(F.embedding(tokens, self.codes), "b h w d -> b d h w")


class GumbelQuantizer(nn.Module):
    """Codes as categories: features become logits over codes, sampled with the Gumbel-softmax while training.

    Jang et al. 2017, as in DALL-E's tokenizer. In eval mode the likeliest code is taken, so that encoding is a function
    of the picture (the original draws even then).

    Args:
        codebook_size: number of codes K.
        code_dim: length d of a code.
        latent_channels: channels of the features.
        kl_weight: weight of the divergence between the codes' distribution and the uniform one.
        straight_through: pass on the sampled code itself in training, instead of the softmax mixture.
    """

    def __init__(
        self,
        codebook_size: int,
        code_dim: int,
        *,
        latent_channels: int,
        kl_weight: float,
        straight_through: bool = True,
    ) -> None:
        super().__init__()
        self.kl_weight = kl_weight
        self.straight_through = straight_through
        self.temperature = 1.0  # annealed by the training loop
        self.projection = nn.Conv2d(latent_channels, codebook_size, 1)
        self.codebook = nn.Embedding(codebook_size, code_dim)

    @property
    def codes(self) -> Tensor:
        """(K, d)."""
        return self.codebook.weight

    def forward(self, latents: Tensor) -> Quantized:
        """(B, latent_channels, h, w) -> codes, tokens and loss."""
        logits = self._logits(latents)
        if self.training:
            weights = F.gumbel_softmax(logits, tau=self.temperature, hard=self.straight_through, dim=1)
            codes = torch.einsum("b k h w, k d -> b d h w", weights.to(self.codebook.weight), self.codebook.weight)
            tokens = weights.argmax(1)
        else:
            tokens = logits.argmax(1)
            codes = self.lookup(tokens)
        probabilities = logits.softmax(1)
        size = self.codebook.num_embeddings
        loss = self.kl_weight * (probabilities * (probabilities * size + 1e-10).log()).sum(1).mean()
        return Quantized(codes, tokens, loss)

    def tokens(self, latents: Tensor) -> Tensor:
        """(B, latent_channels, h, w) -> int64 (B, h, w), the likeliest codes."""
        return self._logits(latents).argmax(1)

    def lookup(self, tokens: Tensor) -> Tensor:
        """(B, h, w) -> (B, d, h, w)."""
        return rearrange(self.codebook(tokens), "b h w d -> b d h w")

    def _logits(self, latents: Tensor) -> Tensor:
        """(B, latent_channels, h, w) -> (B, K, h, w), in float32 or better."""
        weight, bias = self.projection.weight, self.projection.bias
        assert bias is not None
        with without_autocast(latents.device):
            return F.conv2d(at_least_float32(latents), at_least_float32(weight), at_least_float32(bias))
