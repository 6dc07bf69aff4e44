"""All that a call of the pipeline needs to paint, checked and ready: drawing tokens, and decoding them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .completion import Completion
from .gpt.model import CondGPT
from .picture_size import Canvas
from .sampler.sampler import SlidingWindowSampler
from .sampler.seeds import candidate_seeds
from .vqgan.model import VQGAN

__all__ = ["Painting"]


@dataclass(frozen=True)
class Painting:
    """Pictures that are about to be painted.

    Attributes:
        vqgan: decodes, and encodes what is to be completed.
        gpt: scores tokens.
        sampler: draws them.
        condition: what the GPT reads, for each candidate of each picture.
        canvas: the size of the pictures, and their token grid.
        seeds: of the pictures.
        completion: what is known of the pictures, one for each; ``None`` for nothing.
        candidates: how often each picture is drawn; the best is kept.
    """

    vqgan: VQGAN
    gpt: CondGPT
    sampler: SlidingWindowSampler
    condition: Any
    canvas: Canvas
    seeds: list[int]
    completion: Completion | None = None
    candidates: int = 1

    def draw(self, callback: Callable[[int, int, Tensor], None] | None = None) -> Tensor:
        """Draws the token grids of the pictures.

        Args:
            callback: as for the sampler; it sees all candidates of a picture, one after another.

        Returns:
            int64 (B, h, w).
        """
        known: dict[str, Tensor] = {}
        if self.completion is not None:
            tokens, keep = self.completion.tokens(self.vqgan, self.canvas)
            known = {"tokens": tokens, "keep": keep}
            known = {name: one.repeat_interleave(self.candidates, dim=0) for name, one in known.items()}
        drawn = self.sampler(
            self.gpt,
            self.condition,
            self.canvas.grid,
            seed=[one for seed in self.seeds for one in candidate_seeds(seed, self.candidates)],
            codebook_size=self.vqgan.codebook_size,
            callback=callback,
            **known,
        )
        return drawn if self.candidates == 1 else self._best(drawn, known["keep"])

    def decode(self, tokens: Tensor, *, composite: bool = True) -> Tensor:
        """The pictures that token grids stand for, cut to the size asked for.

        Args:
            tokens: int64 (B, h, w).
            composite: put back what is known of a picture to complete.

        Returns:
            float32 (B, 3, H, W), about [-1, 1], on the CPU.
        """
        height, width = self.canvas.size
        # one picture at a time: decoding takes the most memory of all
        pictures = torch.cat([self.vqgan.decode(one[None])[..., :height, :width].float().cpu() for one in tokens])
        return pictures if self.completion is None or not composite else self.completion.composite(pictures)

    def _best(self, drawn: Tensor, keep: Tensor) -> Tensor:
        """Of each picture's candidates (B · n, h, w) the one that makes the kept tokens after it likeliest: (B, h, w)."""
        likelihood = self.sampler.with_settings(guidance_scale=1.0).token_log_likelihood(
            self.gpt, self.condition, drawn
        )
        # those before the first drawn one, in raster order, have seen no candidate
        after = ((~keep).flatten(1).cumsum(1) > 0).view_as(keep)
        scores = (likelihood * (keep & after)).sum((1, 2)).view(-1, self.candidates)
        rows = torch.arange(len(scores)) * self.candidates + scores.argmax(1)
        return drawn[rows.to(drawn.device)]
