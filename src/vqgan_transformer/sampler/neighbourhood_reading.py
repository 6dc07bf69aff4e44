"""Reading a GPT with neighbourhoods: every place once, its surroundings from a rolling cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from einops import rearrange
from torch import Tensor

from ..gpt.model import CondGPT
from .config import SamplerConfig
from .guidance import Guidance
from .reader import Reader, scored
from .schedule import GridPosition, neighbourhoods
from .windows import TokenGrid

__all__ = ["NeighbourhoodReader"]


class NeighbourhoodReader(Reader):
    """Logits for places, which are asked for line by line."""

    def __init__(
        self,
        gpt: CondGPT,
        grids: Sequence[TokenGrid],
        schedule: Sequence[list[GridPosition]],
        guidance: Guidance,
        settings: SamplerConfig,
    ):
        self.grids, self.versions = grids, guidance.versions
        self.decoders = [
            gpt.start_grid(
                _versions(gpt, grid, guidance),
                size=grid.size,
                batch=len(grid.seeds) * guidance.versions,
                strength=settings.condition_strength,
            )
            for grid in grids
        ]

    @staticmethod
    def check(gpt: CondGPT, settings: SamplerConfig) -> None:
        """As :class:`Reader` says."""
        if settings.stride != 1 or settings.centre is not None:
            raise ValueError("this GPT sees neighbourhoods, not windows: stride and centre are not for it.")

    @staticmethod
    def schedule(grid: TokenGrid, gpt: CondGPT, settings: SamplerConfig) -> Iterator[list[GridPosition]]:
        """As :class:`Reader` says; places that stay as they are, are read on their turn."""
        return neighbourhoods(grid.size, gpt.config.columns_beside)

    @staticmethod
    def progress(grid: TokenGrid, place: GridPosition) -> float:
        """As :class:`Reader` says: along that of the grid."""
        return (place.row * grid.size[1] + place.col) / (grid.size[0] * grid.size[1])

    def logits(self, places: list[GridPosition]) -> Tensor:
        """As :class:`Reader` says."""
        scores = []
        for number in sorted({place.grid for place in places}):
            grid, decoder = self.grids[number], self.decoders[number]
            rows, cols = decoder.places  # those that are asked for
            left = grid.tokens[:, rows, (cols - 1).clamp(min=0)]
            logits = decoder.decode(left.repeat(self.versions, 1))
            scores.append(rearrange(logits, "(g b) n v -> g (n b) v", g=self.versions))
        return torch.cat(scores, dim=1).flatten(0, 1)

    @staticmethod
    def log_likelihood(
        gpt: CondGPT,
        grid: TokenGrid,
        guidance: Guidance,
        settings: SamplerConfig,
        callback: Callable[[int, int, Tensor], None] | None = None,
    ) -> Tensor:
        """As :class:`Reader` says."""
        tokens = grid.tokens.repeat(guidance.versions, 1, 1)
        logits = gpt(tokens, _versions(gpt, grid, guidance), strength=settings.condition_strength)
        count = grid.size[0] * grid.size[1]
        grown = guidance.growth([index / count for index in range(count)])
        grown = grown if grown is None else grown.view(*grid.size, 1).to(logits.device)
        likelihood = scored(guidance.applied(logits, grown), grid.tokens).cpu().double()
        if callback is not None:
            callback(count, count, likelihood.clone())
        return likelihood


def _versions(gpt: CondGPT, grid: TokenGrid, guidance: Guidance) -> dict[str, Tensor]:
    """The conditions of all pictures, and once more for each comparison, without what it drops."""
    given = grid.condition.to(gpt.head.weight.device).whole()
    versions = [given, *(gpt.conditioning.without(given, comparison.dropped) for comparison in guidance.comparisons)]
    read: dict[str, Tensor] = gpt.conditioning.joined(torch.cat, versions)
    return read
