"""What was passed for several kinds of condition at once: read, maps first, since they tell others how large a picture is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from .condition import Condition

__all__ = ["read_together", "see_together"]


def read_together(
    given: Iterable[tuple[Condition, Any, Mapping[str, Any]]],
    sizes: Sequence[tuple[int, int]],
    check_sizes: Callable[[Sequence[tuple[int, int]]], None],
) -> tuple[dict[str, list[Tensor]], list[tuple[int, int]]]:
    """Reads what a user passes for some kinds.

    Args:
        given: each kind with what was passed for it, and the options of that.
        sizes: (height, width) of each picture, or one for all; none for those of the maps.
        check_sizes: raises for sizes that cannot be painted.

    Returns:
        by the kinds' names what ``parse`` gives for each picture; and the sizes, empty if nothing tells them.

    Raises:
        TypeError: as the conditions' ``parse``.
        ValueError: as the conditions' ``parse``.
    """
    rows: dict[str, list[Tensor]] = {}
    known = list(sizes)
    for condition, value, options in sorted(given, key=lambda entry: entry[0].takes_size):
        rows[condition.name] = condition.read(value, options, known)
        if condition.spatial and not known:
            known = [(row.shape[-2], row.shape[-1]) for row in rows[condition.name]]
            check_sizes(known)
    return rows, known


def see_together(given: Iterable[tuple[Condition, Mapping[str, Any]]], rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is followed when each kind has seen the others: see :meth:`.Condition.beside`.

    Args:
        given: each kind, with its options.
        rows: by the kinds' names what ``parse`` gave, for pictures of one size.
    """
    seen, kinds = dict(rows), list(given)
    for condition, options in kinds:
        seen |= condition.beside(seen, [other for other, _ in kinds if other is not condition], options)
    return seen
