"""A share of the crude maps of a training are drawn as a planner draws them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vqgan_transformer import SegmentationCondition
from vqgan_transformer.conditions.plan_maps import plan_map
from vqgan_transformer.scenes import make_scene

PERSON = 0  # in the numbers of COCO-Stuff, as scenes have them


def labels_of(seed: int, size: tuple[int, int] = (128, 128), people: int | None = None) -> np.ndarray:
    return make_scene(seed, size, people=people).segmentation.astype(np.int64)


def test_a_plan_has_large_regions_where_the_map_has_them_and_no_detail() -> None:
    labels = np.zeros((128, 192), np.int64)
    labels[64:] = 1
    labels[63, 90] = 1  # smaller than a cell of the 24 rows that seed 3 draws
    assert np.array_equal(plan_map(labels, np.random.default_rng(3)), np.repeat([[0], [1]], 64, 0).repeat(192, 1))


def test_borders_of_a_plan_lie_within_a_cell_of_true_ones() -> None:
    labels = (np.add.outer(np.arange(256), np.arange(256)) > 255).astype(np.int64)
    plan = plan_map(labels, np.random.default_rng(1))
    away = np.abs(np.add.outer(np.arange(256), np.arange(256)) - 255)
    assert (plan == labels)[away > 256 / 15 * 1.5].all() and (plan != labels).any()


@pytest.mark.parametrize("seed", range(4))
def test_people_stand_on_a_plan_as_they_are_and_it_has_no_others(seed: int) -> None:
    labels = labels_of(seed, people=2)
    plan = plan_map(labels, np.random.default_rng(seed), PERSON)
    assert np.array_equal(plan == PERSON, labels == PERSON)


@pytest.mark.parametrize("size", [(128, 96), (24, 32), (5, 7), (1, 1), (300, 700)])
def test_a_plan_has_the_size_of_the_map_and_labels_of_it(size: tuple[int, int]) -> None:
    labels = np.resize(labels_of(3, (160, 160)), size)
    labels[: size[0] // 4] = -1
    plan = plan_map(labels, np.random.default_rng(0))
    assert plan.shape == size and plan.dtype == np.int64
    assert {*np.unique(plan)} <= {*np.unique(labels)}


def test_some_maps_of_a_training_are_plans_and_most_are_drawn_by_hand() -> None:
    condition = SegmentationCondition(label_space="coco-stuff-182")
    labels = labels_of(5)
    drawn = [
        condition.drawn_crudely(torch.from_numpy(labels), np.random.default_rng(seed)).numpy() for seed in range(80)
    ]
    plans = [
        plan_map(labels, np.random.default_rng(seed), PERSON) for seed in range(40)
    ]  # one for each number of rows at least
    share = np.mean([any(np.array_equal(each, plan) for plan in plans) for each in drawn])
    assert 0.15 < share < 0.45  # three in ten
