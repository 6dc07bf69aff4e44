"""Samples of a GPT that is being trained: to look at, and to be measured against what they should be like."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from .. import slots
from ..gpt.model import CondGPT
from ..images import to_pil
from ..sampler.sampler import SlidingWindowSampler
from ..vqgan.model import VQGAN
from .callbacks import Callbacks
from .gpt_settings import GPTTraining
from .run_folder import RunFolder
from .token_orders import draw_window

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["beside_what_they_should_be", "with_evaluation"]

FEWEST = 5
"""Pictures that can be evaluated: each has three neighbours on either side."""


def beside_what_they_should_be(
    gpt: CondGPT,
    vqgan: VQGAN,
    tokens: Tensor,
    condition: Tensor | Mapping[str, Tensor],
    *,
    order: Tensor,
    top_k: int,
    first_seed: int = 0,
) -> tuple[list[Image.Image], list[Image.Image]]:
    """Pictures of given tokens, and samples under the same conditions.

    Args:
        gpt: in eval mode.
        vqgan: the tokenizer.
        tokens: int64 (B, h, w), in the order in which the GPT reads them.
        condition: what it reads of the conditions.
        order: the places of a grid in this order.
        top_k: of the samples.
        first_seed: sample k has this seed and k.
    """
    count, seeds = vqgan.codebook_size, list(range(first_seed, first_seed + len(tokens)))
    if gpt.config.token_order == "row_major":
        sampler = SlidingWindowSampler(top_k=top_k, guidance_scale=gpt.config.guidance)
        drawn = sampler(gpt, condition, gpt.config.window, seed=seeds, codebook_size=count)
    else:
        assert isinstance(condition, Tensor)
        drawn = draw_window(gpt, condition, seed=first_seed, top_k=top_k, codebook_size=count)
    raster = torch.empty_like(tokens.flatten(1))
    raster[:, order.to(tokens.device)] = tokens.flatten(1)
    true, sampled = (to_pil(vqgan.decode(grid.view_as(tokens))) for grid in (raster, drawn))
    return true, sampled


def with_evaluation(
    callbacks: Callbacks | None,
    training: GPTTraining,
    accelerator: Accelerator,
    run: RunFolder,
    samples: Callable[[], tuple[Sequence[Image.Image], Sequence[Image.Image]]],
    available: int,
) -> Callbacks | None:
    """Callbacks that also measure samples every ``evaluate_every`` steps, and at the end.

    The network that measures is opened at once, so that missing weights are told of before a run begins.

    Args:
        callbacks: of the user.
        training: the recipe.
        accelerator: for devices, processes and trackers.
        run: where the numbers are written.
        samples: gives samples and what they are compared with.
        available: pictures that they can be compared with.

    Raises:
        ValueError: for fewer than five, which precision and recall need.
    """
    every = training.evaluate_every
    if every is None:
        return callbacks
    if available < FEWEST:
        raise ValueError(
            f"evaluate_every= needs {FEWEST} held-out samples, there are {available}: raise validation_share, or give more "
            "validation data."
        )
    measure = slots.sample_evaluation()(training.evaluate_inception, accelerator.device)
    told = callbacks or Callbacks()

    def on_step(step: int, scalars: Mapping[str, Tensor]) -> bool | None:
        if step % every == 0 or step == training.max_steps:
            numbers = {f"samples_{name}": value for name, value in measure(*samples()).items()}
            with run.writing("the metrics"):
                if accelerator.is_main_process:
                    run.log({"step": step, **numbers})
            accelerator.log(numbers, step=step)
        return told.on_step(step, scalars) if told.on_step is not None else None

    return replace(told, on_step=on_step)
