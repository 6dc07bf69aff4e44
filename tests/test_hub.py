"""The Hugging Face Hub, by its own library, against a stand-in of its API on this machine."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

import foreign_checkpoints as foreign
from hub_stand_in import HubStandIn
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline, SlidingWindowSampler, VQGANConfig
from vqgan_transformer.errors import CheckpointError, UnsafeFileError

SMALL = VQGANConfig(
    channels=32, channel_multipliers=(1, 2), num_res_blocks=1, attention_levels=(), latent_channels=8,
    codebook_size=16, code_dim=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def small() -> VQGAN:
    torch.manual_seed(3)
    return VQGAN(SMALL).eval()


@pytest.fixture(scope="module")
def saved(small, tmp_path_factory) -> dict[str, bytes]:
    """The files of a saved VQGAN."""
    return contents(small.save_pretrained(tmp_path_factory.mktemp("saved") / "model"))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in of the Hub, and a cache of our own."""
    with HubStandIn() as stand_in:
        monkeypatch.setattr(constants, "ENDPOINT", stand_in.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", stand_in.address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(time, "sleep", lambda _: None)  # between attempts
        yield stand_in


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_repository_is_downloaded_once(hub, saved, small):
    hub.add("someone/clouds", saved | {"training_state.bin": b"x" * 100, "picture.png": b"x"})
    assert same_weights(VQGAN.from_pretrained("someone/clouds"), small)
    assert set(hub.downloads()) == {"config.json", "model.safetensors", "README.md"}
    assert any("vqgan_transformer/" in agent for agent in hub.agents)
    VQGAN.from_pretrained("someone/clouds")
    assert len(hub.downloads()) == 3


def test_what_is_pushed_can_be_loaded_by_its_name(hub, small):
    address = small.push_to_hub("someone/clouds", token="hf_secret", commit_message="First")
    assert address.startswith(f"{hub.address}/someone/clouds/commit/")
    assert same_weights(VQGAN.from_pretrained("someone/clouds"), small)
    assert "README.md" in hub.repositories["someone/clouds"].commits[hub.repositories["someone/clouds"].resolve("main")]


def test_a_card_on_the_hub_stays(hub, small):
    hub.add("someone/clouds", {"README.md": b"Trained on clouds."})
    small.push_to_hub("someone/clouds", token="hf_secret")
    files = list(hub.repositories["someone/clouds"].commits.values())[-1]
    assert files["README.md"] == b"Trained on clouds."
    assert "model.safetensors" in files


def test_private_repositories_need_their_token(hub, small):
    small.push_to_hub("someone/clouds", token="hf_secret", private=True)
    with pytest.raises(FileNotFoundError, match="someone/clouds"):
        VQGAN.from_pretrained("someone/clouds", token=False)
    assert same_weights(VQGAN.from_pretrained("someone/clouds", token="hf_secret"), small)


def test_revisions_are_branches_tags_or_commits(hub, saved, small, tmp_path):
    first = hub.add("someone/clouds", saved)
    other = VQGAN(SMALL)
    hub.add("someone/clouds", contents(other.save_pretrained(tmp_path / "other")))
    hub.repositories["someone/clouds"].tags["v1"] = first
    assert same_weights(VQGAN.from_pretrained("someone/clouds"), other)
    for revision in ("v1", first):
        assert same_weights(VQGAN.from_pretrained("someone/clouds", revision=revision), small)
    assert same_weights(VQGAN.from_pretrained("hf://someone/clouds@v1"), small)
    with pytest.raises(FileNotFoundError, match="someone/clouds"):
        VQGAN.from_pretrained("someone/clouds", revision="v2")


@pytest.mark.parametrize("how", ["local_files_only", "offline mode", "no connection"])
def test_what_was_downloaded_loads_without_a_connection(hub, saved, small, monkeypatch, how):
    hub.add("someone/clouds", saved)
    with pytest.raises(FileNotFoundError, match="someone/clouds"):
        VQGAN.from_pretrained("someone/clouds", local_files_only=True)
    VQGAN.from_pretrained("someone/clouds")
    if how == "offline mode":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif how == "no connection":
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    asked = len(hub.requests)
    assert same_weights(VQGAN.from_pretrained("someone/clouds", local_files_only=how == "local_files_only"), small)
    assert len(hub.requests) == asked


def test_a_transfer_that_breaks_off_is_taken_up_again(hub, saved, small):
    hub.add("someone/clouds", saved)
    hub.breaks["model.safetensors"] = 1
    assert same_weights(VQGAN.from_pretrained("someone/clouds"), small)


def test_a_transfer_that_keeps_breaking_off_leaves_nothing_that_passes_for_a_file(hub, saved, small, tmp_path):
    hub.add("someone/clouds", saved)
    hub.breaks["model.safetensors"] = 100
    with pytest.raises(FileNotFoundError, match="someone/clouds"):
        VQGAN.from_pretrained("someone/clouds")
    assert not list((tmp_path / "cache").rglob("snapshots/*/model.safetensors"))
    hub.breaks.clear()
    assert same_weights(VQGAN.from_pretrained("someone/clouds"), small)


def test_missing_files_are_named(hub, saved):
    hub.add("someone/clouds", {"config.json": saved["config.json"]})
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        VQGAN.from_pretrained("someone/clouds")
    with pytest.raises(FileNotFoundError, match=r"no file 'other\.safetensors'"):
        VQGAN.from_pretrained("someone/clouds", filename="other.safetensors")
    with pytest.raises(FileNotFoundError, match="no subfolder 'vqgan'"):
        VQGAN.from_pretrained("someone/clouds", subfolder="vqgan")


@pytest.mark.parametrize("source", ["someone/nothing", "nothing", "no/such/folder", "./nothing", "nothing.ckpt"])
def test_what_is_neither_here_nor_on_the_hub_is_not_found(hub, source):
    with pytest.raises(FileNotFoundError, match=r"nothing|folder"):
        VQGAN.from_pretrained(source)


def test_only_the_part_that_is_needed_is_downloaded(hub, saved, small):
    index = {"vqgan": ["vqgan_transformer", "VQGAN"], "sampler": ["vqgan_transformer", "SlidingWindowSampler"]}
    files = {f"vqgan/{name}": data for name, data in saved.items()}
    sampler = json.dumps({"_class_name": "SlidingWindowSampler", "_package_version": "0"}).encode()
    hub.add(
        "someone/pipeline", files | {"sampler/config.json": sampler, "model_index.json": json.dumps(index).encode()}
    )
    SlidingWindowSampler.from_pretrained("someone/pipeline")
    assert set(hub.downloads()) == {"model_index.json", "sampler/config.json"}
    assert same_weights(VQGAN.from_pretrained("someone/pipeline"), small)
    assert same_weights(VQGAN.from_pretrained("someone/pipeline", subfolder="vqgan"), small)


def test_the_tokenizer_of_a_diffusers_pipeline_is_downloaded_alone(hub, tmp_path):
    files = contents(foreign.write("diffusers_attention", tmp_path / "vqvae"))
    index = {"_class_name": "LDMPipeline", "_diffusers_version": "0.30.0", "vqvae": ["diffusers", "VQModel"]}
    index |= {"unet": ["diffusers", "UNet2DModel"], "requires_safety_checker": False, "feature_extractor": [None, None]}
    hub.add(
        "someone/ldm",
        {f"vqvae/{name}": data for name, data in files.items()}
        | {"model_index.json": json.dumps(index).encode(), "unet/diffusion_pytorch_model.safetensors": b"x"},
    )
    assert VQGAN.from_pretrained("someone/ldm").config.channels == 32
    assert not any(name.startswith("unet") for name in hub.downloads())
    with pytest.raises(CheckpointError, match="LDMPipeline"):
        ImageSynthesisPipeline.from_pretrained("someone/ldm")


def test_of_a_large_model_only_the_shards_with_the_tokenizer_are_downloaded(hub, tmp_path):
    folder = foreign.write("chameleon_vqvae", tmp_path / "model")
    whole = (folder / "model.safetensors").read_bytes()
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="pt") as file:
        weight_map = dict.fromkeys(file.keys(), "model-00002-of-00002.safetensors")
    weight_map["model.layers.0.mlp.up_proj.weight"] = "model-00001-of-00002.safetensors"
    hub.add(
        "someone/chameleon",
        {
            "config.json": b'{"model_type": "chameleon"}',
            "model.safetensors.index.json": json.dumps({"weight_map": weight_map}).encode(),
            "model-00001-of-00002.safetensors": b"x" * 1000,
            "model-00002-of-00002.safetensors": whole,
        },
    )
    assert not VQGAN.from_pretrained("someone/chameleon").config.has_decoder
    assert "model-00001-of-00002.safetensors" not in hub.downloads()


