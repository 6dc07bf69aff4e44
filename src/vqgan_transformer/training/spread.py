"""Which of many samples are looked at: chosen at random, class by class, and always the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

from .samples import random_numbers

__all__ = ["folder_classes", "spread"]


def spread(classes: Sequence[Hashable], count: int, seed: int) -> list[int]:
    """Indices of up to so many samples: classes take turns, within each the choice is random.

    Args:
        classes: one for each sample.
        count: of indices, at most.
        seed: of the choice.
    """
    by_class: dict[Hashable, list[int]] = defaultdict(list)
    for index in random_numbers(seed, 9).permutation(len(classes)):
        by_class[classes[index]].append(int(index))
    turns = [(turn, position) for position, group in enumerate(by_class.values()) for turn in range(len(group))]
    groups = list(by_class.values())
    return [groups[position][turn] for turn, position in sorted(turns)[:count]]


def folder_classes(names: Sequence[str]) -> list[str]:
    """The first folder of each sample's name, which is its class where there are classes."""
    return [name.split("/")[0] if "/" in name else "" for name in names]
