"""Training a VQGAN: against an independent implementation, over processes, across interruptions, and with every option."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

import two_processes
from training_data import picture, short_training, tiny_vqgan, write_pictures, write_scenes
from vqgan_transformer import VQGAN, SegmentationCondition, VQGANConfig, VQGANTraining, train_vqgan
from vqgan_transformer.training.codebook import CodebookTrainer
from vqgan_transformer.training.discriminator import PatchDiscriminator
from vqgan_transformer.training.loop import Diverged, make_accelerator
from vqgan_transformer.training.vqgan_training import VQGANTrainer
from vqgan_transformer.vqgan.quantizer import NearestQuantizer

PAPER = VQGANConfig(
    channels=32, channel_multipliers=(1, 2), num_res_blocks=1, attention_levels=(1,), latent_channels=8, code_dim=8,
    codebook_size=16, legacy_commitment=True,
)  # fmt: skip


def straightforward(vqgan: VQGAN, discriminator: PatchDiscriminator, batches: list, start: int, fresh: bool) -> list:
    """The paper's training, written as it reads: whole losses, backwards through everything, two Adams."""
    generator = torch.optim.Adam(vqgan.parameters(), lr=1e-3, betas=(0.5, 0.9))
    disc_optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.9))
    last, records = vqgan.decoder.conv_out.weight, []
    for step, images in enumerate(batches):
        out = vqgan(images)
        reconstruction = (images - out.reconstruction).abs().mean()
        loss, record = reconstruction + out.codebook_loss, {"loss": reconstruction}
        if step >= start:
            adversarial = -discriminator(out.reconstruction).mean()
            (pull,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
            (push,) = torch.autograd.grad(adversarial, last, retain_graph=True)
            weight = 0.8 * (pull.norm() / (push.norm() + 1e-4)).clamp(0, 1e4).detach()
            loss = loss + weight * adversarial
            record |= {"adversarial": adversarial, "adaptive_weight": weight}
        generator.zero_grad()
        loss.backward()
        generator.step()
        if step >= start:
            with torch.no_grad():
                fake = vqgan(images).reconstruction if fresh else out.reconstruction.detach()
            logits_real, logits_fake = discriminator(images), discriminator(fake)
            disc_loss = 0.5 * (F.relu(1 - logits_real).mean() + F.relu(1 + logits_fake).mean())
            disc_optimizer.zero_grad()
            disc_loss.backward()
            disc_optimizer.step()
            record["disc_loss"] = disc_loss
        records.append({name: value.item() for name, value in record.items()})
    return records


@pytest.mark.parametrize("forward", ["reuse", "fresh"])
def test_five_steps_are_those_of_a_straightforward_implementation(forward, tmp_path):
    training = VQGANTraining(
        learning_rate=1e-3, disc_start=2, disc_weight=0.8, disc_layers=1, disc_channels=8, perceptual=None,
        discriminator_forward=forward, batch_size=2, crop_size=16,
    ).for_kind("image")  # fmt: skip
    torch.manual_seed(0)
    vqgan = VQGAN(PAPER).double()
    twin = VQGAN(PAPER).double()
    twin.load_state_dict(vqgan.state_dict())
    trainer = VQGANTrainer(vqgan, training, make_accelerator(training, tmp_path))
    discriminator = PatchDiscriminator(3, 8, 1).double()
    discriminator.load_state_dict(trainer.critic.discriminator.state_dict())
    batches = [torch.rand(2, 3, 16, 16, dtype=torch.float64) * 2 - 1 for _ in range(5)]

    ours = [trainer.step({"image": images}, step) for step, images in enumerate(batches)]
    theirs = straightforward(twin, discriminator, batches, start=2, fresh=forward == "fresh")

    for record, expected in zip(ours, theirs, strict=True):
        assert {name: float(record[name]) for name in expected} == pytest.approx(expected, rel=1e-8)
    for (name, parameter), other in zip(vqgan.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-8, atol=1e-10, msg=name)
    for parameter, other in zip(trainer.critic.parameters(), discriminator.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-8, atol=1e-10)


def test_two_processes_are_one_with_twice_the_batch(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).with_name("two_processes.py")
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / "two"), "2"],
            env={**os.environ, **shared, "OMP_NUM_THREADS": "1", "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    two_processes.train(str(tmp_path / "one"), 4)
    assert [process.wait() for process in processes] == [0, 0]
    for part in (
        "vqgan/model.safetensors",
        "gradient/model.safetensors",
        "gumbel/model.safetensors",
        "gpt/gpt/model.safetensors",
    ):
        one, two = (load_file(tmp_path / run / part) for run in ("one", "two"))
        assert one.keys() == two.keys()
        for name, tensor in one.items():
            assert tensor.dtype == torch.float64
            torch.testing.assert_close(tensor, two[name], rtol=1e-8, atol=1e-10, msg=f"{part} {name}")


def train_for_a_while(pictures: str, folder: str) -> None:
    training = short_training(
        max_steps=60, checkpoint_every=7, validate_every=10, picture_every=30, log_every=4, disc_start=20, disc_ramp=5,
        codebook_start=6,
    )  # fmt: skip
    train_vqgan(pictures, folder, config=tiny_vqgan(), training=training, resume=True, progress=False)


def test_a_run_that_was_killed_goes_on_to_the_same_bits(tmp_path):
    pictures = str(write_pictures(tmp_path / "pictures"))
    killed, moment = tmp_path / "killed", random.Random(os.getpid()).randint(2, 12) * 4
    program = f"import torch; torch.set_num_threads(1); import {__name__} as t; t.train_for_a_while({pictures!r}, {str(killed)!r})"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment)
    metrics = killed / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and f'"step": {moment},' in metrics.read_text()):
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    train_for_a_while(pictures, str(killed))

    train_for_a_while(pictures, str(tmp_path / "whole"))
    for file in ("model.safetensors", "checkpoints/step_00000060/model.safetensors"):
        assert (killed / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), f"killed at step {moment}"


