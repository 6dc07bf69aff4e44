"""Layouts of aligned GPTs: boxes as label maps, of whole pictures and of crops; training on them, and what calls take."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from aligned_models import aligned_gpt
from training_data import picture, short_gpt_training, short_training, tokenizer, write_pictures
from vqgan_transformer import (
    ClassCondition,
    ImageSynthesisPipeline,
    LayoutCondition,
    SegmentationCondition,
    train_cond_gpt,
)
from vqgan_transformer.conditions.crop import Crop
from vqgan_transformer.geometry import Canvas
from vqgan_transformer.gpt import ConditionInput
from vqgan_transformer.training.data import open_data
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.samples import CENTRE, Samples, check

LABELS = ("tree", "house", "person")
LAYOUT = LayoutCondition(LABELS, vocab_size=100, max_objects=3)
TREE, HOUSE = ("tree", (0.1, 0.2, 0.4, 0.9)), ("house", (0.5, 0.3, 0.95, 0.8))
RNG = np.random.default_rng(0)  # decides nothing here


def random_boxes(seed: int, count: int = 8) -> list:
    """Boxes of any extent that overlap."""
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.random((count, 2, 2)), axis=1).reshape(count, 4)  # left, top, right, bottom
    return [(int(rng.integers(3)), tuple(box)) for box in corners.tolist()]


def label_at(layout: list, x: float, y: float, height: int, width: int) -> int:
    """The label of a point in pixels, written down for itself."""
    around = []
    for label, (left, top, right, bottom) in layout:
        to_edges = (x - left * width, right * width - x), (y - top * height, bottom * height - y)
        if min(map(min, to_edges)) >= 0:
            extents = (right - left) * width, (bottom - top) * height
            outlined = any(
                min(distances) < min(2, extent / 4) for distances, extent in zip(to_edges, extents, strict=True)
            )
            around.append(((right - left) * (bottom - top), -1 if outlined else label))
    return min(around)[1] if around else -1


def map_of(layout: list, height: int, width: int):
    return LAYOUT.on_canvas(LAYOUT.parse(layout), Canvas((height, width), 4, (8, 8)))[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_pixel_has_the_label_of_the_smallest_box_around_it_and_none_on_its_outline(seed):
    layout = random_boxes(seed)
    expected = [[label_at(layout, j + 0.5, i + 0.5, 40, 56) for j in range(56)] for i in range(40)]
    assert map_of(layout, 40, 56).tolist() == expected
    assert map_of(layout[::-1], 40, 56).tolist() == expected, "the order of objects means nothing"


def test_neighbours_of_one_name_stay_apart_and_small_boxes_keep_a_label():
    apart = map_of([(0, (0.0, 0.0, 0.5, 1.0)), (0, (0.5, 0.0, 1.0, 1.0))], 8, 16)
    assert apart[4].tolist() == [-1, -1, 0, 0, 0, 0, -1, -1] * 2
    assert map_of([(1, (0.0, 0.0, 0.25, 0.25))], 16, 16)[:4, :4].tolist() == [
        [-1] * 4, [-1, 1, 1, -1], [-1, 1, 1, -1], [-1] * 4,
    ]  # fmt: skip


def test_maps_show_no_attributes():
    plain = LayoutCondition(LABELS, attributes=("group_of", "occluded"))
    canvas = Canvas((16, 16), 4, (4, 4))
    marked = plain.parse([("house", (0.0, 0.0, 1.0, 1.0), ("group_of", "occluded"))])
    assert torch.equal(plain.on_canvas(marked, canvas), plain.on_canvas(plain.parse([("house", (0, 0, 1, 1))]), canvas))


def test_maps_are_continued_to_whole_tokens_by_their_edge():
    found = map_of([(2, (0.0, 0.0, 1.0, 1.0))], 15, 22)
    assert found.shape == (16, 24)
    assert torch.equal(found[:, 21:], found[:, 21:22].expand(-1, 3)) and torch.equal(found[14], found[15])


@pytest.mark.parametrize("seed", range(4))
def test_the_map_of_a_crop_is_the_crop_of_the_map(seed):
    layout, whole = random_boxes(seed), (64, 96)
    crop = Crop(8, 24, 32, 40, (32, 40))
    cut = LAYOUT.cut_for_aligned(layout, crop, whole, RNG)
    assert torch.equal(cut, map_of(layout, *whole)[8:40, 24:64])
    mirrored = LAYOUT.cut_for_aligned(layout, Crop(8, 24, 32, 40, (32, 40), flipped=True), whole, RNG)
    turned = [(label, (1 - right, top, 1 - left, bottom)) for label, (left, top, right, bottom) in layout]
    assert torch.equal(mirrored, cut.flip(-1))
    assert torch.equal(mirrored, map_of(turned, *whole)[8:40, 96 - 64 : 96 - 24])


def test_outlines_of_a_picture_that_was_scaled_are_those_of_one_of_that_size():
    layout = random_boxes(5)
    scaled = LAYOUT.cut_for_aligned(layout, Crop(0, 0, 64, 96, (32, 48)), (64, 96), RNG)
    assert torch.equal(scaled, map_of(layout, 32, 48))


def test_data_of_aligned_gpts_may_hold_any_number_of_objects_and_none():
    many = [{"image": picture(0), "layout": random_boxes(0, 9)}, {"image": picture(1), "layout": []}]
    samples = Samples(open_data(many, ("image", "layout")), short_training(), (LAYOUT,), as_tokens=False)
    check(samples)
    assert samples[CENTRE, 0]["layout"].shape == (16, 16) and samples[CENTRE, 0]["layout"].max() >= 0
    assert (samples[CENTRE, 1]["layout"] == -1).all()


def test_boxes_in_a_part_of_a_picture_are_cut_off_at_its_edge():
    layout = [(0, (0.0, 0.25, 0.5, 0.75)), (1, (0.75, 0.0, 1.0, 1.0)), (2, (0.0, 0.0, 0.2, 0.1))]
    part = LAYOUT.part(LAYOUT.parse(layout), (16, 8, 64, 88), (64, 96))
    expected = [[0, 0.0, 0.0, 0.5, 32 / 48], [1, 64 / 80, 0.0, 1.0, 1.0], [-1] * 5]
    assert torch.allclose(part[0], torch.tensor(expected, dtype=torch.float64))


@pytest.fixture
def pipe(vqgan) -> ImageSynthesisPipeline:
    conditions = (SegmentationCondition(labels=LABELS), ClassCondition(labels=("day", "night")), LAYOUT)
    inputs = tuple(ConditionInput(condition.name, *condition.aligned_input) for condition in conditions)
    gpt = aligned_gpt(conditions=(*inputs, ConditionInput("known", "tokens", 24)))
    return ImageSynthesisPipeline(vqgan=vqgan, gpt=gpt, conditions=conditions)


def paint(pipe, **arguments):
    return pipe(progress=False, output_type="tokens", **({"seed": 0, "size": (32, 48)} | arguments)).tokens


def test_boxes_are_followed_alone_and_beside_other_conditions(pipe):
    labels = np.random.default_rng(0).integers(3, size=(32, 48))
    calls = [{}, {"layout": [TREE]}, {"layout": [HOUSE]}, {"layout": [TREE, HOUSE]}]
    calls += [{"layout": [TREE], "class_label": "night"}, {"layout": [TREE], "segmentation": labels}]
    calls += [{"layout": [TREE], "condition_strength": {"layout": 3.0}}, {"layout": [TREE], "guidance_scale": 3.0}]
    calls += [{"layout": [TREE], "class_label": "night", "guidance_scale": {"layout": 4.0}}]
    grids = [tuple(paint(pipe, **call).flatten().tolist()) for call in calls]
    assert len(set(grids)) == len(grids)
    assert tuple(paint(pipe, layout=[TREE], condition_strength={"layout": 0.0}).flatten().tolist()) == grids[0]
    with pytest.raises(ValueError, match="layout does not say how large the picture is"):
        paint(pipe, layout=[TREE], size=None)
    with pytest.raises(ValueError, match=r"'hose'.*'house'"):
        paint(pipe, layout=[("hose", TREE[1])])


def test_several_layouts_sizes_and_pictures_of_each(pipe):
    batch = paint(pipe, layout=[[TREE], [TREE, HOUSE]], num_images=2, seed=5)
    assert torch.equal(batch[3:], paint(pipe, layout=[HOUSE, TREE], seed=8))
    maps = [np.zeros((32, 48), int), np.ones((21, 10), int)]
    several = paint(pipe, layout=[[TREE], [HOUSE]], segmentation=maps, size=None, seed=3)
    assert torch.equal(several[1], paint(pipe, layout=[HOUSE], segmentation=maps[1], size=None, seed=4)[0])


def test_what_is_followed_comes_back_and_is_shown(pipe):
    out = pipe(layout=[TREE], size=(16, 24), num_images=2, progress=False)
    assert out.conditions["layout"].shape == (2, 1, 5)
    assert [shown.size for shown in pipe.condition("layout").show(out.conditions["layout"], (16, 24))] == [(24, 16)] * 2


def test_pictures_are_completed_and_diagnosed_with_boxes(pipe):
    image, mask = picture(0, (16, 24)), np.zeros((16, 24), bool)
    mask[:, 12:] = True
    whole, other = (
        pipe(image=image, mask=mask, layout=layout, progress=False, output_type="np").images[0]
        for layout in ([TREE], [("house", (0.4, 0.0, 1.0, 1.0))])
    )
    assert np.array_equal(whole[:, :12], other[:, :12]) and not np.array_equal(whole, other)
    report = pipe.diagnose([image, picture(1, (16, 24))], layout=[[TREE], [HOUSE]])
    assert report.nats != report.nats_of_others


@pytest.mark.parametrize("token_variants", [0, 2])
def test_a_model_learns_boxes_and_follows_them_when_loaded(token_variants, tmp_path):
    write_pictures(tmp_path / "data", 6)
    rows = [
        {"file_name": f"{number}.png", "layout": random_boxes(number, number), "class_label": number % 2}
        for number in range(6)
    ]
    (tmp_path / "data" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    conditions = (LAYOUT, ClassCondition(labels=("day", "night")))
    training = short_gpt_training(
        max_steps=2, condition_dropout=0.2, kind_dropout={"layout": 0.3}, token_variants=token_variants
    )
    vqgan = tokenizer()
    config = fitting_config(
        vqgan, conditions, training, conditioning="aligned", n_layer=1, n_head=2, n_embd=16, condition_width=8,
        rows_above=2, columns_beside=1,
    )  # fmt: skip
    trained = train_cond_gpt(
        tmp_path / "data", tmp_path / "run", vqgan=vqgan, condition=conditions, config=config, training=training,
        progress=False,
    )  # fmt: skip
    trained.save_pretrained(tmp_path / "saved")
    loaded = ImageSynthesisPipeline.from_pretrained(tmp_path / "saved")
    call = {"layout": [TREE, HOUSE], "class_label": "night", "condition_strength": {"layout": 5.0}}
    assert torch.equal(paint(loaded, **call), paint(trained, **call))
    # a tiny run: what it learned is little, so logits are compared, not pictures
    boxes = loaded.condition("layout")
    tokens = paint(loaded, **call)
    one, other = (
        loaded.gpt(tokens, {"layout": boxes.on_canvas(boxes.parse([box]), Canvas((32, 48), 4, (4, 4)))})
        for box in (TREE, HOUSE)
    )
    assert not torch.equal(one, other)
