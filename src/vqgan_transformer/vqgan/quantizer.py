"""Codebooks: from continuous features to discrete codes (paper, section 3.1, equations 2 to 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

__all__ = [
    "GumbelQuantizer",
    "NearestQuantizer",
    "Quantized",
    "Quantizer",
    "at_least_float32",
    "perplexity",
    "straight_through",
    "without_autocast",
]


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


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
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
    flat = tokens.flatten()
    counts = torch.zeros(codebook_size, dtype=dtype, device=tokens.device)  # bincount would wait for the device
    frequencies = counts.index_add_(0, flat, torch.ones_like(flat, dtype=dtype)) / tokens.numel()
    return torch.exp(-torch.special.xlogy(frequencies, frequencies).sum())


class Quantizer(nn.Module):
    """Turns features into codes and tokens, and tokens into codes.

    The base of all kinds. What a kind needs of a config, and how its codes can be learned, is its own business: configs
    and training recipes ask here, and never which kind it is. A new kind is a file with a subclass, and its line in
    :mod:`.quantizer_kinds`.
    """

    commitment_weight: float = 0.25
    """How strongly features are pulled to their codes, where codes are running means of features."""

    @classmethod
    def from_config(cls, config: Any) -> Quantizer:
        """The quantizer that a :class:`~vqgan_transformer.vqgan.config.VQGANConfig` describes."""
        raise NotImplementedError  # configs check themselves with this class, so their type cannot be named here

    @classmethod
    def check(cls, config: Any) -> None:
        """Compares the fields of a VQGANConfig with what this kind needs.

        Raises:
            ValueError: where they contradict it.
        """

    @classmethod
    def modern(cls, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """The fields about codes that ``VQGANConfig.modern`` takes for this kind, given those that are chosen."""
        return {}

    @property
    def codes(self) -> Tensor:
        """(K, d), all codes."""
        raise NotImplementedError

    @property
    def free_codes(self) -> Tensor | None:
        """(K, d), where each code is a vector of its own, near the features that choose it.

        Such codes can be running means of these features, be placed by k-means, and be revived. ``None`` for kinds whose
        codes are fixed, or get their gradients otherwise.
        """
        return None

    def comparable(self, latents: Tensor) -> Tensor:
        """(B, d, h, w), features as they are compared with codes."""
        return latents

    def anneal(self, done: float, temperatures: tuple[float, float]) -> None:
        """Adapts to how far training has come.

        Args:
            done: share of all steps, 0 to 1.
            temperatures: at the first and at the last step, for kinds that draw their codes.
        """

    def forward(self, latents: Tensor) -> Quantized:
        """(B, d, h, w) -> codes, tokens and loss."""
        raise NotImplementedError

    def tokens(self, latents: Tensor) -> Tensor:
        """(B, d, h, w) -> int64 (B, h, w)."""
        raise NotImplementedError

    def lookup(self, tokens: Tensor) -> Tensor:
        """(B, h, w) -> (B, d, h, w)."""
        raise NotImplementedError


class NearestQuantizer(Quantizer):
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

    @classmethod
    def from_config(cls, config: Any) -> NearestQuantizer:
        """The quantizer that a VQGANConfig describes."""
        return cls(
            config.codebook_size,
            config.code_dim,
            normalize=config.normalize_codes,
            commitment_weight=config.commitment_weight,
            legacy=config.legacy_commitment,
        )

    @classmethod
    def modern(cls, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """A thousand short codes of unit length (ViT-VQGAN)."""
        return {"codebook_size": 1024, "code_dim": 8, "normalize_codes": True}

    @property
    def codes(self) -> Tensor:
        """(K, d), the codes as they are compared and looked up."""
        return F.normalize(self.codebook.weight, dim=-1) if self.normalize else self.codebook.weight

    @property
    def free_codes(self) -> Tensor:
        """(K, d), the codes as they are stored."""
        return self.codebook.weight

    def comparable(self, latents: Tensor) -> Tensor:
        """(B, d, h, w), at unit length if codes have it."""
        return F.normalize(latents, dim=1) if self.normalize else latents

    def forward(self, latents: Tensor) -> Quantized:
        """(B, d, h, w) -> codes, tokens and loss."""
        latents = self.comparable(latents)
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


class GumbelQuantizer(Quantizer):
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
        self.temperature = 1.0
        self.projection = nn.Conv2d(latent_channels, codebook_size, 1)
        self.codebook = nn.Embedding(codebook_size, code_dim)

    @classmethod
    def from_config(cls, config: Any) -> GumbelQuantizer:
        """The quantizer that a VQGANConfig describes."""
        return cls(
            config.codebook_size, config.code_dim, latent_channels=config.latent_channels, kl_weight=config.kl_weight
        )

    @classmethod
    def check(cls, config: Any) -> None:
        """Features become logits after they have become as long as a code, so both lengths are one.

        Raises:
            ValueError: where they differ.
        """
        if config.code_dim != config.latent_channels:
            raise ValueError(
                f"the Gumbel quantizer needs code_dim equal to latent_channels, got {config.code_dim} and "
                f"{config.latent_channels}."
            )

    @classmethod
    def modern(cls, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """A thousand codes as long as features."""
        return {"codebook_size": 1024, "code_dim": chosen["latent_channels"]}

    @property
    def codes(self) -> Tensor:
        """(K, d)."""
        return self.codebook.weight

    def anneal(self, done: float, temperatures: tuple[float, float]) -> None:
        """Codes are drawn ever more sharply: the temperature falls along half a cosine."""
        first, last = temperatures
        self.temperature = last + (first - last) * 0.5 * (1 + math.cos(math.pi * done))

    def noise(self, logits: Tensor) -> Tensor:
        """What is added to logits in training, of Gumbel's distribution; training draws it sample by sample instead."""
        return -torch.empty_like(logits).exponential_().log()

    def forward(self, latents: Tensor) -> Quantized:
        """(B, latent_channels, h, w) -> codes, tokens and loss."""
        logits = self._logits(latents)
        if self.training:
            weights = ((logits + self.noise(logits)) / self.temperature).softmax(1)
            if self.straight_through:
                chosen = torch.zeros_like(weights).scatter_(1, weights.argmax(1, keepdim=True), 1.0)
                weights = straight_through(chosen, weights)
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
        return rearrange(F.embedding(tokens, self.codes), "b h w d -> b d h w")

    def _logits(self, latents: Tensor) -> Tensor:
        """(B, latent_channels, h, w) -> (B, K, h, w), in float32 or better."""
        weight, bias = self.projection.weight, self.projection.bias
        assert bias is not None
        with without_autocast(latents.device):
            return F.conv2d(at_least_float32(latents), at_least_float32(weight), at_least_float32(bias))
