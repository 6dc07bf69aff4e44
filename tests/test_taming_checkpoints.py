"""Runs of the original program: what is read from them, and that it computes what the original computed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import golden_checkpoints as golden
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline, SegmentationCondition
from vqgan_transformer.errors import CheckpointError

VQGANS = ["taming_gumbel_vqgan", "taming_segmentation_vqgan", "taming_vqgan"]
TRANSFORMERS = [name for name in golden.CASES if name.endswith("transformer")]
PRECISIONS = [pytest.param(torch.float32, 1e-4, id="float32"), pytest.param(torch.float64, 1e-6, id="float64")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run folders by case, each written once."""
    written = {}

    def run(name: str) -> Path:
        if name not in written:
            written[name] = golden.write_run(name, tmp_path_factory.mktemp("logs") / f"2020-11-09T13-31-51_{name}")
        return written[name]

    return run


@pytest.fixture
def own_run(runs, tmp_path):
    """A copy of the smallest run, to be changed; and a way to change its config."""
    folder = shutil.copytree(runs("taming_vqgan"), tmp_path / "run")
    [config] = folder.glob("configs/*-project.yaml")

    def change(**network) -> Path:
        data = yaml.safe_load(config.read_text())
        data["model"]["params"]["ddconfig"] |= network
        config.write_text(yaml.safe_dump(data))
        return folder

    return change


