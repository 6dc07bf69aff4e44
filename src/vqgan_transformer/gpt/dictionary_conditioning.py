"""Conditions from a dictionary: features at places, embeddings in front, and any of them may be absent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import nearest_name
from .condition_input import ConditionInput
from .conditioning import Comparison, Conditioning, Extent
from .features import DictionaryInput
from .front import Front
from .transformer import Transformer

__all__ = ["DictionaryConditioning"]

_SHAPES = {
    "labels": "(B, H, W)",
    "values": "(B, {size}, H, W)",
    "class": "(B,)",
    "tokens": "(B, h, w)",
    "picture": "(B, {size}, H, W)",
    "embeddings": "(B, {length}, {size})",
}
_NUMBERS = ("values", "picture", "embeddings")


class DictionaryConditioning(Conditioning):
    """Several kinds of condition, by name.

    Args:
        model: whose conditions they are.
        inputs: the parameters that read them.
    """

    def __init__(self, model: Transformer, inputs: DictionaryInput):
        self.model, self.config, self.inputs = model, model.config, inputs
        self.kinds = {kind.name: kind for kind in model.config.conditions}
        self.names = tuple(self.kinds)
        self.masks = {f"{kind.name}_mask": kind for kind in self.kinds.values() if kind.form == "embeddings"}

    def extent(self, conditions: Any, size: tuple[int, int] | None = None, batch: int | None = None) -> Extent:
        """Checks types and shapes of conditions, against what the model reads and against each other.

        Args:
            conditions: by name.
            size: (h, w) of the token grid, if that is known.
            batch: number of pictures, if that is known.

        Returns:
            the number of pictures and the size of the token grid, where the conditions or the arguments tell them.

        Raises:
            TypeError: for another type of numbers.
            ValueError: for a name that the model does not know and a shape that does not fit.
        """
        for name, given in self.dictionary(conditions).items():
            extent = self._extent(name, given)
            if batch is not None and len(given) != batch:
                raise ValueError(f"conditions are for {batch} and {len(given)} pictures; give one for each picture.")
            if extent is not None and size is not None and extent != tuple(size):
                raise ValueError(
                    f"the condition {name} is for a grid of {extent} tokens, but the grid is {tuple(size)}."
                )
            batch, size = len(given), extent or size
        return Extent(batch, size)

    def examine(self, condition: Any, size: tuple[int, int] | None = None) -> Extent:
        """As :class:`Conditioning` says."""
        extent = self.extent(condition, size)
        for name, kind in self.kinds.items():
            if kind.form in _NUMBERS or name not in condition:
                continue
            low, high = (int(bound) for bound in condition[name].aminmax())
            if low < -1 or high >= kind.size:
                raise ValueError(
                    f"the condition {name} has ids from {low} to {high}, but the GPT knows 0–{kind.size - 1}, and -1 "
                    "stands for unknown."
                )
        return extent

    def front(
        self, condition: Any, size: tuple[int, int] | None, batch: int | None, strength: Mapping[str, float] | None
    ) -> Front:
        """As :class:`Conditioning` says."""
        batch, size = self.extent(condition, size, batch)
        batch, size, strength = batch or 1, size or self.config.window, strength or {}
        parts, visible, caption = [], None, self.inputs.caption
        if self.config.start_token:
            parts.append(self.model.start_token.expand(batch, 1, -1))
        if caption is not None:
            parts.append(caption(condition, batch, strength.get(caption.name, 1.0)))
            visible = condition.get(f"{caption.name}_mask")
        if visible is not None and self.config.start_token:
            visible = F.pad(visible, (1, 0), value=True)
        features = self.inputs.features(condition, size, batch, strength)
        return Front(torch.cat(parts, dim=1), visible, None, features)

    def front_length(self, condition: Any) -> int:
        """As :class:`Conditioning` says."""
        return self.config.front_length or 0

    def null(self, condition: Any) -> dict[str, Tensor]:
        """As :class:`Conditioning` says."""
        return self.without(condition, self.kinds)

    def drop(self, condition: Any, drop: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As :class:`Conditioning` says. Kinds that a dictionary ``drop`` leaves out stay."""
        rows = drop if isinstance(drop, Mapping) else self._by_name(drop)
        dropped = {}
        for name, given in self.dictionary(condition).items():
            if name in rows and name in self.kinds:
                where = rows[name].to(given.device).view(-1, *[1] * (given.ndim - 1))
                given = given.masked_fill(where, self._unknown(name))
            dropped[name] = given
        return dropped

    def without(self, condition: Any, names: Iterable[str]) -> dict[str, Tensor]:
        """As :class:`Conditioning` says."""
        dropped = set(names)
        return {
            name: torch.full_like(given, self._unknown(name)) if name in dropped else given
            for name, given in condition.items()
        }

    def comparisons(self, scale: float | Mapping[str, float], given: Iterable[str]) -> list[Comparison]:
        """As :class:`Conditioning` says."""
        learnt = self.config.guidance
        everything = frozenset(name for name, kind in self.kinds.items() if kind.is_compared)
        if isinstance(scale, Mapping):
            for name in scale:
                if name not in self.kinds:
                    known = ", ".join(self.kinds) or "none"
                    raise ValueError(
                        f"this GPT has no condition {name!r}.{nearest_name(name, self.kinds)} It reads: {known}."
                    )
            # back to the logits without guidance, then further by each kind, whose moves are g times as long in what is learnt
            asked = [Comparison(1 / learnt, everything)]
            asked += [Comparison(1 + (number - 1) / learnt, frozenset({name})) for name, number in scale.items()]
        else:
            asked = [Comparison(scale / learnt, everything)]
        there = frozenset(given)
        return [Comparison(number, names & there) for number, names in asked if number != 1 and names & there]

    def with_known(self, condition: Any, tokens: Tensor, known: Tensor) -> dict[str, Tensor]:
        """As :class:`Conditioning` says. Known tokens that are given stay as they are."""
        there = {name for name, kind in self.kinds.items() if kind.form == "tokens"} - condition.keys()
        return {**condition, **dict.fromkeys(there, tokens.where(known, -1))}

    def window(self, condition: Any, top: int, left: int, size: tuple[int, int]) -> dict[str, Tensor]:
        """As :class:`Conditioning` says: maps and known tokens are cropped, the rest is seen whole."""
        return {name: self._crop(name, given, (top, left), size) for name, given in condition.items()}

    def given(self, condition: Any) -> tuple[str, ...]:
        """As :class:`Conditioning` says."""
        return tuple(condition)

    def joined(self, join: Callable[[list[Tensor]], Tensor], parts: Sequence[Any]) -> dict[str, Tensor]:
        """As :class:`Conditioning` says, name by name."""
        return {name: join([part[name] for part in parts]) for name in parts[0]}

    def row(self, condition: Any, index: int) -> dict[str, Tensor]:
        """As :class:`Conditioning` says."""
        return {name: values[index] for name, values in condition.items()}

    def row_keys(self, condition: Any) -> list[Hashable]:
        """As :class:`Conditioning` says."""
        batch = min((len(values) for values in condition.values()), default=0)
        return [tuple(_content(values[row]) for values in condition.values()) for row in range(batch)]

    def dictionary(self, condition: Any) -> Mapping[str, Tensor]:
        """The condition, if it is a dictionary.

        Raises:
            TypeError: if not.
        """
        if not isinstance(condition, Mapping):
            raise TypeError(
                f"this GPT takes its conditions as a dictionary, from {[*self.kinds]} to maps or ids; got "
                f"{type(condition).__name__}."
            )
        return condition

    def _crop(self, name: str, given: Tensor, origin: tuple[int, int], size: tuple[int, int]) -> Tensor:
        form, factor = self.kinds[name].form if name in self.kinds else "mask", self.config.downsample_factor or 1
        if form in ("class", "embeddings", "mask"):
            return given
        scale = 1 if form == "tokens" else factor
        for axis, start, extent in zip((-2, -1), origin, size, strict=True):
            first, count, length = start * scale, extent * scale, given.shape[axis]
            inside = given.narrow(axis, first, min(count, length - first))
            edge = inside.narrow(axis, inside.shape[axis] - 1, 1)
            missing = count - inside.shape[axis]
            given = inside if not missing else torch.cat((inside, *[edge] * missing), dim=axis)
        return given

    def _by_name(self, drop: Tensor) -> dict[str, Tensor]:
        if drop.ndim == 1:
            return dict.fromkeys(self.kinds, drop)
        droppable = [name for name, kind in self.kinds.items() if kind.form != "tokens"]
        return dict(zip(droppable, drop.unbind(1), strict=False))

    def _unknown(self, name: str) -> float:
        return torch.nan if self.kinds[name].form in _NUMBERS else -1

    def _extent(self, name: str, given: Tensor) -> tuple[int, int] | None:
        """(h, w) of the token grid that a condition is for, its type and shape checked; ``None`` where it has none."""
        if name in self.masks:
            _check_mask(name, self.masks[name], given)
            return None
        if name not in self.kinds:
            known = ", ".join(self.kinds) or "none"
            raise ValueError(
                f"this GPT has no condition {name!r}.{nearest_name(name, self.kinds)} Its conditions: {known}."
            )
        kind, factor = self.kinds[name], self.config.downsample_factor
        assert factor is not None
        _check_tensor(kind, given)
        if kind.form in ("class", "embeddings"):
            return None
        height, width = given.shape[-2:]
        if kind.form == "tokens":
            return height, width
        if height % factor or width % factor:
            raise ValueError(
                f"the condition {name} is {height}×{width} pixels, but its sides must be multiples of {factor}."
            )
        return height // factor, width // factor


