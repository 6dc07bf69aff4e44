"""The Accelerator of a run: processes, devices, precision; one of our own, or the user's, checked against the recipe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch.distributed as dist

from .settings import Training

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["accelerator_for", "check_accelerator", "make_accelerator"]


def make_accelerator(training: Training, folder: Path) -> Accelerator:
    """An Accelerator with what the settings say; the rest comes from ``accelerate launch``."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import ProjectConfiguration

    wanted = training.mixed_precision
    if AcceleratorState._shared_state and wanted not in (None, AcceleratorState().mixed_precision):
        AcceleratorState._reset_state()  # of a run before in this process
    return Accelerator(
        mixed_precision=wanted,
        gradient_accumulation_steps=training.gradient_accumulation,
        log_with=list(training.trackers) or None,
        project_config=ProjectConfiguration(project_dir=str(folder), logging_dir=str(folder)),
    )


@contextmanager
def accelerator_for(given: Accelerator | None, training: Training, folder: Path) -> Iterator[Accelerator]:
    """The user's Accelerator, or one of our own, of which nothing is left for the next run in this process.

    Raises:
        ValueError: as :func:`check_accelerator`.
    """
    if given is not None:
        check_accelerator(given, training)
        given.step = 0  # parts of an update are counted from here
        yield given
        return
    from accelerate.state import AcceleratorState

    try:
        accelerator = make_accelerator(training, folder)
        check_accelerator(accelerator, training)
        yield accelerator
    finally:
        AcceleratorState._reset_state()


def check_accelerator(accelerator: Accelerator, training: Training) -> None:
    """Compares an Accelerator with its surroundings and with the recipe.

    Raises:
        ValueError: where it sees another number of processes than there are (each would write into the run's folder),
            accumulates gradients over other parts than the recipe, or shards what must be whole.
    """
    seen = accelerator.num_processes
    there = dist.get_world_size() if dist.is_available() and dist.is_initialized() else seen
    launched = int(os.environ.get("WORLD_SIZE", 1)) if "LOCAL_RANK" in os.environ else seen
    for source, count in (("torch.distributed", there), ("the launcher (WORLD_SIZE)", launched)):
        if count != seen:
            raise ValueError(
                f"{source} counts {count} processes, but accelerate sees {seen}: each would train by itself and write into "
                "the same folder. On a CPU set ACCELERATE_USE_CPU=true for torchrun, or use `accelerate launch --cpu`."
            )
    parts = accelerator.gradient_accumulation_steps
    if parts != training.gradient_accumulation:
        raise ValueError(
            f"the accelerator has gradient_accumulation_steps={parts}, but the recipe says "
            f"gradient_accumulation={training.gradient_accumulation}: give both the same."
        )
    if accelerator.distributed_type.value == "FSDP" and training.optimizer == "muon":
        raise ValueError(
            "Muon needs whole matrices, which sharded training (FSDP) does not leave: pass optimizer='adamw'."
        )
