"""Line drawings of pictures and label maps."""

import numpy as np
import pytest

from vqgan_transformer.scenes import LABELS, line_drawing, make_scene, outlines


def disc(side: int, bright: int, dark: int) -> np.ndarray:
    """A bright disc on dark ground, with its radius a quarter of the side: uint8 (side, side, 3)."""
    rows, columns = np.indices((side, side)) + 0.5 - side / 2
    inside = np.hypot(rows, columns) < side / 4
    return np.repeat(np.where(inside, bright, dark).astype(np.uint8)[..., None], 3, axis=2)


def test_outlines_are_where_labels_change():
    labels = np.array([[1, 1, 2], [1, 1, 2], [3, 3, 3]])
    assert outlines(labels).tolist() == [[False, True, False], [True, True, True], [False, False, False]]


def test_outlines_are_also_where_something_stands_before_something_farther_away():
    labels, depth = np.zeros((3, 4), int), np.full((3, 4), 0.2)
    depth[:, 2:] = 0.6
    assert outlines(labels, depth).tolist() == [[False, True, False, False]] * 3
    assert not outlines(labels, depth, step=0.5).any()


@pytest.mark.parametrize(("side", "softness"), [(128, 1.0), (256, 1.0), (512, 1.0), (1024, 2.0)])
@pytest.mark.parametrize(("bright", "dark"), [(230, 30), (60, 10)], ids=["day", "night"])
def test_the_lines_of_a_disc_are_its_rim_at_any_size_and_brightness(side, softness, bright, dark):
    lines = line_drawing(disc(side, bright, dark), softness=softness)
    rows, columns = np.nonzero(lines)
    radii = np.hypot(rows + 0.5 - side / 2, columns + 0.5 - side / 2) / (side / 4)
    assert np.abs(radii - 1).max() < 0.06
    # a closed line of one pixel, where diagonal steps count once: between 4·√2·r and 8·r
    assert 0.9 * 4 * 2**0.5 * side / 4 < lines.sum() < 8.5 * side / 4


def test_what_does_not_change_has_no_lines():
    assert not line_drawing(np.full((64, 64, 3), 77, np.uint8)).any()


def test_a_night_has_lines_where_the_same_place_has_them_by_day():
    day, night = (make_scene(4, (256, 256), season="summer", time_of_day=time) for time in ("day", "night"))
    skyline = outlines(day.segmentation == LABELS["sky-other"])
    for scene in (day, night):
        lines = line_drawing(scene.image)
        near = lines.copy()
        for axis in (0, 1):
            for shift in (-2, -1, 1, 2):
                near |= np.roll(lines, shift, axis)
        assert near[skyline].mean() > 0.5
