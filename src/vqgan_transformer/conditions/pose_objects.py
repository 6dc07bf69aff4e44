"""What pose estimators return as objects of their own: ultralytics, supervision and MediaPipe, told by what they have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..geometry import Size

__all__ = ["PoseObject", "read_pose_object"]


@dataclass(frozen=True)
class PoseObject:
    """The people that an object of another library stands for.

    Attributes:
        joints: float64 (people, joints, 3): x, y and score.
        size: (height, width) of the picture that x and y are pixels of, where the object says it.
        relative: x and y lie in 0–1.
        order: name of the joints' order, where the library has but one.
    """

    joints: np.ndarray
    size: Size | None = None
    relative: bool = False
    order: str | None = None


def read_pose_object(value: Any) -> PoseObject | None:
    """The people of one picture in an object of a pose estimator; ``None`` for everything else."""
    if hasattr(value, "pose_landmarks"):
        return PoseObject(_landmarks(value.pose_landmarks), relative=True, order="mediapipe")
    inner = getattr(value, "keypoints", None)
    if inner is not None and hasattr(value, "orig_shape"):  # ultralytics' Results
        return _points(inner, value.orig_shape)
    return _points(value, getattr(value, "orig_shape", None)) if hasattr(value, "xy") else None


def _points(value: Any, shape: Any) -> PoseObject:
    """Ultralytics' Keypoints and supervision's KeyPoints: xy (people, joints, 2), and confidences, if any."""
    places = _array(value.xy)
    names = ("conf", "keypoint_confidence", "confidence")
    scores = next((_array(score) for name in names if (score := getattr(value, name, None)) is not None), None)
    if scores is None or scores.shape != places.shape[:2]:
        scores = np.ones(places.shape[:2])
    # both put joints that were not found at (0, 0)
    scores = np.where((places == 0).all(axis=-1), 0, scores.clip(0, 1))
    size = None if shape is None else (int(shape[0]), int(shape[1]))
    return PoseObject(np.concatenate((places, scores[..., None]), axis=-1).reshape(-1, *places.shape[1:-1], 3), size)


def _landmarks(landmarks: Any) -> np.ndarray:
    """MediaPipe's landmarks: of one person (``.landmark``), or a list for each person; (people, 33, 3)."""
    people = [] if landmarks is None else [landmarks.landmark] if hasattr(landmarks, "landmark") else list(landmarks)
    joints = [
        [(joint.x, joint.y, 1.0 if (seen := getattr(joint, "visibility", None)) is None else seen) for joint in person]
        for person in people
    ]
    return np.array(joints, dtype=np.float64).reshape(len(joints), -1, 3) if joints else np.zeros((0, 33, 3))


def _array(value: Any) -> np.ndarray:
    array = value.detach().cpu().double().numpy() if isinstance(value, Tensor) else np.asarray(value, dtype=np.float64)
    return array
