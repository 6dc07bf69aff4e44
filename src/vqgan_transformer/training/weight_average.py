"""The running average of a model's weights, which makes better pictures than any of the models it averages."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """An exponential average that starts as a plain mean, so that it is of use from the first steps on.

    Args:
        model: whose weights are averaged; its learned tables of codes are means already and are copied.
        decay: of the average in the long run; ``None`` keeps no average and :attr:`module` is the model itself.
    """

    def __init__(self, model: nn.Module, decay: float | None) -> None:
        self.decay, self.updates = decay, 0
        self.module: Any = model if decay is None else copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Takes the weights of another step."""
        if self.decay is None:
            return
        self.updates += 1
        rate = 1 - min(self.decay, self.updates / (self.updates + 10))
        for average, new in zip(self.module.parameters(), model.parameters(), strict=True):
            if new.requires_grad:
                average.lerp_(new.to(average.dtype), rate)
            else:
                average.copy_(new)

    def state_dict(self) -> dict[str, Any]:
        """What to save."""
        return {} if self.decay is None else {"updates": self.updates, "model": self.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes it back."""
        if self.decay is not None:
            self.updates = state["updates"]
            self.module.load_state_dict(state["model"])
