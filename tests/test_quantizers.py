"""Kinds of quantizers: what their papers define, by plain formulas; and that one recipe trains them all."""

from __future__ import annotations

import json
import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F

from training_data import short_training, tiny_vqgan, write_pictures
from vqgan_transformer import VQGAN, VQGANConfig, train_vqgan
from vqgan_transformer.vqgan.finite_scalar import FiniteScalarQuantizer
from vqgan_transformer.vqgan.inner_product import InnerProductQuantizer, entropy_loss
from vqgan_transformer.vqgan.lookup_free import LookupFreeQuantizer
from vqgan_transformer.vqgan.quantizer_kinds import QUANTIZERS


def inner_product(**changes):
    torch.manual_seed(0)
    return InnerProductQuantizer(7, 3, **changes)


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_the_modern_recipe_trains_every_kind_as_it_is(kind, tmp_path):
    config = VQGANConfig.modern(quantizer=kind, channels=8, channel_multipliers=(1, 2), num_res_blocks=1,
                                decoder_res_blocks=1, latent_channels=8)  # fmt: skip
    vqgan = train_vqgan(
        write_pictures(tmp_path / "p"), tmp_path / "r", config=config, training=short_training(), progress=False
    )
    assert vqgan.config.quantizer == kind
    assert all(torch.isfinite(parameter).all() for parameter in vqgan.parameters())


