"""How a GPT lays out what it reads: as the sequence of a window, or as a grid of places with neighbourhoods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from .attention import GPTCache
from .grid_decoder import GridDecoder

__all__ = ["Form"]


class Form(ABC):
    """What a CondGPT hands its calls to; each form has its own way to draw."""

    @abstractmethod
    def score(
        self,
        tokens: Tensor,
        condition: Any,
        strength: Mapping[str, float] | None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """See :meth:`CondGPT.forward`."""

    @abstractmethod
    def window_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """See :meth:`CondGPT.window_for`."""

    def start(
        self,
        condition: Any,
        capacity: int | None,
        size: tuple[int, int] | None,
        batch: int | None,
        strength: Mapping[str, float] | None,
    ) -> GPTCache:
        """See :meth:`CondGPT.start`."""
        raise TypeError("this GPT sees neighbourhoods and draws whole grids, not windows: use start_grid.")

    def extend(self, cache: GPTCache | Sequence[GPTCache], tokens: Tensor) -> Tensor:
        """See :meth:`CondGPT.extend`."""
        raise TypeError("this GPT sees neighbourhoods and draws whole grids: use what start_grid gives.")

    def start_grid(
        self,
        conditions: Any,
        size: tuple[int, int] | None,
        batch: int | None,
        strength: Mapping[str, float] | None,
    ) -> GridDecoder:
        """See :meth:`CondGPT.start_grid`."""
        raise TypeError("this GPT reads windows, not whole grids: use start and extend.")
