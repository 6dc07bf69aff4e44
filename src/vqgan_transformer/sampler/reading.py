"""What the GPT has read in each window, kept for as long as the window draws further places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..gpt.attention import GPTCache
from ..gpt.model import CondGPT
from .conditions_ahead import ConditionsAhead, Window
from .config import SamplerConfig
from .free_memory import free_memory
from .guidance import Guidance
from .likelihood import window_log_likelihood
from .reader import Reader
from .schedule import GridPosition, wavefront, without
from .windows import TokenGrid

__all__ = ["WindowReader"]


class WindowReader(Reader):
    """Logits for places, from the crop of condition and tokens around each.

    Only the part of a window before the place is read: causality hides the rest. Windows keep their keys and values
    until their last place is drawn, and read just the tokens that are new since the place before. The settings'
    ``memory_limit`` bounds the keys and values that wait for later steps. A window that finds no room is read again when
    it is needed: more work, the same tokens.
    """

    def __init__(
        self,
        gpt: CondGPT,
        grids: Sequence[TokenGrid],
        schedule: Sequence[list[GridPosition]],
        guidance: Guidance,
        settings: SamplerConfig,
    ):
        self.gpt, self.grids = gpt, grids
        self.last = {place.window: place for places in schedule for place in places}  # windows in order of first use
        limit = settings.memory_limit
        self.memory_limit = limit if limit is not None else free_memory(gpt.head.weight.device) // 2
        self.conditions = ConditionsAhead(
            gpt,
            grids,
            self.last,
            guidance,
            strength=settings.condition_strength,
            memory_limit=self.memory_limit // 4,
        )
        # for each window a cache with its condition and one for each comparison, in the order of their last use
        self.waiting: dict[Window, list[GPTCache]] = {}

    @staticmethod
    def check(gpt: CondGPT, settings: SamplerConfig) -> None:
        """As :class:`Reader` says."""
        window = gpt.config.window
        if settings.stride > min(window):
            raise ValueError(f"stride {settings.stride} exceeds the GPT's window of {window} tokens.")
        if settings.centre is not None and (settings.centre[0] >= window[0] or settings.centre[1] >= window[1]):
            raise ValueError(f"centre {settings.centre} lies outside the GPT's window of {window} tokens.")

    @staticmethod
    def schedule(grid: TokenGrid, gpt: CondGPT, settings: SamplerConfig) -> Iterator[list[GridPosition]]:
        """As :class:`Reader` says; places that stay as they are, are left out."""
        steps = wavefront(grid.painted, grid.window, settings.stride, settings.centre)
        return steps if grid.keep is None else without(steps, grid.keep.all(0).cpu().numpy())

    @staticmethod
    def progress(grid: TokenGrid, place: GridPosition) -> float:
        """As :class:`Reader` says: along that of the window."""
        return place.prefix(grid.window[1]) / (grid.window[0] * grid.window[1])

    def logits(self, places: list[GridPosition]) -> Tensor:
        """As :class:`Reader` says."""
        opened = [self._open(place) for place in places]
        self._make_room()
        jobs = [
            (cache, self._unread(place, cache))
            for version in zip(*opened, strict=True)
            for place, cache in zip(places, version, strict=True)
        ]
        logits = self._extend(jobs)
        for place, versions in zip(places, opened, strict=True):
            if place != self.last[place.window]:
                self.waiting[place.window] = versions
        return logits

    @staticmethod
    def log_likelihood(
        gpt: CondGPT,
        grid: TokenGrid,
        guidance: Guidance,
        settings: SamplerConfig,
        callback: Callable[[int, int, Tensor], None] | None = None,
    ) -> Tensor:
        """As :class:`Reader` says."""
        if grid.painted != grid.size:
            raise ValueError(
                f"a grid of {grid.size[0]}×{grid.size[1]} tokens is smaller than the window {gpt.config.window}."
            )
        schedule = wavefront(grid.size, grid.window, settings.stride, settings.centre)
        return window_log_likelihood(gpt, grid, schedule, guidance, settings.condition_strength, callback)

    def _open(self, place: GridPosition) -> list[GPTCache]:
        if place.window in self.waiting:
            return self.waiting.pop(place.window)
        room = self.last[place.window].prefix(self.grids[place.grid].window[1])
        return self.conditions.take(place.window, room)

    def _unread(self, place: GridPosition, cache: GPTCache) -> Tensor:
        # (B, T): what is new in a window since its last place
        return self.grids[place.grid].crop(place, cache.length - cache.condition_length)

    def _extend(self, jobs: list[tuple[GPTCache, Tensor]]) -> Tensor:
        """Lets caches read tokens, all those at once that read equally many."""
        by_steps: dict[int, list[int]] = defaultdict(list)
        for index, (_, tokens) in enumerate(jobs):
            by_steps[tokens.shape[1]].append(index)
        scores: dict[int, Tensor] = {}
        for indices in by_steps.values():
            caches = [jobs[index][0] for index in indices]
            logits = self.gpt.extend(caches, torch.cat([jobs[index][1] for index in indices]))
            scores.update(zip(indices, torch.split(logits, [cache.rows for cache in caches]), strict=True))
        return torch.cat([scores[index] for index in range(len(jobs))])

    def _make_room(self) -> None:
        # those that wait longest are due first
        room = self.memory_limit
        for window, caches in list(self.waiting.items()):
            room -= sum(cache.bytes for cache in caches)
            if room < 0:
                del self.waiting[window]
