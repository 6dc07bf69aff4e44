"""Attention against convolution (paper, table 1): likelihood of the same tokens by a GPT and by convolutional priors.

    python benchmarks/paper/attention.py [--minutes 24] [--output outputs/paper]

Trains six priors from nothing on tokens of scenes, each for the same CPU time and with about the same number of parameters:
a GPT, gated convolutions (PixelCNN), and these with one attention (PixelSNAIL's ingredients); without a condition, and under
the label of each token's place. Prints negative log-likelihoods of held-out scenes beside the paper's. A script that was
stopped goes on. Needs matplotlib for the plot.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from convolutional_prior import ConvolutionalPrior
from results import Kept, plot, print_table
from scene_tokens import CODES, LABEL_COUNT, scene_tokens
from torch import Tensor, nn

from vqgan_transformer import CondGPT, CondGPTConfig

PAPER = {  # table 1: the GPT at equal steps, at equal time, PixelSNAIL
    "RIN": (4.78, 4.84, 4.96), "LSUN-CT": (4.63, 4.69, 4.89), "IN": (4.78, 4.83, 4.96),
    "D-RIN (depth)": (4.70, 4.78, 4.88), "S-FLCKR (labels)": (4.49, 4.57, 4.64),
}  # fmt: skip
BATCH, RATE = 16, 1e-3


class GPTPrior(nn.Module):
    """The package's GPT, behind a start token or behind the labels of all places."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.labels = labels
        config = CondGPTConfig(
            vocab_size=CODES, block_size=512 if labels else 256, n_layer=4, n_head=4, n_embd=128, window=(16, 16),
            residual_dropout=0.1, position="learned", condition_vocab_size=labels or 1,
        )  # fmt: skip
        self.gpt = CondGPT(config)

    def forward(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """int64 (B, h, w) twice -> logits (B, h, w, codes)."""
        condition = labels.flatten(1) if self.labels else torch.zeros(len(tokens), 1, dtype=torch.int64)
        return self.gpt(tokens, condition).view(*tokens.shape, -1)


MODELS: dict[str, Callable[[int], nn.Module]] = {
    "GPT": GPTPrior,
    "convolutions": lambda labels: ConvolutionalPrior(CODES, 92, 4, labels),
    "convolutions and attention": lambda labels: ConvolutionalPrior(CODES, 88, 4, labels, attention=True),
}


def train(
    name: str, labels: int, data: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor], seconds: float
) -> dict[str, Any]:
    """Trains a prior for so many CPU seconds; its held-out likelihood on the way."""
    torch.manual_seed(0)
    model = MODELS[name](labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.01)
    spent, step, curve = 0.0, 0, []
    while spent < seconds:
        begun = time.process_time()
        share = spent / seconds
        for group in optimizer.param_groups:  # a linear start, then a cosine over the time there is
            group["lr"] = RATE * min(1.0, (step + 1) / 50) * (0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2)
        rows = torch.randint(len(data[0]), (BATCH,))
        loss = F.cross_entropy(model.train()(data[0][rows], data[1][rows]).flatten(0, 2), data[0][rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        spent += time.process_time() - begun
        if len(curve) < 8 * spent / seconds:
            curve.append((spent, step, nats(model, held_out)))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"curve": curve, "nats": nats(model, held_out), "steps": step, "parameters": parameters, "seconds": spent}


@torch.no_grad()
def nats(model: nn.Module, held_out: tuple[Tensor, Tensor]) -> float:
    """Mean negative log-likelihood of a token."""
    model.eval()
    losses = [
        F.cross_entropy(model(tokens, labels).flatten(0, 2), tokens.flatten())
        for tokens, labels in zip(*(part.split(BATCH) for part in held_out), strict=True)
    ]
    return float(torch.stack(losses).mean())


def main(minutes: float, output: Path, scenes: int) -> None:
    data = scene_tokens(scenes, 0, output)
    held_out = scene_tokens(max(16, scenes // 25), 10_000_000, output)
    seconds = 60 * minutes / (2 * len(MODELS))
    kept = Kept(output / "attention.json", {"seconds": seconds, "scenes": scenes})
    counts = data[0].flatten().bincount(minlength=CODES) + 1.0
    unigram = float(-(counts / counts.sum()).log()[held_out[0].flatten()].mean())
    rows, curves = [], {}
    for labels, title in ((0, "none"), (LABEL_COUNT, "labels")):
        for name in MODELS:
            record = kept(f"{name}, {title}", lambda n=name, c=labels: train(n, c, data, held_out, seconds))
            curves[f"{name}, {title}"] = [(spent, value) for spent, _, value in record["curve"]]
            per_step = 1000 * record["seconds"] / record["steps"]
            rows.append((title, name, record["nats"], record["steps"], f"{per_step:.0f}", f"{record['parameters']:,}"))
    print(f"\nNats per token of held-out scenes after {seconds:.0f} CPU seconds each (counting codes: {unigram:.3f})\n")
    print_table(("condition", "prior", "nats", "steps", "ms a step", "parameters"), rows)
    print("\nThe paper (85 to 310 million parameters, photographs):\n")
    print_table(
        ("data", "GPT, equal steps", "GPT, equal time", "PixelSNAIL"),
        [(name, *values) for name, values in PAPER.items()],
    )
    print(
        "\nMay be concluded: which prior is likelier at this size, on these scenes, after this time. May not: that the order "
        "is the same for large models, other data or convergence; the paper's numbers are of other tokens, so that only the "
        "sign and size of differences compare."
    )
    plot(output / "attention.png", curves, "CPU seconds", "nats per token, held out")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=24, help="of CPU time for all six trainings")
    parser.add_argument("--scenes", type=int, default=2000, help="that are trained on")
    parser.add_argument("--output", type=Path, default=Path("outputs/paper"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    main(given.minutes, given.output, given.scenes)
