"""What the GPT has read in each window, kept for as long as the window draws further places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import torch
from einops import rearrange
from torch import Tensor

from ..gpt.attention import GPTCache
from ..gpt.model import CondGPT
from .schedule import Place, draws

__all__ = ["GridCondition", "SequenceCondition", "WindowCondition", "Windows"]

MOST_BYTES = 2**31
"""Keys and values that are kept at the most. A window that finds no room is read again when it is needed: more work, the
same tokens."""


@runtime_checkable
class WindowCondition(Protocol):
    """What the pictures of a batch are painted from, as seen from each window.

    Attributes:
        batch: number of pictures B.
    """

    batch: int

    def window(self, top: int, left: int) -> Tensor:
        """The condition's tokens for the window with that origin, int64 (B, C); the same C for every window."""


class GridCondition:
    """A condition laid out like the picture: integers (B, h, w), which the windows crop.

    It goes on beyond its last row and column as they are, for windows that are larger than the grid.
    """

    def __init__(self, grid: Tensor, window: tuple[int, int]):
        self.grid, self.extent = grid, window
        self.batch = len(grid)

    def window(self, top: int, left: int) -> Tensor:
        """(B, height · width of a window)."""
        rows, cols = (
            torch.arange(start, start + extent, device=self.grid.device).clamp(max=length - 1)
            for start, extent, length in zip((top, left), self.extent, self.grid.shape[1:], strict=True)
        )
        return self.grid[:, rows[:, None], cols].flatten(1)


class SequenceCondition:
    """A condition that every window sees whole, such as a class: integers (B, C)."""

    def __init__(self, sequence: Tensor):
        self.sequence = sequence
        self.batch = len(sequence)

    def window(self, top: int, left: int) -> Tensor:
        """(B, C)."""
        return self.sequence


class Windows:
    """Logits for places, from the crop of condition and tokens around each.

    Only the part of a window before the place is read: causality hides the rest. Windows that draw one place only are
    read in one batch and forgotten; those that draw several keep their keys and values and read just the tokens that
    are new since.

    Args:
        gpt: the model.
        condition: what the windows are painted from, for B pictures.
        tokens: integers (B, h, w), the grids being painted, read as they fill.
        schedule: the places that will be asked for, which tells how many a window draws.
        guided: score each place with the condition and, in B further rows, without it.
    """

    def __init__(
        self,
        gpt: CondGPT,
        condition: WindowCondition,
        tokens: Tensor,
        schedule: Iterable[list[Place]],
        *,
        guided: bool = False,
    ):
        self.gpt = gpt
        self.condition = condition
        self.tokens = tokens
        self.guided = guided
        self.rows = len(tokens) * (1 + guided)
        self.height, self.width = gpt.config.window
        self.draws_left = draws(schedule)
        self.caches: dict[tuple[int, int], tuple[GPTCache, int]] = {}  # each with the length of its condition

    def logits(self, places: list[Place]) -> Tensor:
        """Scores each place's token: N places -> float (N, R, V), R = B, or 2B if guided."""
        fresh: dict[int, list[int]] = defaultdict(list)  # places of unread windows by the length of their prefix
        scores: list[Tensor | None] = [None] * len(places)
        for index, place in enumerate(places):
            if place.window in self.caches:
                scores[index] = self._extend(place)
            else:
                fresh[place.prefix(self.width)].append(index)
        for indices in fresh.values():
            for index, score in zip(indices, self._start([places[i] for i in indices]), strict=True):
                scores[index] = score
        return torch.stack([score for score in scores if score is not None])

    def _start(self, places: list[Place]) -> Tensor:
        """Reads unread windows whose prefixes are equally long: n places -> (n, R, V)."""
        rows, prefix = self.rows, places[0].prefix(self.width)
        drawn = [self._tokens(place, 0, prefix) for place in places]
        kept = [self._draws_left(place) > 0 for place in places]
        condition = torch.cat([self._condition(place) for place in places])
        capacity = None if any(kept) else condition.shape[1] + prefix
        cache = self.gpt.start(condition, capacity=capacity)
        logits = self.gpt.extend(cache, torch.cat(drawn))
        for index, place in enumerate(places):
            if kept[index] and cache.bytes * (len(self.caches) + 1) <= MOST_BYTES * len(places):
                self.caches[place.window] = cache.rows(index * rows, (index + 1) * rows), condition.shape[1]
        return rearrange(logits, "(n r) v -> n r v", r=rows)

    def _extend(self, place: Place) -> Tensor:
        """Reads what is new in a window since its last place: (R, V)."""
        cache, condition = self.caches[place.window]
        logits = self.gpt.extend(cache, self._tokens(place, cache.length - condition, place.prefix(self.width)))
        if not self._draws_left(place):
            del self.caches[place.window]
        return logits

    def _draws_left(self, place: Place) -> int:
        """Counts a draw from the place's window; returns how many are left."""
        self.draws_left[place.window] -= 1
        left = self.draws_left[place.window]
        if not left:
            del self.draws_left[place.window]
        return left

    def _condition(self, place: Place) -> Tensor:
        # (R, C)
        condition = self.condition.window(place.top, place.left).to(self.tokens.device)
        return torch.cat((condition, self.gpt.null_condition(condition))) if self.guided else condition

    def _tokens(self, place: Place, start: int, stop: int) -> Tensor:
        # (R, stop - start): the window's tokens number start..stop-1 in raster order
        crop = self.tokens[:, place.top : place.top + self.height, place.left : place.left + self.width]
        return crop.flatten(1)[:, start:stop].repeat(1 + self.guided, 1)
