"""Runs: what a folder holds, what stops them and how they go on, what they say and show."""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from training_data import picture, short_gpt_training, short_training, tiny_vqgan, tokenizer, write_pictures
from vqgan_transformer import VQGAN, ImageSynthesisPipeline, VQGANTraining, train_cond_gpt, train_vqgan
from vqgan_transformer.errors import CheckpointError
from vqgan_transformer.training.accelerators import check_accelerator, make_accelerator
from vqgan_transformer.training.callbacks import Callbacks
from vqgan_transformer.training.samples import Batches
from vqgan_transformer.training.spread import spread

PLAIN: dict[str, Any] = {"disc_weight": 0.0, "perceptual": None, "checkpoint_every": 2, "check_data": False}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "pictures")


def train(pictures: Path, run: Path, **options: Any) -> VQGAN:
    names = ("resume", "callbacks", "init", "progress", "validation", "push_to_hub")
    others = {"progress": False, **{name: options.pop(name) for name in names if name in options}}
    config = None if "init" in others else tiny_vqgan()
    return train_vqgan(pictures, run, config=config, training=short_training(**{**PLAIN, **options}), **others)


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").iterdir())


# ---------------------------------------------------------------- what a folder holds


def test_a_run_folder_holds_no_pickle(pictures, tmp_path):
    training = short_training(disc_start=2, checkpoint_every=3)
    vqgan = train_vqgan(pictures, tmp_path / "run", config=tiny_vqgan(), training=training, progress=False)
    train_cond_gpt(pictures, tmp_path / "gpt", vqgan=vqgan, training=short_gpt_training(), progress=False)
    files = [path for run in ("run", "gpt") for path in (tmp_path / run).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".jsonl", ".safetensors", ".png", ".npy", ".md"}
    assert not any(path.read_bytes()[:2] in (b"\x80\x02", b"\x80\x04", b"PK") for path in files)


def test_every_checkpoint_and_a_stopped_run_load_as_models(pictures, tmp_path):
    run = tmp_path / "run"

    def end(step: int, path: Path) -> bool:
        loaded = VQGAN.from_pretrained(path)
        assert all(
            torch.equal(a, b) for a, b in zip(loaded.parameters(), VQGAN.from_pretrained(run).parameters(), strict=True)
        )
        return step == 4

    train(pictures, run, validation_share=0.0, callbacks=Callbacks(on_checkpoint=end))
    assert checkpoints(run) == ["step_00000002", "step_00000004"]
    gpt = tmp_path / "gpt"
    train_cond_gpt(pictures, gpt, vqgan=tokenizer(), training=short_gpt_training(max_steps=2), progress=False)
    assert ImageSynthesisPipeline.from_pretrained(gpt / "checkpoints/step_00000002").gpt.config.window == (4, 4)


def test_grids_show_the_same_samples_at_steps_1_10_100_and_then_every_n(pictures, tmp_path):
    train(pictures, tmp_path / "run", max_steps=12, picture_every=8, checkpoint_every=100)
    names = sorted(path.name for path in (tmp_path / "run/pictures").iterdir())
    assert names == [f"step_{step:08d}.png" for step in (1, 8, 10, 12)]
    inputs = [Image.open(tmp_path / "run/pictures" / name).crop((0, 0, 16, 16)).tobytes() for name in names]
    assert len(set(inputs)) == 1
    assert (tmp_path / "run/curves.png").exists()


def test_shown_samples_are_spread_over_classes_at_random():
    classes = ["a"] * 50 + ["b"] * 50 + ["c"]
    chosen = spread(classes, 6, seed=0)
    assert sorted(classes[index] for index in chosen) == ["a", "a", "a", "b", "b", "c"] or [
        classes[index] for index in chosen
    ].count("a") in (2, 3)
    assert chosen == spread(classes, 6, seed=0) != spread(classes, 6, seed=1)
    assert chosen[:3] != [0, 50, 100]
    assert sorted(spread(classes, 1000, seed=0)) == list(range(101))


