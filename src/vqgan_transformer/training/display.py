"""What a user sees of a run while it goes on: one bar, with the losses apart."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from .settings import Training

if TYPE_CHECKING:
    from accelerate import Accelerator
    from typing_extensions import Self

__all__ = ["Display"]


class Display:
    """A bar: steps and their rate, pictures a second, losses, gradient norm, the last validation and the best step.

    Args:
        name: of the run.
        step: at which it begins.
        training: the recipe.
        accelerator: for processes; the main one shows the bar.
        shown: False shows nothing.
    """

    def __init__(self, name: str, step: int, training: Training, accelerator: Accelerator, *, shown: bool) -> None:
        self.bar = tqdm(
            total=training.max_steps, initial=step, unit="step", desc=name, dynamic_ncols=True,
            disable=not (shown and accelerator.is_main_process),
        )  # fmt: skip
        self._samples = training.batch_size * training.gradient_accumulation * accelerator.num_processes
        self._fields: dict[str, str] = {}
        self._steps, self._since = 0, time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def step(self) -> None:
        """One more update."""
        self._steps += 1
        self.bar.update()

    def log(self, means: Mapping[str, float]) -> None:
        """Means of the steps since the last time."""
        now = time.perf_counter()
        self._fields["pictures/s"] = f"{self._steps * self._samples / max(now - self._since, 1e-9):.3g}"
        self._steps, self._since = 0, now
        self._fields |= {name.replace("_", " "): f"{value:.4g}" for name, value in means.items()}
        self._show()

    def validated(self, metrics: Mapping[str, float], best_step: int) -> None:
        """Metrics on the held-out samples, and the step whose model was best so far."""
        self._fields |= {"validation": f"{metrics['score']:.4g}", "best": f"step {best_step}"}
        self._show()

    def _show(self) -> None:
        self.bar.set_postfix(self._fields)
