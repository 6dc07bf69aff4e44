"""The public names, in the order a reader meets them."""

from __future__ import annotations

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
from .training.gpt_parts import fitting_config
from .training.gpt_training import train_cond_gpt
from .training.planner_training import train_planner
from .training.settings import GPTTraining, VQGANTraining
from .training.vqgan_training import train_vqgan
from .version import __version__
from .vqgan.model import VQGAN, VQGANConfig

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
    "train_vqgan",
    "VQGANTraining",
    "train_cond_gpt",
    "GPTTraining",
    "fitting_config",
    "train_planner",
    "__version__",
]
