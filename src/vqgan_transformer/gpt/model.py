"""CondGPT: from the tokens so far to the logits of the next one (paper, section 3.2).

In the paper's form the sequence is [condition tokens, image tokens]. There both index one table of embeddings, so a condition's token
17 and an image's token 17 share a vector and are told apart by their positions; `condition_vocab_size` gives conditions a
table of their own. In the aligned form (:mod:`.aligned`) the condition is added at the place to be drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..storage.pretrained import Pretrained
from . import aligned
from .attention import CacheMemory, GPTCache, visibility
from .blocks import Block, normalisation
from .condition_dictionary import dropped
from .config import CondGPTConfig
from .linear import Linear
from .positions import Rotation, window_rotation
from .rolling_cache import RollingCache

__all__ = ["CondGPT", "CondGPTConfig"]


class CondGPT(Pretrained, nn.Module):
    """A decoder-only transformer that scores the next token of an image, given a condition.

    Where ``config.conditioning`` is "prefix", as in the paper, a condition is tokens that stand in front of the image's:
    integers (B, C), or a grid (B, h', w'). Where it is "aligned", a condition is a dictionary: of the kinds in
    ``config.conditions``, any that there are, from a kind's name to its map at pixel resolution, class or known tokens
    (see :class:`ConditionInput`).

    Example:
        >>> gpt = CondGPT(CondGPTConfig(vocab_size=64, block_size=512, n_layer=1, n_head=2, n_embd=32))
        >>> tokens = condition = torch.zeros(1, 16, 16, dtype=torch.long)
        >>> tuple(gpt(tokens, condition).shape)
        (1, 16, 16, 64)
    """

    config_class: ClassVar[type] = CondGPTConfig

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        if config.condition_vocab_size is not None:
            self.condition_embedding = nn.Embedding(config.condition_vocab_size, config.n_embd)
        if config.conditioning == "aligned":
            self.aligned = aligned.AlignedInput(config)
        elif config.position == "learned":
            self.position_embedding = nn.Parameter(torch.zeros(1, config.block_size or 0, config.n_embd))
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm_out = normalisation(config)
        self.head = Linear(config.n_embd, config.vocab_size, bias=False)
        for child in self.children():
            if not isinstance(child, aligned.AlignedInput):
                child.apply(_initialise)

    def forward(
        self,
        tokens: Tensor,
        condition: Tensor | Mapping[str, Tensor],
        *,
        strength: Mapping[str, float] | None = None,
    ) -> Tensor:
        """Scores every token of an image, each given the condition and the tokens before it.

        Args:
            tokens: integers (B, T), or a grid (B, h, w) that is read in raster order. An aligned model takes grids, of
                any size.
            condition: tokens or a dictionary, as the form of the model has it.
            strength: for an aligned model, by name: how much a condition counts, 0 as if it were unknown, 1 as in training.

        Returns:
            float (B, T, V) or (B, h, w, V): ``logits[:, k]`` scores ``tokens[:, k]`` and depends on the condition and
            ``tokens[:, :k]`` only.

        Raises:
            TypeError: for a condition of the other form, or of another type of numbers.
            ValueError: where batches or sizes differ, or the sequence is longer than ``block_size``.
        """
        if self.config.conditioning == "aligned":
            return aligned.score(self, tokens, self._dictionary(condition), strength)
        condition = self._tensor(condition)
        grid = tokens.shape[1:]
        tokens, condition = tokens.flatten(1), condition.flatten(1)
        if len(tokens) != len(condition):
            raise ValueError(f"tokens and condition are batches of {len(tokens)} and {len(condition)}; give one each.")
        self._check_lengths(condition.shape[1], tokens.shape[1])
        x = torch.cat((self._embed_condition(condition), self.token_embedding(tokens[:, :-1])), dim=1)
        x, rotation = self._place(x, torch.arange(x.shape[1], device=x.device)[None], condition=condition.shape[1])
        for block in self.blocks:
            x = block(x, rotation=rotation, n_unmasked=self.config.n_unmasked)
        logits = self.head(self.norm_out(x[:, condition.shape[1] - 1 :]))
        return logits.unflatten(1, grid)

    @overload
    def start(self, condition: Tensor, *, capacity: int | None = None) -> GPTCache: ...

    @overload
    def start(
        self,
        condition: Mapping[str, Tensor],
        *,
        size: tuple[int, int] | None = None,
        batch: int | None = None,
        strength: Mapping[str, float] | None = None,
    ) -> RollingCache: ...

    def start(
        self,
        condition: Tensor | Mapping[str, Tensor],
        *,
        capacity: int | None = None,
        size: tuple[int, int] | None = None,
        batch: int | None = None,
        strength: Mapping[str, float] | None = None,
    ) -> GPTCache | RollingCache:
        """Reads a condition and remembers it.

        Args:
            condition: tokens or a dictionary, as the form of the model has it.
            capacity: for a prefix: positions to make room for, condition included; by default those of one window,
                which are C + h·w - 1, since the last token is never read.
            size: for an aligned model: (h, w) of the token grid; may be left out where a map says it.
            batch: for an aligned model: the number of grids, where there is no condition to say it; 1 by default.
            strength: for an aligned model, as for :meth:`forward`.

        Returns:
            a cache for :meth:`extend`: of C positions, or of the grid's first place.

        Raises:
            TypeError: for a condition of the other form, or of another type of numbers.
            ValueError: for conditions that do not fit the model or each other, and where the size is lacking.
        """
        if self.config.conditioning == "aligned":
            return aligned.start(self, self._dictionary(condition), size, batch, strength)
        condition = self._tensor(condition).flatten(1)
        batch, length = condition.shape
        capacity = capacity if capacity is not None else length + self.config.window_length - 1
        self._check_lengths(length, capacity - length + 1)
        weight = self.head.weight
        shape = (self.config.n_layer, batch, self.config.n_head, capacity, self.config.n_embd // self.config.n_head)
        keys, values = (torch.empty(shape, dtype=weight.dtype, device=weight.device) for _ in range(2))
        cache = GPTCache(keys, values, 0, keys.new_empty(batch, self.config.n_embd), length)
        n_unmasked = self.config.n_unmasked
        mask = None if n_unmasked < 2 else visibility(length, length, n_unmasked, weight.device)
        self._read([cache], [mask], self._embed_condition(condition))
        return cache

    def extend(self, cache: GPTCache | Sequence[GPTCache] | RollingCache, tokens: Tensor) -> Tensor:
        """Reads further image tokens and scores what is next.

        Args:
            cache: from :meth:`start`; it remembers the tokens afterwards. Of a prefix model also several, which may
                hold different numbers of positions: their rows make the batch, one cache after the other.
            tokens: of a prefix model, integers (B, T) that follow what the caches hold; T may be 0. Of an aligned
                model, integers (B, N): the tokens to the left of the N places that are due (``cache.places``); any
                number in the first column, which has none.

        Returns:
            of a prefix model, float (B, V), the logits of the token after the last one read. Of an aligned model,
            float (B, N, V), the logits of the places that were due; then the next ones are.

        Raises:
            ValueError: where a cache has no room for the tokens.
        """
        if isinstance(cache, RollingCache):
            return aligned.extend(self, cache, tokens)
        caches = [cache] if isinstance(cache, GPTCache) else cache
        steps = tokens.shape[1]
        for one in caches:
            if one.length + steps > one.capacity:
                raise ValueError(
                    f"the cache holds {one.length} of {one.capacity} positions: no room for {steps} tokens."
                )
        if steps:
            masks = [
                None if steps == 1 else visibility(steps, one.length + steps, device=tokens.device) for one in caches
            ]
            self._read(caches, masks, self.token_embedding(tokens))
        return self.head(self.norm_out(torch.cat([one.last_hidden for one in caches])))

    def drop_condition(
        self, condition: Tensor | Mapping[str, Tensor], drop: Tensor | Mapping[str, Tensor]
    ) -> Tensor | dict[str, Tensor]:
        """A batch's condition, with none in its place for some pictures: what training for guidance needs.

        Args:
            condition: tokens or a dictionary, as the form of the model has it.
            drop: bool (B,), True where the condition is dropped. For an aligned model a dictionary gives each kind its
                own; kinds left out stay.

        Raises:
            ValueError: for a prefix model without a null token.
        """
        if self.config.conditioning == "aligned":
            condition = self._dictionary(condition)
            drop = dict.fromkeys(condition, drop) if isinstance(drop, Tensor) else drop
            return dropped(self.config.conditions, condition, drop)
        condition = self._tensor(condition)
        if isinstance(drop, Mapping):
            raise TypeError("this model has one condition: drop is a bool tensor (B,).")
        rows = drop.to(condition.device).view(-1, *[1] * (condition.ndim - 1))
        return self.null_condition(condition).where(rows, condition)

    def null_condition(self, condition: Tensor) -> Tensor:
        """What stands for "no condition" in place of a prefix: the same shape, filled with the null token.

        In an aligned model a condition that is absent from the dictionary is no condition.

        Raises:
            ValueError: for a model that was trained without dropping its condition.
        """
        if self.config.null_token is None:
            raise ValueError(
                "this GPT has no null_token: it was trained without dropping its condition, so it cannot be guided. "
                "Use guidance_scale=1."
            )
        return torch.full_like(condition, self.config.null_token)

    def parameter_groups(self, weight_decay: float = 0.01) -> list[dict]:
        """Parameters for AdamW, as the original groups them: decay for the weights of linear layers, none for others.

        Args:
            weight_decay: the decay of the first group.
        """
        decayed = {id(module.weight) for module in self.modules() if isinstance(module, nn.Linear)}
        parameters = list(self.parameters())
        return [
            {"params": [p for p in parameters if id(p) in decayed], "weight_decay": weight_decay},
            {"params": [p for p in parameters if id(p) not in decayed], "weight_decay": 0.0},
        ]

    def _tensor(self, condition: Tensor | Mapping[str, Tensor]) -> Tensor:
        if not isinstance(condition, Tensor):
            raise TypeError(f"this GPT takes its condition as tokens (int64), got {type(condition).__name__}.")
        return condition

    def _dictionary(self, condition: Tensor | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if not isinstance(condition, Mapping):
            raise TypeError(
                f"this GPT takes its conditions as a dictionary, from {[one.name for one in self.config.conditions]} to "
                f"maps or ids; got {type(condition).__name__}."
            )
        return condition

    def _embed_condition(self, condition: Tensor) -> Tensor:
        # (B, C) -> (B, C, n_embd)
        shared = self.config.condition_vocab_size is None
        return (self.token_embedding if shared else self.condition_embedding)(condition)

    def _place(self, x: Tensor, positions: Tensor, *, condition: int) -> tuple[Tensor, Rotation | None]:
        """Says where embeddings (B, T, n_embd) stand, at positions (B or 1, T): added to them, or as a rotation."""
        if self.config.position == "learned":
            return self.embedding_dropout(x + F.embedding(positions, self.position_embedding[0])), None
        width, head_width = self.config.window[1], self.config.head_width
        found = window_rotation(
            positions[:, None], condition=condition, width=width, head_width=head_width, dtype=x.dtype
        )  # (B or 1, 1, T, head_width / 2), the same for all heads
        return self.embedding_dropout(x), found

    def _read(self, caches: Sequence[GPTCache], masks: Sequence[Tensor | None], x: Tensor) -> None:
        """Reads what follows in caches, embedded, (B, T, n_embd), and remembers it."""
        rows, steps = [cache.rows for cache in caches], x.shape[1]
        past = torch.tensor([cache.length for cache in caches for _ in range(cache.rows)], device=x.device)
        positions = past[:, None] + torch.arange(steps, device=x.device)
        x, rotation = self._place(x, positions, condition=caches[0].condition_length)
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            # nobody looks at the last block's output but at the last position
            x = block(x, rotation=rotation, memory=CacheMemory(caches, index, masks), last_only=index == last)
        for cache, hidden in zip(caches, x[:, 0].split(rows), strict=True):
            cache.length += steps
            cache.last_hidden = hidden

    def _check_lengths(self, condition: int, image: int) -> None:
        block_size, n_unmasked = self.config.block_size, self.config.n_unmasked
        assert block_size is not None
        if condition < 1:
            raise ValueError("the condition needs at least one token: a start token stands for no condition.")
        if condition + image - 1 > block_size:
            raise ValueError(
                f"{condition} condition tokens and {image} image tokens make a sequence of {condition + image - 1}, but "
                f"block_size is {block_size}. Score one window at a time."
            )
        if n_unmasked > condition:
            raise ValueError(
                f"the first {n_unmasked} positions see each other (n_unmasked), but the condition has only {condition}: "
                "image tokens would see what they have to predict."
            )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