def test_a_run_from_before_a_config_had_a_field_goes_on(tmp_path):
    arguments = {"config": tiny_vqgan(), "training": short_training(max_steps=2, checkpoint_every=1), "progress": False}
    pictures, run = write_pictures(tmp_path / "p"), tmp_path / "r"
    train_vqgan(pictures, run, **arguments)
    settings = json.loads((run / "training.json").read_text())
    del settings["config"]["entropy_weight"]
    (run / "training.json").write_text(json.dumps(settings))
    train_vqgan(pictures, run, resume=True, **arguments)
    settings["config"]["code_dim"] = 5
    (run / "training.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="these settings differ: config"):
        train_vqgan(pictures, run, resume=True, **arguments)


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_codes_are_the_looked_up_tokens_and_are_saved(kind, tmp_path):
    torch.manual_seed(0)
    vqgan = VQGAN(VQGANConfig.modern(quantizer=kind, channels=8)).eval()
    tokens = torch.arange(vqgan.codebook_size)[None, None]
    looked_up = vqgan.quantizer.lookup(tokens)  # (1, d, 1, K)
    assert torch.equal(looked_up[0, :, 0].T, vqgan.quantizer.codes)
    again = VQGAN.from_pretrained(vqgan.save_pretrained(tmp_path), dtype="bfloat16")
    assert again.config == vqgan.config
    assert again.decode(tokens).dtype == torch.bfloat16


def test_a_kind_that_is_unknown_is_named():
    with pytest.raises(ValueError, match="got 'residual'"):
        VQGANConfig.modern(quantizer="residual")


def test_codes_by_inner_product_are_those_with_the_largest():
    quantizer, latents = inner_product(), torch.randn(2, 3, 4, 5)
    products = torch.einsum("b d h w, k d -> b k h w", latents, quantizer.codebook.weight)
    assert torch.equal(quantizer.tokens(latents), products.argmax(1))
    assert torch.equal(quantizer(latents).tokens, products.argmax(1))


def test_tokens_are_the_same_however_many_products_fit_into_memory(monkeypatch):
    quantizer, latents = inner_product(), torch.randn(2, 3, 4, 5)
    whole = quantizer.tokens(latents)
    monkeypatch.setattr("vqgan_transformer.vqgan.inner_product.LOGITS_AT_ONCE", 20)
    assert torch.equal(quantizer.tokens(latents), whole)


def test_index_backpropagation_gives_every_code_a_gradient():
    """The decoder's gradient reaches codes and features as through a softmax over all codes."""
    quantizer, upstream = inner_product(), torch.randn(1, 3, 2, 2)
    latents = torch.randn(1, 3, 2, 2, requires_grad=True)
    out = quantizer(latents)
    assert torch.allclose(out.latents, quantizer.lookup(out.tokens), atol=1e-6)
    (out.latents * upstream).sum().backward()
    table, features = quantizer.codebook.weight.detach().requires_grad_(), latents.detach().requires_grad_()
    soft = torch.einsum("b d h w, k d -> b k h w", features, table).softmax(1)
    hard = F.one_hot(out.tokens, 7).permute(0, 3, 1, 2).float()
    through_choice = torch.einsum("b k h w, k d -> b d h w", soft, table.detach())
    through_codes = torch.einsum("b k h w, k d -> b d h w", hard, table)
    ((through_choice + through_codes) * upstream).sum().backward()
    assert torch.allclose(quantizer.codebook.weight.grad, table.grad, atol=1e-6)
    assert torch.allclose(latents.grad, features.grad, atol=1e-6)
    assert (quantizer.codebook.weight.grad.abs().sum(1) > 0).all()


def test_the_loss_of_inner_product_codes_is_the_papers():
    quantizer, latents = inner_product(commitment_weight=0.25, entropy_weight=0.0), torch.randn(1, 3, 4, 4)
    distance = F.mse_loss(latents, quantizer.lookup(quantizer.tokens(latents)))
    assert quantizer(latents).loss.item() == pytest.approx(2.25 * distance.item(), rel=1e-5)


def test_entropy_is_lowest_where_each_place_is_sure_and_all_codes_are_used():
    sure_and_even, unsure = 100 * torch.eye(4), torch.zeros(4, 4)
    one_code_only = 100 * torch.eye(4)[[0, 0, 0, 0]]
    assert entropy_loss(sure_and_even, 1.0).item() == pytest.approx(-math.log(4), abs=1e-3)
    assert entropy_loss(unsure, 1.0).item() == pytest.approx(0, abs=1e-3)
    assert entropy_loss(one_code_only, 1.0).item() == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("levels", [(8, 5, 5), (2, 3), (4, 4, 4, 4)])
def test_finite_scalar_codes_are_all_points_of_their_grid(levels):
    quantizer = FiniteScalarQuantizer(levels)
    axes = [[(digit - size // 2) / (size // 2) for digit in range(size)] for size in reversed(levels)]
    grid = torch.tensor([point[::-1] for point in product(*axes)])  # the first number of a code runs fastest
    assert torch.equal(quantizer.codes, grid)


def test_a_feature_becomes_the_nearest_point_after_it_is_bounded():
    levels = (8, 5, 5)
    quantizer = FiniteScalarQuantizer(levels)
    latents = 2 * torch.randn(1, 3, 30, 30, generator=torch.Generator().manual_seed(0))
    out = quantizer(latents)
    for size, feature, code in zip(levels, latents[0], out.latents[0], strict=True):
        span, offset = (size - 1) * 1.001 / 2, 0.5 if size % 2 == 0 else 0.0
        bounded = (feature + math.atanh(offset / span)).tanh() * span - offset
        assert torch.equal(code, bounded.round() / (size // 2))
        assert len(code.unique()) == size  # outermost levels are reached
    assert torch.equal(quantizer.tokens(latents), out.tokens)
    assert torch.equal(quantizer.lookup(out.tokens), out.latents)
    assert out.loss == 0
    assert torch.equal(quantizer(torch.zeros(1, 3, 1, 1)).latents, torch.zeros(1, 3, 1, 1))


def test_gradients_pass_straight_through_the_rounding():
    latents = torch.randn(1, 2, 3, 3, requires_grad=True)
    FiniteScalarQuantizer((5, 3))(latents).latents.sum().backward()
    span = torch.tensor([2.0, 1.0])[:, None, None] * 1.001
    expected = span * (1 - latents.detach().tanh().square()) / torch.tensor([2.0, 1.0])[:, None, None]
    assert torch.allclose(latents.grad[0], expected[0], atol=1e-6)


def test_the_signs_of_a_feature_are_the_bits_of_its_token():
    quantizer = LookupFreeQuantizer(3)
    latents = torch.tensor([[0.3, -2.0, 0.1], [-0.3, 5.0, -1e-9]]).T[None, :, :, None]  # (1, 3, 2, 1)
    assert quantizer.tokens(latents).flatten().tolist() == [1 + 4, 2]
    assert quantizer(latents).latents[0, :, :, 0].T.tolist() == [[1, -1, 1], [-1, 1, -1]]


def test_bits_are_pulled_to_and_used_alike():
    quantizer = LookupFreeQuantizer(3, commitment_weight=0.5, entropy_weight=0.1).train()
    latents = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    distance = F.mse_loss(latents, quantizer.lookup(quantizer.tokens(latents)))
    products = 2 * torch.einsum("b d h w, k d -> b h w k", latents, quantizer.codes).flatten(0, 2)
    expected = 0.5 * distance + 0.1 * entropy_loss(products, 0.01)
    assert quantizer(latents).loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert quantizer.eval()(latents).loss.item() == pytest.approx(0.5 * distance.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"quantizer": "fsq"}, "needs code_levels"),
        ({"quantizer": "fsq", "code_levels": (8, 1)}, "two or more"),
        ({"quantizer": "fsq", "code_levels": (8, 5)}, "make 40 codes of length 2, got codebook_size=1024"),
        ({"quantizer": "inner_product", "normalize_codes": True}, "normalize_codes=False"),
        (
            {"quantizer": "lookup_free"},
            "2\\^code_dim codes, of at most 30 bits; got codebook_size=1024 and code_dim=256",
        ),
        ({"quantizer": "lookup_free", "code_dim": 10, "normalize_codes": True}, "normalize_codes=False"),
        ({"quantizer": "inner_product", "entropy_weight": -1.0}, "entropy_weight must not be negative"),
    ],
)
def test_contradictions_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        VQGANConfig(**fields)


def test_sizes_of_finite_scalar_codes_follow_from_their_levels():
    config = tiny_vqgan(quantizer="fsq", code_levels=(4, 4), codebook_size=16, code_dim=2, normalize_codes=False)
    assert VQGANConfig.modern(quantizer="fsq", code_levels=(4, 4)).codebook_size == config.codebook_size
