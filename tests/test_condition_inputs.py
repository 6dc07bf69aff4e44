"""Every way of passing a condition, and what comes of it: one row each, the words of refusals included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vqgan_transformer import (
    ClassCondition,
    CoordinatesCondition,
    DepthCondition,
    ImageCondition,
    KeypointsCondition,
    SegmentationCondition,
    Unconditional,
)
from vqgan_transformer.conditions import Condition, render_skeletons
from vqgan_transformer.conditions.joints import JOINT_ORDERS
from vqgan_transformer.conditions.skeleton import JOINTS
from vqgan_transformer.scenes import make_scene

SEGMENTATION = SegmentationCondition(labels=("sky", "tree", "grass"), palette=((0, 0, 255), (0, 99, 0), (0, 255, 0)))
DEPTH = DepthCondition()
KEYPOINTS = KeypointsCondition()
PICTURE = ImageCondition()
GRAY_PICTURE = ImageCondition(channels=1)
CLASS = ClassCondition(("spring", "summer, high summer", "autumn"))
COORDINATES = CoordinatesCondition(64, downsample_factor=2)
NONE = Unconditional()

IDS = np.array([[0, 1, 2], [2, 1, 0]], dtype=np.uint8)
LABELS = torch.from_numpy(IDS).long()[None]
COLOURS = np.array(SEGMENTATION.config.palette, dtype=np.uint8)[IDS]

NEAR = np.array([[0, 51, 255, 102, 153], [204, 0, 51, 102, 153]], dtype=np.uint8)  # inverse depth
NEAR_TENSOR = torch.from_numpy(NEAR).float()[None, None] / 127.5 - 1
METRES = np.array([[1.0, 2.0, 4.0], [8.0, np.inf, 1.0]])
METRES_TENSOR = torch.tensor([[[[1, 0, -0.5], [-0.75, -1, 1]]]])
FLOATS_IN_BYTES = Image.fromarray((NEAR * np.float32(3.7) + 1).astype("<f4").view(np.uint8).reshape(2, 5, 4))

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 12
PIXELS_TENSOR = torch.from_numpy(PIXELS).permute(2, 0, 1).float()[None] / 127.5 - 1
EDGES = np.array([[True, False, True], [False, False, True]])
EDGES_TENSOR = torch.from_numpy(EDGES).float().expand(1, 3, 2, 3) * 2 - 1

SIZE = (48, 40)
PERSON = np.array([(20 + 4 * np.cos(k), 4 + 2.4 * k, 2) for k in range(17)])
TWO = np.stack([PERSON, PERSON * (1, 0.5, 1) + (6, 3, 0)])
DRAWN, BOTH, NOBODY = (
    torch.from_numpy(render_skeletons(people, SIZE)).permute(2, 0, 1).float()[None] / 127.5 - 1
    for people in (PERSON[None], TWO, TWO[:0])
)
SURE = {"keypoints": torch.from_numpy(PERSON[:, :2]), "scores": torch.ones(17)}
UNSURE = PERSON * (1, 1, 0) + (0, 0, 0.1)


def annotation(person: np.ndarray, image_id: int = 7) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": 1, "keypoints": person.ravel().tolist()}


def coco(*people: dict[str, Any], images: tuple[int, ...] = (7,)) -> dict[str, Any]:
    entries = [{"id": id_, "file_name": f"{id_}.jpg", "height": SIZE[0], "width": SIZE[1]} for id_ in images]
    return {"images": entries, "annotations": list(people)}


def reordered(order: str) -> np.ndarray:
    """PERSON in another order of joints."""
    joints = np.zeros((1, len(JOINT_ORDERS[order]), 3))
    for place, name in enumerate(JOINT_ORDERS[order]):
        joints[0, place] = PERSON[JOINTS.index(name)] if name in JOINTS else (11, 11, 1)
    return joints


def without(*names: str) -> torch.Tensor:
    person = PERSON.copy()
    person[[JOINTS.index(name) for name in names], 2] = 0
    return torch.from_numpy(render_skeletons(person[None], SIZE)).permute(2, 0, 1).float()[None] / 127.5 - 1


def half_way_nose() -> torch.Tensor:
    """CrowdPose's person: the face is gone, and the nose is between neck and head, which stand at one place here."""
    person = PERSON.copy()
    person[:5, 2] = 0
    person[0] = 11, 11, 1
    return torch.from_numpy(render_skeletons(person[None], SIZE)).permute(2, 0, 1).float()[None] / 127.5 - 1


