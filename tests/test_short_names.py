"""Released models by short names: the facts about them, and that a name is enough to load one."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
import torch

import foreign_checkpoints as foreign
from test_hub import contents, hub  # noqa: F401 - a fixture
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline, VQGANConfig
from vqgan_transformer.checkpoints.formats import FAMILIES
from vqgan_transformer.checkpoints.released_models import models_page, models_text, released_models
from vqgan_transformer.errors import CheckpointError
from vqgan_transformer.storage.config_json import from_json

MODELS = released_models().values()


def test_the_page_is_generated_from_the_facts():
    page = Path(__file__).parent.parent / "docs" / "models.md"
    assert page.read_text(encoding="utf-8") == models_page()


@pytest.mark.parametrize("model", MODELS, ids=released_models())
def test_facts_are_whole(model):
    assert FAMILIES[model.family].readers.keys() >= {model.loads}
    assert model.options.keys() <= set(FAMILIES[model.family].options(model.loads))
    assert model.tokenizer is None or released_models()[model.tokenizer].loads == "VQGAN"
    assert (model.rfid or model.fid) is None or model.figures
    assert model.rfid is None or model.loads == "VQGAN"
    assert model.what and "/" in model.repository


@pytest.mark.parametrize("model", [model for model in MODELS if model.config is not None], ids=lambda model: model.name)
def test_memory_of_tokenizers_follows_from_their_configs(model):
    with torch.device("meta"):
        vqgan = VQGAN(from_json(VQGANConfig, model.config, "here"))
    assert sum(parameter.numel() for parameter in vqgan.parameters()) == model.parameters


@pytest.mark.parametrize(("size", "layers", "width"), [("b", 12, 768), ("l", 24, 1024), ("xl", 36, 1280), ("xxl", 48, 1536), ("3b", 24, 3200)])  # fmt: skip
def test_memory_of_llamagen_follows_from_its_shapes(size, layers, width):
    hidden = math.ceil(int(8 * width / 3) / 256) * 256
    blocks = layers * (4 * width**2 + 3 * hidden * width + 2 * width)
    gpt = (1001 + 2 * 16384 + 1) * width + blocks
    tokenizer = released_models()["llamagen-vq-16"].parameters
    assert released_models()[f"llamagen-{size}-384"].parameters == gpt + tokenizer


def test_the_list_names_every_model_once():
    lines = models_text().splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(MODELS)]] == list(released_models())
    assert "0.44 GB" in next(line for line in lines if line.startswith("ibq-16384 "))


def test_a_name_stands_for_repository_and_file(hub, tmp_path):  # noqa: F811
    folder = foreign.write("ibq_vqgan", tmp_path / "ibq")
    files = contents(folder)
    hub.add(
        "TencentARC/IBQ-Tokenizer-1024", {"imagenet256_1024.ckpt": files["imagenet256_96.ckpt"], "other.ckpt": b"x"}
    )
    vqgan = VQGAN.from_pretrained("ibq-1024")
    assert vqgan.config.quantizer == "inner_product"
    assert vqgan.source.repository == "TencentARC/IBQ-Tokenizer-1024"
    assert VQGAN.inspect("ibq-1024").format == "ibq"
    assert "other.ckpt" not in hub.downloads()


def test_a_generators_name_loads_all_of_it_or_a_part(hub, tmp_path):  # noqa: F811
    gpt, vqgan = (contents(foreign.write(name, tmp_path / name).parent) for name in ("llamagen_gpt", "llamagen_vqgan"))
    (gpt,), (vqgan,) = gpt.values(), vqgan.values()
    hub.add("FoundationVision/LlamaGen", {"c2i_B_256.pt": gpt, "vq_ds16_c2i.pt": vqgan})
    options = foreign.options("llamagen_gpt")
    pipe = ImageSynthesisPipeline.from_pretrained("llamagen-b-256", **options)
    assert pipe.source.file == "c2i_B_256.pt"
    assert isinstance(CondGPT.from_pretrained("llamagen-b-256", **options), CondGPT)
    assert VQGAN.from_pretrained("llamagen-b-256").source.file == "vq_ds16_c2i.pt"


def test_a_generator_and_its_tokenizer_come_from_two_repositories(hub, tmp_path):  # noqa: F811
    gpt, vqgan = (contents(foreign.write(name, tmp_path / name).parent) for name in ("llamagen_gpt", "llamagen_vqgan"))
    (gpt,), (vqgan,) = gpt.values(), vqgan.values()
    hub.add("someone/generator", {"c2i_B_256.pt": gpt})
    hub.add("someone/tokenizer", {"other.pt": vqgan})
    options = {**foreign.options("llamagen_gpt"), "filename": "c2i_B_256.pt"}
    with pytest.raises(CheckpointError, match="Pass vqgan= with its path, its address on the Hub"):
        ImageSynthesisPipeline.from_pretrained("someone/generator", **options)
    pipe = ImageSynthesisPipeline.from_pretrained(
        "someone/generator", vqgan="hf://someone/tokenizer/other.pt", **options
    )
    assert (pipe.source.repository, pipe.gpt.source.repository) == ("someone/generator", "someone/generator")
    assert (pipe.vqgan.source.repository, pipe.vqgan.source.file) == ("someone/tokenizer", "other.pt")


def test_a_folder_of_that_name_goes_first(tmp_path, monkeypatch):
    saved = VQGAN(VQGANConfig.modern(channels=8)).save_pretrained(tmp_path / "ibq-1024")
    monkeypatch.chdir(tmp_path)
    assert VQGAN.from_pretrained("ibq-1024").config == VQGAN.from_pretrained(saved).config
    assert os.listdir(tmp_path) == ["ibq-1024"]


def test_a_name_that_is_nearly_right_is_helped(hub):  # noqa: F811
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'ibq-16384'\?.*docs/models.md"):
        VQGAN.from_pretrained("ibq-16834")
    with pytest.raises(FileNotFoundError) as error:
        VQGAN.from_pretrained("someone/clouds")
    assert "models.md" not in str(error.value)
