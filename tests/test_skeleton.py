"""Skeleton pictures: what is drawn where, and that it is the same whatever the size and order."""

from __future__ import annotations

import numpy as np
import pytest

from vqgan_transformer.conditions.skeleton import JOINTS, LIMBS, render_skeletons
from vqgan_transformer.scenes import make_scene

# a person of 100 pixels who stands with arms out, seen from the front: their left is on the right of the picture
STANDING = {
    "nose": (0, 12), "left_eye": (4, 9), "right_eye": (-4, 9), "left_ear": (8, 11), "right_ear": (-8, 11),
    "left_shoulder": (11, 20), "right_shoulder": (-11, 20), "left_elbow": (27, 25), "right_elbow": (-27, 25),
    "left_wrist": (42, 20), "right_wrist": (-42, 20), "left_hip": (7, 49), "right_hip": (-7, 49),
    "left_knee": (12, 73), "right_knee": (-12, 73), "left_ankle": (14, 97), "right_ankle": (-14, 97),
}  # fmt: skip


def person(x: float = 60, y: float = 10, scale: float = 1.0) -> np.ndarray:
    return np.array([(x + scale * STANDING[name][0], y + scale * STANDING[name][1], 2) for name in JOINTS])


def spot(name: str, x: float = 60, y: float = 10) -> np.ndarray:
    if name == "neck":
        return (spot("left_shoulder", x, y) + spot("right_shoulder", x, y)) / 2
    return np.add(STANDING[name], (x, y))


def pooled(picture: np.ndarray, side: int) -> np.ndarray:
    height, width = (length // side * side for length in picture.shape[:2])
    return (
        picture[:height, :width].reshape(height // side, side, width // side, side, 3).astype(float).mean(axis=(1, 3))
    )


def test_a_limb_has_its_colour_between_its_joints():
    picture = render_skeletons(person()[None], (120, 120))
    for (start, end), (colour, _) in LIMBS.items():
        if not {start, end} <= {"nose", "left_eye", "right_eye", "left_ear", "right_ear"}:  # discs cover short limbs
            x, y = (spot(start) + spot(end)) / 2
            assert np.abs(picture[int(y), int(x)] - np.array(colour)).max() <= 1, (start, end)
    assert not picture[:, :15].any()
    assert not picture[112:].any()


def test_left_and_right_are_told_apart():
    right, left = ([colour for pair, (colour, _) in LIMBS.items() if any(side in name for name in pair)
                    and not any(other in name for name in pair)] for side, other in (("right", "left"), ("left", "right")))  # fmt: skip
    assert all(red > blue for red, _, blue in right)
    assert all(blue > red for red, _, blue in left)
    assert len({colour for colour, _ in LIMBS.values()}) == len(LIMBS)
    mirrored = person() * (-1, 1, 1) + (120, 0, 0)
    assert (render_skeletons(mirrored[None], (120, 120)) != render_skeletons(person()[None], (120, 120))).any()


@pytest.mark.parametrize(("side", "least"), [(8, 25), (16, 12)])
def test_limbs_survive_cells_as_large_as_a_token(side, least):
    """The mean colour of a cell through which a limb runs is far from black, and tells left from right."""
    cells = pooled(render_skeletons(person(128, 60, 1.6)[None], (256, 256)), side)
    for (start, end), _ in LIMBS.items():
        sides = {name.split("_")[0] for name in (start, end)}
        if sides in ({"left"}, {"right"}):
            place = (np.array(STANDING[start]) + STANDING[end]) / 2 * 1.6 + (128, 60)
            red, _, blue = cells[int(place[1]) // side, int(place[0]) // side]
            assert max(red, blue) > least, (start, end)
            if "eye" not in start:
                assert (red > blue) == (sides == {"right"}), (start, end)


@pytest.mark.parametrize("factor", [2, 4])
def test_twice_the_size_is_the_same_picture_at_twice_the_resolution(factor):
    small = render_skeletons(person()[None], (120, 120)).astype(float)
    people = person()[None] * (factor, factor, 1)
    large = pooled(render_skeletons(people, (120 * factor, 120 * factor)), factor)
    assert np.abs(large - small).mean() < 1.5
    assert np.abs(large - small).max() < 100  # anti-aliased edges are rounder at a higher resolution


def test_the_order_of_people_makes_no_difference():
    people = np.stack([person(40, 5), person(60, 10, 1.1), person(80, 20, 0.7)])
    picture = render_skeletons(people, (130, 130))
    for order in ([2, 0, 1], [1, 2, 0], [2, 1, 0]):
        assert np.array_equal(render_skeletons(people[order], (130, 130)), picture)


def test_larger_people_are_drawn_over_smaller_ones():
    back, front = person(60, 30, 0.5), person(60, 10, 1.0)
    alone, both = (render_skeletons(people, (120, 120)) for people in (front[None], np.stack([front, back])))
    opaque = alone.max(axis=-1) > 150
    assert np.abs(both[opaque].astype(int) - alone[opaque]).mean() < 2


def test_a_person_partly_outside_is_the_cut_of_the_whole():
    whole = render_skeletons(person(60, 10)[None], (120, 120))
    assert np.array_equal(render_skeletons(person(20, -30)[None], (80, 80)), whole[40:, 40:])


def test_a_person_partly_hidden_keeps_the_width_of_the_limbs():
    hidden = person()
    hidden[[JOINTS.index(name) for name in JOINTS if "knee" in name or "ankle" in name], 2] = 0
    hidden[:5, 2] = 0
    whole, part = (render_skeletons(one[None], (120, 120)) for one in (person(), hidden))
    assert not part[70:].any()
    assert np.abs(part[40:54].astype(int) - whole[40:54]).mean() < 1  # between arms and hips


def test_hidden_joints_are_drawn_like_seen_ones():
    hidden = person()
    hidden[:, 2] = 1
    assert np.array_equal(render_skeletons(hidden[None], (120, 120)), render_skeletons(person()[None], (120, 120)))


def test_a_misplaced_joint_does_not_change_the_width_much():
    wrong = person()
    wrong[JOINTS.index("left_wrist"), :2] = 500, 500
    lower = np.s_[85:120, 30:70]  # legs
    ours, right = (render_skeletons(one[None], (120, 120))[lower].astype(int) for one in (wrong, person()))
    assert np.abs(ours - right).mean() < 8


def test_nobody_and_a_single_joint():
    assert not render_skeletons(np.zeros((0, 17, 3)), (16, 16)).any()
    assert not render_skeletons(np.zeros((2, 17, 3)), (16, 16)).any()
    lone = np.zeros((1, 17, 3))
    lone[0, 0] = 8, 8, 2
    picture = render_skeletons(lone, (16, 16))
    assert picture[7:9, 7:9].min() > 100
    assert not picture[:5].any()


def test_joints_of_a_scene_lie_on_its_people():
    scene = make_scene(3, (256, 256), people=3)
    picture = render_skeletons(scene.keypoints, (256, 256)).max(axis=-1)
    for x, y, visibility in scene.keypoints.reshape(-1, 3):
        assert not visibility or picture[int(y), int(x)] > 60


@pytest.mark.parametrize(
    ("people", "message"),
    [(np.zeros((17, 3)), r"got \(17, 3\)"), (np.array([[(np.nan, 1, 1)] * 17]), "not finite")],
)
def test_what_cannot_be_drawn(people, message):
    with pytest.raises(ValueError, match=message):
        render_skeletons(people, (16, 16))
