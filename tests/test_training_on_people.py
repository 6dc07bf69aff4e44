"""Crops that are cut around people, and pixels of theirs that count more."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training_data import SHORT, short_training, tiny_vqgan, write_pictures, write_scenes
from vqgan_transformer import VQGAN, GPTTraining, KeypointsCondition, VQGANTraining, train_vqgan
from vqgan_transformer.training.crops import random_crop
from vqgan_transformer.training.data import DataError, open_data
from vqgan_transformer.training.loop import make_accelerator
from vqgan_transformer.training.losses import reconstruction_loss
from vqgan_transformer.training.samples import Samples, random_numbers
from vqgan_transformer.training.vqgan_training import VQGANTrainer


@pytest.mark.parametrize("short_sides", [None, (50, 70)])
@pytest.mark.parametrize("place", [(40, 60), (0, 0), (99, 149)])
def test_the_place_lies_in_the_middle_half_of_the_crop_as_far_as_the_border_lets_it(place, short_sides):
    tops = set()
    for seed in range(50):
        crop = random_crop(random_numbers(seed), (100, 150), (20, 24), short_sides, flip=True, around=place)
        row, column = (place[0] - crop.top) / crop.height, (place[1] - crop.left) / crop.width
        if place == (40, 60):
            assert 0.2 <= row <= 0.8 and 0.2 <= column <= 0.8  # a pixel of rounding
        assert 0 <= row < 1 and 0 <= column < 1
        assert crop.top >= 0 and crop.top + crop.height <= 100 + 1e-9
        tops.add(crop.top)
    assert len(tops) > 5 or place != (40, 60)


def test_so_many_samples_are_cut_around_someone(tmp_path):
    scenes = write_scenes(tmp_path / "s", 1, size=(200, 200))
    source = open_data(scenes, ("image", "keypoints"))
    points = np.zeros((1, 17, 3))
    points[0, 0] = 150, 30, 2  # one joint, at the upper right
    source.samples[0]["keypoints"] = points
    near = {}
    for share in (0.0, 0.5, 1.0):
        training = short_training(crop_size=16, scale_down=False, people_share=share)
        samples = Samples(source, training, (KeypointsCondition(),))
        # a crop of 16 pixels shows the joint only if it is cut around it, nearly always
        near[share] = np.mean([bool((samples[epoch, 0]["keypoints"] > -1).any()) for epoch in range(200)])
    assert near[0.0] < 0.05 and 0.35 < near[0.5] < 0.65 and near[1.0] == 1


def test_without_people_crops_are_those_of_every_picture(tmp_path):
    source = open_data(write_scenes(tmp_path / "s", 1), ("image", "keypoints"))
    source.samples[0]["keypoints"] = np.zeros((0, 17, 3))
    plain, focused = (Samples(source, short_training(people_share=share)) for share in (0.0, 1.0))
    assert all(torch.equal(plain[epoch, 0]["image"], focused[epoch, 0]["image"]) for epoch in range(5))


def test_pixels_on_limbs_count_more(tmp_path):
    torch.manual_seed(0)
    training = short_training(people_weight=5.0, perceptual=None, disc_weight=0.0).for_kind("image")
    trainer = VQGANTrainer(VQGAN(tiny_vqgan()), training, make_accelerator(training, tmp_path))
    skeleton = -torch.ones(1, 3, 32, 32)
    skeleton[0, 1, 16, 16] = 0.5
    count = torch.ones(1, 1, 32, 32)
    count[0, 0, 13:20, 13:20] = 5  # three pixels either side
    images, reconstruction = torch.rand(2, 1, 3, 32, 32).unbind()
    importance = trainer._importance({"keypoints": skeleton})
    expected = ((images - reconstruction).abs() * count).mean()
    torch.testing.assert_close(trainer.distance(images, reconstruction, importance), expected)
    torch.testing.assert_close(reconstruction_loss(images, reconstruction, weight=count), expected)


def test_a_tokenizer_trains_on_pictures_of_people(tmp_path):
    training = short_training(people_share=0.5, people_weight=3.0)
    train_vqgan(write_scenes(tmp_path / "s"), tmp_path / "r", config=tiny_vqgan(), training=training, progress=False)
    assert (tmp_path / "r/model.safetensors").exists()


def test_it_takes_keypoints_to_know_where_people_are(tmp_path):
    with pytest.raises(DataError, match=r"keypoints"):
        train_vqgan(
            write_pictures(tmp_path / "p"), tmp_path / "r", config=tiny_vqgan(),
            training=short_training(people_share=0.5), progress=False,
        )  # fmt: skip
    with pytest.raises(ValueError, match="not for depth maps"):
        VQGANTraining.modern(people_share=0.5).for_kind("depth")
    with pytest.raises(ValueError, match=r"people_share must lie in \[0, 1\]"):
        GPTTraining(**{**SHORT, "people_share": 1.5})
