"""From logits to a token: guidance, temperature, top-k, top-p, and the noise that belongs to a place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor

__all__ = ["filter_logits", "guide", "noise_of_steps", "place_noise", "place_noises"]

ON_HOST = ("cpu", "mps")
"""Devices whose noise the CPU makes: itself, and those without float64."""

MADE_AT_ONCE = 64
"""Places whose noise is made together: a tenth of a one-token step of a small model would go into single ones."""


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


# constants of Philox-4x64 (Salmon et al. 2011)
MULTIPLIERS = _signed(0xD2E7470EE14C6C93), _signed(0xCA5A826395121157)
WEYL = _signed(0x9E3779B97F4A7C15), _signed(0xBB67AE8584CAA73B)
LOW = 2**32 - 1


def place_noise(seed: int, row: int, col: int, size: int) -> np.ndarray:
    """Standard Gumbel noise for the codes at one place of one picture.

    The numbers come from a counter-based generator (Philox; Salmon et al. 2011) keyed by the picture's seed and the
    place, so they are the same whatever is drawn before, beside or on which device. Drawing the code with the largest
    logit + noise is sampling from the softmax of the logits.

    Args:
        seed: the picture's, 0..2^64-1.
        row: of the place in the token grid.
        col: likewise.
        size: number of codes.

    Returns:
        float64 (size,).
    """
    return _gumbel(_words(seed, row, col, size))


def _words(seed: int, row: int, col: int, size: int) -> np.ndarray:
    # The raw 64-bit words are fixed by the algorithm, unlike the distributions numpy builds on them.
    words: np.ndarray = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=[0, 0, row, col]).random_raw(size)
    return words


def _gumbel(words: np.ndarray) -> np.ndarray:
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # inside (0, 1), never 0 or 1
    noise: np.ndarray = -np.log(-np.log(uniform))
    return noise


def place_noises(seeds: Sequence[int], rows: Sequence[int], cols: Sequence[int], size: int, like: Tensor) -> Tensor:
    """The noise of many places, as :func:`place_noise` gives it, with the dtype and on the device of ``like``.

    Args:
        seeds: a picture's for each place.
        rows: of the places.
        cols: likewise.
        size: number of codes.
        like: floats.

    Returns:
        (N, size), rounded once from float64.
    """
    if like.device.type not in ON_HOST:
        return _noise_on_device(_as_words(seeds, rows, cols, device=like.device), size).to(like.dtype)
    made = _gumbel(np.stack([_words(*place, size) for place in zip(seeds, rows, cols, strict=True)]))
    return torch.from_numpy(made).to(like.dtype).to(like.device)


def noise_of_steps(steps: Iterable[Sequence[tuple[int, int, int]]], size: int, like: Tensor) -> Iterator[Tensor]:
    """The noise of the places of one step after another, made for some steps at a time.

    Args:
        steps: seed, row and column of each place; no step is empty.
        size: number of codes.
        like: floats.

    Yields:
        (N, size) for each step, as :func:`place_noises` gives it.
    """
    steps = list(steps)
    if not steps:
        return
    seeds, rows, cols = zip(*chain.from_iterable(steps), strict=True)
    lengths = list(map(len, steps))
    on_device = like.device.type not in ON_HOST
    # a device gets all numbers that noise is made of at once
    words = _as_words(seeds, rows, cols, device=like.device) if on_device else None
    done = 0
    for some in _chunks(lengths):
        part = slice(done, done + sum(some))
        if words is not None:
            made = _noise_on_device(words[:, part], size).to(like.dtype)
        else:
            made = place_noises(seeds[part], rows[part], cols[part], size, like)
        yield from torch.split(made, some)
        done = part.stop


def _chunks(lengths: Iterable[int]) -> Iterator[list[int]]:
    """Consecutive lengths that together are MADE_AT_ONCE or a little more."""
    chunk: list[int] = []
    for length in lengths:
        chunk.append(length)
        if sum(chunk) >= MADE_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _as_words(*columns: Sequence[int], device: torch.device) -> Tensor:
    """Columns of N unsigned numbers as int64 (columns, N, 1) on a device, in one upload."""
    signed = np.array(columns, np.uint64).view(np.int64)
    return torch.from_numpy(signed).to(device)[:, :, None]


def _noise_on_device(words: Tensor, size: int) -> Tensor:
    """:func:`place_noise` in int64 arithmetic, which wraps like the algorithm's unsigned one; seeds, rows and columns (3, N, 1) -> (N, size)."""
    seeds, rows, cols = words.unbind(0)
    # the counter is raised before each block of four
    blocks = torch.arange(1, -(-size // 4) + 1, device=seeds.device)[None]
    counter = [blocks, torch.zeros_like(blocks), rows, cols]
    key0, key1 = seeds, torch.zeros_like(seeds)
    for _ in range(10):
        (high0, low0), (high1, low1) = _product(counter[0], MULTIPLIERS[0]), _product(counter[2], MULTIPLIERS[1])
        counter = [high1 ^ counter[1] ^ key0, low1, high0 ^ counter[3] ^ key1, low0]
        key0, key1 = key0 + WEYL[0], key1 + WEYL[1]
    raw = torch.stack(counter, dim=-1).flatten(1)[:, :size]
    uniform = (((raw >> 11) & (2**53 - 1)).double() + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform))


def _product(a: Tensor, b: int) -> tuple[Tensor, Tensor]:
    """The high and the low 64 bits of an unsigned product."""
    a_high, a_low = (a >> 32) & LOW, a & LOW
    b_high, b_low = (b >> 32) & LOW, b & LOW
    middle = a_high * b_low + ((a_low * b_low >> 32) & LOW)
    carry = a_low * b_high + (middle & LOW)
    return a_high * b_high + ((middle >> 32) & LOW) + ((carry >> 32) & LOW), a * b


def guide(conditional: Tensor, unconditional: Tensor, scale: float | Tensor) -> Tensor:
    """Classifier-free guidance on logits: u + scale · (c - u) (Ho and Salimans 2022); one scale, or one for each row."""
    return unconditional + scale * (conditional - unconditional)


def _kth_largest(logits: Tensor, k: int) -> Tensor:
    """The k-th largest of the last axis: (..., V) -> (..., 1)."""
    if logits.device.type == "cpu" and logits.dtype in (torch.float32, torch.float64):
        place = logits.shape[-1] - k  # numpy partitions with vectors, ten times as fast as torch
        return torch.from_numpy(np.partition(logits.detach().numpy(), place, axis=-1)[..., place : place + 1])
    return logits.topk(k, dim=-1).values[..., -1:]


def filter_logits(logits: Tensor, *, temperature: float, top_k: int | None, top_p: float, min_p: float = 0.0) -> Tensor:
    """Logits of the truncated distribution; what is cut becomes -inf.

    Args:
        logits: float (..., V).
        temperature: divides the logits first. The limit near 0 is the likeliest code alone.
        top_k: keep codes at least as likely as the k-th likeliest (ties survive); ``None`` or k >= V keeps all.
        top_p: then keep the likeliest codes up to and including the one with which their probability reaches p.
        min_p: then keep codes at least so likely in relation to the likeliest (Nguyen et al. 2024); 0 keeps all.

    Returns:
        float (..., V).
    """
    logits = logits / max(temperature, 1e-30)  # there the likeliest code is drawn; below, float32 overflows
    if top_k is not None and top_k < logits.shape[-1]:
        threshold = _kth_largest(logits, top_k)
        logits = logits.masked_fill(logits < threshold, -torch.inf)
    if top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.softmax(-1)
        reached_before = probabilities.cumsum(-1) - probabilities >= top_p
        reached_before[..., 0] = False  # rounding must never cut the likeliest
        logits = logits.masked_fill(reached_before.scatter(-1, order, reached_before), -torch.inf)
    if min_p > 0:
        logits = logits.masked_fill(logits < logits.amax(-1, keepdim=True) + math.log(min_p), -torch.inf)
    return logits
