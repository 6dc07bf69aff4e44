"""Weights in several files, by an index that says which tensor is in which."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..errors import CheckpointError, UnsafeFileError, shortened
from .config_json import LARGEST_JSON, read_json
from .inside import stay_inside
from .weights import StoredTensor, listed, read_safetensors

__all__ = ["read_sharded", "read_weights", "shards_with_vqgan"]

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def read_weights(folder: Path) -> Mapping[str, StoredTensor] | None:
    """What the safetensors files of a folder hold, in one file or in shards; ``None`` if there are none.

    Reads headers only. One file wins over an index beside it, as in other libraries.

    Raises:
        CheckpointError: for files that are missing, damaged or cut short.
        UnsafeFileError: for an index that points out of the folder.
    """
    if (folder / WEIGHTS).exists():
        return read_safetensors(folder / WEIGHTS)
    return read_sharded(folder / INDEX) if (folder / INDEX).exists() else None


def read_sharded(
    index: Path,
    only: Iterable[str] | None = None,
    *,
    ending: str = ".safetensors",
    read: Callable[[Path], Mapping[str, StoredTensor]] = read_safetensors,
) -> dict[str, StoredTensor]:
    """What the shards hold that an index lists.

    Args:
        index: the JSON file.
        only: names of shards to look into; by default all.
        ending: of the shards' names.
        read: what looks into a shard.

    Raises:
        CheckpointError: for shards that are missing, damaged or cut short.
        UnsafeFileError: for an index that points out of its folder.
    """
    folder, weight_map = index.parent, _weight_map(index)
    shards: dict[str, Mapping[str, StoredTensor]] = {}
    for name in sorted(set(weight_map.values() if only is None else only)):
        shard = stay_inside(folder, name)
        if shard.suffix != ending:
            raise UnsafeFileError(f"{index} names the shard {shortened(name)!r}; its shards are {ending} files.")
        if not shard.is_file():
            raise CheckpointError(
                f"{index} names the shard {shortened(name)!r}, which is missing from {folder}. Download it again."
            )
        shards[name] = read(shard)
    wanted = {tensor: name for tensor, name in weight_map.items() if name in shards}
    lost = [f"{tensor} ({name})" for tensor, name in wanted.items() if tensor not in shards[name]]
    if lost:
        raise CheckpointError(f"{index} places tensors in shards that do not hold them: {listed(lost)}.")
    return {tensor: shards[name][tensor] for tensor, name in wanted.items()}


def shards_with_vqgan(index: Path) -> list[str]:
    """The shards that matter to us: those with a VQGAN, if it is a part of a larger model, otherwise all."""
    weight_map = _weight_map(index)
    parts = {name.removesuffix("encoder.conv_in.weight") for name in weight_map if _ENCODER.search(name)}
    # in alphabetical order a name follows the part that it begins with, and only names that begin so lie between
    outermost: list[str] = []
    for part in sorted(parts):
        if not outermost or not part.startswith(outermost[-1]):
            outermost.append(part)
    matter = set() if "" in parts else {shard for name, shard in weight_map.items() if _begins(name, outermost)}
    return sorted(matter or set(weight_map.values()))


def _begins(name: str, beginnings: list[str]) -> bool:
    """Whether a name begins with one of these, which are sorted and none of which begins with another."""
    place = bisect_right(beginnings, name) - 1
    return place >= 0 and name.startswith(beginnings[place])


_ENCODER = re.compile(r"(^|\.)encoder\.conv_in\.weight$")


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json(index, LARGEST_JSON).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(f"{index} has no weight_map from tensor names to file names. Save or download it again.")
    return weight_map
