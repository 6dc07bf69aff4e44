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
from . import (
    chameleon,
    controlar,
    diffusers,
    flax,
    ibq,
    ibq_ar,
    janus,
    latent_diffusion,
    llamagen,
    maskbit,
    muse,
    rar,
    taming,
)
from .family import Family
from .opened import Opened
from .refused_models import refuse
from .unrecognised import networks, unrecognised

__all__ = ["FAMILIES", "Opened", "all_options", "companions", "identify", "read", "table"]

COMMON = ("weights",)
"""Options of all families."""

FAMILIES: dict[str, Family] = {
    module.FAMILY.name: module.FAMILY
    for module in (
        chameleon,
        controlar,
        diffusers,
        flax,
        ibq_ar,
        ibq,
        janus,
        latent_diffusion,
        llamagen,
        maskbit,
        muse,
        rar,
        taming,
    )
}
"""The families by name, in the order in which a checkpoint is tried."""


def identify(opened: Opened, name: str | None = None) -> tuple[Opened, Family]:
    """The family that a checkpoint is of, and the network in it.

    Args:
        opened: the checkpoint.
        name: of the family, where the user knows better.

    Returns:
        the checkpoint, of its weights those that the family's program uses and of several parts the one with the network;
        and the family.

    Raises:
        CheckpointError: if no family knows it, or it is known and cannot be loaded.
        ValueError: for an unknown name, with the nearest one.
    """
    if name is not None and name not in FAMILIES:
        raise ValueError(f"there is no format {name!r}; known are {', '.join(FAMILIES)}.{nearest_name(name, FAMILIES)}")
    families = list(FAMILIES.values()) if name is None else [FAMILIES[name]]
    if name is None:
        refuse(opened)
    places = networks(opened)
    parts = [opened, *([opened.under(places[0])] if len(places) == 1 and places[0] else [])]
    for part in parts:
        for family in families:
            if _detects(family, part, said=name is not None):
                return part.sampled_with(family.average), family
    if name is not None:
        return parts[-1].sampled_with(families[0].average), families[0]
    for part in parts[1:]:
        refuse(part)
    raise unrecognised(parts[-1], [family.description for family in families])


def _detects(family: Family, opened: Opened, *, said: bool) -> bool:
    try:
        return family.detect(opened)
    except CheckpointError:  # it may be another family's: ask, unless that is said
        if said:
            return True
        raise


def read(path: Path, class_name: str, options: Mapping[str, Any], *, format: str | None = None) -> Any:
    """What the family that knows a file or folder finds in it.

    Args:
        path: a local file or folder.
        class_name: what is to be loaded from it.
        options: for the family, e.g. ``{"n_head": 16}``, and those of all families: "weights".
        format: the name of the family; by default it is detected.

    Returns:
        (config, tensors) of the class, or for a pipeline such a thing, with its class name in front, for each part.

    Raises:
        CheckpointError: if no family knows it, or it holds nothing of the class.
        TypeError: for an option that the family does not have.
        ValueError: for an unknown format.
    """
    options = dict(options)
    opened, family = identify(Opened(path, weights=options.pop("weights", None), format=format), format)
    if class_name not in family.readers:
        raise CheckpointError(
            f"{path} is {family.description}; it can be loaded as {' or '.join(family.readers)}, not as {class_name}."
        )
    known = family.options(class_name)
    for name in options:
        if name not in known:
            takes = ", ".join((*COMMON, *known))
            raise TypeError(
                f"unknown argument {name!r}: {class_name} from {path} takes {takes}.{nearest_name(name, (*COMMON, *known))}"
            )
    return family.readers[class_name](opened, **options)


def companions() -> list[str]:
    """Names of files that a pipeline of some family needs beside its own file."""
    return [name for family in FAMILIES.values() for name in family.companions]


def all_options() -> set[str]:
    """The options of all families."""
    return {
        *COMMON,
        *(name for family in FAMILIES.values() for kind in family.readers for name in family.options(kind)),
    }


def table() -> str:
    """The families as a table in Markdown."""
    rows = ["| `format=` | what | examples | gives | options | checked against |", "|---|---|---|---|---|---|"]
    for family in FAMILIES.values():
        options = sorted({f"`{name}`" for kind in family.readers for name in family.options(kind)})
        examples = ", ".join(f"`{example}`" for example in family.examples)
        cells = (f"`{family.name}`", family.description, examples, family.gives, ", ".join(options), family.checked)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"
