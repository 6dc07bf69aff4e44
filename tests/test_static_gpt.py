"""The GPT in fixed buffers and shapes reads what it reads without them."""

from __future__ import annotations

import pytest
import torch

from vqgan_transformer import CondGPT, CondGPTConfig, SlidingWindowSampler
from vqgan_transformer.gpt.static import StaticGPT


def grid(batch, height, width):
    return torch.randint(23, (batch, height, width), generator=torch.Generator().manual_seed(width))


@pytest.mark.parametrize(
    "settings", [{}, {"stride": 2}, {"guidance_scale": 2.0}, {"stride": 3, "centre": (1, 1)}], ids=str
)
@pytest.mark.parametrize("batch", [1, 3])
def test_it_paints_the_same_tokens(gpt, batch, settings):
    condition, sampler = grid(batch, 7, 11), SlidingWindowSampler(**settings)
    assert torch.equal(sampler(StaticGPT(gpt, compile=False), condition), sampler(gpt, condition))


def test_rotary_positions_and_a_class_work_too(gpt):
    model = CondGPT(CondGPTConfig(24, 32, 2, 2, 16, window=(4, 4), position="rope2d", norm="rms")).double().eval()
    classes, sampler = torch.tensor([[3], [9]]), SlidingWindowSampler()
    expected = sampler(model, classes, (4, 4))
    assert torch.equal(sampler(StaticGPT(model, compile=False), classes, (4, 4)), expected)


def test_few_shapes_serve_all_steps(gpt):
    static, shapes = StaticGPT(gpt, compile=False), set()
    static.step = lambda keys, values, tokens, *rest: (
        shapes.add((*tokens.shape, keys.shape[3])) or static._step(keys, values, tokens, *rest)
    )
    SlidingWindowSampler(stride=2)(static, grid(1, 13, 17))
    assert shapes <= {(rows, steps, 32) for rows in (1, 2, 4, 8) for steps in (1, 16)}


def test_windows_that_go_on_are_not_copied_in_again(gpt, monkeypatch):
    static, condition = StaticGPT(gpt, compile=False), grid(1, 4, 4)
    cache = gpt.start(condition)
    static.extend(cache, torch.zeros(1, 3, dtype=torch.long))
    cache.keys[:, :, :, :5] = float("nan")  # would be seen if it were read again
    assert static.extend(cache, torch.zeros(1, 1, dtype=torch.long)).isfinite().all()
    other = gpt.start(condition)
    static.extend(other, torch.zeros(1, 1, dtype=torch.long))
    assert static.extend(cache, torch.zeros(1, 1, dtype=torch.long)).isnan().all()


def test_the_last_place_of_a_full_cache_is_right(gpt):
    tokens, condition = grid(1, 4, 4).flatten(1), grid(1, 4, 4)
    expected = gpt(tokens, condition)[:, 15]
    static = StaticGPT(gpt, compile=False)
    cache = static.start(condition)
    static.extend(cache, tokens[:, :2])
    assert torch.allclose(static.extend(cache, tokens[:, 2:15]), expected, atol=1e-12)  # padded beyond the end
    with pytest.raises(ValueError, match="no room"):
        static.extend(cache, tokens[:, :1])


def test_everything_else_is_the_gpts(gpt):
    static, tokens = StaticGPT(gpt, compile=False), grid(1, 4, 4)
    assert static.config is gpt.config
    assert torch.equal(static(tokens, tokens), gpt(tokens, tokens))
