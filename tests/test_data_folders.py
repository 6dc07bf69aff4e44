"""Every file in a data folder is a sample, is left out for a reason that is told, or is a problem."""

from __future__ import annotations

import json
import os
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from training_data import picture, short_training, tiny_vqgan, write_pictures, write_scenes
from vqgan_transformer import (
    ClassCondition,
    DepthCondition,
    KeypointsCondition,
    LayoutCondition,
    SegmentationCondition,
    train_vqgan,
)
from vqgan_transformer.training import Samples, check, open_data
from vqgan_transformer.training.data import DataError, split
from vqgan_transformer.training.samples import CENTRE, open_samples

JOINTS = np.stack([np.linspace(4, 28, 17), np.linspace(3, 21, 17), np.full(17, 2)], axis=1)[None]
THREE = SegmentationCondition(labels=("a", "b", "c"))


def left_out(source):
    return dict(source.left_out)


# ---------------------------------------------------------------- what is found


def test_linked_folders_are_followed_but_not_back_up(tmp_path):
    write_pictures(tmp_path / "elsewhere/dogs", 2)
    write_pictures(tmp_path / "photos/cats", 1)
    os.symlink(tmp_path / "elsewhere/dogs", tmp_path / "photos/dogs")
    os.symlink(tmp_path / "photos", tmp_path / "photos/cats/up")
    source = open_data(tmp_path / "photos", ("image", "class_label"))
    assert source.names == ("cats/0.png", "dogs/0.png", "dogs/1.png")
    assert left_out(source) == {"cats/up": "a link back to a folder above it"}


def test_dead_links_are_said(tmp_path):
    write_pictures(tmp_path, 2)
    os.symlink(tmp_path / "unplugged.png", tmp_path / "9.png")
    with pytest.warns(UserWarning, match=r"9\.png is a link to .*unplugged\.png, which is not there"):
        source = open_data(tmp_path, ("image",))
    assert len(source) == 2 and left_out(source) == {"9.png": "a link to what is not there"}


@pytest.mark.parametrize("kinds", [("image",), ("image", "depth")])
def test_files_of_one_name_are_a_problem(kinds, tmp_path):
    write_scenes(tmp_path / "s", 3)
    place = {"image": "images", "depth": "depths"}[kinds[-1]]
    Image.new("L", (32, 24)).save(tmp_path / "s" / place / "1.bmp")
    with pytest.raises(DataError, match=r"1: is there twice, 1\.bmp and 1\.\w+ in "):
        open_data(tmp_path / "s", kinds)
    assert open_data(tmp_path / "s", kinds, on_bad="skip").names == ("0", "2")


def test_all_that_pillow_reads_are_pictures_and_other_pictures_are_problems(tmp_path):
    for ending in ("png", "jpg", "jfif", "webp", "gif", "ppm", "tga", "jp2"):
        Image.fromarray(picture(0)).save(tmp_path / f"{ending}.{ending}")
    assert len(open_data(tmp_path, ("image",))) == 8
    (tmp_path / "phone.heic").write_bytes(b"")
    with pytest.raises(DataError, match=r"phone\.heic: files of the form \.heic cannot be read here"):
        open_data(tmp_path, ("image",))


def test_what_is_no_picture_is_left_out_by_name(tmp_path):
    write_pictures(tmp_path, 1)
    for name in ("notes.txt", ".hidden.png", "README"):
        (tmp_path / name).write_bytes(b"")
    source = open_data(tmp_path, ("image",))
    assert left_out(source) == {
        ".hidden.png": "hidden", "notes.txt": "no such file is read (.txt)", "README": "no such file is read (no ending)",
    }  # fmt: skip
    assert "left out: notes.txt: no such file is read (.txt)" in source.report()


def test_runs_inside_the_data_are_no_data(tmp_path):
    write_pictures(tmp_path, 4)
    training = short_training(max_steps=1, picture_every=1, disc_weight=0.0, perceptual=None, whiten=False)
    train_vqgan(tmp_path, tmp_path / "runs/first", config=tiny_vqgan(), training=training, progress=False)
    source = open_data(tmp_path, ("image",))
    assert len(source) == 4 and left_out(source) == {"runs/first": "the folder of a training run"}


def test_what_lies_beside_the_pictures_is_told(tmp_path):
    scenes = write_scenes(tmp_path / "s", 2)
    Image.fromarray(picture(0)).save(scenes / "loose.png")
    source = open_data(scenes, ("image", "segmentation"))
    assert left_out(source)["loose.png"] == "lies beside images/, where the pictures are"
    assert left_out(source)["depths/"] == "not asked for"


