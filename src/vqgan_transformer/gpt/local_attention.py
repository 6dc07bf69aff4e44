"""Causal attention to a neighbourhood: some rows above, and in each of them some columns either side.

A place (i, j) sees the places (i - r, j + c) with 0 <= r <= rows_above and -columns_beside <= c <= columns_beside that
come before it in raster order, and itself. Whole grids are read in tiles, for training and for likelihoods; while a grid
is drawn, a rolling cache holds the keys and values that are still in reach.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .config import CondGPTConfig
from .neighbourhood import Neighbourhood
from .norms import normalisation
from .positions import Rotation, rotate
from .rolling_cache import Remembered

__all__ = ["LocalSelfAttention", "Tiles"]

NARROW = 24
"""Grids up to this width are cut into bands of rows as wide as the grid, wider ones into tiles."""

BAND, TILE = 4, (8, 16)
"""Rows of a band; rows and columns of a tile. Their places are compared with their own and those around them."""


@dataclass(frozen=True)
class Tiles:
    """How a grid is cut into tiles, and which keys each place of a tile may see.

    Attributes:
        size: (h, w) of the grid.
        tile: (height, width) of a tile.
        rows_above: keys reach so far above a tile,
        columns_beside: and so far to either side of it.
        mask: bool (tiles, places of a tile, keys of a tile), True where the key is seen.
    """

    size: tuple[int, int]
    tile: tuple[int, int]
    rows_above: int
    columns_beside: int
    mask: Tensor

    @classmethod
    def of(cls, size: tuple[int, int], config: CondGPTConfig, device: torch.device) -> Tiles:
        """The tiles of a grid for a model."""
        seen = Neighbourhood.of(config)
        above, beside = seen.rows_above, seen.columns_beside
        height, width = (BAND, size[1]) if size[1] <= NARROW else TILE
        height, width = min(height, size[0]), min(width, size[1])
        tops, lefts = torch.arange(0, size[0], height), torch.arange(0, size[1], width)
        if len(tops) == 1:
            above = 0
        if len(lefts) == 1:
            beside = 0
        row, col = (i.flatten() for i in torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))
        key_row, key_col = (
            i.flatten()
            for i in torch.meshgrid(torch.arange(-above, height), torch.arange(-beside, width + beside), indexing="ij")
        )
        visible = seen.sees(row[:, None] - key_row, key_col - col[:, None])
        rows = (tops[:, None] + key_row)[:, None]  # (tiles down, 1, keys)
        cols = (lefts[:, None] + key_col)[None]  # (1, tiles across, keys)
        inside = ((rows >= 0) & (cols >= 0) & (cols < size[1])).flatten(0, 1)
        # a place beyond the border sees itself, so that no sum of weights is empty
        itself = (row[:, None] == key_row) & (col[:, None] == key_col)
        return cls(size, (height, width), above, beside, ((inside[:, None] & visible) | itself).to(device))

    def of_queries(self, x: Tensor) -> Tensor:
        """(B, h, w, heads, d) -> (B * tiles, heads, places of a tile, d)."""
        (height, width), (rows, cols) = self.tile, self._count
        x = F.pad(x, (0, 0, 0, 0, 0, cols * width - self.size[1], 0, rows * height - self.size[0]))
        return rearrange(x, "b (r p) (c q) h d -> (b r c) h (p q) d", p=height, q=width)

    def of_keys(self, x: Tensor) -> Tensor:
        """(B, h, w, heads, d) -> (B * tiles, heads, keys of a tile, d)."""
        (height, width), (rows, cols) = self.tile, self._count
        above, beside = self.rows_above, self.columns_beside
        right, below = cols * width - self.size[1] + beside, rows * height - self.size[0]
        x = F.pad(x, (0, 0, 0, 0, beside, right, above, below))
        # slices, since the way back through Tensor.unfold is slow
        bands = torch.stack([x[:, row * height :][:, : height + above] for row in range(rows)], dim=1)
        tiles = torch.stack(
            [bands[:, :, :, col * width :][:, :, :, : width + 2 * beside] for col in range(cols)], dim=2
        )
        return rearrange(tiles, "b r c p q h d -> (b r c) h (p q) d")

    def to_grid(self, x: Tensor) -> Tensor:
        """What :meth:`of_queries` does, undone."""
        height, width = self.tile
        rows, cols = self._count
        x = rearrange(x, "(b r c) h (p q) d -> b (r p) (c q) h d", r=rows, c=cols, p=height, q=width)
        return x[:, : self.size[0], : self.size[1]]

    def mask_of(self, batch: int) -> Tensor:
        """The mask as attention takes it, bool (B * tiles, 1, places of a tile, keys of a tile)."""
        return self.mask.repeat(batch, 1, 1)[:, None]

    @property
    def _count(self) -> tuple[int, int]:
        rows, cols = (-(-extent // tile) for extent, tile in zip(self.size, self.tile, strict=True))
        return rows, cols


class LocalSelfAttention(nn.Module):
    """Multi-head attention to a causal neighbourhood.

    Args:
        config: of the GPT.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        self.n_head = config.n_head
        self.weights_dropout = nn.Dropout(config.attention_dropout)
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.out = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.residual_dropout = nn.Dropout(config.residual_dropout)
        self.qk_norm = config.qk_norm
        if config.qk_norm:
            self.query_norm, self.key_norm = (normalisation(config, config.head_width) for _ in range(2))

    def forward(self, x: Tensor, *, rotation: Rotation, over: Tiles | Remembered) -> Tensor:
        """Attends over a whole grid, or over what is remembered of it.

        Args:
            x: (B, h, w, n_embd), all places; or (N, B, n_embd), those that are due.
            rotation: of queries and keys there, (h, w, 1, 1, head_width / 2) or (N, 1, 1, 1, head_width / 2).
            over: the grid's tiles, or the memory, which takes x's keys and values in.

        Returns:
            as x.
        """
        qkv = self.qkv(x).unflatten(-1, (3, self.n_head, -1))  # (..., 3, heads, d)
        if self.qk_norm:
            query, key = self.query_norm(qkv[..., 0, :, :]), self.key_norm(qkv[..., 1, :, :])
            qkv = torch.stack((query, key, qkv[..., 2, :, :]), dim=-3)
        query, key = rotate(qkv[..., :2, :, :], rotation).unbind(-3)
        value = qkv[..., 2, :, :]
        if isinstance(over, Remembered):
            attended = _attend_to_neighbours(query, *over.take(key, value), over.mask)
        else:
            query, key, value = over.of_queries(query), over.of_keys(key), over.of_keys(value.to(query.dtype))
            mask = over.mask_of(len(x))
            with _single_precision_on_cpu(x.device):
                if self.training and self.weights_dropout.p:
                    tiled = self._with_dropout(query, key, value, mask, len(x))
                else:
                    tiled = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            attended = over.to_grid(tiled)
        out: Tensor = self.residual_dropout(self.out(attended.flatten(-2)))
        return out

    def _with_dropout(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, batch: int) -> Tensor:
        """The same in training, with weights that a layer of their own drops: its masks can be chosen from outside."""
        scores = (query @ key.mT) * query.shape[-1] ** -0.5
        weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        # the tiles of a sample under one index, since what is dropped belongs to samples
        weights = self.weights_dropout(weights.unflatten(0, (batch, -1))).flatten(0, 1)
        attended: Tensor = weights @ value
        return attended


def _single_precision_on_cpu(device: torch.device) -> AbstractContextManager[object]:
    """Where bfloat16 is made of single precision on the way, the CPU's fused attention is twice as fast without."""
    return torch.autocast("cpu", enabled=False) if device.type == "cpu" else nullcontext()


def _attend_to_neighbours(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Attention of each place to neighbours that lie strided in memory; products one by one spare copying them.

    Args:
        query: (N, B, heads, d).
        keys: (N, rows, columns, B, heads, d), as a view.
        values: likewise.
        mask: (N, rows, columns), 0 where a neighbour is seen and -inf elsewhere.

    Returns:
        (N, B, heads, d).
    """
    query = query * query.shape[-1] ** -0.5
    scores = (keys * query[:, None, None]).sum(-1) + mask[..., None, None]  # (N, rows, columns, B, heads)
    weights = scores.flatten(1, 2).softmax(dim=1).view_as(scores)
    return (weights[..., None] * values).sum((1, 2))
