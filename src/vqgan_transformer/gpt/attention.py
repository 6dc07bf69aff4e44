"""Causal self-attention, and the keys and values it remembers while tokens are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .positions import Rotation, rotate

__all__ = ["CausalSelfAttention", "GPTCache", "visibility"]


@dataclass
class GPTCache:
    """What a GPT remembers of the positions it has read, in buffers that never grow.

    Attributes:
        keys: (n_layer, B, n_head, capacity, head_dim).
        values: likewise.
        length: positions filled so far, the condition's included; the same for all B rows.
        last_hidden: (B, n_embd), what the last block made of the last position read.
        condition_length: positions of the condition, which come first.
    """

    keys: Tensor
    values: Tensor
    length: int
    last_hidden: Tensor
    condition_length: int

    @property
    def capacity(self) -> int:
        """The number of positions there is room for."""
        return self.keys.shape[3]

    @property
    def bytes(self) -> int:
        """What keys and values take."""
        return 2 * self.keys.numel() * self.keys.itemsize

    def rows(self, start: int, stop: int) -> GPTCache:
        """The cache of rows start..stop-1 alone, as copies, so that the other rows' memory can be freed."""
        rows = slice(start, stop)
        return GPTCache(
            self.keys[:, rows].clone(),
            self.values[:, rows].clone(),
            self.length,
            self.last_hidden[rows].clone(),
            self.condition_length,
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
        n_embd: width.
        n_head: number of heads; divides n_embd.
        bias: whether the linear layers add one.
        attention_dropout: probability that an attention weight is dropped while training.
        residual_dropout: the same for the output.
    """

    def __init__(
        self, n_embd: int, n_head: int, *, bias: bool = True, attention_dropout: float, residual_dropout: float
    ):
        super().__init__()
        self.n_head = n_head
        self.weights_dropout = nn.Dropout(attention_dropout)
        self.qkv = nn.Linear(n_embd, 3 * n_embd, bias=bias)
        self.out = nn.Linear(n_embd, n_embd, bias=bias)
        self.residual_dropout = nn.Dropout(residual_dropout)

    def forward(
        self,
        x: Tensor,
        *,
        rotation: Rotation | None = None,
        n_unmasked: int = 0,
        remembered: tuple[Tensor, Tensor] | None = None,
        past: int = 0,
        last_only: bool = False,
    ) -> Tensor:
        """Attends over x and, if given, over what is remembered.

        Args:
            x: (B, T, n_embd), the positions past..past+T-1.
            rotation: of queries and keys at these positions, (T, head_width / 2).
            n_unmasked: the first positions that see each other whatever their order.
            remembered: buffers for keys and values, (B, n_head, capacity, head_dim) each; x's are written into them.
            past: positions already in the buffers.
            last_only: give the output of the last position alone.

        Returns:
            (B, T, n_embd), or (B, 1, n_embd) with ``last_only``.
        """
        steps = x.shape[1]
        query, key, value = rearrange(self.qkv(x), "b t (three h d) -> three b h t d", three=3, h=self.n_head)
        if rotation is not None:
            query, key = rotate(query, rotation), rotate(key, rotation)
        if remembered is not None:
            total = past + steps
            for buffer, new in zip(remembered, (key, value), strict=True):
                buffer[:, :, past:total] = new
            key, value = (buffer[:, :, :total] for buffer in remembered)
        if last_only:
            query = query[:, :, -1:]
        if self.training and self.weights_dropout.p:
            return self._with_dropout(query, key, value, n_unmasked)
        plain = past == 0 and n_unmasked < 2  # then the kernel's own causal mask is the right one
        single = query.shape[2] == 1
        mask = None if plain or single else visibility(query.shape[2], key.shape[2], n_unmasked, x.device)
        attended = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            is_causal=plain and not single,
        )
        return self.residual_dropout(self.out(rearrange(attended, "b h t d -> b t (h d)")))

    def _with_dropout(self, query: Tensor, key: Tensor, value: Tensor, n_unmasked: int) -> Tensor:
        """The same in training, with weights that a layer of their own drops: its masks can be chosen from outside."""
        visible = visibility(query.shape[2], key.shape[2], n_unmasked, query.device)
        scores = (query @ key.mT) * query.shape[-1] ** -0.5
        weights = self.weights_dropout(scores.masked_fill(~visible, -torch.inf).softmax(-1))
        return self.residual_dropout(self.out(rearrange(weights @ value, "b h t d -> b t (h d)")))