class StopsAt(list):
    """Pictures of which the n-th that is read sends a signal to this process."""

    def __init__(self, count: int, moment: int, number: int):
        super().__init__(picture(index) for index in range(count))
        self.reads, self.moment, self.number = 0, moment, number

    def __getitem__(self, index):
        self.reads += 1
        if self.reads == self.moment:
            os.kill(os.getpid(), self.number)
        return super().__getitem__(index)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)],
    ids=["SIGTERM", "SIGINT"],
)
def test_signals_save_and_stop_and_resuming_changes_nothing(number, expected, tmp_path):
    training = short_training(check_data=False, validation_share=0.0, checkpoint_every=100, whiten=False)
    whole = train_vqgan(StopsAt(6, 0, 0), tmp_path / "whole", config=tiny_vqgan(), training=training, progress=False)
    with pytest.raises(expected), pytest.warns() if number == signal.SIGTERM else _nothing():
        train_vqgan(
            StopsAt(6, 12, number), tmp_path / "stopped", config=tiny_vqgan(), training=training, progress=False
        )
    assert [path.name for path in (tmp_path / "stopped/checkpoints").iterdir()] == ["step_00000003"]
    resumed = train_vqgan(
        StopsAt(6, 0, 0), tmp_path / "stopped", config=tiny_vqgan(), training=training, resume=True, progress=False
    )
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


class BreaksDown(torch.nn.Module):
    """A perceptual term that becomes NaN after some calls."""

    def __init__(self, calls: int):
        super().__init__()
        self.calls = calls

    def forward(self, images, reconstruction):
        self.calls -= 1
        return (images - reconstruction).square().mean() * (float("nan") if self.calls < 0 else 1.0)


def test_losses_that_are_not_finite_stop_the_run_with_the_last_good_checkpoint(tmp_path):
    pictures = write_pictures(tmp_path / "pictures")
    training = short_training(checkpoint_every=2, validation_share=0.0)
    with pytest.raises(Diverged, match=r"loss.*last good checkpoint is .*step_00000004"):
        train_vqgan(
            pictures, tmp_path / "run", config=tiny_vqgan(), training=training, perceptual=BreaksDown(4), progress=False
        )
    assert sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir()) == ["step_00000002", "step_00000004"]


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path, monkeypatch):
    from vqgan_transformer.training import loop

    def full(*arguments):
        raise OSError(28, "No space left on device")

    training = short_training(validation_share=0.0, checkpoint_every=2)
    written = []

    def save_until_full(folder, *rest):
        written.append(folder)
        return full() if len(written) == 2 else original(folder, *rest)

    original = loop.save_state
    monkeypatch.setattr(loop, "save_state", save_until_full)
    with pytest.raises(OSError, match=r"No space left.*last good checkpoint is .*step_00000002"):
        train_vqgan(
            write_pictures(tmp_path / "p"), tmp_path / "run", config=tiny_vqgan(), training=training, progress=False
        )
    assert [path.name for path in (tmp_path / "run/checkpoints").glob("step_*")] == ["step_00000002"]


