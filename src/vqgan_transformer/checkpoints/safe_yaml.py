"""Reads yaml files as data, within bounds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from ..errors import CheckpointError, UnsafeFileError, shortened
from ..storage.file_kinds import JSON, refuse_other_kinds
from .yaml_references import resolved

__all__ = ["read_yaml"]

MOST_BYTES = 2**18
MOST_NODES = 50_000
"""Values in a file, each counted as often as aliases repeat it."""

KINDS = tuple(
    f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map", "merge", "value")
)
LONGEST_NUMBER = 40
"""Letters of a number; yaml adds up those with colons, as of hours and minutes, in quadratic time."""


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a yaml file, references followed; tags that stand for Python objects are refused.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if it is no yaml, or no mapping.
        UnsafeFileError: if it is out of proportion, aliases written out included.
    """
    refuse_other_kinds(path, JSON)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UnsafeFileError(f"{path} has {size} bytes; the config of a checkpoint has at most {MOST_BYTES}.")
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8-sig"))
        node = loader.get_single_node()
        if node is not None:
            _count(node, path)
        data = loader.construct_document(node) if node is not None else None
        data = resolved(data, path) if isinstance(data, dict) else data
    except RecursionError as error:
        raise CheckpointError(f"{path} cannot be read as plain yaml: it is nested too deeply") from error
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} cannot be read as plain yaml: {shortened(error, 500)}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} should hold a mapping (model: …), got {type(data).__name__}.")
    return data


def _count(node: yaml.Node, path: Path) -> None:
    """Refuses documents that are too large, or endless, once every alias is written out."""
    sizes: dict[int, int | None] = {}  # None: being counted, so meeting it again is a circle
    waiting = [node]
    while waiting:
        current = waiting[-1]
        _check_kind(current, path)
        children = _children(current)
        if id(current) not in sizes:
            sizes[id(current)] = None
            if any(sizes.get(id(child), 0) is None for child in children):
                raise UnsafeFileError(f"{path} has an alias for something that it is itself a part of.")
            waiting += [child for child in children if id(child) not in sizes]
            continue
        waiting.pop()
        if sizes[id(current)] is None:
            total = 1 + sum(sizes[id(child)] or 0 for child in children)
            if total > MOST_NODES:
                raise UnsafeFileError(f"{path} has more than {MOST_NODES} values once its aliases are written out.")
            sizes[id(current)] = total


def _check_kind(node: yaml.Node, path: Path) -> None:
    place = f"{path}, line {node.start_mark.line + 1}"
    if node.tag not in KINDS:
        if node.tag == "tag:yaml.org,2002:timestamp":
            node.tag = "tag:yaml.org,2002:str"  # a day is text: no setting of a model is one
            return
        raise CheckpointError(f"{place}: {shortened(node.tag)} is no plain value; yaml files are read as data only.")
    is_number = node.tag.endswith((":int", ":float"))
    if isinstance(node, yaml.ScalarNode) and is_number and len(node.value) > LONGEST_NUMBER:
        raise UnsafeFileError(f"{place}: a number of {len(node.value)} letters; no setting is one.")
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if len(set(keys)) < len(keys):
            [(twice, _)] = Counter(keys).most_common(1)
            raise CheckpointError(f"{place}: {shortened(twice)!r} is there twice.")


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
