"""The sliding-window sampler: a token grid of any size from a GPT that sees one window (paper, section 3.2, figure 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar, TypeVar, overload

import torch
from torch import Tensor

from ..errors import nearest_name
from ..gpt.model import CondGPT
from ..storage.pretrained import Pretrained
from .aligned import AlignedCondition, AlignedReader, aligned_log_likelihood
from .config import SamplerConfig
from .draw import filter_logits, noise_of_steps
from .guidance import Guidance
from .likelihood import token_log_likelihood
from .reading import WindowReader
from .request import check_model, read_request
from .schedule import Place, neighbourhoods, together, wavefront, without
from .windows import TokenGrid, WindowCondition

__all__ = ["SamplerConfig", "SlidingWindowSampler"]

Value = TypeVar("Value")


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
        guidance_scale: float | dict[str, float] = 1.0,
        stride: int = 1,
        centre: tuple[int, int] | None = None,
        memory_limit: int | None = None,
        condition_strength: dict[str, float] | None = None,
    ):
        strength = condition_strength or {}
        self.config = SamplerConfig(temperature, top_k, top_p, guidance_scale, stride, centre, memory_limit, strength)

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

    @overload
    def __call__(
        self,
        gpt: CondGPT,
        condition: Tensor | WindowCondition | Mapping[str, Tensor],
        size: tuple[int, int] | None = ...,
        *,
        seed: int | Sequence[int] = ...,
        codebook_size: int | None = ...,
        tokens: Tensor | None = ...,
        keep: Tensor | None = ...,
        callback: Callable[[int, int, Tensor], None] | None = ...,
    ) -> Tensor: ...

    @overload
    def __call__(
        self,
        gpt: CondGPT,
        condition: Sequence[Tensor | WindowCondition | Mapping[str, Tensor]],
        size: Sequence[tuple[int, int] | None] | None = ...,
        *,
        seed: int | Sequence[int] = ...,
        codebook_size: int | None = ...,
        tokens: Sequence[Tensor | None] | None = ...,
        keep: Sequence[Tensor | None] | None = ...,
        callback: Callable[[int, int, list[Tensor]], None] | None = ...,
    ) -> list[Tensor]: ...

    @torch.no_grad()
    def __call__(
        self,
        gpt: CondGPT,
        condition: Tensor
        | WindowCondition
        | Mapping[str, Tensor]
        | Sequence[Tensor | WindowCondition | Mapping[str, Tensor]],
        size: Any = None,
        *,
        seed: int | Sequence[int] = 0,
        codebook_size: int | None = None,
        tokens: Any = None,
        keep: Any = None,
        callback: Callable[[int, int, Any], None] | None = None,
    ) -> Any:
        """Draws a token grid for each condition of a batch.

        Args:
            gpt: the model, in eval mode.
            condition: integers (B, h, w), a grid that the windows crop; or (B, C), a sequence such as a class label
                or a start token that every window sees whole; or a :class:`~.windows.WindowCondition`, which makes
                the condition of each window. Or a list of these, for pictures of several sizes at once; then ``size``,
                ``tokens`` and ``keep`` are lists, too, and so are the grids that come back.
            size: (h, w) of the token grid; may be left out for a grid condition, whose size it must equal.
            seed: a picture's seed, 0..2^64-1. One number: picture k of the call uses seed + k. A sequence: one each.
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
        check_model(gpt, self.config)
        several = isinstance(condition, list | tuple)
        codes = gpt.config.vocab_size if codebook_size is None else codebook_size
        conditions: Sequence[Any] = condition if isinstance(condition, list | tuple) else [condition]
        sizes, given, kept = (
            [None] * len(conditions) if value is None else value if several else [value]
            for value in (size, tokens, keep)
        )
        grids = read_request(gpt, conditions, sizes, seed=seed, tokens=given, keep=kept, codes=codes)
        schedule = list(together([self._schedule(gpt, grid) for grid in grids]))
        results = [grid.result for grid in grids]
        drawn, total = 0, sum(map(len, schedule))
        for places in self._paint(gpt, grids, schedule, codes):
            drawn += len(places)
            if callback is not None:
                so_far = [result.clone() for result in results]  # theirs to keep, and to change
                callback(drawn, total, so_far if several else so_far[0])
        results = [result.clone() for result in results]
        return results if several else results[0]

    @torch.no_grad()
    def rows(
        self,
        gpt: CondGPT,
        condition: Tensor | WindowCondition | Mapping[str, Tensor],
        size: tuple[int, int] | None = None,
        *,
        seed: int | Sequence[int] = 0,
        codebook_size: int | None = None,
        tokens: Tensor | None = None,
        keep: Tensor | None = None,
        callback: Callable[[int, int, Tensor], None] | None = None,
    ) -> Iterator[tuple[int, Tensor]]:
        """Draws token grids as a call does, and tells whenever further rows, counted from the top, are complete.

        Arguments and errors are those of a call with one condition.

        Yields:
            how many rows are complete, and the grids so far, int64 (B, h, w).
        """
        check_model(gpt, self.config)
        codes = gpt.config.vocab_size if codebook_size is None else codebook_size
        grids = read_request(gpt, [condition], [size], seed=seed, tokens=[tokens], keep=[keep], codes=codes)
        result, height = grids[0].result, grids[0].size[0]
        schedule = list(self._schedule(gpt, grids[0]))
        left = Counter(place.row for places in schedule for place in places)
        drawn, total, complete = 0, left.total(), 0
        for places in chain([[]], self._paint(gpt, grids, schedule, codes)):
            left.subtract(place.row for place in places)
            drawn += len(places)
            if callback is not None and places:
                callback(drawn, total, result.clone())
            before = complete
            while complete < height and not left[complete]:
                complete += 1
            if complete > before:
                yield complete, result

    def _paint(
        self, gpt: CondGPT, grids: Sequence[TokenGrid], schedule: list[list[Place]], codes: int
    ) -> Iterator[list[Place]]:
        """The one loop: draws all places that are due at once, step by step, and yields them.

        Each step scores the due places from their windows and puts the codes that are drawn into the grids.
        """
        for grid in grids:
            if isinstance(grid.condition, AlignedCondition) and grid.keep is not None:
                grid.condition.know(gpt, grid.tokens, grid.keep)
        guidance = self._guidance(gpt, grids)
        reader: WindowReader | AlignedReader
        if gpt.config.conditioning == "aligned":
            reader = AlignedReader(gpt, grids, guidance, self.config.condition_strength)
        else:
            guided, limit = bool(guidance.scales), self.config.memory_limit
            reader = WindowReader(gpt, grids, schedule, guided=guided, memory_limit=limit)
        due = (
            [(seed, place.row, place.col) for place in step for seed in grids[place.grid].seeds] for step in schedule
        )
        weight = gpt.head.weight
        like = weight.new_empty((), dtype=torch.promote_types(weight.dtype, torch.float32))
        for places, noise in zip(schedule, noise_of_steps(due, min(codes, len(weight)), like), strict=True):
            drawn = self._draw(reader.logits(places)[:, :codes], guidance, noise)
            batches = [len(grids[place.grid].seeds) for place in places]
            for place, own in zip(places, drawn.split(batches), strict=True):
                grids[place.grid].write(place, own)
            yield places

    def _schedule(self, gpt: CondGPT, grid: TokenGrid) -> Iterator[list[Place]]:
        """The places of a grid that are to be drawn, step by step."""
        size = grid.tokens.shape[1], grid.tokens.shape[2]
        if gpt.config.conditioning == "aligned":
            return neighbourhoods(size, gpt.config.columns_beside)  # places that stay are read on their turn
        steps = wavefront(size, gpt.config.window, self.config.stride, self.config.centre)
        return steps if grid.keep is None else without(steps, grid.keep.all(0).cpu().numpy())

    def _guidance(self, gpt: CondGPT, grids: Sequence[TokenGrid]) -> Guidance:
        given = {
            name for grid in grids if isinstance(grid.condition, AlignedCondition) for name in grid.condition.by_name
        }
        return Guidance.of(gpt, self.config.guidance_scale, given)

    def _draw(self, logits: Tensor, guidance: Guidance, noise: Tensor) -> Tensor:
        """Draws a code for each row: (rows, V), more if guided, and noise (rows, V) -> (rows,)."""
        settings = self.config
        logits = guidance.applied(logits.to(torch.promote_types(logits.dtype, torch.float32)))
        logits = filter_logits(logits, temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p)
        return (logits + noise).argmax(-1)

    @torch.no_grad()
    def token_log_likelihood(
        self, gpt: CondGPT, condition: Tensor | WindowCondition | Mapping[str, Tensor], tokens: Tensor
    ) -> Tensor:
        """How likely the GPT finds each token of given grids, each seen from the window it would be drawn from.

        Temperature, top-k and top-p play no part; guidance, strength, stride and centre do. All tokens are known, so each window
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
        check_model(gpt, self.config)
        if tokens.ndim != 3:
            raise ValueError(f"tokens are grids (B, h, w), one for each condition, got {tuple(tokens.shape)}.")
        size, window = (tokens.shape[1], tokens.shape[2]), gpt.config.window
        aligned = gpt.config.conditioning == "aligned"
        if not aligned and (size[0] < window[0] or size[1] < window[1]):
            raise ValueError(f"a grid of {size[0]}×{size[1]} tokens is smaller than the window {window}.")
        known = torch.ones(size, dtype=torch.bool)
        codes = gpt.config.vocab_size
        [grid] = read_request(gpt, [condition], [size], seed=0, tokens=[tokens], keep=[known], codes=codes)
        guidance = self._guidance(gpt, [grid])
        if aligned:
            return aligned_log_likelihood(gpt, grid, guidance, self.config.condition_strength)
        schedule = wavefront(size, window, self.config.stride, self.config.centre)
        return token_log_likelihood(gpt, grid, schedule, guidance)

    def log_likelihood(
        self, gpt: CondGPT, condition: Tensor | WindowCondition | Mapping[str, Tensor], tokens: Tensor
    ) -> Tensor:
        """The mean over each grid of :meth:`token_log_likelihood`, whose arguments and errors it has.

        Returns:
            float64 (B,), nats per token.
        """
        return self.token_log_likelihood(gpt, condition, tokens).mean((1, 2))
