"""What a cached step of each form of GPT costs beside one of LlamaGen's with equally many parameters.

    python benchmarks/generator_steps.py             # about a minute
    python benchmarks/generator_steps.py --layers 12 --steps 60

Steps of one token for one picture, float32, random weights, timed alternately; medians of the CPU's seconds with one
thread. The other model has LlamaGen's blocks and as many layers, and is as wide as makes its parameters equal.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch

from vqgan_transformer import CondGPT, CondGPTConfig
from vqgan_transformer.gpt import ConditionInput

LLAMA: dict[str, Any] = {"norm": "rms", "feed_forward": "swiglu", "bias": False, "position": "rope2d"}
CLASS: dict[str, Any] = {"block_size": 256, "condition_vocab_size": 1001, "null_token": 1000}
TEXT: dict[str, Any] = {
    "conditioning": "aligned", "downsample_factor": 16, "block_size": 120 + 255,
    "conditions": (ConditionInput("text", "embeddings", 512, length=120),),
}  # fmt: skip
FORMS: dict[str, dict[str, Any]] = {
    "IBQ-AR: norms modulated by the class": LLAMA | CLASS | {"modulation": "condition"},
    "RAR: norms modulated by class and step": CLASS
    | {
        "block_size": 257, "modulation": "condition_and_step", "start_token": True, "target_positions": True,
        "qk_norm": True, "norm_out_affine": False, "head_bias": True,
    },
    "ControlAR: caption in front, features before three blocks": LLAMA
    | TEXT
    | {"conditions": (*TEXT["conditions"], ConditionInput("segmentation", "labels", 182))},
}  # fmt: skip


def made(width: int, layers: int, fields: dict[str, Any]) -> CondGPT:
    if fields.get("conditioning") == "aligned":
        fields = fields | {"condition_layers": (0, layers // 3, 2 * layers // 3)}
    torch.manual_seed(0)
    return CondGPT(CondGPTConfig(4096, n_layer=layers, n_head=width // 64, n_embd=width, **fields)).eval()


def parameters(gpt: CondGPT) -> int:
    """Those of the blocks and the head, which a step reads."""
    read = [gpt.blocks, gpt.head, *([gpt.modulator] if gpt.modulator is not None else [])]
    return sum(parameter.numel() for part in read for parameter in part.parameters())


def as_large(gpt: CondGPT, layers: int, like: dict[str, Any]) -> CondGPT:
    """LlamaGen's blocks, behind the same number of positions in front, with about as many parameters."""
    fields = LLAMA | (TEXT if like.get("conditioning") == "aligned" else CLASS)
    widths = range(256, 1536, 64)
    width = min(widths, key=lambda width: abs(12 * width**2 * layers + 4096 * width - parameters(gpt)))
    best = made(width, layers, fields)
    hidden = best.config.hidden_width + (parameters(gpt) - parameters(best)) // (3 * width * layers)
    return made(width, layers, fields | {"feed_forward_width": hidden})


class Steps:
    """Steps of one token, one after another."""

    def __init__(self, gpt: CondGPT):
        self.gpt, self.seconds = gpt, list[float]()
        condition: Any = torch.tensor([[3]])
        if gpt.config.conditions:
            condition = {"text": torch.randn(1, 120, 512), "text_mask": torch.arange(120)[None] >= 90}
        self.cache = gpt.start(condition)

    def run(self) -> None:
        start = time.process_time()
        self.gpt.extend(self.cache, torch.tensor([[7]]))
        self.seconds.append(time.process_time() - start)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--steps", type=int, default=120)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, fields in FORMS.items():
        gpt = made(options.width, options.layers, fields)
        other = as_large(gpt, options.layers, fields)
        both = Steps(gpt), Steps(other)
        for _ in range(options.steps):
            for steps in both:
                steps.run()
        ours, llamagen = (1e3 * statistics.median(steps.seconds[10:]) for steps in both)
        sizes = f"{parameters(gpt) / 1e6:.1f} and {parameters(other) / 1e6:.1f} M"
        print(f"{name:60} {ours:6.2f} ms, LlamaGen {llamagen:6.2f} ms ({sizes}): {ours / llamagen:.2f}x")


if __name__ == "__main__":
    main()
