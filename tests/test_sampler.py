"""The sampler against the slow, obvious loop: one full forward pass for each token."""

from __future__ import annotations

import inspect
import math

import pytest
import torch

from vqgan_transformer import CondGPT, CondGPTConfig, SamplerConfig, SlidingWindowSampler
from vqgan_transformer.sampler.draw import filter_logits, guide, place_noise
from vqgan_transformer.sampler.guidance import Guidance
from vqgan_transformer.sampler.reading import WindowReader
from vqgan_transformer.sampler.schedule import wavefront, window_origin
from vqgan_transformer.sampler.windows import TokenGrid, WholeCondition


@torch.no_grad()
def reference(
    gpt, condition, size, seeds, *, temperature=1.0, top_k=None, top_p=1.0, guidance_scale=1.0, stride=1, centre=None,
    tokens=None, keep=None,
):  # fmt: skip
    """Raster order, the whole window at each place, garbage where nothing is drawn yet."""
    (height, width), (rows, cols) = size, gpt.config.window
    painted = torch.randint(gpt.config.vocab_size, (len(seeds), height, width))
    for i in range(height):
        for j in range(width):
            top = window_origin(i, height, rows, stride, centre and centre[0])
            left = window_origin(j, width, cols, stride, centre and centre[1])
            crop = (slice(None), slice(top, top + rows), slice(left, left + cols))
            if isinstance(condition, torch.Tensor):
                local = condition[crop] if condition.ndim == 3 else condition
            else:
                local = condition.window(top, left)
            logits = gpt(painted[crop], local)[:, i - top, j - left]
            if guidance_scale != 1:
                null = gpt(painted[crop], gpt.null_condition(local))[:, i - top, j - left]
                logits = guide(logits, null, guidance_scale)
            logits = filter_logits(logits, temperature=temperature, top_k=top_k, top_p=top_p)
            noise = torch.stack([torch.from_numpy(place_noise(s, i, j, logits.shape[-1])) for s in seeds])
            painted[:, i, j] = (logits + noise).argmax(-1)
            if keep is not None:
                painted[:, i, j] = torch.where(keep[:, i, j], tokens[:, i, j], painted[:, i, j])
    return painted


class OriginCondition:
    """A condition that is no grid: three tokens that say where the window lies."""

    def __init__(self, batch):
        self.batch = batch

    def window(self, top, left):
        return torch.tensor([[7, top % 23, left % 23]]).repeat(self.batch, 1)


def grid(batch, height, width, vocab=24):
    return torch.randint(vocab, (batch, height, width), generator=torch.Generator().manual_seed(height * width))


SETTINGS = [
    {"top_k": None},
    {"temperature": 0.7, "top_k": 5, "top_p": 0.9},
    {"top_k": 8, "guidance_scale": 2.5},
    {"top_k": None, "stride": 2},
    {"top_k": 1},
    {"top_k": None, "centre": (1, 1)},
    {"top_k": None, "centre": (0, 3), "stride": 3},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("size", [(4, 4), (5, 9), (9, 6)], ids=str)
def test_it_paints_what_the_plain_loop_paints(gpt, size, settings):
    condition = grid(2, *size)
    expected = reference(gpt, condition, size, seeds=[7, 8], **settings)
    assert torch.equal(SlidingWindowSampler(**settings)(gpt, condition, seed=7), expected)


@pytest.mark.parametrize("settings", SETTINGS[:3], ids=str)
def test_one_condition_token_is_seen_by_every_window(gpt, settings):
    start = torch.tensor([[3], [17]])
    expected = reference(gpt, start, (6, 7), seeds=[0, 1], **settings)
    assert torch.equal(SlidingWindowSampler(**settings)(gpt, start, size=(6, 7)), expected)


@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"centre": (1, 1), "guidance_scale": 2.0}], ids=str)
def test_a_condition_may_be_made_for_each_window(gpt, settings):
    expected = reference(gpt, OriginCondition(2), (6, 9), seeds=[0, 1], **settings)
    assert torch.equal(SlidingWindowSampler(**settings, top_k=None)(gpt, OriginCondition(2), (6, 9)), expected)


MASKS = {
    "nothing": torch.zeros(2, 7, 9, dtype=torch.bool),
    "all": torch.ones(2, 7, 9, dtype=torch.bool),
    "upper half": (torch.arange(7) < 4)[:, None].expand(2, 7, 9),
    "right half": (torch.arange(9) > 4).expand(2, 7, 9),
    "scattered": torch.rand(2, 7, 9, generator=torch.Generator().manual_seed(0)) < 0.5,
    "all but one": torch.ones(2, 7, 9, dtype=torch.bool).index_put(
        (torch.tensor(1), torch.tensor(5), torch.tensor(6)), torch.tensor(False)
    ),
}


