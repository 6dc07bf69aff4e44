"""The conditions of many pictures: those of a data set, or lists of them, gone through in turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from ..images import open_picture
from ..pipeline.pipeline import ImageSynthesisPipeline
from ..training.data import DataError, Source, open_data

__all__ = ["ConditionsInTurn", "condition_value", "conditions_in_turn"]


@dataclass(frozen=True)
class ConditionsInTurn:
    """Conditions by index; after the last comes the first again.

    Attributes:
        kinds: the names of the conditions.
        names: of what each is from, for lists and messages.
        fingerprint: SHA-256 of them.
        source: a data set that they are read from, if they are.
        lists: for each kind that is given as a list, the list.
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    fingerprint: str
    source: Source | None = None
    lists: Mapping[str, Sequence[Any]] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """What a pipeline's call takes for one picture, by the names of the conditions."""
        index %= len(self)
        if self.source is not None:
            sample = self.source[index]
            return {kind: condition_value(sample, kind) for kind in self.kinds}
        return {kind: values[index % len(values)] for kind, values in (self.lists or {}).items()}

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
        read = tuple(kinds) if kinds is not None else tuple(known)
        if len(read) != 1 and kinds is None:
            raise ValueError(
                f"this checkpoint has the conditions {', '.join(sorted(known))}: say with kinds= which the data have."
            )
        source = open_condition_data(data, read)
        return ConditionsInTurn(read, source.names, source.fingerprint(), source), settings
    for name, value in lists.items():
        if isinstance(value, str | bytes) or not hasattr(value, "__len__") or not hasattr(value, "__getitem__"):
            raise TypeError(
                f"{name}= is a list here, gone through in turn, e.g. [{value!r}]; got {type(value).__name__}."
            )
        if not len(value):
            raise ValueError(f"{name}= is an empty list.")
    count = max((len(value) for value in lists.values()), default=1)
    digest = sha256(json.dumps({name: _digest(value) for name, value in lists.items()}).encode()).hexdigest()
    return ConditionsInTurn(tuple(lists), tuple(map(str, range(count))), digest, None, lists), settings


def open_condition_data(data: Any, kinds: Sequence[str]) -> Source:
    """The samples of data with some conditions; their pictures are read too, where there are any."""
    try:
        return open_data(data, ("image", *kinds))
    except (DataError, KeyError):
        return open_data(data, tuple(kinds))


def condition_value(sample: Mapping[str, Any], kind: str) -> Any:
    """What a pipeline takes for a condition of a sample."""
    value = sample[kind]
    if isinstance(value, Path) and value.suffix == ".npy":
        return np.load(value, allow_pickle=False)
    if kind == "keypoints" and isinstance(value, np.ndarray) and isinstance(sample.get("image"), str | Path):
        return _with_size(value, sample["image"])
    return value


def _with_size(people: np.ndarray, picture: str | Path) -> dict[str, Any]:
    """People in COCO's form, which says how large the picture is that their joints are pixels of."""
    opened = open_picture(picture, "image")
    return {
        "images": [{"id": 0, "file_name": Path(picture).name, "height": opened.height, "width": opened.width}],
        "annotations": [
            {"image_id": 0, "id": number, "category_id": 1, "keypoints": joints.ravel().tolist()}
            for number, joints in enumerate(people)
        ],
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
