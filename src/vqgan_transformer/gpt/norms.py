"""Norms, and what a condition makes of them: scales, shifts and gates (adaptive norms; Peebles and Xie 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CondGPTConfig
from .linear import Linear

__all__ = ["Modulation", "Modulator", "modulated", "normalisation"]


def normalisation(config: CondGPTConfig, width: int | None = None, *, affine: bool = True) -> nn.Module:
    """The layer that scales each position's channels.

    Args:
        config: of the GPT.
        width: channels; those of the GPT by default.
        affine: whether it has weights of its own.
    """
    kind = nn.LayerNorm if config.norm == "layer" else nn.RMSNorm
    return kind(width or config.n_embd, eps=config.norm_eps, elementwise_affine=affine)


def modulated(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """X · (1 + scale) + shift."""
    return x * (1 + scale) + shift


@dataclass(frozen=True)
class Modulation:
    """What modulates the norms of some rows, at positions that follow each other.

    Attributes:
        vector: (B, 1 or T, n_embd), of each row, and of each position where steps play a part.
        projected: for each block, then for the head, what follows from the vector; ``None`` where it is made when it is
            needed.
    """

    vector: Tensor
    projected: Sequence[Tensor] | None = None

    def rows(self, rows: Sequence[int]) -> Modulation:
        """That of some rows; a row may be taken several times."""
        return Modulation.of([self._part([row]) for row in rows])

    @staticmethod
    def of(parts: Sequence[Modulation]) -> Modulation:
        """That of several batches, one after the other."""
        if len(parts) == 1:
            return parts[0]
        vector = torch.cat([part.vector for part in parts])
        ready = [part.projected for part in parts if part.projected is not None]
        return Modulation(vector, [torch.cat(layer) for layer in zip(*ready, strict=True)] if ready else None)

    def _part(self, rows: list[int]) -> Modulation:
        part = slice(rows[0], rows[-1] + 1)
        return Modulation(self.vector[part], self.projected and [layer[part] for layer in self.projected])


class Modulator(nn.Module):
    """Makes scales, shifts and gates of a vector, for each block and the norm before the head.

    Args:
        config: of the GPT.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        # of attention and of the feed-forward part: scale, shift, gate
        self.blocks = nn.ModuleList(Linear(config.n_embd, 6 * config.n_embd) for _ in range(config.n_layer))
        self.out = Linear(config.n_embd, 2 * config.n_embd)  # scale, shift
        self.steps: nn.Parameter | None = None
        if config.modulation == "condition_and_step":
            self.steps = nn.Parameter(0.02 * torch.randn(config.block_size or 0, config.n_embd))

    def initialise(self) -> None:
        """Makes every block the identity, which is how training begins (Peebles and Xie 2023, adaLN-Zero)."""
        for projection in (*self.blocks, self.out):
            nn.init.zeros_(projection.weight)
            nn.init.zeros_(projection.bias)

    def of(self, condition: Tensor) -> Modulation:
        """What a condition's embedding (B, n_embd) does, whatever the position."""
        if self.steps is not None:
            return Modulation(condition[:, None])
        vector = F.silu(condition)[:, None]
        return Modulation(vector, [projection(vector) for projection in (*self.blocks, self.out)])

    def at(self, modulation: Modulation, start: Sequence[int], steps: int) -> Modulation:
        """The modulation at ``steps`` positions of each row, from ``start`` on: one number for all, or one a row."""
        if self.steps is None:
            return modulation
        where = torch.stack([self.steps[first : first + steps] for first in start])
        return Modulation(F.silu(modulation.vector + where))

    def of_block(self, modulation: Modulation, index: int) -> Tensor:
        """(B, 1 or T, 6 · n_embd): scale, shift and gate of attention, then those of the feed-forward part."""
        ready = modulation.projected
        projected: Tensor = self.blocks[index](modulation.vector) if ready is None else ready[index]
        return projected

    def before_head(self, x: Tensor, modulation: Modulation) -> Tensor:
        """Scales and shifts what the last norm gives, (B, T, n_embd)."""
        ready = modulation.projected
        scale, shift = (self.out(modulation.vector) if ready is None else ready[-1]).chunk(2, dim=-1)
        return modulated(x, scale, shift)
