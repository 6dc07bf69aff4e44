"""Pictures of one size that are drawn together: what they follow, what is known of them, drawing and decoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import warn
from ..geometry import Canvas
from ..sampler.seeds import candidate_seeds
from .inpainting import KnownPixels
from .parts import PipelineParts
from .planner import LabelPlanner
from .progress import Callback

__all__ = ["PictureBatch", "draw", "in_order"]

CLASS_PART = 32
"""Tokens a side of the part of a picture that its class is told from."""


@dataclass(frozen=True)
class PictureBatch:
    """Pictures of one size that are to be drawn together.

    Attributes:
        parts: of the pipeline, with the sampler's settings for these pictures.
        canvas: the size of the pictures, and their token grid.
        given: what is given for each kind of condition, by name: as its ``parse`` gives it, maps as large as the
            pictures; one row for each picture, for a few that follow each other, or for all.
        chosen: what the pictures' seeds choose where nothing is given; one row for each.
        seeds: of the pictures.
        numbers: of the pictures, among all of a call.
        known: the pixels to inpaint or outpaint from, of each picture; ``None`` for nothing.
        candidates: how often each picture is drawn; the best is kept.
        planner: draws a label map for each picture first; ``None`` where something says what is where already.
    """

    parts: PipelineParts
    canvas: Canvas
    given: dict[str, Tensor]
    chosen: dict[str, Tensor]
    seeds: list[int]
    numbers: list[int]
    known: KnownPixels | None = None
    candidates: int = 1
    planner: LabelPlanner | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the pictures in pixels."""
        return self.canvas.size

    @cached_property
    def followed(self) -> dict[str, Tensor]:
        """What the pictures follow, given, chosen or planned.

        Where pixels are known, what makes these likeliest is chosen, and nothing is planned.
        """
        chosen = dict(self.chosen)
        if self.known is not None:
            for name in self.chosen:
                chosen[name] = self._likeliest(name, self.given | chosen)
        elif self.planner is not None:
            chosen |= self.planner.plan(self.parts.conditions, self.given | chosen, self.size, self.seeds)
        return self.given | chosen

    @cached_property
    def condition(self) -> Any:
        """What the sampler takes, for each candidate of each picture."""
        return self._condition(self.followed, self.candidates)

    @cached_property
    def kept(self) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """The tokens that are known, int64, and where, bool: (B · candidates, h, w) each."""
        if self.known is None:
            return None, None
        tokens, keep = self.known.tokens(self.parts.vqgan, self.canvas)
        return tokens.repeat_interleave(self.candidates, dim=0), keep.repeat_interleave(self.candidates, dim=0)

    def warn_of_lost_detail(self) -> None:
        """Says so where the tokenizer gives what is known of a picture back worse than those that it was trained on."""
        least = self.parts.vqgan.config.least_psnr
        if self.known is None or least is None:
            return
        tokens, _ = self.kept
        assert tokens is not None
        for number, picture in enumerate(self.known.pictures):
            again = number > 0 and torch.equal(picture, self.known.pictures[number - 1])  # several pictures of one
            if again or self.known.area[number].all():
                continue
            grid = tokens[number * self.candidates][None]
            psnr = self.known.psnr(number, self.decode(grid, composite=False)[0])
            if psnr < least:
                warn(
                    f"the tokenizer gives what is known of this picture back with {psnr:.1f} dB PSNR, while pictures like "
                    f"those that it was trained on have {least:g} dB and more: what is painted will not look like what "
                    "is kept. For photographs take a checkpoint that was trained on some: `vqgan-transformer models` "
                    "lists released ones (docs/models.md)."
                )

    def draw_rows(self, callback: Callback | None = None) -> Iterator[tuple[int, Tensor]]:
        """As :func:`draw`, for one candidate each; yields how many rows are complete, and the token grids so far."""
        tokens, keep = self.kept
        return self.parts.sampler.rows(
            self.parts.gpt,
            self.condition,
            self.canvas.grid,
            seed=self.seeds,
            codebook_size=self.parts.vqgan.codebook_size,
            tokens=tokens,
            keep=keep,
            callback=callback,
        )

    @torch.no_grad()
    def decode(self, tokens: Tensor, *, composite: bool = True) -> Tensor:
        """The pictures that token grids stand for, cut to the size asked for.

        Args:
            tokens: int64 (B, h, w).
            composite: put the known pixels back.

        Returns:
            float32 (B, 3, H, W), about [-1, 1], on the CPU.
        """
        (height, width), vqgan = self.size, self.parts.vqgan
        # one picture at a time: decoding takes the most memory of all
        grids = (grid[None] for grid in tokens.to(self.parts.device))
        pictures = torch.cat([vqgan.decode(grid)[..., :height, :width].float().cpu() for grid in grids])
        return pictures if self.known is None or not composite else self.known.composite(pictures)

    def log_likelihood(self, tokens: Tensor, callback: Callback | None = None) -> Tensor:
        """The mean log-likelihood of the tokens (B, h, w) of each picture in nats, float64 (B,)."""
        return self.parts.sampler.log_likelihood(self.parts.gpt, self.condition, tokens, callback=callback)

    @property
    def conditions(self) -> dict[str, Tensor]:
        """What each picture follows, by the condition's name: one row for each."""
        count = len(self.seeds)
        return {
            name: rows.expand(count, *rows.shape[1:])
            if len(rows) == 1
            else rows.repeat_interleave(count // len(rows), 0)
            for name, rows in self.followed.items()
        }

    def best(self, drawn: Tensor) -> Tensor:
        """Of each picture's candidates (B · n, h, w) the one that makes the kept tokens after it likeliest: (B, h, w)."""
        _, keep = self.kept
        if keep is None or self.candidates == 1:
            return drawn
        likelihood = self._plain_likelihood(self.condition, drawn)
        # those before the first drawn one, in raster order, have seen no candidate
        after = ((~keep).flatten(1).cumsum(1) > 0).view_as(keep)
        scores = (likelihood * (keep & after)).sum((1, 2)).view(-1, self.candidates)
        rows = torch.arange(len(scores)) * self.candidates + scores.argmax(1)
        return drawn[rows.to(drawn.device)]

    def _condition(self, followed: dict[str, Tensor], candidates: int) -> Any:
        seeds = [seed for seed in self.seeds for _ in range(candidates)]
        return self.parts.inputs.read(followed, self.canvas, seeds)

    def _likeliest(self, name: str, followed: dict[str, Tensor]) -> Tensor:
        """For each picture, of the classes that have its colour, the one under which what is known of it is likeliest.

        Where nothing is known of a picture, its own.
        """
        tokens, keep = self.kept
        assert tokens is not None and keep is not None and self.known is not None
        condition, chosen = self._condition(followed, 1), followed[name].clone()
        for picture in range(len(chosen)):
            row = picture * self.candidates
            if keep[row].any():
                given = {kind: rows[picture : picture + 1] for kind, rows in condition.items()}
                possible = self.parts.condition(name).may_have(self.known.mean_colour(picture))
                chosen[picture] = self._likeliest_of(name, given, tokens[row], keep[row], possible)
        return chosen

    def _likeliest_of(self, name: str, given: dict[str, Tensor], tokens: Tensor, keep: Tensor, possible: Tensor) -> int:
        """Of the possible classes, bool (classes,), that of one picture (h, w): told from where most of it is known."""
        size = [min(CLASS_PART, side) for side in keep.shape]
        shares = F.avg_pool2d(keep[None].float(), size, stride=1)[0]
        corner = divmod(int(shares.argmax()), shares.shape[1])
        cells, pixels = (
            tuple(slice(scale * start, scale * (start + side)) for start, side in zip(corner, size, strict=True))
            for scale in (1, self.canvas.factor)
        )
        labels = possible.nonzero()[:, 0]
        inside: tuple[Any, ...] = (..., *pixels)
        part = {kind: rows if rows.ndim == 1 else rows[inside] for kind, rows in given.items()}
        condition = {kind: rows.expand(len(labels), *rows.shape[1:]) for kind, rows in part.items()}
        condition[name] = labels.to(given[name].device)
        likelihood = self._plain_likelihood(condition, tokens[cells].expand(len(labels), -1, -1))
        return int(labels[(likelihood * keep[cells].cpu()).sum((1, 2)).argmax()])

    def _plain_likelihood(self, condition: Any, tokens: Tensor) -> Tensor:
        """The log-likelihood of each token by what the model itself says of it, without guidance."""
        plain = self.parts.sampler.with_settings(guidance_scale=1.0, condition_strength={})
        return plain.token_log_likelihood(self.parts.gpt, condition, tokens)


def draw(batches: Sequence[PictureBatch], callback: Callback | None = None) -> list[Tensor]:
    """Draws the token grids of pictures of one call, together whatever their sizes.

    Args:
        batches: of one call, one for each size.
        callback: as for a call of the pipeline; it sees all candidates of a picture, one after another.

    Returns:
        int64 (B, h, w) for each batch.
    """
    parts = batches[0].parts

    def report(drawn: int, total: int, so_far: list[Tensor]) -> None:
        assert callback is not None
        callback(drawn, total, in_order(batches, so_far))

    tokens, keep = zip(*(batch.kept for batch in batches), strict=True)
    grids = parts.sampler(
        parts.gpt,
        [batch.condition for batch in batches],
        [batch.canvas.grid for batch in batches],
        seed=[
            seed
            for batch in batches
            for picture_seed in batch.seeds
            for seed in candidate_seeds(picture_seed, batch.candidates)
        ],
        codebook_size=parts.vqgan.codebook_size,
        tokens=tokens,
        keep=keep,
        callback=None if callback is None else report,
    )  # fmt: skip
    return [batch.best(grid) for batch, grid in zip(batches, grids, strict=True)]


def in_order(batches: Sequence[PictureBatch], results: Sequence[Any]) -> Any:
    """What belongs to the pictures of each batch: as it is where there is one batch, else a list in the call's order.

    Args:
        batches: of one call.
        results: for each batch a tensor or list, with equally many entries for each picture.
    """
    if len(batches) == 1:
        return results[0]
    entries = {}
    for batch, result in zip(batches, results, strict=True):
        each = len(result) // len(batch.numbers)
        for index, number in enumerate(batch.numbers):
            entries[number] = result[index * each : (index + 1) * each]
    return [entry for number in sorted(entries) for entry in entries[number]]
