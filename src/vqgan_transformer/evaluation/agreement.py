"""What a picture shows against what it was asked to show: the contract that each kind of condition fills."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from PIL import Image

from ..conditions import Condition
from .map_reader import MapReader
from .tally import Tally

__all__ = ["Agreement"]

C = TypeVar("C", bound=Condition)


class Agreement(ABC, Generic[C]):
    """How far readings of pictures agree with the conditions that they were painted from.

    Args:
        condition: reads what users have.
        options: of its ``parse``.
        reader: looks at pictures.

    Attributes:
        kind: the name of the condition.
    """

    kind: ClassVar[str]

    def __init__(self, condition: C, options: Mapping[str, Any], reader: MapReader) -> None:
        self.condition, self.options, self.reader = condition, dict(options), reader

    @classmethod
    @abstractmethod
    def model_reader(cls, model: str, device: torch.device) -> MapReader:
        """A reader from a transformers model, by its id or folder.

        Raises:
            ImportError: without transformers.
            ValueError: for kinds that no such model reads from a picture alone.
        """

    @abstractmethod
    def target(self, value: Any, size: tuple[int, int]) -> Any:
        """What a picture of (height, width) was asked to show."""

    @abstractmethod
    def compare(self, tally: Tally, index: int, target: Any, reading: Any, size: tuple[int, int]) -> float:
        """Adds what a picture's reading has in common with its target; gives a score of the picture, larger is better."""

    @abstractmethod
    def numbers(self, tally: Tally) -> dict[str, float]:
        """The metrics over all pictures."""

    def notes(self, tally: Tally) -> list[str]:
        """What has to be said of them."""
        del tally
        return []

    def table(self, tally: Tally) -> tuple[tuple[str, ...], np.ndarray | None]:
        """Names and confusion matrix, of kinds that have one."""
        del tally
        return (), None

    @abstractmethod
    def show(self, target: Any, reading: Any, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
        """Both as people look at them."""
