"""How likely the model finds pictures that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from .batch import PictureBatch
from .inpainting import encode_on_canvas
from .parts import PipelineParts
from .progress import Callback, check_callback, reporting
from .request import read_batches

__all__ = ["score"]


@torch.no_grad()
def score(
    parts: PipelineParts,
    method: Callable[..., Any],
    images: Tensor,
    arguments: Mapping[str, Any],
    *,
    resize: bool = False,
    seed: int = 0,
    progress: bool = False,
    callback: Callback | None = None,
) -> tuple[PictureBatch, Tensor, Tensor]:
    """Scores pictures under conditions; the checkpoint's own guidance plays no part.

    Args:
        parts: of the pipeline.
        method: of the pipeline that was called, for error messages.
        images: float (B, 3, H, W) in [-1, 1].
        arguments: conditions, their options and settings of the sampler, by name.
        resize: stretch maps of another aspect.
        seed: decides what is arbitrary in a condition.
        progress: show a bar.
        callback: called with the number of tokens scored, their total and their log-likelihoods so far.

    Returns:
        what was read of the arguments; the pictures' tokens, int64 (B, h, w); and the mean log-likelihood of a token of
        each, in nats, float64 (B,).

    Raises:
        TypeError: as for a call.
        ValueError: as for a call, and where pictures and conditions differ in number.
    """
    check_callback(callback)
    plain = parts.with_settings(guidance_scale=1.0, condition_strength={})
    sizes = [(images.shape[-2], images.shape[-1])] * len(images)
    [batch] = read_batches(
        plain, method, arguments, sizes, sized_by="image", resize=resize, seed=seed, choose=False, scored=True
    )
    tokens = encode_on_canvas(parts.vqgan, images, batch.canvas)
    with reporting(progress, callback, parts.bar) as report:
        return batch, tokens, batch.log_likelihood(tokens.expand(len(batch.seeds), -1, -1), report)
