"""A pipeline around an aligned GPT: any of its conditions, none, several at once; completion; saving."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aligned_models import FACTOR, aligned_gpt
from vqgan_transformer import (
    ClassCondition,
    CoordinatesCondition,
    DepthCondition,
    ImageSynthesisPipeline,
    SegmentationCondition,
    SlidingWindowSampler,
    Unconditional,
)
from vqgan_transformer.gpt import ConditionInput
from vqgan_transformer.pipeline import batch

LABELS = ("sky", "tree", "grass", "water", "person", "fern", "moss")
CHANNELS = (0, 1, 2, 3, 4, 2, 2)


def segmentation() -> SegmentationCondition:
    """Seven labels, of which the model tells five apart."""
    return SegmentationCondition(labels=LABELS, channels=CHANNELS)


@pytest.fixture
def pipe(vqgan) -> ImageSynthesisPipeline:
    conditions = (segmentation(), DepthCondition(), ClassCondition(labels=("day", "dusk", "night")))
    return ImageSynthesisPipeline(vqgan=vqgan, gpt=aligned_gpt(), conditions=conditions)


def paint(pipe, **arguments):
    return pipe(progress=False, output_type="tokens", **({"seed": 0} | arguments)).tokens


labels = np.random.default_rng(0).integers(7, size=(16, 24))
depth = np.random.default_rng(1).random((16, 24))


def test_conditions_are_given_alone_together_or_not_at_all(pipe):
    size = {"size": (16, 24)}
    grids = [
        paint(pipe, segmentation=labels),
        paint(pipe, depth=depth),
        paint(pipe, class_label="dusk", **size),
        paint(pipe, segmentation=labels, depth=depth, class_label="dusk"),
        paint(pipe, **size),
    ]
    assert {grid.shape for grid in grids} == {(1, 4, 6)}
    assert len({tuple(grid.flatten().tolist()) for grid in grids}) == len(grids)


def test_tokens_are_those_that_the_sampler_draws_from_the_maps(pipe):
    channels = torch.tensor(CHANNELS)[torch.from_numpy(labels)]
    scaled = torch.from_numpy(depth * 2 - depth.max() - depth.min()) / (depth.max() - depth.min())
    conditions = {"segmentation": channels[None], "depth": scaled[None, None].float(), "class_label": torch.tensor([1])}
    drawn = SlidingWindowSampler(top_k=100)(pipe.gpt, conditions, seed=4, codebook_size=pipe.vqgan.codebook_size)
    assert torch.equal(paint(pipe, segmentation=labels, depth=depth, class_label="dusk", seed=4), drawn)


def test_maps_are_continued_to_whole_tokens_and_pictures_cut(pipe):
    picture = pipe(segmentation=labels[:15, :22], seed=0, progress=False, output_type="np").images
    assert picture.shape == (1, 15, 22, 3)
    continued = np.pad(labels[:15, :22], ((0, 1), (0, 2)), mode="edge")
    whole = pipe(segmentation=continued, seed=0, progress=False, output_type="np").images
    assert np.array_equal(picture, whole[:, :15, :22])


def test_several_pictures_of_several_conditions(pipe):
    batch = paint(pipe, segmentation=[labels, labels[::-1]], class_label="day", num_images=2, seed=5)
    alone = paint(pipe, segmentation=labels[::-1].copy(), class_label="day", seed=8)
    assert batch.shape == (4, 4, 6)
    assert torch.equal(batch[3:], alone)


def test_pictures_of_different_sizes_are_those_that_each_kind_paints_alone(pipe):
    maps, depths, days = [labels, labels[:8]], [depth, depth[:8]], ["day", "night"]
    both = pipe(segmentation=maps, depth=depths, class_label=days, seed=5, progress=False, output_type="np")
    assert [image.shape for image in both.images] == [(16, 24, 3), (8, 24, 3)]
    for k in range(2):
        given = {"segmentation": maps[k], "depth": depths[k], "class_label": days[k]}
        assert np.array_equal(pipe(seed=5 + k, progress=False, output_type="np", **given).images[0], both.images[k])
    with pytest.raises(ValueError, match="2 of depth and 3 of segmentation"):
        pipe(depth=depths, segmentation=[labels] * 3)


def test_guidance_may_be_given_by_kind(pipe):
    both = {"segmentation": labels, "class_label": "day"}
    plain, by_all, by_one = (paint(pipe, guidance_scale=s, **both) for s in (1.0, 3.0, {"class_label": 9.0}))
    assert not torch.equal(plain, by_all)
    assert not torch.equal(plain, by_one)
    assert torch.equal(paint(pipe, guidance_scale={"segmentation": 1.0}, **both), plain)


def test_a_picture_is_completed_with_what_is_known_on_all_sides(pipe):
    photo = np.random.default_rng(2).integers(256, size=(16, 24, 3), dtype=np.uint8)
    mask = np.zeros((16, 24), dtype=bool)
    mask[4:12, 8:16] = True
    out = pipe(image=photo, mask=mask, segmentation=labels, seed=0, progress=False, output_type="np")
    assert np.array_equal(out.images[0][~mask], photo[~mask])
    # what lies below and to the right of the area has a say in it
    other = photo.copy()
    other[12:, 16:] = 255 - other[12:, 16:]
    changed = pipe(image=other, mask=mask, segmentation=labels, seed=0, progress=False, output_type="np")
    hole = (slice(None), slice(1, 3), slice(2, 4))
    assert not torch.equal(out.tokens[hole], changed.tokens[hole])


def test_likelihood_of_a_picture_under_several_conditions(pipe):
    photo = np.random.default_rng(2).integers(256, size=(16, 24, 3), dtype=np.uint8)
    likelihood = [pipe.log_likelihood(photo, **given) for given in ({"segmentation": labels}, {"depth": depth}, {})]
    assert all(one.shape == (1,) and one < 0 for one in likelihood)
    assert len({float(one) for one in likelihood}) == 3


def test_it_is_saved_and_loaded(pipe, tmp_path):
    loaded = ImageSynthesisPipeline.from_pretrained(pipe.save_pretrained(tmp_path))
    assert [condition.name for condition in loaded.conditions] == ["segmentation", "depth", "class_label"]
    given = {"segmentation": labels, "class_label": "night"}
    assert torch.equal(paint(loaded, **given), paint(pipe, **given))


def test_a_model_without_conditions_needs_none(vqgan):
    gpt = aligned_gpt(conditions=())
    assert paint(ImageSynthesisPipeline(vqgan=vqgan, gpt=gpt), size=(8, 12)).shape == (1, 2, 3)


def test_a_map_without_a_size_and_no_map_at_all(pipe):
    with pytest.raises(ValueError, match="size="):
        paint(pipe)
    with pytest.raises(ValueError, match="size="):
        paint(pipe, class_label="day")


@pytest.mark.parametrize(
    ("condition", "options", "message"),
    [
        (SegmentationCondition(labels=LABELS), {}, r"\('labels', 7\)"),
        (Unconditional(), {}, "unconditional"),
        (DepthCondition(), {"conditions": (ConditionInput("depth", "values", 2),)}, r"\('values', 2\)"),
        (DepthCondition(), {"downsample_factor": 2 * FACTOR}, "4 pixels a side"),
    ],
)
def test_conditions_that_the_gpt_does_not_read_are_refused(vqgan, condition, options, message):
    with pytest.raises(ValueError, match=message):
        ImageSynthesisPipeline(vqgan=vqgan, gpt=aligned_gpt(**options), conditions=(condition,))


def test_one_condition_may_be_for_several_pictures(pipe):
    found = paint(pipe, segmentation=labels, class_label=["day", "night"], num_images=2)
    for k in range(4):
        alone = paint(pipe, segmentation=labels, class_label=["day", "night"][k // 2], seed=k)
        assert torch.equal(found[k], alone[0])
    with pytest.raises(ValueError, match="different numbers of pictures, 2 of segmentation and 3 of class_label"):
        paint(pipe, segmentation=[labels] * 2, class_label=[0, 1, 2])


def test_a_kind_that_is_lacking_is_an_error_that_says_what_there_is(pipe):
    with pytest.raises(TypeError, match="does not understand keypoints; it takes segmentation, depth, class_label"):
        paint(pipe, keypoints=np.zeros((1, 17, 3)), size=(16, 16))


def test_its_diagnosis(pipe):
    image = np.random.default_rng(2).integers(256, size=(16, 24, 3), dtype=np.uint8)
    report = pipe.diagnose([image, image], segmentation=[labels] * 2, depth=[depth, depth[::-1].copy()])
    assert report.nats[0] == -pipe.log_likelihood(image, segmentation=labels, depth=depth).item()
    assert report.nats_of_others[1] == pytest.approx(report.nats[0])


def test_a_seed_chooses_the_class_that_a_call_leaves_open(vqgan, tmp_path):
    classes = ClassCondition(labels=("day", "dusk", "night"), chosen_by_seed=True)
    pipe = ImageSynthesisPipeline(vqgan=vqgan, gpt=aligned_gpt(), conditions=(segmentation(), classes))
    chosen = classes.chosen_by(range(60))
    assert chosen.bincount(minlength=3).min() > 8  # all of them, about as often
    open_, named = (
        paint(pipe, segmentation=[labels] * 5, seed=3, **given) for given in ({}, {"class_label": chosen[3:8].tolist()})
    )
    assert torch.equal(open_, named)
    # a given picture's likelihood is that without a class
    image = torch.rand(1, 3, 16, 24) * 2 - 1
    unknown = ImageSynthesisPipeline(vqgan=vqgan, gpt=pipe.gpt, conditions=(segmentation(),))
    unknown.conditions = (segmentation(), ClassCondition(labels=("day", "dusk", "night")))
    known = {"image": image, "segmentation": labels}
    assert torch.equal(pipe.log_likelihood(**known), unknown.log_likelihood(**known))
    again = ImageSynthesisPipeline.from_pretrained(pipe.save_pretrained(tmp_path))
    assert again.condition("class_label").config.chosen_by_seed


def test_what_is_known_of_a_picture_tells_its_class(vqgan):
    names = ("day", "dusk", "night")
    classes = ClassCondition(labels=names, chosen_by_seed=True)
    pipe = ImageSynthesisPipeline(vqgan=vqgan, gpt=aligned_gpt(), conditions=(segmentation(), classes))
    below = np.arange(16)[:, None] >= np.full(24, 8)  # what is known sees nothing of it
    found = set()
    for number in range(8):
        image = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(number)) * 2 - 1
        given = {"image": image, "mask": below, "segmentation": labels, "num_images": 2}
        drawn = [paint(pipe, **given, class_label=name) for name in names]
        maps = torch.tensor(CHANNELS)[torch.from_numpy(labels)][None]
        nats = [
            SlidingWindowSampler()
            .token_log_likelihood(pipe.gpt, {"segmentation": maps, "class_label": torch.tensor([number])}, tokens[:1])[
                0, :2
            ]
            .sum()
            for number, tokens in enumerate(drawn)
        ]
        likeliest = max(range(3), key=nats.__getitem__)
        assert torch.equal(paint(pipe, **given), drawn[likeliest])
        assert torch.equal(paint(pipe, **given, num_candidates=2), paint(pipe, **given, num_candidates=2, class_label=likeliest))  # fmt: skip
        found.add(likeliest)
    assert len(found) > 1
    nothing = {"image": image, "mask": np.ones((16, 24), bool), "segmentation": labels}
    for seed in range(4):
        by_seed = classes.chosen_by([seed]).tolist()
        assert torch.equal(paint(pipe, **nothing, seed=seed), paint(pipe, **nothing, seed=seed, class_label=by_seed))


def test_a_picture_to_complete_is_of_a_class_that_has_its_colour(vqgan):
    names = ("day", "dusk", "night")
    bright, red, dark = ((0.6,) * 3, (1.0,) * 3), ((0.6, 0.0, 0.0), (1.0, 0.3, 0.3)), ((0.0,) * 3, (0.3,) * 3)
    classes = ClassCondition(labels=names, chosen_by_seed=True, colours=(bright, red, dark))
    pipe = ImageSynthesisPipeline(vqgan=vqgan, gpt=aligned_gpt(), conditions=(segmentation(), classes))
    below = np.arange(16)[:, None] >= np.full(24, 8)
    for colour, name in (((250, 240, 230), "day"), ((200, 20, 20), "dusk"), ((30, 20, 60), "night")):
        image = np.full((16, 24, 3), colour, np.uint8)
        image[below] = 255 - image[below]  # what is to be painted does not count
        out = pipe(image=image, mask=below, segmentation=labels, progress=False)
        assert classes.describe(out.conditions["class_label"][0]) == name


def test_a_class_is_told_from_where_most_is_known(vqgan, monkeypatch):
    monkeypatch.setattr(batch, "CLASS_PART", 2)
    classes = ClassCondition(labels=("day", "dusk", "night"), chosen_by_seed=True)
    pipe = ImageSynthesisPipeline(vqgan=vqgan, gpt=aligned_gpt(), conditions=(segmentation(), classes))
    found = set()
    for number in range(12):
        around = np.random.default_rng(number).integers(7, size=(16, 24))
        maps = torch.tensor(CHANNELS)[torch.from_numpy(around)][None, :8, :8].expand(3, -1, -1)
        image = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(number)) * 2 - 1
        hole = (np.arange(24) >= np.full((16, 1), 8)) & (np.arange(24) < 16)  # the middle of what is known lies in it
        given = {"image": image, "mask": hole, "segmentation": around}
        corner = paint(pipe, **given)[:, :2, :2].expand(3, -1, -1)
        known = {"segmentation": maps, "class_label": torch.arange(3)}
        likeliest = int(SlidingWindowSampler().log_likelihood(pipe.gpt, known, corner).argmax())
        assert torch.equal(paint(pipe, **given), paint(pipe, **given, class_label=likeliest))
        found.add(likeliest)
    assert len(found) > 1


def test_coordinates_are_those_of_the_whole_picture_unless_others_are_given(vqgan):
    inputs = (ConditionInput("segmentation", "labels", 5), ConditionInput("coordinates", "values", 2))
    condition = CoordinatesCondition(None, downsample_factor=FACTOR)
    pipe = ImageSynthesisPipeline(
        vqgan=vqgan, gpt=aligned_gpt(conditions=inputs), conditions=(segmentation(), condition)
    )
    whole = condition.default((16, 24))
    for given in ({"segmentation": labels}, {"size": (16, 24)}):
        assert torch.equal(paint(pipe, **given), paint(pipe, **given, coordinates=whole))
        assert not torch.equal(paint(pipe, **given), paint(pipe, **given, coordinates=whole / 2))
