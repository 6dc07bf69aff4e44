"""How much faster the aligned form paints than the original's loop, and how long large pictures take.

    python benchmarks/aligned.py                # all rows, some minutes
    python benchmarks/aligned.py 64x64          # the rows whose names contain one of the words

The ratio is to the original's loop with a model of the paper's form, of equal depth and width (8 layers, 256 channels, 8
heads, 1,024 codes): a full forward pass over 511 positions for each place. Both sides are timed in one run, a place of the
original between some of our steps; the original's picture is its number of places times the mean of the places timed.
Our side is the sampler as users call it: encoding the conditions, drawing, noise and all.

Large pictures are timed from the label map to pixels: a model of 6 layers and 192 channels with f = 8, four kinds of
condition, and a VQGAN of local operations. Weights are random; 4 rows above and 4 columns beside are seen; eager mode.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import torch
from torch import Tensor

from vqgan_transformer import VQGAN, CondGPT, CondGPTConfig, SlidingWindowSampler, VQGANConfig
from vqgan_transformer.gpt import ConditionInput

LABELS, FACTOR, CODES = 20, 8, 1024
CONDITIONS = (
    ConditionInput("segmentation", "labels", LABELS),
    ConditionInput("depth", "values", 1),
    ConditionInput("class_label", "class", 6),
    ConditionInput("known", "tokens", CODES),
)


def aligned_gpt(n_layer: int, n_embd: int, n_head: int, *, rows: int = 4, columns: int = 4) -> CondGPT:
    """An aligned model with random weights."""
    torch.manual_seed(0)
    config = CondGPTConfig(
        CODES, n_layer=n_layer, n_head=n_head, n_embd=n_embd, conditioning="aligned", position="rope2d",
        attention="local", rows_above=rows, columns_beside=columns, conditions=CONDITIONS, downsample_factor=FACTOR,
    )  # fmt: skip
    return CondGPT(config).eval()


def light_vqgan() -> VQGAN:
    """A tokenizer with f = 8 whose operations are all local."""
    torch.manual_seed(0)
    config = VQGANConfig(
        channels=32, channel_multipliers=(1, 2, 3), patch_size=2, num_res_blocks=1, decoder_res_blocks=2,
        attention_levels=(), mid_attention=False, norm="channel", latent_channels=96, codebook_size=CODES, code_dim=8,
        normalize_codes=True,
    )  # fmt: skip
    return VQGAN(config).eval()


def label_map(side: int) -> Tensor:
    """Squares of labels, (1, side, side) pixels."""
    small = torch.randint(LABELS, (1, side // 64 + 1, side // 64 + 1), generator=torch.Generator().manual_seed(0))
    return small.repeat_interleave(64, 1).repeat_interleave(64, 2)[:, :side, :side]


def original_place() -> Callable[[], object]:
    """What the original does for each place."""
    torch.manual_seed(0)
    gpt = CondGPT(CondGPTConfig(vocab_size=CODES, block_size=512, n_layer=8, n_head=8, n_embd=256)).eval()
    tokens = torch.randint(CODES, (1, 16, 16))
    return lambda: gpt(tokens, tokens)


def against_the_original(
    tokens: int, now: Callable[[], float], *, rows: int, columns: int, dtype: torch.dtype, scale: float
) -> str:
    """Paints a grid; in between, places the original way."""
    gpt, original = aligned_gpt(8, 256, 8, rows=rows, columns=columns).to(dtype), original_place()
    original()  # warm
    theirs: list[float] = []
    step, every = 0, (columns * (tokens - 1) + tokens) // 24

    def between(_: int, __: int, ___: Tensor) -> None:
        nonlocal step
        step += 1
        if step % every == 0:
            start = now()
            original()
            theirs.append(now() - start)

    conditions = {"segmentation": label_map(tokens * FACTOR)}
    SlidingWindowSampler()(gpt, {}, (8, 8), seed=0)  # warm
    start = now()
    SlidingWindowSampler(guidance_scale=scale)(gpt, conditions, seed=0, callback=between)
    ours = now() - start - sum(theirs)
    place = sum(theirs) / len(theirs)
    ratio = place * tokens**2 / ours
    return (
        f"{ratio:6.1f}x  ours {ours:.2f} s; original {1e3 * place:.0f} ms a place, {len(theirs)} of {tokens**2} timed"
    )


def large_picture(side: int, now: Callable[[], float], *, dtype: torch.dtype, scale: float = 1.0) -> str:
    """From the label map to pixels."""
    gpt, vqgan = aligned_gpt(6, 192, 6).to(dtype), light_vqgan().to(dtype)
    conditions = {"segmentation": label_map(side)}
    start = now()
    tokens = SlidingWindowSampler(guidance_scale=scale)(gpt, conditions, seed=0)
    drawn = now()
    vqgan.decode(tokens)
    done = now()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return f"{done - start:6.2f} s  tokens {drawn - start:.2f} s, decoding {done - drawn:.2f} s; peak of the process {peak:.1f} GiB"


FP32, BF16 = torch.float32, torch.bfloat16
ROWS: dict[str, Callable[[Callable[[], float]], str]] = {
    "64x64 R=4 K=4 (at least 60x)": lambda now: against_the_original(64, now, rows=4, columns=4, dtype=FP32, scale=1),
    "64x64 R=4 K=2": lambda now: against_the_original(64, now, rows=4, columns=2, dtype=FP32, scale=1),
    "64x64 R=8 K=4": lambda now: against_the_original(64, now, rows=8, columns=4, dtype=FP32, scale=1),
    "64x64 R=4 K=4 guided": lambda now: against_the_original(64, now, rows=4, columns=4, dtype=FP32, scale=2),
    "1024 px": lambda now: large_picture(1024, now, dtype=FP32),
    "1024 px guided": lambda now: large_picture(1024, now, dtype=FP32, scale=2.0),
    "1024 px bfloat16": lambda now: large_picture(1024, now, dtype=BF16),
    "2048 px": lambda now: large_picture(2048, now, dtype=FP32),
}


@torch.no_grad()
def main() -> None:
    """Reads the arguments and prints a line for each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only rows whose names contain one of these")
    parser.add_argument("--threads", type=int, default=2, help="with 1, the CPU's seconds are counted")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    now = time.process_time if arguments.threads == 1 else time.perf_counter
    clock = "seconds of the CPU" if arguments.threads == 1 else "seconds on the wall"
    print(f"torch {torch.__version__}, {arguments.threads} threads, {clock}")
    for name, measure in ROWS.items():
        if not arguments.words or any(word in name for word in arguments.words):
            print(f"{name:32} {measure(now)}", flush=True)


if __name__ == "__main__":
    main()
