"""The sliding-window sampler: a token grid of any size from a GPT that sees one window (paper, section 3.2, figure 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import update_wrapper
from itertools import chain
from typing import Any, ClassVar, Concatenate, ParamSpec, overload

import torch
from torch import Tensor

from ..errors import nearest_name
from ..gpt.model import CondGPT
from ..storage.pretrained import Pretrained
from .config import SamplerConfig
from .draw import filter_logits, noise_of_steps
from .guidance import Guidance
from .readers import reader_for
from .schedule import GridPosition, together
from .token_grids import check_model, token_grids
from .windows import TokenGrid, WindowCondition

__all__ = ["SamplerConfig", "SlidingWindowSampler"]

Settings = ParamSpec("Settings")


def _of_settings(
    config: Callable[Settings, SamplerConfig],
) -> Callable[[Callable[..., None]], Callable[Concatenate[SlidingWindowSampler, Settings], None]]:
    """A constructor that takes the settings as their dataclass does, by position or by name."""

    def decorate(construct: Callable[..., None]) -> Callable[Concatenate[SlidingWindowSampler, Settings], None]:
        def init(self: SlidingWindowSampler, /, *settings: Settings.args, **named: Settings.kwargs) -> None:
            construct(self, config(*settings, **named))

        update_wrapper(init, SamplerConfig.__init__)
        return init

    return decorate


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

    @_of_settings(SamplerConfig)
    def __init__(self, config: SamplerConfig):
        self.config = config

    def __repr__(self) -> str:
        return repr(self.config).replace(SamplerConfig.__name__, type(self).__name__, 1)

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
        grids = token_grids(gpt, conditions, sizes, seed=seed, tokens=given, keep=kept, codes=codes)
        schedule = list(together([reader_for(gpt).schedule(grid, gpt, self.config) for grid in grids]))
        results = [grid.result for grid in grids]
        drawn, total = 0, sum(map(len, schedule))
        for places in self._paint(gpt, grids, schedule, codes):
            drawn += len(places)
            if callback is not None:
                shown = [result.clone() for result in results]
                callback(drawn, total, shown if several else shown[0])
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
        grids = token_grids(gpt, [condition], [size], seed=seed, tokens=[tokens], keep=[keep], codes=codes)
        result, height = grids[0].result, grids[0].size[0]
        schedule = list(reader_for(gpt).schedule(grids[0], gpt, self.config))
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
        self, gpt: CondGPT, grids: Sequence[TokenGrid], schedule: list[list[GridPosition]], codes: int
    ) -> Iterator[list[GridPosition]]:
        """The one loop: draws all places that are due at once, step by step, and yields them.

        Each step scores the due places from their windows and puts the codes that are drawn into the grids.
        """
        for grid in grids:
            grid.tell_known()
        guidance = self._guidance(gpt, grids)
        reader = reader_for(gpt)(gpt, grids, schedule, guidance, self.config)
        weight = gpt.head.weight
        like = weight.new_empty((), dtype=torch.promote_types(weight.dtype, torch.float32))
        # a row for each place and each picture of its grid
        due = [
            [(seed, place.row, place.col) for place in places for seed in grids[place.grid].seeds]
            for places in schedule
        ]
        growth = guidance.growth(
            reader.progress(grids[place.grid], place)
            for places in schedule
            for place in places
            for _ in grids[place.grid].seeds
        )
        rows = list(map(len, due))
        grown = [None] * len(due) if growth is None else torch.split(growth.to(like.device), rows)
        noises = noise_of_steps(due, min(codes, len(weight)), like)
        for places, noise, share in zip(schedule, noises, grown, strict=True):
            logits = guidance.applied(reader.logits(places)[:, :codes], share)
            drawn = (filter_logits(logits, **self.config.filters) + noise).argmax(-1)
            batches = [len(grids[place.grid].seeds) for place in places]
            for place, tokens in zip(places, torch.split(drawn, batches), strict=True):
                grids[place.grid].write(place, tokens)
            yield places

    def _guidance(self, gpt: CondGPT, grids: Sequence[TokenGrid]) -> Guidance:
        given = {name for grid in grids for name in grid.condition.names}
        return Guidance.of(gpt, self.config, given)

    @torch.no_grad()
    def token_log_likelihood(
        self,
        gpt: CondGPT,
        condition: Tensor | WindowCondition | Mapping[str, Tensor],
        tokens: Tensor,
        *,
        callback: Callable[[int, int, Tensor], None] | None = None,
    ) -> Tensor:
        """How likely the GPT finds each token of given grids, each seen from the window it would be drawn from.

        Temperature, top-k and top-p play no part; guidance, strength, stride and centre do. All tokens are known, so each window
        is read once, many windows at a time.

        Args:
            gpt: the model, in eval mode.
            condition: as for :meth:`__call__`.
            tokens: integers (B, h, w), not smaller than a window.
            callback: called after each batch of windows with the number of places scored, their total, and a copy of what
                is found so far (zero elsewhere). An exception in it ends the call.

        Returns:
            float64 (B, h, w), natural logarithms.

        Raises:
            ValueError: for tokens or a condition that do not fit.
            TypeError: for a condition or tokens that are not made of integers.
        """
        check_model(gpt, self.config)
        if tokens.ndim != 3:
            raise ValueError(f"tokens are grids (B, h, w), one for each condition, got {tuple(tokens.shape)}.")
        size = tokens.shape[1], tokens.shape[2]
        known = torch.ones(size, dtype=torch.bool)
        codes = gpt.config.vocab_size
        [grid] = token_grids(gpt, [condition], [size], seed=0, tokens=[tokens], keep=[known], codes=codes)
        return reader_for(gpt).log_likelihood(gpt, grid, self._guidance(gpt, [grid]), self.config, callback)

    def log_likelihood(
        self,
        gpt: CondGPT,
        condition: Tensor | WindowCondition | Mapping[str, Tensor],
        tokens: Tensor,
        *,
        callback: Callable[[int, int, Tensor], None] | None = None,
    ) -> Tensor:
        """The mean over each grid of :meth:`token_log_likelihood`, whose arguments and errors it has.

        Returns:
            float64 (B,), per token.
        """
        return self.token_log_likelihood(gpt, condition, tokens, callback=callback).mean((1, 2))
