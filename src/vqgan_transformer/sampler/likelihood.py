"""How likely the GPT finds given tokens, each seen from the window it would be drawn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from ..gpt.model import CondGPT
from .guidance import Guidance
from .reader import scored
from .schedule import GridPosition
from .windows import TokenGrid

__all__ = ["window_log_likelihood"]

ROWS_AT_ONCE = 16
"""Windows that are read in one batch; more gain nothing on a CPU and take memory for the logits."""


def window_log_likelihood(
    gpt: CondGPT,
    grid: TokenGrid,
    schedule: Iterable[list[GridPosition]],
    guidance: Guidance,
    strength: Mapping[str, float],
    callback: Callable[[int, int, Tensor], None] | None = None,
) -> Tensor:
    """Scores the tokens of a grid at all places of a schedule, whose order plays no part since all tokens are known.

    Each window is read once, up to its last place, and together with others that draw the same places of theirs; after
    each such batch ``callback`` hears the number of places scored, their total and a copy of what is found so far.

    Returns:
        float64 (B, h, w), log-likelihoods; zero at places that are not in the schedule.
    """
    width = grid.window[1]
    places_of: dict[tuple[int, int, int], list[GridPosition]] = defaultdict(list)
    for places in schedule:
        for place in places:
            places_of[place.window].append(place)
    alike: dict[tuple[int, ...], list[list[GridPosition]]] = defaultdict(list)
    for places in places_of.values():
        alike[tuple(place.prefix(width) for place in places)].append(places)
    likelihood = torch.zeros(grid.tokens.shape, dtype=torch.float64)
    at_once = max(1, ROWS_AT_ONCE // len(grid.tokens))
    done, total = 0, sum(map(len, places_of.values()))
    for inside, windows in alike.items():
        for start in range(0, len(windows), at_once):
            some = windows[start : start + at_once]
            scores = _scores(gpt, grid, some, list(inside), guidance, strength)  # (n, B, N)
            for places, score in zip(some, scores.cpu().double(), strict=True):
                likelihood[:, [place.row for place in places], [place.col for place in places]] = score
            done += len(some) * len(inside)
            if callback is not None:
                callback(done, total, likelihood.clone())
    return likelihood


def _scores(
    gpt: CondGPT,
    grid: TokenGrid,
    windows: list[list[GridPosition]],
    inside: list[int],
    guidance: Guidance,
    strength: Mapping[str, float],
) -> Tensor:
    """The log-likelihoods of tokens ``inside`` each of n windows: (n, B, N)."""
    seen = torch.cat(
        [torch.cat((grid.crop(last, 0), grid.tokens[:, last.row, last.col, None]), 1) for *_, last in windows]
    )  # (n·B, T)
    shown = grid.condition.to(seen.device)
    condition = gpt.conditioning.joined(torch.cat, [shown.window(place.top, place.left) for place, *_ in windows])
    logits = gpt(seen, condition, strength=strength, size=grid.window)[:, inside]  # (n·B, N, V)
    poorer = [gpt.conditioning.without(condition, comparison.dropped) for comparison in guidance.comparisons]
    logits = torch.cat(
        [logits, *(gpt(seen, other, strength=strength, size=grid.window)[:, inside] for other in poorer)]
    )
    tokens = seen[:, inside]
    grown = guidance.growth([index / (grid.window[0] * grid.window[1]) for index in inside])
    grown = grown if grown is None else grown.to(logits.device)  # (N, 1)
    return torch.unflatten(scored(guidance.applied(logits, grown), tokens), 0, (len(windows), -1))
