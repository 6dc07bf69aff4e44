"""From the words of a command line, and the values of a settings file, to the types that functions declare."""

from __future__ import annotations

import dataclasses
import json
import os
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from ..errors import CheckpointError
from ..storage.config_json import from_json

__all__ = [
    "Source",
    "UsageError",
    "Value",
    "choices_of",
    "described",
    "from_word",
    "is_flag",
    "members",
    "read_as",
    "simple_type",
]


class UsageError(Exception):
    """What was typed is not understood; the exit status is 2."""


class Source(str):
    """A folder or file, or the name of something that is none, such as a checkpoint on the Hub."""

    __slots__ = ()


class Value(str):
    """What is passed for a condition: a file, or a number, a name or a list."""

    __slots__ = ()


def simple_type(hint: Any) -> Any:
    """A type hint in terms of what a settings file can hold: sequences become tuples, other classes become Any."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (Any, None, type(None), bool, int, float, str, Path, Source, Value):
        return hint
    if origin is Literal:
        return hint
    if origin in (Union, types.UnionType):
        members = [simple_type(member) for member in arguments]
        return Any if Any in members else Union[tuple(members)]  # noqa: UP007 - made at run time
    if origin in (tuple, list, Sequence):
        inner = tuple(argument if argument is Ellipsis else simple_type(argument) for argument in arguments)
        made: Any = tuple  # indexed at run time
        return made[inner if origin is tuple else (inner[0], ...)]
    if origin in (dict, Mapping) and arguments[0] is not Any:  # what has any keys, such as colours, is no list of names
        return dict[str, simple_type(arguments[1])]  # type: ignore[misc]  # made at run time
    return Any


def literal(choices: Iterable[str]) -> Any:
    """The type of values that are one of some words."""
    made: Any = Literal  # indexed at run time
    return made[tuple(choices)]


def repeated(hint: Any) -> Any:
    """The type of lists."""
    made: Any = tuple
    return made[hint, ...]


def members(hint: Any) -> list[Any]:
    """The types of a union, or the one type."""
    return [*get_args(hint)] if get_origin(hint) in (Union, types.UnionType) else [hint]


def choices_of(hint: Any) -> list[Any]:
    """The values of a Literal; empty for other types."""
    return [choice for member in members(hint) if get_origin(member) is Literal for choice in get_args(member)]


def is_flag(hint: Any) -> bool:
    """Whether an option is switched on and off: ``--flip`` and ``--no-flip``."""
    return set(members(hint)) <= {bool, type(None)}


def described(hint: Any) -> str:
    """A type as help shows it, such as ``N`` or ``N,N``."""
    if choices := choices_of(hint):
        return "{" + ",".join(map(str, choices)) + "}"
    names = {int: "N", float: "X", str: "TEXT", Path: "FILE", Source: "SOURCE", Value: "VALUE", Any: "VALUE"}
    shown = []
    for member in members(hint):
        if get_origin(member) is tuple:
            inner = get_args(member)
            first = described(inner[0])
            shown.append(f"{first},…" if inner[-1] is Ellipsis else ",".join(described(part) for part in inner))
        elif get_origin(member) is dict:
            shown.append("NAME:X,…")
        elif member in names:
            shown.append(names[member])
    return "|".join(dict.fromkeys(shown))


def from_word(hint: Any, word: str) -> Any:
    """A word of the command line as the value that a settings file would hold.

    ``none`` stands for no value, ``1,2`` for a list, ``a:1,b:2`` for a mapping where the option takes one; anything that
    is neither a number, a list nor another JSON value is text.
    """
    types_ = members(hint)
    if word in choices_of(hint):
        return word
    if word.casefold() in ("none", "null") and (type(None) in types_ or Any in types_):
        return None
    if set(types_) <= {str, Path, Source, type(None)}:
        return word
    try:
        return json.loads(word)
    except ValueError:
        pass
    kinds = {get_origin(member) for member in types_}
    if dict in kinds and ":" in word:
        pairs = [part.partition(":") for part in word.split(",")]
        return {name.strip(): from_word(Any, value.strip()) for name, _, value in pairs}
    if (tuple in kinds and "," in word) or (Any in types_ and _is_list_of_numbers(word)):
        return [from_word(Any, part.strip()) for part in word.split(",")]
    return word


def _is_list_of_numbers(word: str) -> bool:
    parts = word.split(",")
    return len(parts) > 1 and all(part.strip().lstrip("-").replace(".", "", 1).isdigit() for part in parts)


def read_as(hint: Any, value: Any, where: str, folder: Path) -> Any:
    """A value checked against a type; files are found from a folder.

    Args:
        hint: what the option takes, as :func:`simple_type` gives it.
        value: of a settings file or :func:`from_word`.
        where: what it is, for messages.
        folder: that relative paths start from.

    Raises:
        UsageError: for a value of another type.
    """
    kinds = members(hint)
    if Value in kinds:
        return _located_within(value, folder)
    if Source in kinds or Path in kinds:
        return _located(value, folder, must=Path in kinds)
    [only, *others] = [member for member in kinds if member is not type(None)]
    is_list = get_origin(only) is tuple and get_args(only)[-1] is Ellipsis and not others
    if is_list and value is not None and not isinstance(value, list | tuple):
        value = [value]
    if get_origin(hint) is tuple and get_args(hint)[0] in (Path, Source):
        return [_located(item, folder, must=get_args(hint)[0] is Path) for item in value]
    holder = dataclasses.make_dataclass("option", [("value", hint)])
    try:
        return from_json(holder, {"value": value}, where).value
    except CheckpointError as error:
        raise UsageError(str(error).replace(f"{where}: value", where, 1)) from error


def _located_within(value: Any, folder: Path) -> Any:
    """A value, its strings that are names of files as paths."""
    if isinstance(value, list | tuple):
        return [_located_within(item, folder) for item in value]
    return _located(value, folder, must=False)


def _located(value: Any, folder: Path, *, must: bool) -> Any:
    """A path, if the value is one: always where it must be, else where there is such a file or folder."""
    if not isinstance(value, str | os.PathLike):
        return value
    path = folder / Path(value).expanduser()
    try:
        there = must or (path.exists() and value != "")
    except (OSError, ValueError):  # longer than a name may be: no path
        there = False
    return path if there else value
