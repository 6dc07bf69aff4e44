"""Sampling on a GPU: seconds a picture for the shape of the paper's S-FLCKR model, against what the hardware allows.

    python benchmarks/gpu.py                    # the table
    python benchmarks/gpu.py --no-compile       # CUDA graphs alone

GPT of 24 layers, width 1024, 16 heads (305 M), 1,024 codes, condition of 256 tokens; the VQGAN of the paper (f = 16);
random weights, bfloat16. Times are medians of synchronised runs, after one run that captures the graphs. The floor is
the larger of the matrix products at the measured speed of a large one, and the weights read once a step at the
measured speed of a copy.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vqgan_transformer import VQGAN, CondGPT, CondGPTConfig, SlidingWindowSampler, VQGANConfig
from vqgan_transformer.gpt.static import StaticGPT
from vqgan_transformer.sampler.schedule import GridPosition, wavefront

LAYERS, WIDTH, CONDITION = 24, 1024, 256
PER_POSITION = 24 * LAYERS * WIDTH**2  # floating point operations of the blocks' matrix products


def seconds(run: Callable[[], object], repeats: int = 3) -> float:
    run()
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_flops() -> float:
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    return 2 * 8192**3 / seconds(lambda: a @ a, 10)


def bandwidth() -> float:
    a = torch.empty(2**30, device="cuda", dtype=torch.uint8)
    return 2 * 2**30 / seconds(lambda: a.clone(), 10)


def positions_read(schedule: Sequence[list[GridPosition]], condition: int) -> int:
    """Positions that go through the blocks: each window's condition, and its tokens up to its last place."""
    last = {place.window: place for places in schedule for place in places}
    return sum(condition + place.prefix(16) for place in last.values())


def random_tokens(*shape: int) -> Tensor:
    return torch.randint(1024, shape, generator=torch.Generator().manual_seed(0))


def one_picture(gpt: StaticGPT, size: tuple[int, int], stride: int, flops: float, memory: float) -> str:
    sampler, condition = SlidingWindowSampler(stride=stride), random_tokens(1, *size)
    taken = seconds(lambda: sampler(gpt, condition, seed=0))
    schedule = list(wavefront(size, (16, 16), stride))
    work = PER_POSITION * positions_read(schedule, CONDITION)
    weights = 2 * 12 * LAYERS * WIDTH**2 * len(schedule)
    floor = max(work / flops, weights / memory)
    return f"{taken:8.3f} s  {work / taken / 1e12:6.1f} TFLOP/s  {weights / taken / 1e9:6.0f} GB/s of weights  floor {floor:.3f} s"


def many_classes(config: CondGPTConfig, vqgan: VQGAN, batch: int, compile: bool) -> str:
    gpt = StaticGPT(CondGPT(config).to("cuda", torch.bfloat16).eval(), compile=compile)
    sampler, classes = SlidingWindowSampler(), torch.zeros(batch, 1, dtype=torch.long)

    def run() -> None:
        tokens = sampler(gpt, classes, (16, 16), seed=0)
        for some in tokens.split(16):
            vqgan.decode(some)

    taken = seconds(run)
    return f"{taken:8.3f} s  {batch / taken:6.1f} pictures/s with decoding, batch {batch}"


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--batch", type=int, default=256, help="class-conditional pictures at once")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("There is no CUDA device here; benchmarks/sampling.py measures on a CPU.")
    torch.manual_seed(0)
    compile = not arguments.no_compile
    config = CondGPTConfig(vocab_size=1024, block_size=512, n_layer=LAYERS, n_head=16, n_embd=WIDTH)
    gpt = StaticGPT(CondGPT(config).to("cuda", torch.bfloat16).eval(), compile=compile)
    vqgan = VQGAN(VQGANConfig()).to("cuda", torch.bfloat16).eval()
    flops, memory = peak_flops(), bandwidth()
    print(
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}: {flops / 1e12:.0f} TFLOP/s, {memory / 1e9:.0f} GB/s"
    )
    rows: list[tuple[str, float, tuple[int, int], int]] = [
        ("256×256", 0.15, (16, 16), 1),
        ("512×512", 0.4, (32, 32), 1),
        ("1024×1024", 2.5, (64, 64), 1),
        ("1024×1024, stride 8", 0.8, (64, 64), 8),
        ("1024 high, 2048 wide", 6.0, (64, 128), 1),
    ]
    for name, most, size, stride in rows:
        print(f"{name:24} at most {most:5.2f} s: {one_picture(gpt, size, stride, flops, memory)}", flush=True)
    decode = seconds(lambda: vqgan.decode(random_tokens(1, 64, 64).cuda()))
    print(f"{'decoding 1024×1024':24} {decode:24.3f} s")
    print(f"{'256×256 of a class':24} {many_classes(config, vqgan, arguments.batch, compile)}")


if __name__ == "__main__":
    main()
