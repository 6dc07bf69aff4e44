"""Joints are read back from skeleton pictures of OpenPose where that is certain, and such pictures refused where not."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from openpose_drawing import COLOURS, draw_openpose, openpose_joints
from vqgan_transformer import KeypointsCondition
from vqgan_transformer.conditions.openpose_picture import read_openpose_picture
from vqgan_transformer.scenes import make_scene

CONDITION = KeypointsCondition()


def people_of(seed: int, size: tuple[int, int], places: list[tuple[float, float, float]]) -> np.ndarray:
    """People of a scene, each moved to a left and top and made so many pixels tall."""
    people = make_scene(seed, (64, 64), people=5).keypoints.astype(float)
    people = people[(people[..., 2] > 0).all(axis=1)][: len(places)]
    for person, (left, top, height) in zip(people, places, strict=True):
        low = person[:, :2].min(axis=0)
        person[:, :2] = (person[:, :2] - low) * height / np.ptp(person[:, 1]) + (left, top)
    return people


def same_people(found: np.ndarray, people: np.ndarray) -> bool:
    """Whether joints are within 3 pixels of the true ones, whatever the order of people."""
    expected = openpose_joints(people)[..., :2]
    distances = np.abs(found[:, None, :, :2] - expected).max(axis=(2, 3))
    return len(found) == len(people) and bool(distances.min(axis=0).max() < 3)


@pytest.mark.parametrize("seed", range(8))
def test_one_person_is_read_back(seed):
    people = people_of(seed, (320, 300), [(70, 15, 280)])
    assert same_people(read_openpose_picture(np.asarray(draw_openpose(people, (320, 300)))), people)


@pytest.mark.parametrize("seed", [1, 4, 6])
def test_people_side_by_side_are_told_apart(seed):
    people = people_of(seed, (320, 400), [(20, 15, 280), (240, 40, 250)])
    assert same_people(read_openpose_picture(np.asarray(draw_openpose(people, (320, 400)))), people)


def test_a_part_of_a_person_is_read_back():
    people = people_of(2, (320, 200), [(70, 15, 280)])
    people[:, 11:] = 0  # the legs are not there
    found = read_openpose_picture(np.asarray(draw_openpose(people, (320, 200))))
    assert np.array_equal(found[..., 2] > 0, openpose_joints(people)[..., 2] > 0)


def test_a_picture_is_drawn_anew_as_numbers_are():
    people = people_of(2, (320, 200), [(70, 15, 280)])
    picture = draw_openpose(people, (320, 200))
    with pytest.raises(TypeError, match="palette='openpose'"):
        CONDITION.parse(picture)
    parsed = CONDITION.parse([picture, np.asarray(picture)], palette="openpose")
    expected = CONDITION.parse(people, keypoints_size=(320, 200))
    assert parsed.shape == (2, 3, 320, 200)
    assert (parsed - expected).abs().mean() < 0.01  # joints lie up to a pixel beside
    larger = CONDITION.parse(picture, palette="openpose", size=(640, 400))
    assert (larger - CONDITION.parse(people * (2, 2, 1), keypoints_size=(640, 400))).abs().mean() < 0.01


def test_a_black_picture_has_nobody():
    assert CONDITION.parse(Image.new("RGB", (8, 8)), palette="openpose").eq(-1).all()


def jpeg(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=70)
    return Image.open(file)


def with_hands(picture: Image.Image) -> Image.Image:
    for k in range(42):
        x, y = 20 + 4 * k, 300 - 3 * k % 40
        ImageDraw.Draw(picture).ellipse((x - 4, y - 4, x + 4, y + 4), fill=(0, 0, 255))
    return picture


@pytest.mark.parametrize(
    "spoil",
    [
        lambda picture: picture.resize((150, 240), Image.Resampling.BILINEAR),
        jpeg,
        with_hands,
        lambda picture: Image.eval(picture, lambda value: value // 2),
        lambda picture: Image.eval(picture, lambda value: 255 - value),
        lambda picture: Image.fromarray(make_scene(1, (320, 200)).image),
    ],
    ids=["resized", "jpeg", "hands", "dark", "inverted", "photograph"],
)
def test_what_is_not_certain_is_refused(spoil):
    picture = draw_openpose(people_of(2, (320, 200), [(70, 15, 280)]), (320, 200))
    with pytest.raises(
        ValueError, match=r"keypoints cannot be read from this skeleton picture: .* Pass the numbers instead"
    ):
        CONDITION.parse(spoil(picture), palette="openpose")


def test_people_who_hide_each_other_are_right_or_refused():
    outcomes = []
    for seed in range(6):
        people = people_of(seed, (320, 220), [(40, 15, 280), (70, 30, 260)])
        try:
            found = read_openpose_picture(np.asarray(draw_openpose(people, (320, 220))))
        except ValueError:
            outcomes.append("refused")
            continue
        # a joint that is wholly hidden cannot be seen; all others are where they were, and with whom they were
        seen = found[..., 2] > 0
        distances = [
            min(np.abs(joint - true)[there].max() for true in openpose_joints(people)[..., :2])
            for joint, there in zip(found[..., :2], seen, strict=True)
        ]
        outcomes.append("right" if max(distances) < 3 and seen.sum() > 30 else "wrong")
    assert "wrong" not in outcomes
    assert "right" in outcomes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"palette": "coco"}, "no palette 'coco'.*'openpose'"),
        ({"palette": "openpose", "keypoint_format": "openpose"}, "no keypoint_format"),
        ({"palette": "openpose", "keypoints_size": (9, 9)}, r"keypoints_size=\(9, 9\)"),
    ],
)
def test_options_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        CONDITION.parse(draw_openpose(people_of(2, (320, 200), [(70, 15, 280)]), (320, 200)), **options)


def test_the_colours_are_those_of_the_hue_circle():
    from vqgan_transformer.conditions import openpose_picture

    assert torch.equal(torch.from_numpy(openpose_picture.COLOURS), torch.tensor(COLOURS))
