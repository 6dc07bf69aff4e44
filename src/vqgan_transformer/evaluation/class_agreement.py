"""Classes against what a classifier sees."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from PIL import Image

from ..conditions import ClassCondition
from .agreement import Agreement
from .map_reader import MapReader, classifier
from .tally import Tally

__all__ = ["ClassAgreement"]


class ClassAgreement(Agreement[ClassCondition]):
    """The share of pictures that are read as the class they were asked to be."""

    kind: ClassVar[str] = ClassCondition.name

    @classmethod
    def model_reader(cls, model: str, device: torch.device) -> MapReader:
        """A model for image classification."""
        return classifier(model, device)

    def target(self, value: Any, size: tuple[int, int]) -> int:
        """The id of the class."""
        del size
        return int(self.condition.parse(value)[0])

    def compare(self, tally: Tally, index: int, target: int, reading: Any, size: tuple[int, int]) -> float:
        """Keeps whether the class is right."""
        right = float(self.seen(reading) == target)
        tally.keep("accuracy", index, right)
        return right

    def seen(self, reading: Any) -> int | None:
        """The id of the class that was read, by id or name; ``None`` for a name that the checkpoint does not have."""
        if self.reader.labels is not None and not isinstance(reading, str):
            reading = self.reader.labels.names[int(reading)]
        if isinstance(reading, str):
            try:
                return int(self.condition.parse(reading)[0])
            except ValueError:  # it was taken for something else altogether
                return None
        return int(self.condition.parse(int(reading))[0])

    def numbers(self, tally: Tally) -> dict[str, float]:
        """The share of pictures."""
        return {"accuracy": float(tally.kept("accuracy").mean())}

    def show(self, target: int, reading: Any, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
        """Both in words."""
        seen = self.seen(reading)
        asked = self.condition.show(torch.tensor([target]), size)[0]
        return asked, asked if seen is None else self.condition.show(torch.tensor([seen]), size)[0]
