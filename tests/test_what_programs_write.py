"""What other programs write is understood, or refused with what to do about it: labels, joints, depth, class names."""

from __future__ import annotations

import io
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from vqgan_transformer import (
    ClassCondition,
    DepthCondition,
    ImageSynthesisPipeline,
    KeypointsCondition,
    SegmentationCondition,
)
from vqgan_transformer.conditions.joints import JOINT_ORDERS
from vqgan_transformer.conditions.label_maps import fill_unlabelled
from vqgan_transformer.conditions.label_spaces import label_space
from vqgan_transformer.conditions.palettes import paint_labels
from vqgan_transformer.scenes import make_scene

COCO = SegmentationCondition(label_space="coco-stuff-182")
ADE = SegmentationCondition(label_space="ade20k-150")
POSES = KeypointsCondition()
SIZE = (48, 40)
PERSON = np.array([(20 + 4 * np.cos(k), 4 + 2.4 * k, 2) for k in range(17)])


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("kind", [torch.int64, torch.uint8, torch.float32])
def test_one_hot_maps_are_not_many_pictures(kind):
    one_hot = torch.nn.functional.one_hot(torch.tensor([[0, 5], [2, 2]]), 182).to(kind)
    for given, advice in (
        (one_hot.permute(2, 0, 1), r"argmax\(dim=0\)"), (one_hot.permute(2, 0, 1)[None], "argmax"),
        (one_hot.numpy(), r"argmax\(axis=2\)"),
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError), match=f"one-hot maps.*{advice}"):
            COCO.parse(given)
    assert len(COCO.parse(torch.tensor([[[0, 1]], [[1, 0]]]))) == 2  # two maps of the labels 0 and 1


@pytest.mark.parametrize("axis", [-3, -1])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_scores_of_labels_are_no_depth(axis, batch):
    scores = np.random.default_rng(0).normal(size=(*batch, 8, 9, 10)).swapaxes(-1, axis)
    chances = np.exp(scores) / np.exp(scores).sum(axis, keepdims=True)
    for given in (chances, torch.from_numpy(chances), torch.from_numpy(scores)):
        with pytest.raises(TypeError, match=r"looks like logits .*argmax\("):
            COCO.parse(given)
    with pytest.raises(TypeError, match=rf"argmax\({axis + 3 + len(batch)}\)"):
        COCO.parse(chances)


def test_gray_ids_in_a_lossy_file_of_colours_are_refused():
    picture = saved(np.repeat(np.full((16, 16, 1), 7, np.uint8), 3, -1), "WEBP", quality=80)
    with pytest.raises(ValueError, match="ids it seems, in a WebP file, whose compression"):
        COCO.parse(picture)


@pytest.mark.parametrize("space", [["sky", "tree"], {0: "sky", 1: "tree"}, {"1": "tree", "0": "sky"}])
def test_label_spaces_by_the_names_of_their_labels(space):
    own = SegmentationCondition(labels=("tree", "sea", "sky"))
    assert own.parse(np.array([[0, 1]]), label_space=space).tolist() == [[[2, 0]]]


def test_names_by_id_have_no_gaps():
    with pytest.raises(ValueError, match=r"no name for \[1\]"):
        COCO.parse(np.zeros((2, 2), int), label_space={0: "sky", 2: "sea"})
    with pytest.raises(TypeError, match="label_map is a dictionary"):
        COCO.parse(np.zeros((2, 2), int), label_map=["sky-other"])


@pytest.mark.parametrize(
    ("space", "ids", "names"),
    [
        ("cityscapes-19", [0, 10, 13, 12], ["road", "sky-other", "car", "person"]),
        ("cityscapes-34", [7, 23, 26, 11], ["road", "sky-other", "car", "building-other"]),
        ("voc-21", [1, 18, 20, 15], ["airplane", "couch", "tv", "person"]),
        ("voc", [8], ["cat"]),
        ("coco-panoptic-133", [0, 119, 125, 79], ["person", "sky-other", "grass", "toothbrush"]),
    ],
)
def test_data_sets_are_known_by_name(space, ids, names):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what is merged and nearest
        read = COCO.parse(np.array([ids]), label_space=space)[0, 0]
    assert [COCO.config.labels[label] for label in read] == names


def test_names_that_several_spaces_share_are_asked_for():
    with pytest.raises(ValueError, match=r"'cityscapes-19' \(Cityscapes' training ids.* or 'cityscapes-34'"):
        label_space("cityscapes")


