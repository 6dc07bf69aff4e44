"""Settings of training: what is refused when they are made, and what follows from them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vqgan_transformer import GPTTraining, VQGANTraining
from vqgan_transformer.storage.config_json import to_json
from vqgan_transformer.training.settings import learning_rate


def test_learning_rates_are_functions_of_the_step():
    training = VQGANTraining(
        learning_rate=2.0, schedule="cosine", warmup_steps=4, max_steps=14, final_rate=0.1, crop_size=16
    )
    rates = [learning_rate(training, step, 8) for step in range(15)]
    assert rates[:4] == [0.5, 1.0, 1.5, 2.0] and rates[4] == 2.0
    assert rates[9] == pytest.approx(2 * (0.1 + 0.9 * 0.5)) and rates[14] == pytest.approx(0.2)
    assert learning_rate(VQGANTraining.paper(crop_size=16), 0, 24) == pytest.approx(24 * 4.5e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_steps": 0}, "max_steps"),
        ({"short_side": 8}, "short_side"),
        ({"schedule": "linear"}, "schedule"),
        ({"disc_norm": "instance"}, "disc_norm"),
        ({"freeze": ("everything",)}, "freeze"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"checkpoints_total_limit": 0}, "checkpoints_total_limit must be at least 1"),
        ({"clip_gradients": -1}, "clip_gradients must be positive, got -1"),
        ({"clip_gradients": 0}, "clip_gradients must be positive"),
        ({"betas": (2, 2)}, r"betas must lie in \[0, 1\), got 2"),
        ({"betas": (0.9,)}, "betas takes two numbers"),
        ({"betas": 0.9}, "betas takes two numbers, got 0.9"),
        ({"learning_rate": (1e-4, 1e-5)}, "learning_rate takes one number"),
        ({"validate_every": None}, "validate_every must be a whole number, got None"),
        ({"short_side": (64, 32)}, r"short_side is a range \(least, most\)"),
        ({"final_rate": 5}, r"final_rate must lie in \[0, 1\], got 5"),
        ({"max_steps": 1000.0}, r"max_steps must be a whole number, got 1000.0 \(write 1000\)"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"disc_start": 1.5}, "disc_start must be a whole number"),
        ({"crop_size": 16.0}, "crop_size must be a whole number"),
        ({"crop_size": "16"}, "crop_size must be a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate must be finite"),
        ({"weight_decay": float("inf")}, "weight_decay must be finite"),
        ({"disc_weight": -0.1}, "disc_weight must not be negative"),
        ({"disc_layers": 0}, "disc_layers must be at least 1"),
        ({"mixed_precision": "fp8"}, "mixed_precision must be one of"),
        ({"freeze": "encoder"}, "freeze is a tuple"),
        ({"trackers": "tensorboard"}, r"\('tensorboard',\)"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        VQGANTraining(**{"crop_size": 16, **changes})


def test_numbers_of_other_libraries_become_pythons():
    training = GPTTraining(
        max_steps=np.int64(7), learning_rate=np.float32(0.5), crop_size=(np.int32(16), 16), betas=[0, 0.5]
    )
    assert type(training.max_steps) is int and type(training.learning_rate) is float
    assert training.crop == (16, 16) and training.betas == (0.0, 0.5)
    json.dumps(to_json(training))
