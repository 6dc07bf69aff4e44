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
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ...errors import CheckpointError, nearest_name

if TYPE_CHECKING:
    import torch

    from ...conditions import Condition
    from ...gpt.model import CondGPT
    from ...vqgan.model import VQGAN

__all__ = ["PipelineParts", "all_options", "families", "load_pipeline_parts", "read"]


@dataclass(frozen=True)
class PipelineParts:
    """What a pipeline is made of.

    Attributes:
        vqgan: of the pictures.
        gpt: draws their tokens.
        conditions: what it follows.
    """

    vqgan: VQGAN
    gpt: CondGPT
    conditions: tuple[Condition, ...]


def load_pipeline_parts(
    path: Path, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None, **options: Any
) -> PipelineParts:
    """All models of another program's checkpoint, in eval mode.

    Args:
        path: a local file or folder.
        dtype: of floating-point weights; by default float32, or float64 where the file has it.
        device: where to put the weights.
        **options: for the family.

    Raises:
        CheckpointError: if it cannot be loaded.
        TypeError: for an unknown option.
    """
    from ... import conditions
    from ...gpt.model import CondGPT
    from ...vqgan.model import VQGAN

    classes: dict[str, Any] = {"VQGAN": VQGAN, "CondGPT": CondGPT} | {
        name: getattr(conditions, name)
        for name in (
            "SegmentationCondition",
            "DepthCondition",
            "ClassCondition",
            "CoordinatesCondition",
            "Unconditional",
        )
    }
    parts = {
        part: classes[name].assemble(config, tensors, dtype=dtype, device=device, where=f"{path} ({part})")
        for part, (name, config, tensors) in read(path, "ImageSynthesisPipeline", options).items()
    }
    followed = tuple(model for part, model in parts.items() if part.startswith("conditions/"))
    return PipelineParts(parts["vqgan"], parts["gpt"], followed)


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
