"""What a command line names: checkpoints to load, and what is passed for conditions."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .docstrings import argument_texts
from .options import Option, fields_as_options, parameters_as_options, prefixed
from .types import Source, Value

if TYPE_CHECKING:
    from ..conditions import Condition
    from ..pipeline import ImageSynthesisPipeline

__all__ = [
    "BUILTIN",
    "best_device",
    "condition_options",
    "condition_value",
    "given_for",
    "kinds",
    "load_pipeline",
    "make_condition",
    "making_options",
    "model_options",
    "place_of",
    "place_options",
    "reading_options",
]

BUILTIN = "builtin:scenes"
PLACE = ("subfolder", "filename", "format", "revision", "token", "cache_dir", "local_files_only")


def model_options() -> list[Option]:
    """Which pipeline a command works with, and where its models run."""
    group = "model"
    text = "a folder, a file, a run folder of the original program, a repository on the Hub, or builtin:scenes"
    return [
        Option("model", Source, BUILTIN, text, group),
        Option("device", str | None, None, "where the models run, e.g. cuda; by default a GPU if there is one", group),
        Option("dtype", str | None, None, "of the weights, e.g. bfloat16; by default as they are saved", group),
        *place_options(group),
    ]


def place_options(group: str) -> list[Option]:
    """Where in a source the weights are, and how a download is made."""
    return [
        Option("subfolder", str | None, None, "a folder inside the source", group),
        Option("filename", str | None, None, "of several files of weights the one that is meant", group),
        Option("format", str | None, None, "the family of the checkpoint; by default it is told from the file", group),
        Option("revision", str | None, None, "branch, tag or commit on the Hub", group),
        Option("token", str | None, None, "for private repositories on the Hub", group),
        Option("cache_dir", Path | None, None, "where downloads are kept", group),
        Option("local_files_only", bool, False, "use what has been downloaded, and nothing else", group),
    ]


def place_of(values: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``from_pretrained`` among what was given, taken out of it."""
    return {name: values.pop(name) for name in PLACE if name in values}


def load_pipeline(values: dict[str, Any]) -> ImageSynthesisPipeline:
    """The pipeline that was asked for, its options taken out of ``values``."""
    from ..pipeline import ImageSynthesisPipeline

    source, device = values.pop("model", BUILTIN), values.pop("device", None)
    options = {**place_of(values), **({"dtype": values.pop("dtype")} if "dtype" in values else {})}
    pipe: ImageSynthesisPipeline = ImageSynthesisPipeline.from_pretrained(source, **options)
    return pipe.to(best_device() if device is None else device)


def best_device() -> str:
    """A GPU where there is one."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def kinds() -> list[type[Condition]]:
    """The kinds of condition that the package knows."""
    from ..conditions.registry import KINDS

    return list(KINDS.values())


def condition_options() -> list[Option]:
    """A flag for each kind of condition, and for its options; those that two kinds have, also with the kind in front."""
    options: list[Option] = []
    taken: dict[str, Option] = {}
    for kind in kinds():
        if not kind.needs_input:
            continue
        value = Option(kind.name, Value, None, _value_text(kind), f"condition: {kind.name}", several=True)
        options.append(value)
        for option in reading_options(kind):
            if option.name in taken:
                first = taken[option.name]
                options += [*prefixed([first], first.group.removeprefix("condition: ")), *prefixed([option], kind.name)]
            else:
                taken[option.name] = option
                options.append(option)
    return options


def reading_options(kind: type[Condition]) -> list[Option]:
    """How what is passed for a condition is to be read."""
    return [option for option in parameters_as_options(kind.parse, f"condition: {kind.name}") if option.name != "size"]


def making_options(kind: type[Condition]) -> list[Option]:
    """What a new condition is made from, with the kind's name in front."""
    group, parameters = f"condition: {kind.name}", inspect.signature(kind).parameters
    named = [name for name, parameter in parameters.items() if parameter.kind is not parameter.VAR_KEYWORD]
    texts = argument_texts(kind.config_class)
    options = parameters_as_options(kind, group, named, {"vqgan": Source | None}, texts)
    if len(named) < len(parameters):  # the rest are fields of its config
        options += fields_as_options(kind.config_class, group, without=(*named, "vqgan"))
    return [replace(option, default=None) for option in prefixed(options, kind.name)]


def given_for(kind: type[Condition], values: Mapping[str, Any]) -> dict[str, Any]:
    """What was given to make a condition, by the names of its arguments."""
    names = {option.name: option.name.removeprefix(f"{kind.name}_") for option in making_options(kind)}
    return {names[name]: value for name, value in values.items() if name in names}


def make_condition(kind: type[Condition], values: Mapping[str, Any]) -> Condition:
    """A new condition from what was given."""
    from ..vqgan.model import VQGAN

    given = given_for(kind, values)
    if given.get("vqgan") is not None:
        given["vqgan"] = VQGAN.from_pretrained(given["vqgan"])
    return kind(**given)


def _value_text(kind: type[Condition]) -> str:
    from .docstrings import summary

    return f"{summary(kind).rstrip('.')}: files (pictures, .npy, .json) or values, one for all pictures or one for each"


def condition_value(value: Any) -> Any:
    """What was given for a condition, as a pipeline takes it: files of numbers and of JSON are read, pictures are not."""
    import json

    import numpy as np

    if isinstance(value, list):
        return [condition_value(item) for item in value]
    if isinstance(value, Path) and value.suffix == ".npy":
        return np.load(value, allow_pickle=False)
    if isinstance(value, Path) and value.suffix == ".json":
        return json.loads(value.read_text(encoding="utf-8"))
    return value
