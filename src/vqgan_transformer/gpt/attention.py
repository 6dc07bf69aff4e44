"""Causal self-attention, and the keys and values it remembers while tokens are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import CondGPTConfig
from .front import Along, taken
from .linear import Linear
from .norms import normalisation
from .positions import Positions, Rotation, rotate

__all__ = ["CacheMemory", "CausalSelfAttention", "GPTCache", "Memory", "visibility"]


@dataclass
class GPTCache:
    """What a GPT remembers of the positions it has read, in buffers that never grow.

    Attributes:
        keys: (n_layer, B, n_head, capacity, head_dim).
        values: likewise.
        length: positions filled so far, the condition's included; the same for all B rows.
        last_hidden: (B, n_embd), what the head sees of the last position read.
        condition_length: positions in front of the image's tokens.
        positions: where all positions that there is room for lie.
        along: what goes along with them.
    """

    keys: Tensor
    values: Tensor
    length: int
    last_hidden: Tensor
    condition_length: int
    positions: Positions
    along: Along

    @property
    def rows(self) -> int:
        """B."""
        return self.keys.shape[1]

    @property
    def capacity(self) -> int:
        """The number of positions there is room for."""
        return self.keys.shape[3]

    @property
    def bytes(self) -> int:
        """What keys and values take."""
        return 2 * self.keys.numel() * self.keys.itemsize

    def copy(self, rows: Sequence[int], capacity: int) -> GPTCache:
        """A cache that goes on from some of the rows; a row may be taken several times.

        Args:
            rows: the row of this cache that each row of the new one starts from.
            capacity: of the new cache.
        """
        n_layer, _, n_head, _, width = self.keys.shape
        keys, values = (self.keys.new_empty(n_layer, len(rows), n_head, capacity, width) for _ in range(2))
        for row, source in enumerate(rows):
            keys[:, row, :, : self.length] = self.keys[:, source, :, : self.length]
            values[:, row, :, : self.length] = self.values[:, source, :, : self.length]
        hidden, along = taken(self.last_hidden, rows), self.along.rows(rows)
        return GPTCache(keys, values, self.length, hidden, self.condition_length, self.positions, along)


class Memory(Protocol):
    """One layer of what a GPT remembers: where its attention puts keys and values, and finds those of before."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Remembers the keys and values, and attends from the queries, which are the last of their positions.

        Args:
            query: (B, n_head, Q, head_dim).
            key: (B, n_head, T, head_dim), T >= Q.
            value: likewise.

        Returns:
            (B, n_head, Q, head_dim).
        """
        ...


class CacheMemory:
    """One layer of caches, whose lengths may differ: each is read as far as it is filled.

    Args:
        caches: their rows make the batch, one cache after the other.
        layer: number of the layer.
        masks: what each cache's new positions may see, bool (B or 1, 1, T, keys); ``None`` for the plain causal mask.
    """

    def __init__(self, caches: Sequence[GPTCache], layer: int, masks: Sequence[Tensor | None]):
        self.caches, self.layer, self.masks = caches, layer, masks

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """As :class:`Memory` says."""
        if len(self.caches) == 1:
            return self._attend(self.caches[0], self.masks[0], query, key, value)
        rows = [cache.rows for cache in self.caches]
        parts = zip(self.caches, self.masks, *(torch.split(part, rows) for part in (query, key, value)), strict=True)
        return torch.cat([self._attend(*part) for part in parts])

    def _attend(self, cache: GPTCache, mask: Tensor | None, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        queries, start, stop = query.shape[2], cache.length, cache.length + key.shape[2]
        keys, values = cache.keys[self.layer], cache.values[self.layer]
        keys[:, :, start:stop], values[:, :, start:stop] = key, value
        keys, values = keys[:, :, :stop], values[:, :, :stop]
        # a single position sees all, but for what is invisible in front
        mask = None if mask is None or (queries == 1 and cache.along.visible is None) else mask[:, :, -queries:]
        return F.scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, is_causal=mask is None and queries > 1
        )


def visibility(queries: int, keys: int, n_unmasked: int = 0, device: torch.device | None = None) -> Tensor:
    """Which keys the last ``queries`` of ``keys`` positions may see: bool (queries, keys), True where they may.

    A position sees itself and those before it; the first ``n_unmasked`` positions all see each other.
    """
    query = torch.arange(keys - queries, keys, device=device)[:, None]
    key = torch.arange(keys, device=device)
    return (key <= query) | ((query < n_unmasked) & (key < n_unmasked))


class CausalSelfAttention(nn.Module):
    """Multi-head attention in which a position sees itself and what came before.

    Args:
        config: of the GPT.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        self.n_head = config.n_head
        self.weights_dropout = nn.Dropout(config.attention_dropout)
        self.qkv = Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.out = Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.residual_dropout = nn.Dropout(config.residual_dropout)
        self.qk_norm = config.qk_norm
        if config.qk_norm:
            self.query_norm, self.key_norm = (normalisation(config, config.head_width) for _ in range(2))

    def forward(
        self,
        x: Tensor,
        *,
        rotation: Rotation | None = None,
        n_unmasked: int = 0,
        mask: Tensor | None = None,
        memory: Memory | None = None,
        last_only: bool = False,
    ) -> Tensor:
        """Attends over x and, if given, over what is remembered.

        Args:
            x: (B, T, n_embd), the positions that follow what is remembered.
            rotation: of queries and keys at these positions, (..., T, head_width / 2).
            n_unmasked: the first positions that see each other whatever their order, where there is no memory.
            mask: what is seen instead, bool (B, 1, T, T), where there is no memory.
            memory: what came before, and what decides who sees it.
            last_only: give the output of the last position alone.

        Returns:
            (B, T, n_embd), or (B, 1, n_embd) with ``last_only``.
        """
        # (B, T, 3·h·d) -> three times (B, h, T, d); einops would take a tenth of a step of one token
        batch, steps, _ = x.shape
        query, key, value = self.qkv(x).view(batch, steps, 3, self.n_head, -1).permute(2, 0, 3, 1, 4).unbind(0)
        if self.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        if last_only:
            query = query[:, :, -1:]
        if memory is not None:
            attended = memory.attend(query, key, value)
        elif self.training and self.weights_dropout.p:
            if mask is None:
                mask = visibility(query.shape[2], key.shape[2], n_unmasked, x.device)
            attended = self._with_dropout(query, key, value, mask)
        else:
            plain = mask is None and n_unmasked < 2  # then the kernel's own causal mask is the right one
            if mask is None and not plain:
                mask = visibility(query.shape[2], key.shape[2], n_unmasked, x.device)
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=plain)
        out: Tensor = self.residual_dropout(self.out(attended.transpose(1, 2).flatten(2)))
        return out

    def _with_dropout(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """The same in training, with weights that a layer of their own drops: its masks can be chosen from outside."""
        scores = (query @ key.mT) * query.shape[-1] ** -0.5
        weights = self.weights_dropout(scores.masked_fill(~mask, -torch.inf).softmax(-1))
        attended: Tensor = weights @ value
        return attended
