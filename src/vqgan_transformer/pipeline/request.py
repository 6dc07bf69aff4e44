"""What a call of the pipeline asks for: its arguments told apart, checked, and fitted to the size of the picture."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from ..conditions import Condition
from ..errors import nearest_name
from ..geometry import same_aspect
from ..sampler.sampler import SamplerConfig

__all__ = ["Arguments", "Request", "fit", "sort_arguments"]

Size = tuple[int, int]

_SETTINGS = [setting.name for setting in fields(SamplerConfig)]


@dataclass(frozen=True)
class Arguments:
    """A call's free arguments, told apart.

    Attributes:
        values: what was passed for each kind of condition, by its name.
        options: the options of each of these kinds, by the kind's name.
        settings: of the sampler.
    """

    values: dict[str, Any]
    options: dict[str, dict[str, Any]]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What is to be painted: pictures of one size.

    Attributes:
        given: what was passed for each kind of condition that is followed, by the kind's name: as its ``parse`` gives
            it, maps scaled to ``size``, one for each picture, or one for all of them.
        size: (height, width) of the pictures in pixels.
        settings: of the sampler.
        pictures: their numbers among the pictures that the call's conditions are for.
    """

    given: dict[str, Tensor]
    size: Size
    settings: dict[str, Any]
    pictures: list[int]


def sort_arguments(
    conditions: Sequence[Condition],
    arguments: Mapping[str, Any],
    *,
    several: bool,
    kinds: Iterable[str],
    call: Iterable[str],
) -> Arguments:
    """Tells a call's free arguments apart.

    Args:
        conditions: those of the checkpoint.
        arguments: by name. Where several kinds that are passed have an option of the same name, it is given with its
            kind in front: ``segmentation_palette=``.
        several: whether the model can follow several conditions at once.
        kinds: names of all kinds of condition there are.
        call: names of the arguments that every call takes, to suggest them.

    Raises:
        TypeError: for a name that is none of these, a kind that the checkpoint lacks, several kinds for a model that
            follows one, and an option that could be that of several kinds.
    """
    by_name = {condition.name: condition for condition in conditions}
    has = ", ".join(by_name)
    settings = {name: value for name, value in arguments.items() if name in _SETTINGS}
    # None stands for "not given", so that a caller may pass on an argument of its own
    values = {name: value for name, value in arguments.items() if name in by_name and value is not None}
    if len(values) > 1 and not several:
        raise TypeError(f"this checkpoint follows one condition at a time, got {' and '.join(values)}.")
    # without input, the kinds that can do without
    read = list(values) or [name for name, condition in by_name.items() if has_default(condition)] or list(by_name)[:1]
    options: dict[str, dict[str, Any]] = {name: {} for name in by_name}
    for name, value in arguments.items():
        if name in settings or name in by_name:
            continue
        if name in kinds:
            raise TypeError(f"this checkpoint does not understand {name}; it takes {has}.")
        owners = [(kind, option) for kind in read for option in _options(by_name[kind]) if name in _names(kind, option)]
        if len(owners) > 1:
            spelt = " or ".join(f"{kind}_{option}=" for kind, option in owners)
            raise TypeError(f"{name}= could be meant for {' or '.join(kind for kind, _ in owners)}: pass {spelt}")
        if not owners:
            known = [*by_name, *(option for kind in read for option in _options(by_name[kind])), *_SETTINGS, *call]
            raise TypeError(f"unknown argument {name!r}.{nearest_name(name, known)} This checkpoint takes {has}.")
        kind, option = owners[0]
        options[kind][option] = value
    return Arguments(values, options, settings)


