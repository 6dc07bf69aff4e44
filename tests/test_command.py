"""The command, and what it does: inspecting, verifying and converting checkpoints."""

from __future__ import annotations

import json
import re

import pytest
import torch

import foreign_checkpoints as foreign
import golden_checkpoints as golden
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline
from vqgan_transformer.cli import main
from vqgan_transformer.conversion import convert_checkpoint
from vqgan_transformer.verification import make_test_picture, verify_checkpoint


@pytest.fixture(scope="module")
def vqgan(tmp_path_factory):
    return foreign.write("diffusers_attention", tmp_path_factory.mktemp("vqgan"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return golden.write_run("taming_class_transformer", tmp_path_factory.mktemp("run") / "run")


def test_inspecting_reads_no_tensor(vqgan, monkeypatch):
    monkeypatch.setattr("vqgan_transformer.storage.weights._read_safetensor", None)
    report = VQGAN.inspect(vqgan)
    weights = foreign.state_dict("diffusers_attention")
    assert (report.format, report.tensors, list(report.holds)) == ("diffusers", len(weights), ["VQGAN"])
    assert report.parameters == sum(tensor.numel() for tensor in weights.values())
    assert report.bytes == 4 * report.parameters
    assert report.holds["VQGAN"]["channels"] == 32


def test_inspecting_says_what_is_missing(run, tmp_path):
    report = VQGAN.inspect(run)
    assert set(report.holds) == {"VQGAN", "CondGPT", "ImageSynthesisPipeline", "ClassCondition"}
    assert report.holds["ImageSynthesisPipeline"]["gpt"]["CondGPT"]["n_head"] == 4
    (tmp_path / "last.ckpt").write_bytes((run / "checkpoints" / "last.ckpt").read_bytes())
    alone = VQGAN.inspect(tmp_path)
    assert list(alone.holds) == ["VQGAN"]
    assert "n_head=" in alone.problems["CondGPT"]
    assert "CondGPT" in VQGAN.inspect(tmp_path, n_head=4).holds


def test_what_a_run_holds_is_listed_once(run):
    lines = str(VQGAN.inspect(run)).splitlines()
    assert (
        sum("codebook_size" in line for line in lines) == 1
        and "    vqgan = the VQGAN that is listed by itself" in lines
    )
    (refusal,) = [line for line in lines if "DepthCondition" in line]
    assert "LayoutCondition" in refusal and refusal.endswith("is of the class ClassCondition.")


def test_inspecting_knows_our_own_checkpoints(tmp_path):
    report = VQGAN.inspect("builtin:scenes")
    assert (report.format, list(report.holds)) == ("vqgan_transformer", ["ImageSynthesisPipeline"])
    part = VQGAN.inspect("builtin:scenes", subfolder="vqgan")
    assert list(part.holds) == ["VQGAN"]
    assert part.parameters < report.parameters


def test_the_command_prints_what_a_checkpoint_is(vqgan, capsys):
    assert main(["inspect", str(vqgan)]) == 0
    printed = capsys.readouterr().out
    assert "diffusers: a VQModel" in printed
    assert "channel_multipliers = [1, 2]" in printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["inspect", "no/such/thing/here"], "no file or folder"),
        (["verify", "{vqgan}", "--format", "difusers"], "Did you mean 'diffusers'"),
        (["convert", "{vqgan}", "{folder}/x", "--option", "n_head=3"], "unknown argument 'n_head'"),
        (["convert", "{vqgan}", "{folder}/x", "--dtype", "int8"], "floating-point"),
    ],
)
def test_mistakes_are_one_line_and_an_exit_status(vqgan, tmp_path, capsys, arguments, complaint):
    assert main([word.format(vqgan=vqgan, folder=tmp_path) for word in arguments]) == 1
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@torch.no_grad()
def test_the_command_converts_a_run_whole(run, tmp_path, capsys):
    assert main(["convert", str(run), str(tmp_path / "ours"), "--dtype", "bfloat16", "--licence", "mit"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "ours")
    pipe = ImageSynthesisPipeline.from_pretrained(tmp_path / "ours")
    direct = CondGPT.from_pretrained(run).head.weight
    assert torch.equal(pipe.gpt.head.weight, direct.bfloat16().float())
    card = (tmp_path / "ours" / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in card
    assert "| converted from | `run` |" in card


def test_conversion_goes_in_shards_and_keeps_a_card_that_is_there(vqgan, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    convert_checkpoint(vqgan, tmp_path, max_shard_size=200_000)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 1
    assert (tmp_path / "README.md").read_text() == "mine"
    direct = VQGAN.from_pretrained(vqgan).state_dict()
    assert all(torch.equal(tensor, direct[key]) for key, tensor in VQGAN.from_pretrained(tmp_path).state_dict().items())


def test_conversion_of_a_gpt_alone_takes_its_options(run, tmp_path):
    path = foreign.write("llamagen_gpt", tmp_path / "gpt")
    arguments = ["convert", str(path), str(tmp_path / "ours"), "--option", "n_head=4", "--option", "window=[8,8]"]
    assert main(arguments) == 0
    assert CondGPT.from_pretrained(tmp_path / "ours").config.window == (8, 8)
    assert json.loads((tmp_path / "ours" / "config.json").read_text())["n_head"] == 4


def test_verifying_reconstructs_a_picture_and_names_the_files(capsys):
    assert main(["verify", "builtin:scenes"]) == 0
    printed = capsys.readouterr().out
    decibels = re.search(r"([\d.]+) dB", printed)
    assert decibels is not None and 15 < float(decibels[1]) < 40  # trained: noise would be at 5 dB
    assert len(re.findall(r"sha256 +[0-9a-f]{64}  ", printed)) >= 2


@pytest.mark.parametrize("name", ["chameleon_vqvae", "maskgit_vqgan", "llamagen_vqgan"])
def test_verifying_works_for_families_without_a_comparison(name, tmp_path):
    found = verify_checkpoint(foreign.write(name, tmp_path))
    assert found.original is None and any("comparison" in note for note in found.notes)
    assert (found.psnr is None) == (name == "chameleon_vqvae")
    assert found.codes_used and found.codes_used > 1


def test_the_test_picture_is_a_formula():
    assert make_test_picture(3, 64, 96).shape == (1, 3, 64, 96)
    assert make_test_picture(1, 32, 32).abs().max() <= 1
    labels = make_test_picture(12, 32, 32)
    assert torch.equal(labels.sum(1), torch.ones(1, 32, 32))
    assert len(labels.argmax(1).unique()) > 6
