"""A pipeline in a folder: saved whole or not at all, loaded as it was, and never more than data."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CondGPT,
    ImageSynthesisPipeline,
    SegmentationCondition,
    SlidingWindowSampler,
    VQGANConfig,
)
from vqgan_transformer.errors import CheckpointError, UnsafeFileError


@pytest.fixture
def pipe(vqgan, gpt) -> ImageSynthesisPipeline:
    torch.manual_seed(2)
    config = VQGANConfig(
        in_channels=2, out_channels=2, channels=32, channel_multipliers=(1, 1, 2), num_res_blocks=1,
        attention_levels=(), latent_channels=16, codebook_size=20, code_dim=8,
    )  # fmt: skip
    condition = SegmentationCondition(labels=("sky", "sea"), vqgan=VQGAN(config).double().eval())
    sampler = SlidingWindowSampler(temperature=0.8, top_k=7)
    classes = ClassCondition(labels=("summer", "winter"))
    return ImageSynthesisPipeline(vqgan=vqgan, gpt=gpt, sampler=sampler, conditions=(condition, classes))


@pytest.fixture
def folder(pipe, tmp_path):
    return pipe.save_pretrained(tmp_path / "pipeline")


LABELS = np.arange(16 * 20).reshape(16, 20) % 2


def test_a_pipeline_comes_back_as_it_was(pipe, folder):
    again = ImageSynthesisPipeline.from_pretrained(folder)
    assert again.sampler.config == pipe.sampler.config
    assert [condition.config for condition in again.conditions] == [condition.config for condition in pipe.conditions]
    painted = again(segmentation=LABELS, seed=3, progress=False)
    assert torch.equal(painted.tokens, pipe(segmentation=LABELS, seed=3, progress=False).tokens)


def test_the_layout_is_the_documented_one(folder):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "model_index.json", "config.json", "README.md", "vqgan/config.json", "vqgan/model.safetensors",
        "gpt/config.json", "gpt/model.safetensors", "sampler/config.json", "conditions/class_label/config.json",
        "conditions/segmentation/config.json", "conditions/segmentation/model.safetensors",
    }  # fmt: skip
    index = json.loads((folder / "model_index.json").read_text())
    assert index["vqgan"] == ["vqgan_transformer", "VQGAN"]
    assert index["conditions"]["segmentation"] == ["vqgan_transformer", "SegmentationCondition"]


@pytest.mark.parametrize("kind", [VQGAN, CondGPT, SlidingWindowSampler, SegmentationCondition, ClassCondition])
def test_each_part_loads_from_the_whole(folder, kind):
    assert isinstance(kind.from_pretrained(folder), kind)


def test_half_precision_is_a_way_to_ship_weights(pipe, tmp_path):
    folder = pipe.save_pretrained(tmp_path / "half", dtype="float16")
    assert ImageSynthesisPipeline.from_pretrained(folder).gpt.head.weight.dtype is torch.float32
    assert ImageSynthesisPipeline.from_pretrained(folder, dtype="float16").gpt.head.weight.dtype is torch.float16


def test_a_failed_save_leaves_what_was_there(pipe, folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(type(pipe.gpt), "write_files", fail)
    with pytest.raises(OSError, match="disk full"):
        pipe.save_pretrained(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert list(folder.parent.iterdir()) == [folder]


def test_saving_again_keeps_the_users_files(pipe, folder):
    (folder / "README.md").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    pipe.save_pretrained(folder)
    assert (folder / "README.md").read_text() == (folder / "notes.txt").read_text() == "mine"


def change_index(folder, **entries):
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"vqgan": ["os", "system"]}, "library 'os'"),
        ({"vqgan": ["vqgan_transformer", "VQGANN"]}, "Did you mean 'VQGAN'"),
        ({"vqgan": "VQGAN"}, r"\[library, class\]"),
        ({"_class_name": "StableDiffusionPipeline"}, "StableDiffusionPipeline"),
        ({"vqgan": ["vqgan_transformer", "CondGPT"]}, "VQGAN"),
    ],
    ids=str,
)
def test_classes_are_looked_up_and_never_imported(folder, entries, message):
    change_index(folder, **entries)
    with pytest.raises(CheckpointError, match=message):
        ImageSynthesisPipeline.from_pretrained(folder)


@pytest.mark.parametrize("part", ["../elsewhere", "/etc", "a/../../b"])
def test_parts_outside_of_the_folder_are_refused(folder, part):
    change_index(folder, **{part: ["vqgan_transformer", "VQGAN"]})
    with pytest.raises(CheckpointError):
        ImageSynthesisPipeline.from_pretrained(folder)
    with pytest.raises((UnsafeFileError, FileNotFoundError)):
        VQGAN.from_pretrained(folder, subfolder=part)


@pytest.mark.parametrize(
    "missing", ["model_index.json", "gpt/config.json", "gpt/model.safetensors", "vqgan/config.json"]
)
def test_an_incomplete_folder_is_an_error_that_says_so(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match=missing.split("/")[0].removesuffix(".json")):
        ImageSynthesisPipeline.from_pretrained(folder)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("no/such/folder/at/all", FileNotFoundError, "no file or folder"),
        ("builtin:scene", FileNotFoundError, "Did you mean 'scenes'"),
        (7, TypeError, "path"),
    ],
)
def test_a_source_that_is_not_there_is_an_error_that_says_what_was_looked_for(source, error, message):
    with pytest.raises(error, match=message):
        ImageSynthesisPipeline.from_pretrained(source)


def test_an_empty_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        ImageSynthesisPipeline.from_pretrained(tmp_path)


@pytest.mark.parametrize("option", ["n_head", "subfoldr"])
def test_options_that_do_not_apply_are_refused(folder, option):
    with pytest.raises(TypeError, match=option):
        ImageSynthesisPipeline.from_pretrained(folder, **{option: 1})
