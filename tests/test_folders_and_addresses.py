"""Where checkpoints are saved and found: folders of other programs stay whole, the Hub's refusals are told apart."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

import foreign_checkpoints as foreign
import golden_checkpoints as golden
from hub_stand_in import HubStandIn
from vqgan_transformer import VQGAN, ImageSynthesisPipeline, VQGANConfig
from vqgan_transformer.conversion import convert_checkpoint
from vqgan_transformer.errors import CheckpointError, reading
from vqgan_transformer.storage.hub_address import Address

SMALL = VQGANConfig(
    channels=32, channel_multipliers=(1, 2), num_res_blocks=1, attention_levels=(), latent_channels=8,
    codebook_size=16, code_dim=8,
)  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore:.*states no licence")


@pytest.fixture
def small() -> VQGAN:
    torch.manual_seed(3)
    return VQGAN(SMALL).eval()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with HubStandIn() as stand_in:
        monkeypatch.setattr(constants, "ENDPOINT", stand_in.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", stand_in.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(time, "sleep", lambda _: None)
        yield stand_in


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("old", ["shards", "one file"])
def test_what_is_pushed_wins_over_what_was_there(hub, small, tmp_path, old):
    former = VQGAN(SMALL).save_pretrained(tmp_path / "old", max_shard_size="100KB" if old == "shards" else "5GB")
    hub.add("me/model", contents(former) | {"picture.png": b"x", "other/model.safetensors": b"x"})
    if old == "one file":
        small.save_pretrained = lambda folder: VQGAN.save_pretrained(small, folder, max_shard_size="100KB")
    small.push_to_hub("me/model", token="t")
    assert same_weights(VQGAN.from_pretrained("me/model"), small)
    files = list(hub.repositories["me/model"].commits.values())[-1]
    weights = {name for name in files if name.startswith("model")}
    assert ("model.safetensors" in weights) == (old == "shards")
    assert any("-of-" in name for name in weights) == (old == "one file")
    assert {"picture.png", "other/model.safetensors"} <= files.keys()


def test_a_part_is_not_pushed_over_a_pipeline(hub, small):
    hub.add("me/pipeline", {"model_index.json": b"{}"})
    with pytest.raises(FileExistsError, match="holds a saved pipeline"):
        small.push_to_hub("me/pipeline", token="t")


FOREIGN = {
    "config.json of diffusers": {"config.json": b'{"_class_name": "VQModel", "_diffusers_version": "0.30.0"}'},
    "a pipeline of diffusers": {"model_index.json": b'{"_class_name": "LDMPipeline", "_diffusers_version": "0.30.0"}'},
    "config.json of transformers": {"config.json": b'{"model_type": "chameleon"}', "model.safetensors": b"x"},
    "weights alone": {"model.safetensors": b"x"},
    "a damaged config.json": {"config.json": b"{"},
}


@pytest.mark.parametrize("what", FOREIGN)
def test_folders_of_other_programs_stay_whole(tmp_path, small, what):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, data in FOREIGN[what].items():
        (folder / name).write_bytes(data)
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    for save in (small.save_pretrained, pipe.save_pretrained):
        with pytest.raises(FileExistsError, match="of another program"):
            save(folder)
    with pytest.raises(FileExistsError, match="of another program"):
        convert_checkpoint("builtin:scenes", folder)
    assert contents(folder) == FOREIGN[what]


def test_a_folder_is_not_converted_into_itself(tmp_path):
    folder = foreign.write("diffusers_attention", tmp_path / "model")
    before = contents(folder)
    with pytest.raises(FileExistsError, match="give another folder"):
        convert_checkpoint(folder, folder)
    assert contents(folder) == before
    VQGAN.from_pretrained(folder).save_diffusers(folder)  # its own program may


def test_an_export_does_not_replace_a_saved_model(tmp_path):
    folder = foreign.write("diffusers_attention", tmp_path / "model")
    own = VQGAN.from_pretrained(folder).save_pretrained(tmp_path / "own")
    with pytest.raises(FileExistsError, match="none of diffusers"):
        VQGAN.from_pretrained(own).save_diffusers(own)
    assert VQGAN.from_pretrained(own).config.channels == 32


def test_a_part_is_not_saved_over_a_pipeline_but_beside_or_inside(tmp_path, small):
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    folder = pipe.save_pretrained(tmp_path / "pipeline")
    with pytest.raises(FileExistsError, match="holds a saved pipeline"):
        small.save_pretrained(folder)
    small.save_pretrained(folder / "vqgan")
    assert same_weights(VQGAN.from_pretrained(folder), small)
    pipe.save_pretrained(folder)
    assert same_weights(VQGAN.from_pretrained(folder), pipe.vqgan)
    pipe.save_pretrained(small.save_pretrained(tmp_path / "model"))
    assert same_weights(VQGAN.from_pretrained(tmp_path / "model"), pipe.vqgan)


@pytest.mark.parametrize(
    ("source", "revision", "inside"),
    [
        ("hf://a/b@refs/pr/1", "refs/pr/1", None),
        ("hf://a/b@refs/pr/12/vqgan", "refs/pr/12", "vqgan"),
        ("hf://a/b@refs%2Fpr%2F1/vqgan", "refs/pr/1", "vqgan"),
        ("hf://a/b@refs/convert/parquet", "refs/convert/parquet", None),
        ("hf://a/b@v1.0/vqgan", "v1.0", "vqgan"),
        ("https://huggingface.co/a/b/tree/refs%2Fpr%2F1/vqgan", "refs/pr/1", "vqgan"),
        ("https://huggingface.co/a/b/tree/refs/pr/1", "refs/pr/1", None),
    ],
)
def test_revisions_with_slashes_are_understood(source, revision, inside):
    address = Address.parse(source)
    assert address == Address("a/b", revision=revision, subfolder=inside)


def test_pull_requests_are_loaded(hub, small, tmp_path):
    hub.add("someone/clouds", {"README.md": b""})
    commit = hub.add("someone/clouds", contents(small.save_pretrained(tmp_path / "model")))
    hub.repositories["someone/clouds"].tags["refs/pr/1"] = commit
    hub.add("someone/clouds", {"config.json": b"{"})
    assert same_weights(VQGAN.from_pretrained("hf://someone/clouds@refs/pr/1"), small)
    assert same_weights(VQGAN.from_pretrained("someone/clouds", revision="refs/pr/1"), small)


NAMES = ["vq[gan] 1", "наш vqgan", "a (copy)", "50%"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_names_and_no_patterns(hub, small, tmp_path, name):
    folder = small.save_pretrained(tmp_path / name)
    assert same_weights(VQGAN.from_pretrained(folder), small)
    assert same_weights(VQGAN.from_pretrained(tmp_path, subfolder=name), small)
    weights = {f"encoder.{number}": torch.ones(1) for number in range(3)}
    torch.save(weights, tmp_path / f"{name}.ckpt")
    with pytest.raises(CheckpointError, match=r"3 tensors"):
        VQGAN.from_pretrained(tmp_path / f"{name}.ckpt")
    files = {f"{name}/{file}": data for file, data in contents(folder).items()}
    hub.add("someone/clouds", files | {f"{name}.ckpt": (tmp_path / f"{name}.ckpt").read_bytes()})
    assert same_weights(VQGAN.from_pretrained("someone/clouds", subfolder=name), small)
    with pytest.raises(CheckpointError, match=r"3 tensors"):
        VQGAN.from_pretrained("someone/clouds", filename=f"{name}.ckpt")
    assert set(hub.downloads()) == {f"{name}.ckpt", f"{name}/config.json", f"{name}/model.safetensors"}


def test_refusals_of_the_hub_are_told_apart(hub, small, tmp_path, monkeypatch):
    hub.add("someone/clouds", contents(small.save_pretrained(tmp_path / "model")))
    with pytest.raises(FileNotFoundError, match="has no revision 'v9'"):
        VQGAN.from_pretrained("someone/clouds", revision="v9")
    with pytest.raises(FileNotFoundError, match=r"neither a local file or folder .* If it is private, pass token="):
        VQGAN.from_pretrained("someone/nothing")
    with pytest.raises(FileNotFoundError, match="was not downloaded before"):
        VQGAN.from_pretrained("someone/clouds", local_files_only=True)
    hub.repositories["someone/clouds"].gated = True
    with pytest.raises(
        FileNotFoundError, match=r"is gated: accept its conditions at https://huggingface.co/someone/clouds"
    ):
        VQGAN.from_pretrained("someone/clouds")
    hub.repositories["someone/clouds"].gated = False
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(FileNotFoundError, match="cannot be reached: check the connection"):
        VQGAN.from_pretrained("someone/clouds")


def test_a_full_disk_is_a_full_disk(hub, small, tmp_path, monkeypatch):
    import huggingface_hub

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", full)
    with pytest.raises(OSError, match="No space left"):
        VQGAN.from_pretrained("someone/clouds")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("a" * 5000, FileNotFoundError),
        ("/" + "a" * 5000, FileNotFoundError),
        ("/".join(["a" * 200] * 30) + ".ckpt", FileNotFoundError),
        ('{"people": []}' + " " * 300, FileNotFoundError),
        ("", ValueError),
        ("  ", ValueError),
        ("a\0b", ValueError),
        (b"nothing.ckpt", TypeError),
        (7, TypeError),
        ("/dev/null", CheckpointError),
    ],
    ids=lambda value: str(value)[:12].replace("\0", "0"),
)
def test_sources_that_are_none_are_named_shortly(source, error):
    for look in (VQGAN.from_pretrained, VQGAN.inspect):
        with pytest.raises(error) as caught:
            look(source, local_files_only=True)
        assert len(str(caught.value)) < 1000


def test_what_may_not_be_read_is_said_as_such(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    torch.save(golden.state_dict(golden.case("taming_vqgan")), path)

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(PermissionError, match="Permission denied"):
        VQGAN.from_pretrained(path)


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), ZeroDivisionError(), EOFError(), OSError(5, "I/O")])
def test_other_errors_of_reading_become_the_files(error):
    with pytest.raises(CheckpointError, match=r"last\.ckpt"), reading("last.ckpt"):
        raise error


def test_a_config_beside_a_file_of_ours_is_not_taken_for_another_programs(tmp_path, small):
    folder = small.save_pretrained(tmp_path / "model")
    small.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["_class_name"] == "VQGAN"
