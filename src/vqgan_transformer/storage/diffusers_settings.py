"""What the config of a diffusers VQModel says for pipelines, and not for the network."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DiffusersSettings"]


@dataclass(frozen=True)
class DiffusersSettings:
    """Settings that change nothing here; they are kept for a later export.

    Args:
        lookup_from_codebook: whether ``decode`` takes tokens, as aMUSEd's pipelines want.
        scaling_factor: what a diffusion model's pipeline multiplies latents by.
        force_upcast: whether a pipeline in half precision decodes in float32.
    """

    lookup_from_codebook: bool = False
    scaling_factor: float = 0.18215
    force_upcast: bool = False
