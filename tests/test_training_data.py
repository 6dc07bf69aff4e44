"""Training data: the forms people have them in, crops that keep pictures and maps together, and files that are bad."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from training_data import picture, short_training, tiny_vqgan, write_pictures, write_scenes
from vqgan_transformer import (
    ClassCondition,
    CoordinatesCondition,
    DepthCondition,
    ImageCondition,
    KeypointsCondition,
    SegmentationCondition,
    train_vqgan,
)
from vqgan_transformer.training.crops import LEFT_RIGHT_PAIRS, Crop, centre_crop, random_crop
from vqgan_transformer.training.data import DataError, open_data, split
from vqgan_transformer.training.samples import CENTRE, Batches, Samples, check, loader, random_numbers

THREE = SegmentationCondition(labels=("a", "b", "c"))


class Pairs(Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return Image.fromarray(picture(index)), index


# ---------------------------------------------------------------- where data come from


def test_a_folder_of_pictures_nested_or_not(tmp_path):
    write_pictures(tmp_path / "a", 2)
    write_pictures(tmp_path / "a/deeper", 1)
    (tmp_path / "a/notes.txt").write_text("no picture")
    assert open_data(tmp_path / "a", ("image",)).names == ("0.png", "1.png", "deeper/0.png")


def test_class_folders_name_the_class(tmp_path):
    write_pictures(tmp_path / "cats", 1)
    write_pictures(tmp_path / "dogs", 2)
    source = open_data(tmp_path, ("image", "class_label"))
    assert [source[index]["class_label"] for index in range(3)] == ["cats", "dogs", "dogs"]
    write_pictures(tmp_path, 1)
    with pytest.raises(DataError, match=r"0\.png: lies in no class folder"):
        open_data(tmp_path, ("image", "class_label"))


@pytest.mark.parametrize("kind", ["segmentation", "depth", "keypoints"])
def test_paired_folders_go_together_by_name(kind, tmp_path):
    source = open_data(write_scenes(tmp_path / "s", 3), ("image", kind))
    assert source.names == ("0", "1", "2")
    assert set(source[0]) == {"image", kind}


def test_partners_that_are_missing_are_all_named(tmp_path):
    scenes = write_scenes(tmp_path / "s", 4)
    (scenes / "segmentations/1.png").unlink()
    (scenes / "images/3.png").unlink()
    with pytest.raises(DataError, match="2 samples lack their partner") as error:
        open_data(scenes, ("image", "segmentation"))
    assert error.value.problems == ("1: has no segmentation", "3: has no image")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_imagefolder_tables(form, tmp_path):
    write_pictures(tmp_path, 2)
    if form == "jsonl":
        rows = [
            json.dumps({"file_name": f"{n}.png", "segmentation_file_name": f"{n}.png", "label": n}) for n in range(2)
        ]
        (tmp_path / "metadata.jsonl").write_text("\n".join(rows))
    else:
        (tmp_path / "metadata.csv").write_text("file_name,segmentation_file_name,label\n0.png,0.png,0\n1.png,1.png,1\n")
    source = open_data(tmp_path, ("image", "segmentation", "class_label"))
    assert source[1]["class_label"] == 1 and source[1]["segmentation"].name == "1.png"


def test_tables_may_not_point_out_of_their_folder(tmp_path):
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "../secret.png"}\n{"file_name": "absent.png"}\n')
    with pytest.raises(DataError, match="2 problems") as error:
        open_data(tmp_path, ("image",))
    assert "lies outside" in str(error.value) and "absent.png" in str(error.value)


def test_a_list_file(tmp_path):
    write_pictures(tmp_path / "p", 2)
    (tmp_path / "list.txt").write_text("p/1.png\n\np/0.png\n")
    assert open_data(tmp_path / "list.txt", ("image",)).names == ("p/1.png", "p/0.png")
    (tmp_path / "list.txt").write_text("p/7.png\n")
    with pytest.raises(DataError, match=r"p/7\.png: there is no such file"):
        open_data(tmp_path / "list.txt", ("image",))


def test_data_sets_of_other_libraries():
    source = open_data(Pairs(), ("image", "class_label"))
    assert source[2]["class_label"] == 2 and isinstance(source[2]["image"], Image.Image)
    rows = [{"image": picture(0), "label": 4, "other": None}]
    assert open_data(rows, ("image", "class_label"))[0]["class_label"] == 4
    assert set(open_data([picture(0)], ("image",))[0]) == {"image"}


@pytest.mark.parametrize(("data", "error"), [("nowhere", FileNotFoundError), (3, TypeError), ([], DataError)])
def test_what_is_no_data_is_refused(data, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        open_data(data, ("image",))


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no training samples"):
        open_data(tmp_path, ("image",))


def test_the_split_goes_by_name_so_that_more_data_do_not_reshuffle_it(tmp_path):
    training, held_out = split(open_data(write_pictures(tmp_path, 40), ("image",)), 0.25)
    assert len(held_out) == 10 and not set(training.names) & set(held_out.names)
    write_pictures(tmp_path, 42)
    _, later = split(open_data(tmp_path, ("image",)), 0.25)
    assert len(set(held_out.names) & set(later.names)) >= 8


# ---------------------------------------------------------------- crops


def coordinates_as_a_picture(height, width):
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([rows, columns, np.zeros_like(rows)], axis=-1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("short_sides", [None, (20, 20), (17, 24)], ids=["own size", "scaled", "random scale"])
def test_picture_map_and_depth_are_cut_alike(seed, short_sides):
    crop = random_crop(random_numbers(0, seed), (40, 60), (16, 16), short_sides, flip=True)
    pixels = coordinates_as_a_picture(40, 60)
    cut = np.asarray(crop.of_picture(Image.fromarray(pixels))).astype(int)
    labels = crop.of_labels(torch.from_numpy(pixels.astype(np.int64)).movedim(-1, 0))
    numbers = crop.of_numbers(torch.from_numpy(pixels.astype(np.float32)).movedim(-1, 0))
    tolerance = 0 if short_sides is None else 2.5
    inner = slice(1, -1)
    for channel in (0, 1):
        assert np.abs(cut[inner, inner, channel] - labels[channel, inner, inner].numpy()).max() <= tolerance
        assert np.abs(cut[inner, inner, channel] - numbers[channel, inner, inner].numpy()).max() <= tolerance


def test_labels_are_never_mixed():
    labels = torch.tensor([[0, 7], [7, 0]]).repeat(10, 10)
    cut = Crop(0, 0, 20, 20, (13, 13)).of_labels(labels)
    assert set(cut.unique().tolist()) == {0, 7}


def test_a_mirror_exchanges_left_and_right_keypoints():
    people = np.zeros((1, 17, 3))
    people[0, :, 0], people[0, :, 1], people[0, :, 2] = np.arange(17), 5, 2
    plain = Crop(2, 1, 20, 20, (20, 20)).of_keypoints(people)[0]
    mirrored = Crop(2, 1, 20, 20, (20, 20), flipped=True).of_keypoints(people)[0]
    assert plain[0].tolist() == [-1, 3, 2]
    assert mirrored[0].tolist() == [20, 3, 2]  # the nose stays the nose
    for left, right in LEFT_RIGHT_PAIRS:
        assert mirrored[left, 0] == 19 - plain[right, 0] and mirrored[right, 0] == 19 - plain[left, 0]
    assert sorted(joint for pair in LEFT_RIGHT_PAIRS for joint in pair) == list(range(1, 17))


def test_the_centre_is_the_centre():
    assert centre_crop((30, 50), (10, 20), None) == Crop(10, 15, 10, 20, (10, 20))


def test_pictures_are_scaled_down_but_never_up():
    assert random_crop(random_numbers(0), (20, 30), (20, 20), (100, 100), flip=False).height == 20
    with pytest.raises(ValueError, match="does not fit"):
        random_crop(random_numbers(0), (20, 30), (24, 24), (100, 100), flip=False)


# ---------------------------------------------------------------- samples


def samples_of(scenes, *conditions, **options):
    source = open_data(scenes, ("image", *(c.name for c in conditions if c.name != "coordinates")))
    return Samples(source, short_training(), conditions, **options)


def test_a_sample_is_a_function_of_seed_epoch_and_index(tmp_path):
    samples = samples_of(write_scenes(tmp_path / "s"), THREE)
    first = samples[3, 5]
    samples[0, 1], samples[9, 2]
    again = Samples(samples.source, samples.training, samples.conditions)[3, 5]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first["image"], samples[epoch, 5]["image"]) for epoch in range(4, 8))
    assert not torch.equal(first["image"], Samples(samples.source, short_training(seed=1), (THREE,))[3, 5]["image"])


def test_every_kind_of_condition_is_read_with_its_picture(tmp_path):
    scenes = write_scenes(tmp_path / "s")
    conditions = (THREE, DepthCondition(), KeypointsCondition(), CoordinatesCondition(16, downsample_factor=4))
    sample = samples_of(scenes, *conditions)[0, 0]
    assert {name: (tuple(value.shape), value.dtype) for name, value in sample.items()} == {
        "image": ((3, 16, 16), torch.float32),
        "segmentation": ((16, 16), torch.int64),
        "depth": ((1, 16, 16), torch.float32),
        "keypoints": ((3, 16, 16), torch.float32),
        "coordinates": ((1, 16, 16), torch.float32),
    }


def test_coordinates_are_those_of_the_whole_picture(tmp_path):
    samples = samples_of(write_scenes(tmp_path / "s"), CoordinatesCondition(16, downsample_factor=4))
    middle = samples[CENTRE, 0]["coordinates"]
    assert middle.min() > 0.05 and middle.max() < 0.95 and (middle.diff(dim=1) > 0).all()


def test_pictures_that_are_conditions_are_cut_with_their_picture(tmp_path):
    write_pictures(tmp_path / "images", 3)
    write_pictures(tmp_path / "condition_images", 3)
    sample = samples_of(tmp_path, ImageCondition())[0, 1]
    assert (sample["condition_image"] - sample["image"]).abs().mean() < 0.03  # linear and cubic
    Image.fromarray(picture(0, (20, 40))).save(tmp_path / "condition_images/2.png")
    np.save(tmp_path / "condition_images/0.npy", picture(0))
    (tmp_path / "condition_images/0.png").unlink()
    with pytest.raises(DataError, match=r"3 of 3(.|\n)*follows gray ones"):
        check(samples_of(tmp_path, ImageCondition(channels=1)))
    with pytest.raises(DataError, match="1 of 3") as error:
        check(samples_of(tmp_path, ImageCondition()))
    assert error.value.problems == ("2: sizes differ (height×width): condition_image 20×40, image 24×32",)


def test_classes_go_by_name(tmp_path):
    write_pictures(tmp_path / "cats", 1)
    write_pictures(tmp_path / "dogs", 1)
    condition = ClassCondition(labels=("cats", "dogs"))
    samples = Samples(open_data(tmp_path, ("image", "class_label")), short_training(), (condition,))
    assert samples[0, 1]["class_label"].item() == 1


def test_each_epoch_takes_every_sample_once():
    batches = Batches(count=7, seed=0, batch_size=3, stop=7)
    places = [place for batch in batches for place in batch]
    for epoch in range(3):
        assert sorted(index for e, index in places if e == epoch) == list(range(7))
    assert [i for e, i in places if e == 0] != [i for e, i in places if e == 1]


def test_processes_share_what_one_would_take():
    whole = list(Batches(count=10, seed=1, batch_size=4, stop=5))
    parts = [list(Batches(10, 1, batch_size=2, processes=2, process=p, stop=5)) for p in (0, 1)]
    assert [first + second for first, second in zip(*parts, strict=True)] == whole
    accumulated = list(Batches(10, 1, batch_size=2, parts=2, stop=5))
    assert [accumulated[2 * k] + accumulated[2 * k + 1] for k in range(5)] == whole
    assert list(Batches(10, 1, batch_size=4, start=3, stop=5)) == whole[3:]


def test_workers_change_nothing(tmp_path):
    samples = samples_of(write_scenes(tmp_path / "s"), THREE)
    batches = Batches(len(samples), 0, 2, stop=2)
    alone, helped = (list(loader(samples, batches, workers)) for workers in (0, 1))
    for one, other in zip(alone, helped, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


# ---------------------------------------------------------------- bad files


def test_every_bad_file_is_named_with_its_fault_before_training(tmp_path):
    scenes = write_scenes(tmp_path / "s", 7)
    images, maps = scenes / "images", scenes / "segmentations"
    jpeg = tmp_path / "whole.jpg"
    Image.fromarray(picture(0, (64, 64))).save(jpeg)
    (images / "0.png").write_bytes(jpeg.read_bytes()[:700])
    Image.fromarray(np.zeros((24, 32), np.uint16)).save(images / "1.png")
    Image.fromarray(picture(2, (24, 40))).save(images / "2.png")
    Image.fromarray(np.full((24, 32), 9, np.uint8)).save(maps / "3.png")
    Image.fromarray(picture(4, (10, 32))).save(images / "4.png")
    Image.fromarray(np.zeros((10, 32), np.uint8)).save(maps / "4.png")
    Image.fromarray(np.zeros((24, 32, 4), np.uint8)).save(images / "5.png")
    with pytest.raises(DataError, match="6 of 7 samples cannot be used") as error:
        check(samples_of(scenes, THREE))
    faults = dict(problem.split(": ", 1) for problem in error.value.problems)
    for name, words in {
        "0": "damaged", "1": "I;16", "2": "sizes differ", "3": "label 9", "4": "does not fit", "5": "transparent",
    }.items():  # fmt: skip
        assert words in faults[name], faults[name]


def test_train_functions_check_first(tmp_path):
    pictures = write_pictures(tmp_path / "p", 5)
    (pictures / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.png"):
        train_vqgan(pictures, tmp_path / "run", config=tiny_vqgan(), training=short_training(validation_share=0.0))
    assert not (tmp_path / "run").exists()
