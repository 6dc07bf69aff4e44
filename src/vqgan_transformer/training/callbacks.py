"""What a user may be told while a run goes on, and how to end it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

__all__ = ["Callbacks"]


@dataclass(frozen=True)
class Callbacks:
    """Functions that a run calls, in each process; one that returns True ends the run well, as if it had reached its steps.

    Attributes:
        on_step: (number of updates so far, scalars of the last). The scalars lie where the model is: reading one waits for
            the device.
        on_validation: (number of updates, metrics).
        on_checkpoint: (number of updates, folder of the checkpoint).
    """

    on_step: Callable[[int, Mapping[str, Tensor]], bool | None] | None = None
    on_validation: Callable[[int, Mapping[str, float]], bool | None] | None = None
    on_checkpoint: Callable[[int, Path], bool | None] | None = None
