"""Gradient accumulation: parts of an update are one batch, with all that learns beside the gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training_data import short_training, tiny_vqgan
from vqgan_transformer import VQGAN, VQGANTraining
from vqgan_transformer.training.loop import make_accelerator
from vqgan_transformer.training.vqgan_training import VQGANTrainer

STEPS = 8


def trained(training: VQGANTraining, folder: Path, **config: float) -> dict[str, Tensor]:
    """Everything that learned in a few updates of 4 pictures, in float64."""
    torch.manual_seed(0)
    trainer = VQGANTrainer(
        VQGAN(tiny_vqgan(**config)).double(), training.for_kind("image"), make_accelerator(training, folder)
    )
    trainer._balance = lambda *gradients: torch.tensor(0.7, dtype=torch.float64)  # the adaptive weight is of a part
    images = torch.rand(STEPS, 4, 3, 16, 16, dtype=torch.float64) * 2 - 1
    for step in range(STEPS):
        for part in range(training.gradient_accumulation):
            rows = slice(part * training.batch_size, (part + 1) * training.batch_size)
            trainer.step({"image": images[step, rows], "key": torch.arange(4)[rows] + 10 * step}, step)
    networks = {"vqgan": trainer.reconstructor, "average": trainer.average.module, "discriminator": trainer.critic}
    return {f"{name} {key}": tensor for name, module in networks.items() for key, tensor in module.state_dict().items()}


@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize(
    "changes",
    [
        {"codebook_start": 2, "revive_below": 0.5, "lecam_weight": 0.1, "clip_gradients": 0.05},
        {"codebook_learning": "gradient", "codebook_start": 2, "revive_below": 0.0},
        {"optimizer": "adam", "discriminator_forward": "fresh", "clip_gradients": None, "codebook_start": 0},
    ],
    ids=["codes by average", "codes by gradient", "fresh"],
)
def test_parts_of_an_update_are_one_batch(changes, parts, tmp_path):
    settings = {"disc_start": 3, "disc_warmup": 1, "disc_ramp": 2, "disc_norm": "group", "whiten": False, **changes}
    whole = trained(short_training(batch_size=4, **settings), tmp_path, dropout=0.2)
    divided = trained(
        short_training(batch_size=4 // parts, gradient_accumulation=parts, **settings), tmp_path, dropout=0.2
    )
    for name, tensor in whole.items():
        torch.testing.assert_close(divided[name], tensor, rtol=1e-8, atol=1e-10, msg=name)


def test_generator_and_discriminator_move_once_an_update(tmp_path):
    training = short_training(gradient_accumulation=2, disc_start=0, codebook_start=0).for_kind("image")
    trainer = VQGANTrainer(VQGAN(tiny_vqgan()), training, make_accelerator(training, tmp_path))
    weights = [trainer.vqgan.decoder.last_layer, trainer.critic.discriminator.main[0].weight]
    moved = []
    for part in range(4):
        before = [weight.detach().clone() for weight in weights]
        record = trainer.step({"image": torch.rand(2, 3, 16, 16)}, part // 2)
        moved.append([not torch.equal(weight, old) for weight, old in zip(weights, before, strict=True)])
        assert ("gradient_norm" in record) == bool(part % 2)
    assert moved == [[False, False], [True, True]] * 2
