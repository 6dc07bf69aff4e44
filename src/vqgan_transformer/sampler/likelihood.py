"""How likely the GPT finds given tokens, each seen from the window it would be drawn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from ..gpt.model import CondGPT
from .guidance import Guidance
from .schedule import Place
from .windows import TokenGrid, WindowCondition

__all__ = ["token_log_likelihood"]

ROWS_AT_ONCE = 16
"""Windows that are read in one batch; more gain nothing on a CPU and take memory for the logits."""


def token_log_likelihood(gpt: CondGPT, grid: TokenGrid, schedule: Iterable[list[Place]], guidance: Guidance) -> Tensor:
    """Scores the tokens of a grid at all places of a schedule, whose order plays no part since all tokens are known.

    Each window is read once, up to its last place, and together with others that draw the same places of theirs.

    Returns:
        float64 (B, h, w), nats; zero at places that are not in the schedule.
    """
    width = gpt.config.window[1]
    places_of: dict[tuple[int, int, int], list[Place]] = defaultdict(list)
    for places in schedule:
        for place in places:
            places_of[place.window].append(place)
    alike: dict[tuple[int, ...], list[list[Place]]] = defaultdict(list)
    for places in places_of.values():
        alike[tuple(place.prefix(width) for place in places)].append(places)
    likelihood = torch.zeros(grid.tokens.shape, dtype=torch.float64)
    at_once = max(1, ROWS_AT_ONCE // len(grid.tokens))
    for inside, windows in alike.items():
        for start in range(0, len(windows), at_once):
            some = windows[start : start + at_once]
            scores = _scores(gpt, grid, some, list(inside), guidance)  # (n, B, N)
            for places, score in zip(some, scores.cpu().double(), strict=True):
                likelihood[:, [place.row for place in places], [place.col for place in places]] = score
    return likelihood


def _scores(gpt: CondGPT, grid: TokenGrid, windows: list[list[Place]], inside: list[int], guidance: Guidance) -> Tensor:
    """The log-likelihoods of tokens ``inside`` each of n windows: (n, B, N)."""
    seen = torch.cat(
        [torch.cat((grid.crop(last, gpt.config.window, 0), grid.tokens[:, last.row, last.col, None]), 1)
         for *_, last in windows]
    )  # (n·B, T)  # fmt: skip
    assert isinstance(grid.condition, WindowCondition)
    condition = torch.cat([grid.condition.window(place.top, place.left) for place, *_ in windows]).to(seen.device)
    logits = gpt(seen, condition)[:, inside]  # (n·B, N, V)
    if guidance.scales:
        logits = torch.cat((logits, gpt(seen, gpt.null_condition(condition))[:, inside]))
    logits = guidance.applied(logits.to(torch.promote_types(logits.dtype, torch.float32)))
    own = logits.log_softmax(-1).gather(-1, seen[:, inside, None])[..., 0]
    return own.unflatten(0, (len(windows), -1))
