"""The token grids that a call of the sampler asks for, everything checked before any work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import nearest_name
from ..gpt.conditioning import Extent
from ..gpt.model import CondGPT
from .config import SamplerConfig
from .readers import reader_for
from .seeds import picture_seeds
from .windows import PictureCondition, TokenGrid, WholeCondition, WindowCondition, WindowsCondition

__all__ = ["check_model", "check_strengths", "token_grids"]

MOST_TOKENS = 2**24
"""4096×4096 tokens, with f = 16 a picture of 65,536 pixels a side."""


def token_grids(
    gpt: CondGPT,
    conditions: Sequence[Tensor | WindowCondition | Mapping[str, Tensor]],
    sizes: Sequence[tuple[int, int] | None],
    *,
    seed: int | Sequence[int],
    tokens: Sequence[Tensor | None],
    keep: Sequence[Tensor | None],
    codes: int,
) -> list[TokenGrid]:
    """The grids to paint, one for each condition; what is kept already in them.

    Raises:
        ValueError: for what does not fit.
        TypeError: for tokens that are no integers, or a mask that is not bool.
    """
    for name, values in (("sizes", sizes), ("tokens", tokens), ("keep masks", keep)):
        if len(values) != len(conditions):
            raise ValueError(f"{len(conditions)} conditions and {len(values)} {name}: give one for each.")
    extents = [_extent(gpt, condition, size) for condition, size in zip(conditions, sizes, strict=True)]
    batches = [
        extent.batch if extent.batch is not None else _batch(given, seed if len(conditions) == 1 else 0)
        for extent, given in zip(extents, tokens, strict=True)
    ]
    seeds = picture_seeds(seed, sum(batches))
    device, grids = gpt.head.weight.device, []
    for condition, (_, size), batch, given, kept in zip(conditions, extents, batches, tokens, keep, strict=True):
        assert size is not None
        seeds, own_seeds = seeds[batch:], seeds[:batch]
        window = gpt.window_for(size)
        # below one window's size, a window is drawn whole and cut
        painted = max(size[0], window[0]), max(size[1], window[1])
        grid, mask = _given(given, kept, (batch, *size), painted, codes)
        seen: PictureCondition = (
            WindowsCondition(condition, gpt.conditioning)
            if isinstance(condition, WindowCondition)
            else WholeCondition(condition, gpt.conditioning, window, batch)
        )
        grids.append(
            TokenGrid(seen, grid.to(device), mask if mask is None else mask.to(device), own_seeds, size, window)
        )
    lengths = sorted({gpt.conditioning.front_length(grid.condition.window(0, 0)) for grid in grids})
    if len(lengths) > 1:
        raise ValueError(f"conditions of one call have equally many tokens in a window, got {lengths}.")
    return grids


def check_model(gpt: CondGPT, settings: SamplerConfig) -> None:
    """Whether a model can be sampled with such settings.

    Raises:
        ValueError: if not.
    """
    check_strengths(gpt, settings)
    reader_for(gpt).check(gpt, settings)
    if gpt.config.token_order != "row_major":
        raise ValueError(
            f"this GPT reads its window in the order {gpt.config.token_order!r}, so no window can slide over a picture: draw "
            "single windows with vqgan_transformer.training.token_orders.draw_window."
        )
    if gpt.training:
        raise ValueError("the GPT is in training mode, where dropout is active: call gpt.eval() first.")


def _batch(tokens: Tensor | None, seed: int | Sequence[int]) -> int:
    """The number of pictures, where conditions do not say it."""
    return len(tokens) if tokens is not None else len(seed) if isinstance(seed, Sequence) else 1


def _extent(gpt: CondGPT, condition: Any, size: tuple[int, int] | None) -> Extent:
    """The number of pictures, if the condition says it, and the size of the grid; the condition checked."""
    if isinstance(condition, WindowCondition):
        extent = Extent(condition.batch, size)
    else:
        extent = gpt.conditioning.examine(condition, size)
    size = extent.size
    if size is None:
        raise ValueError("give size=(h, w) in tokens: only a grid (B, h, w) or a map says how large a picture is.")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size is (h, w) in tokens, both at least 1, got {tuple(size)}.")
    if size[0] * size[1] > MOST_TOKENS:
        raise ValueError(
            f"a grid of {size[0]}×{size[1]} tokens would take {8 * size[0] * size[1] / 2**30:,.1f} GiB for "
            f"the token ids of a picture alone; {MOST_TOKENS:,} tokens are the most that is drawn at once."
        )
    return Extent(extent.batch, (size[0], size[1]))


def _given(
    tokens: Tensor | None, keep: Tensor | None, shape: tuple[int, int, int], painted: tuple[int, int], codes: int
) -> tuple[Tensor, Tensor | None]:
    """A grid (B, *painted) with the tokens that stay, zero elsewhere, and where they stay (``None``: nowhere)."""
    batch, height, width = shape
    grid = torch.zeros(batch, *painted, dtype=torch.int64)
    if (tokens is None) != (keep is None):
        raise ValueError("tokens= and keep= go together: the tokens of a picture, and where they stay as they are.")
    if tokens is None or keep is None:
        return grid, None
    _check_type(tokens, keep)
    if tokens.shape != shape:
        raise ValueError(f"tokens are grids (B, h, w), here {shape}, got {tuple(tokens.shape)}.")
    if keep.shape not in (shape, shape[1:]):
        raise ValueError(f"keep is a mask (B, h, w) or (h, w), here {shape} or {shape[1:]}, got {tuple(keep.shape)}.")
    tokens, keep = tokens.cpu().long(), keep.cpu().expand(shape)
    wrong = tokens[keep & ((tokens < 0) | (tokens >= codes))]
    if len(wrong):
        raise ValueError(f"kept tokens must lie in 0–{codes - 1}, got {int(wrong[0])}.")
    mask = torch.zeros(grid.shape, dtype=torch.bool)
    mask[:, :height, :width] = keep
    grid[:, :height, :width] = tokens.where(keep, 0)
    return grid, mask


def _check_type(tokens: Any, keep: Any) -> None:
    if not isinstance(tokens, Tensor) or tokens.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8):
        raise TypeError(f"tokens are codebook indices (int64), got {getattr(tokens, 'dtype', type(tokens).__name__)}.")
    if not isinstance(keep, Tensor) or keep.dtype != torch.bool:
        raise TypeError(
            f"keep is a bool tensor, True where a token stays, got {getattr(keep, 'dtype', type(keep).__name__)}."
        )


def check_strengths(gpt: CondGPT, settings: SamplerConfig) -> None:
    """Refuses strengths of what a model does not read.

    Raises:
        ValueError: if so.
    """
    kinds = gpt.conditioning.names
    for name in settings.condition_strength:
        if name not in kinds:
            known = ", ".join(kinds) or "none, since it reads its condition as tokens"
            raise ValueError(
                f"condition_strength names {name!r}.{nearest_name(name, kinds)} The conditions of this GPT: {known}."
            )
