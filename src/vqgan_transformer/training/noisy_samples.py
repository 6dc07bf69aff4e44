"""What is random in a step of the second stage, drawn with the samples: it depends on neither batches nor processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..gpt.condition_input import ConditionInput
from ..gpt.config import CondGPTConfig
from .known_areas import random_known_area
from .samples import random_numbers
from .settings import GPTTraining

__all__ = ["NoisySamples", "kind_dropout"]


@dataclass(frozen=True)
class NoisySamples(Dataset[Any]):
    """Samples with what is random about them in training, all of it a function of (seed, epoch, index).

    Adds "keep" bool (h, w), where False "replacement" int64 (h, w) is read instead of the token; "dropped" bool (kinds,),
    which conditions are; "key" int64 (), of the dropout inside the GPT; and, for a GPT that reads known tokens, "known"
    bool (h, w).
    """

    samples: Any
    training: GPTTraining
    config: CondGPTConfig
    codebook_size: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        training, generator = self.training, random_numbers(self.training.seed, 4, *place)
        rates = kind_dropout(training, self.config)
        key, drop_all = int(generator.integers(2**62)), generator.random() < training.condition_dropout
        dropped = generator.random(len(rates)) < rates
        if drop_all:
            # tokens in front are one kind
            dropped |= np.array([kind.is_compared for kind in _kinds(self.config)] or [True])
        noise = {"key": torch.tensor(key), "dropped": torch.from_numpy(dropped)}
        if any(part.form == "tokens" for part in self.config.conditions):
            noise["known"] = torch.from_numpy(random_known_area(generator, self.config.window))
        pkeep = self.config.pkeep if training.pkeep is None else training.pkeep
        if pkeep < 1:
            noise["keep"] = torch.from_numpy(generator.random(self.config.window) < pkeep)
            noise["replacement"] = torch.from_numpy(generator.integers(self.codebook_size, size=self.config.window))
        return {**self.samples[place], **noise}


def _kinds(config: CondGPTConfig) -> list[ConditionInput]:
    """The kinds of condition that an aligned GPT reads."""
    return [part for part in config.conditions if part.form != "tokens"]


def kind_dropout(training: GPTTraining, config: CondGPTConfig) -> np.ndarray:
    """The probability with which each kind of condition is dropped by itself, (kinds,)."""
    kinds, rates = _kinds(config), training.kind_dropout
    if len(kinds) < 2:
        return np.zeros(1)
    if isinstance(rates, Mapping):
        return np.array([rates.get(kind.name, 0.0) for kind in kinds])
    return np.array([0.0 if kind.always_known else rates for kind in kinds])
