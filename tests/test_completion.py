"""Completing a given picture: masks as people have them, what is kept, what is not seen, and what comes back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from test_pipeline import label_vqgan
from vqgan_transformer import ImageSynthesisPipeline, SegmentationCondition, SlidingWindowSampler, Unconditional
from vqgan_transformer.pipeline.inpainting import fill_area, read_known_pixels
from vqgan_transformer.pipeline.masks import read_masks
from vqgan_transformer.sampler.seeds import candidate_seeds

F = 4
"""The downsampling factor of the small VQGAN in conftest.py; its window is 4×4 tokens."""


@pytest.fixture
def pipe(vqgan, gpt) -> ImageSynthesisPipeline:
    return ImageSynthesisPipeline(vqgan, gpt, conditions=(Unconditional(),))


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)


def complete(pipe, **arguments):
    return pipe(progress=False, **{"seed": 0, "output_type": "np"} | arguments)


def half_mask(height: int, width: int) -> np.ndarray:
    return np.arange(height)[:, None].repeat(width, 1) >= height // 2


@st.composite
def requests(draw):
    # two tokens at least: torch's group normalisation refuses a single value a group, which only a model this narrow has
    size = draw(st.tuples(st.integers(1, 26), st.integers(F + 1, 26)))
    inner = tuple(draw(st.integers(1, side)) for side in size)
    origin = tuple(draw(st.integers(0, whole - part)) for whole, part in zip(size, inner, strict=True))
    mask = np.zeros(inner, bool)
    for _ in range(draw(st.integers(0, 3))):
        top, left = (draw(st.integers(0, side - 1)) for side in inner)
        mask[top : top + draw(st.integers(1, 9)), left : left + draw(st.integers(1, 9))] = True
    if inner == size:
        mask[0, 0] |= not mask.any()
    sampler = {"stride": draw(st.integers(1, 4)), "centre": draw(st.sampled_from([None, (1, 1), (3, 0)]))}
    return size, inner, origin, mask, sampler


# the models are not changed, so that all examples may share them
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests())
def test_what_is_kept_is_kept_and_what_is_painted_is_not_seen(pipe, request_):
    size, inner, origin, mask, sampler = request_
    image = picture(*inner)
    call = {"mask": mask, "origin": origin, "size": size, **sampler}
    out = complete(pipe, image=image, **call)

    # pixels: exact outside the area
    area = np.ones(size, bool)
    inside = tuple(slice(start, start + side) for start, side in zip(origin, inner, strict=True))
    area[inside] = mask
    whole = np.zeros((*size, 3), np.uint8)
    whole[inside] = image
    assert np.array_equal(out.images[0][~area], whole[~area])

    # tokens: those of the picture, in every cell that the area does not touch
    rows, cols = (np.minimum(np.arange(-(-side // F) * F), side - 1) for side in size)
    known = torch.from_numpy(whole).permute(2, 0, 1)[None].float() / 127.5 - 1
    filled = fill_area(known, torch.from_numpy(area)[None, None])[..., rows[:, None], cols]
    tokens = pipe.vqgan.encode(filled.double())
    for i in range(len(rows) // F):
        for j in range(len(cols) // F):
            if not area[rows[i * F : i * F + F]][:, cols[j * F : j * F + F]].any():
                assert out.tokens[0, i, j] == tokens[0, i, j]

    # what was in the area does not matter
    other = image.copy()
    other[mask] = 255 - other[mask]
    assert torch.equal(complete(pipe, image=other, **call).tokens, out.tokens)


def test_drawn_tokens_are_those_of_the_sampler_with_kept_tokens(pipe):
    image, mask = picture(24, 20), half_mask(24, 20)
    out = complete(pipe, image=image, mask=mask, seed=9)
    [known] = read_known_pixels(image, mask)
    filled = fill_area(known.pictures, known.area)
    keep = torch.zeros(1, 6, 5, dtype=torch.bool)
    keep[:, :3] = True
    expected = SlidingWindowSampler()(
        pipe.gpt, torch.tensor([[0]]), (6, 5), seed=9, tokens=pipe.vqgan.encode(filled.double()), keep=keep
    )
    assert torch.equal(out.tokens, expected)


def test_the_raw_decode_is_shown_on_request(pipe):
    image, mask = picture(16, 16), half_mask(16, 16)
    raw = complete(pipe, image=image, mask=mask, composite=False, output_type="pt")
    assert torch.equal(raw.images, pipe.vqgan.decode(raw.tokens).float().clamp(-1, 1))


def test_floats_outside_the_area_come_back_exactly(pipe):
    image, mask = torch.rand(1, 3, 16, 16) * 2 - 1, half_mask(16, 16)
    out = complete(pipe, image=image, mask=mask, output_type="pt")
    assert torch.equal(out.images[..., :8, :], image[..., :8, :])


def test_a_condition_map_goes_along(vqgan, gpt):
    labels = SegmentationCondition(labels=("sky", "grass"), vqgan=label_vqgan(2))
    pipe = ImageSynthesisPipeline(vqgan, gpt, conditions=(labels,))
    image, mask = picture(16, 20), half_mask(16, 20)
    maps = [np.zeros((24, 20), int), np.arange(480).reshape(24, 20) // 11 % 2]
    call = {"image": image, "mask": mask, "size": (24, 20), "origin": (0, 0)}
    both = complete(pipe, segmentation=maps, **call)
    assert both.images.shape == (2, 24, 20, 3)
    assert not torch.equal(both.tokens[0], both.tokens[1])
    assert torch.equal(both.tokens[0, :2], both.tokens[1, :2])  # kept
    assert torch.equal(complete(pipe, segmentation=maps[1], **call | {"seed": 1}).tokens[0], both.tokens[1])
    with pytest.raises(ValueError, match="another aspect"):
        complete(pipe, segmentation=np.zeros((8, 20), int), image=image, mask=mask)


def test_pictures_masks_and_samples_make_a_batch(pipe):
    images = [picture(16, 16, seed) for seed in range(2)]
    masks = [half_mask(16, 16), half_mask(16, 16).T]
    out = complete(pipe, image=images, mask=masks, num_images=2, seed=3)
    assert out.seeds == [3, 4, 5, 6]
    for k in range(4):
        alone = complete(pipe, image=images[k // 2], mask=masks[k // 2], seed=3 + k)
        assert np.array_equal(alone.images[0], out.images[k])


def test_the_best_of_several_candidates_makes_what_follows_likeliest(pipe):
    image, mask = picture(24, 20), np.zeros((24, 20), bool)
    mask[4:12] = True
    seeds = candidate_seeds(7, 5)
    drawn = [complete(pipe, image=image, mask=mask, seed=seed) for seed in seeds]
    start = torch.tensor([[0]])
    scores = [
        pipe.sampler.token_log_likelihood(pipe.gpt, start, one.tokens)[:, 3:].sum().item() for one in drawn
    ]  # rows 3 to 5 are kept and come after the area
    best = drawn[int(np.argmax(scores))]
    assert seeds[0] == 7
    assert len({*scores}) > 1
    chosen = complete(pipe, image=[image, image], mask=mask, seed=[7, 0], num_candidates=5)
    assert torch.equal(chosen.tokens[0], best.tokens[0])
    assert chosen.seeds == [7, 0]


def test_where_nothing_follows_the_first_candidate_is_taken(pipe):
    image, mask = picture(24, 20), half_mask(24, 20)
    one, several = (complete(pipe, image=image, mask=mask, num_candidates=n).tokens for n in (1, 3))
    assert torch.equal(one, several)


def test_the_area_is_filled_from_around_it():
    image = torch.zeros(1, 1, 9, 9)
    image[..., 5:] = 1
    area = torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    area[..., 2:7, 2:7] = True
    filled = fill_area(image.masked_fill(area, torch.nan), area)
    assert torch.equal(filled[~area], image[~area])
    assert filled.min() >= 0
    assert filled.max() <= 1
    assert (filled[..., 4, 1:].diff() >= 0).all()  # from left to right
    flat = torch.full((1, 3, 7, 5), 0.25)
    assert torch.allclose(fill_area(flat, torch.rand(1, 1, 7, 5) > 0.3), flat)
    assert not fill_area(flat, torch.ones(1, 1, 7, 5, dtype=torch.bool)).any()


SQUARE = np.array([[0, 1, 1], [0, 0, 1]], bool)


@pytest.mark.parametrize(
    "mask",
    [
        SQUARE,
        SQUARE.astype(int),
        SQUARE.astype(np.float64),
        SQUARE.astype(np.uint8),
        SQUARE.astype(np.uint8) * 255,
        SQUARE * 0.3 + 0.4,
        SQUARE[:, :, None],
        torch.from_numpy(SQUARE),
        torch.from_numpy(SQUARE)[None, None].float(),
        Image.fromarray(SQUARE),
        Image.fromarray(SQUARE.astype(np.uint8) * 255),
        Image.fromarray(SQUARE.astype(np.uint8) * 128),
        Image.fromarray(SQUARE.astype(np.uint8) * 255).convert("RGB"),
        [SQUARE],
    ],
    ids=lambda mask: f"{type(mask).__name__} {getattr(mask, 'dtype', getattr(mask, 'mode', ''))}",
)
def test_white_true_and_one_are_painted(mask):
    assert np.array_equal(read_masks(mask).numpy(), SQUARE[None])


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (SQUARE * 2, ValueError, "values from 0 to 2"),
        (SQUARE * np.float32("nan"), ValueError, "values from nan"),
        (SQUARE - 1.0, ValueError, "values from -1 to 0"),
        (np.zeros((2, 3, 3)), ValueError, "one number a pixel"),
        (np.zeros(3), ValueError, "one number a pixel"),
        (np.array([["a"]]), TypeError, "type <U1"),
        ("no-such-file.png", FileNotFoundError, "mask"),
        (3, TypeError, "got int"),
        (Image.new("RGB", (2, 2), "red"), ValueError, "coloured"),
        (Image.new("RGBA", (2, 2)), ValueError, r"getchannel\('A'\)"),
        (Image.new("P", (2, 2)), ValueError, "label map"),
        (np.array([[156, 123]], np.uint8), ValueError, "label map"),
        (np.array([[0, 1, 2, 200]], np.uint8), ValueError, "label map"),
        (Image.fromarray(np.array([[1, 2, 3, 255]], np.uint8)), ValueError, "label map"),
        ([SQUARE, SQUARE.T], ValueError, "different sizes"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_mask_is_refused(mask, error, message):
    with pytest.raises(error, match=message):
        read_masks(mask)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "no mask="),
        ({"mask": np.zeros((16, 16))}, ValueError, "marks nothing"),
        ({"mask": np.ones((16, 20))}, ValueError, "mask is 16×20, the image 16×16"),
        ({"mask": np.ones((2, 16, 16))}, ValueError, "1 images and 2 masks"),
        ({"size": (32, 32)}, ValueError, "say where it lies: origin="),
        ({"size": (32, 32), "origin": (20, 0)}, ValueError, "does not lie inside"),
        ({"size": (32, 32), "origin": (-4, 0)}, ValueError, "does not lie inside"),
        ({"size": (32, 32), "origin": 4}, TypeError, "top, left"),
        ({"size": (32, 32), "origin": (4.0, 4)}, TypeError, "whole pixels"),
        ({"size": (10**6, 10**6), "origin": (4, 4)}, ValueError, "GiB"),
        ({"image": None, "mask": np.ones((16, 16)), "size": (16, 16)}, ValueError, "pass image="),
        ({"image": None, "num_candidates": 2, "size": (16, 16)}, ValueError, "pass image="),
        ({"mask": np.ones((16, 16)), "num_candidates": 0}, ValueError, "num_candidates"),
        ({"image": np.zeros((16, 16, 2))}, ValueError, "image should have the shape"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_completion_that_does_not_fit_is_refused(pipe, arguments, error, message):
    with pytest.raises(error, match=message):
        complete(pipe, **{"image": picture(16, 16)} | arguments)


@pytest.mark.parametrize("candidates", [1, 3])
def test_pictures_of_different_sizes_are_completed_together(pipe, candidates):
    images = [picture(24, 20), picture(16, 28), picture(24, 20)[::-1].copy()]
    masks = [half_mask(*image.shape[:2]) for image in images]
    together = complete(pipe, image=images, mask=masks, seed=9, num_candidates=candidates, num_images=2)
    for k in range(6):
        alone = complete(pipe, image=images[k // 2], mask=masks[k // 2], seed=9 + k, num_candidates=candidates)
        assert np.array_equal(np.asarray(together.images[k]), np.asarray(alone.images[0]))


def test_pictures_of_different_sizes_are_surrounded_in_one_of_the_size_asked_for(pipe):
    images = [picture(16, 20), picture(12, 8)]
    together = complete(pipe, image=images, size=(24, 24), origin=(4, 4), seed=9)
    alone = complete(pipe, image=images[1], size=(24, 24), origin=(4, 4), seed=10)
    assert np.array_equal(np.asarray(together.images[1]), np.asarray(alone.images[0]))


def test_each_picture_has_an_origin_of_its_own(pipe):
    images = [picture(16, 16, seed) for seed in range(2)]
    both = complete(pipe, image=images, size=(24, 24), origin=[(0, 8), (4, 0)])
    for k, origin in enumerate([(0, 8), (4, 0)]):
        alone = complete(pipe, image=images[k], size=(24, 24), origin=origin, seed=k)
        assert np.array_equal(alone.images[0], both.images[k])
    with pytest.raises(ValueError, match="2 images and 3 origins"):
        complete(pipe, image=images, size=(24, 24), origin=[(0, 0)] * 3)


def test_what_is_transparent_is_painted_on_request(pipe):
    image, mask = picture(16, 16), half_mask(16, 16)
    cut_out = Image.fromarray(np.dstack((image, np.where(mask, 0, 255).astype(np.uint8))))
    given = complete(pipe, image=image, mask=mask)
    assert np.array_equal(complete(pipe, image=cut_out, mask="alpha").images, given.images)


def test_a_photo_that_was_turned_is_pointed_out(pipe, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture(16, 20)).save(tmp_path / "phone.png", exif=exif)
    with pytest.raises(ValueError, match=r"16×20, the image 20×16.*EXIF"):
        complete(pipe, image=tmp_path / "phone.png", mask=half_mask(16, 20))
    Image.fromarray(picture(16, 16)).save(tmp_path / "square.png", exif=exif)
    with pytest.warns(UserWarning, match="turned upright"):
        complete(pipe, image=tmp_path / "square.png", mask=half_mask(16, 16))


def test_candidates_of_a_picture_smaller_than_a_window_are_refused_before_any_work(pipe, monkeypatch):
    monkeypatch.setattr(pipe.vqgan, "encode", None)
    with pytest.raises(ValueError, match="smaller than the window"):
        complete(pipe, image=picture(8, 16), mask=half_mask(8, 16), num_candidates=2)
