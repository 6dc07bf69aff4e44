"""Keypoints in files, at sizes and in pipelines; the forms of input are in test_condition_inputs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from aligned_models import aligned_gpt
from vqgan_transformer import (
    VQGAN,
    ClassCondition,
    CondGPT,
    DepthCondition,
    ImageCondition,
    ImageSynthesisPipeline,
    KeypointsCondition,
    SegmentationCondition,
    VQGANConfig,
)
from vqgan_transformer.gpt import ConditionInput
from vqgan_transformer.scenes import make_scene

CONDITION = KeypointsCondition()
SCENE = make_scene(3, (64, 96), people=3)


def coco_file(path, keypoints, size=(64, 96), **more):
    people = [{"image_id": 1, "category_id": 1, "keypoints": person.ravel().tolist()} for person in keypoints]
    images = [{"id": 1, "file_name": "a.jpg", "height": size[0], "width": size[1]}]
    path.write_text(json.dumps({"images": images, "annotations": people} | more))
    return path


# files ----------------------------------------------------------------------------------------------------------------


def test_a_json_file_says_how_large_its_picture_is(tmp_path):
    path = coco_file(tmp_path / "people.json", SCENE.keypoints.astype(float))
    expected = CONDITION.parse(SCENE.keypoints, size=(64, 96))
    assert torch.equal(CONDITION.parse(path), expected)
    assert torch.equal(CONDITION.parse([str(path), path]), expected.repeat(2, 1, 1, 1))
    assert torch.equal(
        CONDITION.parse(path, size=(128, 192)), CONDITION.parse(SCENE.keypoints * (2, 2, 1), size=(128, 192))
    )
    with pytest.raises(ValueError, match=r"its picture is 64×96, but keypoints_size=\(9, 9\)"):
        CONDITION.parse(path, keypoints_size=(9, 9))


def test_a_file_that_names_its_joints_needs_no_format(tmp_path):
    from vqgan_transformer.conditions.joints import JOINT_ORDERS

    order = JOINT_ORDERS["crowdpose"]
    joints = np.array([[(10 + 3 * k, 8 + 2 * k, 2) for k in range(14)]])
    path = coco_file(tmp_path / "crowd.json", joints, categories=[{"id": 1, "keypoints": list(order)}])
    assert torch.equal(CONDITION.parse(path), CONDITION.parse(joints, size=(64, 96), keypoint_format="crowdpose"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no JSON file"),
        ("[" * 100_000, "no JSON file"),
        ("[1, 2]", "shape"),
        ('{"annotations": 3}', "'annotations', but not as a list of dictionaries"),
        ('{"annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}', "without keypoints; person_keypoints"),
        ('{"annotations": [{"image_id": 1, "keypoints": [1, 2, 3]}]}', "1 joints for each person"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "shape"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, message):
    (tmp_path / "people.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        CONDITION.parse(tmp_path / "people.json", size=(8, 8))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("none.json", FileNotFoundError, "there is no file"),
        ("pose.npy", ValueError, r"numpy.load\('pose.npy'\)"),
        ("pose.png", TypeError, "palette='openpose'"),
    ],
)
def test_other_files_are_refused(name, error, message):
    with pytest.raises(error, match=message):
        CONDITION.parse(name, size=(8, 8))


# sizes ----------------------------------------------------------------------------------------------------------------


def test_skeletons_are_drawn_at_the_size_that_is_asked_for():
    """Sharp at any size, not a small picture enlarged."""
    drawn = CONDITION.parse(SCENE.keypoints, size=(256, 384), keypoints_size=(64, 96))
    enlarged = CONDITION.resize(CONDITION.parse(SCENE.keypoints, keypoints_size=(64, 96)), (256, 384))
    assert torch.equal(drawn, CONDITION.parse(SCENE.keypoints * (4, 4, 1), size=(256, 384)))
    assert (drawn - enlarged).abs().mean() > 1e-3


def test_another_aspect_is_left_to_the_caller():
    assert CONDITION.parse(SCENE.keypoints, size=(64, 64), keypoints_size=(64, 96)).shape == (1, 3, 64, 96)


# pipelines ------------------------------------------------------------------------------------------------------------


def picture_vqgan() -> VQGAN:
    torch.manual_seed(2)
    config = VQGANConfig(
        channels=32, channel_multipliers=(1, 1, 2), num_res_blocks=1, attention_levels=(), latent_channels=16,
        codebook_size=20, code_dim=8,
    )  # fmt: skip
    return VQGAN(config).double().eval()


def test_a_pipeline_paints_from_keypoints(vqgan: VQGAN, gpt: CondGPT):
    condition = KeypointsCondition(vqgan=picture_vqgan())
    pipe = ImageSynthesisPipeline(vqgan=vqgan, gpt=gpt, conditions=(condition,))
    people = SCENE.keypoints / (4, 4, 1)
    out = pipe(keypoints=people, size=(16, 24), seed=0, progress=False)
    again = pipe(keypoints=SCENE.keypoints, keypoints_size=(64, 96), size=(16, 24), seed=0, progress=False)
    assert torch.equal(out.tokens, again.tokens)
    assert pipe(keypoints=people, keypoints_size=(17, 24), seed=0, progress=False).images[0].size == (24, 17)
    with pytest.raises(ValueError, match=r"give size=\(height, width\)"):
        pipe(keypoints=people, progress=False)
    with pytest.raises(ValueError, match="keypoints map is 64×96, of another aspect"):
        pipe(keypoints=SCENE.keypoints, keypoints_size=(64, 96), size=(16, 16), progress=False)
    with pytest.raises(TypeError, match="does not understand depth; it takes keypoints"):
        pipe(depth=SCENE.depth, progress=False)
    with pytest.raises(TypeError, match=r"'keypoint_treshold'. Did you mean 'keypoint_threshold'"):
        pipe(keypoints=people, keypoint_treshold=0.5, size=(16, 24), progress=False)


def test_a_pipeline_paints_from_a_picture(tmp_path, vqgan: VQGAN, gpt: CondGPT):
    pipe = ImageSynthesisPipeline(vqgan=vqgan, gpt=gpt, conditions=(ImageCondition(vqgan=picture_vqgan()),))
    edges = np.abs(np.diff(SCENE.depth[:17, :25], axis=0))[:, 1:] > 0.01
    out = pipe(condition_image=edges, seed=0, progress=False)
    assert out.images[0].size == (24, 16)
    again = ImageSynthesisPipeline.from_pretrained(pipe.save_pretrained(tmp_path / "pipe"), dtype="float64")
    assert torch.equal(again(condition_image=edges, seed=0, progress=False).tokens, out.tokens)
    with pytest.raises(TypeError, match=r"'image_condition'. Did you mean 'condition_image'"):
        pipe(image_condition=edges, progress=False)


# several kinds at once --------------------------------------------------------------------------------------------------

SEVERAL = (
    SegmentationCondition(label_space="coco-stuff-182"),
    DepthCondition(),
    KeypointsCondition(),
    ImageCondition(channels=1),
    ClassCondition(number_of_classes=96),
)


@pytest.fixture
def read(vqgan):
    """What a pipeline that follows several kinds reads of a call's arguments."""
    inputs = tuple(ConditionInput(condition.name, *condition.aligned_input) for condition in SEVERAL)
    pipe = ImageSynthesisPipeline(vqgan, aligned_gpt(conditions=inputs), conditions=SEVERAL)
    return lambda size=None, **arguments: pipe.request(arguments, size)


