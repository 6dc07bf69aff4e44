"""Small networks that stand for Inception and LPIPS in the tests of evaluation; what two processes measure."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training_data import tokenizer
from vqgan_transformer import CondGPT, CondGPTConfig, ImageSynthesisPipeline, Unconditional
from vqgan_transformer.evaluation import evaluate_generation, evaluate_reconstruction, generate_samples


class Filters(nn.Module):
    """Six features of a picture."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(6, 3, 4, 4, generator=generator))

    def forward(self, pictures: Tensor) -> Tensor:
        return nn.functional.conv2d(pictures, self.weight, stride=4).relu().mean((2, 3))


class Difference(nn.Module):
    """The mean difference of two pictures."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return (first - second).abs().mean((1, 2, 3))


def painter() -> ImageSynthesisPipeline:
    """Paints from nothing: f = 4, a window of 4×4 tokens."""
    torch.manual_seed(3)
    config = CondGPTConfig(vocab_size=17, block_size=17, n_layer=1, n_head=2, n_embd=8, window=(4, 4), null_token=16)
    gpt = CondGPT(config).eval()
    nn.init.normal_(gpt.head.weight)
    return ImageSynthesisPipeline(tokenizer(), gpt, conditions=(Unconditional(),))


def measure(pictures: Path, others: Path, folder: Path) -> list[dict[str, Any]]:
    """Paints, and measures a tokenizer and samples, with a folder for each."""
    quiet: dict[str, Any] = {"inception": Filters(), "batch_size": 3, "progress": False}
    generate_samples(painter(), folder / "samples", 7, size=(16, 16), batch_size=2, progress=False)
    results = [
        evaluate_reconstruction(tokenizer(), pictures, lpips=Difference(), folder=folder / "reconstruction", **quiet),
        evaluate_generation(pictures, reference=others, folder=folder / "generation", device="cpu", **quiet),
    ]
    return [result.as_dict() for result in results]


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure(*map(Path, sys.argv[1:]))
