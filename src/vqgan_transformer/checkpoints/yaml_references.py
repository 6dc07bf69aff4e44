"""References within a yaml file, ``${model.params.embed_dim}``, as OmegaConf and Hydra resolve them."""

from __future__ import annotations

import re
from typing import Any

from ..errors import CheckpointError, UnsafeFileError, shortened

__all__ = ["resolved"]

REFERENCE = re.compile(r"\$\{\s*(\.*)([\w.\-\[\]]*)\s*\}")
"""Dots in front go up from where the reference stands; the names behind go down."""

MOST_VALUES = 50_000
MOST_LETTERS = 2**20


def resolved(document: dict[str, Any], where: object) -> dict[str, Any]:
    """The same mapping with what its references stand for in their places.

    References to something outside of the file (``${oc.env:HOME}``) stay as they are: few matter for a model, and those
    are refused when they are read.

    Raises:
        CheckpointError: for references that stand for each other in a circle.
        UnsafeFileError: where the document grows out of proportion.
    """
    value: dict[str, Any] = _Resolver(document, where).value(document, (), ())
    return value


Place = tuple[str, ...]


class _Resolver:
    def __init__(self, document: dict[str, Any], where: object):
        self.document, self.where = document, where
        self.values = self.letters = 0

    def value(self, value: Any, place: Place, followed: tuple[Place, ...]) -> Any:
        """A value, and all in it, without references."""
        self.values += 1
        if self.values > MOST_VALUES:
            raise UnsafeFileError(f"{self.where} has more than {MOST_VALUES} values once its references are followed.")
        if isinstance(value, dict):
            return {key: self.value(inner, (*place, str(key)), followed) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, (*place, str(index)), followed) for index, inner in enumerate(value)]
        return self.text(value, place, followed) if isinstance(value, str) and "${" in value else value

    def text(self, text: str, place: Place, followed: tuple[Place, ...]) -> Any:
        whole = REFERENCE.fullmatch(text.strip())
        if whole is not None:
            return self.target(whole, place, followed)
        pieces = REFERENCE.sub(lambda match: str(self.target(match, place, followed)), text)
        self.letters += len(pieces)
        if self.letters > MOST_LETTERS:
            raise UnsafeFileError(
                f"{self.where} has more than {MOST_LETTERS} letters once its references are followed."
            )
        return pieces

    def target(self, reference: re.Match[str], place: Place, followed: tuple[Place, ...]) -> Any:
        """What a reference stands for; the reference itself, if that is not in the file."""
        upward, names = reference.groups()
        path = tuple(part for part in re.split(r"[.\[\]]+", names) if part)
        if upward:
            path = (*place[: max(len(place) - len(upward), 0)], *path)
        if path in followed or path == place[: len(path)]:
            raise CheckpointError(f"{self.where}: {shortened(reference[0])} refers to itself. Replace it by its value.")
        node: Any = self.document
        for name in path:
            if isinstance(node, dict):
                node = {str(key): value for key, value in node.items()}.get(name, _MISSING)
            elif isinstance(node, list) and name.isdecimal() and len(name) < 9 and int(name) < len(node):
                node = node[int(name)]
            else:
                node = _MISSING
        if node is _MISSING:
            return reference[0]
        return self.value(node, path, (*followed, path))


_MISSING = object()
