"""Reading an aligned GPT: every place once, its surroundings from a rolling cache, its conditions as features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from einops import rearrange
from torch import Tensor

from ..gpt.condition_dictionary import check_conditions, check_ids
from ..gpt.model import CondGPT
from .guidance import Guidance
from .schedule import Place
from .windows import TokenGrid

__all__ = ["AlignedCondition", "AlignedReader", "aligned_log_likelihood"]


class AlignedCondition:
    """The conditions of a batch of pictures, by name.

    Args:
        gpt: an aligned model, which says what fits.
        conditions: see :class:`~vqgan_transformer.gpt.config.ConditionInput`.
        size: (h, w) of the token grid, where it is known.
        batch: number of pictures, where there are no conditions to say it.

    Attributes:
        batch: number of pictures.
        size: (h, w) of the token grid; ``None`` where neither the call nor a map says it.

    Raises:
        TypeError: for conditions of other types.
        ValueError: for conditions that do not fit the model, each other or the size.
    """

    def __init__(self, gpt: CondGPT, conditions: Mapping[str, Tensor], size: tuple[int, int] | None, batch: int):
        own, self.size = check_conditions(gpt.config, conditions, size)
        check_ids(gpt.config, conditions)
        self.batch = batch if own is None else own
        self.by_name = dict(conditions)

    def know(self, gpt: CondGPT, tokens: Tensor, keep: Tensor) -> None:
        """Tells the model the tokens that stay, (B, h, w) each, on all sides of a place, if it reads known tokens."""
        for one in gpt.config.conditions:
            if one.form == "tokens" and one.name not in self.by_name:
                self.by_name[one.name] = tokens.where(keep, -1)

    def under(self, gpt: CondGPT, guidance: Guidance) -> dict[str, Tensor]:
        """The conditions of all pictures, and once more for each term of the guidance, without what it drops."""
        device = gpt.head.weight.device
        given = {name: one.to(device) for name, one in self.by_name.items()}
        everywhere = torch.ones(self.batch, dtype=torch.bool, device=device)
        versions = [given]
        for kinds in guidance.dropped:
            dropped = gpt.drop_condition(given, dict.fromkeys(kinds & given.keys(), everywhere))
            assert isinstance(dropped, dict)
            versions.append(dropped)
        return {name: torch.cat([version[name] for version in versions]) for name in given}


class AlignedReader:
    """Logits for places, which are asked for line by line.

    Args:
        gpt: an aligned model.
        grids: the pictures, with an :class:`AlignedCondition` each.
        guidance: what is dropped for comparison.
        strength: of conditions, by name.
    """

    def __init__(self, gpt: CondGPT, grids: Sequence[TokenGrid], guidance: Guidance, strength: Mapping[str, float]):
        self.gpt, self.grids = gpt, grids
        self.versions = 1 + len(guidance.dropped)
        self.caches = []
        for grid in grids:
            assert isinstance(grid.condition, AlignedCondition)
            conditions, batch = grid.condition.under(gpt, guidance), grid.condition.batch * self.versions
            self.caches.append(gpt.start(conditions, size=grid.size, batch=batch, strength=strength))

    def logits(self, places: list[Place]) -> Tensor:
        """Scores the places of the next line of each grid.

        Returns:
            float (rows, V): for each place a row for each picture of its grid; then all these rows once more for each
            term of the guidance.
        """
        scores = []
        for number, (grid, cache) in enumerate(zip(self.grids, self.caches, strict=True)):
            own = [place for place in places if place.grid == number]
            if own:
                rows, cols = torch.tensor([place[:2] for place in own], device=grid.tokens.device).T
                left = grid.tokens[:, rows, (cols - 1).clamp(min=0)]
                logits = self.gpt.extend(cache, left.repeat(self.versions, 1))
                scores.append(rearrange(logits, "(g b) n v -> g (n b) v", g=self.versions))
        return torch.cat(scores, dim=1).flatten(0, 1)


def aligned_log_likelihood(gpt: CondGPT, grid: TokenGrid, guidance: Guidance, strength: Mapping[str, float]) -> Tensor:
    """Scores all tokens of a grid in one parallel pass.

    Returns:
        float64 (B, h, w), nats.
    """
    assert isinstance(grid.condition, AlignedCondition)
    tokens = grid.tokens.repeat(1 + len(guidance.dropped), 1, 1)
    logits = gpt(tokens, grid.condition.under(gpt, guidance), strength=strength)
    logits = guidance.applied(logits.to(torch.promote_types(logits.dtype, torch.float32)))
    return logits.log_softmax(-1).gather(-1, grid.tokens[..., None])[..., 0].cpu().double()
