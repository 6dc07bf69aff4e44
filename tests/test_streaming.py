"""Strips of pixels while a picture is painted; previews."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vqgan_transformer import (
    VQGAN,
    ImageSynthesisPipeline,
    SegmentationCondition,
    SlidingWindowSampler,
    Unconditional,
    VQGANConfig,
)
from vqgan_transformer.pipeline.streaming import Previews
from vqgan_transformer.vqgan.strips import (
    decode_strip,
    decoder_reach,
    encode_tiles,
    encoder_reach,
    is_local,
    whole_statistics,
)

LOCAL = {"channels": 6, "attention_levels": (), "mid_attention": False, "norm": "channel"}
KINDS = {
    "local": LOCAL,
    "patches": LOCAL | {"patch_size": 2, "decoder_res_blocks": (0, 2, 1)},
    "group": {"attention_levels": (), "mid_attention": False},
    "attention": {"attention_levels": (2,)},
}


def make_vqgan(kind, **settings_beside):
    torch.manual_seed(1)
    settings = {"channels": 32, "channel_multipliers": (1, 1, 1), "num_res_blocks": 1, "latent_channels": 8}
    config = VQGANConfig(**settings | {"codebook_size": 24, "code_dim": 8} | KINDS[kind] | settings_beside)
    vqgan = VQGAN(config).double().eval()
    torch.nn.init.normal_(vqgan.quantizer.codebook.weight)
    return vqgan


def tokens_of(height, width):
    return torch.randint(24, (1, height, width), generator=torch.Generator().manual_seed(height))


def strips(vqgan, tokens, rows, statistics=None):
    starts = range(0, tokens.shape[1], rows)
    return torch.cat([decode_strip(vqgan, tokens, s, min(s + rows, tokens.shape[1]), statistics) for s in starts], 2)


@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("kind", ["local", "patches"])
@torch.no_grad()
def test_strips_of_a_local_decoder_are_those_of_the_whole(kind, rows):
    vqgan, tokens = make_vqgan(kind), tokens_of(40, 3)
    assert is_local(vqgan.decoder)
    assert torch.allclose(strips(vqgan, tokens, rows), vqgan.decode(tokens), atol=1e-12)


@pytest.mark.parametrize("kind", ["local", "patches"])
@torch.no_grad()
def test_the_reach_is_no_longer_and_no_shorter_than_what_pixels_depend_on(kind):
    vqgan, tokens = make_vqgan(kind), tokens_of(60, 2)
    changed = tokens.clone()
    changed[:, 30] = (changed[:, 30] + 12) % 24
    rows = (vqgan.decode(tokens) != vqgan.decode(changed)).any(3).any(1)[0].nonzero().flatten()
    factor = vqgan.downsample_factor
    reach = decoder_reach(vqgan.config)
    assert 30 - reach <= rows.min() // factor <= 30 - reach + 1
    assert 30 + reach - 1 <= rows.max() // factor <= 30 + reach


@pytest.mark.parametrize("kind", ["local", "patches"])
@torch.no_grad()
def test_tiles_across_are_those_of_the_whole_too(kind, monkeypatch):
    monkeypatch.setattr("vqgan_transformer.vqgan.strips.SIDE", 5)
    vqgan, tokens = make_vqgan(kind), tokens_of(12, 47)
    assert torch.allclose(strips(vqgan, tokens, 4), vqgan.decode(tokens), atol=1e-12)


@pytest.mark.parametrize("downsample", ["convolution", "average"])
@pytest.mark.parametrize("kind", ["local", "patches"])
@torch.no_grad()
def test_pictures_encoded_in_tiles_have_the_tokens_of_the_whole(kind, downsample, monkeypatch):
    monkeypatch.setattr("vqgan_transformer.vqgan.strips.SIDE", 5)
    vqgan = make_vqgan(kind, downsample=downsample)
    factor = vqgan.downsample_factor
    pictures = torch.rand(2, 3, 44 * factor, 23 * factor, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    assert torch.equal(encode_tiles(vqgan, pictures, lambda part: part), vqgan.encode(pictures))


@pytest.mark.parametrize("kind", ["local", "patches"])
@torch.no_grad()
def test_the_reach_of_an_encoder_is_no_longer_and_no_shorter_than_what_tokens_depend_on(kind):
    vqgan = make_vqgan(kind)
    factor, reach = vqgan.downsample_factor, encoder_reach(vqgan.config)
    first, last = torch.zeros(2, 1, 3, 60 * factor, 2 * factor).double()
    first[:, :, 30 * factor] = last[:, :, 31 * factor - 1] = (
        1  # the first and the last row of pixels of a row of tokens
    )
    nothing = vqgan.encode_to_latents(torch.zeros_like(first))
    rows = [(vqgan.encode_to_latents(one) != nothing).any(3).any(1)[0].nonzero().flatten() for one in (first, last)]
    assert 30 - reach <= min(map(min, rows)) <= 30 - reach + 1
    assert 30 + reach - 1 <= max(map(max, rows)) <= 30 + reach


@torch.no_grad()
def test_statistics_of_the_whole_picture_bring_group_normalisation_near_the_whole():
    vqgan, tokens = make_vqgan("group"), tokens_of(40, 4)
    tokens[:, 20:] %= 3  # the lower half is of another kind
    whole = vqgan.decode(tokens)
    alone = (strips(vqgan, tokens, 8) - whole).abs().mean()
    shared = (strips(vqgan, tokens, 8, whole_statistics(vqgan, tokens, 8)) - whole).abs().mean()
    assert not is_local(vqgan.decoder)
    assert shared < 0.8 * alone


@torch.no_grad()
def test_statistics_from_one_strip_are_the_wholes():
    vqgan, tokens = make_vqgan("group"), tokens_of(9, 4)
    whole = vqgan.decode(tokens)
    assert torch.allclose(strips(vqgan, tokens, 3, whole_statistics(vqgan, tokens, 9)), whole, atol=1e-10)
    assert torch.equal(vqgan.decode(tokens), whole)  # nothing stays behind


@pytest.mark.parametrize("kind", ["local", "attention"])
@pytest.mark.parametrize(("size", "strip"), [((23, 18), 1), ((62, 9), 3), ((9, 9), 5)], ids=str)
def test_a_streamed_picture_is_the_painted_one(gpt, kind, size, strip):
    vqgan = make_vqgan(kind)
    pipe = ImageSynthesisPipeline(vqgan, gpt, SlidingWindowSampler(stride=2), [Unconditional()])
    whole = pipe(size=size, seed=3, output_type="np", progress=False).images[0]
    parts = list(pipe.stream(size=size, seed=3, strip=strip))
    streamed = np.concatenate(parts)
    assert {len(part) for part in parts[:-1]} <= {4 * strip}
    if kind == "local":
        assert np.array_equal(streamed, whole)
    else:
        assert streamed.shape == whole.shape


def test_strips_come_before_the_picture_is_done(gpt):
    vqgan = make_vqgan("local")
    drawn = []
    sampler = SlidingWindowSampler(stride=2)
    rows = sampler.rows(gpt, torch.zeros(1, 1, dtype=torch.long), (40, 4), callback=lambda n, *_: drawn.append(n))
    complete, _ = next(rows)
    assert complete == 1
    assert drawn[-1] < 40 * 4 / 10
    assert torch.equal(list(rows)[-1][1], sampler(gpt, torch.zeros(1, 1, dtype=torch.long), (40, 4)))
    pipe = ImageSynthesisPipeline(vqgan, gpt, sampler, [Unconditional()])
    assert next(pipe.stream(size=(200, 16), seed=0, strip=2, output_type="pt")).shape == (3, 8, 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"strip": 0}, "strip"), ({"output_type": "tokens"}, "'np', 'pil' or 'pt'"), ({"siz": (8, 8)}, "size")],
)
def test_what_cannot_be_streamed_is_refused_at_once(gpt, vqgan, arguments, message):
    pipe = ImageSynthesisPipeline(vqgan, gpt, conditions=[Unconditional()])
    with pytest.raises((ValueError, TypeError), match=message):
        pipe.stream(**{"size": (8, 8)} | arguments)


def test_a_streamed_map_is_refused_only_where_its_tokenizer_must_see_it_whole(gpt, monkeypatch):
    monkeypatch.setattr("vqgan_transformer.pipeline.memory._memory", lambda device: 8 * 2**20)
    labels = np.zeros((512, 512), int)

    def stream(kind):
        tokenizer = make_vqgan(kind, in_channels=3)
        conditions = [SegmentationCondition(labels=("sky", "tree", "grass"), vqgan=tokenizer)]
        return ImageSynthesisPipeline(make_vqgan("local"), gpt, conditions=conditions).stream(segmentation=labels)

    stream("local")
    with pytest.raises(ValueError, match="segmentation, whose VQGAN has attention or group normalisation"):
        stream("group")


def test_previews_take_no_more_than_their_part_of_the_time(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("vqgan_transformer.pipeline.streaming.time.perf_counter", lambda: clock[0])

    class SlowDecoder:
        def decode(self, tokens):
            clock[0] += 2.0
            return tokens

    shown = []
    previews = Previews(SlowDecoder(), shown.append, most=0.05)
    for step in range(1000):
        clock[0] += 1.0
        previews(step, 1000, torch.zeros(1, 4, 4))
    assert 20 < len(shown) <= 26
    assert 2.0 * len(shown) <= 0.05 * clock[0] + 2.0
