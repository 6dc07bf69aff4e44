"""Drawing a token: what is kept, and the noise of a place."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from vqgan_transformer.sampler import draw
from vqgan_transformer.sampler.draw import filter_logits, guide, place_noise


def kept(logits, **settings):
    settings = {"temperature": 1.0, "top_k": None, "top_p": 1.0} | settings
    return torch.isfinite(filter_logits(torch.tensor(logits), **settings)).tolist()


def test_top_k_keeps_ties_of_the_kth():
    assert kept([3.0, 1.0, 2.0, 2.0, 0.0], top_k=2) == [True, False, True, True, False]


@pytest.mark.parametrize("top_k", [None, 4, 100])
def test_top_k_beyond_the_vocabulary_keeps_all(top_k):
    assert kept([0.0, 1.0, 2.0, 3.0], top_k=top_k) == [True] * 4


def test_top_p_keeps_the_code_that_crosses_p():
    logits = np.log([0.5, 0.3, 0.15, 0.05]).tolist()
    assert kept(logits, top_p=0.6) == [True, True, False, False]
    assert kept(logits, top_p=0.01) == [True, False, False, False]
    assert kept(logits, top_p=0.99) == [True, True, True, True]


def test_top_p_counts_what_top_k_left():
    logits = np.log([0.4, 0.3, 0.2, 0.1]).tolist()
    assert kept(logits, top_p=0.6) == [True, True, False, False]  # 0.4 + 0.3 reaches 0.6
    assert kept(logits, top_k=2, top_p=0.55) == [True, False, False, False]  # of the two left, 4/7 > 0.55


def test_temperature_divides_the_logits():
    logits = torch.tensor([1.0, 2.0])
    assert torch.equal(filter_logits(logits, temperature=0.5, top_k=None, top_p=1.0), torch.tensor([2.0, 4.0]))


def test_guidance_starts_at_the_unconditional_logits():
    conditional, unconditional = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 2.0])
    assert torch.equal(guide(conditional, unconditional, 0.0), unconditional)
    assert torch.equal(guide(conditional, unconditional, 1.0), conditional)
    assert torch.equal(guide(conditional, unconditional, 3.0), torch.tensor([-1.0, 5.0]))


def philox(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x64-10 as published (Salmon et al. 2011): four 64-bit words."""
    for _ in range(10):
        low, high = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [high >> 64 ^ counter[1] ^ key[0], high % 2**64, low >> 64 ^ counter[3] ^ key[1], low % 2**64]
        key = [(key[0] + 0x9E3779B97F4A7C15) % 2**64, (key[1] + 0xBB67AE8584CAA73B) % 2**64]
    return counter


@pytest.mark.parametrize(("seed", "row", "col"), [(0, 0, 0), (2**64 - 1, 5, 700)])
def test_noise_is_philox_and_so_fixed_for_all_time(seed, row, col):
    words = [word for block in (1, 2) for word in philox([block, 0, row, col], [seed, 0])]
    expected = [-math.log(-math.log(((word >> 11) + 0.5) * 2.0**-53)) for word in words]
    np.testing.assert_allclose(place_noise(seed, row, col, 8), expected, rtol=1e-14)


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=["seed", "row", "col"])
def test_noise_belongs_to_seed_and_place(other):
    assert not np.allclose(place_noise(0, 0, 0, 100), place_noise(*other, 100))


def test_a_longer_vocabulary_prolongs_the_noise():
    np.testing.assert_array_equal(place_noise(4, 2, 3, 50), place_noise(4, 2, 3, 80)[:50])


def test_the_largest_logit_plus_noise_is_a_draw_from_the_softmax():
    logits = np.array([1.0, 0.0, 2.0, -1.0])
    draws = [np.argmax(logits + place_noise(11, row, col, 4)) for row in range(200) for col in range(100)]
    frequencies = np.bincount(draws, minlength=4) / len(draws)
    np.testing.assert_allclose(frequencies, np.exp(logits) / np.exp(logits).sum(), atol=0.012)


def test_the_noise_of_many_places_on_a_device_is_that_of_each():
    seeds, rows, cols = [0, 7, 2**64 - 1, 2**63], [0, 3, 5, 100000], [1, 0, 4, 2**20]
    expected = torch.stack([torch.from_numpy(place_noise(*place, 21)) for place in zip(seeds, rows, cols, strict=True)])
    on_device = draw._noise_on_device(draw._as_words(seeds, rows, cols, device=torch.device("cpu")), 21)
    assert torch.allclose(on_device, expected, rtol=0, atol=1e-12)
    assert torch.equal(draw.place_noises(seeds, rows, cols, 21, torch.zeros((), dtype=torch.float64)), expected)


def test_the_noise_of_steps_is_that_of_their_places_however_many_are_made_at_once():
    steps = [[(0, 0, 0)], [(7, 0, 1), (8, 0, 1)], [(7, 1, 0)] * 70, [(0, 2, 3)]]
    made = list(draw.noise_of_steps(steps, 21, torch.zeros((), dtype=torch.float64)))
    for step, noise in zip(steps, made, strict=True):
        assert torch.equal(noise, torch.stack([torch.from_numpy(place_noise(*place, 21)) for place in step]))
    assert list(draw.noise_of_steps([], 21, torch.zeros(()))) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_top_k_keeps_the_likeliest_codes_and_what_is_as_likely_as_the_last(dtype):
    logits = torch.randint(-9, 9, (7, 40), generator=torch.Generator().manual_seed(0)).to(dtype)
    kept = filter_logits(logits, temperature=1.0, top_k=6, top_p=1.0).isfinite()
    more_likely = (logits[:, None, :] > logits[:, :, None]).sum(-1)
    assert torch.equal(kept, more_likely < 6)


@pytest.mark.parametrize("min_p", [0.0, 0.05, 0.3, 1.0])
def test_min_p_keeps_codes_by_their_probability_in_relation_to_the_likeliest(min_p):
    logits = torch.linspace(-3, 3, 96).view(2, 48)  # codes at every distance from the likeliest
    probabilities = (logits / 0.7).softmax(-1)
    filtered = filter_logits(logits, temperature=0.7, top_k=None, top_p=1.0, min_p=min_p)
    expected = probabilities >= min_p * probabilities.amax(-1, keepdim=True)
    assert torch.equal(filtered.isfinite(), expected)
    assert torch.allclose(filtered[expected], (logits / 0.7)[expected])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("temperature", [1e-5, 1e-30, 1e-38, 1e-45, 1e-300])
def test_the_limit_of_low_temperatures_is_the_likeliest_code(temperature, dtype):
    logits = torch.tensor([[31.0, -4.0, 31.5], [-2e4, 3e4, 1.0]], dtype=dtype)
    filtered = filter_logits(logits, temperature=temperature, top_k=2, top_p=0.9)
    noise = torch.stack([torch.from_numpy(place_noise(seed, 0, 0, 3)) for seed in (1, 2)]).to(dtype)
    assert not filtered.isnan().any()
    assert (filtered + noise).argmax(-1).tolist() == [2, 1]
