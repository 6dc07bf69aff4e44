"""Likelihood: what the pipeline says of a picture is what a plain loop of full windows says, and what is drawn obeys it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from test_pipeline import label_map, label_vqgan
from vqgan_transformer import (
    CondGPT,
    CondGPTConfig,
    ImageSynthesisPipeline,
    LayoutCondition,
    SegmentationCondition,
    SlidingWindowSampler,
    Unconditional,
)
from vqgan_transformer.geometry import Canvas
from vqgan_transformer.sampler.schedule import window_origin


def plain_loop(gpt, tokens, condition_at, *, stride=1, centre=(None, None)) -> float:
    """Nats per token: one full forward pass for each place, from the window's condition and all of its tokens."""
    (height, width), (rows, cols) = tokens.shape[1:], gpt.config.window
    total = 0.0
    for i in range(height):
        for j in range(width):
            top = window_origin(i, height, rows, stride, centre[0])
            left = window_origin(j, width, cols, stride, centre[1])
            seen = tokens[:, top : top + rows, left : left + cols]
            with torch.no_grad():
                logits = gpt(seen, condition_at(top, left))[0, i - top, j - left]
            total += logits.log_softmax(-1)[tokens[0, i, j]].item()
    return total / (height * width)


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height)) * 2 - 1


@pytest.mark.parametrize("settings", [{}, {"stride": 3}, {"centre": (1, 2)}], ids=str)
@pytest.mark.parametrize("size", [(16, 16), (24, 20), (21, 30)], ids=str)
def test_it_is_the_mean_over_a_plain_loop_of_full_windows(vqgan, gpt, size, settings):
    condition = SegmentationCondition(labels=("sky", "tree", "grass"), vqgan=label_vqgan(3))
    pipe = ImageSynthesisPipeline(vqgan, gpt, conditions=(condition,))
    image, labels = picture(*size), label_map(*size)

    rows, cols = (torch.arange(-(-side // 4) * 4).clamp(max=side - 1) for side in size)  # edges continued
    with torch.no_grad():
        tokens = vqgan.encode(image[..., rows[:, None], cols].double())
    grid = condition.encode(torch.from_numpy(labels)[None, rows[:, None], cols])
    expected = plain_loop(gpt, tokens, lambda top, left: grid[:, top : top + 4, left : left + 4], **settings)
    found = pipe.log_likelihood(image, segmentation=labels, **settings)
    assert found.shape == (1,)
    assert found.item() == pytest.approx(expected, abs=1e-9)


def test_under_a_layout_each_window_has_its_own_condition(vqgan):
    torch.manual_seed(6)
    config = CondGPTConfig(vocab_size=64, block_size=32, n_layer=1, n_head=2, n_embd=16, window=(4, 4))
    gpt = CondGPT(config).double().eval()
    layout = LayoutCondition(labels=("person", "dog"), vocab_size=64, max_objects=4)
    sampler = SlidingWindowSampler(centre=(1, 1))
    pipe = ImageSynthesisPipeline(vqgan, gpt, sampler, (layout,))
    objects = [("person", (0.0, 0.1, 0.4, 0.5)), ("dog", (0.6, 0.5, 1.0, 1.0))]
    image = picture(24, 32)
    windows = layout.for_canvas(layout.parse(objects), Canvas((24, 32), 4, (4, 4)), [5])
    tokens = vqgan.encode(image.double()).detach()
    expected = plain_loop(gpt, tokens, windows.window, centre=(1, 1))
    assert pipe.log_likelihood(image, layout=objects, seed=5).item() == pytest.approx(expected, abs=1e-9)
    assert pipe(layout=objects, size=(24, 32), seed=5, progress=False).images[0].size == (32, 24)


def test_several_pictures_under_one_condition_or_one_each(vqgan, gpt):
    pipe = ImageSynthesisPipeline(vqgan, gpt, conditions=(Unconditional(),))
    images = torch.cat((picture(16, 16), -picture(16, 16)))
    both = pipe.log_likelihood(images)
    assert both.tolist() == [pipe.log_likelihood(image).item() for image in images]
    assert both[0] != both[1]


# -- what is drawn ----------------------------------------------------------------------------------------------------


def chi_square(counts: np.ndarray, expected: np.ndarray) -> tuple[float, int]:
    """Pearson's statistic and its degrees of freedom; cells that are expected less than five times are one."""
    rare = expected < 5
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    return float(((counts - expected) ** 2 / expected).sum()), len(counts) - 1


def test_pictures_are_as_frequent_as_the_model_says():
    """Four codes, windows of 2×2 on a grid of 2×3: all 4096 pictures have a known probability."""
    torch.manual_seed(4)
    gpt = CondGPT(CondGPTConfig(vocab_size=4, block_size=8, n_layer=1, n_head=1, n_embd=8, window=(2, 2)))
    for parameter in gpt.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    gpt = gpt.double().eval()
    grids = torch.tensor(list(product(range(4), repeat=6))).view(-1, 2, 3)
    start = torch.zeros(len(grids), 1, dtype=torch.int64)

    log_probability = torch.zeros(len(grids), dtype=torch.float64)
    with torch.no_grad():
        for left, columns in ((0, (0, 1)), (1, (2,))):  # the window of column j starts at j - 1, inside the grid
            seen = grids[:, :, left : left + 2]
            scores = gpt(seen, start).log_softmax(-1).gather(-1, seen[..., None])[..., 0]  # (4096, 2, 2)
            for column in columns:
                log_probability += scores[:, :, column - left].sum(1)
    assert log_probability.exp().sum().item() == pytest.approx(1)

    last_row = grids[:, 1] @ torch.tensor([16, 4, 1])
    probability = np.bincount(last_row, weights=log_probability.exp(), minlength=64)
    assert probability.max() < 0.3  # not all in one
    draws = 6000

    def drawn(**settings):
        sampler = SlidingWindowSampler(**{"top_k": None} | settings)
        tokens = sampler(gpt, start[:1].expand(draws, 1), (2, 3), seed=0)
        return np.bincount(tokens[:, 1] @ torch.tensor([16, 4, 1]), minlength=64)

    statistic, freedom = chi_square(drawn(), probability * draws)
    assert freedom > 30
    assert statistic < freedom + 3 * (2 * freedom) ** 0.5  # a few in a thousand are beyond
    # and the test would notice
    wrong, _ = chi_square(drawn(temperature=0.75), probability * draws)
    assert wrong > freedom + 6 * (2 * freedom) ** 0.5