def test_parts_of_a_data_set_are_not_trained_on_together(tmp_path):
    for part in ("train", "val"):
        write_pictures(tmp_path / part / "cats", 1)
    for kinds in (("image",), ("image", "class_label")):
        with pytest.raises(DataError, match=r"train/, val/ side by side(.|\n)*validation="):
            open_data(tmp_path, kinds)
    assert len(open_data(tmp_path / "train", ("image", "class_label"))) == 1


def test_pictures_that_a_table_does_not_name_are_left_out(tmp_path):
    write_pictures(tmp_path, 3)
    (tmp_path / "metadata.csv").write_text("file_name\n1.png\n")
    source = open_data(tmp_path, ("image",))
    assert source.names == ("1.png",)
    assert left_out(source) == {"0.png": "not in metadata.csv", "2.png": "not in metadata.csv"}


def test_names_that_many_share_are_cut_short_in_a_report(tmp_path):
    write_pictures(tmp_path, 1)
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("")
    assert "0.txt, 1.txt, 2.txt, … and 2 more" in open_data(tmp_path, ("image",)).report()


# ---------------------------------------------------------------- forms


def coco_folders(top, parts=("train2017",)):
    for part in parts:
        write_pictures(top / part, 2)
        person = [value for k in range(17) for value in (4 + k, 5 + k, 2)]
        annotation = {"image_id": 0, "category_id": 1, "bbox": [2, 2, 8, 8], "keypoints": person}
        table = {
            "images": [{"id": k, "file_name": f"{k}.png", "height": 24, "width": 32} for k in range(2)],
            "annotations": [annotation], "categories": [{"id": 1, "name": "person"}],
        }  # fmt: skip
        (top / "annotations").mkdir(exist_ok=True)
        for prefix in ("person_keypoints", "instances"):
            (top / f"annotations/{prefix}_{part}.json").write_text(json.dumps(table))


@pytest.mark.parametrize("data", ["", "train2017", "annotations/person_keypoints_train2017.json"])
def test_cocos_own_folders(data, tmp_path):
    coco_folders(tmp_path)
    source = open_data(tmp_path / data, ("image", "keypoints"))
    assert source.names == ("0", "1")
    sample = Samples(source, short_training(), (KeypointsCondition(),))[CENTRE, 0]
    assert (sample["keypoints"] > -1).any()


def test_one_part_of_cocos_folders_has_to_be_named(tmp_path):
    coco_folders(tmp_path, ("train2017", "val2017"))
    with pytest.raises(DataError, match=r"2 parts, train2017 and val2017(.|\n)*pass one of them: data="):
        open_data(tmp_path, ("image", "layout"))
    assert len(open_data(tmp_path / "val2017", ("image", "layout"))) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_tables_of_any_encoding(encoding, tmp_path):
    Image.fromarray(picture(0)).save(tmp_path / "straße.png")
    (tmp_path / "t.csv").write_bytes("file_name;label\nstraße.png;größte\n".encode(encoding))
    assert open_data(tmp_path / "t.csv", ("image", "class_label"))[0]["class_label"] == "größte"


def test_lists_with_classes(tmp_path):
    write_pictures(tmp_path / "p q", 2)
    (tmp_path / "l.txt").write_text(f"p q/0.png 3\n{tmp_path}/p q/1.png\n")
    source = open_data(tmp_path / "l.txt", ("image", "class_label"))
    assert [source[k]["class_label"] for k in range(2)] == [3, "p q"]


@pytest.mark.parametrize("column", ["image", "img", "jpg", "PNG"])
def test_columns_as_on_the_hub(column):
    assert set(open_data([{column: picture(0), "label": 1}], ("image", "class_label"))[0]) == {"image", "class_label"}


def test_absent_columns_are_named_with_those_that_are_there():
    samples = Samples(open_data([{"pixels": picture(0)}], ("image",)), short_training())
    with pytest.raises(DataError, match="sample 0: has no image, only pixels"):
        check(samples)


@pytest.mark.parametrize(
    ("data", "message"),
    [({"image": [picture(0)]}, "a list of dictionaries"), ({}, "nothing in it")],
)
def test_dictionaries_are_no_data_sets(data, message):
    with pytest.raises(TypeError, match=message):
        open_data(data, ("image",))


