"""The seed of each picture, and of the candidates for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

__all__ = ["candidate_seeds", "picture_seeds"]


def picture_seeds(
    seed: int | Sequence[int] | None,
    count: int,
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
) -> list[int]:
    """A seed for each of ``count`` pictures.

    Args:
        seed: of the first picture, picture k gets seed + k; or a sequence with one for each; ``None`` draws one.
        count: number of pictures.
        generator: draws the seed instead; a sequence draws one for each picture.

    Returns:
        numbers in 0..2^64-1.

    Raises:
        TypeError: for a seed that is no whole number.
        ValueError: for a seed out of range, a sequence of another length, or both ways at once.
    """
    if seed is not None and generator is not None:
        raise ValueError("give either seed= or generator=, not both.")
    if isinstance(generator, Sequence):
        seed = [_draw(one) for one in generator]
    elif seed is None:
        seed = _draw(generator)
    if isinstance(seed, bool | str) or not isinstance(seed, int | Sequence):
        raise TypeError(f"seed is a whole number, or a list with one for each picture, got {seed!r}.")
    seeds = [seed + k for k in range(count)] if isinstance(seed, int) else list(seed)
    if len(seeds) != count:
        raise ValueError(f"{len(seeds)} seeds or generators for {count} pictures: give one, or one for each picture.")
    if any(isinstance(one, bool) or not isinstance(one, int) for one in seeds):
        raise TypeError(f"seeds are whole numbers, got {seeds!r}.")
    if any(not 0 <= one < 2**64 for one in seeds):
        raise ValueError(f"seeds lie in 0..2^64-1, got {seeds}.")
    return seeds


def _draw(generator: torch.Generator | None) -> int:
    # far enough below the end for every picture of a batch
    device = generator.device if generator is not None else None
    return int(torch.randint(2**63 - 2**32, (), generator=generator, device=device))


def candidate_seeds(seed: int, count: int) -> list[int]:
    """Seeds of the candidates among which a picture is chosen: its own, then others that follow from it.

    Args:
        seed: the picture's, 0..2^64-1.
        count: number of candidates.
    """
    # the sampler's noise has the key (seed, 0), the order of a layout's objects (seed, 1)
    words = np.random.Philox(key=np.array([seed, 2], np.uint64)).random_raw(count)
    return [seed, *(int(word) for word in words[1:])]
