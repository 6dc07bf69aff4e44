"""What the GPT has read of the conditions of windows that are due next."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch

from ..gpt.attention import GPTCache
from ..gpt.model import CondGPT
from .guidance import Guidance
from .windows import PictureCondition, TokenGrid

__all__ = ["ConditionsAhead", "Window"]

Window = tuple[int, int, int]
"""Grid, top, left."""

MOST_AHEAD = 1024
"""Windows whose conditions are looked at ahead of time."""


class ConditionsAhead:
    """Reads the conditions of windows before they are due.

    The condition's part of a window depends on nothing that is drawn, so it is read ahead of time, many windows at
    once, and equal conditions (several pictures of one condition, a dropped condition, a class, a stretch of sky) once.

    Args:
        gpt: the model.
        grids: the pictures.
        order: all windows, in the order in which they are first due.
        guidance: what each window is compared with.
        strength: of conditions, by name.
        memory_limit: bytes of keys and values that are read ahead at the most.
    """

    def __init__(
        self,
        gpt: CondGPT,
        grids: Sequence[TokenGrid],
        order: Iterable[Window],
        guidance: Guidance,
        *,
        strength: Mapping[str, float],
        memory_limit: int,
    ):
        self.gpt, self.grids, self.guidance, self.strength = gpt, grids, guidance, strength
        self.due = deque(order)
        self.memory_limit = memory_limit
        # compared on the CPU; read on the device, where the whole condition is put once
        self.compared = [grid.condition.to(torch.device("cpu")) for grid in grids]
        self.moved = [grid.condition.to(gpt.head.weight.device) for grid in grids]
        self.read: dict[Window, tuple[GPTCache, list[int]]] = {}  # a cache, and its row for each picture and version

    def take(self, window: Window, room: int) -> list[GPTCache]:
        """A cache with a window's condition and room for so many tokens, and one for each comparison."""
        if window not in self.read:
            self._read(window)
        cache, rows = self.read.pop(window)
        batch = len(rows) // self.guidance.versions
        return [cache.copy(rows[start : start + batch], cache.length + room) for start in range(0, len(rows), batch)]

    def _read(self, window: Window) -> None:
        rows = {window: self._rows(window)}
        alike = self._alike(window)
        distinct: dict[Hashable, tuple[Window, int]] = {}
        for row, key in enumerate(rows[window]):
            distinct.setdefault(key, (window, row))
        if self.due and self.due[0] == window:  # else it is read once more, since it found no room
            self.due.popleft()
            most = self._rows_at_once(window)
            while self.due and len(distinct) < most and len(rows) < MOST_AHEAD and self._alike(self.due[0]) == alike:
                following = self.due.popleft()
                rows[following] = self._rows(following)
                for row, key in enumerate(rows[following]):
                    distinct.setdefault(key, (following, row))
        cache = self.gpt.start(
            self._condition([*distinct.values()]),
            capacity=0,  # copies of it go on
            size=self.grids[window[0]].window,
            batch=len(distinct),
            strength=self.strength,
        )
        row_of = {key: row for row, key in enumerate(distinct)}
        for following, keys in rows.items():
            self.read[following] = cache, [row_of[key] for key in keys]

    def _seen(self, conditions: Sequence[PictureCondition], window: Window) -> Any:
        """What a window shows of each picture's condition, and then without what each comparison drops."""
        grid, top, left = window
        condition, conditioning = conditions[grid].window(top, left), self.gpt.conditioning
        poorer = [conditioning.without(condition, comparison.dropped) for comparison in self.guidance.comparisons]
        return conditioning.joined(torch.cat, [condition, *poorer])

    def _rows(self, window: Window) -> list[Hashable]:
        """What tells the rows of a window's condition from others."""
        keys = self.gpt.conditioning.row_keys(self._seen(self.compared, window))
        # a condition of nothing has no rows to compare: all are alike
        return keys or [()] * (self.compared[window[0]].batch * self.guidance.versions)

    def _condition(self, rows: Sequence[tuple[Window, int]]) -> Any:
        """The condition of rows of windows, as a batch on the device."""
        conditioning, windows = self.gpt.conditioning, {window: self._seen(self.moved, window) for window, _ in rows}
        return conditioning.joined(torch.stack, [conditioning.row(windows[window], row) for window, row in rows])

    def _alike(self, window: Window) -> Hashable:
        """Equal for windows that can be read in one batch."""
        return self.grids[window[0]].window, self.compared[window[0]].names

    def _rows_at_once(self, window: Window) -> int:
        weight, config = self.gpt.head.weight, self.gpt.config
        length = self.gpt.conditioning.front_length(self.compared[window[0]].window(*window[1:]))
        most = 16 if weight.device.type == "cpu" else 64  # where larger batches no longer gain
        room: int = self.memory_limit // (2 * config.n_layer * config.n_embd * length * weight.itemsize)
        return min(most, room)
