"""Layout boxes: tokens worked out by hand from the original's rule, user input, and windows of large pictures.

The rule: 8192 tokens make a grid of 90×90 cells; the point (x, y) is round(y · 89) · 90 + round(x · 89); 8191 fills the
places that are left of 30; the window's corners come last.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vqgan_transformer import LayoutCondition
from vqgan_transformer.geometry import Canvas

LABELS = ("person", "dog", "tree", "sky")
PERSON, DOG = ("person", (0.0, 0.0, 0.5, 1.0)), ("dog", (0.25, 0.75, 1.0, 0.8))
NONE = 8191
# 0.5·89 = 44.5 and 0.25·89 = 22.25, 0.75·89 = 66.75, 0.8·89 = 71.2; halves are rounded to even
CORNERS_OF_PERSON = [0 * 90 + 0, 89 * 90 + 44]
CORNERS_OF_DOG = [67 * 90 + 22, 71 * 90 + 89]
WHOLE = [0, 89 * 90 + 89]


def tokens(condition: LayoutCondition, layout, **options) -> list[int]:
    return condition.encode(condition.parse(layout), **options)[0].tolist()


def test_92_tokens_for_corners():
    expected = [0, *CORNERS_OF_PERSON, 1, *CORNERS_OF_DOG] + [NONE] * 3 * 28 + WHOLE
    assert len(expected) == 92
    assert tokens(LayoutCondition(LABELS), [PERSON, DOG]) == expected


def test_62_tokens_for_centres():
    # (0.25, 0.5) -> 22.25, 44.5; (0.625, 0.775) -> 55.625, 68.975
    expected = [0, 44 * 90 + 22, 1, 69 * 90 + 56] + [NONE] * 2 * 28 + WHOLE
    assert len(expected) == 62
    assert tokens(LayoutCondition(LABELS, points="centre"), [PERSON, DOG]) == expected


def test_objects_outside_of_the_window_are_left_out_and_its_corners_appended():
    right_half = (0.5, 0.0, 1.0, 1.0)  # the person ends where it begins
    expected = [1, *CORNERS_OF_DOG] + [NONE] * 3 * 29 + [0 * 90 + 44, 89 * 90 + 89]
    assert tokens(LayoutCondition(LABELS), [PERSON, DOG], crop=right_half) == expected


def test_without_the_window_boxes_are_relative_to_it():
    condition = LayoutCondition(LABELS, encode_crop=False)
    # of the lower right quarter: the dog starts left of it, keeps its width of 1.5 windows and is cut at 1
    expected = [1, 44 * 90 + 0, 53 * 90 + 89] + [NONE] * 3 * 29  # y: 0.5·89 = 44.5, 0.6·89 = 53.4
    assert tokens(condition, [DOG], crop=(0.5, 0.5, 1.0, 1.0)) == expected


def test_attributes_are_multiples_of_the_number_of_classes():
    condition = LayoutCondition(LABELS, attributes=("group_of", "occluded", "depiction", "inside"))
    assert tokens(condition, [(*DOG, ("group_of",))])[0] == 1 + 4 * 1
    assert tokens(condition, [(*DOG, ("inside", "occluded"))])[0] == 1 + 4 * (8 + 2)
    with pytest.raises(ValueError, match="knows no attribute 'occluded' of objects, it knows group_of"):
        LayoutCondition(LABELS, attributes=("group_of",)).parse([(*DOG, "occluded")])


PIXELS = {"xmin": 80, "ymin": 150, "xmax": 320, "ymax": 160}


@pytest.mark.parametrize(
    ("layout", "options"),
    [
        ([DOG], {}),
        ([(1, (0.25, 0.75, 1.0, 0.8))], {}),
        ([["dog", 0.25, 0.75, 1.0, 0.8]], {}),
        ([[np.int64(1), *np.array([0.25, 0.75, 1.0, 0.8])]], {}),
        ([(" Dog ", torch.tensor([0.25, 0.75, 1.0, 0.8], dtype=torch.float64))], {}),
        ([("dog", (0.25, 0.75, 0.75, 0.05))], {"box_format": "xywh"}),
        ([("dog", (0.625, 0.775, 0.75, 0.05))], {"box_format": "cxcywh"}),
        ([("dog", (80, 150, 320, 160))], {"layout_size": (200, 320)}),
        ([{"score": 0.98, "label": "dog", "box": PIXELS}], {"layout_size": (200, 320)}),
        ([[DOG]], {}),
    ],
    ids=str,
)
def test_ways_of_giving_a_layout(layout, options):
    parsed = LayoutCondition(LABELS).parse(layout, **options)
    torch.testing.assert_close(parsed, torch.tensor([[[1, 0.25, 0.75, 1.0, 0.8]]], dtype=torch.float64))


def test_layouts_of_a_batch_are_filled_up():
    parsed = LayoutCondition(LABELS).parse([[PERSON, DOG], [DOG]])
    assert parsed.shape == (2, 2, 5)
    assert parsed[1, 1].tolist() == [-1] * 5
    assert torch.equal(parsed[1, 0], parsed[0, 1])


@pytest.mark.parametrize(
    ("layout", "error", "message"),
    [
        ([], TypeError, "not empty"),
        ("dog", TypeError, "list of objects"),
        ([("dog",)], TypeError, r"an object is \(label"),
        ([("dog", 3)], TypeError, "four numbers"),
        ([("dog", (0, 0, 1))], ValueError, "four finite numbers"),
        ([("dog", (0, 0, float("nan"), 1))], ValueError, "four finite numbers"),
        ([("dgo", (0, 0, 1, 1))], ValueError, "Did you mean 'dog'"),
        ([(4, (0, 0, 1, 1))], ValueError, r"layout 4 is out of range"),
        ([(1.0, (0, 0, 1, 1))], TypeError, "a whole number"),
        ([("dog", (10, 20, 30, 40))], ValueError, "pass layout_size"),
        ([("dog", (0.5, 0.5, 0.25, 0.75))], ValueError, "no area.*box_format"),
    ],
    ids=str,
)
def test_what_is_no_layout_is_refused(layout, error, message):
    with pytest.raises(error, match=message):
        LayoutCondition(LABELS).parse(layout)


def test_a_config_whose_vocabulary_is_too_small_is_refused():
    with pytest.raises(ValueError, match="need 17 tokens"):
        LayoutCondition(LABELS, attributes=("group_of", "occluded"), vocab_size=16)


def canvas(height: int, width: int) -> Canvas:
    return Canvas((height, width), 16, (16, 16))


def test_a_single_window_sees_the_whole_layout():
    condition = LayoutCondition(LABELS)
    windows = condition.for_canvas(condition.parse([DOG]), canvas(256, 256), [5])
    assert windows.batch == 1
    assert windows.window(0, 0)[0].tolist() == tokens(condition, [DOG])


def test_each_window_of_a_large_picture_is_encoded_anew():
    condition = LayoutCondition(LABELS)
    windows = condition.for_canvas(condition.parse([DOG]), canvas(512, 1024), [5, 6])
    assert windows.batch == 2
    assert windows.window(0, 0).tolist() == [[NONE] * 90 + [0, 44 * 90 + 22]] * 2  # a quarter across, half down
    expected = [1, *CORNERS_OF_DOG] + [NONE] * 3 * 29 + [44 * 90 + 67, 89 * 90 + 89]
    assert windows.window(16, 48)[1].tolist() == expected


def test_a_picture_smaller_than_a_window_is_its_upper_left_part():
    condition = LayoutCondition(LABELS)
    windows = condition.for_canvas(condition.parse([("sky", (0, 0, 1, 1))]), canvas(128, 250), [0])
    # of 256×256: half as high, 250/256 as wide: 0.9765625 · 89 = 86.9
    assert windows.window(0, 0)[0, :3].tolist() == [3, 0, 44 * 90 + 87]


def test_the_seed_decides_the_order_of_objects_and_nothing_else():
    condition = LayoutCondition(LABELS)
    layout = condition.parse([[(k, (0, 0, 1, 1)) for k in range(4)], [PERSON, DOG]])
    first, again, other = (
        condition.for_canvas(layout, canvas(256, 256), seeds).window(0, 0) for seeds in ([3, 4], [3, 9], [8, 4])
    )
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], other[1])
    orders = {
        tuple(condition.for_canvas(layout[:1], canvas(256, 256), [seed]).window(0, 0)[0, :12:3].tolist())
        for seed in range(200)
    }
    assert len(orders) == 24
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2, 3)}


def test_more_objects_than_a_window_has_places_are_refused_before_drawing():
    condition = LayoutCondition(LABELS)
    left = [("dog", (0.1, 0.1, 0.2, 0.2))] * 20
    both = condition.parse([*left, *[("dog", (0.8, 0.1, 0.9, 0.2))] * 20])
    condition.for_canvas(both, canvas(256, 1024), [0])  # 20 in a window
    with pytest.raises(ValueError, match=r"40 objects reach into one window.*places for 30"):
        condition.for_canvas(both, canvas(256, 256), [0])


def test_a_layout_is_drawn_for_people():
    condition = LayoutCondition(LABELS)
    (picture,) = condition.show(condition.parse([PERSON, DOG]), size=(60, 100))
    assert picture.size == (100, 60)
    assert picture.getpixel((0, 30)) == picture.getpixel((49, 30)) != (255, 255, 255)


def test_it_is_saved_and_loaded(tmp_path):
    condition = LayoutCondition(LABELS, points="centre", attributes=("group_of",), max_objects=7, encode_crop=False)
    condition.save_pretrained(tmp_path / "layout")
    assert LayoutCondition.from_pretrained(tmp_path / "layout").config == condition.config


def test_names_that_differ_in_their_case_alone_are_told_apart_by_it():
    condition = LayoutCondition(("Dog", "dog", "cat"))
    box = (0, 0, 1, 1)
    assert [condition.parse([(name, box)])[0, 0, 0].item() for name in ("Dog", "dog", "CAT")] == [0, 1, 2]
    with pytest.raises(ValueError, match="several classes are called 'DOG': pass one of the ids 0, 1"):
        condition.parse([("DOG", box)])
