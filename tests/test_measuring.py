"""What the built-in model is measured with: intervals, distances, plausible label maps, squares around things, tables."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vqgan_transformer.evaluation.frechet import Gaussian, frechet_distance
from vqgan_transformer.scenes import LABELS, make_scene

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from measuring.distances import fine_detail, frechet, luminance, psnr, rank_correlation
from measuring.intervals import Interval, Shares, interval_of, mean_of, relative_share
from measuring.plausibility import is_plausible, stand_in
from measuring.reader_training import train_pose_reader
from measuring.readers import PoseReader, Readers
from measuring.report import Table
from measuring.things import KINDS, Thing, mask_of, things_of

NAMES = tuple(sorted(LABELS))


def land(*layers: tuple[str, int], width: int = 40) -> np.ndarray:
    """Layers of labels, each of so many rows."""
    return np.concatenate([np.full((rows, width), NAMES.index(name)) for name, rows in layers])


LANDSCAPE = (("sky-other", 30), ("mountain", 20), ("grass", 50))


def test_an_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(3, 1, 400)
    interval = mean_of(Shares(values, np.ones(400)))
    assert interval.value == pytest.approx(values.mean())
    assert (interval.low, interval.high) == pytest.approx((interval.value - 0.098, interval.value + 0.098), abs=0.012)


def test_a_share_counts_joints_rather_than_pictures():
    assert mean_of(Shares.of([(10, 10), (0, 2), (0, 0)])).value == pytest.approx(10 / 12)


def test_relative_shares_are_of_the_same_resampled_pictures():
    hits = np.arange(1, 21)
    interval = relative_share(Shares(hits * 0.9, np.ones(20)), Shares(hits, np.ones(20)))
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.9, 0.9, 0.9))


def test_what_no_picture_has_is_no_number():
    table = Table("nobody")
    table.add("joints", "true", mean_of(Shares.of([(0, 0), (0, 0)])))
    assert not table.rows


def test_limits_enclose_a_distance_that_repeated_pictures_enlarge():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(30, 8, generator=generator) for _ in range(2))
    interval = interval_of(lambda chosen: frechet(first[chosen], second[chosen]), 30)
    assert interval.low < interval.value < interval.high


@pytest.mark.parametrize("count", [6, 50])
def test_frechet_distances_are_those_of_the_package(count):
    generator = torch.Generator().manual_seed(count)
    sets = [torch.randn(count, 8, generator=generator).double() * scale + scale for scale in (1, 2)]
    gaussians = [Gaussian(x.mean(0).numpy(), x.T.cov().numpy()) for x in sets]
    assert frechet(*sets) == pytest.approx(frechet_distance(*gaussians), abs=1e-5)


def test_distances_of_pictures():
    picture = torch.zeros(1, 3, 8, 8)
    assert psnr(picture, picture + 0.2) == pytest.approx(20)
    assert luminance(picture) == pytest.approx(0.5)
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(4, 4).expand(1, 3, 8, 8)
    assert fine_detail(picture + 0.7) == pytest.approx(0, abs=1e-9) and fine_detail(board) == pytest.approx(1)
    ramp = torch.arange(64.0).reshape(8, 8)
    assert rank_correlation(ramp, ramp**3, each=1) == pytest.approx(1)
    assert rank_correlation(ramp, -ramp, each=1) == pytest.approx(-1)


@pytest.mark.parametrize("seed", range(8))
def test_scenes_are_plausible_and_upside_down_they_are_not(seed):
    labels = Readers.untrained(NAMES, ("day",)).channels_of(make_scene(seed, (96, 128)).segmentation).numpy()
    assert is_plausible(labels, NAMES)
    assert not is_plausible(labels[::-1], NAMES)


def test_things_and_unlabelled_places_are_overlooked():
    labels = land(*LANDSCAPE)
    labels[10:80, 5:20] = NAMES.index("tree")
    labels[40:60, 30:] = -1
    assert is_plausible(labels, NAMES)


def test_snow_lies_on_mountains_and_on_the_ground():
    assert is_plausible(land(("sky-other", 30), ("snow", 10), ("mountain", 20), ("snow", 40)), NAMES)


@pytest.mark.parametrize(
    "layers",
    [
        (("mountain", 20), ("grass", 80)),
        (("sky-other", 100),),
        (*LANDSCAPE, ("sky-other", 20)),
        (("sky-other", 30), ("grass", 20), ("mountain", 50)),
        (("mountain", 20), ("sky-other", 30), ("grass", 50)),
    ],
    ids=["no sky", "nothing but sky", "a second sky", "mountains on the meadow", "mountains above the sky"],
)
def test_what_is_no_landscape(layers):
    assert not is_plausible(land(*layers), NAMES)


@pytest.mark.parametrize("layers", [LANDSCAPE, (*LANDSCAPE, ("clouds", 20)), (("clouds", 30), ("snow", 70))])
def test_a_label_may_be_another_one_of_its_layer(layers):
    names = [stand_in(name) for name in NAMES]
    kinds = sorted(set(names))
    assert len(kinds) == 5
    coarser = np.array([kinds.index(name) for name in names])[land(*layers)]
    assert is_plausible(coarser, kinds) == is_plausible(land(*layers), NAMES)


def test_there_is_one_horizon():
    higher, lower = land(("sky-other", 30), ("grass", 70)), land(("sky-other", 60), ("grass", 40))
    assert is_plausible(higher, NAMES) and is_plausible(lower, NAMES)
    assert not is_plausible(np.concatenate([higher, lower], axis=1), NAMES)


def test_a_thing_is_in_the_middle_of_its_square():
    thing = Thing("tree", (20, 10, 40, 50))
    picture = torch.zeros(1, 3, 80, 80)
    picture[..., 10:50, 20:40] = 1
    cut = thing.cut(picture)[0, 0]
    assert cut.shape == (64, 64)
    assert cut[32, 32] == 1 and cut[32, 4] == 0 and cut[1, 32] == 0
    assert torch.allclose(cut, cut.flip(1), atol=1e-4)
    segmentation = np.where(picture[0, 0] > 0, LABELS["tree"], LABELS["grass"])
    assert (mask_of(thing, segmentation, 64) == (cut.numpy() > 0.5)).mean() > 0.98


def test_things_of_a_scene_are_where_its_labels_are():
    scene = make_scene(3, (128, 128), people=2)
    things = things_of(scene)
    assert {"person"} <= {thing.kind for thing in things} <= set(KINDS)
    for thing in things:
        left, top, right, bottom = (round(edge) for edge in thing.box)
        inside = scene.segmentation[max(0, top) : bottom, max(0, left) : right]
        assert (inside == LABELS[thing.kind]).mean() > 0.05


def test_a_pose_reader_tells_sides_by_colours():
    """A light spot is a left wrist, and a dark one a right wrist, wherever they are."""
    dice = np.random.default_rng(0)
    people, joints = torch.zeros(64, 3, 144, 144), torch.zeros(64, 17, 3)
    for person, spots in zip(people, joints, strict=True):
        for joint, shade in ((9, 1.0), (10, -1.0)):
            column, row = dice.integers(44, 100, 2)
            person[:, row - 6 : row + 6, column - 6 : column + 6] = shade
            spots[joint] = torch.tensor([column, row, 2])
    torch.manual_seed(0)
    reader = PoseReader()
    train_pose_reader(reader, SimpleNamespace(people=people, joints=joints), steps=40, batch_size=8)
    pictures = F.interpolate(people[:16], size=(96, 96), mode="bilinear", antialias=True)
    with torch.inference_mode():
        cells = reader.eval()(pictures)[:, 9].argmax(1)
    places = torch.stack((cells % 24, cells // 24), dim=1) * 6.0 + 3
    assert ((places - joints[:16, 9, :2]).abs().amax(1) < 12).double().mean() > 0.8


def test_a_table_has_checkpoints_beside_their_reconstructions():
    table = Table("two")
    for column in ("old", "old, reconstructed", "new", "new, reconstructed", "true"):
        table.add("labels", column, Interval(0.5, 0.4, 0.6))
    assert table.columns == ["true", "old, reconstructed", "old", "new, reconstructed", "new"]
    assert "0.50 [0.40, 0.60]" in table.markdown()
