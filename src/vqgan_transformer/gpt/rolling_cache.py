"""What a local GPT remembers while it draws a grid: keys and values of the places that are still in reach.

Places are drawn on slanted lines. With columns_beside = K, step t draws all places (i, j) with K·i + j = t at once: what
(i, j) sees of the row above ends at (i - 1, j + K), which has the same t, and whose token left of it is older.

Keys and values are kept by (t, i), where j = t - K·i. The neighbour r rows above and c columns to the right then lies
K·r - c steps back and r rows up, whatever the place: one strided view holds the neighbours of all places that are due.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .config import CondGPTConfig
from .neighbourhood import Neighbourhood
from .positions import Rotation, rotation

__all__ = ["Remembered", "RollingCache"]


@dataclass(frozen=True)
class Remembered:
    """What one block remembers, at one step.

    Attributes:
        keys: (steps, rows, B, heads, d), the buffer.
        values: likewise.
        step: in the buffer, of the places that are due.
        row: in the buffer, of the first of them.
        mask: (N, rows_above + 1, 2·columns_beside + 1), 0 where a neighbour is seen and -inf elsewhere.
    """

    keys: Tensor
    values: Tensor
    step: int
    row: int
    mask: Tensor

    def take(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Writes the keys and values (N, B, heads, d) of the places that are due; gives those of their neighbours.

        Returns:
            views (N, rows_above + 1, 2·columns_beside + 1, B, heads, d), topmost row first.
        """
        here = slice(self.row, self.row + len(key))
        self.keys[self.step, here] = key
        self.values[self.step, here] = value
        return self._neighbours(self.keys), self._neighbours(self.values)

    def _neighbours(self, buffer: Tensor) -> Tensor:
        count, rows, cols = self.mask.shape
        lag = cols // 2
        step, row, *inner = buffer.stride()
        # a row further down is `lag` steps later; the corner is rows - 1 up and `lag` columns to the left
        start = (self.step - lag * rows) * step + (self.row - rows + 1) * row
        size = (count, rows, cols, *buffer.shape[2:])
        return buffer.as_strided(size, (row, lag * step + row, step, *inner), buffer.storage_offset() + start)


class RollingCache:
    """What a GPT remembers of a grid that it draws, and which places are due.

    Memory is that of about (rows_above + 2)·width places and does not grow with the height: what is out of reach gives
    way.

    Args:
        config: of the GPT.
        size: (h, w) of the grid.
        features: for each block that takes them in, what the condition adds at each place, (h, w, B, n_embd).

    Attributes:
        step: of the places that are due.
        batch: number of grids B.
    """

    def __init__(self, config: CondGPTConfig, size: tuple[int, int], features: dict[int, Tensor]):
        self.config = config
        self.size = height, width = size
        self.features = features
        self.step = 0
        self.neighbourhood = Neighbourhood.of(config)
        lag, above = config.columns_beside, config.rows_above
        like = next(iter(features.values()))
        self.up, self.right = self.neighbourhood.offsets(like.device)
        self.batch = like.shape[2]
        self.reach = lag * (above + 1)  # steps back to the farthest neighbour
        rows = min(height, (width - 1) // lag + 1 + self.reach // lag + 1) + above
        shape = (config.n_layer, 2, 2 * self.reach + lag, rows, self.batch, config.n_head, config.head_width)
        self.buffer = like.new_zeros(shape)
        self.first_step, self.first_row = -self.reach, -above

    @property
    def steps(self) -> int:
        """One past the last step."""
        return self.config.columns_beside * (self.size[0] - 1) + self.size[1]

    @property
    def places(self) -> tuple[Tensor, Tensor]:
        """Rows and columns (N,) of the places that are due."""
        rows = torch.arange(*self._due, device=self.buffer.device)
        return rows, self.step - self.config.columns_beside * rows

    @property
    def bytes(self) -> int:
        """What keys and values take."""
        return self.buffer.numel() * self.buffer.itemsize

    def surroundings(self) -> tuple[list[Remembered], Rotation]:
        """What each block remembers of the surroundings of the places that are due, and their rotation (N, 1, 1, 1, ...)."""
        if self.step - self.first_step + self.config.columns_beside >= self.buffer.shape[2]:
            self._forget()
        rows, cols = self.places
        mask = self._mask(rows, cols)
        at = self.step - self.first_step, self._due[0] - self.first_row
        turn = rotation(rows, cols, self.config.head_width, self.buffer.dtype)
        blocks = [Remembered(keys, values, *at, mask) for keys, values in self.buffer]
        return blocks, Rotation(*(part[:, None, None, None] for part in turn))

    def advance(self) -> None:
        """Makes the next places due. In a grid narrower than columns_beside there are steps without any."""
        self.step += 1
        while self.step < self.steps and self._due[0] >= self._due[1]:
            self.step += 1

    @property
    def _due(self) -> tuple[int, int]:
        # first and one past the last row
        lag, (height, width) = self.config.columns_beside, self.size
        return max(0, -(-(self.step - width + 1) // lag)), min(height - 1, self.step // lag) + 1

    def _mask(self, rows: Tensor, cols: Tensor) -> Tensor:
        columns, lines = cols[:, None, None] + self.right, rows[:, None, None] - self.up
        inside = (columns >= 0) & (columns < self.size[1]) & (lines >= 0)  # (N, rows above and own, columns)
        visible = inside & self.neighbourhood.sees(self.up, self.right)
        return torch.zeros((), dtype=self.buffer.dtype, device=rows.device).where(visible, -torch.inf)

    def _forget(self) -> None:
        """Moves what is still in reach to the beginning of the buffer."""
        new_step, new_row = self.step - self.reach, self._due[0] - self.config.rows_above
        kept = self.buffer[:, :, new_step - self.first_step :][:, :, : self.reach, new_row - self.first_row :]
        self.buffer[:, :, : self.reach, : kept.shape[3]] = kept
        self.first_step, self.first_row = new_step, new_row
