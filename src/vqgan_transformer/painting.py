"""All that a call of the pipeline needs to paint, checked and ready: drawing tokens, and decoding them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .completion import Completion
from .gpt.model import CondGPT
from .picture_size import Canvas
from .sampler.sampler import SlidingWindowSampler
from .sampler.seeds import candidate_seeds
from .vqgan.model import VQGAN

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

    def with_likeliest(self, name: str, classes: int, otherwise: Tensor) -> Painting:
        """For an aligned GPT: each picture to complete is of the class under which what is known of it is likeliest.

        Args:
            name: of the condition.
            classes: how many there are.
            otherwise: int64 (B · candidates,), the classes of pictures of which nothing is known.
        """
        known, chosen = self.known(), otherwise.clone().view(-1, self.candidates)
        for picture, row in enumerate(range(0, len(otherwise), self.candidates)):
            if known["keep"][row].any():
                chosen[picture] = self._likeliest(name, classes, row, known["tokens"][row], known["keep"][row])
        return replace(self, condition={**self.condition, name: chosen.flatten()})

    def _likeliest(self, name: str, classes: int, row: int, tokens: Tensor, keep: Tensor) -> int:
        """The class of one picture (h, w), from the part around the middle of what is known."""
        middle = keep.nonzero().float().mean(0).tolist()
        start = [
            round(min(max(centre - LOOKED_AT / 2, 0), max(side - LOOKED_AT, 0)))
            for centre, side in zip(middle, keep.shape, strict=True)
        ]
        cells, pixels = (
            tuple(slice(scale * first, scale * (first + LOOKED_AT)) for first in start)
            for scale in (1, self.vqgan.downsample_factor)
        )
        one = slice(row, row + 1)
        part = (one, ..., *pixels)
        parts = {
            kind: (given[one] if given.ndim == 1 else given[part]).to(tokens.device)
            for kind, given in self.condition.items()
        }
        parts = {kind: given.expand(classes, *given.shape[1:]) for kind, given in parts.items()}
        parts[name] = torch.arange(classes, device=tokens.device)
        seen, counts = tokens[cells].expand(classes, -1, -1), keep[cells].to(tokens.device)
        nats = self.gpt(seen, parts).double().log_softmax(-1).gather(-1, seen[..., None])[..., 0]
        return int((nats * counts).sum((1, 2)).argmax())

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
        plain = self.sampler.with_settings(guidance_scale=1.0, condition_strength={})
        likelihood = plain.token_log_likelihood(self.gpt, self.condition, drawn)
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
