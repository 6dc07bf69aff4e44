"""VQGAN, conditional GPT and sliding-window sampler: the system of *Taming Transformers*, ready to use.

The names below are the public interface. Each is imported on first use, so that ``import vqgan_transformer`` costs
next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "VQGAN": "vqgan.model",
    "VQGANConfig": "vqgan.model",
    "CondGPT": "gpt.model",
    "CondGPTConfig": "gpt.model",
    "SlidingWindowSampler": "sampler.sampler",
    "SamplerConfig": "sampler.sampler",
    "ImageSynthesisPipeline": "pipeline",
    "SegmentationCondition": "conditions",
    "DepthCondition": "conditions",
    "KeypointsCondition": "conditions",
    "ImageCondition": "conditions",
    "ClassCondition": "conditions",
    "CoordinatesCondition": "conditions",
    "LayoutCondition": "conditions",
    "Unconditional": "conditions",
}

__all__ = [  # noqa: RUF022 - in the order a reader meets them
    "VQGAN",
    "VQGANConfig",
    "CondGPT",
    "CondGPTConfig",
    "SlidingWindowSampler",
    "SamplerConfig",
    "ImageSynthesisPipeline",
    "SegmentationCondition",
    "DepthCondition",
    "KeypointsCondition",
    "ImageCondition",
    "ClassCondition",
    "CoordinatesCondition",
    "LayoutCondition",
    "Unconditional",
    "__version__",
]

if TYPE_CHECKING:
    from .conditions import (
        ClassCondition,
        CoordinatesCondition,
        DepthCondition,
        ImageCondition,
        KeypointsCondition,
        LayoutCondition,
        SegmentationCondition,
        Unconditional,
    )
    from .gpt.model import CondGPT, CondGPTConfig
    from .pipeline import ImageSynthesisPipeline
    from .sampler.sampler import SamplerConfig, SlidingWindowSampler
    from .vqgan.model import VQGAN, VQGANConfig


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
