"""Pictures to token grids and back."""

from .model import VQGAN, VQGANConfig, VQGANOutput

__all__ = ["VQGAN", "VQGANConfig", "VQGANOutput"]