def test_trackers_get_settings_and_pictures(pictures, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(pictures, tmp_path / "run", max_steps=2, trackers=("tensorboard",))
    (events,) = {path.parent for path in (tmp_path / "run/vqgan").glob("events*")}
    log = event_accumulator.EventAccumulator(str(events))
    log.Reload()
    assert "pictures" in log.Tags()["images"] and "loss" in log.Tags()["scalars"]
    assert any("max_steps: 2" in path.read_text() for path in (tmp_path / "run/vqgan").rglob("hparams.yml"))


def test_a_run_says_first_what_it_is_going_to_do(pictures, tmp_path, capsys):
    training = short_training(disc_start=4, disc_warmup=1, disc_ramp=1, codebook_start=2)
    train_vqgan(pictures, tmp_path / "run", config=tiny_vqgan(), training=training)
    said = capsys.readouterr()
    for part in ("6 samples, 2 held out", "f = 4, 16 codes", "k-means at step 2", "learns from step 3, counts from 4",
                 "cpu, 1 process, float32", "6 steps of 2 samples: 2.0 epochs"):  # fmt: skip
        assert part in said.out, part
    for part in ("pictures/s", "loss", "codebook loss", "gradient norm", "validation", "best=step 6"):
        assert part in said.err, part
    with pytest.warns(UserWarning, match="the discriminator's part begins at step 10,000, but the run has 2 steps"):
        paper = VQGANTraining.paper(max_steps=2, batch_size=2, crop_size=24, perceptual=None)
        train_vqgan(pictures, tmp_path / "paper", config=tiny_vqgan(), training=paper, progress=False)


def test_no_more_than_validation_samples_are_held_out(tmp_path):
    write_pictures(tmp_path / "many", 20)
    train(tmp_path / "many", tmp_path / "run", max_steps=1, validation_share=0.5, validation_samples=3)
    data = json.loads((tmp_path / "run/training.json").read_text())["data"]
    assert (data["samples"], data["held_out"]) == (17, 3)


# ---------------------------------------------------------------- callbacks


def test_callbacks_are_told_and_may_end_a_run(pictures, tmp_path):
    told = []
    callbacks = Callbacks(
        on_step=lambda step, scalars: told.append(("step", step, "loss" in scalars)),
        on_validation=lambda step, metrics: told.append(("validation", step, "score" in metrics)) or step == 3,
        on_checkpoint=lambda step, path: told.append(("checkpoint", step, path.is_dir())),
    )
    train(pictures, tmp_path / "run", max_steps=100, callbacks=callbacks)
    assert told == [
        ("step", 1, True), ("step", 2, True), ("checkpoint", 2, True), ("step", 3, True), ("validation", 3, True),
        ("checkpoint", 3, True),
    ]  # fmt: skip


def test_a_run_without_progress_ends_early(pictures, tmp_path):
    settings = {"max_steps": 50, "validate_every": 1, "early_stopping": 2, "learning_rate": 0.0, "codebook_start": 0}
    train(pictures, tmp_path / "run", **settings, weight_decay=0.0, codebook_learning="gradient", revive_below=0.0)
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 3, "the best at step 1, then two that were no better"


def test_the_result_is_uploaded_at_the_end(pictures, tmp_path, monkeypatch):
    uploaded = []
    monkeypatch.setattr(VQGAN, "push_to_hub", lambda self, repository: uploaded.append(repository))
    train(pictures, tmp_path / "run", max_steps=1, push_to_hub="me/mine")
    assert uploaded == ["me/mine"]


# ---------------------------------------------------------------- stopped, damaged, changed


class Slow(torch.utils.data.Dataset):
    """Pictures that take a while."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> dict[str, Any]:
        time.sleep(0.2)
        return {"image": picture(index)}


def train_slowly(run: str) -> None:
    torch.set_num_threads(1)
    training = short_training(**{**PLAIN, "max_steps": 10**5, "checkpoint_every": 10**5, "workers": 2})
    train_vqgan(Slow(), run, config=tiny_vqgan(), training=training, progress=False)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no process groups on Windows")
def test_a_signal_to_the_whole_group_saves_although_there_are_workers(tmp_path):
    run, program = tmp_path / "run", f"import {__name__} as t; t.train_slowly({str(tmp_path / 'run')!r})"
    script = tmp_path / "script.py"
    script.write_text(f"if __name__ == '__main__':\n    {program}\n")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, str(script)], env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not (run / "metrics.jsonl").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + signal.SIGTERM, said
    assert len(checkpoints(run)) == 1 and "resume=True goes on" in said


@pytest.mark.parametrize("error", [OSError("quota"), RuntimeError("quota"), Exception("quota")], ids=repr)
@pytest.mark.parametrize("where", ["save_state", "RunFolder.log"])
def test_a_full_disk_names_the_last_good_checkpoint_in_whatever_exception_it_comes(
    error, where, pictures, tmp_path, monkeypatch
):
    from vqgan_transformer.training import loop

    owner, name = (loop.RunFolder, "log") if "." in where else (loop, where)
    plain, calls = getattr(owner, name), []

    def full(*arguments):
        calls.append(arguments)
        if len(calls) > (1 if name == "save_state" else 3):
            raise error
        return plain(*arguments)

    monkeypatch.setattr(owner, name, full)
    with pytest.raises(OSError, match=r"could not be written: quota.*last good checkpoint is .*step_00000002"):
        train(pictures, tmp_path / "run", validation_share=0.0)
    assert checkpoints(tmp_path / "run") == ["step_00000002"]


def test_what_else_lies_among_checkpoints_is_left_alone(pictures, tmp_path):
    run = tmp_path / "run"
    train(pictures, run)
    for name in ("step_latest", "step_00000004.bak", ".DS_Store", "step_00000009"):
        (run / "checkpoints" / name).touch()  # the last is a file
    (run / "checkpoints/notes").mkdir()
    before = VQGAN.from_pretrained(run)
    after = train(pictures, run, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


@pytest.mark.parametrize(
    "file", ["training/state.safetensors", "training/state.json", "model.safetensors", "config.json"]
)
@pytest.mark.parametrize("damage", ["cut", "gone", "zeros"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_offered(file, damage, pictures, tmp_path):
    run = tmp_path / "run"
    train(pictures, run)
    path, result = run / "checkpoints/step_00000006" / file, (run / "model.safetensors").read_bytes()
    content = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(
        content[: len(content) // 2] if damage == "cut" else bytes(len(content))
    )
    with pytest.raises(CheckpointError, match=r"step_00000006 is damaged .*Delete it to resume from .*step_00000004"):
        train(pictures, run, resume=True)
    assert (run / "model.safetensors").read_bytes() == result
    shutil.rmtree(run / "checkpoints/step_00000006")
    train(pictures, run, resume=True)


def test_checkpoints_of_the_former_version_are_refused_unread(pictures, tmp_path):
    run = tmp_path / "run"
    train(pictures, run)
    shutil.rmtree(run / "checkpoints/step_00000006/training")
    (run / "checkpoints/step_00000006/state.pt").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(CheckpointError, match=r"pickles, which are not read any more.*init="):
        train(pictures, run, resume=True)


def test_a_run_with_other_data_says_so(pictures, tmp_path):
    train(pictures, tmp_path / "run", max_steps=2)
    write_pictures(pictures, 12)
    with pytest.warns(
        UserWarning, match=r"others than when it began \(6 samples and 2 held out then, 9 .* 3 held out now"
    ):
        train(pictures, tmp_path / "run", max_steps=2, resume=True)


def test_other_settings_are_refused_and_more_steps_extend_a_run(pictures, tmp_path):
    run = tmp_path / "run"
    settings: dict[str, Any] = {"schedule": "cosine", "warmup_steps": 0, "final_rate": 0.0, "codebook_start": 1}
    train(pictures, run, **settings)
    with pytest.raises(ValueError, match=r"settings differ: weight_decay \(was"):
        train(pictures, run, resume=True, **settings, weight_decay=0.5)
    with pytest.raises(ValueError, match="has taken 6 steps already: max_steps=5 is less"):
        train(pictures, run, resume=True, **settings, max_steps=5)
    with pytest.warns(UserWarning, match=r"from 6 steps to 12: the learning rate at step 6, 0% .* is 50% in the new"):
        train(pictures, run, resume=True, **{**settings, "max_steps": 12, "codebook_start": 3})
    assert checkpoints(run)[-1] == "step_00000012"
    assert json.loads((run / "training.json").read_text())["training"]["codebook_start"] == 1


def test_the_call_that_extended_a_run_may_come_again(pictures, tmp_path):
    def again(steps: int, stop: int | None = None, **changes: Any) -> VQGAN:
        """A recipe whose schedule follows from its steps."""
        recipe = {"max_steps": steps, "codebook_start": steps // 4, **changes}
        callbacks = Callbacks(on_step=lambda step, _: step == stop)
        return train(pictures, tmp_path / "run", resume=True, codebook_learning="ema", callbacks=callbacks, **recipe)

    again(8)
    with pytest.warns(UserWarning, match="changed from 8 steps to 12"):
        again(12, stop=10)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*changed from")
        again(12)
    assert checkpoints(tmp_path / "run")[-1] == "step_00000012"
    with pytest.raises(ValueError, match="weight_decay"):
        again(12, weight_decay=0.5)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(pictures, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 40, "loss": 1.0}\n{"step": 5')
    train(pictures, run, max_steps=1, resume=True)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert set(steps) == {1}


def test_with_other_processes_a_run_goes_on_with_the_sample_at_which_it_was_stopped():
    whole = [place for batch in Batches(10, 0, 2, stop=12) for place in batch]
    first = [place for batch in Batches(10, 0, 2, stop=4) for place in batch]
    shares = [list(Batches(10, 0, 2, processes=2, process=process, start=4, stop=8, seen=8)) for process in (0, 1)]
    rest = [place for both in zip(*shares, strict=True) for batch in both for place in batch]
    assert first + rest == whole


# ---------------------------------------------------------------- fine-tuning


def test_fine_tuning_keeps_tokens_and_never_returns_something_worse(pictures, tmp_path):
    init = tokenizer()
    training = VQGANTraining.finetune(
        max_steps=4, batch_size=2, crop_size=16, perceptual=None, disc_weight=0.0, learning_rate=10.0, validate_every=2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tuned = train_vqgan(
            pictures, tmp_path / "run", init=init, training=training, progress=False, validation=pictures
        )
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["validation_score"] for line in lines if "validation_score" in line}
    assert set(scores) == {0, 2, 4} and min(scores.values()) == scores[0]
    assert all(torch.equal(a, b) for a, b in zip(init.parameters(), tuned.parameters(), strict=True))


def test_training_that_changes_tokens_says_so(pictures, tmp_path):
    with pytest.warns(UserWarning, match=r"places all codes anew.*GPT.*trained again"):
        train(pictures, tmp_path / "one", max_steps=1, init=tokenizer(), codebook_start=1)
    with pytest.warns(UserWarning, match="changes the encoder"):
        train(pictures, tmp_path / "two", max_steps=1, init=tokenizer(), codebook_start=0)
    pipe = train_cond_gpt(
        pictures, tmp_path / "gpt", vqgan=tokenizer(), training=short_gpt_training(max_steps=1), progress=False
    )
    with pytest.warns(UserWarning, match=r"makes other tokens .* than the VQGAN of init="):
        train_cond_gpt(
            pictures, tmp_path / "other", init=pipe, vqgan=tokenizer(seed=1), training=short_gpt_training(max_steps=1),
            progress=False,
        )  # fmt: skip


def test_from_the_folder_of_a_run_discriminator_and_optimizer_come_along(pictures, tmp_path, monkeypatch):
    from vqgan_transformer.training import vqgan_training

    settings: dict[str, Any] = {"disc_weight": 0.5, "disc_start": 0, "max_steps": 2, "codebook_start": 0}
    train(pictures, tmp_path / "run", **settings)
    seen = {}

    def look(trainer, *arguments, **options):
        seen.update(copy.deepcopy(trainer.state()))
        return run_training(trainer, *arguments, **options)

    run_training = vqgan_training.run_training
    monkeypatch.setattr(vqgan_training, "run_training", look)
    with pytest.warns(UserWarning, match="changes the encoder"):
        train(pictures, tmp_path / "tuned", init=tmp_path / "run", **settings)
    _, stored = vqgan_training.RunFolder(tmp_path / "run", True).read(tmp_path / "run/checkpoints/step_00000002")
    for name, values in stored["optimizer"].items():
        assert all(torch.equal(values[key], seen["optimizer"][name][key]) for key in values), name
    for name, weight in stored["adversary"]["network"].items():
        assert torch.equal(weight, seen["adversary"]["network"][name])


# ---------------------------------------------------------------- processes


@pytest.mark.parametrize("accelerate_is_told", [False, True])
def test_processes_that_accelerate_does_not_see_are_an_error_at_the_start(
    accelerate_is_told, pictures, tmp_path, monkeypatch
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    accelerator = SimpleNamespace(
        num_processes=2 if accelerate_is_told else 1,
        gradient_accumulation_steps=1,
        distributed_type=SimpleNamespace(value="NO"),
    )
    if accelerate_is_told:
        check_accelerator(accelerator, short_training())
        return
    with pytest.raises(ValueError, match=r"WORLD_SIZE\) counts 2 processes, but accelerate sees 1.*ACCELERATE_USE_CPU"):
        check_accelerator(accelerator, short_training())


def test_an_accelerator_that_accumulates_otherwise_than_the_recipe_is_refused(pictures, tmp_path):
    accelerator = make_accelerator(short_training(gradient_accumulation=2), tmp_path)
    with pytest.raises(ValueError, match=r"gradient_accumulation_steps=2, but the recipe says gradient_accumulation=1"):
        train_vqgan(pictures, tmp_path / "run", training=short_training(), accelerator=accelerator, progress=False)
