"""The sliding-window sampler: a token grid of any size from a GPT that sees one window (paper, section 3.2, figure 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import nearest_name
from ..gpt.model import CondGPT
from ..hub.pretrained import Pretrained
from .draw import filter_logits, guide, place_noise
from .schedule import Place, wavefront
from .seeds import picture_seeds
from .windows import Windows

__all__ = ["SamplerConfig", "SlidingWindowSampler"]

MOST_TOKENS = 2**24
"""4096×4096 tokens, with f = 16 a picture of 65,536 pixels a side."""


@dataclass(frozen=True)
class SamplerConfig:
    """How tokens are drawn.

    Args:
        temperature: divides the logits; below 1 favours likely codes.
        top_k: draw among the k likeliest codes only (the paper's pictures: 100); ``None`` for all.
        top_p: then among the likeliest codes that together reach probability p.
        guidance_scale: how far to move from the logits without the condition through those with it; 1 is no guidance.
            Other values need a model that was trained with a dropped condition, and cost twice the work.
        stride: places, down and across, for which a window stays put. 1 is the paper's rule. A larger stride saves
            most of the work but lets a place see less of one side: an approximation.

    Raises:
        TypeError: for what is no number.
        ValueError: for a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = 100
    top_p: float = 1.0
    guidance_scale: float = 1.0
    stride: int = 1

    def __post_init__(self) -> None:
        for name in ("top_k", "stride"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | NoneType if name == "top_k" else int):
                raise TypeError(f"{name} must be a whole number, got {value!r}.")
        for name in ("temperature", "top_p", "guidance_scale"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{name} must be a number, got {value!r}.")
        if not self.temperature > 0 or self.temperature == float("inf"):
            raise ValueError(
                f"temperature must be a positive number, got {self.temperature}. For the likeliest code, use top_k=1."
            )
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1 (or None for all codes), got {self.top_k}.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], got {self.top_p}.")
        if not 0 <= self.guidance_scale < float("inf"):
            raise ValueError(f"guidance_scale must be a number from 0 on, got {self.guidance_scale}.")
        if self.stride < 1:
            raise ValueError(f"stride must be at least 1, got {self.stride}.")


class SlidingWindowSampler(Pretrained):
    """Paints token grids of any size by sliding the window that the GPT was trained on.

    Each token is drawn from the window around it, given the condition in that window and the tokens already there. A
    grid smaller than a window is drawn inside one window, the condition continued by its edge, and cut.

    Example:
        >>> sampler = SlidingWindowSampler(temperature=1.0, top_k=100)
        >>> sampler.config.stride
        1
    """

    config_class: ClassVar[type] = SamplerConfig

    def __init__(
        self,
        temperature: float = 1.0,
        top_k: int | None = 100,
        top_p: float = 1.0,
        guidance_scale: float = 1.0,
        stride: int = 1,
    ):
        self.config = SamplerConfig(temperature, top_k, top_p, guidance_scale, stride)

    @classmethod
    def from_config(cls, config: SamplerConfig) -> SlidingWindowSampler:
        """A sampler with the settings of ``config``."""
        sampler = cls()
        sampler.config = config
        return sampler

    def with_settings(self, **settings: Any) -> SlidingWindowSampler:
        """A copy with some settings changed; names and ranges as in :class:`SamplerConfig`."""
        for name in settings:
            if name not in SamplerConfig.__dataclass_fields__:
                known = SamplerConfig.__dataclass_fields__
                raise TypeError(f"SlidingWindowSampler has no setting {name!r}.{nearest_name(name, known)}")
        return self.from_config(replace(self.config, **settings))

    @torch.no_grad()
    def __call__(
        self,
        gpt: CondGPT,
        condition: Tensor,
        size: tuple[int, int] | None = None,
        *,
        seed: int | Sequence[int] = 0,
        codebook_size: int | None = None,
        callback: Callable[[int, int, Tensor], None] | None = None,
    ) -> Tensor:
        """Draws a token grid for each condition of a batch.

        Args:
            gpt: the model, in eval mode.
            condition: integers (B, h, w), a grid that the windows crop; or (B, C), a sequence such as a class label
                or a start token that every window sees whole.
            size: (h, w) of the token grid; may be left out for a grid condition, whose size it must equal.
            seed: a picture's seed, 0..2^64-1. One number: picture k of the batch uses seed + k. A sequence: one each.
            codebook_size: draw tokens below this only; for models whose vocabulary also covers other conditions.
            callback: called after each step with the number of places drawn, their total, and the grid so far
                (int64 (B, h, w); zero where nothing is drawn yet), to show progress. An exception in it ends the call.

        Returns:
            int64 (B, h, w). The same whatever batch a condition is part of, up to near ties where the arithmetic of
            ``gpt`` rounds; exactly the same in float64.

        Raises:
            ValueError: for a size, seed or condition that does not fit.
            TypeError: for a condition that is not made of integers.
        """
        window = gpt.config.window
        height, width = self._check(gpt, condition, size)
        seeds = picture_seeds(seed, len(condition))
        # below one window's size, a window is drawn whole and cut
        painted = max(height, window[0]), max(width, window[1])
        condition = _continue_edges(condition, painted)
        device = gpt.head.weight.device
        tokens = torch.zeros(len(condition), *painted, dtype=torch.int64, device=device)
        drawn = 0
        for places, logits in self._scores(gpt, condition.to(device), tokens):
            for place, codes in zip(places, self._draw(logits[..., :codebook_size], seeds, places), strict=True):
                tokens[:, place.row, place.col] = codes
            drawn += len(places)
            if callback is not None:
                callback(drawn, tokens[0].numel(), tokens[:, :height, :width])
        return tokens[:, :height, :width].clone()

    @torch.no_grad()
    def log_likelihood(self, gpt: CondGPT, condition: Tensor, tokens: Tensor) -> Tensor:
        """How likely the GPT finds given token grids, each token seen from its window.

        Temperature, top-k and top-p play no part; guidance and stride do.

        Args:
            gpt: the model, in eval mode.
            condition: as for :meth:`__call__`.
            tokens: integers (B, h, w), not smaller than a window.

        Returns:
            float64 (B,), the mean log-likelihood of a token, in nats.

        Raises:
            ValueError: for tokens or a condition that do not fit.
            TypeError: for a condition that is not made of integers.
        """
        height, width = self._check(gpt, condition, (tokens.shape[-2], tokens.shape[-1]))
        if tokens.ndim != 3 or len(tokens) != len(condition):
            raise ValueError(f"tokens are grids (B, h, w), one for each condition, got {tuple(tokens.shape)}.")
        if height < gpt.config.window[0] or width < gpt.config.window[1]:
            raise ValueError(f"a grid of {height}×{width} tokens is smaller than the window {gpt.config.window}.")
        device = gpt.head.weight.device
        tokens = tokens.to(device)
        total = torch.zeros(len(tokens), dtype=torch.float64)
        for places, logits in self._scores(gpt, condition.to(device), tokens):
            given = torch.stack([tokens[:, place.row, place.col] for place in places])  # (N, B)
            total += logits.log_softmax(-1).gather(-1, given[..., None]).sum((0, 2)).cpu().double()
        return total / (height * width)

    def _scores(self, gpt: CondGPT, condition: Tensor, tokens: Tensor) -> Iterator[tuple[list[Place], Tensor]]:
        """The one loop: places that are due, and their logits (N, B, V), given what ``tokens`` holds by then."""
        guided = self.config.guidance_scale != 1
        if guided:
            condition = torch.cat((condition, gpt.null_condition(condition)))
        grid = tokens.shape[1], tokens.shape[2]
        windows = Windows(gpt, condition, tokens, self.config.stride)
        for places in wavefront(grid, gpt.config.window, self.config.stride):
            logits = windows.logits(places)
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            if guided:
                conditional, unconditional = logits.chunk(2, dim=1)
                logits = guide(conditional, unconditional, self.config.guidance_scale)
            yield places, logits

    def _draw(self, logits: Tensor, seeds: list[int], places: list[Place]) -> Tensor:
        # (N, B, V) -> (N, B)
        settings = self.config
        kept = filter_logits(logits, temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p)
        noise = [[place_noise(seed, place.row, place.col, logits.shape[-1]) for seed in seeds] for place in places]
        # made in float64, rounded once
        return (kept + torch.from_numpy(np.array(noise)).to(kept.dtype).to(kept.device)).argmax(-1)

    def _check(self, gpt: CondGPT, condition: Tensor, size: tuple[int, int] | None) -> tuple[int, int]:
        if condition.is_floating_point() or condition.dtype == torch.bool:
            raise TypeError(f"a condition is made of token ids (int64), got {condition.dtype}.")
        if condition.ndim not in (2, 3) or 0 in condition.shape:
            raise ValueError(
                f"a condition is a grid (B, h, w) or a sequence (B, C) of tokens, got {tuple(condition.shape)}."
            )
        low, high = int(condition.min()), int(condition.max())
        if low < 0 or high >= gpt.config.condition_ids:
            raise ValueError(
                f"condition tokens run from {low} to {high}, but the GPT knows 0–{gpt.config.condition_ids - 1}."
            )
        if condition.ndim == 3:
            grid = condition.shape[1], condition.shape[2]
            if size is not None and tuple(size) != grid:
                raise ValueError(f"the condition is a grid of {grid[0]}×{grid[1]} tokens, but size is {tuple(size)}.")
            size = grid
        if size is None:
            raise ValueError(
                "give size=(h, w) in tokens: a condition without extent does not say how large a picture is."
            )
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size is (h, w) in tokens, both at least 1, got {tuple(size)}.")
        if size[0] * size[1] > MOST_TOKENS:
            raise ValueError(
                f"a grid of {size[0]}×{size[1]} tokens would take {8 * len(condition) * size[0] * size[1] / 2**30:,.1f} GiB "
                f"for its token ids alone; {MOST_TOKENS:,} tokens are the most that is drawn at once."
            )
        if self.config.stride > min(gpt.config.window):
            raise ValueError(f"stride {self.config.stride} exceeds the GPT's window of {gpt.config.window} tokens.")
        if gpt.training:
            raise ValueError("the GPT is in training mode, where dropout is active: call gpt.eval() first.")
        return size


def _continue_edges(condition: Tensor, size: tuple[int, int]) -> Tensor:
    # (B, h, w) -> (B, *size): repeats the last row and column; a sequence has no edges
    if condition.ndim == 2 or condition.shape[1:] == size:
        return condition
    rows = torch.arange(size[0]).clamp(max=condition.shape[1] - 1)
    cols = torch.arange(size[1]).clamp(max=condition.shape[2] - 1)
    return condition[:, rows[:, None], cols]