@pytest.fixture
def llamagen(hub, tmp_path):
    """A repository with several files of weights."""
    for name in ("llamagen_vqgan", "llamagen_gpt"):
        foreign.write(name, tmp_path / "llamagen")
    hub.add("someone/llamagen", contents(tmp_path / "llamagen") | {"c2i_large.pt": b"x" * 1000})
    shutil.rmtree(tmp_path / "llamagen")
    return hub


def test_of_several_files_the_one_that_is_named_is_downloaded(llamagen):
    with pytest.raises(CheckpointError, match=r"c2i_large\.pt, c2i_tiny\.pt, vq_ds16_c2i\.pt.*filename="):
        VQGAN.from_pretrained("someone/llamagen")
    assert VQGAN.from_pretrained("someone/llamagen", filename="vq_ds16_c2i.pt").config.normalize_codes
    assert llamagen.downloads() == ["vq_ds16_c2i.pt"]


def test_a_pipeline_gets_the_files_that_go_together(llamagen):
    options = foreign.options("llamagen_gpt")
    pipe = ImageSynthesisPipeline.from_pretrained("someone/llamagen", filename="c2i_tiny.pt", **options)
    assert pipe.condition("class_label").config.number_of_classes == 10
    assert set(llamagen.downloads()) == {"c2i_tiny.pt", "vq_ds16_c2i.pt"}


