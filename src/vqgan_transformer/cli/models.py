"""``models``: what others released and can be loaded by a short name."""

from __future__ import annotations

import dataclasses
from typing import Any

from .command import Command, Console

__all__ = ["MODELS"]


def models(values: dict[str, Any], console: Console) -> None:
    """Lists the released models."""
    from ..checkpoints.released_models import models_text, released_models

    entries = [dataclasses.asdict(model) for model in released_models().values()]
    console.result({"models": entries}, models_text())


MODELS = Command(
    "models",
    "list released models that load by a short name, with their size, licence and published FID",
    models,
    list,
    examples=("vqgan-transformer models", "vqgan-transformer models --output-format json"),
)
