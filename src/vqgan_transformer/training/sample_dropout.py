"""Dropout that belongs to samples: which activations are dropped does not depend on batches or processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..vqgan.quantizer import GumbelQuantizer
from .samples import random_numbers

__all__ = ["KeyedSamples", "SampleDropout"]


@dataclass(frozen=True)
class KeyedSamples(Dataset[Any]):
    """Samples with a "key", int64 (), for what is random about them inside a model: a function of (seed, epoch, index).

    Attributes:
        samples: addressed by (epoch, index).
        seed: of the run.
    """

    samples: Any
    seed: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: tuple[int, int]) -> dict[str, Tensor]:
        key = int(random_numbers(self.seed, 8, *place).integers(2**62))
        return {**self.samples[place], "key": torch.tensor(key)}


class SampleDropout:
    """Replaces what a model's dropout layers do in training by masks that are functions of a key for each sample.

    Args:
        model: whose ``nn.Dropout`` layers are taken over, and the noise by which Gumbel's codes are drawn.

    Attributes:
        keys: int64 (B,) of the batch that is next; without them nothing is dropped.
    """

    def __init__(self, model: nn.Module) -> None:
        self.keys: Tensor | None = None
        self.layers = [module for module in model.modules() if isinstance(module, nn.Dropout) and module.p > 0]
        for number, layer in enumerate(self.layers):
            layer.__dict__["forward"] = self._masked(layer, number)
        for module in model.modules():
            if isinstance(module, GumbelQuantizer):
                module.__dict__["noise"] = self._gumbel_noise(module.noise)

    def _gumbel_noise(self, plain: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def noise(logits: Tensor) -> Tensor:
            if self.keys is None:
                return plain(logits)
            uniform = ((self._bits(logits, 0) >> 9).to(logits.dtype) + 0.5) / 2**23  # in float32, never 0 nor 1
            return -(-uniform.log()).log()

        return noise

    def _bits(self, values: Tensor, number: int) -> Tensor:
        """32 random bits for each element of a batch, as int64, in a layer of this number."""
        assert self.keys is not None
        words = _hash(self.keys + number * 0x632BE59BD9B4E019 % 2**62)  # (B,)
        places = torch.arange(values[0].numel(), device=values.device)
        return (_hash(words[:, None] + places) & 0xFFFFFFFF).view(values.shape)

    def _masked(self, layer: nn.Dropout, number: int) -> Callable[[Tensor], Tensor]:
        def forward(input: Tensor) -> Tensor:
            if not layer.training or self.keys is None:
                return input
            kept = self._bits(input, number + 1) >= int(layer.p * 2**32)
            return input * kept / (1 - layer.p)

        return forward


def _hash(x: Tensor) -> Tensor:
    """A finaliser of good mixing (SplitMix64, Steele et al. 2014) on int64, whose products wrap around."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -4658895280553007687
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -7723592293110705685
    return x ^ ((x >> 31) & 0x1FFFFFFFF)
