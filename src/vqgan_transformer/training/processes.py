"""Sums, means and gatherings over the processes of a run; with one process, nothing happens."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = ["gather", "mean", "processes", "total"]


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def processes() -> int:
    """How many processes take part."""
    return dist.get_world_size() if _several() else 1


def total(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes; no gradient passes."""
    if not _several():
        return tensor
    summed = tensor.detach().clone()
    dist.all_reduce(summed)
    return summed


def mean(tensor: Tensor) -> Tensor:
    """The mean of a tensor over all processes; no gradient passes."""
    return total(tensor) / dist.get_world_size() if _several() else tensor


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes, in their order; each must bring the same number."""
    if not _several():
        return rows
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
