"""Orders in which programs list the joints of a person, and their translation by name to COCO's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import nearest_name
from .skeleton import JOINTS

__all__ = ["JOINT_ORDERS", "joint_order", "to_coco"]

_OPENPOSE = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
_FACE = ("right_eye", "left_eye", "right_ear", "left_ear")
_RIGHT_LEG, _LEFT_LEG = (tuple(f"{side}_{joint}" for joint in ("hip", "knee", "ankle")) for side in ("right", "left"))
_FEET = ("big_toe", "small_toe", "heel")

JOINT_ORDERS: dict[str, tuple[str, ...]] = {
    "coco": JOINTS,
    "openpose": (*_OPENPOSE, *_RIGHT_LEG, *_LEFT_LEG, *_FACE),
    "openpose25": (
        *_OPENPOSE, "hips", *_RIGHT_LEG, *_LEFT_LEG, *_FACE,
        *(f"{side}_{joint}" for side in ("left", "right") for joint in _FEET),
    ),
    "crowdpose": (
        "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
        "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "head", "neck",
    ),
    "mediapipe": (
        "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
        "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist",
        *(f"{side}_{finger}" for finger in ("pinky", "index", "thumb") for side in ("left", "right")),
        "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel",
        "left_foot_index", "right_foot_index",
    ),
    "coco_wholebody": (*JOINTS, *(f"point_{number}" for number in range(len(JOINTS), 133))),
}  # fmt: skip
"""The names of the joints in each order: COCO's 17, OpenPose's 18 (the body of COCO with a neck) and 25, CrowdPose's 14,
MediaPipe's 33, and COCO-WholeBody's 133, of which the first 17 are COCO's."""


def joint_order(keypoint_format: Any, count: int) -> tuple[str, ...]:
    """The names of the joints that a user's `count` joints are.

    Args:
        keypoint_format: a name in :data:`JOINT_ORDERS`, or the names of the joints themselves; ``None`` stands for
            COCO's order and is refused where there are not 17.
        count: joints of a person.

    Raises:
        TypeError: for a format that is neither a name nor a sequence of names.
        ValueError: for an unknown format, names of which none is a joint of COCO, and another number of joints.
    """
    if keypoint_format is None:
        if count != len(JOINTS):
            fits = [name for name, order in JOINT_ORDERS.items() if len(order) == count]
            hint = f"pass keypoint_format={fits[0]!r} if that is their order, or" if fits else "pass"
            raise ValueError(
                f"keypoints has {count} joints for each person; COCO has {len(JOINTS)}. If they are another set, {hint} "
                "keypoint_format=[...] with the name of each joint."
            )
        return JOINTS
    if isinstance(keypoint_format, str):
        if keypoint_format not in JOINT_ORDERS:
            raise ValueError(
                f"there is no keypoint_format {keypoint_format!r}; known are {', '.join(JOINT_ORDERS)}."
                f"{nearest_name(keypoint_format, JOINT_ORDERS)}"
            )
        order, title = JOINT_ORDERS[keypoint_format], f"keypoint_format={keypoint_format!r}"
    else:
        order, title = _own_names(keypoint_format), "keypoint_format"
    if len(order) != count:
        raise ValueError(f"keypoints has {count} joints for each person, but {title} has {len(order)}.")
    return order


def to_coco(people: np.ndarray, order: Sequence[str]) -> np.ndarray:
    """People in another order of joints: (people, joints, 3) -> (people, 17, 3).

    Joints go by their names; those that COCO lacks are left out, those that are missing are marked as not there. CrowdPose
    has no face, but the top of the head and the neck: the nose is put half-way between them.
    """
    if tuple(order) == JOINTS:
        return people
    result = np.zeros((len(people), len(JOINTS), 3))
    place = {name: k for k, name in enumerate(order)}
    for joint, name in enumerate(JOINTS):
        if name in place:
            result[:, joint] = people[:, place[name]]
    if {"head", "neck"} <= place.keys() and "nose" not in place:
        ends = people[:, [place["head"], place["neck"]]]
        result[:, JOINTS.index("nose"), :2] = ends[..., :2].mean(axis=1)
        result[:, JOINTS.index("nose"), 2] = ends[..., 2].min(axis=1)
    return result


def _own_names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"keypoint_format is the name of an order, or the names of the joints, got {names!r}.")
    order = tuple(name.strip().lower().replace(" ", "_").replace("-", "_") for name in names)
    if len(set(order)) < len(order):
        raise ValueError("keypoint_format names a joint twice.")
    if not set(order) & set(JOINTS):
        raise ValueError(f"keypoint_format has none of COCO's joints ({', '.join(JOINTS)}): {', '.join(order)}.")
    return order
