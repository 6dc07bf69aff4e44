"""The checkpoint of the paper's form that ships with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import vqgan_transformer
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline
from vqgan_transformer.scenes import LABELS, Scene, make_scene


@pytest.fixture(scope="module")
def pipe() -> ImageSynthesisPipeline:
    return ImageSynthesisPipeline.from_pretrained("builtin:scenes-paper")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(10_000_003, size=(256, 256), time_of_day="day")


def test_it_is_small() -> None:
    folder = Path(vqgan_transformer.__file__).parent / "builtin" / "scenes-paper"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 20e6


def test_its_parts_load_by_themselves(pipe: ImageSynthesisPipeline) -> None:
    vqgan, gpt = VQGAN.from_pretrained("builtin:scenes-paper"), CondGPT.from_pretrained("builtin:scenes-paper")
    assert torch.equal(vqgan.to_codes.weight, pipe.vqgan.to_codes.weight)
    assert torch.equal(gpt.head.weight, pipe.gpt.head.weight)


def test_pictures_survive_their_tokens(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    image = torch.from_numpy(scene.image).permute(2, 0, 1)[None] / 127.5 - 1
    rebuilt = pipe.vqgan.decode(pipe.vqgan.encode(image))
    error = (rebuilt - image).square().mean()
    assert error < 0.3 * image.var()


def test_label_maps_survive_their_tokens(pipe: ImageSynthesisPipeline) -> None:
    condition = pipe.conditions[0]
    scenes = [make_scene(10_000_000 + number, size=(256, 256)) for number in range(4)]
    labels = torch.from_numpy(np.stack([scene.segmentation for scene in scenes])).long()
    channels = torch.tensor(condition.config.channels)
    rebuilt = condition.vqgan.decode(condition.encode(labels)).argmax(dim=1)
    assert (rebuilt == channels[labels]).float().mean() > 0.85


def test_it_was_trained_on_the_labels_of_scenes(pipe: ImageSynthesisPipeline) -> None:
    config = pipe.conditions[0].config
    assert set(config.trained_labels) == set(LABELS)
    assert all(config.labels[identifier] == name for name, identifier in LABELS.items())
    assert len({config.channels[identifier] for identifier in LABELS.values()}) == len(LABELS)


def test_a_seed_means_one_picture(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    labels = scene.segmentation[:32, :48]
    first, again, other = (
        np.asarray(pipe(segmentation=labels, seed=seed, progress=False).images[0]) for seed in (5, 5, 6)
    )
    assert first.shape == (32, 48, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_picture_follows_the_map(pipe: ImageSynthesisPipeline) -> None:
    labels = np.full((64, 32), LABELS["snow"], np.uint8)
    labels[:32] = LABELS["tree"]
    picture = np.asarray(pipe(segmentation=labels, seed=0, progress=False).images[0]).astype(float)
    assert picture[40:].mean() > picture[:24].mean() + 40  # snow is brighter than trees


def test_true_tokens_are_likelier_under_their_own_map(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    own, other = (
        pipe.log_likelihood(scene.image, segmentation=labels).item()
        for labels in (scene.segmentation, scene.segmentation[:, ::-1].copy())
    )
    assert own > other + 0.3