@pytest.mark.parametrize(
    "address",
    [
        "hf://someone/llamagen/vq_ds16_c2i.pt",
        "hf://someone/llamagen@main/vq_ds16_c2i.pt",
        "https://huggingface.co/someone/llamagen/resolve/main/vq_ds16_c2i.pt",
        "https://huggingface.co/someone/llamagen/blob/main/vq_ds16_c2i.pt?download=true",
        "{endpoint}/someone/llamagen/resolve/main/vq_ds16_c2i.pt",
    ],
)
def test_files_are_found_by_their_address(llamagen, address):
    vqgan = VQGAN.from_pretrained(address.format(endpoint=llamagen.address))
    assert vqgan.config.normalize_codes
    assert llamagen.downloads() == ["vq_ds16_c2i.pt"]


def test_folders_are_found_by_their_address(hub, saved, small):
    hub.add("someone/many", {f"models/clouds/{name}": data for name, data in saved.items()})
    for address in ("hf://someone/many/models/clouds", "https://huggingface.co/someone/many/tree/main/models/clouds"):
        assert same_weights(VQGAN.from_pretrained(address), small)


@pytest.mark.parametrize(
    ("address", "options", "error", "complaint"),
    [
        (
            "https://example.org/model.ckpt",
            {},
            ValueError,
            "no address of a file or repository on the Hugging Face Hub",
        ),
        ("http://huggingface.co/a/b", {}, ValueError, "no address"),
        ("hf://someone", {}, ValueError, "hf://owner/name"),
        ("hf://someone/clouds@v1", {"revision": "v2"}, ValueError, "contradicts"),
        ("hf://someone/clouds/../../secret.ckpt", {}, UnsafeFileError, "leads out"),
        ("someone/clouds", {"subfolder": "../.."}, UnsafeFileError, "leads out"),
        ("someone/clouds", {"filename": "../../secret.ckpt"}, UnsafeFileError, "leads out"),
    ],
)
def test_addresses_that_are_none_are_refused(hub, saved, address, options, error, complaint):
    hub.add("someone/clouds", saved)
    with pytest.raises(error, match=complaint):
        VQGAN.from_pretrained(address, **options)


def test_run_folders_on_the_hub_bring_their_yaml(hub, tmp_path):
    import golden_checkpoints as golden

    hub.add("someone/run", contents(golden.write_run("taming_class_transformer", tmp_path / "run")))
    assert CondGPT.from_pretrained("someone/run").config.n_head == 4
