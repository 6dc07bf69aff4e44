"""What the sampler asks of a GPT, whatever its form: which places are due when, and their logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..gpt.model import CondGPT
from .config import SamplerConfig
from .guidance import Guidance
from .schedule import GridPosition
from .windows import TokenGrid

__all__ = ["Reader", "scored"]


class Reader(ABC):
    """Reads a GPT for a picture; the sampler has one for each call.

    Args:
        gpt: the model, or what stands for it with the same methods.
        grids: the pictures.
        schedule: the places that will be asked for, step by step.
        guidance: what each place is compared with.
        settings: of the sampler.
    """

    @abstractmethod
    def __init__(
        self,
        gpt: CondGPT,
        grids: Sequence[TokenGrid],
        schedule: Sequence[list[GridPosition]],
        guidance: Guidance,
        settings: SamplerConfig,
    ): ...

    @staticmethod
    @abstractmethod
    def check(gpt: CondGPT, settings: SamplerConfig) -> None:
        """Whether a model can be read with such settings.

        Raises:
            ValueError: if not.
        """

    @staticmethod
    @abstractmethod
    def schedule(grid: TokenGrid, gpt: CondGPT, settings: SamplerConfig) -> Iterator[list[GridPosition]]:
        """The places of a grid that are drawn, step by step; those of a step depend on earlier steps only."""

    @staticmethod
    @abstractmethod
    def progress(grid: TokenGrid, place: GridPosition) -> float:
        """How far along the raster of what the GPT sees at once a place lies, from 0 to 1."""

    @abstractmethod
    def logits(self, places: list[GridPosition]) -> Tensor:
        """Scores the places of the next step.

        Returns:
            float (rows, V): for each place a row for each picture of its grid; then all these rows once more for each
            comparison of the guidance.
        """

    @staticmethod
    @abstractmethod
    def log_likelihood(
        gpt: CondGPT,
        grid: TokenGrid,
        guidance: Guidance,
        settings: SamplerConfig,
        callback: Callable[[int, int, Tensor], None] | None = None,
    ) -> Tensor:
        """Log-likelihoods of all tokens of a grid, in parallel: float64 (B, h, w).

        ``callback`` hears the number of places scored, their total and a copy of what is found so far.

        Raises:
            ValueError: for a grid that cannot be scored.
        """


def scored(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-likelihoods of tokens, integers (...), by their logits (..., V)."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
