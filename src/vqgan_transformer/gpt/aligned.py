"""The aligned form: what the condition says about a place is added where the place is drawn.

Position (i, j) reads the token to its left, (i, j - 1), and the features of the condition at (i, j); it attends to a causal
neighbourhood of positions and predicts the token at (i, j). In the first column a learned vector stands for the token to
the left: the last token of the row above would tie each row to the end of the one before.

Positions count relative to each other, and what a position computes depends on nothing that is drawn later or far away,
so keys and values never go stale: a picture of any size costs one position per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor, nn

from .condition_dictionary import check_conditions, check_ids
from .condition_encoder import ConditionEncoder
from .config import CondGPTConfig
from .local_attention import Tiles
from .positions import Rotation, rotation
from .rolling_cache import RollingCache

if TYPE_CHECKING:
    from .model import CondGPT

__all__ = ["AlignedInput", "extend", "score", "start"]


class AlignedInput(nn.Module):
    """What stands beside the tokens in an aligned model.

    Args:
        config: of the GPT.
    """

    def __init__(self, config: CondGPTConfig):
        super().__init__()
        self.row_start = nn.Parameter(0.02 * torch.randn(config.n_embd))
        self.encoder = ConditionEncoder(config)
        # by the number of the block
        self.injections = nn.ModuleDict(
            {str(layer): nn.Linear(config.condition_width, config.n_embd) for layer in config.condition_layers}
        )

    def inject(self, features: Tensor) -> dict[int, Tensor]:
        """(..., condition_width) -> for each block that takes features in, (..., n_embd)."""
        return {int(layer): projection(features) for layer, projection in self.injections.items()}


def score(
    gpt: CondGPT, tokens: Tensor, conditions: Mapping[str, Tensor], strength: Mapping[str, float] | None = None
) -> Tensor:
    """Logits of all places of given grids at once; see :meth:`CondGPT.forward`."""
    config = gpt.config
    if tokens.ndim != 3:
        raise ValueError(f"an aligned model scores grids of tokens (B, h, w), got {tuple(tokens.shape)}.")
    size = tokens.shape[1], tokens.shape[2]
    own, _ = check_conditions(config, conditions, size)
    if own not in (None, len(tokens)):
        raise ValueError(f"tokens and conditions are batches of {len(tokens)} and {own}; give one each.")
    features = gpt.aligned.inject(gpt.aligned.encoder(conditions, size, len(tokens), strength))
    left = gpt.token_embedding(tokens[:, :, :-1])  # (B, h, w - 1, n_embd)
    first = gpt.aligned.row_start.expand(len(tokens), size[0], 1, -1)
    x = gpt.embedding_dropout(torch.cat((first, left), dim=2))
    rows, cols = torch.meshgrid(*(torch.arange(extent, device=x.device) for extent in size), indexing="ij")
    turn = Rotation(*(part[:, :, None, None] for part in rotation(rows, cols, config.head_width, x.dtype)))
    tiles = Tiles.of(size, config, x.device)
    for index, block in enumerate(gpt.blocks):
        x = block(x + features[index] if index in features else x, rotation=turn, over=tiles)
    return gpt.head(gpt.norm_out(x))


@torch.no_grad()
def start(
    gpt: CondGPT,
    conditions: Mapping[str, Tensor],
    size: tuple[int, int] | None,
    batch: int | None,
    strength: Mapping[str, float] | None = None,
) -> RollingCache:
    """A cache for drawing grids; see :meth:`CondGPT.start`."""
    own, size = check_conditions(gpt.config, conditions, size)
    check_ids(gpt.config, conditions)
    if size is None:
        raise ValueError("give size=(h, w) in tokens: these conditions do not say how large a picture is.")
    if own is not None and batch is not None and own != batch:
        raise ValueError(f"there are conditions for {own} pictures, but batch={batch}.")
    batch = own if own is not None else batch or 1
    encoded = gpt.aligned.encoder.in_bands(conditions, size, batch, strength)
    features = gpt.aligned.inject(rearrange(encoded, "b h w c -> h w b c"))
    return RollingCache(gpt.config, size, features)


@torch.no_grad()
def extend(gpt: CondGPT, cache: RollingCache, tokens: Tensor) -> Tensor:
    """Logits of the places that are due; see :meth:`CondGPT.extend`."""
    if cache.step >= cache.steps:
        raise ValueError("the grid of this cache is complete: start another.")
    rows, cols = cache.places
    if tokens.shape != (cache.features[gpt.config.condition_layers[0]].shape[2], len(rows)):
        raise ValueError(f"{len(rows)} places are due in each of the pictures, got tokens of {tuple(tokens.shape)}.")
    left = gpt.token_embedding(tokens.T.where((cols > 0)[:, None], 0))  # (N, B, n_embd)
    x = torch.where((cols > 0)[:, None, None], left, gpt.aligned.row_start)
    blocks, turn = cache.look()
    for index, (block, remembered) in enumerate(zip(gpt.blocks, blocks, strict=True)):
        if index in cache.features:
            x = x + cache.features[index][rows, cols]
        x = block(x, rotation=turn, over=remembered)
    cache.advance()
    return gpt.head(gpt.norm_out(x)).transpose(0, 1)
