"""The reading orders of the paper's ablation (section 4.5): those of the original, and windows drawn in them."""

from __future__ import annotations

import pytest
import torch

from vqgan_transformer import CondGPT, CondGPTConfig, SlidingWindowSampler
from vqgan_transformer.training.token_orders import draw_window, reading_order


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("row_major", range(16)),
        ("subsample", (0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15)),
        ("z_curve", (0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15)),
        ("spiral_out", (9, 5, 6, 10, 14, 13, 12, 8, 4, 0, 1, 2, 3, 7, 11, 15)),
        ("spiral_in", (15, 11, 7, 3, 2, 1, 0, 4, 8, 12, 13, 14, 10, 6, 5, 9)),
        ("alternate", (0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11, 15, 14, 13, 12)),
    ],
)
def test_reading_orders_are_those_of_the_original(name, expected):
    assert reading_order(name, 4, 4).tolist() == list(expected)
    for size in (8, 16):
        assert sorted(reading_order(name, size, size).tolist()) == list(range(size * size))


def test_orders_that_do_not_fit_are_refused():
    assert sorted(reading_order("spiral_out", 3, 6).tolist()) == list(range(18))
    with pytest.raises(ValueError, match="square window"):
        reading_order("z_curve", 4, 6)
    with pytest.raises(ValueError, match="no token order"):
        reading_order("random", 4, 4)


def test_a_window_in_another_order_can_be_drawn_but_not_slid():
    torch.manual_seed(0)
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 16, "window": (4, 4), "block_size": 16}
    gpt = CondGPT(CondGPTConfig(vocab_size=17, null_token=16, token_order="spiral_in", **sizes)).eval()
    tokens = draw_window(gpt, torch.tensor([[1], [2]]), seed=3, codebook_size=16)
    assert tokens.shape == (2, 4, 4) and tokens.max() < 16
    assert torch.equal(tokens, draw_window(gpt, torch.tensor([[1], [2]]), seed=3, codebook_size=16))
    greedy = draw_window(gpt, torch.tensor([[1]]), seed=0, top_k=1, codebook_size=17)
    order = reading_order("spiral_in", 4, 4)
    logits = gpt(greedy.flatten(1)[:, order], torch.tensor([[1]]))
    assert torch.equal(logits.argmax(-1), greedy.flatten(1)[:, order])
    with pytest.raises(ValueError, match="spiral_in"):
        SlidingWindowSampler()(gpt, torch.tensor([[1]]), (4, 4), seed=0)
