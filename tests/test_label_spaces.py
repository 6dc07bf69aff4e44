"""Label spaces: that the lists are right, and how one is read as another."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from vqgan_transformer.conditions.label_spaces import LABEL_SPACES, LabelSpace, label_space, space_of_size, translate
from vqgan_transformer.scenes import LABELS

COCO, ADE = label_space("coco-stuff-182"), label_space("ade20k-150")


@pytest.mark.parametrize(
    ("space", "count", "unknown", "some"),
    [
        ("coco-stuff-182", 182, 255, {"person": 0, "giraffe": 24, "sky-other": 156, "wood": 181}),
        ("coco-stuff-183", 183, 0, {"unlabeled": 0, "person": 1, "sky-other": 157, "wood": 182}),
        ("coco-stuff-171", 171, 255, {"person": 0, "stop sign": 11, "banner": 80, "sky-other": 145, "wood": 170}),
        ("ade20k-150", 150, 255, {"wall": 0, "road": 6, "person": 12, "skyscraper": 48, "flag": 149}),
        ("ade20k-151", 151, 0, {"unknown": 0, "wall": 1, "person": 13, "flag": 150}),
    ],
)
def test_known_spaces(space, count, unknown, some):
    known = label_space(space)
    assert len(known) == len(set(known.names)) == count
    assert known.unknown == unknown
    assert {name: known.names.index(name) for name in some} == some
    assert space_of_size(count) is known


def test_scenes_are_painted_in_coco_stuff():
    assert {name: COCO.names.index(name) for name in LABELS} == LABELS


def test_the_ade20k_palette():
    palette = ADE.palette
    assert palette is not None
    assert (palette[0], palette[2], palette[12]) == ((120, 120, 120), (6, 230, 230), (150, 5, 61))
    assert [(i, j) for i in range(150) for j in range(i) if palette[i] == palette[j]] == [(48, 6)]
    assert label_space("ade20k-151").palette == ((0, 0, 0), *palette)


def test_183_is_182_plus_one():
    translation = translate("coco-stuff-182", "coco-stuff-183")
    assert translation.table == {255: 0, **{label: label + 1 for label in range(182)}}
    assert not translation.missing
    assert not translation.merged
    # the shift of the original's data loader: 255 wraps around in uint8
    png = np.array([[0, 181, 255]], dtype=np.uint8)
    assert np.array_equal(translation.apply(png), png + np.uint8(1))


def test_151_is_150_plus_one():
    translation = translate("ade20k-150", "ade20k-151")
    assert translation.table == {255: 0, **{label: label + 1 for label in range(150)}}
    back = translate("ade20k-151", "ade20k-150")
    assert back.table == {label + 1: label for label in range(150)}  # unknown has no label among the 150


def test_the_171_labels_are_those_in_use():
    translation = translate("coco-stuff-171", COCO)
    assert [COCO.names[found] for found in translation.table.values()] == [
        n for n in COCO.names if n not in COCO.unused
    ]


def test_every_ade20k_label_has_a_counterpart_that_coco_stuff_uses():
    translation = translate(ADE, COCO)
    assert not translation.missing
    names = {ADE.names[label]: COCO.names[found] for label, found in translation.table.items()}
    assert not set(names.values()) & COCO.unused
    expected = {"sky": "sky-other", "water": "water-other", "windowpane": "window-other", "sofa": "couch"}
    assert {name: names[name] for name in expected} == expected
    assert names == dict(ADE.nearest)  # the table is complete, and no rule before it contradicts it


def test_what_is_not_the_same_is_listed():
    translation = translate(ADE, COCO)
    assert translation.nearest["lake"] == "water-other"
    assert translation.merged["water-other"] == ("water", "fountain", "swimming pool", "lake")
    assert not {"sky", "sofa", "sidewalk"} & set(translation.nearest)  # suffix, synonym, synonym
    backwards = translate(COCO, ADE)
    assert "giraffe" in backwards.missing
    assert backwards.table[COCO.names.index("couch")] == ADE.names.index("sofa")


def test_names_are_compared_up_to_spelling():
    ours = LabelSpace(("Sky", "wall_brick", "motor-cycle", "sofa, couch", "martian"))
    translation = translate(ours, COCO)
    found = {ours.names[label]: COCO.names[other] for label, other in translation.table.items()}
    assert found == {"Sky": "sky-other", "wall_brick": "wall-brick", "sofa, couch": "couch"}
    assert translation.missing == ("motor-cycle", "martian")


@pytest.mark.parametrize(
    ("name", "found"), [("window", "window-other"), ("mirror", "mirror-stuff"), ("plate", "plate")]
)
def test_names_in_use_come_before_unused_ones(name, found):
    assert translate(LabelSpace((name,)), COCO).table == {0: COCO.names.index(found)}


def test_a_given_mapping_goes_first():
    translation = translate(ADE, COCO, {"lake": "sea", 149: 0, 300: "fog", "earth, ground": "mud"} | {"wall": "wall"})
    assert translation.table[ADE.names.index("lake")] == COCO.names.index("sea")
    assert translation.table[149] == 0
    assert translation.table[300] == COCO.names.index("fog")
    assert "lake" not in translation.nearest
    assert "lake" not in translation.merged["water-other"]


def test_a_map_is_translated_at_any_size_of_ids():
    labels = np.array([[7, 70_000], [7, 0]], dtype=np.int32)
    space = LabelSpace(("a", "b"))
    found = translate(space, space, {7: "b", 70_000: 0}).apply(labels)
    assert found.dtype == np.int64
    assert found.tolist() == [[1, 0], [1, 0]]
    with pytest.raises(ValueError, match="70000"):
        translate(space, space, {7: "b"}).apply(labels)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: label_space("coco-stuff"), ValueError, "Did you mean 'coco-stuff-1"),
        (lambda: label_space(cast(Any, 182)), TypeError, "by its name"),
        (lambda: COCO.id_of("girafe"), ValueError, "coco-stuff-182 has no label 'girafe'. Did you mean 'giraffe'"),
        (lambda: COCO.id_of(-1), ValueError, "not negative"),
        (lambda: COCO.id_of(True), TypeError, "name or its id"),
        (lambda: COCO.id_of(cast(Any, 1.0)), TypeError, "name or its id"),
        (lambda: translate(COCO, COCO, {0: 182}), ValueError, "label 182, but coco-stuff-182 has the labels 0–181"),
        (lambda: translate(COCO, COCO, {"clouds": "cloudz"}), ValueError, "'clouds'"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_each_space_says_what_its_ids_are():
    assert all(LABEL_SPACES.values())
    assert COCO.describe(156) == "'sky-other' (156)"
    assert COCO.describe(255) == "unlabelled (255)"
    assert COCO.describe(200) == "200"