def _check_tensor(kind: ConditionInput, given: Tensor) -> None:
    if given.is_complex() or given.dtype == torch.bool or given.is_floating_point() != (kind.form in _NUMBERS):
        wanted = "numbers (float32)" if kind.form in _NUMBERS else "ids (int64)"
        raise TypeError(f"the condition {kind.name} is made of {wanted}, got {given.dtype}.")
    wanted, shape = _SHAPES[kind.form].format(size=kind.size, length=kind.length), tuple(given.shape)
    fits = len(shape) == wanted.count(",") + (kind.form != "class") and 0 not in shape
    if kind.form in ("values", "picture"):
        fits = fits and shape[1] == kind.size
    if kind.form == "embeddings":
        fits = fits and shape[1:] == (kind.length, kind.size)
    if not fits:
        raise ValueError(f"the condition {kind.name} has the shape {wanted}, got {shape}.")


def _check_mask(name: str, kind: ConditionInput, given: Tensor) -> None:
    if given.dtype != torch.bool:
        raise TypeError(f"{name} is a bool tensor, True where an embedding is seen; got {given.dtype}.")
    if given.ndim != 2 or given.shape[1] != kind.length or not len(given):
        raise ValueError(f"{name} has the shape (B, {kind.length}), got {tuple(given.shape)}.")


def _content(values: Tensor) -> bytes:
    return values.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
