"""What the GPT has read in each window, kept for as long as the window draws further places."""

from __future__ import annotations

from collections import Counter, defaultdict

import torch
from einops import rearrange
from torch import Tensor

from ..gpt.attention import GPTCache
from ..gpt.model import CondGPT
from .schedule import Place, draws

__all__ = ["Windows"]

MOST_BYTES = 2**31
"""Keys and values that are kept at the most. A window that finds no room is read again when it is needed: more work, the
same tokens."""


class Windows:
    """Logits for places, from the crop of condition and tokens around each.

    Only the part of a window before the place is read: causality hides the rest. Windows that draw one place only are
    read in one batch and forgotten; those that draw several keep their keys and values and read just the tokens that
    are new since.

    Args:
        gpt: the model.
        condition: integers (R, h, w), a grid that the windows crop, or (R, C), the same for all windows.
        tokens: integers (B, h, w), the grids being painted, read as they fill. R is B, or a multiple of it where one
            picture is scored under several conditions: row r belongs to picture r % B.
        stride: of the schedule, which tells how many places a window draws.
    """

    def __init__(self, gpt: CondGPT, condition: Tensor, tokens: Tensor, stride: int):
        self.gpt = gpt
        self.condition = condition
        self.tokens = tokens
        self.height, self.width = gpt.config.window
        self.rows_of, self.cols_of = draws((tokens.shape[1], tokens.shape[2]), gpt.config.window, stride)
        self.drawn: Counter[tuple[int, int]] = Counter()
        self.caches: dict[tuple[int, int], GPTCache] = {}

    def logits(self, places: list[Place]) -> Tensor:
        """Scores each place's token under each condition: N places -> float (N, R, V)."""
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
        rows, prefix = len(self.condition), places[0].prefix(self.width)
        drawn = [self._tokens(place, 0, prefix) for place in places]
        kept = [self._draws_left(place) > 0 for place in places]
        condition = torch.cat([self._condition(place) for place in places])
        capacity = None if any(kept) else condition.shape[1] + prefix
        cache = self.gpt.start(condition, capacity=capacity)
        logits = self.gpt.extend(cache, torch.cat(drawn))
        for index, place in enumerate(places):
            if kept[index] and cache.bytes * (len(self.caches) + 1) <= MOST_BYTES * len(places):
                self.caches[place.window] = cache.rows(index * rows, (index + 1) * rows)
        return rearrange(logits, "(n r) v -> n r v", r=rows)

    def _extend(self, place: Place) -> Tensor:
        """Reads what is new in a window since its last place: (R, V)."""
        cache = self.caches[place.window]
        condition_length = self.condition[0].numel() if self.condition.ndim == 2 else self.height * self.width
        logits = self.gpt.extend(cache, self._tokens(place, cache.length - condition_length, place.prefix(self.width)))
        if not self._draws_left(place):
            del self.caches[place.window]
        return logits

    def _draws_left(self, place: Place) -> int:
        """Counts a draw from the place's window; returns how many are left."""
        self.drawn[place.window] += 1
        left = self.rows_of[place.top] * self.cols_of[place.left] - self.drawn[place.window]
        if not left:
            del self.drawn[place.window]
        return left

    def _condition(self, place: Place) -> Tensor:
        # (R, C)
        return self._crop(self.condition, place).flatten(1) if self.condition.ndim == 3 else self.condition

    def _tokens(self, place: Place, start: int, stop: int) -> Tensor:
        # (R, stop - start): the window's tokens number start..stop-1 in raster order
        tokens = self._crop(self.tokens, place).flatten(1)[:, start:stop]
        return tokens.repeat(len(self.condition) // len(self.tokens), 1)

    def _crop(self, grid: Tensor, place: Place) -> Tensor:
        return grid[:, place.top : place.top + self.height, place.left : place.left + self.width]
