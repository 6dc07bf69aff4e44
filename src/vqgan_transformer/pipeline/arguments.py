"""A call's free arguments, told apart: conditions by their kind, with their options, and settings of the sampler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from ..conditions import KINDS
from ..errors import nearest_name
from ..sampler.sampler import SamplerConfig
from .call_arguments import CallArguments
from .parts import PipelineParts

__all__ = ["Given", "show_arguments", "sort_arguments"]

Given = dict[str, tuple[Any, dict[str, Any]]]
"""What is passed for each kind of condition, by its name: the value, and its options."""

Method = TypeVar("Method", bound=Callable[..., Any])

_SETTINGS = [setting.name for setting in fields(SamplerConfig)]


def show_arguments(method: Method) -> Method:
    """Lists what a method's ``**arguments`` take by name in its signature, for ``help()`` and interactive completion."""
    signature = inspect.signature(method)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    free = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=..., annotation=kind)
        for name, kind in CallArguments.__annotations__.items()
        if name not in signature.parameters
    ]
    vars(method)["__signature__"] = signature.replace(parameters=[*own, *free])
    return method


def sort_arguments(
    parts: PipelineParts, arguments: Mapping[str, Any], method: Callable[..., Any]
) -> tuple[Given, dict[str, Any]]:
    """Tells a call's free arguments apart.

    Args:
        parts: of the pipeline.
        arguments: by name. Where several kinds that are passed have an option of the same name, it is given with its
            kind in front: ``segmentation_palette=``.
        method: that was called, whose own arguments are suggested, too.

    Returns:
        what is given for the conditions, and the settings of the sampler.

    Raises:
        TypeError: for a name that is none of these, a kind that the checkpoint lacks, several kinds for a model that
            follows one, and an option that could be that of several kinds.
        ValueError: where no kind is given, but one is needed.
    """
    by_name = {condition.name: condition for condition in parts.conditions}
    has = ", ".join(by_name)
    settings = {name: value for name, value in arguments.items() if name in _SETTINGS}
    # None stands for "not given", so that a caller may pass on an argument of its own
    given: Given = {
        name: (value, {}) for name, value in arguments.items() if name in by_name and value is not None
    }  # fmt: skip
    for name, value in arguments.items():
        if name in settings or name in by_name:
            continue
        if name in KINDS:
            raise TypeError(f"this checkpoint does not understand {name}; it takes {has}.")
        owners = [
            (kind, option) for kind in given for option in by_name[kind].option_names if name in _names(kind, option)
        ]
        if len(owners) > 1:
            spelt = " or ".join(f"{kind}_{option}=" for kind, option in owners)
            raise TypeError(f"{name}= could be meant for {' or '.join(kind for kind, _ in owners)}: pass {spelt}")
        if not owners:
            options = [option for kind in given for option in by_name[kind].option_names]
            own = [name for name in inspect.signature(method).parameters if name not in CallArguments.__annotations__]
            known = [*by_name, *options, *_SETTINGS, *own]
            raise TypeError(f"unknown argument {name!r}.{nearest_name(name, known)} This checkpoint takes {has}.")
        kind, option = owners[0]
        given[kind][1][option] = value
    parts.inputs.check_given(given)
    return given, settings


def _names(kind: str, option: str) -> tuple[str, str]:
    return option, f"{kind}_{option}"