@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"centre": (1, 1)}, {"guidance_scale": 2.0}], ids=str)
@pytest.mark.parametrize("mask", MASKS)
def test_kept_tokens_stay_and_are_seen(gpt, mask, settings):
    condition, tokens, keep = grid(2, 7, 9), grid(2, 7, 9).roll(1), MASKS[mask]
    expected = reference(gpt, condition, (7, 9), seeds=[3, 4], tokens=tokens, keep=keep, **settings)
    sampler = SlidingWindowSampler(**settings, top_k=None)
    painted = sampler(gpt, condition, seed=3, tokens=tokens, keep=keep)
    assert torch.equal(painted, expected)
    assert torch.equal(painted[keep], tokens[keep])


def test_one_mask_serves_all_pictures(gpt):
    condition, tokens, keep = grid(2, 5, 6), grid(2, 5, 6).roll(1), MASKS["scattered"][0, :5, :6]
    sampler = SlidingWindowSampler()
    assert torch.equal(
        sampler(gpt, condition, tokens=tokens, keep=keep),
        sampler(gpt, condition, tokens=tokens, keep=keep.expand(2, 5, 6)),
    )


def test_only_what_is_not_kept_counts_as_work(gpt):
    keep, seen = MASKS["upper half"][0, :, :6], []
    SlidingWindowSampler()(
        gpt, grid(1, 7, 6), tokens=grid(1, 7, 6), keep=keep, callback=lambda done, total, _: seen.append((done, total))
    )
    assert seen[-1] == (18, 18)


def test_a_fully_visible_condition_is_cached_as_it_is_trained():
    torch.manual_seed(3)
    config = CondGPTConfig(vocab_size=24, block_size=32, n_layer=2, n_head=2, n_embd=16, window=(4, 4), n_unmasked=16)
    gpt = CondGPT(config).double().eval()
    for parameter in gpt.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    condition = grid(1, 6, 6)
    expected = reference(gpt, condition, (6, 6), seeds=[0])
    assert torch.equal(SlidingWindowSampler(top_k=None)(gpt, condition), expected)


def test_a_picture_does_not_depend_on_its_batch(gpt):
    condition = grid(3, 6, 7)
    together = SlidingWindowSampler()(gpt, condition, seed=[5, 6, 7])
    for k in (2, 0, 1):
        alone = SlidingWindowSampler()(gpt, condition[k : k + 1], seed=5 + k)
        assert torch.equal(alone[0], together[k])


@pytest.mark.parametrize("room", [0, 1, 3], ids="room for {} windows".format)
@pytest.mark.parametrize("stride", [1, 2])
def test_tokens_are_the_same_however_little_is_kept(gpt, room, stride):
    condition = grid(2, 7, 9)
    expected = SlidingWindowSampler(stride=stride)(gpt, condition)
    of_one_window = gpt.start(condition[:, :4, :4]).bytes
    sampler = SlidingWindowSampler(stride=stride, memory_limit=room * of_one_window)
    assert torch.equal(sampler(gpt, condition), expected)


def read_all(gpt, condition, size, *, guidance=None, **settings):
    """A reader that has seen a whole schedule, and what waited in it after each step."""
    batch, window = len(condition), gpt.config.window
    tokens, schedule = torch.zeros(batch, *size, dtype=torch.long), list(wavefront(size, window))
    seen = WholeCondition(condition, gpt.conditioning, window, batch)
    grids = [TokenGrid(seen, tokens, None, [*range(batch)], size, window)]
    reader = WindowReader(gpt, grids, schedule, guidance or Guidance(), SamplerConfig(**settings))
    waiting = []
    for places in schedule:
        reader.logits(places)
        waiting.append(sum(cache.bytes for versions in reader.waiting.values() for cache in versions))
    return reader, waiting


def test_nothing_is_kept_in_the_end(gpt):
    reader, waiting = read_all(gpt, grid(1, 7, 9), (7, 9))
    assert max(waiting) > 0
    assert waiting[-1] == 0
    assert not reader.conditions.read


