"""The block that a GPT is made of: attention, then a feed-forward part, each behind a normalisation."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import CausalSelfAttention
from .config import CondGPTConfig
from .linear import Linear
from .local_attention import LocalSelfAttention
from .norms import modulated, normalisation

__all__ = ["Block"]


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
        out: Tensor = self.residual_dropout(self.out(F.silu(gate) * value))
        return out


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

    def forward(
        self, x: Tensor, *, modulation: Tensor | None = None, last_only: bool = False, **attention: Any
    ) -> Tensor:
        """Lets positions attend, and works on each by itself.

        Args:
            x: (B, T, n_embd).
            modulation: (B, 1 or T, 6 · n_embd), scales, shifts and gates; see :class:`~.norms.Modulator`.
            last_only: give the output of the last position alone.
            **attention: further arguments of the attention.

        Returns:
            (B, T, n_embd), or (B, 1, n_embd) with ``last_only``.
        """
        if last_only:
            attention["last_only"] = True
        if modulation is not None:
            return self._modulated(x, modulation.chunk(6, dim=-1), last_only, attention)
        attended = self.attention(self.norm1(x), **attention)
        x = (x[:, -1:] if last_only else x) + attended
        x = x + self.mlp(self.norm2(x))
        return x

    def _modulated(self, x: Tensor, parts: tuple[Tensor, ...], last_only: bool, attention: dict[str, Any]) -> Tensor:
        scale, shift = parts[:2]
        attended = self.attention(modulated(self.norm1(x), scale, shift), **attention)
        if last_only:
            x, parts = x[:, -1:], tuple(part[:, -1:] for part in parts)
        x = x + parts[2] * attended
        scale, shift, gate = parts[3:]
        x = x + gate * self.mlp(modulated(self.norm2(x), scale, shift))
        return x
