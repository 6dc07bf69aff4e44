"""What a call of the sampler asks for, checked before any work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import nearest_name
from ..gpt.model import CondGPT
from .aligned import AlignedCondition
from .config import SamplerConfig
from .seeds import picture_seeds
from .windows import GridCondition, SequenceCondition, TokenGrid, WindowCondition

__all__ = ["check_model", "read_request"]

MOST_TOKENS = 2**24
"""4096×4096 tokens, with f = 16 a picture of 65,536 pixels a side."""


def read_request(
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
    batches = [_batch(given, seed if len(conditions) == 1 else 0) for given in tokens]
    checked = [_check_condition(gpt, *parts) for parts in zip(conditions, sizes, batches, strict=True)]
    batches = [condition.batch for condition, _ in checked]
    seeds = picture_seeds(seed, sum(batches))
    grids = []
    for (condition, size), own_tokens, own_keep in zip(checked, tokens, keep, strict=True):
        seeds, own_seeds = seeds[condition.batch :], seeds[: condition.batch]
        # below one window's size, a window is drawn whole and cut
        painted = size
        if isinstance(condition, WindowCondition):
            painted = max(size[0], gpt.config.window[0]), max(size[1], gpt.config.window[1])
        grid, mask = _given(own_tokens, own_keep, (condition.batch, *size), painted, codes)
        device = gpt.head.weight.device
        grids.append(TokenGrid(condition, grid.to(device), mask if mask is None else mask.to(device), own_seeds, size))
    windowed = [grid.condition for grid in grids if isinstance(grid.condition, WindowCondition)]
    lengths = sorted({condition.window(0, 0).shape[1] for condition in windowed})
    if len(lengths) > 1:
        raise ValueError(f"conditions of one call have equally many tokens in a window, got {lengths}.")
    return grids


def check_model(gpt: CondGPT, config: SamplerConfig) -> None:
    """Whether a model can be sampled with such settings.

    Raises:
        ValueError: if not.
    """
    window, kinds = gpt.config.window, [one.name for one in gpt.config.conditions]
    for name in config.condition_strength:
        if name not in kinds:
            known = ", ".join(kinds) or "none, since it reads its condition as tokens"
            raise ValueError(
                f"condition_strength names {name!r}.{nearest_name(name, kinds)} The conditions of this GPT: {known}."
            )
    if gpt.config.conditioning == "aligned" and (config.stride != 1 or config.centre is not None):
        raise ValueError("this GPT sees neighbourhoods, not windows: stride and centre are not for it.")
    if config.stride > min(window):
        raise ValueError(f"stride {config.stride} exceeds the GPT's window of {window} tokens.")
    if config.centre is not None and (config.centre[0] >= window[0] or config.centre[1] >= window[1]):
        raise ValueError(f"centre {config.centre} lies outside the GPT's window of {window} tokens.")
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


def _check_condition(
    gpt: CondGPT, condition: Tensor | WindowCondition | Mapping[str, Tensor], size: tuple[int, int] | None, batch: int
) -> tuple[WindowCondition | AlignedCondition, tuple[int, int]]:
    aligned: AlignedCondition | None = None
    if gpt.config.conditioning == "aligned":
        if not isinstance(condition, Mapping):
            raise TypeError(f"this GPT takes conditions as a dictionary of tensors, got {type(condition).__name__}.")
        aligned = AlignedCondition(gpt, condition, size, batch)
        size = aligned.size
    elif isinstance(condition, Tensor):
        _check_tensor(condition, gpt.config.condition_ids)
        if condition.ndim == 3:
            grid = condition.shape[1], condition.shape[2]
            if size is not None and tuple(size) != grid:
                raise ValueError(f"the condition is a grid of {grid[0]}×{grid[1]} tokens, but size is {tuple(size)}.")
            size = grid
    elif not isinstance(condition, WindowCondition):
        raise TypeError(f"a condition is a tensor or has batch and window(top, left), got {type(condition).__name__}.")
    if size is None:
        raise ValueError("give size=(h, w) in tokens: a condition without extent does not say how large a picture is.")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size is (h, w) in tokens, both at least 1, got {tuple(size)}.")
    if size[0] * size[1] > MOST_TOKENS:
        raise ValueError(
            f"a grid of {size[0]}×{size[1]} tokens would take {8 * size[0] * size[1] / 2**30:,.1f} GiB for "
            f"the token ids of a picture alone; {MOST_TOKENS:,} tokens are the most that is drawn at once."
        )
    return aligned or _by_window(gpt, condition), (size[0], size[1])


def _by_window(gpt: CondGPT, condition: Any) -> WindowCondition:
    if not isinstance(condition, Tensor):
        return condition
    condition = condition.cpu()
    return GridCondition(condition, gpt.config.window) if condition.ndim == 3 else SequenceCondition(condition)


def _check_tensor(condition: Tensor, ids: int) -> None:
    if condition.is_floating_point() or condition.dtype == torch.bool:
        raise TypeError(f"a condition is made of token ids (int64), got {condition.dtype}.")
    if condition.ndim not in (2, 3) or 0 in condition.shape:
        raise ValueError(
            f"a condition is a grid (B, h, w) or a sequence (B, C) of tokens, got {tuple(condition.shape)}."
        )
    low, high = int(condition.min()), int(condition.max())
    if low < 0 or high >= ids:
        raise ValueError(f"condition tokens run from {low} to {high}, but the GPT knows 0–{ids - 1}.")


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
