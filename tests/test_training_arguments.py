"""What people pass to a training by mistake is refused in words, before any sample is read."""

from __future__ import annotations

import pytest
from PIL import Image
from torch import nn

from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CondGPTConfig,
    GPTTraining,
    ImageSynthesisPipeline,
    VQGANConfig,
    VQGANTraining,
    train_cond_gpt,
    train_vqgan,
)
from vqgan_transformer.training import samples

SMALL = {"channels": 16, "channel_multipliers": (1, 2), "codebook_size": 32, "num_res_blocks": 0,
         "decoder_res_blocks": 0}  # fmt: skip
RECIPE = VQGANTraining.modern(max_steps=1, batch_size=2, crop_size=32, perceptual=None, disc_weight=0.0)


@pytest.fixture
def unread(tmp_path, monkeypatch):
    """Pictures of which none may be read."""

    def refuse(*arguments):
        raise AssertionError("samples were read before all else was checked")

    monkeypatch.setattr(samples, "check", refuse)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (48, 48)).save(tmp_path / "pictures" / "a.png")
    return tmp_path / "pictures"


def new() -> VQGAN:
    return VQGAN(VQGANConfig.modern(**SMALL))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda: {"config": CondGPTConfig(32, 512)}, "config= takes a VQGANConfig, got CondGPTConfig"),
        (lambda: {"training": GPTTraining()}, "training= takes a VQGANTraining, the first stage's recipe"),
        (lambda: {"perceptual": "vgg"}, r"names and files go into VQGANTraining\(perceptual=…\)"),
        (lambda: {"callbacks": print}, r"callbacks= takes Callbacks\(on_step=…\)"),
        (lambda: {"condition": "depth", "kind": "depth"}, r"such as DepthCondition\(…\), got str 'depth'"),
        (lambda: {"condition": [ClassCondition(["a"])]}, "condition= takes a condition itself"),
        (lambda: {"init": nn.Identity()}, r"init= takes the VQGAN itself, or where one is"),
    ],
)
def test_the_first_stage_names_arguments_of_another_type(arguments, message, unread, tmp_path):
    with pytest.raises(TypeError, match=message):
        train_vqgan(unread, tmp_path / "run", progress=False, **{"training": RECIPE, **arguments()})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (lambda: {"config": VQGANConfig.modern(**SMALL)}, "config= takes a CondGPTConfig, got VQGANConfig"),
        (lambda: {"training": RECIPE}, "training= takes a GPTTraining, the second stage's recipe"),
        (lambda: {"callbacks": print}, r"callbacks= takes Callbacks\(on_step=…\)"),
        (lambda: {"condition": "class_label"}, r"such as ClassCondition\(…\), got str 'class_label'"),
        (lambda: {"condition": [ClassCondition(["a"]), "sky"]}, "condition= takes a condition itself"),
        (lambda: {"init": new()}, "init= takes the ImageSynthesisPipeline itself, or where one is"),
        (lambda: {"vqgan": 5}, "vqgan= takes the VQGAN itself, or where one is"),
    ],
)
def test_the_second_stage_names_arguments_of_another_type(arguments, message, unread, tmp_path):
    with pytest.raises(TypeError, match=message):
        train_cond_gpt(unread, tmp_path / "run", progress=False, **{"vqgan": new(), **arguments()})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"folder": None}, TypeError, "folder= takes the path of the run's folder, got None"),
        ({"folder": ""}, TypeError, "folder= takes the path"),
        ({"validation": 0.1}, TypeError, r"validation= takes data; .* validation_share=0\.1"),
        ({"resume": "runs/1"}, TypeError, r"the one in folder=\. To start from another's model, pass init="),
        ({"accelerator": "cpu"}, TypeError, r"accelerator= takes an accelerate\.Accelerator, got str"),
        ({"push_to_hub": True}, TypeError, 'push_to_hub= takes a repository, "owner/name"'),
        ({"push_to_hub": "me/my model"}, ValueError, "push_to_hub='me/my model' is no repository"),
        ({"data": ""}, FileNotFoundError, "no training data at ''"),
    ],
)
@pytest.mark.parametrize("train", [train_vqgan, train_cond_gpt])
def test_what_both_stages_take_is_checked_first(train, arguments, error, message, unread, tmp_path):
    models = {"training": RECIPE} if train is train_vqgan else {"vqgan": new(), "training": GPTTraining(crop_size=32)}
    with pytest.raises(error, match=message):
        train(**{"data": unread, "folder": tmp_path / "run", "progress": False, **models, **arguments})


def test_a_model_that_is_nowhere_is_named_with_its_argument(unread, tmp_path):
    for train, name in ((train_vqgan, "init"), (train_cond_gpt, "init"), (train_cond_gpt, "vqgan")):
        with pytest.raises(ValueError, match=rf"{name}='{tmp_path}/nowhere' cannot be loaded"):
            train(unread, tmp_path / "run", progress=False, **{name: f"{tmp_path}/nowhere"})


def test_a_tokenizer_is_taken_from_where_it_is(tmp_path):
    new().save_pretrained(tmp_path / "vqgan")
    pictures = [{"image": Image.new("RGB", (48, 48))} for _ in range(2)]
    recipe = GPTTraining(max_steps=1, batch_size=2, crop_size=32, validation_share=0.0)
    pipe = train_cond_gpt(pictures, tmp_path / "run", vqgan=tmp_path / "vqgan", training=recipe, progress=False)
    assert isinstance(pipe, ImageSynthesisPipeline) and pipe.vqgan.codebook_size == 32


def test_a_folder_that_cannot_be_written_to_is_named_before_data_are_read(unread, tmp_path):
    (tmp_path / "file").touch()
    for train, models in ((train_vqgan, {"training": RECIPE}), (train_cond_gpt, {"vqgan": new()})):
        with pytest.raises(OSError, match=r"the run's folder .*file/run cannot be written to: Not a directory"):
            train(unread, tmp_path / "file" / "run", progress=False, **models)


@pytest.mark.parametrize(
    ("changes", "config", "message"),
    [
        ({"perceptual": "no-such-weights.pth"}, {}, "nor a weights file"),
        ({"crop_size": 33}, {}, "multiple of the VQGAN's factor"),
        ({}, {"in_channels": 1}, "a picture has 3 channels"),
    ],
)
def test_what_depends_on_settings_alone_is_refused_before_data_are_read(changes, config, message, unread, tmp_path):
    with pytest.raises(ValueError, match=message):
        train_vqgan(
            unread, tmp_path / "runs" / "run", config=VQGANConfig.modern(**SMALL, **config), training=RECIPE.but(**changes),
            progress=False,
        )  # fmt: skip
    assert not (tmp_path / "runs").exists()
