"""Flax's msgpack files: a tree of arrays. They are read whole, since the format cannot be entered in the middle."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import CheckpointError, UnsafeFileError, shortened, shown
from ...storage.file_kinds import refuse_other_kinds
from ...storage.weights import StoredTensor

__all__ = ["read_msgpack"]

ARRAY = 1
"""The extension type by which Flax marks an array: a packed (shape, dtype, bytes)."""

LARGEST = 16 * 2**30
MOST_ENTRIES = 100_000
MOST_AXES = 64
LONGEST_NAME = 1000
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}


def read_msgpack(path: Path) -> dict[str, StoredTensor]:
    """The arrays of a file by their path in the tree, joined by dots.

    Raises:
        ImportError: without the package msgpack.
        CheckpointError: for a file that is damaged, cut short, or no tree of arrays.
        UnsafeFileError: for one that is out of proportion.
    """
    try:
        import msgpack
    except ImportError as error:
        raise ImportError(
            f"{path} is a checkpoint of Flax, which needs the package msgpack: pip install 'vqgan_transformer[flax]'."
        ) from error
    refuse_other_kinds(path)
    size = path.stat().st_size
    if size > LARGEST:
        raise UnsafeFileError(f"{path} has {size} bytes; Flax checkpoints are read whole, up to {LARGEST}.")
    try:
        return _flattened(_Reader(msgpack).tree(path.read_bytes()))
    except (ValueError, TypeError, RecursionError, OverflowError, msgpack.UnpackException) as error:
        reason = f"{type(error).__name__}: {shortened(error)}"
        raise CheckpointError(f"{path} is damaged, or no checkpoint of Flax: {reason}. Download it again.") from error


class _Reader:
    """Unpacks a tree of arrays, and counts what it makes: an empty map takes one byte in the file and 64 in memory."""

    def __init__(self, msgpack: Any):
        self.msgpack = msgpack
        self.entries = 0

    def tree(self, data: bytes) -> Any:
        return self.msgpack.unpackb(
            data,
            ext_hook=self.array,
            object_pairs_hook=self.branch,
            list_hook=_refuse_list,
            strict_map_key=True,
            max_array_len=0,
            max_map_len=MOST_ENTRIES,
        )

    def branch(self, pairs: list[tuple[str | bytes, Any]]) -> dict[str | bytes, Any]:
        self.entries += 1 + len(pairs)
        if self.entries > MOST_ENTRIES:
            raise ValueError(f"more than {MOST_ENTRIES} entries")
        entries = dict(pairs)
        if len(entries) < len(pairs):
            raise ValueError("an entry that is there twice")
        return entries

    def array(self, code: int, data: bytes) -> StoredTensor:
        if code != ARRAY:
            raise ValueError(f"an extension of type {code}")
        # (shape, dtype, bytes); of lists within the shape there is no honest use, and no memory for many
        parts = self.msgpack.unpackb(data, max_array_len=MOST_AXES, max_map_len=0, max_ext_len=0, list_hook=_flat_list)
        if len(parts) != 3:
            raise ValueError(f"an array of {len(parts)} parts")
        shape, name, raw = parts
        if not isinstance(raw, bytes) or not all(type(length) is int and 0 <= length < 2**62 for length in shape):
            raise ValueError("an array whose sizes are no numbers")
        dtype = DTYPES.get(shortened(name))
        if dtype is None:
            raise ValueError(f"an array of type {shown(name)}")
        if math.prod(shape) * dtype.itemsize != len(raw):
            raise ValueError(f"an array of shape {tuple(shape)} in {len(raw)} bytes")
        return StoredTensor(tuple(shape), dtype, lambda: _tensor(raw, dtype, tuple(shape)))


def _refuse_list(items: list[Any]) -> Any:
    raise ValueError("a list instead of arrays by name")


def _flat_list(items: list[Any]) -> tuple[Any, ...]:
    # lists are made from the inside out: the shape is a tuple once it is inside the outer list
    if any(isinstance(item, tuple) for item in items[1:]):
        raise ValueError("an array with lists in its sizes")
    return tuple(items)


def _tensor(raw: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    return torch.frombuffer(bytearray(raw), dtype=dtype).view(shape) if raw else torch.empty(shape, dtype=dtype)


def _flattened(tree: Any) -> dict[str, StoredTensor]:
    if not isinstance(tree, dict):
        raise ValueError(f"{type(tree).__name__} instead of a tree")
    tensors: dict[str, StoredTensor] = {}
    waiting = [("", tree)]
    while waiting:
        prefix, branch = waiting.pop()
        for name, value in branch.items():
            name = name.decode("utf-8") if isinstance(name, bytes) else name
            if len(prefix) + len(name) > LONGEST_NAME:
                raise ValueError(f"a name of {len(prefix) + len(name)} letters")
            if isinstance(value, dict):
                waiting.append((f"{prefix}{name}.", value))
            elif isinstance(value, StoredTensor):
                tensors[f"{prefix}{name}"] = value
            else:
                raise ValueError(f"{prefix}{name} is {type(value).__name__}, no array")
    return tensors