def test_digits_are_names_where_classes_have_such_names(tmp_path):
    write_pictures(tmp_path, 1)
    condition = ClassCondition(sorted(map(str, range(11))))
    for name, text in (
        ("t.csv", "file_name,label\n0.png,10\n"), ("t.jsonl", json.dumps({"file_name": "0.png", "label": "10"})),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
        samples = Samples(open_data(tmp_path / name, ("image", "class_label")), short_training(), (condition,))
        assert condition.config.labels[samples[CENTRE, 0]["class_label"]] == "10"


# ---------------------------------------------------------------- reading as a call does


def sample_of(condition, value, image=None, **training):
    data = [{"image": picture(0) if image is None else image, condition.name: value}]
    samples = Samples(open_data(data, ("image", condition.name)), short_training(**training), (condition,))
    return samples[CENTRE, 0][condition.name]


def test_annotations_follow_a_picture_that_was_scaled(tmp_path):
    person = np.stack([np.linspace(20, 40, 17), np.linspace(10, 44, 17), np.full(17, 2)], axis=1)
    table = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "keypoints": person.ravel().tolist(), "bbox": [16, 12, 32, 24]}
        ],
    }
    condition, boxes = KeypointsCondition(), LayoutCondition(labels=("dog",))
    half = np.zeros((24, 32, 3), np.uint8)
    seen = sample_of(condition, table, half, crop_size=(24, 32), short_side=32, scale_down=False)
    assert torch.equal(seen, condition.parse(table, size=(24, 32))[0])
    tokens = sample_of(boxes, table, half, crop_size=(24, 32), short_side=32, scale_down=False)
    assert tokens[:3].tolist() == boxes.encode(boxes.parse([("dog", (0.25, 0.25, 0.75, 0.75))]))[0][:3].tolist()
    for kind in (condition, boxes):
        with pytest.raises(DataError, match="another aspect"):
            sample_of(kind, table, np.zeros((32, 24, 3), np.uint8))


def test_depth_is_read_with_the_options_of_its_condition():
    metres = np.full((24, 32), 2.0)
    metres[:, 16:], metres[0] = 4.0, 0
    told = DepthCondition(near="small", invalid=0)
    for condition in (told, DepthCondition().reading(near="small", invalid=0)):
        read = sample_of(condition, metres, crop_size=(24, 32), short_side=32, scale_down=False)
        assert torch.equal(read, told.parse(metres)[0]) and read[0, 5, 0] == 1 and read[0, 5, 31] == -1
        assert torch.equal(read, DepthCondition().parse(metres, near="small", invalid=0)[0])
    with pytest.raises(TypeError, match=r"depth has no option 'neer'.*Did you mean 'near'"):
        DepthCondition().reading(neer="small")


def test_a_call_passes_over_what_a_condition_was_told():
    metres = np.array([[1.0, 2.0]])
    assert DepthCondition(near="small").parse(metres, near="large").flatten().tolist() == [-1, 1]


def test_labels_of_another_set_are_translated_in_training():
    condition = SegmentationCondition(label_space="coco-stuff-182").reading(label_space="ade20k-150")
    assert set(sample_of(condition, np.full((24, 32), 2, np.uint8)).unique().tolist()) == {156}  # the sky


def test_unlabelled_pixels_are_not_trained_on_and_elsewhere_take_the_nearest_label():
    labels = np.tile(np.array([0, 255, 255, 1], np.uint8).repeat(8), (24, 1))
    condition = SegmentationCondition(labels=("a", "b"), unknown=255)
    read = sample_of(condition, labels, crop_size=(24, 32), short_side=32, scale_down=False)
    assert torch.equal(read == -1, torch.from_numpy(labels == 255))
    assert condition.tokenizer_input(read[None], 2).sum(1)[0].eq(0).equal(read == -1)
    with pytest.raises(DataError, match=r"label 255 .*Make the condition with unknown="):
        sample_of(SegmentationCondition(labels=("a", "b")), labels)


def test_points_and_boxes_in_pixels_or_relative():
    condition = LayoutCondition(labels=("dog",))
    relative = [("dog", (0.25, 0.25, 0.75, 0.75))]
    expected = sample_of(condition, relative)
    for same in ([("dog", (8, 6, 24, 18))], {"bbox": [[8, 6, 16, 12]], "category": [0]},
                 {"bbox": [[0.25, 0.25, 0.5, 0.5]], "categories": ["dog"]},
                 [{"bbox": [8, 6, 16, 12], "category": "dog"}]):  # fmt: skip
        assert torch.equal(sample_of(condition, same), expected)


