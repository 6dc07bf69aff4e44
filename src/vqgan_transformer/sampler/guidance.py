"""Classifier-free guidance: what a draw is compared with, and how far it moves away from that."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..gpt.conditioning import Comparison
from ..gpt.model import CondGPT
from .config import SamplerConfig
from .draw import guide

__all__ = ["Guidance"]


@dataclass(frozen=True)
class Guidance:
    """The comparisons of one call.

    Attributes:
        comparisons: how far each moves the logits, and what it is made without.
        power: with which guidance grows along the raster; ``None`` where it is the same everywhere.
    """

    comparisons: tuple[Comparison, ...] = ()
    power: float | None = None

    @classmethod
    def of(cls, gpt: CondGPT, settings: SamplerConfig, given: Iterable[str]) -> Guidance:
        """What the sampler's settings mean for a model.

        Args:
            gpt: the model.
            settings: of the sampler.
            given: names of the conditions that are given; dropping others would change nothing.

        Raises:
            TypeError: for scales by name, where the condition has no name.
            ValueError: for a kind that the model does not know, and a schedule where guidance is in its weights.
        """
        if settings.guidance_schedule is not None and gpt.config.guidance != 1:
            raise ValueError(
                f"guidance_schedule={settings.guidance_schedule} lets guidance grow, but this GPT has it in its weights: pass "
                "guidance_schedule=None."
            )
        return cls(tuple(gpt.conditioning.comparisons(settings.guidance_scale, given)), settings.guidance_schedule)

    @property
    def versions(self) -> int:
        """How often each place is scored: with all conditions, then for each comparison."""
        return 1 + len(self.comparisons)

    def growth(self, progress: Iterable[float]) -> Tensor | None:
        """The share of guidance at places that lie so far along the raster, from 0 to 1.

        It is (1 - cos(π · progress ^ power)) / 2, as in RAR (Yu et al. 2024).

        Returns:
            float64 (N, 1), to broadcast over codes; ``None`` where guidance is the same everywhere.
        """
        if self.power is None or not self.comparisons:
            return None
        shares = [(1 - math.cos(math.pi * part**self.power)) / 2 for part in progress]
        return torch.tensor(shares, dtype=torch.float64)[:, None]

    def applied(self, logits: Tensor, growth: Tensor | None = None) -> Tensor:
        """Logits moved away from those of poorer conditions; the moves of several comparisons add up.

        Args:
            logits: (R·(1 + N), ...): R rows with all conditions, then as many for each of the N comparisons.
            growth: from :meth:`growth`, broadcast to (R, ...).

        Returns:
            (R, ...), in float32 at least.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if not self.comparisons:
            return logits
        conditional, *poorer = logits.chunk(self.versions)
        scales: list[float | Tensor] = [comparison.scale for comparison in self.comparisons]
        if growth is not None:
            scales = [1 + (comparison.scale - 1) * growth.to(logits.dtype) for comparison in self.comparisons]
        moved = [guide(conditional, other, scale) for other, scale in zip(poorer, scales, strict=True)]
        if len(moved) == 1:
            return moved[0]
        total: Tensor = sum(moved) - (len(moved) - 1) * conditional
        return total
