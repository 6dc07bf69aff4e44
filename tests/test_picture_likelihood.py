"""Proof for those who have weights: what a generator says of a picture's tokens, in place and shuffled."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

import foreign_checkpoints as foreign
import golden_checkpoints as golden
from test_hub import contents, hub  # noqa: F401 - a fixture
from vqgan_transformer import CondGPT, ImageSynthesisPipeline
from vqgan_transformer.picture_likelihood import picture_likelihood
from vqgan_transformer.verification import make_test_picture, verify_checkpoint


@pytest.mark.parametrize("name", ["builtin:scenes", "builtin:scenes-paper"])
def test_a_trained_model_tells_a_picture_from_its_tokens_shuffled(name):
    likelihood = picture_likelihood(ImageSynthesisPipeline.from_pretrained(name), make_test_picture)
    assert likelihood.told_apart
    assert likelihood.in_place > likelihood.shuffled + 1.5


def test_an_untrained_model_does_not():
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes-paper")
    torch.manual_seed(0)
    pipe.gpt.load_state_dict(CondGPT(pipe.gpt.config).state_dict())
    assert not picture_likelihood(pipe, make_test_picture).told_apart


def test_the_likelihood_is_that_of_the_pipeline():
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    height, width = (side * pipe.vqgan.downsample_factor for side in pipe.gpt.config.window)
    picture = make_test_picture(3, height, width)
    expected = pipe.log_likelihood(picture)
    assert picture_likelihood(pipe, make_test_picture).in_place == pytest.approx(expected.item(), abs=1e-4)


@pytest.mark.parametrize("name", [name for name in golden.CASES if name.endswith("transformer")])
def test_every_kind_of_condition_is_found_a_stand_in(name, tmp_path):
    found = verify_checkpoint(golden.write_run(name, tmp_path / "run"))
    assert found.likelihood is not None
    assert not found.likelihood.told_apart  # weights by formula know nothing
    assert any("loaded wrongly" in note for note in found.notes)
    assert "nats a token in place" in str(found)


def test_a_released_model_is_verified_by_its_name(hub, tmp_path):  # noqa: F811
    files = contents(foreign.write("ibq_vqgan", tmp_path / "ibq"))
    hub.add("TencentARC/IBQ-Tokenizer-1024", {"imagenet256_1024.ckpt": files["imagenet256_96.ckpt"]})
    found = verify_checkpoint("ibq-1024")
    assert list(found.hashes) == ["imagenet256_1024.ckpt"]
    assert found.psnr is not None and found.likelihood is None


def test_the_issue_template_asks_for_what_the_command_prints():
    path = Path(__file__).parent.parent / ".github" / "ISSUE_TEMPLATE" / "verified_model.yml"
    fields = {field["id"] for field in yaml.safe_load(path.read_text())["body"] if "id" in field}
    assert fields >= {"name", "output", "environment"}
