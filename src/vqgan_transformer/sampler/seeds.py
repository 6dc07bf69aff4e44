"""The seed of each picture, of the candidates for it, and of its plan."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["candidate_seeds", "picture_seeds", "plan_seed"]


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
        TypeError: for a seed that is no whole number, and a generator that is not torch's.
        ValueError: for a seed out of range, a sequence of another length, or both ways at once.
    """
    if seed is not None and generator is not None:
        raise ValueError("give either seed= or generator=, not both.")
    if seed is None:
        # below 2^32, so that JSON and spreadsheets do not round it
        seed = int(torch.randint(2**32 - min(count, 2**16), ())) if generator is None else _drawn_by(generator)
    first = _whole(seed)
    if first is not None:
        seeds = [first + k for k in range(count)]
    elif isinstance(seed, str) or not isinstance(seed, Iterable):
        raise TypeError(f"seed is a whole number, or a list with one for each picture, got {seed!r}.")
    else:
        given = list(seed)
        seeds = [number for number in map(_whole, given) if number is not None]
        if len(given) != count:
            raise ValueError(
                f"{len(given)} seeds or generators for {count} pictures: give one, or one for each picture."
            )
        if len(seeds) != count:
            raise TypeError(f"seeds are whole numbers, got {given!r}.")
    if any(not 0 <= number < 2**64 for number in seeds):
        raise ValueError(f"seeds lie in 0..2^64-1, got {seeds}.")
    return seeds


def _whole(value: Any) -> int | None:
    """A whole number of any type that stands for one."""
    if isinstance(value, bool) or getattr(value, "ndim", 0) > 0:
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _drawn_by(generator: torch.Generator | Sequence[torch.Generator]) -> int | list[int]:
    """The seed that a generator draws, or each of several."""
    generators: list[Any] = list(generator) if isinstance(generator, list | tuple) else [generator]
    for each in generators:
        if not isinstance(each, torch.Generator):
            raise TypeError(
                f"generator is a torch.Generator, or a list of them, got {type(each).__module__}.{type(each).__name__}. To paint the same picture "
                "again, pass seed=."
            )
    # far enough below the end for every picture of a batch
    seeds = [int(torch.randint(2**63 - 2**32, (), generator=each, device=each.device)) for each in generators]
    return seeds if isinstance(generator, list | tuple) else seeds[0]


def candidate_seeds(seed: int, count: int) -> list[int]:
    """Seeds of the candidates among which a picture is chosen: its own, then others that follow from it.

    Args:
        seed: the picture's, 0..2^64-1.
        count: number of candidates.
    """
    # the sampler's noise has the key (seed, 0), the order of a layout's objects (seed, 1)
    words = np.random.Philox(key=np.array([seed, 2], np.uint64)).random_raw(count)
    return [seed, *(int(word) for word in words[1:])]


def plan_seed(seed: int) -> int:
    """The seed of a picture's plan, whose noise has nothing to do with that of the picture's tokens.

    Args:
        seed: the picture's, 0..2^64-1.
    """
    # keys (seed, 0) to (seed, 2) are those of tokens, layouts and candidates
    return int(np.random.Philox(key=np.array([seed, 3], np.uint64)).random_raw())
