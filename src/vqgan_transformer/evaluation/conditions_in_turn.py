"""The conditions of many pictures: those of a data set, or lists of them, gone through in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ..conditions import Condition
from ..errors import DataError
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..training.data import Source, open_data

__all__ = ["ConditionsInTurn", "conditions_in_turn", "loaded", "open_condition_data"]


@dataclass(frozen=True)
class ConditionsInTurn:
    """Conditions by index; after the last comes the first again.

    Attributes:
        kinds: the names of the conditions.
        names: of what each is from, for lists and messages.
        fingerprint: SHA-256 of them.
        lists: for each kind that is given as a list, the list.
        source: a data set that they are read from, if they are.
        conditions: that are read from it.
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    fingerprint: str
    lists: Mapping[str, Sequence[Any]]
    source: Source | None = None
    conditions: tuple[Condition, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """What a pipeline's call takes for one picture, by the names of the conditions."""
        index %= len(self)
        if self.source is not None:
            sample = loaded(self.source[index])
            return {condition.name: condition.call_value(sample) for condition in self.conditions}
        return {kind: values[index % len(values)] for kind, values in self.lists.items()}

    def described(self, index: int) -> dict[str, Any]:
        """The same in words, for a list of the pictures."""
        index %= len(self)
        if self.source is not None:
            plain = {kind: value for kind, value in self.source[index].items() if isinstance(value, str | int)}
            return {"from": self.names[index], **{kind: plain[kind] for kind in self.kinds if kind in plain}}
        values = self[index]
        return {kind: value for kind, value in values.items() if isinstance(value, str | int)}


def conditions_in_turn(
    pipe: ImageSynthesisPipeline, data: Any, kinds: Sequence[str] | None, arguments: Mapping[str, Any]
) -> tuple[ConditionsInTurn, dict[str, Any]]:
    """Tells the conditions of many pictures from the settings of a call.

    Args:
        pipe: that paints them.
        data: a folder or data set that they are read from, or ``None``.
        kinds: the names of those conditions; by default the pipeline's only one.
        arguments: of a call: conditions as lists, options, settings of the sampler.

    Returns:
        the conditions, and the other arguments.

    Raises:
        ValueError: where it is not clear which kinds are meant, and for empty lists.
        TypeError: for conditions that are no lists.
        DataError: for data without such maps.
    """
    known = {condition.name for condition in pipe.conditions}
    lists = {name: value for name, value in arguments.items() if name in known and value is not None}
    settings = {name: value for name, value in arguments.items() if name not in known}
    if data is not None and lists:
        raise ValueError(f"{', '.join(lists)} is given beside data=: leave one of the two out.")
    if data is not None:
        read = tuple(kinds) if kinds is not None else tuple(part.name for part in pipe.conditions if part.needs_input)
        if len(read) != 1 and kinds is None:
            raise ValueError(
                f"this checkpoint has the conditions {', '.join(read)}: say with kinds= which the data have."
            )
        parts = tuple(pipe.condition(kind) for kind in read)
        source = open_condition_data(data, read)
        return ConditionsInTurn(read, source.names, source.fingerprint(), {}, source, parts), settings
    for name, value in lists.items():
        if isinstance(value, str | bytes) or not hasattr(value, "__len__") or not hasattr(value, "__getitem__"):
            raise TypeError(
                f"{name}= is a list here, gone through in turn, e.g. [{value!r}]; got {type(value).__name__}."
            )
        if not len(value):
            raise ValueError(f"{name}= is an empty list.")
    count = max((len(value) for value in lists.values()), default=1)
    digest = sha256(json.dumps({name: _digest(value) for name, value in lists.items()}).encode()).hexdigest()
    return ConditionsInTurn(tuple(lists), tuple(map(str, range(count))), digest, lists), settings


def open_condition_data(data: Any, kinds: Sequence[str]) -> Source:
    """The samples of data with some conditions; their pictures are read too, where there are any."""
    try:
        return open_data(data, ("image", *kinds))
    except (DataError, KeyError):
        return open_data(data, tuple(kinds))


def loaded(sample: Mapping[str, Any]) -> dict[str, Any]:
    """A sample whose arrays are read from their files."""
    return {
        kind: np.load(value, allow_pickle=False) if isinstance(value, Path) and value.suffix == ".npy" else value
        for kind, value in sample.items()
    }


def _digest(values: Sequence[Any]) -> list[str]:
    """What tells one list of conditions from another."""
    digests = []
    for value in values:
        if isinstance(value, str | int | Path):
            digests.append(str(value))
        elif hasattr(value, "tobytes"):
            digests.append(sha256(np.asarray(value).tobytes()).hexdigest())
        else:
            digests.append(
                sha256(np.asarray(value).tobytes()).hexdigest() if np.asarray(value).dtype != object else repr(value)
            )
    return digests
