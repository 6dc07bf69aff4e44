"""Conditions that are tokens: they stand in front of those of the image (paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .conditioning import Comparison, Conditioning, Extent
from .front import Front
from .transformer import Transformer

__all__ = ["TokenConditioning"]


class TokenConditioning(Conditioning):
    """One condition of any kind, as integers (B, C), a grid (B, h, w), or one token each (B,), e.g. a class.

    Args:
        model: whose condition it is.
    """

    names = ()

    def __init__(self, model: Transformer):
        self.model, self.config = model, model.config

    def examine(self, condition: Any, size: tuple[int, int] | None = None) -> Extent:
        """As :class:`Conditioning` says."""
        condition, ids = _tokens(condition), self.config.condition_ids
        low, high = (int(bound) for bound in condition.aminmax())
        if low < 0 or high >= ids:
            raise ValueError(f"condition tokens run from {low} to {high}, but the GPT knows 0–{ids - 1}.")
        if condition.ndim == 2:
            return Extent(len(condition), size)
        grid = condition.shape[1], condition.shape[2]
        if size is not None and tuple(size) != grid:
            raise ValueError(f"the condition is a grid of {grid[0]}×{grid[1]} tokens, but size is {tuple(size)}.")
        return Extent(len(condition), grid)

    def front(
        self, condition: Any, size: tuple[int, int] | None, batch: int | None, strength: Mapping[str, float] | None
    ) -> Front:
        """As :class:`Conditioning` says."""
        condition = _tokens(condition).flatten(1)
        if batch is not None and batch != len(condition):
            raise ValueError(f"tokens and condition are batches of {batch} and {len(condition)}; give one each.")
        embedded, model = self.model.embed_condition(condition), self.model
        modulation = None if model.modulator is None else model.modulator.of(embedded[:, -1])
        if self.config.start_token:
            embedded = torch.cat((model.start_token.expand(len(embedded), 1, -1), embedded), dim=1)
        return Front(embedded, modulation=modulation)

    def front_length(self, condition: Any) -> int:
        """As :class:`Conditioning` says."""
        return self.config.start_token + _tokens(condition)[0].numel()

    def null(self, condition: Any) -> Tensor:
        """As :class:`Conditioning` says."""
        if self.config.null_token is None:
            raise ValueError(
                "this GPT has no null_token: it was trained without dropping its condition, so it cannot be guided. "
                "Use guidance_scale=1."
            )
        null: Tensor = torch.full_like(_tokens(condition), self.config.null_token)
        return null

    def drop(self, condition: Any, drop: Tensor | Mapping[str, Tensor]) -> Tensor:
        """As :class:`Conditioning` says."""
        tokens = _tokens(condition)
        if isinstance(drop, Mapping):
            raise TypeError("this model has one condition: drop is a bool tensor (B,).")
        if self.config.null_token is None and not bool(drop.any()):
            return tokens  # nothing is asked for
        drop = drop[:, 0] if drop.ndim == 2 else drop
        rows = drop.to(tokens.device).view(-1, *[1] * (tokens.ndim - 1))
        return self.null(tokens).where(rows, tokens)

    def without(self, condition: Any, names: Iterable[str]) -> Tensor:
        """As :class:`Conditioning` says."""
        return self.null(condition)

    def comparisons(self, scale: float | Mapping[str, float], given: Iterable[str]) -> list[Comparison]:
        """As :class:`Conditioning` says."""
        if isinstance(scale, Mapping):
            raise TypeError("this GPT has one condition: guidance_scale is a number, not one for each kind.")
        ratio = scale / self.config.guidance
        return [] if ratio == 1 else [Comparison(ratio, frozenset())]

    def with_known(self, condition: Any, tokens: Tensor, known: Tensor) -> Any:
        """As :class:`Conditioning` says."""
        return condition

    def window(self, condition: Any, top: int, left: int, size: tuple[int, int]) -> Tensor:
        """As :class:`Conditioning` says: a grid is cropped, a sequence seen whole; (B, C)."""
        condition = _tokens(condition)
        if condition.ndim == 2:
            result: Tensor = condition
            return result
        rows, cols = (
            torch.arange(start, start + extent, device=condition.device).clamp(max=length - 1)
            for start, extent, length in zip((top, left), size, condition.shape[1:], strict=True)
        )
        cropped: Tensor = condition[:, rows[:, None], cols].flatten(1)
        return cropped

    def given(self, condition: Any) -> tuple[str, ...]:
        """As :class:`Conditioning` says."""
        return ()

    def joined(self, join: Callable[[list[Tensor]], Tensor], parts: Sequence[Any]) -> Tensor:
        """As :class:`Conditioning` says."""
        return join([_tokens(part) for part in parts])

    def row(self, condition: Any, index: int) -> Tensor:
        """As :class:`Conditioning` says."""
        return _tokens(condition)[index]

    def row_keys(self, condition: Any) -> list[Hashable]:
        """As :class:`Conditioning` says."""
        return [tuple(row) for row in _tokens(condition).tolist()]


def _tokens(condition: Any) -> Tensor:
    """A condition with an axis for its tokens, checked without a look at its values."""
    if not isinstance(condition, Tensor):
        raise TypeError(f"this GPT takes its condition as tokens (int64), got {type(condition).__name__}.")
    if condition.is_floating_point() or condition.dtype == torch.bool:
        raise TypeError(f"a condition is made of token ids (int64), got {condition.dtype}.")
    tokens = condition[:, None] if condition.ndim == 1 else condition
    if tokens.ndim not in (2, 3) or 0 in tokens.shape:
        raise ValueError(
            "a condition is a grid (B, h, w), a sequence (B, C) or one token for each image (B,), of at least one token, "
            f"got {tuple(condition.shape)}. A start token stands for no condition."
        )
    return tokens
