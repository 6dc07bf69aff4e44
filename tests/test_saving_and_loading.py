"""What is saved comes back the same; what does not fit is an error that says why."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from vqgan_transformer import VQGAN, CondGPT, SamplerConfig, SlidingWindowSampler, VQGANConfig
from vqgan_transformer.errors import CheckpointError, UnsafeFileError
from vqgan_transformer.storage.config_json import from_json, to_json
from vqgan_transformer.storage.pretrained import Pretrained

SMALL = VQGANConfig(
    channels=32, channel_multipliers=(1, 2), num_res_blocks=(1, 2), attention_levels=(1,), latent_channels=8,
    codebook_size=16, code_dim=8, legacy_commitment=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def small() -> VQGAN:
    torch.manual_seed(3)
    return VQGAN(SMALL)


@pytest.fixture
def folder(small, tmp_path) -> Path:
    return small.save_pretrained(tmp_path / "model")


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def change_config(folder: Path, **fields) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@dataclass(frozen=True)
class Inner:
    sizes: tuple[int, ...] = (1, 2)
    pairs: tuple[tuple[int, int, int], ...] | None = None


@dataclass(frozen=True)
class Outer:
    count: int
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"
    blocks: int | tuple[int, ...] = 2
    names: tuple[str, ...] | None = None
    on: bool = False
    inner: Inner | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"count must not be negative, got {self.count}.")


@pytest.mark.parametrize(
    "config",
    [
        Outer(1),
        Outer(1, rate=1e-9, kind="b", blocks=(1, 2), names=("ä", ""), on=True),
        Outer(0, inner=Inner((), ((1, 2, 3), (4, 5, 6)))),
    ],
)
def test_configs_survive_json(config):
    assert from_json(Outer, json.loads(json.dumps(to_json(config))), "here") == config


def test_a_whole_number_may_stand_for_a_float():
    assert type(from_json(Outer, {"count": 1, "rate": 2}, "here").rate) is float


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"count": True}, "here: count should be a whole number, got True"),
        ({"count": 1.0}, "count should be a whole number"),
        ({"count": "1"}, "count should be a whole number"),
        ({"count": 1, "on": 1}, "on should be true or false"),
        ({"count": 1, "kind": "c"}, "kind should be 'a' or 'b', got 'c'"),
        ({"count": 1, "blocks": [1, None]}, r"blocks\[1\] should be a whole number"),
        ({"count": 1, "inner": {"pairs": [[1, 2, 3], [1, 2]]}}, r"inner: pairs\[1\] should be a list of 3"),
        ({"count": 1, "inner": {"size": []}}, "Inner has no field 'size'. Did you mean 'sizes'"),
        ({"count": 1, "rates": 0.1}, "Did you mean 'rate'"),
        ({"rate": 0.1}, "needs count"),
        ({"count": -1}, "here: count must not be negative"),
        ([1], "JSON object"),
    ],
    ids=str,
)
def test_configs_name_the_field_that_is_wrong(fields, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        from_json(Outer, fields, "here")


def test_a_model_comes_back_as_it_was_in_eval_mode(small, folder):
    again = VQGAN.from_pretrained(folder)
    assert again.config == SMALL
    assert same_weights(again, small)
    assert not again.training
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_what_has_no_weights_is_a_config_alone(tmp_path):
    folder = SlidingWindowSampler(top_k=5, temperature=0.5).save_pretrained(tmp_path / "sampler")
    assert {path.name for path in folder.iterdir()} == {"config.json", "README.md"}
    assert SlidingWindowSampler.from_pretrained(folder).config == SamplerConfig(top_k=5, temperature=0.5)


def test_large_models_are_saved_in_shards_and_small_ones_replace_them(small, folder):
    small.save_pretrained(folder, max_shard_size=200_000)
    shards = list(folder.glob("model-*-of-*.safetensors"))
    assert len(shards) > 1
    assert not (folder / "model.safetensors").exists()
    assert same_weights(VQGAN.from_pretrained(folder), small)
    small.save_pretrained(folder)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert same_weights(VQGAN.from_pretrained(folder), small)


def test_a_loaded_model_can_be_saved_over_itself(folder):
    model = VQGAN.from_pretrained(folder)
    with torch.no_grad():
        model.to_codes.weight.zero_()
    model.save_pretrained(folder)
    assert not VQGAN.from_pretrained(folder).to_codes.weight.any()


@pytest.mark.parametrize("there_before", [False, True])
def test_a_failed_save_leaves_nothing_half_written(small, tmp_path, monkeypatch, there_before):
    target = tmp_path / "model"
    if there_before:
        small.save_pretrained(target)
    before = {path.name: path.read_bytes() for path in target.glob("*")}

    def fail(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(huggingface_hub, "save_torch_state_dict", fail)
    with pytest.raises(OSError, match="disk is full"):
        VQGAN(SMALL).save_pretrained(target)
    assert {path.name: path.read_bytes() for path in target.glob("*")} == before
    assert list(tmp_path.iterdir()) == ([target] if there_before else [])


def test_other_files_and_a_written_model_card_stay(small, folder):
    assert "library_name: vqgan_transformer" in (folder / "README.md").read_text()
    (folder / "README.md").write_text("Trained on clouds.")
    (folder / "notes.txt").write_text("mine")
    (folder / "model-final.safetensors.backup").write_text("mine")
    small.save_pretrained(folder)
    assert (folder / "README.md").read_text() == "Trained on clouds."
    assert (folder / "notes.txt").exists()
    assert (folder / "model-final.safetensors.backup").exists()


def test_a_file_is_no_place_for_a_folder(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="file"):
        small.save_pretrained(tmp_path / "file")


@pytest.mark.parametrize(
    ("saved", "asked", "found"),
    [
        (None, {}, torch.float32),
        ("float16", {}, torch.float32),
        ("bfloat16", {"dtype": "bfloat16"}, torch.bfloat16),
        ("float64", {}, torch.float64),
        ("float64", {"dtype": torch.float32}, torch.float32),
        (None, {"torch_dtype": "float64"}, torch.float64),
        (None, {"torch_dtype": torch.float64, "dtype": "torch.float64"}, torch.float64),
    ],
    ids=str,
)
def test_weights_have_the_type_asked_for(small, tmp_path, saved, asked, found):
    folder = small.save_pretrained(tmp_path / "model", dtype=saved)
    assert {parameter.dtype for parameter in VQGAN.from_pretrained(folder, **asked).parameters()} == {found}


@pytest.mark.parametrize(
    ("asked", "error", "complaint"),
    [
        ({"dtype": "float16", "torch_dtype": "float32"}, ValueError, "same argument"),
        ({"dtype": "half"}, FileNotFoundError, "nothing here"),
        ({"dtype": "int8"}, ValueError, "floating-point"),
        ({"dtype": "nonsense"}, ValueError, "floating-point"),
        ({"dtype": 16}, TypeError, "torch.dtype or its name"),
    ],
    ids=str,
)
def test_types_that_make_no_sense_are_refused_before_loading(tmp_path, asked, error, complaint):
    with pytest.raises(error, match=complaint):
        VQGAN.from_pretrained(tmp_path / "nothing here", **asked)


@pytest.mark.parametrize(
    "wrap",
    [lambda name: f"module.{name}", lambda name: f"_orig_mod.{name}", lambda name: name.replace(".", "._orig_mod.", 1)],
)
def test_what_wrappers_put_into_names_is_taken_off(wrap, small, folder):
    weights = load_file(folder / "model.safetensors")
    save_file({wrap(name): tensor for name, tensor in weights.items()}, folder / "model.safetensors")
    assert same_weights(VQGAN.from_pretrained(folder), small)
    save_file({f"other.{name}": tensor for name, tensor in weights.items()}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="missing"):
        VQGAN.from_pretrained(folder)


def test_all_differences_are_in_one_message(folder):
    weights = load_file(folder / "model.safetensors")
    weights["encoder.stranger.weight"] = weights.pop("to_codes.bias")
    weights["to_codes.weight"] = torch.zeros(3, 3)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        VQGAN.from_pretrained(folder)
    for part in ("to_codes.bias", "encoder.stranger.weight", "to_codes.weight: (3, 3) in the file, (8, 8, 1, 1)"):
        assert part in str(caught.value)


def test_nothing_is_read_where_shapes_disagree(folder, monkeypatch):
    change_config(folder, codebook_size=2**16)

    def read(*_):
        raise AssertionError("a tensor was read")

    monkeypatch.setattr("vqgan_transformer.storage.weights._read_safetensor", read)
    with pytest.raises(CheckpointError, match=r"codebook.weight: \(16, 8\) in the file, \(65536, 8\) by the config"):
        VQGAN.from_pretrained(folder)


@pytest.mark.parametrize(
    "fields", [{"num_res_blocks": 10**9}, {"num_res_blocks": 10**4}, {"codebook_size": 10**18}], ids=str
)
def test_a_config_beyond_all_bounds_is_refused_before_it_is_built(folder, fields):
    change_config(folder, **fields)
    with pytest.raises(CheckpointError, match="the config of"):
        VQGAN.from_pretrained(folder)


def test_buffers_that_are_not_saved_are_not_left_undefined(tmp_path):
    class Forgetful(Pretrained, nn.Module):
        config_class = Inner

        def __init__(self, config):
            super().__init__()
            self.config = config
            self.layer = nn.Linear(2, 2)
            self.register_buffer("table", torch.arange(3), persistent=False)

    folder = Forgetful(Inner()).save_pretrained(tmp_path / "model")
    with pytest.raises(TypeError, match="table"):
        Forgetful.from_pretrained(folder)


@pytest.mark.parametrize(
    ("load", "error", "complaint"),
    [
        (lambda folder: CondGPT.from_pretrained(folder), CheckpointError, "load it with VQGAN.from_pretrained"),
        (lambda folder: VQGAN.from_pretrained(folder, devise="cpu"), TypeError, "Did you mean 'device'"),
        (lambda folder: VQGAN.from_pretrained(folder, n_head=3), TypeError, "checkpoints of other programs"),
        (lambda folder: VQGAN.from_pretrained(folder / "model.ckpt"), FileNotFoundError, r"model\.ckpt"),
        (lambda folder: VQGAN.from_pretrained(folder / "README.md"), CheckpointError, "no checkpoint"),
        (lambda folder: VQGAN.from_pretrained(folder.parent), CheckpointError, "no checkpoint"),
        (lambda folder: VQGAN.from_pretrained(folder, subfolder="vqgan"), FileNotFoundError, "no subfolder 'vqgan'"),
        (lambda folder: VQGAN.from_pretrained({folder}), TypeError, "a source is a path"),
    ],
)
def test_mistakes_are_named(folder, load, error, complaint):
    with pytest.raises(error, match=complaint):
        load(folder)


def test_a_weight_file_stands_for_its_folder(small, folder):
    assert same_weights(VQGAN.from_pretrained(folder / "model.safetensors"), small)


@pytest.mark.parametrize("way", ["..", "inner/../..", "/", "link"])
def test_subfolders_stay_inside(folder, tmp_path, way):
    outside = tmp_path / "outside"
    shutil.copytree(folder, outside)
    if way == "link":
        try:
            os.symlink(outside, folder / "link", target_is_directory=True)
        except OSError:
            pytest.skip("links need a privilege here")
    with pytest.raises(UnsafeFileError, match="leads out"):
        VQGAN.from_pretrained(folder, subfolder=way)
