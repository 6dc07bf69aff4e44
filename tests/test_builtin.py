"""The checkpoint that everyone meets first: one aligned model for labels, depth, people and classes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import vqgan_transformer
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline
from vqgan_transformer.conditions.crude_maps import crude_map
from vqgan_transformer.scenes import LABELS, Scene, line_drawing, make_scene


@pytest.fixture(scope="module")
def pipe() -> ImageSynthesisPipeline:
    return ImageSynthesisPipeline.from_pretrained("builtin:scenes")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene(10_000_003, size=(128, 192), season="summer", time_of_day="day", people=2)


def painted(pipe: ImageSynthesisPipeline, **arguments) -> np.ndarray:
    """One picture, float (H, W, 3)."""
    return np.asarray(pipe(progress=False, **{"seed": 0, **arguments}).images[0]).astype(float)


def conditions_of(scene: Scene) -> dict:
    return {
        "segmentation": scene.segmentation,
        "depth": scene.depth,
        "keypoints": scene.keypoints,
        "condition_image": line_drawing(scene.image),
        "layout": boxes_of(scene),
        "class_label": f"{scene.season} {scene.time_of_day}",
    }


def boxes_of(scene: Scene) -> list[tuple]:
    """Names and relative boxes of the single things in a scene."""
    height, width = scene.segmentation.shape
    return [
        (name, (left / width, top / height, right / width, bottom / height))
        for name, (left, top, right, bottom) in scene.objects
    ]


def test_it_is_small() -> None:
    folder = Path(vqgan_transformer.__file__).parent / "builtin" / "scenes"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 25e6


def test_its_parts_load_by_themselves(pipe: ImageSynthesisPipeline) -> None:
    vqgan, gpt = VQGAN.from_pretrained("builtin:scenes"), CondGPT.from_pretrained("builtin:scenes")
    assert torch.equal(vqgan.to_codes.weight, pipe.vqgan.to_codes.weight)
    assert torch.equal(gpt.head.weight, pipe.gpt.head.weight)


def test_pictures_survive_their_tokens(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    image = torch.from_numpy(scene.image).permute(2, 0, 1)[None] / 127.5 - 1
    error = (pipe.vqgan.decode(pipe.vqgan.encode(image)) - image).square().mean()
    assert error < 0.1 * image.var()


def test_the_tokens_of_a_part_are_those_of_the_whole(pipe: ImageSynthesisPipeline) -> None:
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = pipe.vqgan.encode(image)
    part = pipe.vqgan.encode(image[..., 64:, 64:])
    assert (part[:, 8:, 8:] == whole[:, 16:, 16:]).float().mean() > 0.99  # up to near ties


def test_it_was_trained_on_the_labels_of_scenes(pipe: ImageSynthesisPipeline) -> None:
    config = pipe.condition("segmentation").config
    assert set(config.trained_labels) == set(LABELS)
    assert all(config.labels[identifier] == name for name, identifier in LABELS.items())


@pytest.mark.parametrize("kind", ["segmentation", "depth", "keypoints", "condition_image", "layout", "class_label"])
def test_true_tokens_are_likelier_under_their_own_condition(pipe: ImageSynthesisPipeline, kind: str) -> None:
    own, other = (make_scene(seed, (128, 192), people=3) for seed in (10_000_005, 10_000_012))
    right, wrong = (pipe.log_likelihood(own.image, **{kind: conditions_of(one)[kind]}).item() for one in (own, other))
    assert right > wrong


def test_every_further_condition_makes_true_tokens_likelier(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    given = conditions_of(scene)
    alone = [pipe.log_likelihood(scene.image, **{kind: value}).item() for kind, value in given.items()]
    assert pipe.log_likelihood(scene.image, **given).item() > max(alone)


def test_a_map_drawn_crudely_says_more_than_none(pipe: ImageSynthesisPipeline) -> None:
    gains = []
    for seed in (10_000_005, 10_000_012, 10_000_021, 10_000_033):
        scene = make_scene(seed, (128, 192))
        crude = crude_map(scene.segmentation.astype(np.int64), np.random.default_rng(seed))
        likelihoods = [
            pipe.log_likelihood(scene.image, segmentation=labels, class_label=scene.class_label, **unlabelled).item()
            for labels, unlabelled in ((crude, {"unlabelled": -1}), (np.full_like(crude, -1), {"unlabelled": -1}))
        ]
        gains.append(likelihoods[0] - likelihoods[1])
    assert min(gains) > 0


@pytest.mark.parametrize("size", [(128, 192), (96, 256)])
def test_a_class_alone_is_planned_first(pipe: ImageSynthesisPipeline, size: tuple[int, int]) -> None:
    out = pipe(class_label="summer day", size=size, seed=0, progress=False)
    plan = out.conditions["segmentation"]
    assert plan.shape == (1, *size)
    sky = torch.isin(plan[0], torch.tensor([LABELS["sky-other"], LABELS["clouds"]]))
    assert sky[0].float().mean() > 0.9 and sky[-1].float().mean() < 0.1  # the sky is above
    free = pipe(class_label="summer day", size=size, seed=0, plan=False, progress=False)
    assert "segmentation" not in free.conditions


def test_a_seed_means_one_picture(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    labels = scene.segmentation[:32, :48]
    first, again, other = (painted(pipe, segmentation=labels, seed=seed) for seed in (5, 5, 6))
    assert first.shape == (32, 48, 3)
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(4))
def test_the_picture_follows_the_map(pipe: ImageSynthesisPipeline, seed: int) -> None:
    labels = np.full((64, 64), LABELS["snow"], np.uint8)
    labels[:32] = LABELS["tree"]  # which are white themselves in winter
    picture = painted(pipe, segmentation=labels, class_label="autumn day", seed=seed)
    assert picture[40:].mean() > picture[:24].mean() + 40  # snow is brighter than trees


def test_nights_are_darker_than_days(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    night, day = (
        painted(pipe, segmentation=scene.segmentation, class_label=f"summer {time}").mean() for time in ("night", "day")
    )
    assert night < day - 40


def test_what_is_known_of_a_picture_stays(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    area = np.zeros((128, 192), bool)
    area[40:80, 60:120] = True
    picture = painted(pipe, image=scene.image, mask=area)
    assert np.array_equal(picture[~area], scene.image[~area].astype(float))
    assert not np.array_equal(picture[area], scene.image[area].astype(float))


def test_calls_without_a_class_paint_days_first(pipe: ImageSynthesisPipeline, scene: Scene) -> None:
    out = pipe(segmentation=scene.segmentation, seed=0, num_images=8, output_type="np", progress=False)
    names = [pipe.condition("class_label").describe(label) for label in out.conditions["class_label"]]
    assert names[0] == "spring day" and sum(name.endswith("day") for name in names) == 6
    assert (out.images @ np.array([0.299, 0.587, 0.114])).mean() / 255 > 0.45


@pytest.mark.parametrize("season", ["summer", "winter"])
@pytest.mark.parametrize("time", ["day", "dusk", "night"])
def test_season_and_hour_are_told_from_what_is_known(pipe: ImageSynthesisPipeline, season: str, time: str) -> None:
    scene = make_scene(10_000_036, size=(192, 256), season=season, time_of_day=time)
    right = np.arange(256) >= np.full((192, 1), 128)
    out = pipe(image=scene.image, mask=right, seed=1, progress=False)
    assert pipe.condition("class_label").describe(out.conditions["class_label"][0]) == scene.class_label


def test_a_bright_picture_is_no_night(pipe: ImageSynthesisPipeline) -> None:
    rng = np.random.default_rng(0)
    overcast = np.clip(150 + rng.normal(0, 12, (96, 128, 1)) + np.linspace(40, -40, 96)[:, None, None], 0, 255)
    image = np.repeat(overcast, 3, axis=2).astype(np.uint8)
    out = pipe(image=image, mask=np.arange(128) >= np.full((96, 1), 64), seed=1, progress=False)
    assert "night" not in pipe.condition("class_label").describe(out.conditions["class_label"][0])


def test_a_picture_that_its_tokenizer_cannot_hold_is_told_of_before_painting(pipe: ImageSynthesisPipeline) -> None:
    right = np.arange(256) >= np.full((192, 1), 128)
    hidden = make_scene(10_000_036, size=(192, 256), time_of_day="day").image.copy()
    foreign = np.random.default_rng(0).integers(0, 256, (192, 256, 3), np.uint8)
    hidden[right] = foreign[right]  # what is to be painted does not count
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe(image=hidden, mask=right, seed=0, progress=False)
    with pytest.warns(UserWarning, match=r"dB PSNR.*vqgan-transformer models") as told:
        pipe(image=foreign, mask=right, seed=0, num_images=2, progress=False)
    assert len(told) == 1