def test_a_run_folder_holds_what_a_user_looks_for(tmp_path):
    training = short_training(checkpoints_total_limit=1)
    vqgan = train_vqgan(
        write_pictures(tmp_path / "p"), tmp_path / "run", config=tiny_vqgan(), training=training, progress=False
    )
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} >= {
        "training.json", "metrics.jsonl", "pictures", "curves.png", "checkpoints", "best", "model.safetensors",
    }  # fmt: skip
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step_00000006"]
    assert (run / "pictures/step_00000006.png").stat().st_size > 0
    loaded = VQGAN.from_pretrained(run)
    for name, tensor in vqgan.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])
    with pytest.raises(FileExistsError, match="resume=True"):
        train_vqgan(tmp_path / "p", run, config=tiny_vqgan(), training=training, progress=False)
    with pytest.raises(ValueError, match=r"learning_rate \(was"):
        train_vqgan(
            tmp_path / "p",
            run,
            config=tiny_vqgan(),
            training=training.but(learning_rate=1.0),
            resume=True,
            progress=False,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"gradient_accumulation": 2, "batch_size": 1},
        {"gradient_checkpointing": True},
        {"mixed_precision": "bf16"},
        {"channels_last": False, "optimizer": "adamw"},
        {"codebook_learning": "gradient", "codebook_start": 0, "revive_below": 0.5},
        {"discriminator_forward": "fresh", "disc_loss": "vanilla", "disc_start": 0, "ema_decay": None},
        {"freeze": ("encoder", "codebook"), "whiten": False, "codebook_start": 0},
    ],
    ids=lambda changes: ", ".join(changes),
)
def test_every_option_trains(changes, tmp_path):
    training = short_training(**{"max_steps": 3, "log_every": 1, **changes})
    vqgan = train_vqgan(
        write_pictures(tmp_path / "p"), tmp_path / "r", config=tiny_vqgan(), training=training, progress=False
    )
    assert all(torch.isfinite(p).all() for p in vqgan.parameters())
    assert not any("forward" in module.__dict__ for module in vqgan.modules())


@pytest.mark.parametrize("learning", ["ema", "gradient"])
def test_dead_codes_come_back_as_recent_latents(learning):
    torch.manual_seed(0)
    quantizer = VQGAN(tiny_vqgan()).quantizer
    trainer = CodebookTrainer(quantizer, learning=learning, decay=0.5, revive_below=0.1)
    latents = torch.nn.functional.normalize(torch.randn(2, 4, 4, 4), dim=1).requires_grad_()
    for step in range(50):
        (trainer(latents, step, step).latents.sum() + trainer(latents, step, step).loss).backward()
    assert (quantizer.codes @ latents[0].flatten(1).detach()).max(1).values.max() > 0.99


def test_codes_of_gumbels_kind_are_drawn_ever_more_sharply(tmp_path):
    config = tiny_vqgan(quantizer="gumbel", code_dim=8, normalize_codes=False)
    torch.manual_seed(0)
    training = short_training(max_steps=4).for_kind("image")
    trainer = VQGANTrainer(VQGAN(config), training, make_accelerator(training, tmp_path))
    temperatures = []
    for step in range(4):
        trainer.step({"image": torch.rand(2, 3, 16, 16) * 2 - 1}, step)
        temperatures.append(trainer.vqgan.quantizer.temperature)
    assert temperatures[0] == 1.0 and temperatures[2] == pytest.approx((1 + 0.0625) / 2)
    assert temperatures == sorted(temperatures, reverse=True)
    with pytest.raises(ValueError, match="nearest codes"):
        training = short_training(codebook_learning="ema").for_kind("image")
        VQGANTrainer(VQGAN(config), training, make_accelerator(training, tmp_path))


def test_codes_that_nobody_chooses_stay_as_they_are():
    torch.manual_seed(0)
    quantizer = NearestQuantizer(16, 4, normalize=False, commitment_weight=0.25, legacy=False)
    torch.nn.init.normal_(quantizer.codebook.weight)
    trainer = CodebookTrainer(quantizer, learning="ema", decay=0.5, revive_below=0.0)
    before = quantizer.codes.detach().clone()
    near = before[:4].T.reshape(1, 4, 2, 2) * 1.1
    for step in range(300):  # counts of the others have long become zero
        trainer(near.clone().requires_grad_(), step, 0)
    assert torch.equal(quantizer.codes[4:], before[4:])
    torch.testing.assert_close(quantizer.codes[:4], before[:4] * 1.1)