def fit(
    conditions: Sequence[Condition],
    arguments: Arguments,
    sizes: Sequence[Size],
    *,
    resize: bool,
    several: bool,
    check_size: Callable[[Size], None],
) -> list[Request]:
    """Reads and checks what was passed for the conditions, and fits it to the sizes of the pictures.

    Args:
        conditions: those of the checkpoint.
        arguments: of the call.
        sizes: (height, width) of each picture, or one for all; none for those of the maps.
        resize: stretch a map of another aspect than its picture.
        several: whether the model can follow several conditions at once, or none of them.
        check_size: raises for a size that cannot be painted.

    Returns:
        a request for each size, in the order in which sizes first occur.

    Raises:
        TypeError: as the conditions' ``parse``.
        ValueError: as the conditions' ``parse``; for maps that do not fit the size, or each other; and where a
            condition or the size is lacking.
    """
    for size in dict.fromkeys(sizes):
        check_size(size)
    by_name = {condition.name: condition for condition in conditions}
    if not arguments.values and not several and not any(has_default(condition) for condition in conditions):
        raise ValueError(f"this checkpoint paints from {conditions[0].name}: pass {conditions[0].name}=….")
    sizes, own_sizes = list(sizes), bool(sizes)
    parsed: dict[str, list[Tensor]] = {}
    # kinds that have to know the size come last, when the maps of others have told it
    for name in sorted(arguments.values, key=lambda name: _takes_size(by_name[name])):
        parsed[name] = _read(by_name[name], arguments.values[name], arguments.options[name], sizes)
        if by_name[name].spatial and not sizes:
            sizes = [(one.shape[-2], one.shape[-1]) for one in parsed[name]]
            for size in dict.fromkeys(sizes):
                check_size(size)
    if not sizes:
        names = " and ".join(parsed)
        reason = f"{names} does not say how large the picture is" if names else "there is no map that says it"
        raise ValueError(f"give size=(height, width): {reason}.")
    count = _number_of_pictures({"image": len(sizes)} if own_sizes else {}, parsed)
    by_size: dict[Size, list[int]] = {}
    for picture, size in enumerate(sizes if len(sizes) > 1 else sizes * count):
        by_size.setdefault(size, []).append(picture)
    requests = []
    for size, pictures in by_size.items():
        given = {name: _fitted(by_name[name], rows, pictures, size, resize) for name, rows in parsed.items()}
        if several or not given:
            given = _defaults(conditions, size, several) | given
        requests.append(Request(given, size, arguments.settings, pictures))
    return requests


def _read(condition: Condition, value: Any, options: Mapping[str, Any], sizes: Sequence[Size]) -> list[Tensor]:
    """What was passed for a kind of condition, as its ``parse`` gives it for each picture."""
    items, told = condition.items(value), [dict(options)]
    if _takes_size(condition):
        told = [{**options, "size": size} for size in sizes] or [{**options, "size": None}]
        if len(items) == 1 and len(set(sizes)) > 1:
            items = items * len(sizes)
    return [one for item, own in zip(items, cycle(told), strict=False) for one in condition.parse(item, **own).split(1)]


def _number_of_pictures(beside: Mapping[str, int], parsed: Mapping[str, Sequence[Tensor]]) -> int:
    """How many pictures conditions, and what is given beside them, are for."""
    lengths = {**beside, **{name: len(rows) for name, rows in parsed.items()}}
    if len({*lengths.values()} - {1}) > 1:
        counts = " and ".join(f"{count} of {name}" for name, count in lengths.items())
        raise ValueError(f"conditions are for different numbers of pictures, {counts}: give one, or one for each.")
    return max(lengths.values(), default=1)


def _fitted(condition: Condition, rows: Sequence[Tensor], pictures: Sequence[int], size: Size, resize: bool) -> Tensor:
    """What some pictures of one size follow: a row for each, or one for all."""
    rows = rows if len(rows) == 1 else [rows[picture] for picture in pictures]
    if condition.spatial:
        for height, width in (one.shape[-2:] for one in rows):
            if not resize and not same_aspect((height, width), size):
                raise ValueError(
                    f"the {condition.name} map is {height}×{width}, of another aspect than size={size}. Leave size out to "
                    "paint at the map's own size, or pass resize=True to stretch the map."
                )
        rows = [condition.resize(one, size) for one in rows]
    return rows[0] if len(rows) == 1 else torch.cat(list(rows))


def _defaults(conditions: Sequence[Condition], size: Size, several: bool) -> dict[str, Tensor]:
    """What stands for conditions of which nothing is passed: for each that has such a thing, or for the first."""
    free = [condition for condition in conditions if has_default(condition)]
    defaults = {condition.name: condition.default(size) for condition in (free if several else free[:1])}
    return {name: default for name, default in defaults.items() if default is not None}


def has_default(condition: Condition) -> bool:
    """Whether there is something that stands for a condition when nothing is passed."""
    return type(condition).default is not Condition.default


def _options(condition: Condition) -> list[str]:
    """The options of a condition: the keyword-only parameters of its parse method. The size is the pipeline's to give."""
    parameters = inspect.signature(condition.parse).parameters.items()
    return [name for name, p in parameters if p.kind is p.KEYWORD_ONLY and name != "size"]


def _names(kind: str, option: str) -> tuple[str, str]:
    return option, f"{kind}_{option}"


def _takes_size(condition: Condition) -> bool:
    return "size" in inspect.signature(condition.parse).parameters
