"""How much faster pictures are painted than by the original's loop, both sides timed side by side in one run.

    python benchmarks/sampling.py                 # all rows, some minutes
    python benchmarks/sampling.py 64x64 stride    # the rows whose names contain one of the words

Every row times the sampler as users call it, and in between, every few steps, what the other side does for the same
place, so that both see the same load of the machine. Where a row does not paint its picture whole, it says so.

The model has 8 layers, width 256, 8 heads, 1,024 codes and random weights; float32, eager, 2 threads. "original" is a
full forward pass without cache for each place: 256 condition tokens and the window's 255, logits for all 256 places.

With ``--threads 1`` the seconds are those that the CPU spent on the process, which other people's load hardly changes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from vqgan_transformer import CondGPT, CondGPTConfig, SlidingWindowSampler
from vqgan_transformer.sampler.draw import filter_logits, place_noise


now: Callable[[], float] = time.perf_counter


class Stop(Exception):
    """Ends a picture of which only some steps are timed."""


class Clock:
    """Seconds spent in the sampler; in between, it times the other side."""

    def __init__(self) -> None:
        self.seconds, self.other_seconds, self.others = 0.0, 0.0, 0
        self.since = now()

    def pause(self, other: Callable[[], object] | None = None) -> None:
        self.seconds += now() - self.since
        if other is not None:
            start = now()
            other()
            self.other_seconds += now() - start
            self.others += 1
        self.since = now()


def random_tokens(*shape: int) -> Tensor:
    return torch.randint(1024, shape, generator=torch.Generator().manual_seed(0))


def original_place(gpt: CondGPT) -> Callable[[], object]:
    tokens, condition = random_tokens(1, 16, 16), random_tokens(1, 16, 16)
    return lambda: gpt(tokens, condition)


def whole_picture(gpt: CondGPT, side: int, stride: int, samples: int) -> tuple[float, float, str]:
    """Paints a whole picture; between its steps, ``samples`` places the original way."""
    clock, original = Clock(), original_place(gpt)
    step = 0
    every = max(1, (16 * (side - 1) + side) // samples)

    def between(done: int, total: int, _: Tensor) -> None:
        nonlocal step
        step += 1
        clock.pause(original if step % every == 0 else None)

    SlidingWindowSampler(stride=stride)(gpt, random_tokens(1, side, side), seed=0, callback=between)
    clock.pause()
    place = clock.other_seconds / clock.others
    note = f"whole picture {clock.seconds:.1f} s; original {1e3 * place:.0f} ms a place, {clock.others} places timed"
    return place * side * side, clock.seconds, note


def eight_of_one_condition(gpt: CondGPT) -> tuple[float, float, str]:
    """Two inner rows of 64×64 for 8 samples. Rows near the upper and lower edge cost less, but all are counted alike."""
    clock, original = Clock(), original_place(gpt)
    condition, tokens = random_tokens(1, 64, 64).expand(8, 64, 64), random_tokens(8, 64, 64)
    keep = torch.zeros(64, 64, dtype=torch.bool)
    keep[:16] = True  # start in the middle
    step, first, steps = 0, 48, 32  # four rows are on their way then, and 16 steps draw as much as one row has

    def between(done: int, total: int, _: Tensor) -> None:
        nonlocal step, clock
        step += 1
        if step == first:
            clock = Clock()
        clock.pause(original if step > first and step % 4 == 0 else None)
        if step == first + steps:
            raise Stop

    try:
        SlidingWindowSampler()(gpt, condition, seed=0, tokens=tokens, keep=keep, callback=between)
    except Stop:
        pass
    place = clock.other_seconds / clock.others
    note = f"2 inner rows timed, {clock.seconds / 16:.1f} s a row and picture; original {1e3 * place:.0f} ms a place"
    return place * 64 * 64, clock.seconds / 2 / 8 * 64, note


def whole_prefix_again(gpt: CondGPT, batch: int) -> tuple[float, float, str]:
    """The original's ``sample()`` for class-conditional pictures: the whole prefix again for each token."""
    clock, classes, tokens = Clock(), torch.arange(batch)[:, None], random_tokens(batch, 256)
    total = 0.0

    def between(done: int, _: int, __: Tensor) -> None:
        nonlocal total
        if done % 16 == 8:  # the middle of 16 places stands for them
            before = clock.other_seconds
            clock.pause(lambda: gpt(tokens[:, :done], classes))
            total += 16 * (clock.other_seconds - before)
        else:
            clock.pause()

    SlidingWindowSampler()(gpt, classes, (16, 16), seed=0, callback=between)
    clock.pause()
    return total, clock.seconds, f"{batch} pictures in {clock.seconds:.1f} s; original: 16 of 256 steps timed"


