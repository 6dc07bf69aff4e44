"""From logits to a token: guidance, temperature, top-k, top-p, and the noise that belongs to a place."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["filter_logits", "guide", "place_noise"]


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
    # The raw 64-bit words are fixed by the algorithm, unlike the distributions numpy builds on them.
    words = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=[0, 0, row, col]).random_raw(size)
    uniform = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # inside (0, 1), never 0 or 1
    return -np.log(-np.log(uniform))


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance on logits: u + scale · (c - u) (Ho and Salimans 2022)."""
    return unconditional + scale * (conditional - unconditional)


def filter_logits(logits: Tensor, *, temperature: float, top_k: int | None, top_p: float) -> Tensor:
    """Logits of the truncated distribution; what is cut becomes -inf.

    Args:
        logits: float (..., V).
        temperature: divides the logits first.
        top_k: keep codes at least as likely as the k-th likeliest (ties survive); ``None`` or k >= V keeps all.
        top_p: then keep the likeliest codes up to and including the one with which their probability reaches p.

    Returns:
        float (..., V).
    """
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        threshold = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < threshold, -torch.inf)
    if top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.softmax(-1)
        reached_before = probabilities.cumsum(-1) - probabilities >= top_p
        reached_before[..., 0] = False  # rounding must never cut the likeliest
        logits = logits.masked_fill(reached_before.scatter(-1, order, reached_before), -torch.inf)
    return logits
