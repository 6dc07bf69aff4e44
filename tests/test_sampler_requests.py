"""What the sampler refuses: settings, conditions and known tokens that do not fit, told before anything is drawn."""

from __future__ import annotations

import pytest
import torch

from test_sampler import OriginCondition, grid
from vqgan_transformer import CondGPT, CondGPTConfig, SlidingWindowSampler


@pytest.mark.parametrize(
    "settings",
    [{"top_k": 2.5}, {"temperature": "1"}, {"stride": None}, {"top_p": True}, {"centre": 8}, {"centre": (1.0, 2)}],
    ids=str,
)
def test_settings_that_are_no_numbers_are_refused(settings):
    with pytest.raises(TypeError, match=next(iter(settings))):
        SlidingWindowSampler(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0}, "top_k=1"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "at least 1"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"guidance_scale": -1.0}, "guidance_scale"),
        ({"stride": 0}, "stride"),
        ({"centre": (-1, 0)}, "centre"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SlidingWindowSampler(**settings)


KEEP = torch.ones(4, 4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("condition", "arguments", "error", "message"),
    [
        (torch.zeros(1, 4, 4), {}, TypeError, "int64"),
        (torch.zeros(4, dtype=torch.long), {}, ValueError, r"\(B, h, w\)"),
        (torch.full((1, 4, 4), 24), {}, ValueError, "0–23"),
        (torch.zeros(1, 4, 4, dtype=torch.long), {"size": (5, 4)}, ValueError, "4×4"),
        (torch.zeros(1, 1, dtype=torch.long), {}, ValueError, "size="),
        (torch.zeros(1, 1, dtype=torch.long), {"size": (0, 4)}, ValueError, "at least 1"),
        (torch.zeros(1, 1, dtype=torch.long), {"size": (10**6, 10**6)}, ValueError, "7,450.6 GiB"),
        (OriginCondition(1), {}, ValueError, "size="),
        ([grid(1, 4, 4), grid(1, 5, 4)], {"size": [None]}, ValueError, "2 conditions and 1 sizes"),
        ([grid(1, 4, 4), OriginCondition(1)], {"size": [None, (4, 4)]}, ValueError, "equally many tokens"),
        ("sky", {"size": (4, 4)}, TypeError, "str"),
        (grid(1, 4, 4), {"tokens": grid(1, 4, 4)}, ValueError, "go together"),
        (grid(1, 4, 4), {"tokens": grid(1, 4, 5), "keep": KEEP}, ValueError, r"\(1, 4, 5\)"),
        (grid(1, 4, 4), {"tokens": grid(1, 4, 4) + 24, "keep": KEEP}, ValueError, "0–23"),
        (grid(1, 4, 4), {"tokens": grid(1, 4, 4) / 2, "keep": KEEP}, TypeError, "int64"),
        (grid(1, 4, 4), {"tokens": grid(1, 4, 4), "keep": KEEP.long()}, TypeError, "bool"),
        (grid(1, 4, 4), {"tokens": grid(1, 4, 4), "keep": KEEP[:2]}, ValueError, r"\(2, 4\)"),
        (torch.zeros(2, 4, 4, dtype=torch.long), {"seed": [1]}, ValueError, "1 seeds .* 2 pictures"),
        (torch.zeros(1, 4, 4, dtype=torch.long), {"seed": -1}, ValueError, "seeds lie"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(gpt, condition, arguments, error, message):
    with pytest.raises(error, match=message):
        SlidingWindowSampler()(gpt, condition, **arguments)


def test_a_centre_outside_the_window_is_refused(gpt):
    with pytest.raises(ValueError, match=r"centre \(4, 0\)"):
        SlidingWindowSampler(centre=(4, 0))(gpt, grid(1, 4, 4))


def test_guidance_needs_a_model_with_a_dropped_condition():
    gpt = CondGPT(CondGPTConfig(vocab_size=8, block_size=32, n_layer=1, n_head=1, n_embd=8, window=(4, 4))).eval()
    with pytest.raises(ValueError, match="null_token"):
        SlidingWindowSampler(guidance_scale=2.0)(gpt, torch.zeros(1, 4, 4, dtype=torch.long))


def test_a_model_in_training_mode_is_refused(gpt):
    with pytest.raises(ValueError, match="eval"):
        SlidingWindowSampler()(gpt.train(), grid(1, 4, 4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidance_scale": 1e39}, "10,000"),
        ({"guidance_scale": {"depth": 1e5}}, "10,000"),
        ({"condition_strength": {"depth": 1e38}}, "10,000"),
        ({"min_p": 1.5}, r"\[0, 1\]"),
        ({"guidance_schedule": 0}, "power"),
    ],
    ids=str,
)
def test_factors_that_would_overflow_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SlidingWindowSampler(**settings)