def given(name: str, what: str, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    tensor = torch.from_numpy(golden.array(golden.case(name)["inputs"][what]))
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def expected(name: str, what: str) -> torch.Tensor:
    return torch.tensor(golden.case(name)["expected"][what])


def farthest(name: str, what: str, found: torch.Tensor) -> float:
    """The largest difference from the original's numbers, where samples of them are kept."""
    sample = golden.case(name)["expected"][what]
    assert list(found.shape) == sample["shape"]
    return float(np.abs(found.numpy().ravel()[sample["at"]] - np.array(sample["values"])).max())


@pytest.mark.parametrize("name", VQGANS)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@torch.no_grad()
def test_vqgans_give_the_originals_tokens_and_pictures(runs, name, dtype, tolerance):
    vqgan = VQGAN.from_pretrained(runs(name), dtype=dtype)
    tokens = vqgan.encode(given(name, "images", dtype))
    assert torch.equal(tokens, expected(name, "tokens"))
    assert farthest(name, "reconstruction", vqgan.decode(tokens)) < tolerance


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@torch.no_grad()
def test_transformers_give_the_originals_logits(runs, name, dtype, tolerance):
    gpt = CondGPT.from_pretrained(runs(name), dtype=dtype)
    logits = gpt(expected(name, "tokens"), expected(name, "condition_tokens"))
    assert farthest(name, "logits", logits) < tolerance


@pytest.mark.parametrize("name", TRANSFORMERS)
@torch.no_grad()
def test_conditions_give_the_originals_tokens(runs, name):
    [condition] = ImageSynthesisPipeline.from_pretrained(runs(name), dtype="float64").conditions
    if "condition" not in golden.case(name)["inputs"]:
        parsed = condition.default((256, 256))
        assert parsed is not None
    else:
        parsed = given(name, "condition")
        parsed = parsed.argmax(1) if condition.name == "segmentation" else parsed
    assert torch.equal(condition.encode(parsed).flatten(1), expected(name, "condition_tokens"))


@torch.no_grad()
def test_the_first_stage_of_a_transformer_encodes_pictures_as_the_original(runs):
    name = "taming_class_transformer"
    vqgan = VQGAN.from_pretrained(runs(name), dtype="float64")
    assert torch.equal(vqgan.encode(given(name, "images")).flatten(1), expected(name, "tokens"))


@torch.no_grad()
def test_the_condition_stage_loads_by_itself(runs):
    name = "taming_depth_transformer"
    vqgan = VQGAN.from_pretrained(runs(name), stage="condition", dtype="float64")
    assert torch.equal(vqgan.encode(given(name, "condition")).flatten(1), expected(name, "condition_tokens"))


def test_a_run_keeps_its_weights_when_saved_in_our_format(runs, tmp_path):
    ImageSynthesisPipeline.from_pretrained(runs("taming_segmentation_transformer")).save_pretrained(tmp_path / "ours")
    again = CondGPT.from_pretrained(tmp_path / "ours")
    direct = CondGPT.from_pretrained(runs("taming_segmentation_transformer"))
    assert again.config == direct.config
    for name, tensor in direct.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_published_files_were_trained_with_the_historical_commitment(runs):
    assert VQGAN.from_pretrained(runs("taming_vqgan")).config.legacy_commitment


@pytest.mark.parametrize("name", VQGANS)
def test_without_a_yaml_the_config_follows_from_the_shapes(runs, name, tmp_path):
    file = shutil.copy(runs(name) / "checkpoints" / "last.ckpt", tmp_path / "model.ckpt")
    assert VQGAN.from_pretrained(file).config == VQGAN.from_pretrained(runs(name)).config


def test_a_file_in_a_run_folder_finds_its_yaml(runs):
    run = runs("taming_depth_transformer")
    assert CondGPT.from_pretrained(run / "checkpoints" / "last.ckpt").config.n_head == 4


def test_a_yaml_elsewhere_is_given_by_name(runs, tmp_path):
    run = runs("taming_depth_transformer")
    file = shutil.copy(run / "checkpoints" / "last.ckpt", tmp_path / "last.ckpt")
    [config] = run.glob("configs/*-project.yaml")
    assert CondGPT.from_pretrained(file, config=config).config == CondGPT.from_pretrained(run).config
    with pytest.raises(FileNotFoundError, match=r"nowhere\.yaml"):
        CondGPT.from_pretrained(file, config=tmp_path / "nowhere.yaml")


def test_released_first_stages_have_another_layout(runs, tmp_path):
    run = runs("taming_vqgan")
    for folder, file in (("ckpts", "last.ckpt"), ("configs", "model.yaml")):
        (tmp_path / folder).mkdir()
        [found] = run.glob("checkpoints/last.ckpt" if file.endswith("ckpt") else "configs/*-project.yaml")
        shutil.copy(found, tmp_path / folder / file)
    assert VQGAN.from_pretrained(tmp_path).config == VQGAN.from_pretrained(run).config


def test_of_several_configs_the_latest_counts(own_run):
    folder = own_run()
    [config] = folder.glob("configs/*-project.yaml")
    later = config.with_name("2020-12-01T00-00-00-project.yaml")
    shutil.move(config, later)
    config.write_text("model: {}\n")
    assert VQGAN.from_pretrained(folder).config.channels == 32


def test_heads_cannot_be_read_off_the_weights(runs, tmp_path):
    run = runs("taming_class_transformer")
    file = shutil.copy(run / "checkpoints" / "last.ckpt", tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="n_head="):
        CondGPT.from_pretrained(file)
    assert CondGPT.from_pretrained(file, n_head=4).config == CondGPT.from_pretrained(run).config


@pytest.mark.parametrize(
    ("count", "space"), [(182, "coco-stuff-182"), (183, "coco-stuff-183"), (151, "ade20k-151"), (12, None)]
)
def test_published_label_counts_have_names(count, space):
    from vqgan_transformer.checkpoints.formats.taming_conditions import _label_names

    names = _label_names(count, None)
    assert names.get("label_space") == space
    assert len(SegmentationCondition(**names).config.labels) == count


def test_labels_of_other_counts_are_numbered_or_given(runs):
    run = runs("taming_segmentation_transformer")
    assert SegmentationCondition.from_pretrained(run).config.labels[11] == "label 11"
    names = [f"thing {letter}" for letter in "abcdefghijkl"]
    assert ImageSynthesisPipeline.from_pretrained(run, labels=names).conditions[0].config.labels == tuple(names)


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        ({"double_z": True}, "double_z"),
        ({"resamp_with_conv": False}, "resamp_with_conv"),
        ({"attn_type": "linear"}, "attn_type"),
        ({"ch": "wide"}, r"ddconfig\.ch should be a whole number"),
        ({"ch": None}, r"ddconfig\.ch is missing"),
        ({"ch": 64}, "of another shape"),
        ({"num_res_blocks": 2}, "missing"),
        ({"attn_resolutions": []}, "not part of the model"),
        ({"num_res_blocks": 10**4}, "parameter tensors"),
        ({"num_res_blocks": 10**9}, "num_res_blocks = 1000000000"),
        ({"ch": 32 * 10**15}, "channels = 32000000000000000"),
        ({"ch_mult": [1, 1, 2, 2, -4]}, "channel_multipliers"),
    ],
    ids=str,
)
def test_a_config_that_does_not_fit_is_named(own_run, network, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        VQGAN.from_pretrained(own_run(**network))


def test_classes_in_a_yaml_are_compared_and_not_imported(own_run):
    folder = own_run()
    [config] = folder.glob("configs/*-project.yaml")
    config.write_text(config.read_text().replace("taming.models.vqgan.VQModel", "os.system"))
    with pytest.raises(CheckpointError, match="'system'; known are VQModel"):
        VQGAN.from_pretrained(folder)


@pytest.mark.parametrize(
    ("load", "error", "complaint"),
    [
        (lambda run: ImageSynthesisPipeline.from_pretrained(run), CheckpointError, "holds a VQGAN and no transformer"),
        (lambda run: CondGPT.from_pretrained(run), CheckpointError, "holds a VQGAN and no transformer"),
        (lambda run: VQGAN.from_pretrained(run, stage="condition"), CheckpointError, "it has no condition"),
        (lambda run: VQGAN.from_pretrained(run, stage="depth"), ValueError, "'image' or 'condition'"),
        (lambda run: VQGAN.from_pretrained(run, confg="x.yaml"), TypeError, "Did you mean 'config'"),
        (lambda run: VQGAN.from_pretrained(run / "checkpoints"), None, ""),
        (lambda run: VQGAN.from_pretrained(run / "configs"), CheckpointError, "no checkpoint that can be loaded"),
    ],
)
def test_what_a_run_does_not_hold_is_said(runs, load, error, complaint):
    if error is None:
        load(runs("taming_vqgan"))
        return
    with pytest.raises(error, match=complaint):
        load(runs("taming_vqgan"))


def test_missing_and_strange_tensors_are_listed_together(runs, tmp_path):
    weights = golden.state_dict(golden.case("taming_vqgan"))
    weights["encoder.extra.weight"] = weights.pop("encoder.conv_out.bias")
    golden.save_as_lightning(tmp_path / "last.ckpt", weights)
    with pytest.raises(CheckpointError, match=r"(?s)missing: encoder\.conv_out\.bias.*encoder\.extra\.weight"):
        VQGAN.from_pretrained(tmp_path / "last.ckpt")


def test_tokens_in_another_order_are_refused(tmp_path):
    weights = golden.state_dict(golden.case("taming_class_transformer"))
    weights["permuter.forward_shuffle_idx"] = torch.arange(256)
    golden.save_as_lightning(tmp_path / "last.ckpt", weights)
    with pytest.raises(CheckpointError, match="row by row"):
        CondGPT.from_pretrained(tmp_path / "last.ckpt", n_head=4)
