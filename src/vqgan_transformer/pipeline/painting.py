"""All that a call of the pipeline needs to paint, checked and ready: drawing tokens, and decoding them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import Canvas
from ..gpt.model import CondGPT
from ..sampler.sampler import SlidingWindowSampler
from ..sampler.seeds import candidate_seeds
from ..vqgan.model import VQGAN
from .inpainting import Completion

__all__ = ["Painting", "draw", "in_order"]

LOOKED_AT = 32
"""Tokens a side of the part of a picture that its class is told from."""


@dataclass(frozen=True)
class Painting:
    """Pictures of one size that are about to be painted.

    Attributes:
        vqgan: decodes, and encodes what is to be completed.
        gpt: scores tokens.
        sampler: draws them.
        condition: what the GPT reads, for each candidate of each picture.
        canvas: the size of the pictures, and their token grid.
        seeds: of the pictures.
        pictures: their numbers among all that a call paints.
        completion: what is known of the pictures, one for each; ``None`` for nothing.
        candidates: how often each picture is drawn; the best is kept.
    """

    vqgan: VQGAN
    gpt: CondGPT
    sampler: SlidingWindowSampler
    condition: Any
    canvas: Canvas
    seeds: list[int]
    pictures: list[int]
    completion: Completion | None = None
    candidates: int = 1

    def draw_rows(self, callback: Callable[[int, int, Tensor], None] | None = None) -> Iterator[tuple[int, Tensor]]:
        """As :func:`draw`, for one candidate each; yields how many rows are complete, and the token grids so far."""
        return self.sampler.rows(
            self.gpt,
            self.condition,
            self.canvas.grid,
            seed=self.seeds,
            codebook_size=self.vqgan.codebook_size,
            callback=callback,
            **self.known(),
        )

    def known(self) -> dict[str, Tensor]:
        """The tokens that stay, and where, for each candidate of each picture."""
        if self.completion is None:
            return {}
        tokens, keep = self.completion.tokens(self.vqgan, self.canvas)
        return {
            "tokens": tokens.repeat_interleave(self.candidates, dim=0),
            "keep": keep.repeat_interleave(self.candidates, dim=0),
        }

    def with_likeliest(self, name: str, classes: int) -> Painting:
        """For an aligned GPT: pictures to complete are of the class under which what is known of them is likeliest.

        Args:
            name: of the condition; pictures of which nothing is known keep the class that they have.
            classes: how many there are.
        """
        known, chosen = self.known(), self.condition[name].clone()
        for first in range(0, len(chosen), self.candidates):
            if known["keep"][first].any():
                likeliest = self._likeliest(name, classes, first, known["tokens"][first], known["keep"][first])
                chosen[first : first + self.candidates] = likeliest
        return replace(self, condition={**self.condition, name: chosen})

    def _likeliest(self, name: str, classes: int, row: int, tokens: Tensor, keep: Tensor) -> int:
        """The class of one picture (h, w), told from the part of it where most is known."""
        size = [min(LOOKED_AT, side) for side in keep.shape]
        shares = F.avg_pool2d(keep[None].float(), size, stride=1)[0]
        corner = divmod(int(shares.argmax()), shares.shape[1])
        cells, pixels = (
            tuple(slice(scale * start, scale * (start + side)) for start, side in zip(corner, size, strict=True))
            for scale in (1, self.vqgan.downsample_factor)
        )
        one = slice(row, row + 1)
        part = (one, ..., *pixels)
        own = {kind: given[one] if given.ndim == 1 else given[part] for kind, given in self.condition.items()}
        condition = {kind: given.expand(classes, *given.shape[1:]) for kind, given in own.items()}
        condition[name] = torch.arange(classes, device=own[name].device)
        seen = tokens[cells].expand(classes, -1, -1)
        likelihood = self._plain.token_log_likelihood(self.gpt, condition, seen)
        return int((likelihood * keep[cells].cpu()).sum((1, 2)).argmax())

    @property
    def _plain(self) -> SlidingWindowSampler:
        """Scores tokens by what the model itself says of them."""
        return self.sampler.with_settings(guidance_scale=1.0, condition_strength={})

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

    def best(self, drawn: Tensor, keep: Tensor) -> Tensor:
        """Of each picture's candidates (B · n, h, w) the one that makes the kept tokens after it likeliest: (B, h, w).

        ``keep``, bool (B · n, h, w), says which tokens are kept.
        """
        likelihood = self._plain.token_log_likelihood(self.gpt, self.condition, drawn)
        # those before the first drawn one, in raster order, have seen no candidate
        after = ((~keep).flatten(1).cumsum(1) > 0).view_as(keep)
        scores = (likelihood * (keep & after)).sum((1, 2)).view(-1, self.candidates)
        rows = torch.arange(len(scores)) * self.candidates + scores.argmax(1)
        return drawn[rows.to(drawn.device)]


def draw(paintings: Sequence[Painting], callback: Callable[[int, int, Any], None] | None = None) -> list[Tensor]:
    """Draws the token grids of pictures of one call, in one batch whatever their sizes.

    Args:
        paintings: of one call, one for each size.
        callback: as for a call of the pipeline; it sees all candidates of a picture, one after another.

    Returns:
        int64 (B, h, w) for each painting.
    """
    first, known = paintings[0], [one.known() for one in paintings]

    def report(drawn: int, total: int, so_far: list[Tensor]) -> None:
        if callback is not None:
            callback(drawn, total, in_order(paintings, so_far))

    grids = first.sampler(
        first.gpt,
        [one.condition for one in paintings],
        [one.canvas.grid for one in paintings],
        seed=[own for one in paintings for seed in one.seeds for own in candidate_seeds(seed, one.candidates)],
        codebook_size=first.vqgan.codebook_size,
        tokens=[one.get("tokens") for one in known],
        keep=[one.get("keep") for one in known],
        callback=report,
    )
    if first.candidates == 1:
        return grids
    return [one.best(grid, own["keep"]) for one, grid, own in zip(paintings, grids, known, strict=True)]


def in_order(paintings: Sequence[Painting], results: Sequence[Any]) -> Any:
    """What belongs to the pictures of each painting: as it is where there is one, else a list in the call's order.

    Args:
        paintings: of one call.
        results: for each painting a batch or list, with equally many entries for each picture.
    """
    if len(paintings) == 1:
        return results[0]
    entries = {}
    for painting, result in zip(paintings, results, strict=True):
        each = len(result) // len(painting.pictures)
        for index, picture in enumerate(painting.pictures):
            entries[picture] = result[index * each : (index + 1) * each]
    return [one for picture in sorted(entries) for one in entries[picture]]