def test_kinds_go_together_as_maps_of_one_size(read):
    """What a model for several kinds at once reads: a map at the resolution of the picture, or an id, of each."""
    request = read(
        segmentation=SCENE.segmentation, depth=SCENE.depth, keypoints=SCENE.keypoints, class_label=5,
        condition_image=SCENE.image[:64, :96, 0],
    )  # fmt: skip
    assert request.size == (64, 96)
    shapes = {name: tuple(one.shape) for name, one in request.given.items()}
    assert shapes == {
        "segmentation": (1, 64, 96), "depth": (1, 1, 64, 96), "keypoints": (1, 3, 64, 96),
        "condition_image": (1, 1, 64, 96), "class_label": (1,),
    }  # fmt: skip
    assert {name: one.dtype for name, one in request.given.items()} == {
        "segmentation": torch.int64, "depth": torch.float32, "keypoints": torch.float32,
        "condition_image": torch.float32, "class_label": torch.int64,
    }  # fmt: skip


def test_keypoints_follow_the_size_of_the_other_maps(read):
    alone = CONDITION.parse(SCENE.keypoints, size=(64, 96))
    assert torch.equal(read(depth=SCENE.depth, keypoints=SCENE.keypoints).given["keypoints"], alone)
    larger = read(size=(128, 192), depth=SCENE.depth, keypoints=SCENE.keypoints, keypoints_size=(64, 96))
    assert torch.equal(larger.given["keypoints"], CONDITION.parse(SCENE.keypoints * (2, 2, 1), size=(128, 192)))


def test_keypoints_of_several_pictures_follow_the_size_of_each(read):
    maps, people = [SCENE.depth, SCENE.depth[:, :64]], [SCENE.keypoints, SCENE.keypoints[:0]]
    for depth, poses in zip(maps, people, strict=True):
        alone = CONDITION.parse(poses, size=depth.shape)
        assert torch.equal(read(depth=depth, keypoints=poses).given["keypoints"], alone)
    with pytest.raises(ValueError, match=r"different sizes .* \(64, 96\), \(64, 64\)"):
        read(depth=maps, keypoints=people)


def test_an_option_of_two_kinds_is_given_with_its_kind(read):
    with pytest.raises(TypeError, match="segmentation_palette= or keypoints_palette="):
        read(segmentation=SCENE.segmentation, keypoints=SCENE.keypoints, palette="openpose")
    request = read(size=(64, 96), depth=SCENE.depth + 1, near="small", keypoints=SCENE.keypoints)
    assert request.given["depth"][0, 0, -1].mean() < 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"layout": [], "depth": SCENE.depth}, TypeError, "understand layout; it takes segmentation, depth, keypoints"),
        ({"depth": SCENE.depth, "segmentation": SCENE.segmentation[:32]}, ValueError, "map is .* of another aspect"),
        ({"depth": [SCENE.depth] * 2, "class_label": [1, 2, 3]}, ValueError, "2 of depth and 3 of class_label"),
        ({"keypoints": SCENE.keypoints}, ValueError, "give size="),
        ({"class_label": 3}, ValueError, "class_label does not say how large"),
    ],
)
def test_kinds_that_do_not_go_together(read, arguments, error, message):
    with pytest.raises(error, match=message):
        read(**arguments)
