"""The sliding-window sampler: a token grid of any size from a GPT that sees one window (paper, section 3.2, figure 3)."""

from __future__ import annotations

from collections import defaultdict
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
from .schedule import Place, wavefront, without
from .seeds import picture_seeds
from .windows import GridCondition, SequenceCondition, WindowCondition, Windows

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
        centre: row and column inside a window (that no border holds back) of the place it draws; half of the window's
            height and width by default, as in most of the original's scripts. Its scene-layout models need (7, 7).

    Raises:
        TypeError: for what is no number.
        ValueError: for a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = 100
    top_p: float = 1.0
    guidance_scale: float = 1.0
    stride: int = 1
    centre: tuple[int, int] | None = None

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
        if self.centre is not None:
            if not isinstance(self.centre, tuple | list) or len(self.centre) != 2:
                raise TypeError(f"centre is (row, column) inside a window, got {self.centre!r}.")
            if any(isinstance(index, bool) or not isinstance(index, int) for index in self.centre):
                raise TypeError(f"centre is a row and a column, whole numbers, got {self.centre!r}.")
            if min(self.centre) < 0:
                raise ValueError(f"centre counts from 0, got {self.centre}.")
            object.__setattr__(self, "centre", tuple(self.centre))


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
        centre: tuple[int, int] | None = None,
    ):
        self.config = SamplerConfig(temperature, top_k, top_p, guidance_scale, stride, centre)

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
        condition: Tensor | WindowCondition,
        size: tuple[int, int] | None = None,
        *,
        seed: int | Sequence[int] = 0,
        codebook_size: int | None = None,
        tokens: Tensor | None = None,
        keep: Tensor | None = None,
        callback: Callable[[int, int, Tensor], None] | None = None,
    ) -> Tensor:
        """Draws a token grid for each condition of a batch.

        Args:
            gpt: the model, in eval mode.
            condition: integers (B, h, w), a grid that the windows crop; or (B, C), a sequence such as a class label
                or a start token that every window sees whole; or a :class:`~.windows.WindowCondition`, which makes
                the condition of each window.
            size: (h, w) of the token grid; may be left out for a grid condition, whose size it must equal.
            seed: a picture's seed, 0..2^64-1. One number: picture k of the batch uses seed + k. A sequence: one each.
            codebook_size: draw tokens below this only; for models whose vocabulary also covers other conditions.
            tokens: integers (B, h, w), grids to complete; given together with ``keep``.
            keep: bool (B, h, w), or (h, w) for all pictures. Where True, the token of ``tokens`` stays and is seen by
                the places after it in raster order; elsewhere tokens are drawn.
            callback: called after each step with the number of places drawn, their total, and the grid so far
                (int64 (B, h, w); zero where nothing is drawn yet), to show progress. An exception in it ends the call.

        Returns:
            int64 (B, h, w). The same whatever batch a condition is part of, up to near ties where the arithmetic of
            ``gpt`` rounds; exactly the same in float64.

        Raises:
            ValueError: for a size, seed, condition or tokens that do not fit.
            TypeError: for a condition or tokens that are not made of integers, or a ``keep`` that is not bool.
        """
        height, width = self._check(gpt, condition, size)
        batch = condition.batch if isinstance(condition, WindowCondition) else len(condition)
        seeds = picture_seeds(seed, batch)
        # below one window's size, a window is drawn whole and cut
        painted = max(height, gpt.config.window[0]), max(width, gpt.config.window[1])
        shape = batch, height, width
        given, kept = _check_given(
            tokens, keep, shape, gpt.config.vocab_size if codebook_size is None else codebook_size
        )
        grid = torch.zeros(batch, *painted, dtype=torch.int64)
        keep = torch.zeros(batch, *painted, dtype=torch.bool)
        keep[:, :height, :width] = kept
        grid[:, :height, :width] = given.where(kept, 0)
        grid, keep = grid.to(gpt.head.weight.device), keep.to(gpt.head.weight.device)
        schedule = list(without(self._wavefront(gpt, painted), keep.all(0).cpu().numpy()))
        drawn, total = 0, sum(map(len, schedule))
        for places, logits in self._scores(gpt, condition, grid, schedule):
            codes = self._draw(logits[..., :codebook_size], seeds, places)  # (N, B)
            for place, code in zip(places, codes, strict=True):
                at = slice(None), place.row, place.col
                grid[at] = grid[at].where(keep[at], code)
            drawn += len(places)
            if callback is not None:
                callback(drawn, total, grid[:, :height, :width])
        return grid[:, :height, :width].clone()

    @torch.no_grad()
    def token_log_likelihood(self, gpt: CondGPT, condition: Tensor | WindowCondition, tokens: Tensor) -> Tensor:
        """How likely the GPT finds each token of given grids, each seen from the window it would be drawn from.

        Temperature, top-k and top-p play no part; guidance, stride and centre do. All tokens are known, so each window
        is read once, many windows at a time.

        Args:
            gpt: the model, in eval mode.
            condition: as for :meth:`__call__`.
            tokens: integers (B, h, w), not smaller than a window.

        Returns:
            float64 (B, h, w), log-likelihoods in nats.

        Raises:
            ValueError: for tokens or a condition that do not fit.
            TypeError: for a condition or tokens that are not made of integers.
        """
        if tokens.ndim != 3:
            raise ValueError(f"tokens are grids (B, h, w), one for each condition, got {tuple(tokens.shape)}.")
        size = height, width = self._check(gpt, condition, (tokens.shape[1], tokens.shape[2]))
        window = gpt.config.window
        batch = condition.batch if isinstance(condition, WindowCondition) else len(condition)
        tokens, _ = _check_given(tokens, torch.ones(size, dtype=torch.bool), (batch, *size), gpt.config.vocab_size)
        if height < window[0] or width < window[1]:
            raise ValueError(f"a grid of {height}×{width} tokens is smaller than the window {window}.")
        tokens = tokens.to(gpt.head.weight.device)
        seen_by: dict[tuple[int, int], list[Place]] = defaultdict(list)
        for places in self._wavefront(gpt, size):
            for place in places:
                seen_by[place.window].append(place)
        likelihood = torch.zeros(tokens.shape, dtype=torch.float64)
        for (top, left), places in seen_by.items():
            inside = [place.prefix(window[1]) for place in places]
            seen = tokens[:, top : top + window[0], left : left + window[1]].flatten(1)[:, : max(inside) + 1]
            local = self._window_condition(gpt, condition).window(top, left).to(seen.device)
            scores = gpt(seen, local)[:, inside]  # (B, N, V)
            if self._guided:
                scores = guide(scores, gpt(seen, gpt.null_condition(local))[:, inside], self.config.guidance_scale)
            scores = scores.to(torch.promote_types(scores.dtype, torch.float32)).log_softmax(-1)
            own = scores.gather(-1, seen[:, inside, None])[..., 0].cpu().double()
            likelihood[:, [place.row for place in places], [place.col for place in places]] = own
        return likelihood

    def log_likelihood(self, gpt: CondGPT, condition: Tensor | WindowCondition, tokens: Tensor) -> Tensor:
        """The mean over each grid of :meth:`token_log_likelihood`, whose arguments and errors it has.

        Returns:
            float64 (B,), nats per token.
        """
        return self.token_log_likelihood(gpt, condition, tokens).mean((1, 2))

    @property
    def _guided(self) -> bool:
        return self.config.guidance_scale != 1

    def _wavefront(self, gpt: CondGPT, size: tuple[int, int]) -> Iterator[list[Place]]:
        return wavefront(size, gpt.config.window, self.config.stride, self.config.centre)

    def _window_condition(self, gpt: CondGPT, condition: Tensor | WindowCondition) -> WindowCondition:
        if isinstance(condition, WindowCondition):
            return condition
        return GridCondition(condition, gpt.config.window) if condition.ndim == 3 else SequenceCondition(condition)

    def _scores(
        self, gpt: CondGPT, condition: Tensor | WindowCondition, tokens: Tensor, schedule: list[list[Place]]
    ) -> Iterator[tuple[list[Place], Tensor]]:
        """The one loop: places that are due, and their logits (N, B, V), given what ``tokens`` holds by then."""
        windows = Windows(gpt, self._window_condition(gpt, condition), tokens, schedule, guided=self._guided)
        for places in schedule:
            logits = windows.logits(places)
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            if self._guided:
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

    def _check(
        self, gpt: CondGPT, condition: Tensor | WindowCondition, size: tuple[int, int] | None
    ) -> tuple[int, int]:
        if not isinstance(condition, WindowCondition):
            size = _check_tensor(condition, gpt.config.condition_ids, size)
        if size is None:
            raise ValueError(
                "give size=(h, w) in tokens: a condition without extent does not say how large a picture is."
            )
        if len(size) != 2 or min(size) < 1:
            raise ValueError(f"size is (h, w) in tokens, both at least 1, got {tuple(size)}.")
        if size[0] * size[1] > MOST_TOKENS:
            raise ValueError(
                f"a grid of {size[0]}×{size[1]} tokens would take {8 * size[0] * size[1] / 2**30:,.1f} GiB for "
                f"the token ids of a picture alone; {MOST_TOKENS:,} tokens are the most that is drawn at once."
            )
        if self.config.stride > min(gpt.config.window):
            raise ValueError(f"stride {self.config.stride} exceeds the GPT's window of {gpt.config.window} tokens.")
        if self.config.centre is not None and any(
            index >= extent for index, extent in zip(self.config.centre, gpt.config.window, strict=True)
        ):
            raise ValueError(
                f"centre {self.config.centre} lies outside the GPT's window of {gpt.config.window} tokens."
            )
        if gpt.training:
            raise ValueError("the GPT is in training mode, where dropout is active: call gpt.eval() first.")
        return size


