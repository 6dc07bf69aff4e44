"""What a family of foreign checkpoints consists of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...storage.weights import StoredTensor
from .opened import Opened

__all__ = ["Family", "Known", "Tensors"]

Tensors = dict[str, StoredTensor]
Known = tuple[str, Any, Tensors] | tuple[str, Any, Tensors, Path]
"""The name of one of our classes, its config, and its tensors by our names; and the file, where it is another one."""


@dataclass(frozen=True)
class Family:
    """Checkpoints that one program writes.

    Attributes:
        name: what ``format=`` takes.
        description: what it is, for messages and the documentation's table.
        examples: public checkpoints of it, as sources or names of files.
        gives: what can be done with a loaded one.
        checked: what its numbers were compared with.
        detect: whether something is of the family, by names and shapes of tensors, json and yaml; reads no tensor.
        readers: from the name of a class to a function ``(opened, *, option=...)`` that gives the class's config and
            its tensors by our names; for "ImageSynthesisPipeline" a :data:`Known` for each part.
        average: whether the program samples with the running average of its weights, where a file has both; ``None`` if
            there is no knowing.
        companions: names of files that a pipeline needs beside the one that is asked for.
    """

    name: str
    description: str
    examples: tuple[str, ...]
    gives: str
    checked: str
    detect: Callable[[Opened], bool]
    readers: Mapping[str, Callable[..., Any]]
    average: bool | None = None
    companions: tuple[str, ...] = ()

    def options(self, class_name: str) -> list[str]:
        """The options that one of its readers takes."""
        parameters = inspect.signature(self.readers[class_name]).parameters
        return [name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
