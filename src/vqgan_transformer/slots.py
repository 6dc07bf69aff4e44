"""What lower rooms ask of higher ones, handed in when the package is imported.

All other imports point one way. Three calls must reach up: ``from_pretrained`` of a lower class meets a checkpoint of
another program, ``pipe.diagnose`` belongs to the evaluation of a pipeline, and a training measures its samples on the way.
Each has a slot here, which
``vqgan_transformer/__init__.py`` fills with a function that imports the higher room when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    import torch

__all__ = ["ForeignFormats", "Slot", "diagnosis", "foreign_formats", "sample_evaluation"]

T = TypeVar("T")


class Slot(Generic[T]):
    """A place for something that a higher room provides.

    Args:
        purpose: what it is for, for the message of an empty slot.
    """

    def __init__(self, purpose: str):
        self.purpose = purpose
        self._load: Callable[[], T] | None = None

    def fill(self, load: Callable[[], T]) -> None:
        """Hands in a function that imports and returns the thing."""
        self._load = load

    def __call__(self) -> T:
        """The thing.

        Raises:
            RuntimeError: for a slot that nobody filled: the package was imported in part.
        """
        if self._load is None:
            raise RuntimeError(f"nothing provides {self.purpose}: import vqgan_transformer first.")
        return self._load()


class ForeignFormats(Protocol):
    """What ``vqgan_transformer.checkpoints`` knows of other programs' checkpoints."""

    def read(self, path: Path, class_name: str, options: Mapping[str, Any], *, format: str | None = None) -> Any:
        """(config, tensors) of a class in a file or folder; for a pipeline those of its parts."""

    def inspect_path(self, path: Path, *, format: str | None = None, options: Mapping[str, Any]) -> Any:
        """A :class:`~vqgan_transformer.storage.checkpoint_report.CheckpointReport`."""

    def companions(self) -> list[str]:
        """Names of files that a pipeline of some family needs beside its own file."""

    def all_options(self) -> set[str]:
        """The options of all families."""

    def released_model(self, name: str) -> Any:
        """The :class:`~vqgan_transformer.checkpoints.released_models.ReleasedModel` of a short name, or ``None``."""

    def nearest_model(self, name: str) -> str:
        """A sentence with the short name that was meant, or ""."""

    def save_diffusers(self, model: Any, folder: Path, dtype: torch.dtype | None) -> None:
        """Writes a folder of the diffusers library."""


foreign_formats: Slot[ForeignFormats] = Slot("readers for checkpoints of other programs")
diagnosis: Slot[Callable[..., Any]] = Slot("the evaluation of a pipeline")
sample_evaluation: Slot[Callable[..., Any]] = Slot("the evaluation of samples")
