"""Checkpoints of other programs, one file for each family.

A family is a module in this folder with a ``FAMILY`` (:class:`.family.Family`): how it is detected, its configs, its
names of tensors. Adding a family is adding a file, and its line in :data:`FAMILIES`. The documentation's table of them is
:func:`table`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import CheckpointError, nearest_name
from . import chameleon, diffusers, flax, ibq, janus, latent_diffusion, llamagen, muse, taming
from .family import Family
from .opened import Opened
from .refused_models import refuse

__all__ = ["FAMILIES", "Opened", "all_options", "companions", "family_of", "read", "table"]


FAMILIES: dict[str, Family] = {
    module.FAMILY.name: module.FAMILY
    for module in (chameleon, diffusers, flax, ibq, janus, latent_diffusion, llamagen, muse, taming)
}
"""The families by name, in the order in which a checkpoint is tried."""


def family_of(opened: Opened, name: str | None = None) -> Family:
    """The family that a checkpoint is of.

    Args:
        opened: the checkpoint.
        name: of the family, where the user knows better.

    Raises:
        CheckpointError: if no family knows it, or it is known and cannot be loaded.
        ValueError: for an unknown name, with the nearest one.
    """
    if name is not None:
        if name not in FAMILIES:
            raise ValueError(
                f"there is no format {name!r}; known are {', '.join(FAMILIES)}.{nearest_name(name, FAMILIES)}"
            )
        return FAMILIES[name]
    refuse(opened)
    for family in FAMILIES.values():
        if family.detect(opened):
            return family
    raise CheckpointError(
        f"{opened.path} is no checkpoint that can be loaded. Known are: what save_pretrained writes (a folder with "
        f"config.json or model_index.json); {'; '.join(family.description for family in FAMILIES.values())}."
    )


def read(path: Path, class_name: str, options: Mapping[str, Any], *, format: str | None = None) -> Any:
    """What the family that knows a file or folder finds in it.

    Args:
        path: a local file or folder.
        class_name: what is to be loaded from it.
        options: for the family, e.g. ``{"n_head": 16}``.
        format: the name of the family; by default it is detected.

    Returns:
        (config, tensors) of the class, or for a pipeline such a thing, with its class name in front, for each part.

    Raises:
        CheckpointError: if no family knows it, or it holds nothing of the class.
        TypeError: for an option that the family does not have.
        ValueError: for an unknown format.
    """
    opened = Opened(path)
    family = family_of(opened, format)
    if class_name not in family.readers:
        raise CheckpointError(
            f"{path} is {family.description}; it can be loaded as {' or '.join(family.readers)}, not as {class_name}."
        )
    known = family.options(class_name)
    for name in options:
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no options"
            raise TypeError(f"unknown argument {name!r}: {class_name} from {path} {takes}.{nearest_name(name, known)}")
    return family.readers[class_name](opened, **options)


def companions() -> list[str]:
    """Names of files that a pipeline of some family needs beside its own file."""
    return [name for family in FAMILIES.values() for name in family.companions]


def all_options() -> set[str]:
    """The options of all families."""
    return {name for family in FAMILIES.values() for kind in family.readers for name in family.options(kind)}


def table() -> str:
    """The families as a table in Markdown."""
    rows = ["| `format=` | what | examples | gives | options | checked against |", "|---|---|---|---|---|---|"]
    for family in FAMILIES.values():
        options = sorted({f"`{name}`" for kind in family.readers for name in family.options(kind)})
        examples = ", ".join(f"`{example}`" for example in family.examples)
        cells = (f"`{family.name}`", family.description, examples, family.gives, ", ".join(options), family.checked)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"
