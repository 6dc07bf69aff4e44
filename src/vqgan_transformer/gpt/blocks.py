"""The block that a GPT is made of: attention, then a feed-forward part, each behind a normalisation."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import CausalSelfAttention
from .config import CondGPTConfig
from .linear import Linear
from .local_attention import LocalSelfAttention

__all__ = ["Block", "normalisation"]


def normalisation(config: CondGPTConfig) -> nn.Module:
    """The layer that scales each position's channels."""
    kind = nn.LayerNorm if config.norm == "layer" else nn.RMSNorm
    return kind(config.n_embd, eps=1e-5)


class SwiGLU(nn.Module):
    """A feed-forward part with a gate: out(silu(gate(x)) · value(x)) (Shazeer 2020).

    Args:
        config: of the GPT.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        self.gate_and_value = Linear(config.n_embd, 2 * config.hidden_width, bias=config.bias)
        self.out = Linear(config.hidden_width, config.n_embd, bias=config.bias)
        self.residual_dropout = nn.Dropout(config.residual_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., n_embd) -> (..., n_embd)."""
        gate, value = self.gate_and_value(x).chunk(2, dim=-1)
        return self.residual_dropout(self.out(F.silu(gate) * value))


def feed_forward(config: CondGPTConfig) -> nn.Module:
    """The part of a block that works on each position by itself."""
    if config.feed_forward == "swiglu":
        return SwiGLU(config)
    return nn.Sequential(
        Linear(config.n_embd, config.hidden_width, bias=config.bias),
        nn.GELU(),
        Linear(config.hidden_width, config.n_embd, bias=config.bias),
        nn.Dropout(config.residual_dropout),
    )


class Block(nn.Module):
    """Attention, then a feed-forward part, each behind a normalisation and added to its input."""

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        self.norm1 = normalisation(config)
        self.attention = CausalSelfAttention(config) if config.attention == "full" else LocalSelfAttention(config)
        self.norm2 = normalisation(config)
        self.mlp = feed_forward(config)

    def forward(self, x: Tensor, *, last_only: bool = False, **attention: Any) -> Tensor:
        """(B, T, n_embd) -> (B, T, n_embd), or of the last position alone; other arguments are the attention's."""
        if last_only:
            attention["last_only"] = True
        attended = self.attention(self.norm1(x), **attention)
        x = (x[:, -1:] if last_only else x) + attended
        return x + self.mlp(self.norm2(x))