def test_what_waits_stays_within_the_limit(gpt):
    of_one_window = gpt.start(grid(1, 4, 4)).bytes
    _, unbounded = read_all(gpt, grid(1, 6, 20), (6, 20))
    _, bounded = read_all(gpt, grid(1, 6, 20), (6, 20), memory_limit=2 * of_one_window)
    just_used = 3  # one for each row that the same window draws
    assert max(unbounded) > (2 + just_used) * of_one_window >= max(bounded)


class CountingGPT:
    """A GPT that counts the positions it reads."""

    def __init__(self, gpt):
        self.gpt, self.condition_rows, self.positions = gpt, 0, 0
        self.config, self.head, self.conditioning = gpt.config, gpt.head, gpt.conditioning

    def start(self, condition, **options):
        self.condition_rows += len(condition)
        return self.gpt.start(condition, **options)

    def extend(self, caches, tokens):
        self.positions += tokens.numel()
        return self.gpt.extend(caches, tokens)


@pytest.mark.parametrize(
    ("condition", "guided", "rows"),
    [
        (grid(1, 7, 9), False, 4 * 6),
        (grid(1, 7, 9).expand(3, 7, 9), False, 4 * 6),
        (torch.tensor([[5], [5], [6]]), False, 2),
        (torch.full((1, 7, 9), 3), True, 2),
    ],
    ids=["a window each", "three pictures of one condition", "a class", "all the same, and dropped"],
)  # fmt: skip
def test_equal_conditions_are_read_once(gpt, condition, guided, rows):
    counting = CountingGPT(gpt)
    guidance = Guidance.of(gpt, SamplerConfig(guidance_scale=2.0 if guided else 1.0), ())
    read_all(counting, condition, (7, 9), guidance=guidance)
    assert counting.condition_rows == rows


def test_each_token_of_a_window_is_read_once(gpt):
    counting = CountingGPT(gpt)
    read_all(counting, grid(1, 7, 9), (7, 9))
    last = {}
    for places in wavefront((7, 9), (4, 4)):
        last.update({place.window: place.prefix(4) for place in places})
    assert len(last) == (7 - 3) * (9 - 3)
    assert counting.positions == sum(last.values())


@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"guidance_scale": 2.0}], ids=str)
def test_pictures_of_several_sizes_are_painted_at_once(gpt, settings):
    conditions = [grid(2, 7, 9), grid(1, 4, 13), grid(1, 3, 2)]
    tokens, keep = [None, grid(1, 4, 13).roll(1), None], [None, grid(1, 4, 13) % 2 == 0, None]
    sampler = SlidingWindowSampler(**settings)
    together = sampler(gpt, conditions, seed=3, tokens=tokens, keep=keep)
    for condition, own, mask, seed, painted in zip(conditions, tokens, keep, (3, 5, 6), together, strict=True):
        assert torch.equal(sampler(gpt, condition, seed=seed, tokens=own, keep=mask), painted)


def test_another_seed_is_another_picture(gpt):
    condition = grid(1, 6, 7)
    assert not torch.equal(
        SlidingWindowSampler()(gpt, condition, seed=1), SlidingWindowSampler()(gpt, condition, seed=2)
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (2, 7), (6, 3)], ids=str)
def test_a_grid_smaller_than_a_window_is_cut_from_one(gpt, size):
    condition = grid(1, *size)
    rows = [min(i, size[0] - 1) for i in range(max(4, size[0]))]
    cols = [min(j, size[1] - 1) for j in range(max(4, size[1]))]
    padded = condition[:, rows][:, :, cols]
    expected = SlidingWindowSampler()(gpt, padded)[:, : size[0], : size[1]]
    assert torch.equal(SlidingWindowSampler()(gpt, condition), expected)


def test_a_small_grid_may_have_kept_tokens_and_a_condition_of_its_own_kind(gpt):
    tokens, keep = grid(2, 3, 2), torch.tensor([[True, False], [False, True], [False, False]])
    wide = torch.zeros(2, 4, 4, dtype=torch.long), torch.zeros(2, 4, 4, dtype=torch.bool)
    wide[0][:, :3, :2], wide[1][:, :3, :2] = tokens, keep
    expected = reference(gpt, OriginCondition(2), (4, 4), seeds=[0, 1], tokens=wide[0], keep=wide[1])[:, :3, :2]
    painted = SlidingWindowSampler(top_k=None)(gpt, OriginCondition(2), (3, 2), tokens=tokens, keep=keep)
    assert torch.equal(painted, expected)


