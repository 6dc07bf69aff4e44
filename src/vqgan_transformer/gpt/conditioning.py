"""How conditions enter a GPT, as everybody outside sees it: one object for each way, with the same methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from .front import Front

__all__ = ["Comparison", "Conditioning", "Extent"]


class Extent(NamedTuple):
    """What a condition says about the pictures; ``None`` where it says nothing.

    Attributes:
        batch: number of pictures.
        size: (h, w) of the token grid.
    """

    batch: int | None
    size: tuple[int, int] | None


class Comparison(NamedTuple):
    """What a draw is guided away from: logits without some conditions (Ho and Salimans 2022).

    Attributes:
        scale: how far; 1 would be not at all.
        dropped: names of the conditions it is made without; a condition without names is dropped as a whole.
    """

    scale: float
    dropped: frozenset[str]


class Conditioning(ABC):
    """How conditions enter a GPT.

    Attributes:
        names: of the kinds that it reads; none where its one condition has no name.
    """

    names: tuple[str, ...]

    @abstractmethod
    def examine(self, condition: Any, size: tuple[int, int] | None = None) -> Extent:
        """Checks a condition once and for all, before work starts: types, shapes, and each id.

        Args:
            condition: what the model reads.
            size: (h, w) of the token grid, where it is known.

        Raises:
            TypeError: for a condition that is not as the model has it, or of another type of numbers.
            ValueError: for names that the model does not know, shapes that do not fit, and ids out of range.
        """

    @abstractmethod
    def front(
        self, condition: Any, size: tuple[int, int] | None, batch: int | None, strength: Mapping[str, float] | None
    ) -> Front:
        """Reads a condition for a window.

        Args:
            condition: what the model reads.
            size: (h, w) of the window in tokens, where it is known.
            batch: number of windows, where it is known.
            strength: by name, how much a condition counts.
        """

    @abstractmethod
    def front_length(self, condition: Any) -> int:
        """Positions that a window's condition takes in front of the tokens."""

    @abstractmethod
    def null(self, condition: Any) -> Any:
        """What stands for "no condition" in its place.

        Raises:
            ValueError: for a model that was trained without dropping its condition.
        """

    @abstractmethod
    def drop(self, condition: Any, drop: Tensor | Mapping[str, Tensor]) -> Any:
        """A batch's condition without some of it for some pictures; see :meth:`CondGPT.drop_condition`."""

    @abstractmethod
    def without(self, condition: Any, names: Iterable[str]) -> Any:
        """The condition of the same shape, with nothing known of some kinds for all pictures."""

    @abstractmethod
    def comparisons(self, scale: float | Mapping[str, float], given: Iterable[str]) -> list[Comparison]:
        """What a ``guidance_scale`` means.

        A number compares with no condition at all, but for what is known all the same: the tokens of a picture to complete,
        and what is always known (``ConditionInput.always_known``). A dictionary compares with each of its kinds dropped by itself.

        A model that has learnt guidance by g (``CondGPTConfig.guidance``) gives l = u + g·(c - u), where u are the logits without
        and c those with conditions, before it learnt. So guidance by s, u + s·(c - u), is u + s/g·(l - u).

        Args:
            scale: the sampler's setting.
            given: names of the conditions that are given; dropping others would change nothing.

        Raises:
            TypeError: for a dictionary, where the condition has no names.
            ValueError: for a kind that the model does not know.
        """

    @abstractmethod
    def with_known(self, condition: Any, tokens: Tensor, known: Tensor) -> Any:
        """The condition, and for a model that reads them the picture's known tokens on all sides of a place.

        Args:
            condition: what the model reads.
            tokens: int64 (B, h, w).
            known: bool (B, h, w).
        """

    @abstractmethod
    def window(self, condition: Any, top: int, left: int, size: tuple[int, int]) -> Any:
        """What a window of a large grid shows of its condition, continued beyond the border by its edge.

        Args:
            condition: of the whole grid.
            top: row of the window's origin, in tokens.
            left: column, likewise.
            size: (height, width) of the window in tokens.
        """

    @abstractmethod
    def given(self, condition: Any) -> tuple[str, ...]:
        """Names of what a condition holds; none where it has no names."""

    @abstractmethod
    def joined(self, join: Callable[[list[Tensor]], Tensor], parts: Sequence[Any]) -> Any:
        """Conditions put together by ``torch.cat``, or rows of conditions by ``torch.stack``."""

    @abstractmethod
    def row(self, condition: Any, index: int) -> Any:
        """One row of a batch's condition."""

    @abstractmethod
    def row_keys(self, condition: Any) -> list[Hashable]:
        """For each row of a batch's condition, on the CPU, what tells it from others."""