@pytest.mark.parametrize("palette", ["ade20k", "cityscapes", "voc"])
def test_a_picture_in_a_known_palette_names_it(palette):
    name = {"ade20k": "ade20k-150", "cityscapes": "cityscapes-19", "voc": "voc-21"}[palette]
    picture = paint_labels(np.array([[2, 9], [10, 5]]), label_space(name).palette)
    with pytest.raises(ValueError, match=f"palette='{palette}'"):
        COCO.parse(picture)
    own = SegmentationCondition(label_space=name)
    assert own.parse(picture).tolist() == [[[2, 9], [10, 5]]]


@pytest.mark.parametrize(
    ("picture", "advice"),
    [
        (np.repeat(np.array([[2, 9]], np.uint8)[..., None], 3, -1), r"gray values are ids.*convert\('L'\)"),
        (np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), "looks like a photograph"),
    ],
)
def test_what_is_no_colour_map_is_told_apart(picture, advice):
    with pytest.raises(ValueError, match=advice):
        COCO.parse(picture)


def saved(array: np.ndarray, form: str, **options) -> Image.Image:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return Image.open(io.BytesIO(buffer.getvalue()))


def test_what_jpeg_makes_along_edges_is_no_label():
    ids = np.full((128, 192), 2)
    ids[64:], ids[30:80, 50:100], ids[85:, 100:] = 9, 4, 21
    picture = saved(paint_labels(ids, label_space("ade20k-150").palette), "JPEG", quality=90)
    with pytest.warns(UserWarning, match="nearest of its colours that are in the picture"):
        read = ADE.parse(picture, palette="ade20k", nearest_colour=True)
    assert read.unique().tolist() == [2, 4, 9, 21] and (read[0].numpy() == ids).mean() > 0.85


@pytest.mark.parametrize(
    ("form", "options"),
    [("JPEG", {}), ("WEBP", {"quality": 80}), ("AVIF", {}), ("TIFF", {"compression": "jpeg"})],
)
def test_ids_in_lossy_files_are_refused(form, options, tmp_path):
    ids = np.random.default_rng(0).integers(0, 5, (16, 16)).astype(np.uint8)
    path = tmp_path / f"map.{form.lower()}"
    mode = "L" if form in ("JPEG", "TIFF") else "RGB"
    Image.fromarray(ids).convert(mode).save(path, form, **options)
    # colours are compared with a palette, which finds what compression has changed
    message = "whose compression changes them" if mode == "L" else "colour picture"
    with pytest.raises(ValueError, match=message):
        COCO.parse(path)
    with path.open("rb") as file, pytest.raises(ValueError, match=message):
        COCO.parse(file)
    with pytest.raises(ValueError, match=message):
        COCO.parse(path.read_bytes())
    assert COCO.parse(saved(ids, "PNG")).shape == (1, 16, 16)


@pytest.mark.parametrize("unlabelled", [255, -1])
def test_unlabelled_pixels(unlabelled):
    labels = np.array([[5, unlabelled], [unlabelled, 7]])
    assert COCO.parse(labels, unlabelled=unlabelled).tolist() == [[[5, -1], [-1, 7]]]
    assert COCO.parse(np.ma.masked_equal(labels, unlabelled)).tolist() == [[[5, -1], [-1, 7]]]
    with pytest.raises(ValueError, match=r"255 usually marks|pass unlabelled=-1"):
        COCO.parse(labels)


def test_an_unlabelled_colour():
    colours = paint_labels(np.array([[2, 9]]), label_space("ade20k-150").palette)
    colours[0, 1] = 1, 2, 3
    assert ADE.parse(colours, palette="ade20k", unlabelled=(1, 2, 3)).tolist() == [[[2, -1]]]
    with pytest.raises(ValueError, match="not in the palette 'ade20k'"):
        ADE.parse(colours, palette="ade20k", unlabelled=255)


def test_unlabelled_pixels_take_the_nearest_label():
    rng = np.random.default_rng(1)
    labels = np.where(rng.random((40, 30)) < 0.02, rng.integers(0, 9, (40, 30)), -1)
    filled = fill_unlabelled(torch.from_numpy(labels)).numpy()
    places = np.argwhere(labels >= 0)
    rows, columns = np.mgrid[:40, :30]
    distances = (rows[..., None] - places[:, 0]) ** 2 + (columns[..., None] - places[:, 1]) ** 2
    chosen = np.where(labels[places[:, 0], places[:, 1]] == filled[..., None], distances, 10**6).min(axis=-1)
    assert (chosen == distances.min(axis=-1)).mean() > 0.99
    assert (np.sqrt(chosen) - np.sqrt(distances.min(axis=-1))).max() < 1.5
    with pytest.raises(ValueError, match="unlabelled everywhere"):
        fill_unlabelled(torch.full((3, 3), -1))


