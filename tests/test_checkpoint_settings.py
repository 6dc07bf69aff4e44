"""What stands beside weights: yaml files in any usual form, config.json, and what is assumed where there is none."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
import yaml

import foreign_checkpoints as foreign
import golden_checkpoints as golden
from vqgan_transformer import VQGAN, CondGPT
from vqgan_transformer.checkpoints.safe_yaml import read_yaml
from vqgan_transformer.errors import CheckpointError, UnsafeFileError

CONFIG = golden.case("taming_vqgan")["config"]
MODEL = CONFIG["model"]
PARAMS = MODEL["params"]


def with_yaml(folder: Path, document: object) -> Path:
    torch.save({"state_dict": golden.state_dict(golden.case("taming_vqgan"))}, folder / "last.ckpt")
    text = document if isinstance(document, str) else yaml.safe_dump(document)
    (folder / "model.yaml").write_text(text)
    return folder


def referring(**changes: object) -> dict:
    return {**CONFIG, "model": {**MODEL, "params": {**PARAMS, **changes}}}


CLI = {"class_path": MODEL["target"], "init_args": {**PARAMS, "lossconfig": {"class_path": "torch.nn.Identity"}}}
FORMS = {
    "the original's": CONFIG,
    "Lightning's command line": {"model": CLI, "trainer": {"devices": 8}, "seed_everything": True},
    "a section by itself": MODEL,
    "a reference": {**referring(n_embed="${codes}"), "codes": PARAMS["n_embed"]},
    "a reference to a mapping": {**referring(ddconfig="${network}"), "network": PARAMS["ddconfig"]},
    "a reference upward": referring(embed_dim="${.ddconfig.z_channels}")
    if PARAMS["embed_dim"] == PARAMS["ddconfig"]["z_channels"]
    else CONFIG,
    "a reference to a reference": {**referring(n_embed="${a}"), "a": "${ b.0 }", "b": [PARAMS["n_embed"]]},
    "references that do not matter": {**CONFIG, "data": {"root": "${oc.env:DATA}/images", "name": "${now:%Y}"}},
}


@pytest.mark.parametrize("form", FORMS)
def test_yaml_files_say_the_same_in_any_form(tmp_path, form):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = VQGAN.from_pretrained(with_yaml(tmp_path, FORMS[form])).config
    assert (found.codebook_size, found.code_dim) == (PARAMS["n_embed"], PARAMS["embed_dim"])
    assert found.channels == PARAMS["ddconfig"]["ch"]


def test_a_class_that_is_not_named_is_assumed_aloud(tmp_path):
    folder = with_yaml(tmp_path, {"model": PARAMS})
    with pytest.warns(UserWarning, match="names no class.*taken for VQModel"):
        assert VQGAN.from_pretrained(folder).config.quantizer == "nearest"
    assert VQGAN.from_pretrained(folder, format="ibq").config.quantizer == "inner_product"


def test_an_unknown_class_can_be_said_to_be_a_known_one(tmp_path):
    folder = with_yaml(tmp_path, {"model": {**MODEL, "target": "mine.models.BetterVQ"}})
    with pytest.raises(CheckpointError, match=r"'BetterVQ'; known are VQModel.*format='taming'"):
        VQGAN.from_pretrained(folder)
    assert VQGAN.from_pretrained(folder, format="taming").config.quantizer == "nearest"
    assert VQGAN.from_pretrained(folder, format="ibq").config.quantizer == "inner_product"


@pytest.mark.parametrize(
    ("document", "error", "complaint"),
    [
        (referring(n_embed="${oc.env:CODES}"), CheckpointError, "not in the file: replace it by its value"),
        (referring(n_embed="${nowhere.at.all}"), CheckpointError, "not in the file: replace it by its value"),
        (referring(n_embed="${model.params.n_embed}"), CheckpointError, "refers to itself"),
        ({**referring(n_embed="${a}"), "a": "${b}", "b": "${a}"}, CheckpointError, "refers to itself"),
        ({"a": {"b": "${a}"}}, CheckpointError, "refers to itself"),
        ({f"a{n}": [f"${{a{n + 1}}}"] * 10 for n in range(9)} | {"a9": 1}, UnsafeFileError, "more than 50000 values"),
        ({f"a{n}": f"${{a{n + 1}}}" * 10 + " " for n in range(9)} | {"a9": "letters"}, UnsafeFileError, "more than"),
        (f"x: {'${' * 50_000}", CheckpointError, ""),
    ],
    ids=range(8),
)
def test_references_are_followed_within_bounds(tmp_path, document, error, complaint):
    folder = with_yaml(tmp_path, document)
    with pytest.raises(error, match=rf"model\.yaml.*{complaint}"):
        VQGAN.from_pretrained(folder)


def test_references_within_texts_are_put_in(tmp_path):
    (tmp_path / "a.yaml").write_text("size: 256\nname: f${size}_${kind}\nkind: day\n1: ${size}\n")
    assert read_yaml(tmp_path / "a.yaml") == {"size": 256, "name": "f256_day", "kind": "day", 1: 256}


def test_without_a_yaml_file_what_is_assumed_is_said(tmp_path):
    torch.save(golden.state_dict(golden.case("taming_vqgan")), tmp_path / "vqgan.pt")
    with pytest.warns(UserWarning, match=r"no yaml file.*nearest codes.*format='muse'.*format='ibq'"):
        VQGAN.from_pretrained(tmp_path / "vqgan.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VQGAN.from_pretrained(tmp_path / "vqgan.pt", format="taming")
    assert VQGAN.from_pretrained(tmp_path / "vqgan.pt", format="muse").config.unit_range


def change_config(folder: Path, **fields: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return folder


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("diffusers_attention", {"num_vq_embeddings": 999, "layers_per_block": 7, "norm_type": "spatial"}),
        ("diffusers_attention", {"block_out_channels": [64, 64]}),
        ("diffusers_attention", {"mid_block_add_attention": False}),
        ("muse_vqgan", {"num_embeddings": 999}),
        ("chameleon_vqvae", {"vq_config": {"num_embeddings": 999}}),
        ("janus_vqvae", {"vq_config": {"base_channels": 16, "channel_multiplier": [9, 9]}}),
    ],
)
def test_a_config_that_contradicts_its_weights_is_refused(tmp_path, name, fields):
    folder = change_config(foreign.write(name, tmp_path / "model"), **fields)
    with pytest.raises(CheckpointError, match="contradicts its weights") as caught:
        VQGAN.from_pretrained(folder)
    named = fields.get("vq_config", fields)
    assert all(field in str(caught.value) for field in named)


def test_what_weights_of_diffusers_do_not_say_is_assumed_aloud(tmp_path):
    folder = foreign.write("diffusers_groups", tmp_path / "groups")
    groups = VQGAN.from_pretrained(folder).config.norm_groups
    assert groups != 32
    with pytest.raises(ValueError, match="contradicts the config"):
        VQGAN.from_pretrained(folder, norm_groups=2 * groups)
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"not divided into 32 groups.*pass norm_groups="):
        VQGAN.from_pretrained(folder)
    with pytest.warns(UserWarning, match=rf"no config\.json.*taken to have {groups} groups"):
        assert VQGAN.from_pretrained(folder, norm_groups=groups).config.norm_groups == groups


@pytest.mark.filterwarnings("ignore")
def test_amuseds_pictures_keep_their_range_without_its_config(tmp_path):
    folder = foreign.write("diffusers_amused", tmp_path / "amused")
    assert VQGAN.from_pretrained(folder).config.unit_range
    (folder / "config.json").unlink()
    assert VQGAN.from_pretrained(folder).config.unit_range
    assert not VQGAN.from_pretrained(folder, unit_range=False).config.unit_range


def test_settings_for_pipelines_of_diffusers_survive(tmp_path):
    settings = {"lookup_from_codebook": True, "scaling_factor": 1.0, "force_upcast": True}
    folder = change_config(foreign.write("diffusers_attention", tmp_path / "model"), **settings)
    own = VQGAN.from_pretrained(folder).save_pretrained(tmp_path / "own")
    exported = VQGAN.from_pretrained(own).save_diffusers(tmp_path / "exported")
    content = json.loads((exported / "config.json").read_text())
    assert {name: content[name] for name in settings} == settings
    change_config(folder, scaling_factor="much")
    with pytest.raises(CheckpointError, match="scaling_factor should be a number"):
        VQGAN.from_pretrained(folder)


def test_whether_llamagens_codes_have_unit_length_is_assumed_aloud_or_said(tmp_path):
    path = foreign.write("llamagen_vqgan", tmp_path)
    with pytest.warns(UserWarning, match="compared as unit vectors.*normalize_codes=False"):
        assert VQGAN.from_pretrained(path).config.normalize_codes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not VQGAN.from_pretrained(path, normalize_codes=False).config.normalize_codes


def test_a_transformer_with_references_and_class_paths_is_read(tmp_path):
    run = golden.write_run("taming_class_transformer", tmp_path / "run")
    path = next((run / "configs").glob("*project.yaml"))
    document = yaml.safe_load(path.read_text())

    def renamed(value: object) -> object:
        if isinstance(value, list):
            return [renamed(item) for item in value]
        if not isinstance(value, dict):
            return value
        names = {"target": "class_path", "params": "init_args"}
        return {names.get(key, key): renamed(item) for key, item in value.items()}

    expected = CondGPT.from_pretrained(run).config
    document["model"] = renamed(document["model"])
    path.write_text(yaml.safe_dump(document))
    assert CondGPT.from_pretrained(run).config == expected