# condition, what is passed, options, what comes of it: a tensor, or an error and a pattern of its message
ROWS: dict[str, tuple[Condition, Any, dict[str, Any], Any]] = {
    "segmentation: uint8 array": (SEGMENTATION, IDS, {}, LABELS),
    "segmentation: int64 tensor, batch": (SEGMENTATION, LABELS.repeat(2, 1, 1), {}, LABELS.repeat(2, 1, 1)),
    "segmentation: picture of mode L": (SEGMENTATION, Image.fromarray(IDS), {}, LABELS),
    "segmentation: own colours": (SEGMENTATION, COLOURS, {}, LABELS),
    "segmentation: colours, list of two": (SEGMENTATION, [COLOURS, Image.fromarray(COLOURS)], {}, LABELS.repeat(2, 1, 1)),
    "segmentation: colours by dictionary": (
        SEGMENTATION, 255 - COLOURS,
        {"palette": {(255, 255, 0): "sky", (255, 156, 255): 1, (255, 0, 255): "grass"}}, LABELS,
    ),
    "segmentation: other colours": (SEGMENTATION, PIXELS, {}, (ValueError, r"100.00% of the pixels .* not in the palette")),
    "segmentation: floats": (SEGMENTATION, IDS / 2, {}, (TypeError, "values between whole numbers")),
    "segmentation: booleans": (SEGMENTATION, EDGES, {}, (TypeError, "boolean, which is a mask")),
    "segmentation: unknown label": (SEGMENTATION, IDS + 2, {}, (ValueError, r"labels 3 .*, 4 .*knows 0–2")),
    "segmentation: logits": (SEGMENTATION, torch.zeros(1, 3, 2, 2), {}, (TypeError, r"argmax\(dim=1\)")),
    "depth: uint8 array": (DEPTH, NEAR, {}, NEAR_TENSOR),
    "depth: float64 array of another unit": (DEPTH, NEAR * 7e-3 - 5, {}, NEAR_TENSOR),
    "depth: float16 tensor, (B, 1, H, W)": (DEPTH, torch.from_numpy(NEAR)[None, None].half(), {}, NEAR_TENSOR),
    "depth: batch": (DEPTH, np.stack([NEAR, NEAR // 51]), {}, NEAR_TENSOR.repeat(2, 1, 1, 1)),
    "depth: (H, W, 1)": (DEPTH, NEAR[..., None], {}, NEAR_TENSOR),
    "depth: gray RGB array": (DEPTH, NEAR[..., None].repeat(3, -1), {}, NEAR_TENSOR),
    "depth: picture of mode L": (DEPTH, Image.fromarray(NEAR), {}, NEAR_TENSOR),
    "depth: gray RGB picture": (DEPTH, Image.fromarray(NEAR).convert("RGB"), {}, NEAR_TENSOR),
    "depth: opaque gray RGBA picture": (DEPTH, Image.fromarray(NEAR).convert("RGBA"), {}, NEAR_TENSOR),
    "depth: picture of 16 bits": (DEPTH, Image.fromarray(NEAR.astype(np.uint16) * 256 + 3), {}, NEAR_TENSOR),
    "depth: picture of mode F": (DEPTH, Image.fromarray(NEAR.astype(np.float32)), {}, NEAR_TENSOR),
    "depth: float32 in RGBA": (DEPTH, FLOATS_IN_BYTES, {}, NEAR_TENSOR),
    "depth: what estimators return": (DEPTH, {"predicted_depth": torch.from_numpy(NEAR), "depth": 0}, {}, NEAR_TENSOR),
    "depth: metres": (DEPTH, METRES, {"near": "small"}, METRES_TENSOR),
    "depth: millimetres without readings": (
        DEPTH, np.array([[1000, 0, 2000], [1000, 0, 2000]], np.uint16), {"near": "small", "invalid": 0},
        torch.tensor([[1, 0.0, -1]]).repeat(2, 1)[None, None],
    ),
    "depth: NaN without readings": (
        DEPTH, torch.tensor([[0.0, float("nan"), 1.0]]), {"invalid": float("nan")}, torch.tensor([[[[-1.0, 0, 1]]]]),
    ),
    "depth: range": (DEPTH, NEAR, {"depth_range": (-255, 255)}, NEAR_TENSOR / 2 + 0.5),
    "depth: range in metres": (DEPTH, METRES, {"near": "small", "depth_range": (0.5, np.inf)}, METRES_TENSOR / 2 - 0.5),
    "depth: outside the range": (DEPTH, NEAR, {"depth_range": (0, 200)}, (ValueError, r"20.00% .* outside depth_range")),
    "depth: metres with zeros": (DEPTH, NEAR, {"near": "small"}, (ValueError, r"20.00% .* 0 or below .*invalid=0")),
    "depth: infinite": (DEPTH, METRES, {}, (ValueError, r"16.67% .* infinite distances are understood with near='small'")),
    "depth: no reading at all": (DEPTH, NEAR * 0, {"invalid": 0}, (ValueError, "no reading.* everywhere")),
    "depth: colour picture": (DEPTH, Image.fromarray(PIXELS), {}, (ValueError, r"colour picture \(.*up to 24\)")),
    "depth: transparent": (DEPTH, Image.new("RGBA", (2, 2), (9, 9, 9, 128)), {}, (ValueError, "100.0% of depth are transp")),
    "depth: channels first": (DEPTH, torch.from_numpy(NEAR).repeat(3, 1, 1), {}, (ValueError, r"three channels.*depth\[0\]")),
    "depth: palette picture": (DEPTH, Image.new("P", (2, 2)), {}, (ValueError, "mode 'P'")),
    "depth: array file": (DEPTH, "depth.npy", {}, (ValueError, r"numpy.load\('depth.npy'\)")),
    "depth: unknown direction": (DEPTH, NEAR, {"near": "white"}, (ValueError, "near must be 'large'")),
    "keypoints: one person": (KEYPOINTS, PERSON, {"size": SIZE}, DRAWN),
    "keypoints: people": (KEYPOINTS, TWO, {"size": SIZE}, BOTH),
    "keypoints: tensor": (KEYPOINTS, torch.from_numpy(TWO), {"size": SIZE}, BOTH),
    "keypoints: nested lists": (KEYPOINTS, TWO.tolist(), {"size": SIZE}, BOTH),
    "keypoints: batch": (KEYPOINTS, TWO[:, None], {"size": SIZE}, None),
    "keypoints: one array a picture": (KEYPOINTS, [TWO, TWO[:0]], {"size": SIZE}, torch.cat([BOTH, NOBODY])),
    "keypoints: nobody": (KEYPOINTS, TWO[:0], {"size": SIZE}, NOBODY),
    "keypoints: without visibility": (KEYPOINTS, PERSON[None, :, :2], {"size": SIZE}, DRAWN),
    "keypoints: pixels of another picture": (
        KEYPOINTS, PERSON * (3, 3, 1), {"size": SIZE, "keypoints_size": (144, 120)}, DRAWN,
    ),
    "keypoints: size of their own": (KEYPOINTS, PERSON, {"keypoints_size": SIZE}, DRAWN),
    "keypoints: unsure joints": (KEYPOINTS, np.stack([PERSON, UNSURE]), {"size": SIZE}, DRAWN),
    "keypoints: lower threshold": (KEYPOINTS, UNSURE, {"size": SIZE, "keypoint_threshold": 0.1}, DRAWN),
    "keypoints: COCO json": (KEYPOINTS, coco(annotation(PERSON)), {}, DRAWN),
    "keypoints: COCO json, chosen": (
        KEYPOINTS, coco(annotation(PERSON), annotation(UNSURE, 8), images=(7, 8)), {"image_id": 7}, DRAWN,
    ),
    "keypoints: COCO json, several chosen": (
        KEYPOINTS, coco(annotation(PERSON), images=(7, 8)), {"image_id": ["7.jpg", 8]}, torch.cat([DRAWN, NOBODY]),
    ),
    "keypoints: COCO annotations": (KEYPOINTS, [annotation(one) for one in TWO], {"size": SIZE}, BOTH),
    "keypoints: COCO results": (
        KEYPOINTS, [annotation(PERSON) | {"score": 0.9}, annotation(TWO[1]) | {"score": 0.1}], {"size": SIZE}, DRAWN,
    ),
    "keypoints: transformers": (KEYPOINTS, [SURE], {"size": SIZE}, DRAWN),
    "keypoints: transformers, batch": (KEYPOINTS, [[SURE], []], {"size": SIZE}, torch.cat([DRAWN, NOBODY])),
    "keypoints: transformers, joints left out": (
        KEYPOINTS, [{"keypoints": torch.from_numpy(PERSON[9:, :2]), "scores": torch.ones(8), "labels": torch.arange(9, 17)}],
        {"size": SIZE}, without(*JOINTS[:9]),
    ),
    "keypoints: torchvision": (
        KEYPOINTS, [{"keypoints": torch.from_numpy(TWO), "scores": torch.tensor([0.9, 0.1]), "boxes": torch.ones(2, 4)}],
        {"size": SIZE}, DRAWN,
    ),
    "keypoints: MMPose": (
        KEYPOINTS, [[{"keypoints": PERSON[:, :2].tolist(), "keypoint_scores": [1.0] * 17}]], {"size": SIZE}, DRAWN,
    ),
    "keypoints: OpenPose's order": (KEYPOINTS, reordered("openpose"), {"size": SIZE, "keypoint_format": "openpose"}, DRAWN),
    "keypoints: OpenPose's 25": (KEYPOINTS, reordered("openpose25"), {"size": SIZE, "keypoint_format": "openpose25"}, DRAWN),
    "keypoints: OpenPose's json": (
        KEYPOINTS, {"people": [{"pose_keypoints_2d": reordered("openpose").ravel().tolist()}], "canvas_height": SIZE[0],
                    "canvas_width": SIZE[1]}, {}, DRAWN,
    ),
    "keypoints: CrowdPose's order": (
        KEYPOINTS, reordered("crowdpose"), {"size": SIZE, "keypoint_format": "crowdpose"}, half_way_nose(),
    ),
    "keypoints: joints by name": (
        KEYPOINTS, PERSON[None, ::-1], {"size": SIZE, "keypoint_format": [name.replace("_", " ") for name in JOINTS[::-1]]},
        DRAWN,
    ),
    "keypoints: no size": (KEYPOINTS, PERSON, {}, (ValueError, r"give size=\(height, width\)")),
    "keypoints: 18 joints": (KEYPOINTS, np.ones((1, 18, 3)), {"size": SIZE}, (ValueError, "keypoint_format='openpose'")),
    "keypoints: unknown format": (KEYPOINTS, PERSON, {"keypoint_format": "opnepose"}, (ValueError, "mean 'openpose'")),
    "keypoints: several pictures": (
        KEYPOINTS, coco(images=(7, 8)), {}, (ValueError, "COCO json of 2 pictures: pass image_id=, one of 7, 8"),
    ),
    "keypoints: unknown picture": (KEYPOINTS, coco(), {"image_id": 9}, (ValueError, "no picture with the image_id 9; it has 7")),
    "keypoints: all outside": (KEYPOINTS, np.add(PERSON, (99, 0, 0)), {"size": SIZE}, (ValueError, "outside .* pass its keypoints_size")),
    "keypoints: relative": (KEYPOINTS, PERSON / (99, 99, 1), {"size": SIZE}, (ValueError, "0 to 1: are they relative")),
    "keypoints: percent": (KEYPOINTS, PERSON * (1, 1, 40), {"size": SIZE}, (ValueError, "third number .* 80 to 80")),
    "keypoints: NaN": (KEYPOINTS, PERSON * (np.nan, 1, 1), {"size": SIZE}, (ValueError, "no pixels: NaN")),
    "keypoints: people or pictures": (KEYPOINTS, [PERSON, PERSON], {"size": SIZE}, (ValueError, r"2 arrays of one person each")),
    "keypoints: picture": (KEYPOINTS, Image.new("RGB", (4, 4)), {}, (TypeError, "palette='openpose'")),
    "keypoints: empty list": (KEYPOINTS, [], {"size": SIZE}, (ValueError, r"a picture without people is \[\[\]\]")),
    "keypoints: batch of none": (KEYPOINTS, TWO[None][:0], {"size": SIZE}, (ValueError, "batch of no pictures")),
    "keypoints: COCO json of nothing": (KEYPOINTS, {"annotations": []}, {"size": SIZE}, (ValueError, "without a picture")),
    "picture: uint8 array": (PICTURE, PIXELS, {}, PIXELS_TENSOR),
    "picture: PIL, list": (PICTURE, [Image.fromarray(PIXELS), PIXELS], {}, PIXELS_TENSOR.repeat(2, 1, 1, 1)),
    "picture: floats from 0 to 1": (PICTURE, PIXELS / 255, {}, PIXELS_TENSOR),
    "picture: tensor from -1 to 1": (PICTURE, PIXELS_TENSOR, {}, PIXELS_TENSOR),
    "picture: edges": (PICTURE, EDGES, {}, EDGES_TENSOR),
    "picture: edges as a tensor": (PICTURE, torch.from_numpy(EDGES), {}, EDGES_TENSOR),
    "picture: edges in 8 bits": (PICTURE, EDGES.astype(np.uint8) * 255, {}, EDGES_TENSOR),
    "picture: gray for gray": (GRAY_PICTURE, Image.fromarray(EDGES).convert("RGB"), {}, EDGES_TENSOR[:, :1]),
    "picture: colour for gray": (GRAY_PICTURE, PIXELS, {}, (ValueError, r"up to 24 of 255.*convert\('L'\)")),
    "picture: floats from 0 to 255": (PICTURE, PIXELS.astype(float), {}, (ValueError, "condition_image has values from 0 to 204")),
    "picture: transparent": (PICTURE, Image.new("LA", (2, 2)), {}, (ValueError, "100.0% of condition_image are transparent")),
    "class: id": (CLASS, 2, {}, torch.tensor([2])),
    "class: names and ids": (CLASS, ["Spring", 2, "high summer"], {}, torch.tensor([0, 2, 1])),
    "class: tensor": (CLASS, torch.tensor([1, 0]), {}, torch.tensor([1, 0])),
    "class: misspelt": (CLASS, "sumer", {}, (ValueError, "Did you mean 'summer'")),
    "class: out of range": (CLASS, 3, {}, (ValueError, "classes 0–2")),
    "class: float": (CLASS, 1.0, {}, (TypeError, "got 1.0")),
    "coordinates: map": (COORDINATES, np.arange(4.0).reshape(2, 2) / 4, {}, torch.tensor([[[[0, 0.25], [0.5, 0.75]]]])),
    "coordinates: integers": (COORDINATES, IDS, {}, (TypeError, "float map")),
    "coordinates: pixels": (COORDINATES, NEAR / 1.0, {}, (ValueError, r"in \[0, 1\)")),
    "none": (NONE, None, {}, torch.tensor([0])),
    "none: something": (NONE, 3, {}, (ValueError, "takes no condition, got 3")),
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.filterwarnings("error")
def test_inputs(row):
    condition, value, options, expected = ROWS[row]
    if isinstance(expected, tuple):
        error, message = expected
        with pytest.raises(error, match=f"(?s){message}"):
            condition.parse(value, **options)
        return
    parsed = condition.parse(value, **options)
    if expected is None:  # a batch whose pictures other rows show
        expected = torch.cat([condition.parse(one, **options) for one in value])
    assert parsed.dtype == expected.dtype
    assert parsed.shape == expected.shape
    assert torch.allclose(parsed.double(), expected.double(), atol=3e-5)


# nothing is read in the wrong direction ---------------------------------------------------------------------------------


def test_a_depth_map_means_the_same_in_every_form():
    """One scene as ControlNet shows it, in metres, in 16 bits and as bytes of a float: within the form's rounding."""
    near = make_scene(4, (64, 96)).depth  # inverse depth, 0 in the sky
    assert near.min() == 0
    expected = torch.from_numpy(2 * (near / near.max()).astype(np.float32) - 1)[None, None]
    assert expected[0, 0, -1].mean() > expected[0, 0, 32].mean()  # what lies at one's feet is near, so it is large
    white, steps = near / near.max(), near / near.max() * 65535
    with np.errstate(divide="ignore"):
        metres = 2.5 / near
    forms: dict[str, tuple[Any, dict[str, Any], float]] = {
        "ControlNet, RGB": (Image.fromarray((white * 255).round().astype(np.uint8)).convert("RGB"), {}, 1 / 255),
        "8 bits": (Image.fromarray((white * 255).round().astype(np.uint8)), {}, 1 / 255),
        "16 bits": (Image.fromarray(steps.round().astype(np.uint16)), {}, 1 / 65535),
        "float in RGBA": (Image.fromarray(near.view(np.uint8).reshape(64, 96, 4)), {}, 0),
        "mode F": (Image.fromarray(near), {}, 0),
        "metres": (metres, {"near": "small"}, 1e-6),
        "metres, tensor": (torch.from_numpy(metres), {"near": "small"}, 1e-6),
        "a metric estimator": ({"predicted_depth": torch.from_numpy(metres)}, {"near": "small"}, 1e-6),
    }
    for form, (value, options, rounding) in forms.items():
        parsed = DEPTH.parse(value, **options)
        assert (parsed - expected).abs().max() <= rounding + 3e-7, form


def test_distances_in_16_bits_mean_the_same_as_inverse_depth():
    """Millimetres, up to 65 metres: the error of half a millimetre shrinks with the square of the distance."""
    near = make_scene(4, (64, 96)).depth[48:]
    metres = 1 / near * (60 / (1 / near).max())
    parsed = DEPTH.parse(Image.fromarray((metres * 1000).round().astype(np.uint16)), near="small")
    inverse = 1 / metres
    rounding = 0.0005 / metres.min() ** 2 * 2 / (inverse.max() - inverse.min())
    assert (parsed - DEPTH.parse(near)).abs().max() < 3 * rounding < 0.02


def test_the_sides_of_a_person_are_never_swapped():
    """Warm colours are on the person's right in every order of joints."""
    front = np.array([(24 - (8 if "right" in name else -8), 4 + 2.2 * k, 2) for k, name in enumerate(JOINTS)])
    for order in ("coco", "openpose", "openpose25", "crowdpose"):
        joints = np.zeros((1, len(JOINT_ORDERS[order]), 3))
        for place, name in enumerate(JOINT_ORDERS[order]):
            joints[0, place] = front[JOINTS.index(name)] if name in JOINTS else 0
        red, _, blue = KEYPOINTS.parse(joints, size=(48, 48), keypoint_format=order)[0] + 1
        assert (red - blue)[20:, :22].sum() > 20  # their right is on the left of the picture
        assert (red - blue)[20:, 26:].sum() < -20