def test_labels_that_nobody_trained_on_say_their_share():
    condition = SegmentationCondition(labels=("a", "b", "c"), channels=(0, 1, 1), trained_labels=("a", "b"))
    with pytest.warns(UserWarning, match=r"75% of the pixels .* label_space= or label_map=.*'c' is drawn as 'b'"):
        condition.parse(np.array([[2, 2], [2, 0]]))


# ---------------------------------------------------------------- joints


def drawn(value, **options):
    return POSES.parse(value, **{"size": SIZE, **options})


@pytest.mark.parametrize(
    "mark",
    [(0, 0, 0), (-1, -1, -1), (-1, -1, 0), (-1, -1, 2), (np.nan, np.nan, np.nan), (5, 5, np.nan), (np.nan, np.nan, 2)],
)
def test_joints_that_were_not_found(mark):
    marked, absent = PERSON.copy(), PERSON.copy()
    marked[3], absent[3, 2] = mark, 0
    assert torch.equal(drawn(marked), drawn(absent))


def test_joints_that_are_null():
    absent = PERSON.copy()
    absent[3, 2] = 0
    for null in (None, [None, None, None], [0, 0, None]):
        person = PERSON.tolist()
        person[3] = null
        assert torch.equal(drawn([person]), drawn(absent))
    nobody = {
        "annotations": [{"image_id": 1, "keypoints": None}, {"image_id": 1, "keypoints": PERSON.ravel().tolist()}]
    }
    assert torch.equal(drawn(nobody), drawn(PERSON))


def test_relative_joints():
    relative = PERSON / (SIZE[1], SIZE[0], 1)
    assert torch.allclose(drawn(relative, keypoints_size=(1, 1)), drawn(PERSON), atol=1e-5)
    with pytest.raises(ValueError, match=r"keypoints_size=\(1, 1\)"):
        drawn(relative)


def test_nobody_above_the_threshold_is_said():
    with pytest.warns(UserWarning, match=r"none of 17 joints .*keypoint_threshold=0\.3, the highest is 0\.1"):
        drawn(PERSON * (1, 1, 0.05))


