"""Checkpoints of other programs, one file for each family.

A family is a module in this folder with

- ``DESCRIPTION``: what it reads, for messages;
- ``detect(path)``: whether a file or folder is of the family, by what is in it;
- ``READERS``: from the name of a class to a function ``(path, *, option=...)`` that gives the class's config and its
  tensors by our names; for "ImageSynthesisPipeline" from each part to its class name, config and tensors.

Adding a family is adding a file. Families are imported when a checkpoint is met that is not in our own format.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ...errors import CheckpointError, nearest_name

__all__ = ["all_options", "families", "read"]


def families() -> list[ModuleType]:
    """The modules of this folder that are families."""
    modules = [import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return [module for module in modules if hasattr(module, "READERS")]


def read(path: Path, class_name: str, options: Mapping[str, Any]) -> Any:
    """What the family that knows a file or folder finds in it.

    Args:
        path: a local file or folder.
        class_name: what is to be loaded from it.
        options: for the family, e.g. ``{"n_head": 16}``.

    Returns:
        (config, tensors) of the class, or for a pipeline such a thing, with its class name in front, for each part.

    Raises:
        CheckpointError: if no family knows it, or it holds nothing of the class.
        TypeError: for an option that the family does not have.
    """
    for family in families():
        if family.detect(path):
            break
    else:
        raise CheckpointError(
            f"{path} is no checkpoint that can be loaded. Known are: what save_pretrained writes (a folder with "
            f"config.json or model_index.json); {'; '.join(family.DESCRIPTION for family in families())}."
        )
    if class_name not in family.READERS:
        raise CheckpointError(
            f"{path} is {family.DESCRIPTION}; it can be loaded as {' or '.join(family.READERS)}, not as {class_name}."
        )
    reader = family.READERS[class_name]
    known = _options(reader)
    for name in options:
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no options"
            raise TypeError(f"unknown argument {name!r}: {class_name} from {path} {takes}.{nearest_name(name, known)}")
    return reader(path, **options)


def all_options() -> set[str]:
    """The options of all families."""
    return {name for family in families() for reader in family.READERS.values() for name in _options(reader)}


def _options(reader: Any) -> list[str]:
    return [name for name, p in inspect.signature(reader).parameters.items() if p.kind is p.KEYWORD_ONLY]
