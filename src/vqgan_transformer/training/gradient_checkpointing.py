"""Trading time for memory: activations that are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

__all__ = ["checkpoint_gradients"]


def checkpoint_gradients(modules: Iterable[nn.Module]) -> None:
    """Makes modules keep their inputs only."""
    for module in modules:
        module.__dict__["forward"] = partial(checkpoint, type(module).forward.__get__(module), use_reentrant=False)