class ConcatenatingMemory:
    """Keys and values that grow by concatenation, as the original's ``forward_with_past`` has them."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        self.keys = key if self.keys is None else torch.cat((self.keys, key), dim=2)
        self.values = value if self.values is None else torch.cat((self.values, value), dim=2)
        return torch.nn.functional.scaled_dot_product_attention(query, self.keys, self.values)


def concatenating(gpt: CondGPT) -> Callable[[], Tensor]:
    """One step a call of a plain loop whose cache concatenates."""
    memories = [ConcatenatingMemory() for _ in gpt.blocks]
    token, position = torch.zeros(1, 1, dtype=torch.long), 0

    def step() -> Tensor:
        nonlocal token, position
        x = gpt.token_embedding(token) + gpt.position_embedding[:, position : position + 1]
        for block, memory in zip(gpt.blocks, memories, strict=True):
            x = block(x, memory=memory)
        logits = filter_logits(gpt.head(gpt.norm_out(x[:, -1])), temperature=1.0, top_k=100, top_p=1.0)
        noise = place_noise(0, position // 16, position % 16, logits.shape[-1])
        token = (logits + torch.from_numpy(noise).to(logits.dtype)).argmax(-1, keepdim=True)
        position += 1
        return token

    return step


def one_class(gpt: CondGPT) -> tuple[float, float, str]:
    """Both whole, token by token in turn, three pictures; the fastest picture of each counts."""
    ours, theirs = [], []
    for _ in range(4):
        clock = Clock()
        step = concatenating(gpt)
        SlidingWindowSampler()(
            gpt, torch.zeros(1, 1, dtype=torch.long), (16, 16), seed=0, callback=lambda *_: clock.pause(step)
        )
        clock.pause()
        ours.append(clock.seconds)
        theirs.append(clock.other_seconds)
    return min(theirs), min(ours), f"256 tokens in {min(ours):.2f} s, the fastest of 4 pictures each"


ROWS = {
    "32x32 exact": (4.0, lambda gpt: whole_picture(gpt, 32, 1, 16)),
    "64x64 exact": (2.2, lambda gpt: whole_picture(gpt, 64, 1, 24)),
    "64x64 8 samples of one condition, per picture": (4.0, eight_of_one_condition),
    "32x32 stride 8": (20.0, lambda gpt: whole_picture(gpt, 32, 8, 24)),
    "64x64 stride 8": (20.0, lambda gpt: whole_picture(gpt, 64, 8, 24)),
    "16x16 class, batch 16, against the whole prefix again": (20.0, lambda gpt: whole_prefix_again(gpt, 16)),
    "16x16 class, batch 1, against a concatenating cache": (1.05, one_class),
}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only rows whose names contain one of these")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.threads == 1:
        global now
        now = time.process_time
    torch.manual_seed(0)
    gpt = CondGPT(CondGPTConfig(vocab_size=1024, block_size=512, n_layer=8, n_head=8, n_embd=256)).eval()
    original_place(gpt)()  # warm
    clock = "seconds of the CPU" if arguments.threads == 1 else "seconds on the wall"
    print(f"torch {torch.__version__}, {arguments.threads} threads, {clock}")
    print(f"{'case':56} {'at least':>8} {'ratio':>7}")
    for name, (bar, measure) in ROWS.items():
        if not arguments.words or any(word in name for word in arguments.words):
            theirs, ours, note = measure(gpt)
            print(f"{name:56} {bar:8.2f} {theirs / ours:7.2f}  {note}", flush=True)


if __name__ == "__main__":
    main()
