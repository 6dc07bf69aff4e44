"""The orders in which a window's tokens may be read: the paper's ablation (section 4.5, figure 47), in which rows win.

A GPT with another order than "row_major" is trained and scored like any other, but no window can slide over it: what
comes before a place is not above and left of it. :func:`draw_window` draws single windows in any order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..gpt.model import CondGPT
from ..sampler.draw import filter_logits

__all__ = ["draw_window", "reading_order"]


def reading_order(name: str, height: int, width: int) -> Tensor:
    """The places of a grid in the order in which they are read.

    Args:
        name: "row_major", "spiral_in", "spiral_out", "z_curve", "subsample" or "alternate".
        height: of the grid.
        width: of the grid; for "z_curve" and "subsample" the same power of two.

    Returns:
        int64 (height·width,): raster positions, each once.

    Raises:
        ValueError: for another name, or a grid that the order is not made for.
    """
    raster = torch.arange(height * width).view(height, width)
    if name == "row_major":
        return raster.flatten()
    if name == "alternate":  # every other row backwards
        return torch.cat([row.flip(0) if number % 2 else row for number, row in enumerate(raster)])
    if name == "spiral_out":
        return _spiral(height, width)
    if name == "spiral_in":
        return _spiral(height, width).flip(0)
    if name not in ("z_curve", "subsample"):
        raise ValueError(f"there is no token order {name!r}.")
    if height != width or height & (height - 1):
        raise ValueError(f"the order {name!r} needs a square window of 2, 4, 8, 16, … tokens, got {height}×{width}.")
    if name == "z_curve":
        return _z_curve(raster)
    return _subsampled(raster)


def _z_curve(grid: Tensor) -> Tensor:
    """Quarter by quarter."""
    if len(grid) == 1:
        return grid.flatten()
    half = len(grid) // 2
    quarters = (grid[:half, :half], grid[:half, half:], grid[half:, :half], grid[half:, half:])
    return torch.cat([_z_curve(quarter) for quarter in quarters])


def _subsampled(grid: Tensor) -> Tensor:
    """Every other place of every other row first, and within these again."""
    if len(grid) == 1:
        return grid.flatten()
    return torch.cat([_subsampled(grid[row::2, column::2]) for row in (0, 1) for column in (0, 1)])


def _spiral(height: int, width: int) -> Tensor:
    """From the middle outwards: left, up, right, down, ever longer ways."""
    row, column = height // 2, width // 2 - 1
    places, length, turn = [(row, column)], 1, 0
    ways = ((-1, 0), (0, 1), (1, 0), (0, -1))  # from below the middle: up, right, down, left
    while len(places) < height * width:
        for _ in range(2):
            for _ in range(length):
                row, column = row + ways[turn % 4][0], column + ways[turn % 4][1]
                if 0 <= row < height and 0 <= column < width:
                    places.append((row, column))
            turn += 1
        length += 1
    return torch.tensor([row * width + column for row, column in places[: height * width]])


@torch.no_grad()
def draw_window(
    gpt: CondGPT, condition: Tensor, *, seed: int, top_k: int | None = 100, temperature: float = 1.0, codebook_size: int
) -> Tensor:
    """Draws one window of tokens in the GPT's own order.

    Args:
        gpt: of any order.
        condition: int64 (B, C) or (B, h, w).
        seed: of the draws.
        top_k: likeliest tokens to draw from; ``None``: all.
        temperature: divides logits.
        codebook_size: tokens are below it.

    Returns:
        int64 (B, height, width) of the window.
    """
    height, width = gpt.config.window
    order = reading_order(gpt.config.token_order, height, width)
    generator = torch.Generator().manual_seed(seed)
    cache = gpt.start(condition)
    tokens = torch.zeros(len(condition), height * width, dtype=torch.long, device=condition.device)
    logits = gpt.extend(cache, tokens[:, :0])
    for number, place in enumerate(order):
        filtered = filter_logits(logits[:, :codebook_size].float(), temperature=temperature, top_k=top_k, top_p=1.0)
        drawn = torch.multinomial(filtered.softmax(-1).cpu(), 1, generator=generator).to(tokens.device)
        tokens[:, place] = drawn[:, 0]
        if number + 1 < len(order):
            logits = gpt.extend(cache, drawn)
    return tokens.view(-1, height, width)
