"""What a user has -> condition -> tokens -> picture: the parts composed."""

from __future__ import annotations

from .output import ImageSynthesisOutput
from .pipeline import ImageSynthesisPipeline

__all__ = ["ImageSynthesisOutput", "ImageSynthesisPipeline"]
