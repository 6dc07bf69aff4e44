"""Whatever is passed as a condition is understood or refused in words: inputs that hypothesis thinks of."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vqgan_transformer import (
    CoordinatesCondition,
    DepthCondition,
    ImageCondition,
    KeypointsCondition,
    SegmentationCondition,
)

SEGMENTATION = SegmentationCondition(labels=("sky", "tree", "grass"), palette=((0, 0, 255), (0, 99, 0), (0, 255, 0)))
DEPTH = DepthCondition()
KEYPOINTS = KeypointsCondition()
PICTURE = ImageCondition()
GRAY_PICTURE = ImageCondition(channels=1)
COORDINATES = CoordinatesCondition(64, downsample_factor=2)

DTYPES = ("bool", "uint8", "int16", "uint16", "int64", "float16", "float32", "float64", "complex64")
MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "I", "I;16", "F", "CMYK", "YCbCr", "HSV")


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Small arrays of any type, number of axes and range, now and then with values that are not finite."""
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 17]), min_size=0, max_size=5)))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    low, high = draw(st.sampled_from([(0, 1), (-1, 1), (0, 3), (0, 255), (-5, 300), (0, 1e30)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # casts that overflow
        array = np.asarray(random.uniform(low, high, shape)).astype(draw(st.sampled_from(DTYPES)))
    if array.dtype.kind == "f" and array.size and draw(st.booleans()):
        array.reshape(-1)[0] = draw(st.sampled_from([np.nan, np.inf, -np.inf, 0]))
    return array


@st.composite
def pictures(draw: st.DrawFn) -> Image.Image:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    pixels = random.integers(256, size=(draw(st.integers(1, 5)), draw(st.integers(1, 5)), 4), dtype=np.uint8)
    pixels = pixels if draw(st.booleans()) else pixels[..., :1].repeat(4, -1) | np.array([0, 0, 0, 255], np.uint8)
    mode = draw(st.sampled_from(MODES))
    if mode == "I;16":
        return Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
    return Image.fromarray(pixels).convert("RGB" if mode in ("HSV", "YCbCr", "CMYK") else "RGBA").convert(mode)


inputs = st.one_of(
    arrays(),
    arrays().map(lambda array: torch.from_numpy(np.ascontiguousarray(array.astype("int32") if array.dtype == "uint16" else array))),
    pictures(),
    st.lists(st.one_of(arrays(), pictures()), max_size=3),
    st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
                 lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                     st.sampled_from(["keypoints", "annotations", "images", "people", "scores", "labels", "image_id", "id",
                                      "pose_keypoints_2d", "predicted_depth", "score"]), inner, max_size=3), max_leaves=6),
)  # fmt: skip


def sizes(value: Any) -> set[tuple[int, ...]]:
    """The (height, width) that a map of an input may have: two neighbouring axes, so that none was cut or scaled."""
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
    shapes = [item.size[::-1] if isinstance(item, Image.Image) else tuple(getattr(item, "shape", ())) for item in items]
    return {shape[k : k + 2] for shape in shapes for k in range(len(shape) - 1)}


@pytest.mark.parametrize(
    "condition", [SEGMENTATION, DEPTH, PICTURE, GRAY_PICTURE, COORDINATES], ids=lambda condition: condition.name
)
@settings(max_examples=120, deadline=None, derandomize=True)
@given(value=inputs, near=st.sampled_from(["large", "small"]), invalid=st.sampled_from([None, 0, float("nan")]))
def test_a_map_is_understood_or_refused(condition, value, near, invalid):
    options = {"near": near, "invalid": invalid} if condition is DEPTH else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = condition.parse(value, **options)
        except (ValueError, TypeError, FileNotFoundError, IsADirectoryError) as error:
            assert condition.name in str(error)
            return
    assert parsed.shape[-2:] in sizes(value)
    if condition is SEGMENTATION:
        assert parsed.ndim == 3 and parsed.dtype == torch.int64 and 0 <= parsed.min() <= parsed.max() < 3
    else:
        channels = 3 if condition is PICTURE else 1
        assert parsed.ndim == 4 and parsed.shape[1] == channels and parsed.dtype == torch.float32
        assert -1 <= parsed.min() <= parsed.max() <= 1


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    value=inputs,
    size=st.sampled_from([None, (8, 9)]),
    keypoint_format=st.sampled_from([None, "openpose", "crowdpose", ("nose", "neck", "hand")]),
    image_id=st.sampled_from([None, None, 1, [0, 1]]),
    palette=st.sampled_from([None, None, "openpose"]),
)
def test_keypoints_are_understood_or_refused(value, size, keypoint_format, image_id, palette):
    options = {"keypoint_format": keypoint_format, "image_id": image_id, "palette": palette}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = KEYPOINTS.parse(value, size=size, **options)
        except (ValueError, TypeError, FileNotFoundError, IsADirectoryError) as error:
            assert "keypoint" in str(error) or "image_id" in str(error)
            return
    assert parsed.shape[1:] == (3, *(size or parsed.shape[2:]))
    assert parsed.dtype == torch.float32
    assert -1 <= parsed.min() <= parsed.max() <= 1


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    more=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_maps_of_any_size_are_scaled_and_continued(shape, size, more):
    random = np.random.default_rng(0)
    maps = (
        SEGMENTATION.parse(random.integers(3, size=shape)),
        DEPTH.parse(np.arange(shape[0] * shape[1] + 1.0)[1:].reshape(shape)) if shape != (1, 1) else None,
        PICTURE.parse(random.random((*shape, 3))),
    )
    for condition, parsed in zip((SEGMENTATION, DEPTH, PICTURE), maps, strict=True):
        if parsed is not None:
            scaled = condition.resize(parsed, size)
            assert scaled.shape[:-2] == parsed.shape[:-2] and scaled.shape[-2:] == size
            assert scaled.min() >= parsed.min() - 1e-6 and scaled.max() <= parsed.max() + 1e-6
            extended = condition.extend_to(scaled, (size[0] + more[0], size[1] + more[1]))
            assert torch.equal(extended[..., : size[0], : size[1]], scaled)
            assert (extended[..., size[0] :, : size[1]] == scaled[..., -1:, :]).all()
            assert (extended[..., : size[0], size[1] :] == scaled[..., -1:]).all()
