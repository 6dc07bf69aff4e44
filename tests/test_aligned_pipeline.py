"""Several conditions at once: the pipeline with a GPT of the aligned form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from aligned_models import aligned_gpt
from vqgan_transformer import (
    ClassCondition,
    CondGPT,
    DepthCondition,
    ImageSynthesisPipeline,
    SegmentationCondition,
    SlidingWindowSampler,
    Unconditional,
)
from vqgan_transformer.gpt import ConditionInput

LABELS = ("sky", "tree", "grass", "water", "sand")


@pytest.fixture
def pipe(vqgan) -> ImageSynthesisPipeline:
    conditions = (SegmentationCondition(LABELS), DepthCondition(), ClassCondition(("oak", "pine", "fir")))
    return ImageSynthesisPipeline(vqgan, aligned_gpt(), conditions=conditions)


def paint(pipe, **arguments):
    return pipe(progress=False, **{"seed": 0, "output_type": "tokens"} | arguments).tokens


labels = np.random.default_rng(0).integers(5, size=(18, 23))
depth = np.random.default_rng(1).random((18, 23))


def test_all_kinds_that_are_given_are_followed(pipe):
    found = paint(pipe, segmentation=labels, depth=depth, class_label="pine")
    rows, cols = torch.arange(20).clamp(max=17), torch.arange(24).clamp(max=22)
    given = {
        "segmentation": torch.from_numpy(labels)[None, rows[:, None], cols],
        "depth": DepthCondition().parse(depth)[..., rows[:, None], cols],
        "class_label": torch.tensor([1]),
    }
    assert torch.equal(found, SlidingWindowSampler()(pipe.gpt, given, (5, 6), seed=0, codebook_size=24))


def test_each_kind_that_is_given_changes_what_is_likely(pipe):
    image = np.random.default_rng(2).integers(256, size=(18, 23, 3), dtype=np.uint8)
    given = {"segmentation": labels, "depth": depth, "class_label": "pine"}
    found = [
        pipe.log_likelihood(image, **{name: value for name, value in given.items() if name != left_out}).item()
        for left_out in (*given, None)
    ]
    assert len({*found}) == 4


def test_one_condition_may_be_for_several_pictures(pipe):
    found = paint(pipe, segmentation=labels, class_label=["oak", "fir"], num_images=2)
    for k in range(4):
        alone = paint(pipe, segmentation=labels, class_label=["oak", "fir"][k // 2], seed=k)
        assert torch.equal(found[k], alone[0])
    with pytest.raises(ValueError, match="different numbers of pictures, 2 of segmentation and 3 of class_label"):
        paint(pipe, segmentation=[labels] * 2, class_label=[0, 1, 2])


def test_without_any_condition_pictures_are_free(pipe):
    assert paint(pipe, size=(16, 16), num_images=3).shape == (3, 4, 4)
    with pytest.raises(ValueError, match="size="):
        paint(pipe)


def test_a_kind_that_is_lacking_is_an_error_that_says_what_there_is(pipe):
    with pytest.raises(TypeError, match="does not understand keypoints; it takes segmentation, depth, class_label"):
        paint(pipe, keypoints=np.zeros((1, 17, 3)), size=(16, 16))


def test_a_picture_is_completed_from_its_known_tokens(pipe):
    image = np.random.default_rng(2).integers(256, size=(24, 24, 3), dtype=np.uint8)
    mask = np.zeros((24, 24), bool)
    mask[8:12, 8:12] = True
    out = pipe(image=image, mask=mask, num_images=8, seed=0, temperature=0.02, progress=False)
    keep = torch.ones(6, 6, dtype=torch.bool)
    keep[2, 2] = False
    again = SlidingWindowSampler(temperature=0.02)(pipe.gpt, {}, (6, 6), seed=0, tokens=out.tokens, keep=keep)
    assert torch.equal(again, out.tokens)
    assert np.array_equal(np.asarray(out.images[3])[~mask], image[~mask])


def test_its_likelihood_and_diagnosis(pipe):
    image = np.random.default_rng(2).integers(256, size=(18, 23, 3), dtype=np.uint8)
    both = pipe.log_likelihood(image, segmentation=labels, depth=depth)
    assert both.shape == (1,)
    assert both != pipe.log_likelihood(image, segmentation=labels)
    report = pipe.diagnose([image, image], segmentation=[labels] * 2, depth=[depth, depth.T.copy().reshape(18, 23)])
    assert report.nats[0] == -both.item()
    assert report.nats_of_others[1] == pytest.approx(report.nats[0])


def test_labels_are_read_as_the_channels_they_are_drawn_with(vqgan):
    many = SegmentationCondition(("sky", "cloud", "tree"), channels=(0, 0, 3))
    pipe = ImageSynthesisPipeline(vqgan, aligned_gpt(), conditions=(many,))
    five = ImageSynthesisPipeline(vqgan, aligned_gpt(), conditions=(SegmentationCondition(LABELS),))
    three = labels % 3
    assert torch.equal(paint(pipe, segmentation=three), paint(five, segmentation=np.array([0, 0, 3])[three]))


def test_it_is_saved_and_loaded(pipe, tmp_path):
    pipe.save_pretrained(tmp_path / "pipeline")
    again = ImageSynthesisPipeline.from_pretrained(tmp_path / "pipeline")
    arguments = {"segmentation": labels, "depth": depth}
    assert torch.equal(paint(again, **arguments), paint(pipe, **arguments))


def test_parts_that_do_not_fit_are_refused(vqgan):
    gpt = aligned_gpt(conditions=(ConditionInput("depth", "values", 1),))
    with pytest.raises(ValueError, match="the GPT reads depth, not unconditional"):
        ImageSynthesisPipeline(vqgan, gpt, conditions=(Unconditional(),))
    ImageSynthesisPipeline(vqgan, gpt)  # nothing but its own pictures
    with pytest.raises(ValueError, match="8 pixels a side, those of the VQGAN have 4"):
        ImageSynthesisPipeline(vqgan, CondGPT(replace(gpt.config, downsample_factor=8)))