@pytest.mark.parametrize(
    "value",
    [
        JOINTS,
        JOINTS.tolist(),
        JOINTS.reshape(1, 51).tolist(),
        JOINTS.ravel().tolist(),
        [{"keypoints": JOINTS[0].tolist()}],
    ],
    ids=["array", "lists", "flat", "one flat", "dictionaries"],
)
def test_people_in_the_forms_of_data_sets(value):
    assert torch.equal(sample_of(KeypointsCondition(), value), sample_of(KeypointsCondition(), JOINTS))


def test_pictures_may_show_nobody_and_nothing():
    assert sample_of(KeypointsCondition(), []).eq(-1).all()
    layout = LayoutCondition(labels=("dog",))
    for nothing in ([], {"bbox": [], "category": []}):
        assert sample_of(layout, nothing)[:3].eq(layout.config.none).all()
    condition = SegmentationCondition(labels=("a", "b"), unknown=255)
    assert sample_of(condition, np.full((24, 32), 255, np.uint8)).eq(-1).all()


@pytest.mark.parametrize(
    "condition",
    [KeypointsCondition(), LayoutCondition(labels=("dog",)), THREE, DepthCondition(), ClassCondition(("a",))],
)
def test_nothing_in_the_place_of_a_condition_is_a_problem(condition):
    with pytest.raises(DataError, match=rf"sample 0: has nothing \(None\) as {condition.name}"):
        sample_of(condition, None)


@pytest.mark.parametrize(
    ("condition", "value", "advice"),
    [
        (THREE, np.full((24, 32), -1), r"unlabelled=-1"),
        (DepthCondition(), np.where(np.eye(24, 32) > 0, np.nan, 1.0), r"invalid=float"),
        (KeypointsCondition(), np.linspace(0.1, 0.9, 51).reshape(1, 17, 3), r"keypoints_size=\(1, 1\)"),
    ],
)
def test_advice_says_where_options_are_given_in_training(condition, value, advice):
    with pytest.raises(DataError, match=rf"{advice}.*condition\.reading\(…\)"):
        sample_of(condition, value)


# ---------------------------------------------------------------- what is bad, and what is said


def test_the_rest_is_trained_on_where_that_is_asked_for(tmp_path):
    scenes = write_scenes(tmp_path / "s", 6)
    (scenes / "images/1.png").write_bytes(b"no picture")
    (scenes / "segmentations/2.png").unlink()
    training = short_training(on_bad="skip", validation_share=0.2)
    samples, held_out = open_samples(scenes, None, training, (THREE,), kinds=("image", "segmentation"), checked=True)
    assert sorted((*samples.source.names, *held_out.source.names)) == ["0", "3", "4", "5"]
    reasons = left_out(samples.source)
    assert reasons["2"] == "has no segmentation" and "no readable picture" in reasons["1"]
    with pytest.raises(DataError, match="2: has no segmentation"):
        open_samples(scenes, None, short_training(), (THREE,), kinds=("image", "segmentation"), checked=True)


def test_small_pictures_are_scaled_up_where_that_is_asked_for(tmp_path):
    source = open_data([picture(0, (10, 40))], ("image",))
    with pytest.raises(DataError, match="scale_up=True"):
        Samples(source, short_training())[0, 0]
    for epoch in (CENTRE, 0, 1):
        assert Samples(source, short_training(scale_up=True))[epoch, 0]["image"].shape == (3, 16, 16)


def test_warnings_of_readers_are_said_once_with_a_count(tmp_path):
    condition = SegmentationCondition(label_space="ade20k-150")
    shared = np.full((24, 32, 3), 140, np.uint8)  # road and skyscraper
    data = [{"image": picture(0), "segmentation": shared} for _ in range(3)]
    samples = Samples(open_data(data, ("image", "segmentation")), short_training(), (condition,))
    with pytest.warns(UserWarning, match=r"sample 0: 768 pixels .* So it is with 2 more samples") as said:
        check(samples)
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        samples[0, 0]


def test_what_is_held_out_is_chosen_among_samples_that_can_be_used(tmp_path):
    write_pictures(tmp_path, 8)
    clean, _ = split(open_data(tmp_path, ("image",)), 0.25)
    (tmp_path / "broken.png").write_bytes(b"")
    training = short_training(on_bad="skip", validation_share=0.25)
    samples, _ = open_samples(tmp_path, None, training, (), kinds=("image",), checked=True)
    assert samples.source.names == clean.names
