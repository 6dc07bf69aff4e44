"""A GPT that reads windows: positions in front, then the tokens of the window, each seeing all that comes before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .attention import CacheMemory, GPTCache, visibility
from .conditioning import Conditioning
from .form import Form
from .front import Along
from .norms import Modulation
from .transformer import Transformer

__all__ = ["WindowForm"]


class WindowForm(Form):
    """Scores and draws tokens of a window as one sequence.

    Args:
        model: its parameters.
        conditioning: what reads its conditions.
    """

    def __init__(self, model: Transformer, conditioning: Conditioning):
        self.model, self.conditioning, self.config = model, conditioning, model.config

    def score(
        self,
        tokens: Tensor,
        condition: Any,
        strength: Mapping[str, float] | None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """See :meth:`CondGPT.forward`."""
        model, grid = self.model, tokens.shape[1:]
        size = (grid[0], grid[1]) if len(grid) == 2 else size
        front = self.conditioning.front(condition, size, len(tokens), strength)
        tokens = tokens.flatten(1)
        length = front.length + tokens.shape[1] - 1
        self._check_lengths(front.length, tokens.shape[1])
        positions = model.positions(front.length, length)
        x = torch.cat((front.embeddings, model.token_embedding(tokens[:, :-1])), dim=1)
        x = model.embedding_dropout(x if positions.added is None else x + positions.added[None])
        along = front.along()
        mask = None
        if along.visible is not None:
            mask = along.mask(visibility(length, length, self.config.n_unmasked, x.device))
        modulation = self._modulation([along], [0], length)
        for index, block in enumerate(model.blocks):
            if index in along.features:
                x = x + along.features[index][:, :length]
            x = block(
                x,
                rotation=positions.rotation,
                n_unmasked=self.config.n_unmasked,
                mask=mask,
                modulation=model.block_modulation(index, modulation),
            )
        first = front.length - 1
        return torch.unflatten(model.logits(x[:, first:], _from(modulation, first)), 1, grid)

    def window_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """That of the model; but where places are counted in a table, any grid that fits in is a window of its own."""
        fits = size[0] * size[1] <= self.config.window_length
        return size if self.config.position_table is not None and fits else self.config.window

    @torch.no_grad()
    def start(
        self,
        condition: Any,
        capacity: int | None,
        size: tuple[int, int] | None,
        batch: int | None,
        strength: Mapping[str, float] | None,
    ) -> GPTCache:
        """See :meth:`CondGPT.start`."""
        front = self.conditioning.front(condition, size, batch, strength)
        if capacity is None:
            count = size[0] * size[1] if size is not None else front.places or self.config.window_length
            capacity = front.length + count - 1
        capacity = max(capacity, front.length)
        self._check_lengths(front.length, max(1, capacity - front.length + 1))
        weight, rows = self.model.head.weight, len(front.embeddings)
        shape = (self.config.n_layer, rows, self.config.n_head, capacity, self.config.head_width)
        keys, values = (torch.empty(shape, dtype=weight.dtype, device=weight.device) for _ in range(2))
        positions = self.model.positions(front.length, self.config.block_size or capacity)
        cache = GPTCache(keys, values, 0, keys.new_empty(rows, weight.shape[1]), front.length, positions, front.along())
        n_unmasked, length = self.config.n_unmasked, front.length
        mask = None
        if n_unmasked > 1 or cache.along.visible is not None:
            mask = cache.along.mask(visibility(length, length, n_unmasked, weight.device))
        self._read([cache], [mask], front.embeddings)
        return cache

    @torch.no_grad()
    def extend(self, cache: GPTCache | Sequence[GPTCache], tokens: Tensor) -> Tensor:
        """See :meth:`CondGPT.extend`."""
        caches = [cache] if isinstance(cache, GPTCache) else cache
        steps = tokens.shape[1]
        for each in caches:
            if each.length + steps > each.capacity:
                raise ValueError(
                    f"the cache holds {each.length} of {each.capacity} positions: no room for {steps} tokens."
                )
        if steps:
            self._read(caches, [_mask(each, steps) for each in caches], self.model.token_embedding(tokens))
        head: Tensor = self.model.head(torch.cat([each.last_hidden for each in caches]))
        return head

    def _read(self, caches: Sequence[GPTCache], masks: Sequence[Tensor | None], x: Tensor) -> None:
        """Reads what follows in caches, embedded, (B, T, n_embd), and remembers it."""
        model, rows, steps = self.model, [cache.rows for cache in caches], x.shape[1]
        past = [cache.length for cache in caches for _ in range(cache.rows)]
        positions = caches[0].positions.at(past, steps)
        x = model.embedding_dropout(x if positions.added is None else x + positions.added)
        along = [cache.along for cache in caches]
        modulation = self._modulation(along, past, steps)
        last = len(model.blocks) - 1
        for index, block in enumerate(model.blocks):
            if index in along[0].features:
                x = x + torch.cat([each.along.features[index][:, each.length : each.length + steps] for each in caches])
            # nobody looks at the last block's output but at the last position
            x = block(
                x,
                rotation=positions.rotation,
                memory=CacheMemory(caches, index, masks),
                modulation=model.block_modulation(index, modulation),
                last_only=index == last,
            )
        hidden = model.before_head(x, _from(modulation, -1))
        for cache, last_hidden in zip(caches, torch.split(hidden[:, 0], rows), strict=True):
            cache.length += steps
            cache.last_hidden = last_hidden

    def _modulation(self, along: Sequence[Along], past: Sequence[int], steps: int) -> Modulation | None:
        parts = [each.modulation for each in along if each.modulation is not None]
        if not parts or self.model.modulator is None:
            return None
        return self.model.modulator.at(Modulation.of(parts), past, steps)

    def _check_lengths(self, front: int, image: int) -> None:
        block_size, n_unmasked = self.config.block_size, self.config.n_unmasked
        assert block_size is not None
        if front + image - 1 > block_size:
            raise ValueError(
                f"{front} condition tokens and {image} image tokens make a sequence of {front + image - 1}, but "
                f"block_size is {block_size}. Score one window at a time."
            )
        if n_unmasked > front:
            raise ValueError(
                f"the first {n_unmasked} positions see each other (n_unmasked), but the condition has only {front}: "
                "image tokens would see what they have to predict."
            )


def _mask(cache: GPTCache, steps: int) -> Tensor | None:
    """What new positions of a cache see; ``None`` for all."""
    if steps == 1 and cache.along.visible is None:
        return None
    return cache.along.mask(visibility(steps, cache.length + steps, device=cache.keys.device))


def _from(modulation: Modulation | None, first: int) -> Modulation | None:
    """The modulation from a position on, where it differs between positions."""
    if modulation is None or modulation.vector.shape[1] == 1:
        return modulation
    return Modulation(modulation.vector[:, first:])