def test_joints_with_a_place_that_all_count_as_absent_are_said():
    hidden = np.concatenate([PERSON[:, :2], np.zeros((17, 1))], -1)
    with pytest.warns(UserWarning, match=r"17 of 17 joints .*third number of all is 0.*pass x and y alone"):
        POSES.parse(hidden, size=SIZE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # COCO's people without keypoints have no places
        POSES.parse(np.zeros((1, 17, 3)), size=SIZE)


def test_what_looks_like_joints_says_what_to_pass():
    with pytest.raises(ValueError, match=r"four numbers for each joint.*\[0, 1, 3\]"):
        POSES.parse(np.random.default_rng(0).random((1, 33, 4)), size=SIZE, keypoint_format="mediapipe")
    with pytest.raises(ValueError, match=r"pass json.loads\(text\)"):
        POSES.parse('{"people": []}', size=SIZE)


def landmarks():
    names = JOINT_ORDERS["coco"]
    spots = {name: PERSON[k] / (SIZE[1], SIZE[0], 2) for k, name in enumerate(names)}
    found = [spots.get(name, (0.5, 0.5, 0.0)) for name in JOINT_ORDERS["mediapipe"]]
    return [SimpleNamespace(x=x, y=y, z=0.0, visibility=seen) for x, y, seen in found]


POINTS = SimpleNamespace(xy=torch.from_numpy(PERSON[None, :, :2]), conf=torch.ones(1, 17))


@pytest.mark.parametrize(
    "found",
    [
        [SimpleNamespace(keypoints=POINTS, orig_shape=SIZE)],
        POINTS,
        SimpleNamespace(xy=PERSON[None, :, :2], confidence=np.ones((1, 17)), class_id=None),
        SimpleNamespace(pose_landmarks=[landmarks()]),
        SimpleNamespace(pose_landmarks=SimpleNamespace(landmark=landmarks())),
    ],
    ids=["ultralytics", "its keypoints", "supervision", "MediaPipe", "MediaPipe's older form"],
)
def test_objects_of_pose_models(found):
    assert torch.allclose(drawn(found), drawn(PERSON), atol=1e-5)


def test_an_object_that_says_its_size_is_scaled():
    found = SimpleNamespace(keypoints=SimpleNamespace(xy=PERSON[None, :, :2] * 2, conf=None), orig_shape=(96, 80))
    assert torch.allclose(drawn([found]), drawn(PERSON), atol=1e-5)


def test_people_over_labels_without_people_are_said_and_can_be_put_there():
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    scene = make_scene(10_000_003, size=(64, 96), people=2)
    sky = np.full((64, 96), 156)
    with pytest.warns(UserWarning, match="become smears.*label_limbs=True"):
        request = pipe.request({"segmentation": sky, "keypoints": scene.keypoints})
    assert request.given["segmentation"].unique().tolist() == [156]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        request = pipe.request({"segmentation": sky, "keypoints": scene.keypoints, "label_limbs": True})
        pipe.request({"segmentation": scene.segmentation, "keypoints": scene.keypoints})
    limbs = (request.given["keypoints"] > -1).any(1)
    assert torch.equal(request.given["segmentation"] == 0, limbs)


# ---------------------------------------------------------------- depth, classes, warnings


@pytest.mark.parametrize("invalid", [np.float32(0), np.int64(0), 0])
def test_numbers_of_numpy_are_numbers(invalid):
    depth = np.array([[0, 1.0, 2.0]])
    assert DepthCondition().parse(depth, near="small", invalid=invalid)[0, 0, 0, 1:].tolist() == [1, -1]
    assert drawn(PERSON * (1, 1, 0.5), keypoint_threshold=np.float32(0.5)).max() > 0


def test_masked_depth_is_filled():
    values = np.arange(64.0).reshape(8, 8) + 1
    values[0, 0] = 1e30
    parsed = DepthCondition().parse(np.ma.masked_equal(values, 1e30))
    assert torch.equal(parsed, DepthCondition().parse(values, invalid=1e30)) and parsed.abs().max() <= 1
    with pytest.raises(ValueError, match="no reading"):
        DepthCondition().parse(np.ma.masked_all((2, 2)))


@pytest.mark.parametrize("unit", [1.0, 0.001])
def test_distances_with_holes_are_noticed_in_any_unit(unit):
    rng = np.random.default_rng(0)
    millimetres = rng.integers(700, 5000, (40, 40)) * (rng.random((40, 40)) > 0.2)
    with pytest.warns(UserWarning, match="near='small', invalid=0"):
        DepthCondition().parse(millimetres * unit)


def test_the_sky_is_no_hole():
    inverse = np.tile(np.linspace(0.2, 1, 40)[:, None], (1, 40))
    inverse[:15] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DepthCondition().parse(inverse)


CLASSES = ClassCondition(("winter day", "winter night", "summer_day", "polar bear, white bear"))


@pytest.mark.parametrize(
    ("given", "label"),
    [("winter-night", 1), ("Winter  Night", 1), ("night winter", 1), ("night", 1), ("summer day", 2), ("polar", 3)],
)
def test_classes_in_any_spelling(given, label):
    assert CLASSES.parse(given).tolist() == [label]


def test_among_several_classes_the_seed_chooses():
    parsed = CLASSES.parse(["winter", "summer day"])
    assert CLASSES.describe(parsed[0]) == "winter day or winter night"
    chosen = CLASSES.settled(parsed, list(range(20)))
    assert set(chosen[:10].tolist()) == {0, 1} and chosen[10:].tolist() == [2] * 10
    assert CLASSES.settled(parsed[:1], [7]).item() == chosen[7]
    assert CLASSES.settled(parsed[1:], [7, 8]).tolist() == [2]  # nothing is left to chance


def test_a_pipeline_paints_one_of_several_classes():
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    options = {"size": (16, 16), "progress": False, "output_type": "tokens"}
    several = pipe(class_label="winter", seed=3, num_images=2, **options).tokens
    condition = pipe.condition("class_label")
    ids = condition.settled(condition.parse("winter"), [3, 4]).tolist()
    assert torch.equal(
        several, torch.cat([pipe(class_label=k, seed=3 + n, **options).tokens for n, k in enumerate(ids)])
    )


def test_absent_classes_are_refused_with_those_that_are_there():
    with pytest.raises(ValueError, match="It has 4 classes: 'winter day'"):
        CLASSES.parse("")


def test_warnings_show_the_users_line():
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    for read in (lambda: COCO.parse(np.arange(150).reshape(10, 15), label_space="ade20k-150"),
                 lambda: pipe.request({"segmentation": np.full((64, 64), 2)})):  # fmt: skip
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            read()
        assert said and all(warning.filename == __file__ for warning in said)
