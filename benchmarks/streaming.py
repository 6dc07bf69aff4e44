"""How much memory a streamed panorama takes, each size in a process of its own.

    python benchmarks/streaming.py [--tokenizer local|group]

The models are small, with random weights: VQGANs of ``VQGANConfig.modern`` (f = 16) for picture and label map (32 labels),
and a GPT of one layer, width 32. What is measured is what encoding, sampling and decoding hold besides; the peak is the
operating system's (``getrusage``), and the first row, a picture of one tile, is what Python, torch and the models take.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import torch

from vqgan_transformer import (
    VQGAN,
    CondGPT,
    CondGPTConfig,
    ImageSynthesisPipeline,
    SegmentationCondition,
    SlidingWindowSampler,
    VQGANConfig,
)

LABELS = 32


def stream(height: int, width: int, norm: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(2)
    label_config = VQGANConfig.modern(in_channels=LABELS, out_channels=LABELS, norm=norm, has_decoder=False)
    condition = SegmentationCondition([f"label {k}" for k in range(LABELS)], vqgan=VQGAN(label_config).eval())
    gpt = CondGPT(CondGPTConfig(vocab_size=1024, block_size=512, n_layer=1, n_head=2, n_embd=32)).eval()
    sampler = SlidingWindowSampler(stride=8, memory_limit=2**28)
    pipe = ImageSynthesisPipeline(VQGAN(VQGANConfig.modern()).eval(), gpt, sampler, [condition])
    labels = torch.arange(height)[:, None].expand(height, width) * LABELS // height
    start, rows = time.perf_counter(), 0
    for strip in pipe.stream(segmentation=labels, seed=0, strip=16):
        rows += len(strip)
    assert rows == height
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{height}×{width}: peak {peak:,.0f} MiB, {time.perf_counter() - start:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", choices=("local", "group"), default="local", help="of the label map")
    parser.add_argument("--size", type=int, nargs=2)
    arguments = parser.parse_args()
    if arguments.size:
        stream(*arguments.size, "channel" if arguments.tokenizer == "local" else "group")
        return
    for width in (1024, 4096, 16384):
        size = ["--size", "1024", str(width)]
        subprocess.run([sys.executable, __file__, "--tokenizer", arguments.tokenizer, *size], check=True)


if __name__ == "__main__":
    main()
