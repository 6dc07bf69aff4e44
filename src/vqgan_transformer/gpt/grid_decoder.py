"""Drawing whole grids line by line, with a cache of the places that are still in reach."""

from __future__ import annotations

import torch
from torch import Tensor

from .rolling_cache import RollingCache
from .transformer import Transformer

__all__ = ["GridDecoder"]


class GridDecoder:
    """Draws token grids of one size line by line: all places whose neighbours are drawn are due at once.

    Args:
        model: the parameters.
        row_start: what stands for the token to the left of a row's first, (n_embd,).
        cache: what is remembered of the grids.
    """

    def __init__(self, model: Transformer, row_start: Tensor, cache: RollingCache):
        self.model, self.row_start, self.cache = model, row_start, cache

    @property
    def step(self) -> int:
        """Of the places that are due."""
        return self.cache.step

    @property
    def steps(self) -> int:
        """One past the last step."""
        return self.cache.steps

    @property
    def places(self) -> tuple[Tensor, Tensor]:
        """Rows and columns (N,) of the places that are due."""
        return self.cache.places

    @property
    def bytes(self) -> int:
        """What keys and values take."""
        return self.cache.bytes

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Reads the tokens to the left of the places that are due, and scores those places; then the next ones are due.

        Args:
            tokens: integers (B, N), of any number in the first column, which has none to the left.

        Returns:
            float (B, N, V).

        Raises:
            ValueError: where the grid is complete, or the tokens are not for the places that are due.
        """
        cache, model = self.cache, self.model
        if cache.step >= cache.steps:
            raise ValueError("the grid of this cache is complete: start another.")
        rows, cols = cache.places
        if tokens.shape != (cache.batch, len(rows)):
            raise ValueError(
                f"{len(rows)} places are due in each of the pictures, got tokens of {tuple(tokens.shape)}."
            )
        left = model.token_embedding(tokens.T.where((cols > 0)[:, None], 0))  # (N, B, n_embd)
        x = torch.where((cols > 0)[:, None, None], left, self.row_start)
        blocks, turn = cache.surroundings()
        for index, (block, remembered) in enumerate(zip(model.blocks, blocks, strict=True)):
            if index in cache.features:
                x = x + cache.features[index][rows, cols]
            x = block(x, rotation=turn, over=remembered)
        cache.advance()
        return model.logits(x).transpose(0, 1)
