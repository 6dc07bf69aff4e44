"""CondGPT: from the tokens so far to the logits of the next one (paper, section 3.2).

The sequence is [condition tokens, image tokens]. Both index one table of embeddings, so a condition's token 17 and an
image's token 17 share a vector and are told apart by their positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from ..hub.pretrained import Pretrained
from .attention import CausalSelfAttention, GPTCache

__all__ = ["CondGPT", "CondGPTConfig"]


@dataclass(frozen=True)
class CondGPTConfig:
    """Everything that shapes a CondGPT.

    Args:
        vocab_size: embeddings and logits: at least the image's codebook, and all ids of condition tokens.
        block_size: the longest sequence, condition included. A window of 16×16 image tokens behind 256 condition
            tokens needs 511, since the last token is never read.
        n_layer: blocks.
        n_head: attention heads. It cannot be read off the weights.
        n_embd: width; a multiple of n_head.
        window: (height, width) in tokens of the crops the model was trained on, which the sampler slides.
        n_unmasked: the first positions (the condition) that all see each other; 0 for the original's plain causal mask.
        embedding_dropout: probability after the embeddings.
        residual_dropout: probability after attention and in the feed-forward part.
        attention_dropout: probability on attention weights.
        pkeep: probability with which training keeps an image token that the model reads; the others become random.
            Targets stay.
        null_token: the id that all condition tokens take when the condition is dropped, for models trained so. Needed
            for classifier-free guidance.

    Raises:
        ValueError: where two fields contradict each other or one is out of range.
    """

    vocab_size: int
    block_size: int
    n_layer: int = 12
    n_head: int = 8
    n_embd: int = 256
    window: tuple[int, int] = (16, 16)
    n_unmasked: int = 0
    embedding_dropout: float = 0.0
    residual_dropout: float = 0.0
    attention_dropout: float = 0.0
    pkeep: float = 1.0
    null_token: int | None = None

    def __post_init__(self) -> None:
        for name in ("vocab_size", "block_size", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise ValueError(f"CondGPTConfig.{name} must be at least 1, got {getattr(self, name)}.")
        if self.n_embd % self.n_head:
            raise ValueError(f"n_embd must be a multiple of n_head, got {self.n_embd} and {self.n_head}.")
        if len(self.window) != 2 or min(self.window) < 1:
            raise ValueError(f"window is (height, width) in tokens, got {self.window}.")
        if self.window_length > self.block_size:
            raise ValueError(
                f"a window of {self.window[0]}×{self.window[1]} tokens and one condition token need a block_size of "
                f"{self.window_length}, got {self.block_size}."
            )
        if not 0 <= self.n_unmasked <= self.block_size:
            raise ValueError(f"n_unmasked must lie in 0..block_size, got {self.n_unmasked}.")
        for name in ("embedding_dropout", "residual_dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}.")
        if not 0 < self.pkeep <= 1:
            raise ValueError(f"pkeep must lie in (0, 1], got {self.pkeep}.")
        if self.null_token is not None and not 0 <= self.null_token < self.vocab_size:
            raise ValueError(f"null_token must lie in 0..{self.vocab_size - 1}, got {self.null_token}.")

    @property
    def window_length(self) -> int:
        """Image tokens of a window."""
        return self.window[0] * self.window[1]


class Block(nn.Module):
    """Attention, then a feed-forward part, each behind a normalisation and added to its input."""

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        width = config.n_embd
        self.norm1 = nn.LayerNorm(width)
        self.attention = CausalSelfAttention(
            width,
            config.n_head,
            attention_dropout=config.attention_dropout,
            residual_dropout=config.residual_dropout,
        )
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(config.residual_dropout)
        )

    def forward(
        self,
        x: Tensor,
        *,
        n_unmasked: int = 0,
        remembered: tuple[Tensor, Tensor] | None = None,
        past: int = 0,
        last_only: bool = False,
    ) -> Tensor:
        """(B, T, n_embd) -> (B, T, n_embd); arguments as for :class:`CausalSelfAttention`."""
        attended = self.attention(
            self.norm1(x), n_unmasked=n_unmasked, remembered=remembered, past=past, last_only=last_only
        )
        x = (x[:, -1:] if last_only else x) + attended
        return x + self.mlp(self.norm2(x))


class CondGPT(Pretrained, nn.Module):
    """A decoder-only transformer over condition tokens followed by image tokens.

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
        self.position_embedding = nn.Parameter(torch.zeros(1, config.block_size, config.n_embd))
        self.embedding_dropout = nn.Dropout(config.embedding_dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.norm_out = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.apply(self._initialise)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """Scores every token of an image, each given the condition and the tokens before it.

        Args:
            tokens: integers (B, T), or a grid (B, h, w) that is read in raster order.
            condition: integers (B, C), or a grid (B, h', w').

        Returns:
            float (B, T, V) or (B, h, w, V): ``logits[:, k]`` scores ``tokens[:, k]`` and depends on the condition and
            ``tokens[:, :k]`` only.

        Raises:
            ValueError: where batches differ or the sequence is longer than ``block_size``.
        """
        grid = tokens.shape[1:]
        tokens, condition = tokens.flatten(1), condition.flatten(1)
        if len(tokens) != len(condition):
            raise ValueError(f"tokens and condition are batches of {len(tokens)} and {len(condition)}; give one each.")
        self._check_lengths(condition.shape[1], tokens.shape[1])
        if self.training and self.config.pkeep < 1:
            tokens = self._corrupt(tokens)
        x = self._embed(torch.cat((condition, tokens[:, :-1]), dim=1), past=0)
        for block in self.blocks:
            x = block(x, n_unmasked=self.config.n_unmasked)
        logits = self.head(self.norm_out(x[:, condition.shape[1] - 1 :]))
        return logits.unflatten(1, grid)

    def start(self, condition: Tensor, *, capacity: int | None = None) -> GPTCache:
        """Reads a condition and remembers it.

        Args:
            condition: integers (B, C), or a grid (B, h, w).
            capacity: positions to make room for, condition included; by default those of one window, which are
                C + h·w - 1, since the last token is never read.

        Returns:
            a cache of C positions, for :meth:`extend`.
        """
        condition = condition.flatten(1)
        batch, length = condition.shape
        capacity = capacity if capacity is not None else length + self.config.window_length - 1
        self._check_lengths(length, capacity - length + 1)
        weight = self.head.weight
        shape = (self.config.n_layer, batch, self.config.n_head, capacity, self.config.n_embd // self.config.n_head)
        keys, values = (torch.empty(shape, dtype=weight.dtype, device=weight.device) for _ in range(2))
        cache = GPTCache(keys, values, 0, keys.new_empty(batch, self.config.n_embd))
        self._read(cache, condition, n_unmasked=self.config.n_unmasked)
        return cache

    def extend(self, cache: GPTCache, tokens: Tensor) -> Tensor:
        """Reads further image tokens and scores the next one.

        Args:
            cache: from :meth:`start`; it remembers the tokens afterwards.
            tokens: integers (B, T) that follow what the cache holds; T may be 0.

        Returns:
            float (B, V), the logits of the token after the last one read.

        Raises:
            ValueError: where the cache has no room for the tokens.
        """
        if cache.length + tokens.shape[1] > cache.capacity:
            raise ValueError(
                f"the cache holds {cache.length} of {cache.capacity} positions: no room for {tokens.shape[1]} tokens."
            )
        if tokens.shape[1]:
            self._read(cache, tokens)
        return self.head(self.norm_out(cache.last_hidden))

    def null_condition(self, condition: Tensor) -> Tensor:
        """What stands for "no condition" in place of ``condition``: the same shape, filled with the null token.

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

    def _embed(self, tokens: Tensor, *, past: int) -> Tensor:
        # (B, T) -> (B, T, n_embd)
        positions = self.position_embedding[:, past : past + tokens.shape[1]]
        return self.embedding_dropout(self.token_embedding(tokens) + positions)

    def _read(self, cache: GPTCache, tokens: Tensor, *, n_unmasked: int = 0) -> None:
        x = self._embed(tokens, past=cache.length)
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            # nobody looks at the last block's output but at the last position
            x = block(
                x,
                n_unmasked=n_unmasked,
                remembered=(cache.keys[index], cache.values[index]),
                past=cache.length,
                last_only=index == last,
            )
        cache.length += tokens.shape[1]
        cache.last_hidden = rearrange(x, "b 1 d -> b d")

    def _corrupt(self, tokens: Tensor) -> Tensor:
        keep = torch.rand(tokens.shape, device=tokens.device) < self.config.pkeep
        return torch.where(keep, tokens, torch.randint_like(tokens, self.config.vocab_size))

    def _check_lengths(self, condition: int, image: int) -> None:
        block_size, n_unmasked = self.config.block_size, self.config.n_unmasked
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