@pytest.mark.parametrize("quantizer", ["nearest", "gumbel"])
def test_validation_and_pictures_leave_no_trace(quantizer, tmp_path):
    codes = {"code_dim": 8, "normalize_codes": False} if quantizer == "gumbel" else {}
    config = tiny_vqgan(quantizer=quantizer, dropout=0.2, **codes)
    recipe = {"disc_weight": 0.0, "codebook_learning": "gradient", "codebook_start": 0, "revive_below": 0.0}
    found = []
    for often in (1, 100):
        training = short_training(ema_decay=None, validate_every=often, picture_every=often, **recipe)
        run = tmp_path / f"{often}"
        train_vqgan(write_pictures(tmp_path / "p"), run, config=config, training=training, progress=False)
        found.append((run / "checkpoints/step_00000006/model.safetensors").read_bytes())
    assert found[0] == found[1]


def test_a_compiled_model_trains_past_the_discriminators_start(tmp_path):
    found = []
    for compiled in (False, True):
        training = short_training(compile=compiled, disc_start=1, disc_warmup=0, max_steps=4, codebook_start=0)
        pictures, run = write_pictures(tmp_path / "p"), tmp_path / str(compiled)
        found.append(train_vqgan(pictures, run, config=tiny_vqgan(), training=training, progress=False))
    for eager, compiled in zip(*(model.parameters() for model in found), strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-2, atol=1e-3)


def test_a_crop_too_small_for_the_discriminator_is_refused_before_anything_is_read(tmp_path):
    training = short_training(disc_layers=3)
    with pytest.raises(
        ValueError, match=r"16×16 pixels is too small .*disc_layers=3: pass disc_layers=2, crop_size=24"
    ):
        train_vqgan(tmp_path / "nowhere", tmp_path / "run", config=tiny_vqgan(), training=training)


def test_frozen_parts_and_the_model_that_was_given_stay_as_they_are(tmp_path):
    torch.manual_seed(0)
    init = VQGAN(tiny_vqgan())
    before = {name: tensor.clone() for name, tensor in init.state_dict().items()}
    training = short_training(freeze=("encoder", "codebook"), codebook_start=0)
    tuned = train_vqgan(write_pictures(tmp_path / "p"), tmp_path / "r", init=init, training=training, progress=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in init.state_dict().items())
    for name, tensor in tuned.state_dict().items():
        frozen = name.startswith(("encoder", "to_codes", "quantizer"))
        assert torch.equal(tensor, before[name]) == frozen, name


@pytest.mark.parametrize("kind", ["segmentation", "depth", "keypoints"])
def test_condition_maps_get_tokenizers_too(kind, tmp_path):
    scenes = write_scenes(tmp_path / "scenes")
    channels = {"segmentation": 3, "depth": 1, "keypoints": 3}[kind]
    condition = SegmentationCondition(labels=("a", "b", "c")) if kind == "segmentation" else None
    config = tiny_vqgan(in_channels=channels, out_channels=channels)
    training = short_training(perceptual="random" if kind == "keypoints" else None)
    vqgan = train_vqgan(
        scenes, tmp_path / "run", kind=kind, condition=condition, config=config, training=training, progress=False
    )
    assert vqgan.config.in_channels == channels
    assert (tmp_path / "run/pictures/step_00000006.png").exists()


def test_what_does_not_fit_is_refused_before_training(tmp_path):
    pictures = write_pictures(tmp_path / "p")
    with pytest.raises(ValueError, match="multiple of the VQGAN's factor 4"):
        train_vqgan(pictures, tmp_path / "r", config=tiny_vqgan(), training=short_training(crop_size=18))
    with pytest.raises(ValueError, match="3 channels"):
        train_vqgan(pictures, tmp_path / "r", config=tiny_vqgan(in_channels=1), training=short_training())
    with pytest.raises(ValueError, match="frozen decoder"):
        train_vqgan(pictures, tmp_path / "r", config=tiny_vqgan(), training=short_training(freeze=("decoder",)))
    with pytest.raises(ValueError, match=r"pixel_loss='bce' is not for image"):
        train_vqgan(pictures, tmp_path / "r", config=tiny_vqgan(), training=short_training(pixel_loss="bce"))
