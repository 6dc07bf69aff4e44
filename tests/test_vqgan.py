"""The VQGAN's shapes, variants and errors; its numbers are tested against the original's in test_taming_checkpoints."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F

from vqgan_transformer import VQGAN, VQGANConfig
from vqgan_transformer.vqgan.quantizer import GumbelQuantizer, NearestQuantizer, perplexity

SMALL = {
    "channels": 32, "channel_multipliers": (1, 1, 2), "num_res_blocks": 1, "attention_levels": (2,), "latent_channels": 16,
    "codebook_size": 24, "code_dim": 8,
}  # fmt: skip

VARIANTS = {
    "the paper's": {},
    "gumbel": {"quantizer": "gumbel", "code_dim": 16},
    "twelve labels": {"in_channels": 12, "out_channels": 12},
    "depth": {"in_channels": 1, "out_channels": 1},
    "no attention": {"attention_levels": (), "mid_attention": False},
    "symmetric": {"decoder_res_blocks": 1},
    "local": {"norm": "channel", "channels": 20, "mid_attention": False, "attention_levels": ()},
    "patches": {"patch_size": 2},
    "blocks by level": {"num_res_blocks": (0, 1, 2), "decoder_res_blocks": (1, 0, 2)},
    "unit codes": {"normalize_codes": True},
    "sixteen groups": {"norm_groups": 16, "channels": 48},
    "spatial": {"norm": "spatial"},
    "averaging": {"downsample": "average"},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_variant_makes_tokens_and_pictures_of_any_size(variant):
    torch.manual_seed(0)
    config = VQGANConfig(**{**SMALL, **variant})
    vqgan, f = VQGAN(config).eval(), config.downsample_factor
    images = torch.rand(2, config.in_channels, 3 * f, 5 * f) * 2 - 1
    out = vqgan(images)
    assert out.tokens.shape == (2, 3, 5)
    assert out.reconstruction.shape == (2, config.out_channels, 3 * f, 5 * f)
    assert torch.equal(vqgan.encode(images), out.tokens)
    assert torch.allclose(vqgan.decode(out.tokens), out.reconstruction, atol=1e-5)
    assert 1 <= out.perplexity <= config.codebook_size


def test_the_defaults_are_the_papers_model_of_72_million_parameters():
    with torch.device("meta"):
        vqgan = VQGAN(VQGANConfig())
    parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in vqgan.named_children()}
    assert parameters["encoder"] == pytest.approx(29.298e6, rel=5e-3)
    assert sum(parameters.values()) == pytest.approx(72.142e6, rel=1e-5)
    assert vqgan.downsample_factor == 16


def test_a_code_is_the_nearest_one():
    torch.manual_seed(0)
    quantizer = NearestQuantizer(7, 3, normalize=False, commitment_weight=0.25, legacy=False)
    latents = torch.randn(2, 3, 4, 5) * 0.1
    distances = (latents[:, None] - quantizer.codebook.weight[None, :, :, None, None]).pow(2).sum(2)
    assert torch.equal(quantizer.tokens(latents), distances.argmin(1))


@pytest.mark.parametrize(("legacy", "encoder_weight", "codebook_weight"), [(False, 0.25, 1.0), (True, 1.0, 0.25)])
def test_the_commitment_weight_lies_on_the_term_that_the_option_says(legacy, encoder_weight, codebook_weight):
    torch.manual_seed(0)
    quantizer = NearestQuantizer(7, 3, normalize=False, commitment_weight=0.25, legacy=legacy)
    latents = torch.randn(1, 3, 2, 2, requires_grad=True)
    out = quantizer(latents)
    out.loss.backward()
    gap = (latents - quantizer.lookup(out.tokens)).detach()
    assert torch.allclose(latents.grad, 2 * encoder_weight * gap / gap.numel())
    used = out.tokens.flatten()
    pull = torch.zeros(7, 3).index_add(
        0, used, -2 * codebook_weight * gap.permute(0, 2, 3, 1).reshape(-1, 3) / gap.numel()
    )
    assert torch.allclose(quantizer.codebook.weight.grad, pull)


def test_gradients_pass_straight_through_the_codes():
    torch.manual_seed(0)
    quantizer = NearestQuantizer(7, 3, normalize=False, commitment_weight=0.25, legacy=False)
    latents = torch.randn(1, 3, 2, 2, requires_grad=True)
    upstream = torch.randn(1, 3, 2, 2)
    (quantizer(latents).latents * upstream).sum().backward()
    assert torch.allclose(latents.grad, upstream)


def test_unit_codes_ignore_lengths():
    torch.manual_seed(0)
    quantizer = NearestQuantizer(7, 3, normalize=True, commitment_weight=0.25, legacy=False)
    latents = torch.randn(1, 3, 4, 4)
    assert torch.equal(quantizer.tokens(latents), quantizer.tokens(latents * 5))
    assert torch.allclose(quantizer.lookup(quantizer.tokens(latents)).norm(dim=1), torch.ones(1, 4, 4))


def test_gumbel_codes_are_drawn_in_training_and_the_likeliest_in_use():
    torch.manual_seed(0)
    quantizer = GumbelQuantizer(7, 3, latent_channels=3, kl_weight=0.5)
    latents = torch.randn(1, 3, 8, 8)
    assert torch.equal(quantizer.eval()(latents).tokens, quantizer.projection(latents).argmax(1))
    assert not torch.equal(quantizer.train()(latents).tokens, quantizer(latents).tokens)
    p = quantizer.projection(latents).softmax(1)
    divergence = (p * torch.log(p * 7)).sum(1).mean()
    assert quantizer(latents).loss.item() == pytest.approx(0.5 * divergence.item(), rel=1e-4)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["autocast", "weights in bfloat16"])
def test_the_nearest_code_is_found_in_full_precision(normalize, dtype):
    torch.manual_seed(0)
    quantizer = NearestQuantizer(256, 8, normalize=normalize, commitment_weight=0.25, legacy=False).to(dtype)
    torch.nn.init.normal_(quantizer.codebook.weight)
    latents = torch.randn(4, 8, 16, 16).to(dtype)
    codes = quantizer.codebook.weight.detach().double()
    rows = latents.double().movedim(1, -1).flatten(0, 2)
    if normalize:
        codes, rows = F.normalize(codes, dim=1), F.normalize(rows, dim=1)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.float32):
        tokens = quantizer.tokens(latents)
    assert (tokens.flatten() == torch.cdist(rows, codes).argmin(1)).float().mean() > 0.999


def test_gumbels_likeliest_code_is_found_in_full_precision():
    torch.manual_seed(0)
    quantizer = GumbelQuantizer(256, 8, latent_channels=8, kl_weight=0.0).eval()
    latents = torch.randn(4, 8, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        tokens = quantizer.tokens(latents)
    assert torch.equal(tokens, quantizer.tokens(latents))


@pytest.mark.parametrize(("tokens", "expected"), [([3, 3, 3], 1.0), ([0, 1, 2, 3], 4.0), ([0, 0, 1, 1], 2.0)])
def test_perplexity_counts_codes_in_even_use(tokens, expected):
    assert perplexity(torch.tensor(tokens), 8).item() == pytest.approx(expected)


def test_the_local_variant_decodes_a_strip_as_in_the_whole():
    torch.manual_seed(0)
    local = {"norm": "channel", "mid_attention": False, "attention_levels": ()}
    vqgan = VQGAN(VQGANConfig(**{**SMALL, **local})).double().eval()
    tokens = torch.randint(24, (1, 40, 3))
    whole, strip = vqgan.decode(tokens), vqgan.decode(tokens[:, :24])
    untouched = (24 - 16) * vqgan.downsample_factor  # the cut is seen by less than 16 rows of tokens
    assert torch.allclose(whole[:, :, :untouched], strip[:, :, :untouched], atol=1e-12)


def test_dropout_is_active_in_training_only():
    torch.manual_seed(0)
    vqgan = VQGAN(VQGANConfig(**SMALL, dropout=0.5))
    images = torch.rand(1, 3, 8, 8)
    assert not torch.equal(vqgan.train().encode_to_latents(images), vqgan.encode_to_latents(images))
    assert torch.equal(vqgan.eval().encode_to_latents(images), vqgan.encode_to_latents(images))


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.rand(1, 3, 30, 32), ValueError, "multiples of 4.*30×32.*32×32"),
        (torch.rand(1, 1, 32, 32), ValueError, r"\(B, 3, H, W\)"),
        (torch.rand(3, 32, 32), ValueError, r"\(B, 3, H, W\)"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), TypeError, "uint8"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        VQGAN(VQGANConfig(**SMALL)).encode(images)


@pytest.mark.parametrize(
    ("tokens", "error", "message"),
    [
        (torch.zeros(1, 4, 4), TypeError, "int64"),
        (torch.zeros(4, 4, dtype=torch.long), ValueError, r"\(B, h, w\)"),
        (torch.full((1, 4, 4), 24), ValueError, "0–23"),
        (torch.full((1, 4, 4), -1), ValueError, "-1"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(tokens, error, message):
    with pytest.raises(error, match=message):
        VQGAN(VQGANConfig(**SMALL)).decode(tokens)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": 20}, "divide by 32"),
        ({"codebook_size": 0}, "codebook_size"),
        ({"channel_multipliers": ()}, "channel_multipliers"),
        ({"num_res_blocks": (1, 2)}, "5 levels"),
        ({"attention_levels": (5,)}, "0..4"),
        ({"norm": "batch"}, "norm"),
        ({"quantizer": "gumbel", "code_dim": 8}, "code_dim equal to latent_channels"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_a_config_that_contradicts_itself_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        VQGANConfig(**fields)


def test_attention_is_the_softmax_over_all_places():
    from vqgan_transformer.vqgan.autoencoder import AttentionBlock, normalisation

    torch.manual_seed(0)
    block = AttentionBlock(32, norm=partial(normalisation, kind="group")).double()
    x = torch.randn(1, 32, 3, 2, dtype=torch.double)
    q, k, v = (f(block.norm(x)).flatten(2) for f in (block.query, block.key, block.value))
    weights = F.softmax(q.transpose(1, 2) @ k * 32**-0.5, dim=2)
    assert torch.allclose(block(x), x + block.out((v @ weights.transpose(1, 2)).view(1, 32, 3, 2)))
