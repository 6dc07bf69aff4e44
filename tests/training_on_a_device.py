"""Training on a device that only pretends; run by test_pretend_device.py, in a process of its own."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from pretend_device import NAME, Traffic, pretend_device
from training_data import short_gpt_training, short_training, tiny_vqgan, tokenizer, write_scenes
from vqgan_transformer import SegmentationCondition, train_cond_gpt, train_vqgan
from vqgan_transformer.training.gpt_training import GPTTrainer
from vqgan_transformer.training.vqgan_training import VQGANTrainer


@pytest.fixture
def accelerator(monkeypatch):
    """An Accelerator whose device is the pretended one."""
    accelerate = pytest.importorskip("accelerate")
    from accelerate.state import AcceleratorState, PartialState

    with pretend_device() as traffic:
        accelerator = accelerate.Accelerator()
        accelerator.state.device = PartialState().device = torch.device(NAME, 0)
        yield accelerator, traffic
    AcceleratorState._reset_state(reset_partial_state=True)


def waits_of_steps(traffic: Traffic, trainer_step, monkeypatch, owner) -> list[Counter]:
    """Counts the waits inside each call of a trainer's step."""
    counted: list[Counter] = []

    def step(self, *arguments):
        before = traffic.waits.copy()
        result = trainer_step(self, *arguments)
        counted.append(traffic.waits - before)
        return result

    monkeypatch.setattr(owner, "step", step)
    return counted


def test_vqgan_steps(accelerator, tmp_path, monkeypatch):
    accelerator, traffic = accelerator
    counted = waits_of_steps(traffic, VQGANTrainer.step, monkeypatch, VQGANTrainer)
    data = write_scenes(tmp_path / "data")
    settings = short_training(disc_start=1)
    train_vqgan(
        data / "images",
        tmp_path / "run",
        config=tiny_vqgan(),
        training=settings,
        progress=False,
        accelerator=accelerator,
    )
    assert any((tmp_path / "run").rglob("*.safetensors"))
    assert len(counted) >= settings.max_steps
    assert [dict(waits) for waits in counted[1:]] == [{}] * (len(counted) - 1)


def test_gpt_steps(accelerator, tmp_path, monkeypatch):
    accelerator, traffic = accelerator
    counted = waits_of_steps(traffic, GPTTrainer.step, monkeypatch, GPTTrainer)
    condition = SegmentationCondition(("a", "b", "c"), vqgan=tokenizer(3, 1))
    settings = short_gpt_training(pkeep=0.9, condition_dropout=0.2)
    train_cond_gpt(
        write_scenes(tmp_path / "data"), tmp_path / "run", vqgan=tokenizer(), condition=condition, training=settings,
        progress=False, accelerator=accelerator,
    )  # fmt: skip
    assert len(counted) >= settings.max_steps
    assert [dict(waits) for waits in counted] == [{}] * len(counted)