def _check_tensor(condition: Tensor, vocab_size: int, size: tuple[int, int] | None) -> tuple[int, int] | None:
    """The size of the grid, given or the condition's own."""
    if condition.is_floating_point() or condition.dtype == torch.bool:
        raise TypeError(f"a condition is made of token ids (int64), got {condition.dtype}.")
    if condition.ndim not in (2, 3) or 0 in condition.shape:
        raise ValueError(
            f"a condition is a grid (B, h, w) or a sequence (B, C) of tokens, got {tuple(condition.shape)}."
        )
    low, high = int(condition.min()), int(condition.max())
    if low < 0 or high >= vocab_size:
        raise ValueError(f"condition tokens run from {low} to {high}, but the GPT knows 0–{vocab_size - 1}.")
    if condition.ndim == 3:
        grid = condition.shape[1], condition.shape[2]
        if size is not None and tuple(size) != grid:
            raise ValueError(f"the condition is a grid of {grid[0]}×{grid[1]} tokens, but size is {tuple(size)}.")
        size = grid
    return size


def _check_given(
    tokens: Tensor | None, keep: Tensor | None, shape: tuple[int, int, int], codes: int
) -> tuple[Tensor, Tensor]:
    """Tokens to complete and where they stay, (B, h, w) each; nothing stays where none are given."""
    if (tokens is None) != (keep is None):
        raise ValueError("tokens= and keep= go together: the tokens of a picture, and where they stay as they are.")
    if tokens is None or keep is None:
        return torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.bool)
    if tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool:
        raise TypeError(f"tokens are codebook indices (int64), got {tokens.dtype}.")
    if keep.dtype != torch.bool:
        raise TypeError(f"keep is a bool tensor, True where a token stays, got {keep.dtype}.")
    if tokens.shape != shape:
        raise ValueError(f"tokens are grids (B, h, w), here {shape}, got {tuple(tokens.shape)}.")
    if keep.shape not in (shape, shape[1:]):
        raise ValueError(f"keep is a mask (B, h, w) or (h, w), here {shape} or {shape[1:]}, got {tuple(keep.shape)}.")
    tokens, keep = tokens.cpu().long(), keep.cpu().expand(shape)
    wrong = tokens[keep & ((tokens < 0) | (tokens >= codes))]
    if len(wrong):
        raise ValueError(f"kept tokens must lie in 0–{codes - 1}, got {int(wrong[0])}.")
    return tokens, keep
