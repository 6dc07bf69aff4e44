"""The rule by which a place sees others where attention is local: some rows above, some columns either side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import CondGPTConfig

__all__ = ["Neighbourhood"]


@dataclass(frozen=True)
class Neighbourhood:
    """The places that a place sees: itself, and of those before it in raster order the near ones.

    Attributes:
        rows_above: so far up,
        columns_beside: and so far to either side.
    """

    rows_above: int
    columns_beside: int

    @classmethod
    def of(cls, config: CondGPTConfig) -> Neighbourhood:
        """That of a model."""
        return cls(config.rows_above, config.columns_beside)

    def sees(self, up: Tensor, right: Tensor) -> Tensor:
        """Whether a place sees another that lies ``up`` rows above it and ``right`` columns to its right."""
        before = (up > 0) | ((up == 0) & (right <= 0))
        return before & (up <= self.rows_above) & (right.abs() <= self.columns_beside)

    def offsets(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """The rectangle that holds all places seen: how far up (rows, 1) and to the right (1, columns), top row first."""
        up = torch.arange(self.rows_above, -1, -1, device=device)
        right = torch.arange(-self.columns_beside, self.columns_beside + 1, device=device)
        return up[:, None], right[None]
