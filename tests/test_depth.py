"""Depth: forms and scales of maps, what is refused, and readings that are missing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from vqgan_transformer import DepthCondition
from vqgan_transformer.conditions.gaps import fill_gaps

DEPTH = np.array([[0.0, 5.0], [10.0, 20.0]])
SCALED = torch.tensor([[[[-1.0, -0.5], [0.0, 1.0]]]])


@pytest.mark.parametrize(
    "given",
    [
        DEPTH,
        DEPTH[None] * 1e-3 + 7,
        torch.from_numpy(DEPTH).half(),
        torch.from_numpy(DEPTH)[None, None],
        DEPTH.astype(np.uint16),
        Image.fromarray(DEPTH.astype(np.uint8)),
        Image.fromarray(DEPTH.astype(np.uint16)),
        Image.fromarray(DEPTH.astype(np.float32)),
        [DEPTH],
    ],
    ids=["float64", "another-unit", "half", "B1HW", "uint16", "L", "I;16", "F", "list"],
)
def test_depth_runs_from_far_to_near(given):
    parsed = DepthCondition().parse(given)
    assert parsed.dtype == torch.float32
    assert torch.allclose(parsed, SCALED, atol=1e-5)


def test_each_depth_map_has_its_own_scale():
    assert torch.equal(DepthCondition().parse(np.stack([DEPTH, DEPTH * 9])), SCALED.expand(2, -1, -1, -1))


def test_constant_depth_is_far():
    with pytest.warns(UserWarning, match="same everywhere"):
        assert DepthCondition().parse(np.full((2, 3), 4.0)).eq(-1).all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.array([[0, np.nan]]), ValueError, "50.00% of the depth values are NaN or infinite"),
        (np.array([[-1e308, 1e308]]), ValueError, "cannot be scaled"),
        (np.array([[True]]), TypeError, "type bool"),
        (np.eye(3)[None].repeat(2, 0), ValueError, r"colour picture \(its channels differ by up to 1\)"),
        (np.zeros(4), ValueError, r"shape \(4,\)"),
        (np.zeros((2, 0)), ValueError, r"shape \(2, 0\)"),
        (Image.new("RGB", (4, 4), "red"), ValueError, "differ by up to 255"),
        ([DEPTH, DEPTH[:1]], ValueError, "different sizes"),
        (3.0, TypeError, "given as float"),
        ([], ValueError, "empty list"),
    ],
)
def test_depth_that_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        DepthCondition().parse(given)


def test_zeros_that_look_like_missing_readings_are_pointed_out():
    millimetres = np.array([[0, 1200, 2600], [0, 4300, 6400]], np.uint16)
    with pytest.warns(UserWarning, match=r"33.3% of the depth values are 0 and all others lie in 1200–6400.*invalid=0"):
        DepthCondition().parse(millimetres)


def test_gaps_become_membranes_between_readings():
    """The fill of a gap solves Laplace's equation: a ramp is continued as a ramp, and readings stay as they are."""
    ramp = np.add.outer(3 * np.arange(24.0), 2 * np.arange(40.0))
    known = np.ones(ramp.shape, bool)
    known[8:15, 5:30] = False
    filled = fill_gaps(np.where(known, ramp, np.nan), known)
    assert np.array_equal(filled[known], ramp[known])
    assert np.abs(filled - ramp).max() < 1


METRES = np.linspace(1, 9, 400).reshape(20, 20)


@pytest.mark.parametrize("near", ["large", "small"])
@pytest.mark.parametrize(
    ("scale", "mark"), [(1, -1), (1, -9999), (1000, 65535), (1000, 32767), (1, 1e30)], ids=lambda value: f"{value:g}"
)
def test_values_that_mark_holes_are_pointed_out(scale, mark, near):
    holes = np.random.default_rng(0).random(METRES.shape) < 0.05
    depth = np.where(holes, mark, scale * METRES)
    told = (
        pytest.raises(ValueError, match=f"invalid={mark}")
        if near == "small" and mark < 0
        else pytest.warns(
            UserWarning, match=f"are {mark:.10g} and all others .*pass invalid={mark:.10g}".replace("+", ".")
        )
    )
    with told:
        DepthCondition().parse(depth, near=near)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DepthCondition().parse(depth, near=near, invalid=mark)
        DepthCondition().parse(METRES - 5, near="large")  # relative depth has values below 0, too


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_what_is_filled_in_lies_between_the_readings(share):
    random = np.random.default_rng(0)
    values = random.normal(size=(37, 50))
    known = random.random(values.shape) < share
    filled = fill_gaps(np.where(known, values, np.inf), known)
    assert np.array_equal(filled[known], values[known])
    assert values[known].min() <= filled.min() <= filled.max() <= values[known].max()


def test_a_gap_takes_after_the_readings_next_to_it():
    """The sky above a street, where a laser scanner has no reading, is as far as what is seen below it."""
    inverse = np.linspace(0, 1, 64)[:, None].repeat(96, axis=1)
    known = np.arange(64)[:, None].repeat(96, axis=1) >= 20
    assert fill_gaps(inverse, known)[:20].max() < inverse[24, 0]
    with pytest.raises(ValueError, match="no reading"):
        fill_gaps(inverse, np.zeros_like(known))
