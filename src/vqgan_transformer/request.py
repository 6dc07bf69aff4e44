"""What a call of the pipeline asks for: its arguments told apart, checked, and fitted to the size of the picture."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from .conditions import Condition
from .errors import nearest_name
from .picture_size import same_aspect
from .sampler.sampler import SamplerConfig

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
    """What is to be painted.

    Attributes:
        given: what was passed for each kind of condition that is followed, by the kind's name: as its ``parse`` gives
            it, maps scaled to ``size``, all of one length or of length one.
        size: (height, width) of the pictures in pixels.
        settings: of the sampler.
    """

    given: dict[str, Tensor]
    size: Size
    settings: dict[str, Any]

    @property
    def count(self) -> int:
        """The number of pictures that the conditions are for; 1 where there are none."""
        return max((len(parsed) for parsed in self.given.values()), default=1)


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
    size: Size | None,
    *,
    resize: bool,
    several: bool,
    check_size: Callable[[Size], None],
) -> Request:
    """Reads and checks what was passed for the conditions, and fits it to the size of the picture.

    Args:
        conditions: those of the checkpoint.
        arguments: of the call.
        size: (height, width) of the picture; ``None`` for that of the maps.
        resize: stretch a map of another aspect than ``size``.
        several: whether the model can follow several conditions at once, or none of them.
        check_size: raises for a size that cannot be painted.

    Raises:
        TypeError: as the conditions' ``parse``.
        ValueError: as the conditions' ``parse``; for maps that do not fit the size, or each other; and where a
            condition or the size is lacking.
    """
    if size is not None:
        check_size(size)
    by_name = {condition.name: condition for condition in conditions}
    parsed: dict[str, Tensor] = {}
    # kinds that have to know the size come last, when the maps of others have told it
    for name in sorted(arguments.values, key=lambda name: _takes_size(by_name[name])):
        condition, value, options = by_name[name], arguments.values[name], arguments.options[name]
        if _takes_size(condition):
            options = {**options, "size": size}
        parsed[name] = condition.parse(value, **options)
        if condition.spatial:
            own = parsed[name].shape[-2], parsed[name].shape[-1]
            if size is None:
                size = own
                check_size(size)
            if not resize and not same_aspect(own, size):
                raise ValueError(
                    f"the {name} map is {own[0]}×{own[1]}, of another aspect than size={size}. Leave size out to "
                    "paint at the map's own size, or pass resize=True to stretch the map."
                )
            parsed[name] = condition.resize(parsed[name], size)
    if not parsed and not several and not any(has_default(condition) for condition in conditions):
        raise ValueError(f"this checkpoint paints from {conditions[0].name}: pass {conditions[0].name}=….")
    if size is None:
        names = " and ".join(parsed)
        reason = f"{names} does not say how large the picture is" if names else "there is no map that says it"
        raise ValueError(f"give size=(height, width): {reason}.")
    if not parsed:
        free = [condition for condition in conditions if has_default(condition)]
        defaults = {condition.name: condition.default(size) for condition in (free if several else free[:1])}
        parsed = {name: default for name, default in defaults.items() if default is not None}
    lengths = {name: len(one) for name, one in parsed.items()}
    if len({*lengths.values()} - {1}) > 1:
        counts = " and ".join(f"{count} of {name}" for name, count in lengths.items())
        raise ValueError(f"conditions are for different numbers of pictures, {counts}: give one, or one for each.")
    return Request(parsed, size, arguments.settings)


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
