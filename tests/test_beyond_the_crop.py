"""A model trained on crops scores places of larger grids as well as those of crops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from vqgan_transformer import CondGPT, CondGPTConfig, SlidingWindowSampler
from vqgan_transformer.gpt import ConditionInput

CROP, LARGE, CODES, FACTOR = 8, 24, 6, 2


def painted(count: int, side: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Grids in which a token is that to its left, that above, or what the label says, and label maps of pixels."""
    labels = torch.randint(CODES, (count, -(-side // 4), -(-side // 4)), generator=generator)
    labels = labels.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, :side, :side]
    source = torch.rand(count, side, side, generator=generator)
    tokens = labels.clone()
    for row in range(side):
        for col in range(side):
            if col and (left := source[:, row, col] < 0.4).any():
                tokens[left, row, col] = tokens[left, row, col - 1]
            if row and (above := source[:, row, col] > 0.7).any():
                tokens[above, row, col] = tokens[above, row - 1, col]
    return tokens, labels.repeat_interleave(FACTOR, 1).repeat_interleave(FACTOR, 2)


@pytest.fixture(scope="module")
def trained() -> CondGPT:
    config = CondGPTConfig(
        CODES, n_layer=2, n_head=2, n_embd=24, window=(CROP, CROP), conditioning="aligned", position="rope2d",
        attention="local", rows_above=2, columns_beside=2, conditions=(ConditionInput("segmentation", "labels", CODES),),
        downsample_factor=FACTOR, condition_width=16, condition_depth=1,
    )  # fmt: skip
    torch.manual_seed(0)
    gpt, generator = CondGPT(config), torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=6e-3, betas=(0.9, 0.95))
    tokens, labels = painted(512, CROP, generator)
    for step in range(100):
        rows = torch.randint(512, (16,), generator=generator)
        for group in optimizer.param_groups:
            group["lr"] = 6e-3 * min(1, (100 - step) / 50)
        logits = gpt(tokens[rows], {"segmentation": labels[rows]})
        loss = F.cross_entropy(logits.flatten(0, -2), tokens[rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return gpt.eval()


def test_places_beyond_the_crop_are_as_likely_as_those_inside(trained):
    generator, sampler = torch.Generator().manual_seed(1), SlidingWindowSampler()
    tokens, labels = painted(8, LARGE, generator)
    large = -sampler.token_log_likelihood(trained, {"segmentation": labels}, tokens)
    # the same tokens once more, each in the lower right quarter of a crop: what a crop knows best
    inside = torch.zeros_like(large)
    half = CROP // 2
    for top in range(0, LARGE - half, half):
        for left in range(0, LARGE - half, half):
            rows, cols = slice(top, top + CROP), slice(left, left + CROP)
            pixels = (slice(top * FACTOR, (top + CROP) * FACTOR), slice(left * FACTOR, (left + CROP) * FACTOR))
            crop = sampler.token_log_likelihood(trained, {"segmentation": labels[:, *pixels]}, tokens[:, rows, cols])
            inside[:, top + half : top + CROP, left + half : left + CROP] = -crop[:, half:, half:]
    beyond = (slice(None), slice(CROP, None), slice(CROP, None))  # rows and columns that no crop has
    assert large[beyond].mean() < 1.1 < math.log(CODES) - 0.6  # it has learned something
    assert float(large[beyond].mean()) == pytest.approx(float(inside[beyond].mean()), abs=0.02)
