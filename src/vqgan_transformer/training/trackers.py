"""Further logs (TensorBoard, Weights & Biases, …) get a run's settings and pictures, beside its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..storage.config_json import to_json
from .settings import Training

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["start_trackers", "track_picture"]


def start_trackers(accelerator: Accelerator, training: Training, name: str) -> None:
    """Begins a run in each tracker, with its settings; trackers take numbers, booleans and text."""
    if training.trackers:
        accelerator.init_trackers(name, config={key: _plain(value) for key, value in to_json(training).items()})


def track_picture(accelerator: Accelerator, picture: Image.Image, step: int) -> None:
    """Shows a grid of pictures in each tracker that has a place for it."""
    for tracker in accelerator.trackers:
        log_images = getattr(tracker, "log_images", None)
        if log_images is not None:
            options = {"dataformats": "NHWC"} if tracker.name == "tensorboard" else {}
            log_images({"pictures": np.asarray(picture)[None]}, step=step, **options)


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)
