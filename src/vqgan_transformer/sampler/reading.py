"""What the GPT has read in each window, kept for as long as the window draws further places."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..gpt.attention import GPTCache
from ..gpt.model import CondGPT
from .free_memory import free_memory
from .schedule import Place
from .windows import TokenGrid, WindowCondition

__all__ = ["ConditionsAhead", "WindowReader"]

Window = tuple[int, int, int]
"""Grid, top, left."""

MOST_AHEAD = 1024
"""Windows whose conditions are looked at ahead of time."""


class WindowReader:
    """Logits for places, from the crop of condition and tokens around each.

    Only the part of a window before the place is read: causality hides the rest. Windows keep their keys and values
    until their last place is drawn, and read just the tokens that are new since the place before.

    Args:
        gpt: the model, or what stands for it with the same ``start`` and ``extend``.
        grids: the pictures.
        schedule: the places that will be asked for, step by step.
        guided: score each place with the condition, and then all of them once more without it.
        memory_limit: bytes of keys and values that may wait for later steps; half of what is free by default. A window
            that finds no room is read again when it is needed: more work, the same tokens.
    """

    def __init__(
        self,
        gpt: CondGPT,
        grids: Sequence[TokenGrid],
        schedule: Iterable[list[Place]],
        *,
        guided: bool = False,
        memory_limit: int | None = None,
    ):
        self.gpt = gpt
        self.grids = grids
        self.last = {place.window: place for places in schedule for place in places}  # windows in order of first use
        limit = memory_limit if memory_limit is not None else free_memory(gpt.head.weight.device) // 2
        self.memory_limit = limit
        self.conditions = ConditionsAhead(gpt, grids, self.last, guided=guided, memory_limit=limit // 4)
        self.waiting: dict[Window, list[GPTCache]] = {}  # a cache for each half, in the order of their last use

    def logits(self, places: list[Place]) -> Tensor:
        """Scores places.

        Returns:
            float (rows, V): for each place a row for each picture of its grid; if guided, all these rows with the
            condition, then all without.
        """
        opened = [self._open(place) for place in places]
        self._make_room()
        jobs = [
            (half, self._unread(place, half))
            for halves in zip(*opened, strict=True)
            for place, half in zip(places, halves, strict=True)
        ]
        logits = self._extend(jobs)
        for place, halves in zip(places, opened, strict=True):
            if place != self.last[place.window]:
                self.waiting[place.window] = halves
        return logits

    def _open(self, place: Place) -> list[GPTCache]:
        if place.window in self.waiting:
            return self.waiting.pop(place.window)
        room = self.last[place.window].prefix(self.gpt.config.window[1])
        return self.conditions.take(place.window, room)

    def _unread(self, place: Place, cache: GPTCache) -> Tensor:
        # (B, T): what is new in a window since its last place
        grid = self.grids[place.grid]
        return grid.crop(place, self.gpt.config.window, cache.length - cache.condition_length)

    def _extend(self, jobs: list[tuple[GPTCache, Tensor]]) -> Tensor:
        """Lets caches read tokens, all those at once that read equally many."""
        by_steps: dict[int, list[int]] = defaultdict(list)
        for index, (_, tokens) in enumerate(jobs):
            by_steps[tokens.shape[1]].append(index)
        scores: dict[int, Tensor] = {}
        for indices in by_steps.values():
            caches = [jobs[index][0] for index in indices]
            logits = self.gpt.extend(caches, torch.cat([jobs[index][1] for index in indices]))
            scores.update(zip(indices, logits.split([cache.rows for cache in caches]), strict=True))
        return torch.cat([scores[index] for index in range(len(jobs))])

    def _make_room(self) -> None:
        # those that wait longest are due first
        room = self.memory_limit
        for window, halves in list(self.waiting.items()):
            room -= sum(half.bytes for half in halves)
            if room < 0:
                del self.waiting[window]


class ConditionsAhead:
    """What the GPT has read of the conditions of windows that are due next.

    The condition's part of a window depends on nothing that is drawn, so it is read ahead of time, many windows at
    once, and equal conditions (several pictures of one condition, a dropped condition, a class, a stretch of sky) once.

    Args:
        gpt: the model.
        grids: the pictures.
        order: all windows, in the order in which they are first due.
        guided: read a dropped condition, too.
        memory_limit: bytes of keys and values that are read ahead at the most.
    """

    def __init__(
        self,
        gpt: CondGPT,
        grids: Sequence[TokenGrid],
        order: Iterable[Window],
        *,
        guided: bool,
        memory_limit: int,
    ):
        self.gpt, self.grids, self.guided = gpt, grids, guided
        self.due = deque(order)
        self.memory_limit = memory_limit
        self.read: dict[Window, tuple[GPTCache, list[int]]] = {}  # a cache, and its row for each picture

    def take(self, window: Window, room: int) -> list[GPTCache]:
        """A cache with a window's condition and room for so many tokens; if guided, another without the condition."""
        if window not in self.read:
            self._read(window)
        cache, rows = self.read.pop(window)
        halves = 1 + self.guided
        batch = len(rows) // halves
        return [cache.copy(rows[half * batch : (half + 1) * batch], cache.length + room) for half in range(halves)]

    def _read(self, window: Window) -> None:
        conditions = {window: self._condition(window)}
        row_of = {row: index for index, row in enumerate(dict.fromkeys(conditions[window]))}
        if self.due and self.due[0] == window:  # else it is read once more, since it found no room
            self.due.popleft()
            most = self._rows_at_once(len(conditions[window][0]))
            while self.due and len(row_of) < most and len(conditions) < MOST_AHEAD:
                following = self.due.popleft()
                conditions[following] = self._condition(following)
                for row in conditions[following]:
                    row_of.setdefault(row, len(row_of))
        cache = self.gpt.start(
            torch.tensor(list(row_of), device=self.gpt.head.weight.device), capacity=len(next(iter(row_of)))
        )
        for following, rows in conditions.items():
            self.read[following] = cache, [row_of[row] for row in rows]

    def _condition(self, window: Window) -> list[tuple[int, ...]]:
        """The tokens of each picture's condition; if guided, then those of each dropped one."""
        grid, top, left = window
        given = self.grids[grid].condition
        assert isinstance(given, WindowCondition)
        condition = given.window(top, left)
        if self.guided:
            condition = torch.cat((condition, self.gpt.null_condition(condition)))
        return [tuple(row) for row in condition.tolist()]

    def _rows_at_once(self, length: int) -> int:
        weight, config = self.gpt.head.weight, self.gpt.config
        most = 16 if weight.device.type == "cpu" else 64  # where larger batches no longer gain
        return min(most, self.memory_limit // (2 * config.n_layer * config.n_embd * length * weight.itemsize))
