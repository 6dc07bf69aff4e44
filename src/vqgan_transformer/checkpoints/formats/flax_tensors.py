"""Flax's msgpack files: a tree of arrays. They are read whole, since the format cannot be entered in the middle."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import CheckpointError, UnsafeFileError
from ...storage.weights import StoredTensor

__all__ = ["read_msgpack"]

ARRAY = 1
"""The extension type by which Flax marks an array: a packed (shape, dtype, bytes)."""

LARGEST = 16 * 2**30
MOST_ENTRIES = 100_000
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
    size = path.stat().st_size
    if size > LARGEST:
        raise UnsafeFileError(f"{path} has {size} bytes; Flax checkpoints are read whole, up to {LARGEST}.")
    try:
        tree = msgpack.unpackb(
            path.read_bytes(),
            ext_hook=lambda code, data: _array(msgpack, code, data),
            strict_map_key=True,
            max_array_len=MOST_ENTRIES,
            max_map_len=MOST_ENTRIES,
        )
        return _flattened(tree)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise CheckpointError(f"{path} is damaged, or no checkpoint of Flax: {error!r}. Download it again.") from error


def _array(msgpack: Any, code: int, data: bytes) -> StoredTensor:
    if code != ARRAY:
        raise ValueError(f"an extension of type {code}")
    shape, name, raw = msgpack.unpackb(data)
    if not isinstance(raw, bytes) or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("an array whose sizes are no numbers")
    dtype = DTYPES.get(str(name))
    if dtype is None:
        raise ValueError(f"an array of type {name!r}")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError(f"an array of shape {tuple(shape)} in {len(raw)} bytes")
    return StoredTensor(tuple(shape), dtype, lambda: _tensor(raw, dtype, tuple(shape)))


def _tensor(raw: bytes, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    return torch.frombuffer(bytearray(raw), dtype=dtype).view(shape) if raw else torch.empty(shape, dtype=dtype)


def _flattened(tree: Any) -> dict[str, StoredTensor]:
    if not isinstance(tree, dict):
        raise ValueError(f"{type(tree).__name__} instead of a tree")
    found: dict[str, StoredTensor] = {}
    waiting = [("", tree)]
    while waiting:
        prefix, branch = waiting.pop()
        for name, value in branch.items():
            if isinstance(value, dict):
                waiting.append((f"{prefix}{name}.", value))
            elif isinstance(value, StoredTensor):
                found[f"{prefix}{name}"] = value
            else:
                raise ValueError(f"{prefix}{name} is {type(value).__name__}, no array")
    return found
