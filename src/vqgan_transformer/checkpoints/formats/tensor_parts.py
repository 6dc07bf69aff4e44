"""Parts of stored tensors, which are cut when they are read."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ...storage.weights import StoredTensor

__all__ = ["chunks", "reshaped", "rows"]


def rows(tensor: StoredTensor, start: int, stop: int, axis: int = 0) -> StoredTensor:
    """Entries ``start`` up to ``stop`` along an axis."""
    shape = (*tensor.shape[:axis], stop - start, *tensor.shape[axis + 1 :])
    return StoredTensor(shape, tensor.dtype, lambda: tensor.read().narrow(axis, start, stop - start).clone())


def reshaped(tensor: StoredTensor, *shape: int) -> StoredTensor:
    """The same numbers in another shape."""
    return StoredTensor(shape, tensor.dtype, lambda: tensor.read().reshape(shape))


def chunks(tensor: StoredTensor, order: Sequence[int]) -> StoredTensor:
    """As many equal parts along the first axis as there are numbers, in their order."""

    def read() -> torch.Tensor:
        parts = tensor.read().chunk(len(order))
        return torch.cat([parts[number] for number in order])

    return StoredTensor(tensor.shape, tensor.dtype, read)
