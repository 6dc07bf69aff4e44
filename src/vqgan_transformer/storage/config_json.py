"""Frozen dataclasses to JSON and back, strictly.

A config is data: what is written by :func:`to_json` is read by :func:`from_json` as an equal dataclass, and anything
else is an error that names the field.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import CheckpointError, nearest_name, shortened, shown
from .file_kinds import JSON, refuse_other_kinds

__all__ = ["from_json", "parse_json", "read_json", "to_json"]

Config = TypeVar("Config")

LARGEST_JSON = 16 * 2**20
"""Bytes of JSON that are read; the index of a model with a hundred thousand tensors has half of it."""

LARGEST_CONFIG = 2**20
"""Bytes of a config.json; the names of all classes of ImageNet-21k fit."""

LONGEST_NUMBER = 40
"""Digits of a whole number."""


def to_json(config: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON values: tuples become lists, nested dataclasses become objects."""
    return {field.name: _to_value(getattr(config, field.name)) for field in dataclasses.fields(config)}


def from_json(cls: type[Config], data: object, where: str) -> Config:
    """The dataclass ``cls`` with the fields that ``data`` gives.

    Args:
        cls: a dataclass whose fields are numbers, strings, booleans, ``None``, literals, tuples, dictionaries with
            string keys, dataclasses, or unions of these.
        data: what ``json`` made of a file. Lists become tuples; a whole number may stand for a float, but neither a
            boolean nor a string for a number.
        where: what the data is, for error messages, e.g. the path of the file.

    Raises:
        CheckpointError: for a field that is unknown, missing, of another type, or refused by the dataclass itself.
    """
    if not isinstance(data, dict):
        raise CheckpointError(f"{where} should hold a JSON object (the fields of {cls.__name__}), got {shown(data)}.")
    known = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]  # any dataclass
    for name in data:
        if name not in known:
            raise CheckpointError(
                f"{where}: {cls.__name__} has no field {shown(name)}.{nearest_name(shortened(name), known)}"
            )
    missing = [name for name, field in known.items() if name not in data and _is_required(field)]
    if missing:
        raise CheckpointError(f"{where}: {cls.__name__} needs {', '.join(missing)}, which the file does not give.")
    hints = get_type_hints(cls)
    values = {name: _from_value(hints[name], value, f"{where}: {name}") for name, value in data.items()}
    try:
        return cls(**values)
    except (ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{where}: {error}") from error


def read_json(path: Path, most: int = LARGEST_CONFIG) -> dict[str, Any]:
    """The JSON object in a file.

    Args:
        path: the file.
        most: bytes that it may have.

    Raises:
        CheckpointError: if the file holds no JSON object, or is too large to be one of a checkpoint's.
        FileNotFoundError: if there is no such file.
    """
    size = path.stat().st_size
    if size > most:
        raise CheckpointError(f"{path} has {size} bytes; a checkpoint's JSON file of this kind has at most {most}.")
    refuse_other_kinds(path, JSON)
    try:
        data = parse_json(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(
            f"{path} is not valid JSON ({shortened(error)}). It may be damaged or cut short: save or download it again."
        ) from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} should hold a JSON object, got {shown(data)}.")
    return data


def parse_json(data: bytes) -> Any:
    """What JSON says, where it says it once and in numbers that there are.

    Raises:
        ValueError: if it is no JSON, nested too deeply, has an entry twice, or a number that is infinite or none.
    """
    try:
        return json.loads(
            data.decode("utf-8"), parse_constant=_refuse, parse_int=_whole_number, object_pairs_hook=_object
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{shown(twice)} is there twice")
    return entries


def _whole_number(digits: str) -> int:
    # longer ones take time out of proportion, and no size is one
    return int(digits) if len(digits) <= LONGEST_NUMBER else _refuse(digits)


def _refuse(number: str) -> Any:
    raise ValueError(f"{shortened(number, 40)} is no number of a checkpoint")


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _to_value(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_json(value)
    if isinstance(value, tuple | list):
        return [_to_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _to_value(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a config: {value!r}")


def _from_value(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the type ``hint`` says, or a CheckpointError."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _from_union(hint, value, where)
    if origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in arguments):
            return value
    elif origin is tuple and isinstance(value, list | tuple):
        return _from_list(hint, value, where)
    elif origin is dict and isinstance(value, dict):
        return {key: _from_value(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return from_json(hint, value, where)
    elif hint is float and type(value) in (int, float):
        return float(value)
    elif hint in (int, str, bool) and type(value) is hint:
        return value
    elif hint is type(None) and value is None:
        return None
    raise CheckpointError(f"{where} should be {_described(hint)}, got {shown(value)}.")


def _from_list(hint: Any, value: list[Any] | tuple[Any, ...], where: str) -> tuple[Any, ...]:
    arguments = get_args(hint)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        raise CheckpointError(f"{where} should be {_described(hint)}, got {len(value)} values: {shown(value)}.")
    pairs = zip(arguments, value, strict=True)
    return tuple(_from_value(argument, item, f"{where}[{index}]") for index, (argument, item) in enumerate(pairs))


def _from_union(hint: Any, value: Any, where: str) -> Any:
    errors = []
    for choice in get_args(hint):
        try:
            return _from_value(choice, value, where)
        except CheckpointError as error:
            errors.append((choice, error))
    # where only one choice could have been meant, its own complaint says more than "should be A or B"
    meant = [error for choice, error in errors if _same_shape(choice, value)]
    raise (
        meant[0] if len(meant) == 1 else CheckpointError(f"{where} should be {_described(hint)}, got {shown(value)}.")
    )


def _same_shape(hint: Any, value: Any) -> bool:
    return (get_origin(hint) is tuple and isinstance(value, list)) or (
        dataclasses.is_dataclass(hint) and isinstance(value, dict)
    )


def _described(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_described(choice) for choice in arguments)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"a list ({_described(arguments[0])} each)"
        return f"a list of {len(arguments)} ({', '.join(_described(item) for item in arguments)})"
    names = {int: "a whole number", float: "a number", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(hint) or f"the fields of {getattr(hint, '__name__', hint)}"
