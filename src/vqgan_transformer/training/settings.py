"""What a training run is told: one frozen dataclass for each stage, with the paper's recipe and a modern one as presets.

A field is here because somebody needs it or because it earned its place; docs/training.md says which, and by how much.
"""

from __future__ import annotations

from .gpt_settings import GPTTraining
from .shared_settings import Training, learning_rate
from .vqgan_settings import KINDS, VQGANTraining

__all__ = ["KINDS", "GPTTraining", "Training", "VQGANTraining", "learning_rate"]
