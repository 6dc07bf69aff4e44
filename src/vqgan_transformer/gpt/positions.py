"""2-D rotary positions: what a query and a key have in common depends on how far apart their places are.

Each pair of channels of a head is rotated by an angle that grows with the place's row, or with its column, so that the
product of a query and a key is a function of the difference of rows and of columns (Su et al. 2021, here in two
dimensions as in LlamaGen: the first half of a head's channels turns with the row, the second with the column).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Positions", "Rotation", "rotate", "rotation", "window_rotation"]

BASE = 10_000.0
"""The slowest pair of channels turns by about 1/BASE radian a place, the fastest by 1 radian."""


class Rotation(NamedTuple):
    """Cosines and sines that turn the pairs of a head's channels: (..., head_width / 2) each."""

    cos: Tensor
    sin: Tensor


def rotation(rows: Tensor, cols: Tensor, head_width: int, dtype: torch.dtype) -> Rotation:
    """How the channels of a head turn at each place.

    Args:
        rows: integers (...), of the places.
        cols: likewise.
        head_width: channels of a head; a multiple of 4.
        dtype: of the result; the angles are computed in float64 at any rate.
    """
    quarter = torch.arange(head_width // 4, dtype=torch.float64, device=rows.device)
    frequencies = BASE ** (-quarter / (head_width // 4))
    angles = torch.cat((rows[..., None] * frequencies, cols[..., None] * frequencies), dim=-1)
    return Rotation(angles.cos().to(dtype), angles.sin().to(dtype))


def window_rotation(positions: Tensor, *, condition: int, width: int, head_width: int, dtype: torch.dtype) -> Rotation:
    """The rotation at positions of a sequence [condition tokens, the tokens of a window, row by row].

    Condition tokens have no place. As in LlamaGen, cosine and sine are both 0 for them: their queries and keys vanish,
    and every position gives them the score 0.

    Args:
        positions: integers (..., T).
        condition: condition tokens at the sequence's beginning.
        width: columns of the window.
        head_width: channels of a head.
        dtype: of the result.
    """
    place = positions - condition
    rotations = rotation(place // width, place % width, head_width, dtype)
    return Rotation(*(part * (place >= 0)[..., None] for part in rotations))


def rotate(x: Tensor, by: Rotation) -> Tensor:
    """Turns neighbouring channels 2k and 2k + 1 as one pair: (..., T, head_width) by (T, head_width / 2)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * by.cos - odd * by.sin, odd * by.cos + even * by.sin), dim=-1).flatten(-2)


@dataclass(frozen=True)
class Positions:
    """Where the positions of a window's sequence lie, those in front of its tokens included.

    Attributes:
        added: (positions, n_embd), added to what stands there; ``None`` for rotary positions.
        rotation: of queries and keys, (positions, head_width / 2); ``None`` for learned positions.
    """

    added: Tensor | None
    rotation: Rotation | None

    def at(self, start: Sequence[int], steps: int) -> Positions:
        """Those of ``steps`` positions of each row from ``start`` on, (rows or 1, steps, ...), by views alone."""
        first = [start[0]] if len(set(start)) == 1 else start

        def part(table: Tensor) -> Tensor:
            return torch.stack([table[index : index + steps] for index in first])

        # one rotation for all heads: (rows or 1, 1, steps, ...)
        turned = None if self.rotation is None else Rotation(*(part(table)[:, None] for table in self.rotation))
        return Positions(None if self.added is None else part(self.added), turned)
