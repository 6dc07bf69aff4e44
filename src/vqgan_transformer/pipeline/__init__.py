"""What a user has -> condition -> tokens -> picture: the parts composed."""

from __future__ import annotations

from .pipeline import ImageSynthesisOutput, ImageSynthesisPipeline

__all__ = ["ImageSynthesisOutput", "ImageSynthesisPipeline"]
