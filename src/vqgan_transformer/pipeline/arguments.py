"""A call's free arguments, told apart: conditions by their kind, with their options, and settings of the sampler."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

from ..conditions import KINDS, Condition
from ..errors import nearest_name
from ..sampler.sampler import SamplerConfig
from .call_arguments import CallArguments
from .other_words import advice
from .parts import PipelineParts

__all__ = ["Given", "show_arguments", "sort_arguments"]

Given = dict[str, tuple[Any, dict[str, Any]]]
"""What is passed for each kind of condition, by its name: the value, and its options."""

Method = TypeVar("Method", bound=Callable[..., Any])

_SETTINGS = [setting.name for setting in fields(SamplerConfig)]


def show_arguments(method: Method) -> Method:
    """Lists what a method's ``**arguments`` take by name in its signature, for ``help()`` and interactive completion.

    What is passed without a name, but needs one, is refused in words.
    """
    signature = inspect.signature(method)
    parameters = [
        parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD
    ]
    unnamed = sum(parameter.kind is parameter.POSITIONAL_OR_KEYWORD for parameter in parameters)
    free = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=..., annotation=kind)
        for name, kind in CallArguments.__annotations__.items()
        if name not in signature.parameters
    ]

    @functools.wraps(method)
    def named(*values: Any, **arguments: Any) -> Any:
        if len(values) > unnamed:
            kinds = " or ".join(f"{condition.name}=…" for condition in values[0].conditions)
            raise TypeError(f"conditions are passed by their names, {kinds}; got {type(values[unnamed]).__name__}.")
        return method(*values, **arguments)

    vars(named)["__signature__"] = signature.replace(parameters=[*parameters, *free])
    return cast(Method, named)  # the same arguments, but for the message


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
        what is given for the conditions, and the settings of the sampler; those for single kinds complete the
        checkpoint's own.

    Raises:
        TypeError: for a name that is none of these, a kind that the checkpoint lacks, several kinds for a model that
            follows one, an option of a kind that is not given, and one that could be that of several kinds.
        ValueError: where no kind is given, but one is needed, and for settings of kinds that are not given.
    """
    by_name = {condition.name: condition for condition in parts.conditions}
    settings = {name: value for name, value in arguments.items() if name in _SETTINGS}
    by_keyword = {word: kind for kind, condition in by_name.items() for word in (kind, *condition.keywords)}
    # None stands for "not given", so that a caller may pass on an argument of its own
    given: Given = {}
    for name, value in arguments.items():
        if name in by_keyword and value is not None:
            if by_keyword[name] in given:
                words = [word for word in arguments if by_keyword.get(word) == by_keyword[name]]
                raise TypeError(f"{' and '.join(f'{word}=' for word in words)} mean the same: pass one of them.")
            given[by_keyword[name]] = value, {}
    for name, value in arguments.items():
        if name in settings or name in by_keyword:
            continue
        owners = [
            (kind, option) for kind in given for option in by_name[kind].option_names if name in _names(kind, option)
        ]
        if len(owners) > 1:
            spelt = " or ".join(f"{kind}_{option}=" for kind, option in owners)
            raise TypeError(f"{name}= could be meant for {' or '.join(kind for kind, _ in owners)}: pass {spelt}")
        if not owners:
            raise TypeError(_unknown(name, parts, given, method))
        kind, option = owners[0]
        given[kind][1][option] = value
    parts.inputs.check_given(given)
    return given, _completed(settings, parts, given)


def _unknown(name: str, parts: PipelineParts, given: Given, method: Callable[..., Any]) -> str:
    """Why an argument is refused."""
    has = ", ".join(condition.name for condition in parts.conditions)
    if name in KINDS or any(name in kind.keywords for kind in KINDS.values()):
        return f"this checkpoint does not understand {name}; it takes {has}.{advice(name, ())}"
    lacking = [
        condition.name
        for condition in parts.conditions
        if any(name in _names(condition.name, option) for option in condition.option_names)
    ]
    if lacking:
        return f"{name}= is an option of {' or '.join(f'{kind}=' for kind in lacking)}, which is not given."
    if name in inspect.signature(type(parts).__call__).parameters:
        return f"{method.__name__} takes no {name}=; a call of the pipeline does."
    options = [option for condition in parts.conditions if condition.name in given for option in condition.option_names]
    parameters = [other for other in inspect.signature(method).parameters if other not in CallArguments.__annotations__]
    known = [*(condition.name for condition in parts.conditions), *options, *_SETTINGS, *parameters]
    suggestion = advice(name, known) or nearest_name(name, known)
    return f"unknown argument {name!r}.{suggestion} This checkpoint takes {has}."


def _completed(settings: dict[str, Any], parts: PipelineParts, given: Given) -> dict[str, Any]:
    """Settings with what the checkpoint says of other kinds, and checked against the kinds that are followed."""
    if settings.get("guidance_scale") == 0:
        raise ValueError(
            "guidance_scale=0 would paint as if nothing were given. Without guidance is guidance_scale=1; to leave a condition "
            "out, do not pass it."
        )
    for name, value in settings.items():
        if not isinstance(value, Mapping):
            continue
        for condition in parts.conditions:
            if condition.name in value and not _is_followed(condition, given):
                raise ValueError(f"{name} names {condition.name!r}, which is not given: pass {condition.name}=, too.")
        configured = getattr(parts.sampler.config, name)
        settings[name] = {**configured, **value} if isinstance(configured, Mapping) else dict(value)
    return settings


def _is_followed(condition: Condition, given: Given) -> bool:
    """Whether a kind is given, follows from the size, or is chosen by the seed."""
    return condition.name in given or not condition.needs_input or condition.chosen_by([0]) is not None


def _names(kind: str, option: str) -> tuple[str, str]:
    return option, f"{kind}_{option}"
