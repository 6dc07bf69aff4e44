"""What the loop needs to know of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from torch import Tensor, nn

__all__ = ["Trainer"]


class Trainer(Protocol):
    """A model and how it is updated."""

    def step(self, batch: dict[str, Tensor], step: int) -> dict[str, Tensor]:
        """One part of an update; gives scalars to log."""
        ...

    def validate(self) -> dict[str, float]:
        """Metrics on the validation data; "score" is what decides which model is best, lower is better."""
        ...

    def ready(self, step: int) -> bool:
        """Whether a model of this step may be called the best."""
        ...

    def picture(self) -> Image.Image | None:
        """What to look at, always the same samples."""
        ...

    def plan(self) -> list[tuple[str, str]]:
        """Lines (title, text) about what is trained and what happens when, to be read before a run begins."""
        ...

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on: nested dictionaries of tensors and JSON values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Takes it back."""
        ...

    def save(self, folder: Path) -> None:
        """Writes the model that is trained, to be loaded with ``from_pretrained``."""
        ...

    def modules(self) -> list[nn.Module]:
        """All that must stay finite."""
        ...
