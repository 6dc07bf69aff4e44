"""A GPT that reads whole grids: each place sees a neighbourhood of the places before it, and a picture may have any size.

Position (i, j) reads the token to its left, (i, j - 1), and the features of the condition at (i, j); it attends to a causal
neighbourhood of positions and predicts the token at (i, j). In the first column a learned vector stands for the token to
the left: the last token of the row above would tie each row to the end of the one before.

Positions count relative to each other, and what a position computes depends on nothing that is drawn later or far away,
so keys and values never go stale: a picture of any size costs one position per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from .dictionary_conditioning import DictionaryConditioning
from .features import DictionaryInput
from .form import Form
from .grid_decoder import GridDecoder
from .local_attention import Tiles
from .positions import Rotation, rotation
from .rolling_cache import RollingCache
from .transformer import Transformer

__all__ = ["NeighbourhoodForm"]


class NeighbourhoodForm(Form):
    """Scores whole grids at once, or draws them line by line.

    Args:
        model: its parameters.
        inputs: those that read its conditions.
        conditioning: what checks them.
    """

    def __init__(self, model: Transformer, inputs: DictionaryInput, conditioning: DictionaryConditioning):
        self.model, self.inputs, self.conditioning, self.config = model, inputs, conditioning, model.config

    def score(
        self,
        tokens: Tensor,
        condition: Any,
        strength: Mapping[str, float] | None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """See :meth:`CondGPT.forward`."""
        model, config = self.model, self.config
        conditions = self.conditioning.dictionary(condition)
        if tokens.ndim != 3:
            raise ValueError(f"an aligned model scores grids of tokens (B, h, w), got {tuple(tokens.shape)}.")
        size = tokens.shape[1], tokens.shape[2]
        batch, _ = self.conditioning.extent(conditions, size)
        if batch not in (None, len(tokens)):
            raise ValueError(f"tokens and conditions are batches of {len(tokens)} and {batch}; give one each.")
        features = self.inputs.features(conditions, size, len(tokens), strength)
        left = model.token_embedding(tokens[:, :, :-1])  # (B, h, w - 1, n_embd)
        first = self.inputs.row_start.expand(len(tokens), size[0], 1, -1)
        x = model.embedding_dropout(torch.cat((first, left), dim=2))
        rows, cols = torch.meshgrid(*(torch.arange(extent, device=x.device) for extent in size), indexing="ij")
        turn = Rotation(*(part[:, :, None, None] for part in rotation(rows, cols, config.head_width, x.dtype)))
        tiles = Tiles.of(size, config, x.device)
        for index, block in enumerate(model.blocks):
            x = block(x + features[index] if index in features else x, rotation=turn, over=tiles)
        return model.logits(x)

    def window_for(self, size: tuple[int, int]) -> tuple[int, int]:
        """The grid itself."""
        return size

    @torch.no_grad()
    def start_grid(
        self,
        conditions: Any,
        size: tuple[int, int] | None,
        batch: int | None,
        strength: Mapping[str, float] | None,
    ) -> GridDecoder:
        """See :meth:`CondGPT.start_grid`."""
        told, size = self.conditioning.extent(conditions, size)
        if size is None:
            raise ValueError("give size=(h, w) in tokens: these conditions do not say how large a picture is.")
        if told is not None and batch is not None and told != batch:
            raise ValueError(f"there are conditions for {told} pictures, but batch={batch}.")
        batch = told if told is not None else batch or 1
        features = self.inputs.features(conditions, size, batch, strength, in_bands=True)
        by_place = {layer: rearrange(added, "b h w c -> h w b c") for layer, added in features.items()}
        return GridDecoder(self.model, self.inputs.row_start, RollingCache(self.config, size, by_place))
