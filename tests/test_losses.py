"""The losses of a VQGAN: the original's numbers, and what each term means."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
import torch

import golden_checkpoints
from vqgan_transformer import VQGAN, VQGANConfig
from vqgan_transformer.checkpoints.formats.original_names import rename_vqgan
from vqgan_transformer.storage.weights import StoredTensor
from vqgan_transformer.training.discriminator import PatchDiscriminator
from vqgan_transformer.training.losses import (
    RandomFeatureLoss,
    adversarial_loss,
    balance,
    discriminator_loss,
    reconstruction_loss,
    segmentation_loss,
)


def test_reconstruction_loss_is_the_mean_error_of_all_elements() -> None:
    images = torch.zeros(2, 3, 4, 4)
    assert reconstruction_loss(images, images + 0.5).item() == pytest.approx(0.5)


def test_perceptual_distance_is_spread_over_all_elements() -> None:
    images = torch.zeros(2, 3, 4, 4)
    distances = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)

    def perceptual(images: torch.Tensor, reconstruction: torch.Tensor) -> torch.Tensor:
        return distances

    assert reconstruction_loss(images, images + 0.5, perceptual, perceptual_weight=0.1).item() == pytest.approx(0.7)  # type: ignore[arg-type]


def test_pixels_can_count_more() -> None:
    images, reconstruction = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 2.0]]]])
    weight = torch.tensor([[[[3.0, 1.0]]]])
    assert reconstruction_loss(images, reconstruction, weight=weight).item() == pytest.approx(2.5)


def test_segmentation_loss_is_binary_cross_entropy_of_each_label() -> None:
    labels, logits = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([2.0, 0.0]).view(1, 2, 1, 1)
    assert segmentation_loss(labels, logits).item() == pytest.approx((math.log1p(math.exp(-2)) + math.log(2)) / 2)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("hinge", 0.5 * (0.5 + 1.25)), ("vanilla", 0.5 * math.log((1 + math.exp(-0.5)) * (1 + math.exp(0.25))))],
)
def test_discriminator_loss_rewards_telling_real_from_fake(kind: str, expected: float) -> None:
    loss = discriminator_loss(torch.tensor([0.5]), torch.tensor([0.25]), kind)  # type: ignore[arg-type]
    assert loss.item() == pytest.approx(expected)


def test_unknown_kind_of_discriminator_loss_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'hinge' or 'vanilla'"):
        discriminator_loss(torch.zeros(1), torch.zeros(1), "wasserstein")  # type: ignore[arg-type]


@pytest.mark.parametrize("push, expected", [(1.0, 3 / 1.0001), (0.0, 1e4)])
def test_adaptive_weight_is_the_bounded_quotient_of_gradients(push: float, expected: float) -> None:
    assert balance(torch.tensor([3.0]), torch.tensor([push])).item() == pytest.approx(expected)


def test_random_features_tell_a_blurred_texture_from_the_original() -> None:
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    blurred = torch.nn.functional.avg_pool2d(images, 5, stride=1, padding=2)
    perceptual = RandomFeatureLoss(seed=3)
    assert perceptual(images, images).item() == 0
    assert perceptual(images, blurred) > 2 * perceptual(images, images + 0.1)
    assert torch.equal(RandomFeatureLoss(seed=3)(images, blurred), perceptual(images, blurred))


@pytest.mark.parametrize(
    ("num_layers", "parameters", "patches"), [(2, 0.663e6, (62, 62)), (3, 2.766e6, (30, 30))], ids=["34 px", "70 px"]
)
def test_discriminator_has_the_published_size(num_layers: int, parameters: float, patches: tuple[int, int]) -> None:
    discriminator = PatchDiscriminator(num_layers=num_layers).eval()
    assert sum(p.numel() for p in discriminator.parameters()) == pytest.approx(parameters, rel=1e-3)
    assert discriminator(torch.zeros(1, 3, 256, 256)).shape == (1, 1, *patches)


def test_discriminator_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        PatchDiscriminator(num_layers=0)


def test_generator_wants_high_logits() -> None:
    assert adversarial_loss(torch.tensor([1.0, 3.0])).item() == -2


def original_discriminator(seed: int) -> PatchDiscriminator:
    """The discriminator of the case: its weights, too, follow from the seed and their names."""
    discriminator = PatchDiscriminator().train()
    with torch.no_grad():
        for name, parameter in discriminator.named_parameters():
            key = zlib.crc32(f"discriminator.{name}".encode())
            noise = np.random.default_rng([seed, key]).standard_normal(tuple(parameter.shape)).astype(np.float32)
            if parameter.ndim > 1:
                noise = (noise / np.sqrt(noise[0].size)).astype(np.float32)
            else:
                noise = (float(name.endswith("weight")) + 0.1 * noise).astype(np.float32)
            parameter.copy_(torch.from_numpy(noise))
    return discriminator.double()


def test_one_training_step_has_the_losses_of_the_original() -> None:
    case = golden_checkpoints.case("losses")
    options = case["config"]["model"]["params"]
    network = options["ddconfig"]
    images = torch.from_numpy(golden_checkpoints.array(case["inputs"]["images"])).double()
    vqgan = VQGAN(
        VQGANConfig(
            channels=network["ch"],
            channel_multipliers=tuple(network["ch_mult"]),
            num_res_blocks=network["num_res_blocks"],
            latent_channels=network["z_channels"],
            codebook_size=options["n_embed"],
            code_dim=options["embed_dim"],
            legacy_commitment=True,
        )
    )
    stored = {
        name: StoredTensor(tuple(tensor.shape), tensor.dtype, lambda tensor=tensor: tensor)
        for name, tensor in golden_checkpoints.state_dict(case).items()
    }
    vqgan.load_state_dict({name: t.read() for name, t in rename_vqgan(stored).items()})
    vqgan, discriminator = vqgan.double(), original_discriminator(case["seed"])

    out = vqgan(images)
    reconstruction = reconstruction_loss(images, out.reconstruction)
    adversarial = adversarial_loss(discriminator(out.reconstruction))
    last = vqgan.decoder.last_layer
    (pull,), (push,) = (torch.autograd.grad(loss, last, retain_graph=True) for loss in (reconstruction, adversarial))
    weight = options["lossconfig"]["params"]["disc_weight"] * balance(pull, push)
    total = reconstruction + weight * adversarial + out.codebook_loss
    total.backward()
    gradients = [p.grad.norm() for p in vqgan.parameters() if p.grad is not None]
    real, fake = discriminator(images), discriminator(out.reconstruction.detach())

    computed = {
        "total_loss": total,
        "quant_loss": out.codebook_loss,
        "nll_loss": reconstruction,
        "rec_loss": reconstruction,
        "d_weight": weight,
        "g_loss": adversarial,
        "disc_loss": discriminator_loss(real, fake),
        "logits_real": real.mean(),
        "logits_fake": fake.mean(),
        "generator_grad_norm": torch.stack(gradients).norm(),
    }
    assert {name: value.item() for name, value in computed.items()} == pytest.approx(case["expected"], rel=1e-6)
