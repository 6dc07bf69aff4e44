"""Pictures against their conditions: confusion matrices, ranks and joints by hand, labels by name, pairs by name."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr

from test_pipeline import LABELS, label_vqgan
from vqgan_transformer import (
    ClassCondition,
    CondGPT,
    CondGPTConfig,
    DepthCondition,
    ImageSynthesisPipeline,
    KeypointsCondition,
    SegmentationCondition,
)
from vqgan_transformer.evaluation import evaluate_faithfulness
from vqgan_transformer.evaluation.depth_agreement import rank_correlation
from vqgan_transformer.evaluation.joint_agreement import correct_joints
from vqgan_transformer.evaluation.label_agreement import confusion_matrix, segmentation_scores

QUIET = {"progress": False}


def write_maps(folder: Path, maps: dict[str, np.ndarray], kind: str = "segmentations") -> Path:
    """Maps, and for each a gray picture of the same name whose pixels are the map's numbers."""
    for place in (kind, "images"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    for name, labels in maps.items():
        Image.fromarray(labels.astype(np.uint8)).save(folder / kind / f"{name}.png")
        Image.fromarray(labels.astype(np.uint8)).save(folder / "images" / f"{name}.png")
    return folder


def level(picture: Image.Image) -> np.ndarray:
    """A reader that sees the numbers that a gray picture was made of."""
    return np.asarray(picture)[..., 0].astype(np.int64)


def test_scores_of_a_confusion_matrix_by_hand():
    target = torch.tensor([[0, 0, 0, 1], [1, 1, 2, -1]])
    reading = torch.tensor([[0, 0, 1, 1], [1, 0, 1, 3]])
    matrix = confusion_matrix(target, reading, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [1, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    scores = segmentation_scores(matrix.numpy())
    # intersection over union: 2 of 4, 2 of 5, 0 of 1; label 3 occurs in neither
    assert scores["miou"] == pytest.approx((2 / 4 + 2 / 5 + 0) / 3)
    assert scores["pixel_accuracy"] == pytest.approx(4 / 7)
    assert scores["mean_accuracy"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert scores["frequency_weighted_iou"] == pytest.approx((3 * 2 / 4 + 3 * 2 / 5) / 7)
    assert scores["labels_seen"] == 3


def test_pictures_of_any_program_are_compared_with_maps_of_their_names(tmp_path):
    maps = {"a": np.array([[0, 0], [1, 2]]), "b": np.array([[2, 2], [2, 0]])}
    scenes = write_maps(tmp_path / "scenes", maps)
    made = tmp_path / "made"
    made.mkdir()
    Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8)).save(made / "a.jpg.png")
    Image.fromarray(np.array([[0, 1], [1, 2]], np.uint8)).save(made / "a.png")
    Image.fromarray(np.array([[2, 2], [2, 0]], np.uint8)).save(made / "b.png")
    result = evaluate_faithfulness(
        made, scenes, reader=level, condition=SegmentationCondition(labels=LABELS), folder=tmp_path / "out", **QUIET
    )
    assert result.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 0, 4]]
    assert result.numbers["miou"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert (result.worst[0], result.best[0]) == (("a", 0.75), ("b", 1.0))
    with (tmp_path / "out" / "confusion.csv").open() as file:
        assert [*csv.reader(file)][1] == [LABELS[0], "2", "1", "0"]
    (made / "b.png").unlink()
    with pytest.raises(ValueError, match=r"1 of 2 conditions have no picture in made, e.g. 'b'"):
        evaluate_faithfulness(made, scenes, reader=level, condition=SegmentationCondition(labels=LABELS), **QUIET)


def test_unknown_pixels_and_labels_that_the_reader_lacks_are_left_out(tmp_path):
    # of ADE20K: wall 0, building 1, sky 2, and 255 is unlabelled
    scenes = write_maps(tmp_path / "scenes", {"a": np.array([[0, 1, 2, 2], [255, 255, 2, 0]])})
    result = evaluate_faithfulness(
        scenes / "images",
        scenes,
        reader=lambda picture: np.array([[0, 0, 1, 0], [1, 1, 1, 1]]),
        reader_labels=("building", "sky"),  # no walls
        condition=SegmentationCondition(label_space="ade20k-150"),
        **QUIET,
    )
    assert result.labels == ("building", "sky")
    assert result.confusion.tolist() == [[1, 0], [1, 2]]
    assert [note.partition(" ")[0] for note in result.notes] == ["25.00%", "25.00%"]
    assert "lacks their labels (wall" in result.notes[1]


def test_a_reader_with_more_labels_than_it_says_is_refused(tmp_path):
    scenes = write_maps(tmp_path / "scenes", {"a": np.array([[0, 1], [1, 2]])})
    with pytest.raises(ValueError, match="gave the label 7, but this checkpoint has 0–2: say with reader_labels="):
        evaluate_faithfulness(
            scenes / "images", scenes, reader=lambda picture: np.full((2, 2), 7),
            condition=SegmentationCondition(labels=LABELS), **QUIET,
        )  # fmt: skip


def test_ranks_are_those_of_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.integers(9, size=200), rng.normal(size=200)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(np.array([1, 2, 3]), np.array([10, 20, 15])) == pytest.approx(0.5)
    assert rank_correlation(np.ones(3), np.arange(3)) == 0


def test_depth_by_hand(tmp_path):
    inverse = np.array([[0, 100], [200, 50]])
    scenes = write_maps(tmp_path / "scenes", {"a": inverse}, "depths")
    seen = {"large": np.array([[1.0, 3.0], [5.0, 1.0]]), "small": np.array([[1.0, 0.5], [0.25, 1.0]])}
    options = {"condition": DepthCondition(), **QUIET}
    result = evaluate_faithfulness(scenes / "images", scenes, reader=lambda picture: seen["large"], **options)
    # scaled to [0, 1]: 0, ½, 1, ¼ against 0, ½, 1, 0
    assert result.numbers["rmse"] == pytest.approx(0.125)
    assert result.numbers["rank_correlation"] == pytest.approx(spearmanr(inverse.ravel(), seen["large"].ravel())[0])
    distances = evaluate_faithfulness(
        scenes / "images", scenes, reader=lambda picture: seen["small"], reader_near="small", **options
    )
    assert distances.numbers["rank_correlation"] == pytest.approx(result.numbers["rank_correlation"])
    partly = evaluate_faithfulness(
        scenes / "images", scenes, reader=lambda picture: seen["large"], invalid=50, **options
    )
    assert partly.numbers == {"rank_correlation": pytest.approx(1), "rmse": pytest.approx(0)}


def test_joints_by_hand():
    # a person of 100 × 50 pixels with joints at 0, 1 and 2; a joint is correct within a tenth of 100
    person = np.zeros((17, 3))
    person[:3] = [[0, 0, 2], [100, 0, 2], [100, 50, 1]]
    read = person.copy()
    read[0, 0], read[1, 1], read[2, 2] = 9.9, 10.1, 0  # right, too far, not seen
    assert correct_joints(person[None], read[None], 0.1) == 1
    assert correct_joints(person[None], read[None], 0.2) == 2
    assert correct_joints(person[None], np.zeros((0, 17, 3)), 0.2) == 0
    # each person is matched to one: the other's joints do not count
    other = person + np.array([500, 0, 0])
    assert correct_joints(np.stack([person, other]), np.stack([other, read]), 0.2) == 3 + 2
    assert correct_joints(np.stack([person, other]), other[None], 0.2) == 3


def test_keypoints_are_scaled_to_the_picture(tmp_path):
    from training_data import write_scenes

    scenes = write_scenes(tmp_path / "scenes", 3, (40, 48))
    made = tmp_path / "made"
    made.mkdir()
    for number in range(3):
        Image.new("RGB", (96, 80), (number, 0, 0)).save(made / f"{number}.png")
    import json

    annotations = json.loads((scenes / "keypoints.json").read_text())["annotations"]
    people = [np.array(one["keypoints"]).reshape(1, 17, 3) * [2, 2, 1] for one in annotations]
    result = evaluate_faithfulness(
        made,
        scenes,
        reader=lambda picture: people[picture.getpixel((0, 0))[0]],
        condition=KeypointsCondition(),
        **QUIET,
    )
    assert result.numbers == {"pck@0.1": 1, "pck@0.2": 1, "joints": 51, "people": 3}


@pytest.fixture
def pipe(vqgan, gpt) -> ImageSynthesisPipeline:
    return ImageSynthesisPipeline(vqgan, gpt, conditions=(SegmentationCondition(labels=LABELS, vqgan=label_vqgan(3)),))


def test_a_pipeline_paints_first_and_goes_on_where_it_was_stopped(tmp_path, pipe):
    maps = {str(k): np.random.default_rng(k).integers(3, size=(16, 16 + 4 * k)) for k in range(3)}
    scenes = write_maps(tmp_path / "scenes", maps)
    bright = {"reader": lambda picture: np.asarray(picture.convert("L")).astype(int) // 86, "seed": 5, **QUIET}
    result = evaluate_faithfulness(pipe, scenes, folder=tmp_path / "out", **bright)
    confusion = np.zeros((3, 3), int)
    for k, labels in enumerate(maps.values()):
        painted = pipe(segmentation=labels, seed=5 + k, progress=False).images[0]
        np.add.at(confusion, (labels, bright["reader"](painted)), 1)
    assert result.confusion.tolist() == confusion.tolist()
    assert {"vqgan", "gpt", "segmentation"} <= result.weights.keys() and result.samples == 3
    again = evaluate_faithfulness(pipe, scenes, folder=tmp_path / "out", **bright)
    assert again.confusion.tolist() == confusion.tolist()
    without = evaluate_faithfulness(pipe, scenes, **bright)
    assert without.numbers == result.numbers


def test_classes_by_id_and_name(vqgan):
    config = CondGPTConfig(vocab_size=24, block_size=17, n_layer=1, n_head=2, n_embd=8, window=(4, 4), null_token=23)
    classes = ClassCondition(labels=("day", "night", "dawn"))
    pipe = ImageSynthesisPipeline(vqgan, CondGPT(config).double().eval(), conditions=(classes,))
    call = {"class_label": ["day", "night", "dawn", "night"], "size": (16, 16), **QUIET}
    result = evaluate_faithfulness(pipe, reader=lambda picture: "night", **call)
    assert result.numbers == {"accuracy": 0.5}
    assert evaluate_faithfulness(pipe, reader=lambda picture: 2, **call).numbers == {"accuracy": 0.25}
    named = evaluate_faithfulness(pipe, reader=lambda picture: 1, reader_labels=("noon", "Day"), **call)
    assert named.numbers == {"accuracy": 0.25}
    assert evaluate_faithfulness(pipe, reader=lambda picture: "a dog", **call).numbers == {"accuracy": 0}


def test_what_cannot_be_compared_is_said(tmp_path, pipe):
    scenes = write_maps(tmp_path / "scenes", {"a": np.zeros((16, 16))})
    with pytest.raises(ValueError, match="need condition=, a condition that reads"):
        evaluate_faithfulness(scenes / "images", scenes, reader=level, **QUIET)
    with pytest.raises(TypeError, match=r"reader= is a function .* got int"):
        evaluate_faithfulness(pipe, scenes, reader=3, **QUIET)
    with pytest.raises(TypeError, match="segmentation has no option 'pallete'"):
        evaluate_faithfulness(
            scenes / "images",
            scenes,
            reader=level,
            condition=SegmentationCondition(labels=LABELS),
            pallete="x",
            **QUIET,
        )


def test_models_of_transformers_read_pictures_and_tell_their_labels(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], num_attention_heads=[1, 2],
        patch_sizes=[7, 3], strides=[4, 2], mlp_ratios=[2, 2], decoder_hidden_size=8,
        id2label={0: "sky", 1: "building"}, label2id={"sky": 0, "building": 1},
    )  # fmt: skip
    network = transformers.SegformerForSemanticSegmentation(config).eval()
    network.save_pretrained(tmp_path / "model")
    processor = transformers.SegformerImageProcessor(size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path / "model")
    maps = {"a": np.random.default_rng(0).integers(1, 3, size=(40, 48))}  # building 1, sky 2
    scenes = write_maps(tmp_path / "scenes", maps)
    result = evaluate_faithfulness(
        scenes / "images", scenes, reader=str(tmp_path / "model"), device="cpu",
        condition=SegmentationCondition(label_space="ade20k-150"), **QUIET,
    )  # fmt: skip
    picture = Image.open(scenes / "images" / "a.png").convert("RGB")
    with torch.no_grad():
        output = network(**processor(images=picture, return_tensors="pt"))
    seen = processor.post_process_semantic_segmentation(output, target_sizes=[(40, 48)])[0].numpy()
    expected = np.zeros((2, 2), int)
    np.add.at(expected, (np.where(maps["a"] == 2, 0, 1), seen), 1)
    assert result.labels == ("sky", "building") and result.confusion.tolist() == expected.tolist()
    assert result.weights.keys() == {str(tmp_path / "model")}
