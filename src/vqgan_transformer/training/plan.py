"""What a run is going to do, in a few lines that are read before it begins."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from .samples import Samples
from .settings import Training

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["RunData", "parameters", "plan", "warn_if_never"]


@dataclass(frozen=True)
class RunData:
    """What a run learns from, for its plan and for comparing a resumed run's data with its own.

    Attributes:
        samples: the number that is trained on.
        held_out: the number that is validated on.
        fingerprint: of names, sizes and dates of both.
        left_out: what was found in the data and is not used, and why; a line each.
    """

    samples: int
    held_out: int
    fingerprint: str
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, samples: Samples, held_out: Samples | None) -> RunData:
        """The data of a run."""
        both = [part.source.fingerprint() for part in (samples, held_out) if part is not None]
        lines = [line for part in (samples, held_out) if part is not None for line in part.source.left_out_lines()]
        unused = tuple(dict.fromkeys(lines))
        return cls(len(samples), len(held_out) if held_out is not None else 0, " ".join(both), unused)

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {"samples": self.samples, "held_out": self.held_out, "fingerprint": self.fingerprint}


def parameters(module: nn.Module) -> str:
    """How many numbers a module learns, and holds: "2.3 M parameters (1.1 M of them are trained)"."""
    count = sum(parameter.numel() for parameter in module.parameters())
    trained = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return f"{_short(count)} parameters" + (f" ({_short(trained)} of them are trained)" if trained < count else "")


def plan(
    data: RunData, lines: Iterable[tuple[str, str]], training: Training, accelerator: Accelerator, step: int
) -> str:
    """The plan of a run.

    Args:
        data: what it learns from.
        lines: (title, text) of the trainer, about its models and what happens when.
        training: the recipe.
        accelerator: for devices, processes and precision.
        step: at which it begins.
    """
    samples = training.batch_size * training.gradient_accumulation * accelerator.num_processes
    steps = training.max_steps - step
    processes = f"{accelerator.num_processes} process" + ("es" if accelerator.num_processes > 1 else "")
    precision = {"no": "float32"}.get(accelerator.mixed_precision, accelerator.mixed_precision)
    since = f" from step {step:,}" if step else ""
    rows = [
        ("data", f"{data.samples:,} samples, {data.held_out:,} held out"),
        *(("", line) for line in data.left_out),
        *lines,
        ("device", f"{accelerator.device}, {processes}, {precision}"),
        ("plan", f"{steps:,} steps{since} of {samples} samples: {steps * samples / max(1, data.samples):,.1f} epochs"),
    ]
    return "\n".join(f"{title:8}{text}" for title, text in rows)


def warn_if_never(what: str, start: int, training: Training) -> None:
    """Warns of something that would begin after the last step."""
    if start >= training.max_steps:
        warnings.warn(
            f"{what} begins at step {start:,}, but the run has {training.max_steps:,} steps: it never does.",
            stacklevel=4,
        )


def _short(count: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return str(count)