@pytest.mark.parametrize("settings", [{}, {"guidance_scale": 2.0}, {"stride": 2}, {"centre": (1, 1)}], ids=str)
def test_the_likelihood_is_that_of_each_token_in_its_window(gpt, settings):
    tokens, condition = grid(2, 6, 5), grid(2, 6, 5).flip(1)
    stride, scale = settings.get("stride", 1), settings.get("guidance_scale", 1)
    centre = settings.get("centre", (2, 2))
    expected = torch.zeros(2, 6, 5, dtype=torch.float64)
    for i in range(6):
        for j in range(5):
            top, left = window_origin(i, 6, 4, stride, centre[0]), window_origin(j, 5, 4, stride, centre[1])
            crop = (slice(None), slice(top, top + 4), slice(left, left + 4))
            conditional, null = (
                gpt(tokens[crop], condition[crop]),
                gpt(tokens[crop], gpt.null_condition(condition[crop])),
            )
            logits = guide(conditional, null, scale)[:, i - top, j - left]
            expected[:, i, j] = logits.log_softmax(-1)[[0, 1], tokens[:, i, j]]
    sampler = SlidingWindowSampler(**settings)
    heard = []
    found = sampler.token_log_likelihood(gpt, condition, tokens, callback=lambda *state: heard.append(state))
    assert torch.allclose(found, expected, atol=1e-12)
    assert heard[-1][:2] == (30, 30) and torch.equal(heard[-1][2], found)
    assert torch.allclose(sampler.log_likelihood(gpt, condition, tokens), expected.mean((1, 2)), atol=1e-12)


def test_tokens_stay_below_the_codebook_size(gpt):
    assert SlidingWindowSampler(top_k=None)(gpt, grid(1, 8, 8), codebook_size=5).max() < 5


def test_the_callback_sees_the_picture_grow(gpt):
    seen = []
    tokens = SlidingWindowSampler()(
        gpt, grid(1, 5, 6), callback=lambda done, total, now: seen.append((done, total, now.clone()))
    )
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1][:2] == (30, 30)
    assert torch.equal(seen[-1][2], tokens)


def test_min_p_of_one_draws_the_likeliest_codes(gpt):
    condition = grid(1, 6, 7)
    likeliest = SlidingWindowSampler(top_k=1)(gpt, condition)
    assert torch.equal(SlidingWindowSampler(top_k=None, min_p=1.0)(gpt, condition), likeliest)


@pytest.mark.parametrize("power", [0.5, 2.75])
def test_guidance_can_grow_along_the_raster_of_a_window(gpt, power):
    condition, tokens = grid(2, 6, 5), grid(2, 6, 5).flip(1)
    sampler = SlidingWindowSampler(guidance_scale=4.0, guidance_schedule=power)
    drawn, found = sampler(gpt, condition), sampler.token_log_likelihood(gpt, condition, tokens)
    for i in range(6):
        for j in range(5):
            top, left = window_origin(i, 6, 4), window_origin(j, 5, 4)
            crop = (slice(None), slice(top, top + 4), slice(left, left + 4))
            place = (i - top) * 4 + j - left
            scale = 1 + 3 * (1 - math.cos(math.pi * (place / 16) ** power)) / 2
            local = condition[crop]

            def guided(window, local=local, place=place, scale=scale):
                both = [gpt(window, given).flatten(1, 2)[:, place] for given in (local, gpt.null_condition(local))]
                return guide(*both, scale)

            scores = guided(tokens[crop]).log_softmax(-1)[[0, 1], tokens[:, i, j]]
            assert torch.allclose(found[:, i, j], scores, atol=1e-12)
            noise = torch.stack([torch.from_numpy(place_noise(seed, i, j, 24)) for seed in (0, 1)])
            logits = filter_logits(guided(drawn[crop]), temperature=1.0, top_k=100, top_p=1.0)
            assert torch.equal((logits + noise).argmax(-1), drawn[:, i, j])


def test_a_sampler_shows_its_settings_and_takes_them_by_position_or_name():
    assert "temperature=0.5, top_k=7" in repr(SlidingWindowSampler(0.5, 7))
    assert SlidingWindowSampler(0.5, 7).config == SamplerConfig(temperature=0.5, top_k=7)
    assert "min_p" in inspect.signature(SlidingWindowSampler).parameters


def test_grids_that_a_callback_keeps_do_not_change(gpt):
    kept = []
    tokens = SlidingWindowSampler()(gpt, grid(1, 5, 5), callback=lambda done, total, so_far: kept.append(so_far))
    assert len({tuple(frame.flatten().tolist()) for frame in kept}) > 10
    kept[-1].zero_()
    assert tokens.any()
