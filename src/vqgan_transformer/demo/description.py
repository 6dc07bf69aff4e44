"""What the page has to know of a pipeline: its conditions with their labels, colours and classes, and its settings."""

from __future__ import annotations

import colorsys
from typing import Any

import numpy as np
import torch

from ..conditions import Condition
from ..conditions.skeleton import JOINTS, LIMBS
from ..pipeline import ImageSynthesisPipeline
from ..storage.config_json import to_json
from ..version import __version__
from .config import DemoConfig

__all__ = ["describe"]


def describe(pipe: ImageSynthesisPipeline, name: str, config: DemoConfig) -> dict[str, Any]:
    """JSON values for the page; the HTTP API has them at ``/model``."""
    conditions = [_condition(condition) for condition in pipe.conditions if condition.needs_input]
    return {
        "model": name,
        "version": __version__,
        "factor": pipe.vqgan.downsample_factor,
        "conditions": conditions,
        "settings": to_json(pipe.sampler.config),
        "limits": {"max_pixels": config.max_pixels, "max_upload": config.max_upload},
        "skeleton": {
            "joints": list(JOINTS),
            "limbs": [[start, end, list(colour)] for (start, end), (colour, _) in LIMBS.items()],
        },
        "start": _start(conditions),
    }


def _condition(condition: Condition) -> dict[str, Any]:
    config = getattr(condition, "config", None)
    labels = getattr(config, "labels", None)
    described: dict[str, Any] = {"name": condition.name, "map": condition.spatial, "options": condition.option_names}
    if labels is None:
        return described
    trained = set(getattr(config, "trained_labels", None) or labels)
    colours = _colours(condition, len(labels)) if condition.spatial else [None] * len(labels)
    return {
        **described,
        "labels": [
            {"id": number, "name": label, "colour": colour, "trained": label in trained}
            for number, (label, colour) in enumerate(zip(labels, colours, strict=True))
        ],
        "unlabelled": _unlabelled(condition, len(labels)) if condition.spatial else None,
    }


def _colours(condition: Condition, count: int) -> list[str]:
    """A colour for each label, as the condition shows it; hues where several would look alike."""
    [picture] = condition.show(torch.arange(count)[None, None])
    shown: list[tuple[int, ...]] = [tuple(colour) for colour in np.asarray(picture.convert("RGB"))[0].tolist()]
    if len(set(shown)) < len(shown):
        shown = [
            tuple(round(255 * part) for part in colorsys.hsv_to_rgb(0.618034 * number % 1, 0.65, 0.9))
            for number in range(count)
        ]
    return ["#" + "".join(f"{part:02x}" for part in colour) for colour in shown]


def _unlabelled(condition: Condition, count: int) -> int | None:
    """The id of unlabelled pixels on the page, if the model takes maps with some."""
    if "unlabelled" not in condition.option_names:
        return None
    return 255 if count <= 255 else 65535


def _start(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    """What a new map looks like: a sky above grass where there are such labels, else the first label."""
    for condition in conditions:
        if condition["map"] and "labels" in condition:
            ids = {label["name"]: label["id"] for label in condition["labels"]}
            first = next(iter(ids.values()))
            return {
                "size": [256, 384],
                "ground": next((ids[name] for name in ("grass", "earth", "ground") if name in ids), first),
            }
    return {"size": [256, 384]}
